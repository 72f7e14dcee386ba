"""`uri-template`: RFC 6570, section 2.

Narrower than the RFC where `jsonschema` is: no variable's name begins with a percent-encoded octet, prefixes have at
most three digits, and of the operators reserved for extensions only the comma is there.  A literal may hold an
apostrophe, as the RFC's verified erratum 6937 has it.
"""

from constrain.grammars.json_schema.formats.build import (
    ALNUM,
    DIGIT,
    either,
    literal,
    many,
    optional,
    ranges_of,
    separated,
    sequence,
    symbols,
)
from constrain.grammars.json_schema.formats.uris import PRIVATE, UCSCHAR, percent_encoded
from constrain.grammars.regex.charset import difference, union
from constrain.grammars.regular import Characters, Regular

__all__ = ["uri_template"]


def _variable() -> Regular:
    """``varspec``: a name with dots, and a prefix length or an asterisk."""
    first = either(ALNUM, literal("_"))
    character = either(first, percent_encoded())
    name = sequence(first, many(sequence(optional(literal(".")), character)))
    prefix = sequence(literal(":"), symbols("123456789"), many(DIGIT, 0, 2))
    return sequence(name, optional(either(prefix, literal("*"))))


def uri_template() -> Regular:
    """``URI-Template``: literals and expressions in braces."""
    printable = difference(((0x21, 0x7E),), ranges_of('"%<>\\^`{|}'))
    plain = Characters(union(printable, UCSCHAR, PRIVATE))
    expression = sequence(
        literal("{"), optional(symbols("+#./;?&,")), separated(_variable(), literal(",")), literal("}")
    )
    return many(either(plain, percent_encoded(), expression))
