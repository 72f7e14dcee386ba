"""Counted repetitions: bounds are counters, so that their size does not matter."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.language import Language
from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.regular import (
    ANY_CHARACTER,
    Complement,
    Concatenation,
    Epsilon,
    Intersection,
    Literal,
    Regular,
    Repetition,
    Symbols,
    Union,
)
from tests.naive_regular import matches
from tests.strategies import examples, regulars

_LARGE = 1_000_000_000


@examples(200)
@given(regulars(3), st.integers(0, 4), st.sampled_from([None, 0, 1, 2, 5, _LARGE]), st.text("ab", max_size=8))
def test_repetitions_of_anything(part: Regular, minimum: int, extra: int | None, text: str) -> None:
    """Parts that match the empty string, that overlap, or that are repetitions themselves."""
    expression = Repetition(part, minimum, None if extra is None else minimum + extra)
    assert (text.encode() in Language(expression)) == matches(expression, text.encode())


@examples(100)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 120))
def test_counts_are_exact(minimum: int, extra: int, count: int) -> None:
    """Between the bounds, and only there, the text may end; it goes on exactly below the upper one."""
    language = Language(Concatenation((Repetition(Literal("é".encode()), minimum, minimum + extra), Literal(b"."))))
    text = "é".encode() * count
    assert (text + b"." in language) == (minimum <= count <= minimum + extra)
    if count <= minimum + extra:
        assert (ord(".") in language.next_bytes(text)) == (count >= minimum)
        assert (0xC3 in language.next_bytes(text)) == (count < minimum + extra)


@pytest.mark.parametrize("bound", [300_000, _LARGE])
def test_a_long_way_to_acceptance_is_a_typed_error(bound: int) -> None:
    """Whether two counters can be met together takes a search, which is bounded; the arena stays usable."""
    pairs = Repetition(Literal(b"aa"), 0, None)
    language = Language(Intersection((Repetition(Literal(b"a"), bound, None), pairs)), Arena(max_work=10_000))
    with pytest.raises(ResourceLimitError) as caught:
        language.is_empty()
    assert caught.value.limit == "max_work"
    assert b"aa" not in Language(Repetition(Literal(b"a"), bound, None), language._arena)


def test_counters_that_meet_soon() -> None:
    """Bounds that exclude each other at once need no search to the end."""
    assert Language(Intersection((Repetition(ANY_CHARACTER, _LARGE, None), Literal(b"abc")))).is_empty()
    language = Language(Intersection((Repetition(ANY_CHARACTER, 0, _LARGE), Repetition(Literal(b"ab"), 3, 3))))
    assert b"ababab" in language
    assert b"abab" not in language


def test_memory_is_bounded() -> None:
    """An automaton that grows beyond the memory it may take is a typed error, and the arena stays usable."""
    either = Union((Literal(b"a"), Literal(b"b")))
    exponential = Concatenation((Repetition(either, 0, None), Literal(b"a"), Repetition(either, 40, 40)))
    small = Arena(max_cells=1 << 17)
    language = Language(Complement(exponential), small)
    texts = (bytes(97 + (i * i >> shift & 1) for shift in range(40)) for i in range(1 << 14))
    with pytest.raises(ResourceLimitError) as caught:
        deque(map(language.is_prefix, texts), maxlen=0)
    assert caught.value.limit == "max_memory"
    assert b"b" in language


def test_nested_counters() -> None:
    """Counters within counters multiply."""
    inner = Repetition(Literal(b"a"), 3, 5)
    language = Language(Concatenation((Repetition(Concatenation((inner, Literal(b","))), 1_000, 2_000), Literal(b"."))))
    assert b"aaaa," * 1_500 + b"." in language
    assert b"aaaa," * 999 + b"." not in language
    assert b"aaaa," * 2_001 + b"." not in language
    assert b"aa," not in language


@pytest.mark.parametrize(
    ("expression", "member", "stranger"),
    [
        (Repetition(Repetition(Literal(b"a"), 0, None), _LARGE, None), b"aaa", b"b"),
        (Repetition(Repetition(Literal(b"a"), 0, 1), _LARGE, _LARGE), b"", b"b"),
        (Repetition(Union((Epsilon(), Literal(b"aa"))), 2, 3), b"aaaaaa", b"aaaaaaaa"),
        (Repetition(Repetition(Literal(b"a"), 2, 2), 2, 2), b"aaaa", b"aaa"),
        (Repetition(Symbols(((0, 255),)), 3, 3), b"\xff\x00a", b"\xff\x00"),
        (Repetition(Repetition(Literal(b"a"), 2, None), 2, None), b"aaaa", b"aaa"),
        (Repetition(Union((Literal(b"a"), Literal(b"aa"))), 3, 4), b"a" * 8, b"a" * 9),
    ],
    ids=repr,
)
def test_edges(expression: Regular, member: bytes, stranger: bytes) -> None:
    """Empty rounds count for nothing, and bounds of bounds multiply."""
    language = Language(expression)
    assert member in language
    assert stranger not in language
