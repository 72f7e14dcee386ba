"""Hypothesis strategies shared by the tests: random languages, vocabularies and texts over a small alphabet."""

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


@st.composite
def grammars(draw: st.DrawFn) -> ir.Grammar:
    """Random context-free grammars: ambiguous, left-recursive, nullable and unproductive rules all occur."""
    names = [f"r{i}" for i in range(draw(st.integers(1, 4)))]
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

    expression = st.recursive(leaf, extend, max_leaves=5)
    return ir.Grammar(names[0], {name: draw(expression) for name in names})


@st.composite
def vocabularies(draw: st.DrawFn) -> list[bytes]:
    """Vocabularies that hold every byte of the alphabet, longer tokens, repetitions and an empty token."""
    longer = draw(st.lists(st.lists(st.sampled_from(list(ALPHABET)), max_size=4).map(bytes), max_size=12))
    return [bytes([byte]) for byte in ALPHABET] + longer
