"""A token-level automaton as tensors: edges between states, in the order that inference on lattices wants.

Several classes of tokens may lead from one state to another; such edges form a *pair*, and sums over paths run over
pairs.  States are those of the `TokenDFA`; that behind the end token is where padding goes on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from constrain.decoders.diffusion.columns import Columns
from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.token_dfa import TokenDFA

__all__ = ["Automaton"]


@dataclass(frozen=True, slots=True, eq=False)
class Automaton:
    """An automaton over V tokens with `state_count` states; it may be nondeterministic if it is unambiguous.

    columns                      classes of tokens
    sources, labels, targets     an edge from a state by a class to a state, (edges,) int64 each
    pairs                        the pair of each edge, (edges,) int64
    pair_sources, pair_targets   states of each pair, (pairs,) int64
    start                        log-weights of the states before the text, (states,) float64: 0 or -inf
    final                        the same of states in which a text may have ended, without or with an end token
    """

    columns: Columns
    sources: torch.Tensor
    labels: torch.Tensor
    targets: torch.Tensor
    pairs: torch.Tensor
    pair_sources: torch.Tensor
    pair_targets: torch.Tensor
    start: torch.Tensor
    final: torch.Tensor

    @property
    def state_count(self) -> int:
        """The number of states."""
        return len(self.start)

    @property
    def vocab_size(self) -> int:
        """The number of tokens."""
        return len(self.columns.classes)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.start.device

    @classmethod
    def from_edges(
        cls,
        classes: torch.Tensor,
        edges: Iterable[tuple[int, int, int]],
        start: Iterable[int],
        final: Iterable[int],
        state_count: int,
        class_count: int,
        *,
        device: torch.device | str = "cpu",
    ) -> "Automaton":
        """The automaton of edges (source, class, target)."""
        rows = torch.tensor(sorted(set(edges)), dtype=torch.long).reshape(-1, 3)
        numbers = rows[:, 0] * state_count + rows[:, 2]
        keys, pairs = torch.unique(numbers, return_inverse=True)
        live = torch.zeros(class_count, dtype=torch.bool)
        live[rows[:, 1]] = True
        return cls(
            Columns(classes.long().to(device), live.to(device)),
            rows[:, 0].contiguous().to(device),
            rows[:, 1].contiguous().to(device),
            rows[:, 2].contiguous().to(device),
            pairs.to(device),
            (keys // state_count).to(device),
            (keys % state_count).to(device),
            _indicator(start, state_count).to(device),
            _indicator(final, state_count).to(device),
        )

    @classmethod
    def from_token_dfa(
        cls, dfa: TokenDFA, *, padding: int | None = None, device: torch.device | str = "cpu"
    ) -> "Automaton":
        """The automaton of a constraint.

        Behind an end token only end tokens may follow; with `padding`, only that token.  Raises ConstrainError when
        the padding is a token of the text, or there is no end token that could come before it.
        """
        classes, table = dfa.classes.astype(np.int64), dfa.transitions.astype(np.int64)
        if padding is not None:
            classes, table = _padded(dfa, padding)
        sources, labels = np.nonzero(table >= 0)
        edges = zip(sources.tolist(), labels.tolist(), table[sources, labels].tolist(), strict=True)
        final = np.flatnonzero(dfa.accepting).tolist()
        return cls.from_edges(
            torch.from_numpy(classes), edges, [0], final, dfa.state_count, table.shape[1], device=device
        )


def _padded(dfa: TokenDFA, padding: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes and transitions with a class of its own for the padding, which alone may follow an end token."""
    ended = dfa.state_count - 1
    column = dfa.classes[padding]
    loops = np.flatnonzero(dfa.transitions[ended] == ended)
    if len(loops) != 1 or (dfa.transitions[:ended] == ended).sum() == 0:
        raise ConstrainError("padding needs an end token that comes before it")
    if (dfa.transitions[:ended, column] >= 0).any() and column != loops[0]:
        raise ConstrainError(f"token {padding} is part of texts and cannot be padding")
    classes = dfa.classes.astype(np.int64)
    added = np.full((dfa.state_count, 1), -1, np.int64)
    if column == loops[0]:  # the padding is itself an end token, and may be the first one
        added[:, 0] = dfa.transitions[:, column]
    added[ended] = ended
    table = np.hstack([dfa.transitions.astype(np.int64), added])
    table[ended, loops[0]] = -1
    classes[padding] = table.shape[1] - 1
    return classes, table


def _indicator(states: Iterable[int], count: int) -> torch.Tensor:
    weights = torch.full((count,), -torch.inf, dtype=torch.float64)
    weights[list(states)] = 0
    return weights
