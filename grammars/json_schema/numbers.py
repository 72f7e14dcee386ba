"""Sets of numbers: unions of intervals, each with multiples that its numbers must and must not be.

Exact throughout: bounds and multiples are decimals and fractions, never floats.  Printed, a set is a union of
languages of JSON numbers; see `regular.Decimals` and `regular.Multiples` for what those recognise.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from math import gcd, inf, lcm

from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.regular import (
    Complement,
    Concatenation,
    Decimals,
    Empty,
    Epsilon,
    Intersection,
    Literal,
    Multiples,
    Regular,
    Repetition,
    Symbols,
    Union,
)

__all__ = [
    "ALL",
    "INTEGERS",
    "NONE",
    "PLAIN_INTEGERS",
    "Numbers",
    "Piece",
    "among",
    "between",
    "complement",
    "either",
    "intersection",
    "language",
    "listed",
    "multiples",
    "split",
    "texts_of",
    "union",
]

MAX_FACTOR = 1 << 30
MAX_SEARCHED_FACTOR = 1 << 17
"""The largest factor of multiples that other conditions apply to: whether a number can still become one of both is
found by going through the remainders."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Numbers between bounds (None: no bound) that are multiples of `multiple` and of none of `not_multiples`.

    `plain`: only such as are written without a point and an exponent, which is what draft 4 calls an integer;
    `spelled`: only others.
    """

    low: Fraction | None = None
    high: Fraction | None = None
    strict_low: bool = False
    strict_high: bool = False
    multiple: Fraction | None = None
    not_multiples: frozenset[Fraction] = frozenset()
    plain: bool = False
    spelled: bool = False


Numbers = tuple[Piece, ...]
ALL: Numbers = (Piece(),)
NONE: Numbers = ()
INTEGERS: Numbers = (Piece(multiple=Fraction(1)),)
PLAIN_INTEGERS: Numbers = (Piece(multiple=Fraction(1), plain=True),)


def between(
    low: Fraction | None = None, high: Fraction | None = None, *, strict_low: bool = False, strict_high: bool = False
) -> Numbers:
    """Numbers between bounds."""
    return _settled(Piece(low, high, strict_low, strict_high))


def among(points: Iterable[Fraction]) -> Numbers:
    """A finite set of numbers; three or more integers in a row become an interval."""
    runs: list[list[Fraction]] = []
    for point in sorted(set(points)):
        if runs and point.denominator == 1 and point == runs[-1][-1] + 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    pieces: list[Piece] = []
    for run in runs:
        if len(run) > 2:
            pieces.append(Piece(run[0], run[-1], multiple=Fraction(1)))
        else:
            pieces.extend(Piece(point, point) for point in run)
    return tuple(pieces)


def multiples(of: Fraction) -> Numbers:
    """Multiples of a positive number."""
    return (Piece(multiple=of),)


def _lcm(first: Fraction, second: Fraction) -> Fraction:
    return Fraction(lcm(first.numerator, second.numerator), gcd(first.denominator, second.denominator))


def _ceiling(number: Fraction, multiple: Fraction, strict: bool) -> Fraction:
    quotient = number / multiple
    rounded = -(-quotient.numerator // quotient.denominator)
    if strict and rounded == quotient:
        rounded += 1
    return rounded * multiple


def _floor(number: Fraction, multiple: Fraction, strict: bool) -> Fraction:
    return -_ceiling(-number, multiple, strict)


def _settled(piece: Piece) -> Numbers:
    """The piece with bounds moved to multiples; nothing when it is empty."""
    if piece.plain and piece.spelled:
        return NONE
    multiple = piece.multiple
    if multiple is not None:
        low = None if piece.low is None else _ceiling(piece.low, multiple, piece.strict_low)
        high = None if piece.high is None else _floor(piece.high, multiple, piece.strict_high)
        piece = replace(piece, low=low, high=high, strict_low=False, strict_high=False)
    if piece.low is not None and piece.high is not None:
        if piece.low > piece.high or (piece.low == piece.high and (piece.strict_low or piece.strict_high)):
            return NONE
    if piece.not_multiples and not _has_other(piece):
        return NONE
    if piece.low is not None and piece.low == piece.high:  # one number, which is what it has to be
        piece = replace(piece, multiple=piece.multiple if piece.plain else None, not_multiples=frozenset())
    return (piece,)


def _has_other(piece: Piece) -> bool:
    """Whether some number of the interval is no multiple of any of `not_multiples`."""

    def is_other(number: Fraction) -> bool:
        return all((number / excluded).denominator != 1 for excluded in piece.not_multiples)

    multiple = piece.multiple
    if multiple is None:
        return piece.low is None or piece.low != piece.high or is_other(piece.low)
    if any((multiple / excluded).denominator == 1 for excluded in piece.not_multiples):
        return False
    if piece.low is None or piece.high is None:
        return True  # `multiple` itself is none of them, and so is every `1 + k·period`-th multiple
    count = int((piece.high - piece.low) / multiple) + 1
    period = 1
    for excluded in piece.not_multiples:
        period = lcm(period, (_lcm(multiple, excluded) / multiple).numerator)
    if count >= period:
        return True
    return any(is_other(piece.low + i * multiple) for i in range(min(count, 100_000)))


def _pair(first: Piece, second: Piece) -> Numbers:
    low, strict_low = first.low, first.strict_low
    if second.low is not None and (low is None or second.low > low or (second.low == low and second.strict_low)):
        low, strict_low = second.low, second.strict_low
    high, strict_high = first.high, first.strict_high
    if second.high is not None and (high is None or second.high < high or (second.high == high and second.strict_high)):
        high, strict_high = second.high, second.strict_high
    multiple = first.multiple or second.multiple
    if first.multiple is not None and second.multiple is not None:
        multiple = _lcm(first.multiple, second.multiple)
    excluded = first.not_multiples | second.not_multiples
    plain, spelled = first.plain or second.plain, first.spelled or second.spelled
    return _settled(Piece(low, high, strict_low, strict_high, multiple, excluded, plain, spelled))


def intersection(first: Numbers, second: Numbers) -> Numbers:
    """Numbers of both sets."""
    if first is ALL or first == second:
        return second
    if second is ALL:
        return first
    partners = _Overlaps(second)
    return _distinct(piece for one in first for other in partners.of(one) for piece in _pair(one, other))


class _Overlaps:
    """The pieces of a set whose intervals may meet a given one, found without going through all: sets of many points
    are cut with sets of many gaps.
    """

    def __init__(self, pieces: Numbers) -> None:
        self._pieces = sorted(pieces, key=lambda piece: -inf if piece.low is None else piece.low)
        self._lows = [-inf if piece.low is None else piece.low for piece in self._pieces]
        self._highs: list[Fraction | float] = []  # the highest so far: what is lower cannot be met any more
        for piece in self._pieces:
            high = inf if piece.high is None else piece.high
            self._highs.append(max(high, self._highs[-1]) if self._highs else high)

    def of(self, piece: Piece) -> Numbers:
        first = 0 if piece.low is None else bisect_left(self._highs, piece.low)
        last = len(self._lows) if piece.high is None else bisect_right(self._lows, piece.high)
        return tuple(self._pieces[first:last])


def _distinct(pieces: object) -> Numbers:
    return tuple(dict.fromkeys(pieces))  # type: ignore[call-overload]


def union(first: Numbers, second: Numbers) -> Numbers:
    """Numbers of either set."""
    if first is ALL or second is ALL:
        return ALL
    return _distinct(first + second)


def complement(numbers: Numbers) -> Numbers:
    """Numbers outside a set."""
    if numbers is ALL:
        return NONE
    result = ALL
    alike: dict[Piece, list[Piece]] = {}  # by what they ask for besides their bounds
    for piece in numbers:
        alike.setdefault(replace(piece, low=None, high=None, strict_low=False, strict_high=False), []).append(piece)
    for condition, pieces in alike.items():
        result = intersection(result, _distinct((*_gaps(pieces), *_outside(condition))))
    return result


def split(piece: Piece, point: Fraction) -> Numbers:
    """Numbers of a piece but for one."""
    if (piece.low is not None and point < piece.low) or (piece.high is not None and point > piece.high):
        return (piece,)
    below = _settled(replace(piece, high=point, strict_high=True)) if piece.low != point else ()
    above = _settled(replace(piece, low=point, strict_low=True)) if piece.high != point else ()
    return below + above


def _gaps(intervals: list[Piece]) -> Numbers:
    """Numbers within none of the bounds."""
    gaps: list[Piece] = []
    low: Fraction | None = None  # what is below it is dealt with
    strict, begun = False, False
    for piece in sorted(intervals, key=lambda piece: (-inf if piece.low is None else piece.low, piece.strict_low)):
        if piece.low is not None and (not begun or low is not None):
            gaps += _settled(Piece(low, piece.low, strict, not piece.strict_low))
        if piece.high is None:
            return tuple(gaps)
        if not begun or (low is not None and (piece.high, not piece.strict_high) > (low, strict)):
            low, strict = piece.high, not piece.strict_high
        begun = True
    return (*gaps, Piece(low, None, strict)) if begun else ALL


def _outside(condition: Piece) -> Numbers:
    """Numbers that do not meet what a piece without bounds asks for."""
    pieces: list[Piece] = []
    if condition.multiple is not None:
        pieces.append(Piece(not_multiples=frozenset((condition.multiple,))))
    pieces.extend(Piece(multiple=excluded) for excluded in sorted(condition.not_multiples))
    if condition.plain:
        pieces.append(Piece(spelled=True))
    if condition.spelled:
        pieces.extend(PLAIN_INTEGERS)
    return tuple(pieces)


# Printing


def language(numbers: Numbers, *, exponent: bool = True, fraction: bool = True) -> Regular:
    """The texts that denote a number of the set; without exponents or points where those are not wanted."""
    return either([part for piece in numbers for part in texts_of(piece, exponent, fraction)])


def either(parts: Sequence[Regular]) -> Regular:
    """The union of languages."""
    if not parts:
        return Empty()
    return parts[0] if len(parts) == 1 else Union(tuple(parts))


def texts_of(piece: Piece, exponent: bool, fraction: bool) -> list[Regular]:
    """The texts that denote a number of a piece, those without a sign and those with one."""
    if piece.plain:
        exponent = fraction = False
    parts: list[Regular] = []
    magnitude = _magnitude(piece, exponent, fraction)
    if magnitude is not None:
        parts.append(magnitude)
    negated = replace(
        piece,
        low=None if piece.high is None else -piece.high,
        high=None if piece.low is None else -piece.low,
        strict_low=piece.strict_high,
        strict_high=piece.strict_low,
    )
    magnitude = _magnitude(negated, exponent, fraction)
    if magnitude is not None:
        parts.append(Concatenation((Literal(b"-"), magnitude)))
    return parts


def _magnitude(piece: Piece, exponent: bool, fraction: bool) -> Regular | None:
    """The numbers of a piece that are not negative."""
    if not piece.spelled:
        return _magnitude_in_any_form(piece, exponent, fraction)
    found = _magnitude_in_any_form(piece, exponent, fraction) if exponent or fraction else None
    return None if found is None else Intersection((found, _WITH_POINT_OR_EXPONENT))


def _magnitude_in_any_form(piece: Piece, exponent: bool, fraction: bool) -> Regular | None:
    low, high, strict_low = piece.low, piece.high, piece.strict_low
    zero = not piece.not_multiples and (low is None or low < 0 or (low == 0 and not strict_low))
    if high is not None:
        zero = zero and (high > 0 or (high == 0 and not piece.strict_high))
    positive = high is None or high > 0
    if low is not None and low <= 0:
        low, strict_low = None, False
    if positive and piece.multiple is not None:
        if high is not None and high < piece.multiple:
            positive = False
        elif low is None and piece.not_multiples:
            positive = bool(_settled(replace(piece, low=Fraction(0), strict_low=True)))
    if not positive and not zero:
        return None
    if not positive:
        return Decimals(zero=True, positive=False, exponent=exponent, fraction=fraction)
    grain = _power_of_ten(piece.multiple)
    if piece.multiple is not None and grain is None:
        if zero and low is None and high is None and not piece.not_multiples:
            return _multiples(piece.multiple, exponent, fraction, MAX_FACTOR)
    if piece.not_multiples:
        # With exponents no search would see that nothing but multiples of both can follow.
        powers = all(_power_of_ten(one) is not None for one in piece.not_multiples)
        exponent = exponent and powers and (piece.multiple is None or grain is not None)
    base: Regular = Decimals(
        zero=zero,
        low=_decimal(low),
        high=_decimal(high),
        strict_low=strict_low,
        strict_high=piece.strict_high and high is not None,
        grain=grain,
        exponent=exponent,
        fraction=fraction,
    )
    parts = [base]
    if piece.multiple is not None and grain is None:
        recognised = _multiples(piece.multiple, exponent, fraction, MAX_SEARCHED_FACTOR)
        parts.append(recognised)
        parts.append(_leading_digits(recognised.scale, high, zero))
    for excluded in sorted(piece.not_multiples):
        power = _power_of_ten(excluded)
        if power is not None:
            parts.append(Complement(Decimals(grain=power, exponent=exponent)))
        else:
            parts.append(Complement(_multiples(excluded, False, True, MAX_SEARCHED_FACTOR)))
    return base if len(parts) == 1 else Intersection(tuple(parts))


def _power_of_ten(number: Fraction | None) -> int | None:
    """The exponent k of a number 10^k."""
    if number is None:
        return None
    numerator, denominator = number.numerator, number.denominator
    digits = str(max(numerator, denominator))
    if min(numerator, denominator) != 1 or digits.strip("0") != "1":
        return None
    return len(digits) - 1 if numerator > 1 else 1 - len(digits)


_DIGIT, _NONZERO, _NO_DIGIT = Symbols(((48, 57),)), Symbols(((49, 57),)), Symbols(((0, 47), (58, 255)))
_ANYTHING = Repetition(Symbols(((0, 255),)), 0, None)
_WITH_POINT_OR_EXPONENT = Concatenation(
    (Repetition(_DIGIT, 0, None), Symbols(((46, 46), (69, 69), (101, 101))), _ANYTHING)
)


def _leading_digits(scale: int, high: Fraction | None, zero: bool) -> Regular:
    """Texts that begin as those of multiples with at most `scale` digits behind the point and no negative exponent.

    It follows from the bounds and the multiples, but only for whole texts.  An unfinished one, "0.000" or more digits
    than the upper bound has, could still be a number of the interval by a further exponent, could be a multiple by
    itself, and never is both; no search among the endlessly many such beginnings would find that out.
    """
    remainder = Union((Epsilon(), Concatenation((_NO_DIGIT, _ANYTHING))))
    parts: list[Regular] = []
    if high is None:
        parts.append(Concatenation((_NONZERO, _ANYTHING)))
    elif high >= 1:
        parts.append(Concatenation((_NONZERO, Repetition(_DIGIT, 0, len(str(int(high))) - 1), remainder)))
    if zero:
        parts.append(Concatenation((Literal(b"0"), remainder)))
    elif scale > 0:
        zeros = Repetition(Literal(b"0"), 0, scale - 1)
        parts.append(Concatenation((Literal(b"0."), zeros, _NONZERO, _ANYTHING)))
    return parts[0] if len(parts) == 1 else Union(tuple(parts))


def _multiples(number: Fraction, exponent: bool, fraction: bool, limit: int) -> Multiples:
    scale = 0
    while (number * 10**scale).denominator != 1:
        scale += 1
    factor = (number * 10**scale).numerator
    if factor > limit:
        raise ResourceLimitError(f"multiples of {number} need too large an automaton", limit="max_grammar")
    return Multiples(factor, scale, exponent, fraction)


def _decimal(number: Fraction | None) -> Decimal | None:
    if number is None:
        return None
    with localcontext() as context:
        context.prec = 100_000
        return (Decimal(number.numerator) / Decimal(number.denominator)).normalize()


def listed(piece: Piece, limit: int) -> list[Fraction] | None:
    """The numbers of a piece, or None when there are more than `limit`, or not all forms of them belong to it."""
    if piece.plain or piece.spelled:
        return None
    low, high, multiple = piece.low, piece.high, piece.multiple
    if low is None or high is None:
        return None
    if low == high:
        return [low]
    if multiple is None or (high - low) / multiple >= limit:
        return None
    found = [low + i * multiple for i in range(int((high - low) / multiple) + 1)]
    return [one for one in found if all((one / excluded).denominator != 1 for excluded in piece.not_multiples)]
