"""For every format, a regular language of all strings that anyone might call valid.

A format's language holds what is valid beyond doubt.  Where a schema says ``not`` (or ``oneOf``, ``if``), strings
outside of the format are wanted, and those must be outside beyond doubt: outside of a superset of what the RFC, the
official test suite and `jsonschema` accept.  These are such supersets; some are coarse.
"""

from constrain.grammars.json_schema.formats.build import (
    ALNUM,
    ALPHA,
    DIGIT,
    either,
    literal,
    many,
    optional,
    ranges_of,
    sequence,
    symbols,
)
from constrain.grammars.json_schema.formats.dates import date
from constrain.grammars.json_schema.formats.names import json_pointer
from constrain.grammars.regex.charset import difference, union
from constrain.grammars.regular import ANY_CHARACTER, ANY_TEXT, MAX_CODE_POINT, Characters, Ranges, Regular

__all__ = [
    "any_date",
    "any_date_time",
    "any_duration",
    "any_email",
    "any_hostname",
    "any_ipv4",
    "any_regex",
    "any_relative_json_pointer",
    "any_time",
    "any_uri",
    "any_uri_reference",
    "any_uri_template",
    "any_uuid",
]

_ALL: Ranges = ((0, MAX_CODE_POINT),)
_NOT_ASCII: Ranges = ((0x80, MAX_CODE_POINT),)
_NEWLINE = optional(literal("\n"))  # `re` lets a dollar sign match before one


def any_time() -> Regular:
    """Times with leap seconds."""
    two = many(DIGIT, 2, 2)
    fraction = optional(sequence(literal("."), many(DIGIT, 1)))
    offset = either(symbols("Zz"), sequence(symbols("+-"), two, literal(":"), two))
    return sequence(two, literal(":"), two, literal(":"), two, fraction, offset, _NEWLINE)


def any_date() -> Regular:
    """Dates of the year 0000 too."""
    return either(date(), sequence(literal("0000-"), many(DIGIT, 2, 2), literal("-"), many(DIGIT, 2, 2)))


def any_date_time() -> Regular:
    """A date of any year, and a time with leap seconds."""
    return sequence(any_date(), symbols("Tt"), any_time())


def any_duration() -> Regular:
    """Signs, fractions and exponents are durations to `jsonschema`."""
    return sequence(optional(symbols("+-")), literal("P"), ANY_TEXT, symbols("DMYWHS"))


def any_email() -> Regular:
    """`jsonschema` looks for an ``@``."""
    return sequence(ANY_TEXT, literal("@"), ANY_TEXT)


def any_hostname() -> Regular:
    """Letters, digits, hyphens and dots in ASCII, and all other characters."""
    return sequence(many(either(ALNUM, symbols("-."), Characters(_NOT_ASCII)), 1), _NEWLINE)


def any_ipv4() -> Regular:
    """Octets may have leading zeros by RFC 2673."""
    octet = many(DIGIT, 1, 3)
    return sequence(octet, many(sequence(literal("."), octet), 3, 3))


_URI_CHARACTERS = Characters(union(difference(((0x21, 0x7E),), ranges_of('"<>\\^`{|}')), _NOT_ASCII))


def any_uri() -> Regular:
    """A scheme, and any characters of URIs or IRIs."""
    scheme = sequence(ALPHA, many(either(ALNUM, symbols("+-."))))
    return sequence(scheme, literal(":"), many(_URI_CHARACTERS), _NEWLINE)


def any_uri_reference() -> Regular:
    """Any characters of URIs or IRIs."""
    return sequence(many(_URI_CHARACTERS), _NEWLINE)


def any_uri_template() -> Regular:
    """Braces in pairs."""
    other = Characters(difference(_ALL, ranges_of("{}")))
    inside = Characters(difference(_ALL, ranges_of("}")))
    return many(either(other, sequence(literal("{"), many(inside, 1), literal("}"))))


def any_uuid() -> Regular:
    """`jsonschema` looks for four hyphens, and for 32 digits with other characters between them."""
    four = sequence(many(ANY_CHARACTER, 4, 4), literal("-"))
    return sequence(many(ANY_CHARACTER, 8, 8), literal("-"), four, four, four, ANY_TEXT)


def any_relative_json_pointer() -> Regular:
    """A number, in other scripts' digits too, and what may follow it."""
    steps = sequence(symbols("+-"), many(DIGIT, 1))
    number = sequence(many(Characters(union(ranges_of("0123456789"), _NOT_ASCII)), 1), optional(steps))
    return sequence(number, either(literal("#"), json_pointer()))


def any_regex() -> Regular:
    """All texts: what is no regular expression cannot be told without parsing it."""
    return ANY_TEXT
