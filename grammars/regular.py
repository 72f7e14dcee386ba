"""Regular languages of byte strings, as expressions: the leaves of every grammar.

Each class is one operation; the objects are immutable, compare by value, and say nothing of how they are
recognised.  `automata` turns them into lazily determinised automata, `regex` makes them from the syntax of
Python's and JavaScript's regular expressions.
"""

from dataclasses import dataclass
from decimal import Decimal

__all__ = [
    "ANY_CHARACTER",
    "ANY_TEXT",
    "MAX_CODE_POINT",
    "Automaton",
    "Characters",
    "Complement",
    "Concatenation",
    "Decimals",
    "Empty",
    "Epsilon",
    "Intersection",
    "JsonString",
    "Literal",
    "Multiples",
    "Ranges",
    "Regular",
    "Repetition",
    "Symbols",
    "Union",
    "Without",
    "Words",
]

MAX_CODE_POINT = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges, ascending, with gaps between them."""


class Regular:
    """Base of the expressions of this module."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Empty(Regular):
    """No string at all."""


@dataclass(frozen=True, slots=True)
class Epsilon(Regular):
    """The empty string."""


@dataclass(frozen=True, slots=True)
class Literal(Regular):
    """One byte string."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Symbols(Regular):
    """One byte from the ranges."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Characters(Regular):
    """One Unicode scalar value from the ranges, in UTF-8; surrogates in the ranges denote nothing."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Concatenation(Regular):
    """Strings of the parts, one after the other."""

    parts: tuple[Regular, ...]


@dataclass(frozen=True, slots=True)
class Union(Regular):
    """Strings of any part."""

    parts: tuple[Regular, ...]


@dataclass(frozen=True, slots=True)
class Intersection(Regular):
    """Strings of every part."""

    parts: tuple[Regular, ...]


@dataclass(frozen=True, slots=True)
class Complement(Regular):
    """Byte strings not in the part; intersect with `ANY_TEXT` for texts not in the part."""

    part: Regular


@dataclass(frozen=True, slots=True)
class Repetition(Regular):
    """From `minimum` to `maximum` strings of the part; `maximum` None: any number."""

    part: Regular
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Words(Regular):
    """A finite set of byte strings."""

    words: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Without(Regular):
    """The part minus a finite set of byte strings."""

    part: Regular
    words: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class JsonString(Regular):
    """A JSON string literal after its opening quote, up to and including the closing one.

    Its decoded text lies in `text`, a language of UTF-8 strings that contains no `JsonString`.  With
    `any_escape`, characters may be escaped in every way of RFC 8259; otherwise only those that must be, in
    the shortest way.
    """

    text: Regular
    any_escape: bool = True


@dataclass(frozen=True, slots=True)
class Decimals(Regular):
    """Magnitudes in JSON's notation of numbers, without a sign, that lie in a set.

    zero       whether zero belongs to the set
    positive   whether any positive number does; those are
    low, high  between the bounds, positive decimals or None for none, which belong to the set unless `strict`
    grain      multiples of 10^grain; the bounds are such multiples then, and not strict
    exponent   whether ``12e-3`` may be written, and
    fraction   whether a point may be
    """

    zero: bool = True
    positive: bool = True
    low: Decimal | None = None
    high: Decimal | None = None
    strict_low: bool = False
    strict_high: bool = False
    grain: int | None = None
    exponent: bool = True
    fraction: bool = True


@dataclass(frozen=True, slots=True)
class Multiples(Regular):
    """Magnitudes in JSON's notation, without a sign, that are multiples of ``factor · 10^-scale``.

    More than `scale` digits behind the point, other than zeros, and negative exponents are not written.
    """

    factor: int
    scale: int
    exponent: bool = True
    fraction: bool = True


@dataclass(frozen=True, slots=True)
class Automaton(Regular):
    """A nondeterministic automaton: per state its (lowest byte, highest byte, target) and whether it accepts.

    State 0 is the start; every state must be on some way to acceptance.
    """

    transitions: tuple[tuple[tuple[int, int, int], ...], ...]
    accepting: tuple[bool, ...]


ANY_CHARACTER = Characters(((0, 0xD7FF), (0xE000, MAX_CODE_POINT)))
ANY_TEXT = Repetition(ANY_CHARACTER, 0, None)
