"""Small languages and models, and every outcome of a sampler with its probability."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

import constrain
from constrain.decoders.contract import Sample
from constrain.decoders.samplers import Table
from constrain.decoders.samplers.chance import Chance
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.decoders.toys import sequences

TOKENS = [b"a", b"b", b"ab", b"", b"a", b"c"]
"""Two tokens with the same bytes; the end is token 3."""
END = 3


def constraint_of(pattern: str, tokens: Sequence[bytes] = TOKENS, ends: tuple[int, ...] = (END,)) -> CompiledConstraint:
    """A regular expression over a small vocabulary."""
    index = constrain.TokenizerIndex.from_tokenizer(Vocabulary(tuple(tokens), {}, ends), end_tokens=ends, cache=False)
    return constrain.compile(constrain.regex(pattern), index)


def random_table(width: int, seed: int = 0, *, sparse: bool = False, skew: float = 1.0) -> Table:
    """A law for every prefix: its logits are normal, times `skew`; with `sparse` a third of the tokens has none."""

    def law(prefix: tuple[int, ...]) -> list[float]:
        rng = np.random.default_rng([seed, *prefix])
        weights = np.exp(skew * rng.standard_normal(width))
        if sparse:
            weights[rng.permutation(width)[: width // 3]] = 0.0
        return list(weights / weights.sum())

    return Table(law)


def log_probability(table: Table, prompt: Sequence[int], tokens: Sequence[int], temperature: float = 1.0) -> float:
    """By multiplying; -inf when a token has probability 0."""
    total = 0.0
    for i, token in enumerate(tokens):
        row = table.log_probabilities([(*prompt, *tokens[:i])])[0] / temperature
        total += row[token] - math.log(math.fsum(np.exp(row)))
    return total


def target(
    table: Table, prompt: Sequence[int], constraint: CompiledConstraint, longest: int, temperature: float = 1.0
) -> dict[tuple[int, ...], float]:
    """P(x) for every sequence x of L of at most `longest` tokens."""
    index = constraint.index
    everything = sequences(index.tokens, END, longest, constraint.accepts)
    law = {x: math.exp(log_probability(table, prompt, x, temperature)) for x in everything}
    return {x: p for x, p in law.items() if p > 0}


class Enumeration:
    """Makes every choice of `Chance` in every possible way, one run after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._script: list[int] = []
        self._ends: list[int] = []
        self._place, self.probability = 0, 1.0
        monkeypatch.setattr(Chance, "choose", lambda _, masses: self._choose(list(masses)))
        monkeypatch.setattr(Chance, "choose_one", lambda _, masses: self._choose(masses.tolist()))
        monkeypatch.setattr(Chance, "choose_cumulated", lambda _, sums: self._choose(np.diff(sums, prepend=0).tolist()))
        monkeypatch.setattr(Chance, "offset", lambda _, breaks: self._offset(breaks.tolist()))

    def _choose(self, masses: list[float]) -> int:
        total = math.fsum(masses)
        options = [i for i, mass in enumerate(masses) if mass > 0]
        if self._place == len(self._script):
            self._script.append(0)
            self._ends.append(len(options))
        chosen = options[self._script[self._place]]
        self._place += 1
        self.probability *= masses[chosen] / total
        return chosen

    def _offset(self, breaks: list[float]) -> float:
        edges = [0.0, *breaks, 1.0]
        chosen = self._choose([b - a for a, b in itertools.pairwise(edges)])
        return (edges[chosen] + edges[chosen + 1]) / 2

    def outcomes(self, run: Callable[[], list[Sample]]) -> Iterator[tuple[float, list[Sample]]]:
        """What comes out of every run, and its probability."""
        while True:
            self._place, self.probability = 0, 1.0
            samples = run()
            yield self.probability, samples
            while self._script and self._script[-1] + 1 == self._ends[-1]:
                self._script.pop()
                self._ends.pop()
            if not self._script:
                return
            self._script[-1] += 1


Law = dict[tuple[int, ...], float]


def laws_of(outcomes: Iterator[tuple[float, list[Sample]]]) -> tuple[Law, Law]:
    """E[mean w · 1{x}], and the law of samples that do not fail, for every x that occurs."""
    weighted: dict[tuple[int, ...], list[float]] = defaultdict(list)
    plain: dict[tuple[int, ...], list[float]] = defaultdict(list)
    total = []
    for probability, samples in outcomes:
        total.append(probability)
        for sample in samples:
            if not sample.failed:
                weighted[sample.tokens].append(probability * math.exp(sample.log_weight) / len(samples))
                plain[sample.tokens].append(probability / len(samples))
    assert math.fsum(total) == pytest.approx(1, abs=1e-12)
    kept = math.fsum(p for parts in plain.values() for p in parts)
    return (
        {x: math.fsum(parts) for x, parts in weighted.items()},
        {x: math.fsum(parts) / kept for x, parts in plain.items()},
    )


def conditioned(law: Law) -> Law:
    """A law divided by its total."""
    total = math.fsum(law.values())
    return {x: p / total for x, p in law.items()}


def assert_same(found: Law, expected: Law, tolerance: float = 1e-12) -> None:
    """Equal, relatively to the total of what is expected, and with the same support."""
    assert set(found) == set(expected)
    total = math.fsum(expected.values())
    for x, p in expected.items():
        assert abs(found[x] - p) <= tolerance * total, (x, found[x], p)
