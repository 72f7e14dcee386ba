r"""`regex`: regular expressions of ECMA-262 (with the flag u) that Python's `re` compiles too.

Their syntax is not regular; this is the part with

- groups (``(…)``, ``(?:…)``) nested at most `MAX_DEPTH` deep;
- look-ahead that contains groups, but no groups in groups and no look-around;
- look-behind over a fixed number of characters, which is all that `re` knows, without groups;
- no back-references, named groups (whose syntax differs between the two), Unicode properties, control escapes and
  surrogates;
- repetition counts of at most four digits; of ``{n,m}`` with n of three digits or more, those where m has a larger
  first digit or more digits;
- ranges in character classes that begin with a digit, ``a``, ``A``, a space or ``!``, that go across one of the
  characters of `_BOUNDS`, or that lie between ``\\uXXXX`` with different first digits.

It is the intersection of what may stand beside what with what is nested, which is much smaller than either of them
repeated for every depth.
"""

from itertools import pairwise

from constrain.grammars.json_schema.formats.build import (
    DIGIT,
    HEX,
    either,
    literal,
    many,
    optional,
    ranges_of,
    sequence,
    symbols,
)
from constrain.grammars.regex.charset import difference, intersection, union
from constrain.grammars.regular import MAX_CODE_POINT, Characters, Intersection, Ranges, Regular

__all__ = ["MAX_DEPTH", "regex"]

MAX_DEPTH = 6

_SYNTAX = "^$\\.*+?()[]{}|"
_DIGITS = "0123456789"
_POSITIVE = _DIGITS[1:]
_HEXADECIMAL = "0123456789abcdef"
_EXACT = " !0123456789Aa"
_BOUNDS = "0AGNTagnt\u0080\u00d0\u00e0\u00f0\u03a0\u03c0\u0420\u0440\u0800\u3060\u30d0\u5000\ub000\U00010000"
_LOOK_AHEAD = symbols("=!")
_LOOK_BEHIND = sequence(literal("<"), symbols("=!"))
_ALL: Ranges = ((0, MAX_CODE_POINT),)
_NOT_ASCII: Ranges = ((0x80, MAX_CODE_POINT),)


def _hexadecimal(digits: str) -> Regular:
    """One of some hexadecimal digits, small or capital."""
    return symbols(digits + digits.upper())


def _number(digits: int) -> Regular:
    """A number of exactly so many digits, without leading zeros."""
    return DIGIT if digits == 1 else sequence(symbols(_POSITIVE), many(DIGIT, digits - 1, digits - 1))


def _longer(digits: int) -> list[Regular]:
    return [_number(more) for more in range(digits + 1, 5)]


def _bounds() -> Regular:
    """``n,m`` with n at most m."""
    found = [sequence(literal(f"{n},"), either(symbols(_DIGITS[n:]), *_longer(1))) for n in range(10)]
    for first in range(1, 10):
        for digits in (2, 3, 4):
            rest = many(DIGIT, digits - 1, digits - 1)
            larger = [sequence(symbols(_DIGITS[first + 1 :]), rest)] if first < 9 else []
            if larger or digits < 4:
                found.append(sequence(literal(str(first)), rest, literal(","), either(*larger, *_longer(digits))))
        equal = [sequence(literal(f"{second},{first}"), symbols(_DIGITS[second:])) for second in range(10)]
        found.append(sequence(literal(str(first)), either(*equal)))
    return either(*found)


def _quantifier() -> Regular:
    number = either(*(_number(digits) for digits in range(1, 5)))
    counted = sequence(literal("{"), either(number, sequence(number, literal(",")), _bounds()), literal("}"))
    return sequence(either(symbols("*+?"), counted), optional(literal("?")))


def _code(first_digits: str) -> Regular:
    """Four hexadecimal digits, the first one of some, that denote no surrogate."""
    found = []
    others = first_digits.replace("d", "")
    if others:
        found.append(sequence(_hexadecimal(others), many(HEX, 3, 3)))
    if "d" in first_digits:
        found.append(sequence(symbols("dD"), symbols("01234567"), many(HEX, 2, 2)))
    return either(*found)


