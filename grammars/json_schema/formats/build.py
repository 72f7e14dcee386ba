"""Short names for the expressions that grammars of RFCs are written in.

An RFC's rule ``label = alnum *( "-" / alnum )`` reads ``sequence(ALNUM, many(either(symbols("-"), ALNUM)))`` here.
"""

from constrain.grammars.regular import Concatenation, Epsilon, Literal, Ranges, Regular, Repetition, Symbols, Union

__all__ = [
    "ALNUM",
    "ALPHA",
    "DIGIT",
    "EPSILON",
    "HEX",
    "digits",
    "either",
    "literal",
    "many",
    "optional",
    "ranges_of",
    "separated",
    "sequence",
    "symbols",
]

EPSILON = Epsilon()


def ranges_of(characters: str) -> Ranges:
    """The set of the characters of a string."""
    ranges: list[tuple[int, int]] = []
    for code in sorted(set(map(ord, characters))):
        if ranges and ranges[-1][1] + 1 == code:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return tuple(ranges)


def symbols(characters: str) -> Regular:
    """One of the ASCII characters."""
    return Symbols(ranges_of(characters))


def literal(text: str) -> Regular:
    """Exactly this text."""
    return Literal(text.encode())


def sequence(*parts: Regular) -> Regular:
    """The parts one after the other."""
    return Concatenation(parts)


def either(*parts: Regular) -> Regular:
    """Any of the parts."""
    return Union(parts)


def many(part: Regular, minimum: int = 0, maximum: int | None = None) -> Regular:
    """From `minimum` to `maximum` times the part."""
    return Repetition(part, minimum, maximum)


def optional(part: Regular) -> Regular:
    """The part, or nothing."""
    return Repetition(part, 0, 1)


def separated(part: Regular, separator: Regular) -> Regular:
    """One or more of the part, with separators between them."""
    return Concatenation((part, Repetition(Concatenation((separator, part)), 0, None)))


_DIGITS = "0123456789"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

DIGIT = symbols(_DIGITS)
ALPHA = symbols(_LETTERS)
ALNUM = symbols(_LETTERS + _DIGITS)
HEX = symbols(_DIGITS + "abcdefABCDEF")


def digits(count: int) -> Regular:
    """Exactly so many decimal digits."""
    return Repetition(DIGIT, count, count)
