"""Finite sets of words, and languages without them, against Python's sets."""

from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars.automata.language import Language
from constrain.grammars.regular import Concatenation, Literal, Repetition, Symbols, Union, Without, Words
from tests.strategies import examples

_word = st.text("ab", max_size=4).map(str.encode)
_sets = st.lists(_word, max_size=12)
_some_a_or_b = Repetition(Symbols(((97, 98),)), 0, None)


@examples(150)
@given(_sets, _sets)
def test_words_are_a_set(words: list[bytes], samples: list[bytes]) -> None:
    """Order and repetitions do not matter; prefixes are those of the words, next bytes those of longer words."""
    language = Language(Words(tuple(words)))
    assert language.is_empty() == (not words)
    for text in [*samples, *words, b"c"]:
        assert (text in language) == (text in words)
        assert language.is_prefix(text) == any(word.startswith(text) for word in words)
        longer = {word[len(text)] for word in words if word.startswith(text) and len(word) > len(text)}
        assert language.next_bytes(text) == longer


@examples(150)
@given(_sets, _sets, _sets)
def test_differences_are_those_of_sets(words: list[bytes], taken: list[bytes], also: list[bytes]) -> None:
    """A finite set without words is the difference of sets, and so is a difference of differences."""
    left = set(words) - set(taken) - set(also)
    language = Language(Without(Without(Words(tuple(words)), tuple(taken)), tuple(also)))
    assert {word for word in words if word in language} == left
    assert language.is_empty() == (not left)
    for text in [*words, *taken]:
        assert language.is_prefix(text) == any(word.startswith(text) for word in left)


@examples(100)
@given(_sets, _word)
def test_infinite_languages_without_words(taken: list[bytes], text: bytes) -> None:
    """Taking words away from all strings over two letters leaves every prefix alive."""
    language = Language(Without(_some_a_or_b, tuple(taken)))
    assert (text in language) == (text not in taken)
    assert language.is_prefix(text)
    assert language.next_bytes(text) == {97, 98}


@examples(100)
@given(_sets, _sets, _word)
def test_words_followed_by_something(words: list[bytes], more: list[bytes], text: bytes) -> None:
    """Concatenations and unions of sets of words: a word may end in several ways."""
    expression = Concatenation((Words(tuple(words)), Union((Words(tuple(more)), Literal(b"b")))))
    members = {one + two for one in words for two in [*more, b"b"]}
    language = Language(expression)
    assert (text in language) == (text in members)
    assert language.is_prefix(text) == any(member.startswith(text) for member in members)


def test_many_words() -> None:
    """A hundred thousand words cost what they are long."""
    words = tuple(f"word {i}".encode() for i in range(100_000))
    language = Language(Words(words))
    assert words[77_777] in language
    assert b"word 100000" not in language
    assert language.next_bytes(b"word 9999") == frozenset(b"0123456789")
    rest = Language(Without(Words(words), words[:-1]))
    assert language.is_prefix(b"word 1")
    assert rest.is_prefix(b"word 9")
    assert words[-1] in rest
    assert words[0] not in rest
    assert not rest.is_prefix(b"word 1")
