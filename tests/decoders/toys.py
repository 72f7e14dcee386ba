"""Small models and vocabularies for tests of samplers, and the enumeration of all that chance can do."""

import hashlib
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch

from constrain.decoders import choice
from constrain.decoders.contract import Draw

Law = Callable[[tuple[int, ...]], list[float]]


class TableModel:
    """A model whose logits are a fixed function of the whole prefix; counts its calls."""

    def __init__(self, width: int, seed: int = 0, scale: float = 1.0) -> None:
        self.width, self.seed, self.scale = width, seed, scale
        self.calls: list[int] = []  # tokens read in each call
        self._known: dict[tuple[int, ...], torch.Tensor] = {}

    def logits(self, prefix: Sequence[int]) -> torch.Tensor:
        key = tuple(prefix)
        if key not in self._known:
            self._known[key] = self._drawn(prefix)
        return self._known[key]

    def _drawn(self, prefix: Sequence[int]) -> torch.Tensor:
        digest = hashlib.blake2b(repr((self.seed, list(prefix))).encode(), digest_size=8).digest()
        rng = np.random.default_rng(int.from_bytes(digest))
        return torch.from_numpy(self.scale * rng.standard_normal(self.width)).float()

    def log_probability(self, prompt: Sequence[int], tokens: Sequence[int]) -> float:
        total = 0.0
        for i, token in enumerate(tokens):
            law = torch.log_softmax(self.logits([*prompt, *tokens[:i]]).double(), -1)
            total += float(law[token])
        return total

    def start(self, prompts: Sequence[Sequence[int]]) -> "TableSession":
        assert all(prompts)
        return TableSession(self, [list(prompt) for prompt in prompts])


class TableSession:
    def __init__(self, model: TableModel, rows: list[list[int]]) -> None:
        self.model, self.rows = model, rows

    @property
    def logits(self) -> torch.Tensor:
        return torch.stack([self.model.logits(row) for row in self.rows])

    def feed(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        counts = {len(row) for row in tokens}
        assert len(tokens) == len(self.rows)
        assert len(counts) == 1
        assert counts != {0}
        self.model.calls.append(counts.pop())
        laws = []
        for row, new in zip(self.rows, tokens, strict=True):
            laws.append(torch.stack([self.model.logits([*row, *new[: i + 1]]) for i in range(len(new))]))
            row.extend(new)
        return torch.stack(laws)

    def select(self, rows: Sequence[int]) -> None:
        self.rows = [list(self.rows[row]) for row in rows]


def enumerate_chance(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]) -> Iterator[tuple[float, object]]:
    """Every outcome of `run` with its probability: each draw from a row of masses is made in every possible way."""
    script: list[int] = []
    place = 0
    probability = 1.0
    open_ends: list[int] = []

    def pick(masses: torch.Tensor, rng: np.random.Generator) -> tuple[int, float, float]:
        nonlocal place, probability
        options = masses.nonzero().flatten().tolist()
        total = float(masses.sum())
        if place == len(script):
            script.append(0)
            open_ends.append(len(options))
        token = options[script[place]]
        place += 1
        probability *= float(masses[token]) / total
        return token, float(masses[token]), total

    monkeypatch.setattr(choice, "_pick", pick)
    while True:
        place, probability = 0, 1.0
        outcome = run()
        yield probability, outcome
        while script and script[-1] + 1 == open_ends[-1]:
            script.pop()
            open_ends.pop()
        if not script:
            return
        script[-1] += 1


def weighted_law(outcomes: Iterator[tuple[float, object]]) -> dict[tuple[int, ...], float]:
    """E[exp(log_weight) · 1{tokens = x}] for every x that occurs."""
    law: dict[tuple[int, ...], float] = defaultdict(float)
    total = 0.0
    for probability, draw in outcomes:
        assert isinstance(draw, Draw)
        total += probability
        law[draw.tokens] += probability * math.exp(draw.log_weight)
    assert total == pytest.approx(1)
    return dict(law)


def sequences(
    tokens: Sequence[bytes], end: int, longest: int, accepts: Callable[[bytes], bool]
) -> set[tuple[int, ...]]:
    """All token sequences of at most `longest` tokens, the last the end token, whose text is accepted."""
    texts = [t for t in range(len(tokens)) if tokens[t]]
    return {
        (*path, end)
        for size in range(longest)
        for path in itertools.product(texts, repeat=size)
        if accepts(b"".join(tokens[t] for t in path))
    }
