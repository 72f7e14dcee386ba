"""Best completions weigh what saturation says, token by token, and are what enumeration finds."""

import itertools
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constrain.decoders.diffusion import completions
from constrain.decoders.diffusion.chart import Chart, ChartCanvas
from constrain.decoders.diffusion.completions import best_completion
from constrain.decoders.diffusion.saturation import Saturation
from constrain.decoders.diffusion.vertices import Hole, Part, vertices_of
from constrain.grammars import ir
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import ResourceLimitError, UnsatisfiableConstraintError
from tests.matching import compiled_or_none, index_of
from tests.strategies import examples, grammars

_TOKENS = [b"a", b"b", b"(", b",", b"\xc3", b"\xa9", b"ab", "é".encode(), b"a(", b"((", b",,", b",,b", b",(("]
_INDEX = index_of([*_TOKENS, *[bytes([byte]) for byte in range(256) if bytes([byte]) not in _TOKENS]])

_NESTED = {
    "left": ebnf('root ::= root "," root | root "a" | "b"'),
    "mutual": ebnf('root ::= x "a" | "b"\nx ::= root "(" | y\ny ::= x "," | "a"'),
    "middle": ebnf('root ::= "(" root "," | "a" root "b" | "a"?'),
    "pairs": ebnf('root ::= ("(" root "," | "a" root "b" | "é")*'),
    "empty": ebnf('root ::= x y x\nx ::= "(" x "," | ""\ny ::= x x "a" | ""'),
}


def _random_parts(choice: random.Random, holes: list[Hole]) -> list[Part]:
    known: list[Part] = [b"a", b"b", b"(", b",", b"ab", b"\xc3", 8, 9, 10, 11, 12]
    parts = [choice.choice(known) for _ in range(5)]
    for _ in range(choice.randint(1, 4)):
        parts[choice.randrange(5)] = choice.choice(holes)
    return parts[: choice.randint(1, 5)]


_BOUNDED = [Hole(1, 1), Hole(0, 2), Hole(2, 2), Hole(1, 3)]


def _check_weight(chart: Chart, choice: random.Random) -> bool:
    """Whether a random text has a completion; the weight of the best one is the one of the cheapest by saturation."""
    parts = _random_parts(choice, _BOUNDED)
    draw = np.random.default_rng(choice.randrange(1 << 32))
    of_part = -draw.exponential(size=(len(parts), len(chart.moves.actions.classes)))
    of_part[draw.random(of_part.shape) < 0.1] = -np.inf
    kinds, owners = [], []
    for number, part in enumerate(parts):
        here = chart._kinds_of(part)
        kinds += here
        owners += [number] * len(here)
    classes = np.append(chart.class_of_token, 0)

    def cost(hole: int, word: int) -> float:
        number = int(classes[chart.words.tokens[word][0]])
        return float(-of_part[hole, number]) if number < of_part.shape[1] else math.inf

    vertices = vertices_of(parts, chart.networks, chart.index, chart.words)
    truth = Saturation(chart.networks, vertices, cost)
    best = best_completion(chart.moves, kinds, of_part[owners])
    assert (best is not None) == truth.is_completable
    if best is None:
        return False
    assert best.weight == pytest.approx(-truth.cost, abs=1e-9)
    read = [float(of_part[owners[place], number]) for place, number in enumerate(best.classes) if number >= 0]
    assert sum(read) == pytest.approx(best.weight), "what is chosen weighs what is said"
    filled: list[Part] = []
    for place, number in enumerate(best.classes.tolist()):
        part = parts[owners[place]]
        if number >= 0:
            filled.append(chart.moves.actions.tokens[number][0])
        elif not isinstance(part, Hole) and (place == 0 or owners[place] != owners[place - 1]):
            filled.append(part)
    assert chart.is_completable(filled), "and obeys the grammar"
    return True


