"""Sets of numbers: what the operations say of single numbers, and sets that must not grow."""

import random
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars.json_schema import json_schema, numbers
from constrain.grammars.json_schema.numbers import Numbers, Piece
from constrain.tokenizer_index.compiled import compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from tests.strategies import examples

_POINTS = [Fraction(number, 4) for number in range(-30, 31)]


def _in_piece(piece: Piece, number: Fraction) -> bool:
    if piece.low is not None and (number < piece.low or (piece.strict_low and number == piece.low)):
        return False
    if piece.high is not None and (number > piece.high or (piece.strict_high and number == piece.high)):
        return False
    if piece.multiple is not None and (number / piece.multiple).denominator != 1:
        return False
    return all((number / excluded).denominator != 1 for excluded in piece.not_multiples)


def _members(among: Numbers) -> set[Fraction]:
    return {number for number in _POINTS if any(_in_piece(piece, number) for piece in among)}


def _some_set(draw: random.Random, depth: int) -> Numbers:
    kind = draw.random()
    if depth > 0 and kind > 0.4:
        first = _some_set(draw, depth - 1)
        if kind > 0.8:
            return numbers.complement(first)
        join = numbers.intersection if kind > 0.6 else numbers.union
        return join(first, _some_set(draw, depth - 1))
    if kind < 0.15:
        return numbers.among(Fraction(draw.randint(-6, 6), draw.choice([1, 1, 2])) for _ in range(draw.randint(0, 4)))
    if kind < 0.25:
        return numbers.multiples(Fraction(draw.choice([1, 2, 3]), draw.choice([1, 2])))
    low, high = sorted(Fraction(draw.randint(-6, 6)) for _ in range(2))
    return numbers.between(
        low if draw.random() < 0.8 else None,
        high if draw.random() < 0.8 else None,
        strict_low=draw.random() < 0.5,
        strict_high=draw.random() < 0.5,
    )


@examples(300)
@given(st.integers(0, 1 << 32))
def test_operations_are_those_of_sets(seed: int) -> None:
    """Complement, intersection and union, of sets that were put together in the same way."""
    draw = random.Random(seed)
    first, second = _some_set(draw, 2), _some_set(draw, 2)
    assert _members(numbers.complement(first)) == set(_POINTS) - _members(first)
    assert _members(numbers.intersection(first, second)) == _members(first) & _members(second)
    assert _members(numbers.union(first, second)) == _members(first) | _members(second)


def test_many_points_are_cut_with_many_gaps() -> None:
    """Not by comparing each with each: 2,000 numbers that are denied, one after the other and together."""
    points = numbers.among(Fraction(2 * number) for number in range(2_000))
    gaps = numbers.complement(points)
    assert len(gaps) == 2_001
    assert numbers.intersection(points, gaps) == ()
    assert len(numbers.intersection(gaps, numbers.complement(numbers.among([Fraction(1)])))) == 2_002


def test_one_number_needs_no_multiples() -> None:
    """Regression: a number that is no multiple of a large one asked for the automaton of its multiples."""
    schema = {"enum": [1e308], "not": {"multipleOf": 123456789}}
    constraint = compile_grammar(json_schema(schema), TokenizerIndex.of_bytes())
    assert constraint.accepts("1e308")
    assert not constraint.accepts("1e307")
