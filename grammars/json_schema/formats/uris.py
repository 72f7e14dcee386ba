"""`uri`, `uri-reference` (RFC 3986, appendix A), `iri` and `iri-reference` (RFC 3987, section 2.2).

The rules have the RFCs' names.  Two are narrower: the version of a future IP literal begins with a small ``v``, as
`jsonschema` wants it, and IRIs have none of the bidirectional formatting characters (RFC 3987, section 4.1).
"""

from dataclasses import dataclass

from constrain.grammars.json_schema.formats.build import (
    ALNUM,
    ALPHA,
    DIGIT,
    EPSILON,
    HEX,
    either,
    literal,
    many,
    optional,
    ranges_of,
    sequence,
    symbols,
)
from constrain.grammars.json_schema.formats.network import ipv6
from constrain.grammars.regex.charset import difference, union
from constrain.grammars.regular import Characters, Ranges, Regular

__all__ = ["PRIVATE", "UCSCHAR", "iri", "iri_reference", "uri", "uri_reference"]

UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
SUB_DELIMS = "!$&'()*+,;="

UCSCHAR: Ranges = (
    (0xA0, 0xD7FF),
    (0xF900, 0xFDCF),
    (0xFDF0, 0xFFEF),
    *((plane << 16, (plane << 16) + 0xFFFD) for plane in range(1, 14)),
    (0xE1000, 0xEFFFD),
)
PRIVATE: Ranges = ((0xE000, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))

_DIRECTION_MARKS: Ranges = ((0x200E, 0x200F), (0x202A, 0x202E))


def percent_encoded() -> Regular:
    """``pct-encoded``."""
    return sequence(literal("%"), HEX, HEX)


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """What else than ASCII may stand in unreserved places, and in queries only."""

    unreserved: Ranges = ()
    query: Ranges = ()

    def encoded(self, extra: str, *others: Ranges) -> Regular:
        """A character that is unreserved, a sub-delimiter or one of `extra`, or a percent-encoded octet."""
        ranges = union(ranges_of(UNRESERVED + SUB_DELIMS + extra), self.unreserved, *others)
        return either(Characters(ranges), percent_encoded())

    def authority(self) -> Regular:
        """``[ userinfo "@" ] host [ ":" port ]``; a registered name is also what an IPv4 address looks like."""
        future = sequence(literal("v"), many(HEX, 1), literal("."), many(symbols(UNRESERVED + SUB_DELIMS + ":"), 1))
        address = sequence(literal("["), either(ipv6(), future), literal("]"))
        host = either(address, many(self.encoded("")))
        port = sequence(literal(":"), many(DIGIT))
        return sequence(optional(sequence(many(self.encoded(":")), literal("@"))), host, optional(port))

    def after_scheme(self, first_segment: Regular) -> Regular:
        """``hier-part`` or ``relative-part``, a query and a fragment.

        `first_segment` is what a path without a slash before it begins with.
        """
        character = self.encoded(":@")
        segments = many(sequence(literal("/"), many(character)))
        part = either(
            sequence(literal("//"), self.authority(), segments),
            sequence(literal("/"), optional(sequence(many(character, 1), segments))),
            sequence(first_segment, segments),
            EPSILON,
        )
        query = sequence(literal("?"), many(self.encoded(":@/?", self.query)))
        fragment = sequence(literal("#"), many(self.encoded(":@/?")))
        return sequence(part, optional(query), optional(fragment))

    def absolute(self) -> Regular:
        """``URI`` or ``IRI``."""
        scheme = sequence(ALPHA, many(either(ALNUM, symbols("+-."))))
        return sequence(scheme, literal(":"), self.after_scheme(many(self.encoded(":@"), 1)))

    def reference(self) -> Regular:
        """``URI-reference`` or ``IRI-reference``."""
        return either(self.absolute(), self.after_scheme(many(self.encoded("@"), 1)))


_ASCII = _Alphabet()
_UNICODE = _Alphabet(difference(UCSCHAR, _DIRECTION_MARKS), PRIVATE)


def uri() -> Regular:
    """``URI`` of RFC 3986: with a scheme."""
    return _ASCII.absolute()


def uri_reference() -> Regular:
    """``URI-reference`` of RFC 3986: a URI, or a relative reference."""
    return _ASCII.reference()


def iri() -> Regular:
    """``IRI`` of RFC 3987: a URI with Unicode characters."""
    return _UNICODE.absolute()


def iri_reference() -> Regular:
    """``IRI-reference`` of RFC 3987."""
    return _UNICODE.reference()
