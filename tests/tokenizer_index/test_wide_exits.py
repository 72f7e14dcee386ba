"""Masks over a vocabulary of which most begins with a space, as real ones do: rows of what lies below a trie node, the
parts of rows, and tokens in doubt.  Every mask is what reading the tokens one by one says.
"""

import itertools
import random
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import constrain
from constrain.grammars import ir
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import Literal, Regular, Without
from tests.matching import brute_force, compiled_or_none, index_of, mask_of

_SIGNS = "ab1(="


def _word(pattern: str) -> Regular:
    return regex_language(pattern)


TERMINALS: dict[str, Regular] = {
    "name": _word("[ab][ab1]*"),
    "name but keywords": Without(_word("[ab][ab1]*"), (b"ab", b"b", b"aab1")),
    "name but many": Without(_word("[ab][ab1]*"), tuple(("a" + w).encode() for w in ("", "a", "b", "1", "ab", "1b"))),
    "number": _word("1+(=1+)?"),
    "spaces": _word("[ \n]+"),
    "gap": _word(r"([ \n]|\([^(=]*=)+"),
    "text": _word(r"\([ab1 \n]*="),
    "anything": _word("[^=]*="),
    "open": Literal(b"("),
    "sign": _word("==?"),
    "keyword": Literal(b"ab"),
    "space and word": _word(" ab1?"),
}


@cache
def _index() -> constrain.TokenizerIndex:
    words = ["".join(signs) for count in range(1, 6) for signs in itertools.product(_SIGNS, repeat=count)]
    tokens = [" " + word for word in words] + [word for word in words if len(word) < 5]
    tokens += ["  ", "\n ", " \n", "a ", "= ", "( a", "= ab", "  ab1", "(\n", "=\n1"]
    single = [bytes([byte]) for byte in range(256)]  # else masks are made another way, see `spelling`
    return index_of([*single, *(token.encode() for token in tokens if len(token) > 1)])


@st.composite
def _grammars(draw: st.DrawFn) -> ir.Grammar:
    """Rules of sequences, alternatives and repetitions of a few terminals."""
    names = draw(st.lists(st.sampled_from(sorted(TERMINALS)), min_size=2, max_size=5, unique=True))
    leaves = st.sampled_from([ir.Terminal(TERMINALS[name], name) for name in names])

    def around(inner: st.SearchStrategy[ir.Expression]) -> st.SearchStrategy[ir.Expression]:
        parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return st.one_of(
            parts.map(ir.Sequence),
            parts.map(ir.Alternation),
            st.builds(ir.Repeat, inner, st.integers(0, 1), st.sampled_from([1, 2, None])),
        )

    body = draw(st.recursive(leaves, around, max_leaves=7))
    return ir.Grammar("start", {"start": ir.Sequence((body, draw(leaves)))})


def _check_walk(matcher: constrain.Matcher, draw: random.Random, steps: int) -> None:
    tokens = matcher.constraint.index.tokens
    for _ in range(steps):
        mask = mask_of(matcher)
        assert mask == brute_force(matcher)
        going_on = sorted(mask - set(matcher.constraint.index.end_tokens))
        if not going_on:
            break
        short = [token for token in going_on if len(tokens[token]) < 3]
        assert matcher.accept_token(draw.choice(short if short and draw.random() < 0.7 else going_on))


@settings(max_examples=40, deadline=None)
@given(grammar=_grammars(), seed=st.integers(0, 2**32))
def test_masks_are_what_each_token_says(grammar: ir.Grammar, seed: int) -> None:
    """Any grammar of these terminals."""
    compiled = compiled_or_none(grammar, _index())
    if compiled is not None:
        _check_walk(compiled.matcher(), random.Random(seed), 5)


def _terminal(name: str) -> ir.Terminal:
    return ir.Terminal(TERMINALS[name], name)


@st.composite
def _places(draw: st.DrawFn) -> ir.Grammar:
    """The same words at several places, each with rules behind it that are made only when a text comes to them."""
    leaves = st.sampled_from([_terminal(name) for name in sorted(TERMINALS)])
    words = st.sampled_from([_terminal(name) for name in sorted(TERMINALS) if name.startswith(("name", "gap", "text"))])
    first, second = draw(words), draw(words)
    word = ir.Alternation((first, ir.Sequence((second, draw(leaves))) if draw(st.booleans()) else second))
    rules: dict[str, ir.Expression] = {}
    places = []
    for number, sign in enumerate("(=1"):
        signs = draw(st.lists(st.sampled_from(_SIGNS), min_size=1, max_size=2).map("".join))
        behind = ir.Sequence((ir.Terminal(Literal(signs.encode()), signs), ir.Reference(f"rule {number}")))
        rules[f"rule {number}"] = ir.Alternation(tuple(draw(st.lists(leaves, min_size=1, max_size=3))))
        places.append(ir.Sequence((ir.Terminal(Literal(sign.encode()), sign), word, behind)))
    rules["start"] = ir.Alternation(tuple(places))
    return ir.Grammar("start", {}, make_rule=rules.__getitem__)


