"""Sets of stacks give the answers that saturation gives: low and high limits, small memories, changes in any order."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.decoders.diffusion import frontiers, stack_sets, texts
from constrain.decoders.diffusion.chart import Chart
from constrain.decoders.diffusion.frontiers import HOLE
from constrain.decoders.diffusion.saturation import Saturation
from constrain.decoders.diffusion.texts import Text
from constrain.decoders.diffusion.vertices import Hole, Part, vertices_of
from constrain.grammars import ir
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import ResourceLimitError
from tests.matching import compiled_or_none, index_of
from tests.strategies import examples, grammars

_TOKENS = [b"a", b"b", b"(", b",", b"\xc3", b"\xa9", b"ab", "é".encode(), b"a(", b"((", b",,"]
_INDEX = index_of([*_TOKENS, *[bytes([byte]) for byte in range(256) if bytes([byte]) not in _TOKENS]])

_NESTED = {
    "left": ebnf('root ::= root "," root | root "a" | "b"'),
    "mutual": ebnf('root ::= x "a" | "b"\nx ::= root "(" | y\ny ::= x "," | "a"'),
    "right": ebnf('root ::= "a" root ("," root)? | "b"'),
    "middle": ebnf('root ::= "(" root "," | "a" root "b" | "a"?'),
    "empty": ebnf('root ::= x y x\nx ::= "(" x "," | ""\ny ::= x x "a" | ""'),
}


def _truth(chart: Chart, parts: list[Part]) -> bool:
    made = vertices_of(parts, chart.networks, chart.index, chart.words)
    return Saturation(chart.networks, made).is_completable


def _random_parts(choice: random.Random) -> list[Part]:
    known: list[Part] = [b"a", b"b", b"(", b",", b"ab", b"\xc3", 8, 9, 10]
    parts = [choice.choice(known) for _ in range(5)]
    for _ in range(choice.randint(1, 3)):
        parts[choice.randrange(5)] = choice.choice([Hole(), Hole(1), Hole(1, 1), Hole(0, 2), Hole(2, 2)])
    return parts[: choice.randint(1, 5)]


@pytest.mark.parametrize("name", _NESTED)
@pytest.mark.parametrize("low", [texts._LOW, (1, 2, 3)])
def test_recursion(name: str, low: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Left, right and mutual recursion and empty rules, also where stacks are higher than the first limits."""
    monkeypatch.setattr(texts, "_LOW", low)
    chart, choice, answers = Chart(_NESTED[name], _INDEX), random.Random(name), set()
    for _ in range(60):
        parts = _random_parts(choice)
        found = chart.is_completable(parts)
        assert found == _truth(chart, parts), parts
        answers.add(found)
    assert answers == {True, False}


@examples(25)
@given(grammars(), st.integers(0, 1 << 32))
def test_random_grammars(grammar: ir.Grammar, seed: int) -> None:
    """Random grammars, with holes of any length among others."""
    if compiled_or_none(grammar, _INDEX) is None:
        return
    chart, choice = Chart(grammar, _INDEX), random.Random(seed)
    for _ in range(3):
        parts = _random_parts(choice)
        assert chart.is_completable(parts) == _truth(chart, parts)


@pytest.mark.parametrize("name", _NESTED)
def test_changes(name: str) -> None:
    """A text that was changed place by place, also back to a mask, answers as one that was made so."""
    chart, choice = Chart(_NESTED[name], _INDEX), random.Random(name)
    kinds = [HOLE, *[chart.kind_of_token(token) for token in (0, 1, 2, 3, 8, 9)]]
    changed = Text(chart.moves, [HOLE] * 7, may_end=True)
    for _ in range(60):
        place, kind = choice.randrange(7), choice.choice(kinds)
        fresh = Text(chart.moves, changed._kinds, may_end=True)
        if choice.random() < 0.5:
            assert changed.allows(place, kind) == fresh.allows(place, kind)
        changed.change(place, kind)
        fresh = Text(chart.moves, changed._kinds, may_end=True)
        if choice.random() < 0.5:
            masks = np.flatnonzero(changed._kinds == HOLE).tolist()
            assert np.array_equal(changed.allowed(masks), fresh.allowed(masks))
        assert changed.is_completable() == fresh.is_completable()
        assert changed.ends_from() == fresh.ends_from()


def test_deep_nesting() -> None:
    """A hundred levels are exact: one bracket more or less is noticed."""
    chart = Chart(ebnf('root ::= "(" root "," | "a"'), _INDEX)
    assert chart.is_completable([b"(" * 100, Hole(), b"," * 100])
    assert chart.is_completable([b"(" * 100, Hole(2, 2), b"," * 99])
    assert not chart.is_completable([b"(" * 100, Hole(1, 1), b"," * 98])
    assert not chart.is_completable([b"(" * 100, Hole(), b"," * 99, b"b"])


@pytest.mark.parametrize("name", _NESTED)
def test_few_rows_remembered(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows are forgotten all the time, answers stay the same."""
    expected, choice = Chart(_NESTED[name], _INDEX), random.Random(name)
    monkeypatch.setattr(stack_sets, "_ROWS", 4)
    chart = Chart(_NESTED[name], _INDEX)
    for _ in range(40):
        parts = _random_parts(choice)
        assert chart.is_completable(parts) == expected.is_completable(parts)
        parts[0] = Hole(1, 1)
        if chart.is_completable(parts):
            assert chart.allowed(parts, 0) == expected.allowed(parts, 0)


def test_memory_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory that is full is made larger, and when it may not be, that is said."""
    chart = Chart(_NESTED["middle"], _INDEX)
    parts: list[Part] = [Hole(12, 12), b"(", Hole(12, 12), b",", Hole(12, 12)]
    expected = Chart(_NESTED["middle"], _INDEX).is_completable(parts)
    monkeypatch.setattr(frontiers, "_FIRST_SIZE", 16)
    assert chart.is_completable(parts) == expected
    monkeypatch.setattr(frontiers, "_MAX_SIZE", 16)
    with pytest.raises(ResourceLimitError, match="sets"):
        Chart(_NESTED["middle"], _INDEX).is_completable(parts)


def test_classes() -> None:
    """Tokens that no stack tells apart are one class."""
    index = index_of([b"a", b"aa", b"b", b"ab", b"bb"])
    chart = Chart(ebnf('root ::= "a"+ "b"'), index)
    assert sorted(chart.moves.actions.tokens) == [[0, 1], [2], [3]]
