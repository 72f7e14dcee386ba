"""`uuid`, `json-pointer` and `relative-json-pointer`: names of things."""

from constrain.grammars.json_schema.formats.build import (
    EPSILON,
    HEX,
    either,
    literal,
    many,
    optional,
    sequence,
    symbols,
)
from constrain.grammars.regex.charset import EVERYTHING, difference
from constrain.grammars.regular import Characters, Regular

__all__ = ["json_pointer", "relative_json_pointer", "uuid"]


def uuid() -> Regular:
    """A UUID of RFC 9562, section 4 (formerly RFC 4122), of any version and variant."""
    dash = literal("-")
    four = many(HEX, 4, 4)
    return sequence(many(HEX, 8, 8), dash, four, dash, four, dash, four, dash, many(HEX, 12, 12))


def json_pointer() -> Regular:
    """``json-pointer`` of RFC 6901, section 3."""
    unescaped = Characters(difference(EVERYTHING, ((0x2F, 0x2F), (0x7E, 0x7E))))
    token = many(either(unescaped, sequence(literal("~"), symbols("01"))))
    return many(sequence(literal("/"), token))


def relative_json_pointer() -> Regular:
    """``relative-json-pointer`` of draft-bhutton-relative-json-pointer-00, without index manipulation.

    `jsonschema` refuses a digit behind a zero, as in ``100``, and ``+1`` behind the number; so both are left out.
    """
    positive = symbols("123456789")
    levels = either(literal("0"), sequence(many(positive, 1), optional(literal("0"))))
    return sequence(levels, either(literal("#"), json_pointer(), EPSILON))