@settings(max_examples=40, deadline=None)
@given(grammar=_places())
def test_masks_with_rules_that_are_made_meanwhile(grammar: ir.Grammar) -> None:
    """A mask that lacked the same rule at several tokens has all of them once it is made."""
    compiled = constrain.compile(grammar, _index())
    for sign in "(=1":
        matcher = compiled.matcher()
        assert matcher.accept_text(sign)
        _check_walk(matcher, random.Random(1), 3)


def test_two_rows_that_lack_the_same_rule() -> None:
    """What was found behind the second row was kept without the tokens that had to wait for the rule."""
    names = ir.Alternation((_terminal("name"), ir.Terminal(_word("[ab][ab1]*b"), "another name")))
    signs, one = _terminal("sign"), ir.Terminal(Literal(b"1"), "one")

    def after(first: ir.Terminal, rule: str) -> ir.Expression:
        return ir.Sequence((first, names, ir.Terminal(Literal(b"="), "is"), ir.Reference(rule)))

    rules = {
        "start": ir.Alternation((after(_terminal("open"), "known"), after(one, "lacking"))),
        "known": _terminal("open"),
        "lacking": ir.Alternation((one, signs)),
    }
    compiled = constrain.compile(ir.Grammar("start", {}, make_rule=rules.__getitem__), _index())
    for beginning in "(1":
        matcher = compiled.matcher()
        assert matcher.accept_text(beginning)
        assert mask_of(matcher) == brute_force(matcher)


@pytest.mark.parametrize("word", ["name", "name but keywords", "name but many", "number"])
@pytest.mark.parametrize("gap", ["spaces", "gap"])
def test_words_with_spaces_between(word: str, gap: str) -> None:
    """What is behind a space has a row of its own, which is used again."""
    parts = ir.Sequence((_terminal(word), _terminal(gap)))
    grammar = ir.Grammar("start", {"start": ir.Sequence((ir.Repeat(parts, 1, None), _terminal("sign")))})
    for seed in range(4):
        _check_walk(constrain.compile(grammar, _index()).matcher(), random.Random(seed), 8)


@dataclass(frozen=True)
class _Others:
    """Behind a name and a space, any other name."""

    def __call__(self, text: bytes, /) -> ir.Expression:
        other = ir.Terminal(Without(TERMINALS["name"], (text,)), "other")
        return ir.Sequence((_terminal("spaces"), other, _terminal("sign")))


@pytest.mark.parametrize("settled", [True, False])
def test_what_follows_depends_on_the_name_before_the_space(settled: bool) -> None:
    """A name that is bound within a token that goes on: what is behind the space is in doubt until it is known."""
    following = ir.Sequence((_terminal("spaces"), _terminal("name"), _terminal("sign")))
    bound = ir.Binding(_terminal("name"), _Others(), following, settled)
    both = ir.Sequence((_terminal("spaces"), bound))
    grammar = ir.Grammar("start", {"start": ir.Sequence((_terminal("open"), ir.Repeat(both, 1, None)))})
    for seed in range(4):
        _check_walk(constrain.compile(grammar, _index()).matcher(), random.Random(seed), 8)


def test_bound_names_behind_a_space_are_asked_for_when_they_are_read() -> None:
    """Not for every word of the vocabulary: a mask takes a few questions, not thousands."""
    asked: list[bytes] = []

    def after(text: bytes) -> ir.Expression:
        asked.append(text)
        return _terminal("sign")

    bound = ir.Binding(_terminal("name"), after, _terminal("sign"), settled=True)
    grammar = ir.Grammar("start", {"start": ir.Sequence((_terminal("open"), _terminal("spaces"), bound))})
    matcher = constrain.compile(grammar, _index()).matcher()
    assert matcher.accept_text("(")
    assert len(mask_of(matcher)) > 100
    assert len(asked) < 10  # in tokens that begin with two spaces
