"""JSON strings: what `json.loads` decodes, in every way it can be written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars.automata.language import Language
from constrain.grammars.regular import (
    ANY_CHARACTER,
    ANY_TEXT,
    Characters,
    Complement,
    Concatenation,
    Intersection,
    JsonString,
    Literal,
    Regular,
    Repetition,
    Union,
    Without,
    Words,
)
from tests.naive_regular import decoded_literal, matches
from tests.strategies import examples
from tests.walks import completion, live_prefix

_CHARACTERS = 'ab"\\/\b\f\n\r\t\x00\x1f\x7fé€\ud7ff\ue000\uffff😀\U0010ffff'
_SHORT = {'"': '"', "\\": "\\", "/": "/", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}

_character = st.sampled_from(_CHARACTERS)
_text = st.text(_character, max_size=4)


@st.composite
def _units(draw: st.DrawFn, char: str) -> str:
    r"""A character as ``\uXXXX``, in two if need be, with digits of either case."""
    units = char.encode("utf-16-be")
    codes = [f"{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)]
    return "".join("\\u" + (code.upper() if draw(st.booleans()) else code) for code in codes)


@st.composite
def _literals(draw: st.DrawFn, text: st.SearchStrategy[str] = _text) -> bytes:
    """A JSON literal without its opening quote; each character raw or escaped, whether that is allowed or not."""
    written = []
    for char in draw(text):
        ways = [st.just(char), _units(char)]
        if char in _SHORT:
            ways.append(st.just("\\" + _SHORT[char]))
        written.append(draw(st.one_of(ways)))
    return ("".join(written) + '"').encode()


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """A literal with something wrong, perhaps."""
    literal = draw(_literals())
    at = draw(st.integers(0, len(literal)))
    wrong = [b"", b"\\", b"\\u", b"\\ud800", b"\\uDC00", b"\\ud83d\\u0041", b'"', b"\x01", b"\xc3", b"\\x", b" "]
    return literal[:at] + draw(st.sampled_from(wrong)) + literal[at + draw(st.integers(0, 2)) :]


@st.composite
def _texts(draw: st.DrawFn) -> Regular:
    """Languages of texts."""
    words = st.lists(_text.map(str.encode), max_size=4).map(tuple)
    some = Characters(((ord("a"), ord("b")), (0xE9, 0x20AC), (0x1F600, 0x1F600)))
    base = st.one_of(
        st.just(ANY_TEXT),
        st.just(Repetition(some, 1, None)),
        st.builds(Repetition, st.just(ANY_CHARACTER), st.integers(0, 2), st.sampled_from([None, 2, 3])),
        words.map(Words),
        st.builds(Without, st.just(ANY_TEXT), words),
        st.builds(lambda word: Intersection((ANY_TEXT, Complement(Literal(word)))), _text.map(str.encode)),
        _text.map(lambda word: Concatenation((Literal(word.encode()), ANY_TEXT))),
    )
    return draw(st.one_of(base, st.tuples(base, base).map(Union), st.tuples(base, base).map(Intersection)))


@examples(200)
@given(_texts(), st.lists(st.one_of(_literals(), _mutated()), min_size=1, max_size=6), st.booleans())
def test_literals_are_read_as_json_reads_them(text: Regular, literals: list[bytes], any_escape: bool) -> None:
    """A literal belongs to the language exactly when what `json.loads` makes of it belongs to the language of texts.

    Without `any_escape`, when it is written as `json.dumps` writes it, besides.
    """
    expression = JsonString(text, any_escape)
    language = Language(expression)
    for literal in literals:
        member = matches(expression, literal)
        assert (literal in language) == member, literal
        if member:
            assert all(language.is_prefix(literal[:end]) for end in range(len(literal)))
            assert not language.next_bytes(literal)


def _endings(words: tuple[bytes, ...]) -> list[bytes]:
    """Ends of the words as literals, written in some ways."""
    texts = [word.decode()[i:] for word in words for i in range(len(word.decode()) + 1)]
    return [json.dumps(text, ensure_ascii=plain)[1:].encode() for text in texts for plain in (False, True)]


@examples(150)
@given(st.lists(_text.map(str.encode), max_size=3).map(tuple), _mutated(), st.booleans())
def test_prefixes_are_alive_when_a_word_can_be_reached(words: tuple[bytes, ...], literal: bytes, anyhow: bool) -> None:
    r"""Inside an escape, too: ``\u00`` is alive exactly when a character that begins so may come next."""
    expression = JsonString(Words(words), anyhow)
    language = Language(expression)
    alive = live_prefix(language, literal)
    assert alive == literal or not matches(expression, literal)
    if alive is not None:
        found = completion(language, alive)
        assert found is not None
        assert matches(expression, found)
    dead = b"" if alive is None else literal[: len(alive) + 1]
    if dead != alive:
        assert not any(matches(expression, dead + word) for word in _endings(words))


@examples(150)
@given(_text, _text)
def test_dumps_is_accepted(text: str, other: str) -> None:
    """What `json.dumps` writes is accepted, with and without ASCII; another text is not."""
    language = Language(JsonString(Literal(text.encode())))
    needed = Language(JsonString(Literal(text.encode()), any_escape=False))
    for ensure_ascii in (False, True):
        literal = json.dumps(text, ensure_ascii=ensure_ascii)[1:].encode()
        assert literal in language
        assert json.dumps(other, ensure_ascii=ensure_ascii)[1:].encode() not in language or text == other
    assert json.dumps(text, ensure_ascii=False)[1:].encode() in needed


_EVERY_CODE_UNIT = [*range(0x80), 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000, 0xFFFF]


@pytest.mark.parametrize("any_escape", [True, False])
def test_every_escape_of_one_unit(any_escape: bool) -> None:
    r"""``\u0000`` to ``\u007F``, the borders of the surrogates, and ``\`` before every byte."""
    expression = JsonString(ANY_TEXT, any_escape)
    language = Language(expression)
    literals = [f'\\u{unit:04{digits}}"'.encode() for unit in _EVERY_CODE_UNIT for digits in "xX"]
    literals += [b"\\" + bytes([byte]) + b'"' for byte in range(256)]
    literals += [b"\\" + bytes([byte]) + b'""' for byte in range(256)]
    for literal in literals:
        assert (literal in language) == matches(expression, literal), literal


@examples(100)
@given(st.integers(0xD700, 0xE100), st.integers(0xDB00, 0xE100), st.booleans())
def test_pairs_of_units(high: int, low: int, upper: bool) -> None:
    """Two escaped code units: a pair of surrogates is one character, a surrogate alone is none."""
    literal = f'\\u{high:04x}\\u{low:04x}"'
    literal = literal.upper().replace("\\U", "\\u") if upper else literal
    decoded = decoded_literal(literal.encode())
    assert (literal.encode() in Language(JsonString(ANY_TEXT))) == (decoded is not None)
    one = Language(JsonString(ANY_CHARACTER))
    assert (literal.encode() in one) == (decoded is not None and len(decoded.decode()) == 1)
    if decoded is not None:
        assert literal.encode() in Language(JsonString(Literal(decoded)))
        assert literal.encode() not in Language(JsonString(Without(ANY_TEXT, (decoded,))))


def test_lengths_count_characters_not_escapes() -> None:
    """A bound of the length is one of characters, however they are written; its size does not matter."""
    language = Language(JsonString(Repetition(ANY_CHARACTER, 2, 3)))
    for literal in (b'\\u0041\\u0042\\u0043"', b'\\ud83d\\ude00\\ud83d\\ude00"', '😀é"'.encode(), b'\\n\\\\\\/"'):
        assert literal in language
    for literal in (b'\\ud83d\\ude00"', b'abcd"', b'\\u0041\\u0042\\u0043\\u0044"'):
        assert literal not in language
    assert b"\\" not in {bytes([byte]) for byte in language.next_bytes(b"abc")}
    long = Language(JsonString(Repetition(ANY_CHARACTER, 0, 1_000_000_000)))
    assert b"\\u0041" * 1_000 + b'"' in long