def _escapes(punctuation: str) -> Regular:
    """Escapes of one character, and of the six classes."""
    plain = symbols("tnvfrdDwWsS" + punctuation)
    code = either(sequence(literal("x"), many(HEX, 2, 2)), sequence(literal("u"), _code(_HEXADECIMAL)))
    return sequence(literal("\\"), either(plain, code))


def _ranges() -> Regular:
    """Ranges of a character class, from the smaller character to the larger."""
    ends = difference(_ALL, ranges_of("\\[]^-&|"))

    def from_to(low: Ranges, least: int) -> Regular:
        high = intersection(((least, MAX_CODE_POINT),), ends)
        return sequence(Characters(low), literal("-"), Characters(high))

    found = [from_to(ranges_of(low), ord(low)) for low in _EXACT]
    rest = difference(ends, union(ranges_of(_EXACT), ((0, 0x1F), (0x7F, 0x7F))))
    bounds = [0, *map(ord, _BOUNDS)]
    for start, end in pairwise(bounds):
        low = intersection(rest, ((start, end - 1),))
        if low:
            found.append(from_to(low, end))
    for i in range(15):
        low_code, high_code = _code(_HEXADECIMAL[i]), _code(_HEXADECIMAL[i + 1 :])
        found.append(sequence(literal("\\u"), low_code, literal("-\\u"), high_code))
    return either(*found)


def _character_class() -> Regular:
    r"""``[…]``: at least one item, hyphens at either end only, and no ``[`` or doubled ``&``, ``|`` or ``~``.

    Those mean nothing today, but `re` warns of them: they may come to mean operations on sets.
    """
    operator = optional(symbols("&|~"))
    plain = Characters(difference(_ALL, ranges_of("\\[]^-&|~")))
    item = either(sequence(plain, many(literal("^"))), _escapes(_SYNTAX + "/-"), _ranges())
    hyphen = optional(literal("-"))
    items = many(sequence(operator, item), 1)
    return sequence(literal("["), optional(literal("^")), hyphen, items, operator, hyphen, literal("]"))


def _tokens() -> Regular:
    """What a pattern is made of, with quantifiers behind atoms and closing parentheses."""
    atom = either(
        Characters(difference(_ALL, ranges_of(_SYNTAX))),
        literal("."),
        _escapes(_SYNTAX + "/"),
        _character_class(),
    )
    place = either(symbols("^$"), literal("\\b"), literal("\\B"))
    opening = sequence(literal("("), optional(sequence(literal("?"), either(literal(":"), _LOOK_AHEAD, _LOOK_BEHIND))))
    quantified = sequence(either(atom, literal(")")), optional(_quantifier()))
    return many(either(quantified, place, literal("|"), opening))


def _nesting() -> Regular:
    """Texts whose parentheses, outside of escapes and character classes, pair up as the module says.

    Everything else is looked at only as far as is needed to tell quantifiers from what they may stand behind.
    """
    bar_or_place = either(symbols("^$|"), literal("\\b"), literal("\\B"))
    escape = sequence(literal("\\"), Characters(difference(_ALL, ranges_of("bB"))))
    member = either(escape, Characters(difference(_ALL, ranges_of("\\]"))))
    character_class = sequence(literal("["), many(member), literal("]"))
    atom = either(escape, character_class, Characters(difference(_ALL, ranges_of("\\[()^$|*+?{}"))))
    count = sequence(literal("{"), many(symbols(_DIGITS + ",")), literal("}"))
    quantifier = many(either(symbols("*+?"), count))

    def grouped(body: Regular) -> Regular:
        return sequence(literal("("), optional(literal("?:")), body, literal(")"))

    def terms(*atoms: Regular) -> Regular:
        return sequence(either(atom, *atoms), quantifier)

    behind = sequence(literal("(?"), _LOOK_BEHIND, many(atom), literal(")"))
    ahead_body = many(either(bar_or_place, terms(grouped(many(either(bar_or_place, terms()))))))
    ahead = sequence(literal("(?"), _LOOK_AHEAD, ahead_body, literal(")"))
    body = many(either(bar_or_place, behind, ahead, terms()))
    for _ in range(MAX_DEPTH):
        body = many(either(bar_or_place, behind, ahead, terms(grouped(body))))
    return body


def regex() -> Regular:
    """``Pattern`` of ECMA-262, section 22.2.1, as far as the module says."""
    return Intersection((_tokens(), _nesting()))
