"""Choices: exactly the texts of a list, however long it is."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constrain import compile as compile_grammar
from constrain.grammars import ir
from constrain.grammars.choice import choice
from constrain.grammars.errors import GrammarError, UnsatisfiableConstraintError
from constrain.tokenizer_index.index import TokenizerIndex
from tests.matching import index_of, mask_of

BYTES = [bytes([byte]) for byte in range(256)]
PAIRS = [first.encode() + second.encode() for first in "ab é" for second in "ab é"]


def allowed_by_definition(options: set[bytes], prefix: bytes, index: TokenizerIndex) -> set[int]:
    """The tokens that lead on to an option, and the end behind one."""
    rests = [option[len(prefix) :] for option in options if option.startswith(prefix)]
    found = {token for token, text in enumerate(index.tokens) if text and any(rest.startswith(text) for rest in rests)}
    return found | (set(index.end_tokens) if prefix in options else set())


def check(options: list[str], index: TokenizerIndex, prefixes: list[bytes]) -> None:
    """Masks behind the prefixes, and which texts are accepted, are those of the definition."""
    words = {option.encode() for option in options}
    constraint = compile_grammar(choice(options), index)
    for prefix in prefixes:
        matcher = constraint.matcher()
        alive = any(word.startswith(prefix) for word in words)
        assert matcher.accept_text(prefix) == alive
        if alive:
            assert matcher.is_accepting == (prefix in words)
            assert mask_of(matcher) == allowed_by_definition(words, prefix, index)


@settings(max_examples=25)
@given(st.lists(st.text("ab é", max_size=5), min_size=1, max_size=12), st.text("ab é", max_size=5))
def test_short_lists_are_exact(options: list[str], other: str) -> None:
    """Masks and acceptance of short lists, with options that begin others and the empty one."""
    prefixes = [option.encode()[:size] for option in options for size in range(len(option.encode()) + 1)]
    check(options, index_of(BYTES + PAIRS), [*prefixes, other.encode()])


@pytest.mark.parametrize("seed", range(2))
def test_long_lists_are_exact(seed: int) -> None:
    """A list that is a trie of rules has the same texts: also where one begins another, and branches are uneven."""
    draw = random.Random(seed)
    beginnings = ["", "a", "ab", "abc é", "ba"]
    options = [
        draw.choice(beginnings) + "".join(draw.choice("ab é") for _ in range(draw.randint(1, 8))) for _ in range(1500)
    ]
    grammar = choice(options)
    assert grammar.make_rule is not None, "the list is long enough"
    some = [option.encode() for option in draw.sample(options, 8)]
    prefixes = {word[: draw.randint(0, len(word))] for word in some} | {word + b"a" for word in some} | set(some)
    check(options, index_of(BYTES + PAIRS), sorted(prefixes))


def test_a_long_list_may_have_the_empty_text() -> None:
    """The empty text is one of many."""
    options = ["", *(f"option {number}" for number in range(1000))]
    constraint = compile_grammar(choice(options), index_of(BYTES))
    assert constraint.accepts("")
    assert constraint.accepts("option 999")
    assert not constraint.accepts("option 1000")


def test_a_hundred_thousand_options() -> None:
    """Making and compiling the grammar, and the mask at its beginning, take seconds at most (0.5 s measured)."""
    draw = random.Random(0)
    options = ["".join(draw.choice("abcdefghij _") for _ in range(draw.randint(3, 40))) for _ in range(100_000)]
    index = index_of(BYTES)
    mask_of(compile_grammar(choice(["a", "b"]), index).matcher())  # loads what is compiled ahead
    start = time.process_time()
    constraint = compile_grammar(choice(options), index)
    assert mask_of(constraint.matcher()) == {ord(byte) for byte in "abcdefghij _"}
    assert time.process_time() - start < 20
    assert all(constraint.accepts(option) for option in options[:50])
    assert not any(constraint.accepts(option + "!") for option in options[:50])


def test_the_order_and_repetitions_do_not_matter() -> None:
    """The same set has the same key, another set has another."""
    assert choice(["a", "b", "a"]).key == choice(iter(["b", "a"])).key
    assert choice(["ab", "c"]).key != choice(["a", "bc"]).key


def test_no_options() -> None:
    """An empty list denotes no text."""
    with pytest.raises(UnsatisfiableConstraintError, match="no options"):
        choice([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("red", "not one str"),
        (b"red", "not one bytes"),
        (["red", b"green"], "option 1 is not a text but of type bytes; decode it"),
        ([1, 2], r"option 0 is not a text but of type int; use str"),
    ],
)
def test_what_is_not_a_list_of_texts_is_refused(options: object, message: str) -> None:
    """The message names the option and its type."""
    with pytest.raises(TypeError, match=message):
        choice(options)  # type: ignore[arg-type]


def test_half_a_surrogate_pair_is_refused() -> None:
    """UTF-8 has no surrogates."""
    with pytest.raises(GrammarError, match=r"option 0 cannot be written in UTF-8: '\\ud800'"):
        choice(["\ud800"])


def test_a_short_list_is_one_terminal() -> None:
    """So it can be exported, combined and listed as any other."""
    assert isinstance(choice(["a", "b"]).rule("start"), ir.Terminal)
