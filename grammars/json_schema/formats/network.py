"""`ipv4`, `ipv6` and `hostname`, and the addresses that other formats contain."""

from constrain.grammars.json_schema.formats.build import (
    ALNUM,
    DIGIT,
    HEX,
    either,
    literal,
    many,
    optional,
    separated,
    sequence,
    symbols,
)
from constrain.grammars.regular import Intersection, Regular, Symbols

__all__ = ["MAX_LABEL", "MAX_NAME", "hostname", "ipv4", "ipv6", "ipv6_address", "label_tail"]

MAX_LABEL = 63  # octets, RFC 1035, section 2.3.4
MAX_NAME = 253  # octets of a name as it is written: 255 on the wire, without the root's length and its own first

_ASCII_CHARACTER = Symbols(((0, 127),))


def ipv4() -> Regular:
    """Four decimal octets without leading zeros: RFC 2673, section 3.2, read as `ipaddress` does."""
    octet = either(
        DIGIT,
        sequence(symbols("123456789"), DIGIT),
        sequence(literal("1"), many(DIGIT, 2, 2)),
        sequence(literal("2"), symbols("01234"), DIGIT),
        sequence(literal("25"), symbols("012345")),
    )
    return sequence(octet, many(sequence(literal("."), octet), 3, 3))


def ipv6_address(last_32_bits: Regular, omitted: int) -> Regular:
    """Eight groups of up to four hexadecimal digits; ``::`` stands for `omitted` groups or more.

    The last two groups may be written as `last_32_bits`, an IPv4 address.
    """
    group = many(HEX, 1, 4)
    then_group = sequence(literal(":"), group)
    group_then = sequence(group, literal(":"))
    alternatives = [
        sequence(group, many(then_group, 7, 7)),
        sequence(many(group_then, 6, 6), last_32_bits),
    ]
    for before in range(9 - omitted):
        after = 8 - omitted - before
        rest = []
        if after > 0:
            rest.append(sequence(many(group_then, 0, after - 1), group))
        if after > 1:
            rest.append(sequence(many(group_then, 0, after - 2), last_32_bits))
        head = [group, many(then_group, before - 1, before - 1)] if before else []
        tail = [optional(either(*rest))] if rest else []
        alternatives.append(sequence(*head, literal("::"), *tail))
    return either(*alternatives)


def ipv6() -> Regular:
    """An address of RFC 4291, section 2.2, in the grammar of RFC 3986, appendix A; no zone identifier."""
    return ipv6_address(ipv4(), 1)


def label_tail(length: int) -> Regular:
    """Up to `length` letters, digits and hyphens, not ending in a hyphen."""
    return optional(sequence(many(either(ALNUM, literal("-")), 0, length - 1), ALNUM))


def _label() -> Regular:
    """A label of RFC 1123, section 2.1, that does not begin with ``xn--``."""
    not_x = symbols("abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWYZ0123456789")
    not_n = symbols("abcdefghijklmopqrstuvwxyzABCDEFGHIJKLMOPQRSTUVWXYZ0123456789")
    hyphen, inner = literal("-"), either(ALNUM, literal("-"))
    after_x = either(
        sequence(not_n, label_tail(MAX_LABEL - 2)),
        sequence(hyphen, many(inner, 0, MAX_LABEL - 3), ALNUM),
        sequence(symbols("nN"), optional(sequence(ALNUM, label_tail(MAX_LABEL - 3)))),
        sequence(symbols("nN"), hyphen, ALNUM, label_tail(MAX_LABEL - 4)),
    )
    return either(
        sequence(not_x, label_tail(MAX_LABEL - 1)),
        sequence(symbols("xX"), optional(after_x)),
    )


def hostname() -> Regular:
    """A host name of RFC 1123, section 2.1: labels of 63 octets, names of 253, no dot at the end.

    Labels in Punycode (``xn--…``, RFC 5890) are left out: which of them are valid is not a matter of their spelling
    but of what they decode to.
    """
    names = separated(_label(), literal("."))
    return Intersection((names, many(_ASCII_CHARACTER, 1, MAX_NAME)))
