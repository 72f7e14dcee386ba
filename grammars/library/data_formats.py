"""Formats of data: TOML and CSV."""

from collections.abc import Sequence
from itertools import pairwise

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.library.sources import source
from constrain.grammars.regular import (
    MAX_CODE_POINT,
    Characters,
    Concatenation,
    Literal,
    Regular,
    Repetition,
    Union,
)

__all__ = ["csv", "toml"]

_LINE_END = Union((Literal(b"\r\n"), Literal(b"\n")))


def toml() -> ir.Grammar:
    """TOML 1.0.0 documents; that no key is defined twice is not checked."""
    return source("toml")


def csv(*, columns: int | None = None, header: Sequence[str] | None = None, delimiter: str = ",") -> ir.Grammar:
    """CSV files (RFC 4180), lines ending in CRLF or LF; all lines have as many fields.

    columns    the number of fields; None: that of `header`, or any, which may differ from line to line
    header     the fields of the first line, written as they have to be
    delimiter  one character between fields, in place of the comma

    Raises GrammarError for a delimiter that is none, or a header of another number of fields than `columns`.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise GrammarError(f"{delimiter!r} cannot stand between fields")
    if header is not None:
        if not header or columns not in (None, len(header)):
            raise GrammarError("a header has as many fields as there are columns, at least one")
        columns = len(header)
    if columns is not None and columns < 1:
        raise GrammarError("a file has at least one column")
    comma, line = Literal(delimiter.encode()), _line(delimiter, columns)
    rest = Concatenation((Repetition(Concatenation((_LINE_END, line)), 0, None), Repetition(_LINE_END, 0, 1)))
    first: Regular = line
    if header is not None:
        fields = [_written(field, delimiter) for field in header]
        first = Concatenation(tuple(part for field in fields for part in (comma, field))[1:])
    return ir.Grammar("file", {"file": ir.Terminal(Concatenation((first, rest)), "FILE")})


def _line(delimiter: str, columns: int | None) -> Regular:
    special = sorted({0x22, 0x0A, 0x0D, ord(delimiter)})
    borders = [-1, *special, MAX_CODE_POINT + 1]
    ranges = tuple((low + 1, high - 1) for low, high in pairwise(borders) if low + 1 < high)
    plain = Repetition(Characters(ranges), 0, None)
    inner = Repetition(Union((Characters(((0, 0x21), (0x23, MAX_CODE_POINT))), Literal(b'""'))), 0, None)
    field = Union((plain, Concatenation((Literal(b'"'), inner, Literal(b'"')))))
    more = Concatenation((Literal(delimiter.encode()), field))
    count = None if columns is None else columns - 1
    return Concatenation((field, Repetition(more, count or 0, count)))


def _written(field: str, delimiter: str) -> Regular:
    """A field with quotes where it has to have them."""
    if any(character in field for character in ('"', "\r", "\n", delimiter)):
        field = '"' + field.replace('"', '""') + '"'
    return Literal(field.encode())
