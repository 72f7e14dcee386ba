"""Lexemes of Python that python.lark leaves open: names, white space, comments, and which lexemes run together."""

import keyword
import unicodedata
from collections.abc import Iterable
from functools import cache

from constrain.grammars import ir
from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.language import Language
from constrain.grammars.regular import (
    MAX_CODE_POINT,
    Characters,
    Concatenation,
    Literal,
    Ranges,
    Regular,
    Repetition,
    Symbols,
    Union,
    Without,
    Words,
)

__all__ = [
    "APART",
    "BLANKS",
    "END_OF_FILE",
    "LINE_END",
    "LINE_SPACE",
    "MORE_LINES",
    "NO_STATEMENT",
    "START_OF_FILE",
    "TEXT_SPACE",
    "begin_of",
    "character_names",
    "end_of",
    "name",
]

# Space.  Lines end in LF, CR or CRLF, as ast.parse reads texts; a form feed may stand before an indentation.


def _optional(part: Regular) -> Regular:
    return Repetition(part, 0, 1)


def _some(part: Regular) -> Regular:
    return Repetition(part, 1, None)


def _any(part: Regular) -> Regular:
    return Repetition(part, 0, None)


_BLANK = Symbols(((0x09, 0x09), (0x0C, 0x0C), (0x20, 0x20)))
_END = Union((Literal(b"\n"), Literal(b"\r\n"), Literal(b"\r")))
_COMMENT = Concatenation(
    (Literal(b"#"), _any(Characters(((0x01, 0x09), (0x0B, 0x0C), (0x0E, 0xD7FF), (0xE000, MAX_CODE_POINT)))))
)
_JOINED = Concatenation((Literal(b"\\"), Union((Literal(b"\n"), Literal(b"\r\n")))))
_BLANK_LINE = Concatenation((_any(_BLANK), _optional(_COMMENT), _END))
_FORM_FEED = Concatenation((_any(_BLANK), Literal(b"\f")))

BLANKS = _some(_BLANK)
"""Space within brackets, on one line."""

LINE_SPACE = _some(Union((_BLANK, _JOINED)))
"""Space outside brackets."""

TEXT_SPACE = _some(Symbols(((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))))
"""Space in the fields of strings that may have several lines."""

MORE_LINES = _some(Concatenation((_any(_BLANK), Union((_JOINED, Concatenation((_optional(_COMMENT), _END)))))))
"""Ends of lines within brackets, up to the beginning of the last line."""

_LAST_LINE = Concatenation((_any(_BLANK), _optional(_COMMENT)))

LINE_END = Concatenation((_optional(LINE_SPACE), _optional(_COMMENT), _END, _any(_BLANK_LINE), _optional(_FORM_FEED)))
"""The end of a statement's line and the lines behind it without statements."""

START_OF_FILE = Union((Concatenation((_some(_BLANK_LINE), _optional(_FORM_FEED))), _FORM_FEED))
"""Lines before the first statement."""

END_OF_FILE = Union(
    (
        Concatenation((_optional(LINE_SPACE), _optional(_COMMENT), _END, _any(_BLANK_LINE), _LAST_LINE)),
        Concatenation((_optional(LINE_SPACE), _COMMENT)),
        BLANKS,
    )
)
"""What may stand behind the last statement, except nothing."""

NO_STATEMENT = Without(Concatenation((_any(_BLANK_LINE), _LAST_LINE)), (b"",))
"""Texts without a statement, except the empty one."""


# Names


_PLANES = (range(0x80, 0x40000), range(0xE0000, 0xE1000))  # letters are assigned in no others


def _ranges(characters: Iterable[str]) -> Ranges:
    found: list[tuple[int, int]] = []
    for code in map(ord, characters):
        if found and found[-1][1] == code - 1:
            found[-1] = found[-1][0], code
        else:
            found.append((code, code))
    return tuple(found)


@cache
def _words() -> Regular:
    """Identifiers and keywords, as the running Python knows them (Unicode Standard Annex 31, XID)."""
    others = [character for plane in _PLANES for character in map(chr, plane)]
    start = ((0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A), *_ranges(one for one in others if one.isidentifier()))
    more = ((0x30, 0x39), *start[:3], *_ranges(one for one in others if f"a{one}".isidentifier()))
    return Concatenation((Characters(start), _any(Characters(more))))


def name(*others: bytes) -> Regular:
    """Identifiers that are neither keywords nor one of `others`."""
    return Without(_words(), (*(word.encode() for word in keyword.kwlist), *others))


@cache
def character_names() -> Regular:
    """The names of characters as the running Python knows them, in capitals, without aliases and those with a number.

    The last are those of ideographs and of the like, whose names end in their code points, and of Hangul syllables.
    """
    codes = (*range(0x20, 0x40000), *range(0xE0000, 0xE1000))
    names = ((code, unicodedata.name(chr(code), "")) for code in codes if not 0xAC00 <= code < 0xD7A4)
    return Words(tuple(sorted(name.encode() for code, name in names if name and not name.endswith(f"-{code:X}"))))


# Lexemes that run together.  What a lexeme may begin with, and what it ends in:

_WORD = frozenset([*b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *range(0x80, 0x100)])
_SIGNS = {frozenset(sign.encode()): sign for sign in ("'", '"', ".", "{")}
_WORDS = {"NAME", "TARGET_NAME", "CONSTANT", "NUMBER", "POINT_NUMBER", "REAL", "POINT_REAL", "IMAGINARY"}
_NESTED = {"NESTED_S", "NESTED_D", "NESTED_BYTES_S", "NESTED_BYTES_D", "NESTED_END_S", "NESTED_END_D"}

APART = frozenset(
    {
        ("word", "word"),
        ("integer", "word"),
        ("integer", "."),
        ('""', '"'),
        ("''", "'"),
        ("nested", '"'),
        ("nested", "'"),
        ("field", "{"),
    }
)
"""Pairs of a lexeme's end and another's begin that have to be kept apart by space."""


def begin_of(terminal: ir.Terminal, arena: Arena) -> str:
    """What the terminal begins with: "word", a sign of `APART`, or "" for anything else."""
    first = Language(terminal.regular, arena).next_bytes(b"")
    return "word" if first <= _WORD else _SIGNS.get(first, "")


def end_of(terminal: ir.Terminal) -> str:
    """What the terminal ends in, in the words of `APART`; "" for anything else."""
    if terminal.name in _WORDS:
        return "word"
    if terminal.name == "INTEGER":
        return "integer"
    if terminal.name.endswith("EMPTY_D"):
        return '""'
    if terminal.name.endswith("EMPTY_S"):
        return "''"
    if terminal.name in _NESTED:
        return "nested"
    if terminal.name.startswith(("FIELD", "RAW_FIELD")) and terminal.name != "FIELD_END":
        return "field"
    is_word = isinstance(terminal.regular, Literal) and terminal.regular.text.isalpha()
    return "word" if is_word else ""
