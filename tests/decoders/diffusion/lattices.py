"""Random lattices under random automata, and all their sequences by enumeration."""

import itertools
import math
import random
from dataclasses import dataclass

import torch

from constrain.decoders.diffusion.automaton import Automaton

Sequence = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A lattice of one row, and what enumeration says: the log-weights of the sequences that are accepted."""

    automaton: Automaton
    logits: torch.Tensor
    fixed: torch.Tensor
    weights: dict[Sequence, float]

    @property
    def log_mass(self) -> float:
        values = torch.tensor(list(self.weights.values()), dtype=torch.float64)
        return float(values.logsumexp(0))

    def marginals(self) -> torch.Tensor:
        found = torch.zeros_like(self.logits[0])
        for sequence, weight in self.weights.items():
            for position, token in enumerate(sequence):
                found[position, token] += math.exp(weight - self.log_mass)
        return found


def _table(choice: random.Random, states: int, classes: int) -> dict[tuple[int, int], int]:
    cells = itertools.product(range(states), range(classes))
    return {cell: choice.randrange(states) for cell in cells if choice.random() < 0.6}


def accepted(
    logits: torch.Tensor, fixed: torch.Tensor, classes: torch.Tensor, table: dict[tuple[int, int], int], final: set[int]
) -> dict[Sequence, float]:
    """Sequences of weight above zero that lead from state 0 to a final one, with their log-weights."""
    found = {}
    options = [
        [(int(token), 0.0)] if token >= 0 else [(t, w) for t, w in enumerate(row.tolist()) if w > -math.inf]
        for token, row in zip(fixed.tolist(), logits, strict=True)
    ]
    for chosen in itertools.product(*options):
        state: int | None = 0
        for token, _ in chosen:
            state = table.get((state, int(classes[token]))) if state is not None else None
        if state in final:
            found[tuple(token for token, _ in chosen)] = sum(weight for _, weight in chosen)
    return found


def random_case(seed: int, longest: int = 5, scale: float = 3.0) -> Case:
    """A lattice of at most `longest` positions over at most six tokens."""
    choice, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    states, classes, length = choice.randint(1, 5), choice.randint(1, 4), choice.randint(1, longest)
    tokens = choice.randint(classes, 6)
    of_token = torch.tensor([t if t < classes else choice.randrange(classes) for t in range(tokens)])
    table = _table(choice, states, classes)
    final = {state for state in range(states) if choice.random() < 0.5}
    logits = scale * torch.randn(1, length, tokens, generator=generator, dtype=torch.float64)
    logits[torch.rand(logits.shape, generator=generator) < 0.15] = -math.inf
    fixed = torch.tensor([[choice.randrange(tokens) if choice.random() < 0.2 else -1 for _ in range(length)]])
    edges = [(state, label, target) for (state, label), target in table.items()]
    automaton = Automaton.from_edges(of_token, edges, [0], final, states, classes)
    return Case(automaton, logits, fixed, accepted(logits[0], fixed[0], of_token, table, final))
