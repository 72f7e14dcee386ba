"""`email` and `idn-email`: the rule ``Mailbox`` of RFC 5321, section 4.1.2, and as RFC 6531 extends it.

`jsonschema` asks for nothing but an ``@``.  Lengths are not part of the rule.  Of the literals in brackets the RFC
leaves all but IP addresses to later standards; none has defined another, so there are no others here.
"""

from constrain.grammars.json_schema.formats import idna_table
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
from constrain.grammars.json_schema.formats.network import ipv6_address
from constrain.grammars.regex.charset import difference, union
from constrain.grammars.regular import MAX_CODE_POINT, Characters, Ranges, Regular

__all__ = ["email", "idn_email"]

_LETTERS_AND_DIGITS: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A))
_NOT_ASCII: Ranges = ((0x80, MAX_CODE_POINT),)


def _address_literal() -> Regular:
    """``address-literal``; its octets may have leading zeros, and ``::`` stands for two groups or more."""
    number = either(
        many(DIGIT, 1, 2),
        sequence(symbols("01"), many(DIGIT, 2, 2)),
        sequence(literal("2"), symbols("01234"), DIGIT),
        sequence(literal("25"), symbols("012345")),
    )
    ipv4 = sequence(number, many(sequence(literal("."), number), 3, 3))
    tag = sequence(symbols("Ii"), symbols("Pp"), symbols("Vv"), literal("6:"))
    return sequence(literal("["), either(ipv4, sequence(tag, ipv6_address(ipv4, 2))), literal("]"))


def _local_part(others: Ranges) -> Regular:
    """``Local-part``: words with dots between them, or a quoted string; `others` may stand in both."""
    word = many(Characters(union(_LETTERS_AND_DIGITS, ranges_of("!#$%&'*+-/=?^_`{|}~"), others)), 1)
    text = Characters(union(difference(((0x20, 0x7E),), ranges_of('"\\')), others))
    escaped = sequence(literal("\\"), Characters(((0x20, 0x7E),)))
    quoted = sequence(literal('"'), many(either(text, escaped)), literal('"'))
    return either(separated(word, literal(".")), quoted)


def _mailbox(others: Ranges, domain: Regular) -> Regular:
    return sequence(_local_part(others), literal("@"), either(domain, _address_literal()))


def email() -> Regular:
    """``Mailbox`` of RFC 5321."""
    rest = optional(sequence(many(either(ALNUM, literal("-"))), ALNUM))
    return _mailbox((), separated(sequence(ALNUM, rest), literal(".")))


def idn_email() -> Regular:
    """``Mailbox`` of RFC 6531, section 3.3: Unicode characters in the local part, and internationalised domains.

    The labels of a domain are of characters that IDNA allows, the first no mark.  What it asks of whole labels, above
    all normalisation, is left to whoever looks the name up: the test suite calls other labels valid.
    """
    allowed = union(_LETTERS_AND_DIGITS, idna_table.characters("allowed"), idna_table.characters("context"))
    plain = difference(allowed, ranges_of("-"))
    first = Characters(difference(plain, idna_table.characters("mark")))
    rest = optional(sequence(many(Characters(allowed)), Characters(plain)))
    return _mailbox(_NOT_ASCII, separated(sequence(first, rest), literal(".")))