@pytest.mark.parametrize("name", _NESTED)
def test_weights(name: str) -> None:
    """Left and mutual recursion, empty rules, and tokens that push or pop several symbols."""
    chart, choice = Chart(_NESTED[name], _INDEX), random.Random(name)
    assert {_check_weight(chart, choice) for _ in range(80)} == {True, False}


@examples(40)
@given(grammars(), st.integers(0, 1 << 32))
def test_random_grammars(grammar: ir.Grammar, seed: int) -> None:
    """The same with random grammars."""
    if compiled_or_none(grammar, _INDEX) is None:
        return
    chart, choice = Chart(grammar, _INDEX), random.Random(seed)
    for _ in range(3):
        _check_weight(chart, choice)


@pytest.mark.parametrize("name", _NESTED)
def test_fewest_bytes(name: str) -> None:
    """In holes of any length, the fewest bytes are taken, however many that are."""
    chart, choice = Chart(_NESTED[name], _INDEX), random.Random(name)
    some = 0
    for _ in range(60):
        parts = _random_parts(choice, [Hole()])
        truth = Saturation(
            chart.networks, vertices_of(parts, chart.networks, _INDEX, chart.words), lambda hole, word: 1.0
        )
        if truth.is_completable:
            some += 1
            filled = chart.complete(parts)
            assert chart.is_completable([b"".join(filled)])
            assert sum(len(text) for text, part in zip(filled, parts, strict=True) if part == Hole()) == truth.cost
        else:
            with pytest.raises(UnsatisfiableConstraintError):
                chart.complete(parts)
    assert some > 3


def test_many_bytes() -> None:
    """A hole of more bytes than are tried at first, and of more than are tried at all."""
    chart = Chart(ebnf('root ::= "(" root "," | "a"'), _INDEX)
    for size in (3, 30, 100):
        assert chart.complete([b"(" * size, Hole()])[1] == b"a" + b"," * size


def test_canvases_by_enumeration() -> None:
    """The best canvas, ends inside, of all that there are; some positions are known, and weights may be positive."""
    index = index_of(_TOKENS[:4] + _TOKENS[8:])
    chart, end, length = Chart(_NESTED["middle"], index), index.end_tokens[0], 4
    spelled = [token for token in range(index.vocab_size) if index.tokens[token] and token != end]
    texts = [
        (*path, *[end] * (length - size))
        for size in range(length + 1)
        for path in itertools.product(spelled, repeat=size)
        if chart.is_completable([b"".join(index.tokens[token] for token in path)])
    ]
    choice, generator = random.Random(0), torch.Generator().manual_seed(0)
    for _ in range(25):
        law = torch.randn((length, index.vocab_size), generator=generator, dtype=torch.float64)
        known = dict(choice.sample(list(enumerate(choice.choice(texts))), choice.randint(0, 3)))
        tokens = torch.tensor([known.get(place, -1) for place in range(length)])
        left = [text for text in texts if all(text[place] == token for place, token in known.items())]
        best = ChartCanvas(chart, tokens).best(law)
        assert tuple(best.tolist()) in left
        free = [place for place in range(length) if place not in known]
        values = [sum(float(law[place, text[place]]) for place in free) for text in left]
        assert sum(float(law[place, best[place]]) for place in free) == pytest.approx(max(values))


def test_memory_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory that is full is made larger, and when it may not be, that is said."""
    chart = Chart(_NESTED["pairs"], _INDEX)
    law = torch.zeros((24, _INDEX.vocab_size), dtype=torch.float64)
    canvas = ChartCanvas(chart, torch.full((24,), -1))
    law[:, _INDEX.end_tokens[0]] = -1.0
    expected = canvas.best(law)
    monkeypatch.setattr(completions, "_FIRST_SIZE", 4)
    assert float(law.gather(1, canvas.best(law)[:, None]).sum()) == float(law.gather(1, expected[:, None]).sum())
    monkeypatch.setattr(completions, "_MAX_SIZE", 4)
    with pytest.raises(ResourceLimitError, match="contexts"):
        canvas.best(law)
