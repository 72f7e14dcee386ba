"""Hypothesis strategies shared by the tests: random languages, vocabularies and texts over a small alphabet."""

import functools
import os

from hypothesis import settings
from hypothesis import strategies as st

from constrain.grammars import ir, regular

ALPHABET = b"ab(,\xc3\xa9"

EFFORT = int(os.environ.get("TEST_EFFORT", "1"))


def examples(count: int) -> settings:
    """So many examples; the environment variable TEST_EFFORT multiplies them, for fuzzing."""
    return settings(max_examples=count * EFFORT)


texts = st.lists(st.sampled_from(list(ALPHABET)), max_size=6).map(bytes)


@functools.cache  # here and below: making a strategy takes longer than drawing from it
def regulars(leaves: int = 6) -> st.SearchStrategy[regular.Regular]:
    """Random regular expressions without boolean operations."""
    base = st.one_of(
        st.sampled_from([b"a", b"b", b"ab", b"(", b",", "é".encode()]).map(regular.Literal),
        st.just(regular.Symbols(((97, 98),))),
        st.just(regular.Characters(((97, 97), (0xE8, 0xEA)))),
        st.just(regular.Epsilon()),
        st.just(regular.Words((b"a", b"ab", b"b,"))),
    )

    def extend(inner: st.SearchStrategy[regular.Regular]) -> st.SearchStrategy[regular.Regular]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(
            several.map(regular.Concatenation),
            several.map(regular.Union),
            st.builds(regular.Repetition, inner, st.just(0), st.sampled_from([None, 1, 2])),
            st.builds(regular.Repetition, inner, st.just(1), st.sampled_from([None, 2, 3])),
        )

    return st.recursive(base, extend, max_leaves=leaves)


@functools.cache
def booleans(leaves: int = 6) -> st.SearchStrategy[regular.Regular]:
    """Random regular expressions with intersections, complements and differences at any depth."""

    def extend(inner: st.SearchStrategy[regular.Regular]) -> st.SearchStrategy[regular.Regular]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(
            several.map(regular.Concatenation),
            several.map(regular.Union),
            several.map(regular.Intersection),
            inner.map(regular.Complement),
            st.builds(regular.Without, inner, st.lists(texts, max_size=3).map(tuple)),
            st.builds(regular.Repetition, inner, st.integers(0, 2), st.sampled_from([None, 2, 3])),
        )

    return st.recursive(regulars(2), extend, max_leaves=leaves)


@functools.cache
def _right_hand_sides(rules: int) -> st.SearchStrategy[ir.Expression]:
    """Expressions over so many rules, r0, r1, …"""
    names = [f"r{i}" for i in range(rules)]
    leaf = st.one_of(
        regulars(3).map(ir.Terminal),
        st.sampled_from(names).map(ir.Reference),
    )

    def extend(inner: st.SearchStrategy[ir.Expression]) -> st.SearchStrategy[ir.Expression]:
        several = st.lists(inner, min_size=0, max_size=3).map(tuple)
        return st.one_of(
            several.map(ir.Sequence),
            several.map(ir.Alternation),
            st.builds(ir.Repeat, inner, st.integers(0, 1), st.sampled_from([None, 1, 2])),
        )

    return st.recursive(leaf, extend, max_leaves=5)


def _grammar(sides: list[ir.Expression]) -> ir.Grammar:
    return ir.Grammar("r0", {f"r{i}": side for i, side in enumerate(sides)})


@functools.cache
def grammars() -> st.SearchStrategy[ir.Grammar]:
    """Random context-free grammars: ambiguous, left-recursive, nullable and unproductive rules all occur."""
    return st.one_of([st.lists(_right_hand_sides(n), min_size=n, max_size=n).map(_grammar) for n in range(1, 5)])


@functools.cache
def vocabularies() -> st.SearchStrategy[list[bytes]]:
    """Vocabularies that hold every byte of the alphabet, longer tokens, repetitions and an empty token."""
    longer = st.lists(st.lists(st.sampled_from(list(ALPHABET)), max_size=4).map(bytes), max_size=12)
    return longer.map([bytes([byte]) for byte in ALPHABET].__add__)
