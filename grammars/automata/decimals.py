"""Numbers written in decimal, with fraction and exponent, that lie in an interval or are multiples of a number.

``1``, ``1.0``, ``10e-1`` and ``0.01E+2`` denote the same number, so "at most 5" is a condition on digits, point and
exponent together; as the exponent may undo any shift, it is not a regular language.  It still has small states,
because the digits matter only through

- how the significand read so far compares with those of the bounds (equal up to some digit, or less, or greater),
- the decimal exponent `k` of its leading digit, and how many digits behind the point and trailing zeros there are;

from these follows the interval of exponents that may be written.  Signs are put in front by the front-end: what is
described here is the magnitude.

DECIMAL  [specification, phase, k, fraction digits, trailing zeros, at low, at high]
MULTIPLE [modulus, scale, how, phase, residue, fraction digits]
EXPONENT [phase, value, lowest, highest]
SPECIFICATION [flags, grain, low exponent, low length, high exponent, high length, low digits…, high digits…]

A bound is 0.d₁d₂… · 10^exponent with d₁ ≠ 0 and no trailing zeros.  The grain g asks for multiples of 10^g; bounds are
then multiples themselves and belong to the set.  Every node made is live: the conditions are decided by arithmetic.
"""

from constrain.grammars.automata._jit import Memory, inner, service
from constrain.grammars.automata.expand import emit
from constrain.grammars.automata.nodes import (
    DECIMAL,
    EMPTY,
    EXPONENT,
    MULTIPLE,
    NULLABLE,
    flagged,
)
from constrain.grammars.automata.store import argument, height, intern, kind_of, push

KERNELS = "de716cabbe365690"

# Flags of a specification; the last two also of MULTIPLE's `how`.
HAS_LOW, LOW_IS_STRICT, HAS_HIGH, HIGH_IS_STRICT, HAS_GRAIN, HAS_ZERO, HAS_POSITIVE = 1, 2, 4, 8, 16, 32, 64
MAY_HAVE_EXPONENT, MAY_HAVE_FRACTION = 128, 256

# Phases of DECIMAL and MULTIPLE: nothing read; "0"; digits, the first not 0; a point; digits behind it.  In the last
# two the significand is still zero when `k` ≤ 0 and no digit but 0 has been read, told apart by their own numbers.
START, ZERO, WHOLE, ZERO_POINT, POINT, ZERO_FRACTION, FRACTION = 0, 1, 2, 3, 4, 5, 6

# Comparison of the significand with a bound: the number of equal digits, or one of these.
LESS, GREATER = -1, -2

# Phases of EXPONENT: behind "e"; behind its sign; behind a digit.
BEHIND_E, BEHIND_SIGN, IN_DIGITS = 0, 1, 2

INFINITE = 1_000_000_000

_GRAIN, LOW_EXPONENT, _LOW_LENGTH, _HIGH_EXPONENT, _HIGH_LENGTH, _DIGITS = 1, 2, 3, 4, 5, 6


@inner
def _has(m: Memory, spec: int, flag: int) -> bool:
    return argument(m, spec, 0) & flag != 0


@inner
def _compared(m: Memory, spec: int, bound: int, at: int, digit: int) -> int:
    """The comparison with a bound (0: low, 1: high) after one more digit of the significand."""
    if at < 0:
        return at
    length = argument(m, spec, _HIGH_LENGTH if bound else _LOW_LENGTH)
    if at == length:
        return at if digit == 0 else GREATER
    first = _DIGITS + (argument(m, spec, _LOW_LENGTH) if bound else 0)
    expected = argument(m, spec, first + at)
    if digit == expected:
        return at + 1
    return LESS if digit < expected else GREATER


@inner
def _exponents(m: Memory, node: int) -> tuple[int, int]:
    """The lowest and highest exponent that bring the number read into the set; lowest > highest when none does."""
    spec, phase = argument(m, node, 0), argument(m, node, 1)
    if phase == ZERO or phase == ZERO_FRACTION:
        return (-INFINITE, INFINITE) if _has(m, spec, HAS_ZERO) else (1, 0)
    if phase != WHOLE and phase != FRACTION:
        return (1, 0)
    k, fraction, zeros = argument(m, node, 2), argument(m, node, 3), argument(m, node, 4)
    lowest, highest = -INFINITE, INFINITE
    if not _has(m, spec, HAS_POSITIVE):
        return (1, 0)
    if _has(m, spec, HAS_GRAIN):
        lowest = argument(m, spec, _GRAIN) + fraction - zeros
    if _has(m, spec, HAS_LOW):
        at, length = argument(m, node, 5), argument(m, spec, _LOW_LENGTH)
        enough = at == GREATER or (at == length and not _has(m, spec, LOW_IS_STRICT))
        lowest = max(lowest, argument(m, spec, LOW_EXPONENT) - k + (0 if enough else 1))
    if _has(m, spec, HAS_HIGH):
        at, length = argument(m, node, 6), argument(m, spec, _HIGH_LENGTH)
        exceeds = at == GREATER or (at == length and _has(m, spec, HIGH_IS_STRICT))
        highest = min(highest, argument(m, spec, _HIGH_EXPONENT) - k - (1 if exceeds else 0))
    return lowest, highest


@inner
def _is_live(m: Memory, spec: int, phase: int, k: int, fraction: int, zeros: int, at_low: int, at_high: int) -> bool:
    """Whether some number of the set begins with what has been read.

    Looks for the decimal exponents that a number with this significand's prefix may have in the set, and at those
    that can still be written.
    """
    exponent = _has(m, spec, MAY_HAVE_EXPONENT)
    first, last = -INFINITE, INFINITE  # decimal exponents in the set
    if _has(m, spec, HAS_GRAIN):
        first = argument(m, spec, _GRAIN) + 1
    if _has(m, spec, HAS_LOW):
        first = max(first, argument(m, spec, LOW_EXPONENT))
    if _has(m, spec, HAS_HIGH):
        last = argument(m, spec, _HIGH_EXPONENT)
    if phase == WHOLE or phase == POINT or phase == FRACTION:
        if not _has(m, spec, HAS_POSITIVE):
            return False
        if at_low == LESS and _has(m, spec, HAS_LOW) and first == argument(m, spec, LOW_EXPONENT):
            first += 1
        if _has(m, spec, HAS_GRAIN):
            first = max(first, argument(m, spec, _GRAIN) + k + fraction - zeros)
        if _has(m, spec, HAS_HIGH):
            at_end = at_high == argument(m, spec, _HIGH_LENGTH) and _has(m, spec, HIGH_IS_STRICT)
            if at_high == GREATER or at_end:
                last -= 1
        if not exponent:
            first = max(first, k)
            if phase != WHOLE:
                last = min(last, k)
        return first <= last
    if _has(m, spec, HAS_ZERO):
        return True
    if not _has(m, spec, HAS_POSITIVE):
        return False
    if phase == START or (exponent and _has(m, spec, MAY_HAVE_FRACTION)):
        return True
    return _has(m, spec, MAY_HAVE_FRACTION) and first <= min(last, k)


@inner
def _decimal(m: Memory, spec: int, phase: int, k: int, fraction: int, zeros: int, at_low: int, at_high: int) -> int:
    """The node of a state; EMPTY when it is not live.  Counters that cannot matter are not counted."""
    bounded = _has(m, spec, HAS_LOW | HAS_HIGH)
    grained = _has(m, spec, HAS_GRAIN)
    if not bounded and not (grained and not _has(m, spec, MAY_HAVE_EXPONENT)):
        k = 0 if phase != WHOLE else 1
    if not grained:
        fraction, zeros = 0, 0
    elif not _has(m, spec, MAY_HAVE_EXPONENT):
        # Behind the last digit that may be other than zero, zeros need not be counted.
        most = max(0, -argument(m, spec, _GRAIN)) + 1
        if phase == FRACTION and fraction > most and zeros > fraction - most:
            fraction, zeros = most, zeros - (fraction - most)
        elif phase == ZERO_FRACTION and fraction > most:
            fraction, k = most, max(k, -most)
    if not _is_live(m, spec, phase, k, fraction, zeros, at_low, at_high):
        return EMPTY
    position = height(m)
    push(m, spec)
    push(m, phase)
    push(m, k)
    push(m, fraction)
    push(m, zeros)
    push(m, at_low)
    push(m, at_high)
    node = intern(m, DECIMAL, position)
    lowest, highest = _exponents(m, node)
    return flagged(m, node, NULLABLE if lowest <= 0 <= highest else 0)


@inner
def decimal(m: Memory, spec: int) -> int:
    """The numbers of a specification, before any digit."""
    return _decimal(m, spec, START, 0, 0, 0, 0, 0)


@inner
def _after_digit(m: Memory, node: int, digit: int) -> int:
    spec, phase, k = argument(m, node, 0), argument(m, node, 1), argument(m, node, 2)
    fraction, zeros = argument(m, node, 3), argument(m, node, 4)
    at_low, at_high = argument(m, node, 5), argument(m, node, 6)
    if phase == START and digit == 0:
        return _decimal(m, spec, ZERO, 0, 0, 0, 0, 0)
    if phase == ZERO:
        return EMPTY
    if (phase == ZERO_POINT or phase == ZERO_FRACTION) and digit == 0:
        return _decimal(m, spec, ZERO_FRACTION, k - 1, fraction + 1, 0, 0, 0)
    zeros = zeros + 1 if digit == 0 else 0
    at_low = _compared(m, spec, 0, at_low, digit) if _has(m, spec, HAS_LOW) else 0
    at_high = _compared(m, spec, 1, at_high, digit) if _has(m, spec, HAS_HIGH) else 0
    if phase == START or phase == WHOLE:
        return _decimal(m, spec, WHOLE, k + 1, 0, zeros, at_low, at_high)
    return _decimal(m, spec, FRACTION, k, fraction + 1, zeros, at_low, at_high)


@inner
def _of_decimal(m: Memory, node: int, position: int) -> None:
    spec, phase = argument(m, node, 0), argument(m, node, 1)
    if _has(m, spec, MAY_HAVE_FRACTION) and (phase == ZERO or phase == WHOLE):
        target = ZERO_POINT if phase == ZERO else POINT
        k, zeros = argument(m, node, 2), argument(m, node, 4)
        at_low, at_high = argument(m, node, 5), argument(m, node, 6)
        emit(m, position, 0x2E, 0x2E, _decimal(m, spec, target, k, 0, zeros, at_low, at_high))
    for digit in range(10):
        emit(m, position, 0x30 + digit, 0x30 + digit, _after_digit(m, node, digit))
    if _has(m, spec, MAY_HAVE_EXPONENT):
        lowest, highest = _exponents(m, node)
        _emit_e(m, position, lowest, highest)


@inner
def _emit_e(m: Memory, position: int, lowest: int, highest: int) -> None:
    if lowest <= highest:
        target = _exponent(m, BEHIND_E, 0, lowest, highest)
        emit(m, position, 0x45, 0x45, target)
        emit(m, position, 0x65, 0x65, target)


# Exponents


@inner
def _reaches(value: int, lowest: int, highest: int) -> bool:
    """Whether a numeral that begins with `value` lies between `lowest` and `highest`, both at least 0."""
    if lowest > highest:
        return False
    if value == 0 or highest >= INFINITE:
        return True
    last = value
    while value <= highest:
        if last >= lowest:
            return True
        value, last = 10 * value, 10 * last + 9
    return False


@inner
def _exponent(m: Memory, phase: int, value: int, lowest: int, highest: int) -> int:
    if phase != BEHIND_E and not _reaches(value, lowest, highest):
        return EMPTY
    if phase == IN_DIGITS and highest >= INFINITE:
        value = min(value, lowest)  # all that is large enough is the same
    position = height(m)
    push(m, phase)
    push(m, value)
    push(m, lowest)
    push(m, highest)
    ends = phase == IN_DIGITS and lowest <= value <= highest
    return flagged(m, intern(m, EXPONENT, position), NULLABLE if ends else 0)


@inner
def _of_exponent(m: Memory, node: int, position: int) -> None:
    phase, value = argument(m, node, 0), argument(m, node, 1)
    lowest, highest = argument(m, node, 2), argument(m, node, 3)
    if phase == BEHIND_E:
        positive = max(lowest, 0)
        if positive <= highest:
            emit(m, position, 0x2B, 0x2B, _exponent(m, BEHIND_SIGN, 0, positive, highest))
        if lowest <= 0:
            negative = _exponent(m, BEHIND_SIGN, 0, max(0, -highest), -lowest)
            emit(m, position, 0x2D, 0x2D, negative)
        lowest = positive
    for digit in range(10):
        longer = min(10 * value + digit, INFINITE)
        emit(m, position, 0x30 + digit, 0x30 + digit, _exponent(m, IN_DIGITS, longer, lowest, highest))


# Multiples of modulus · 10^-scale


@inner
def _power_residue(modulus: int, exponent: int) -> int:
    """10^exponent modulo the modulus."""
    residue = 1 % modulus
    for _ in range(exponent):
        residue = residue * 10 % modulus
    return residue


@inner
def _least_exponent(modulus: int, scale: int, residue: int, fraction: int) -> int:
    """The least exponent, not negative, that makes the number a multiple; -1 when none does."""
    residue = residue * _power_residue(modulus, scale - fraction) % modulus
    for exponent in range(64):
        if residue == 0:
            return exponent
        residue = residue * 10 % modulus
    return -1


@inner
def multiple(m: Memory, modulus: int, scale: int, how: int, phase: int, residue: int, fraction: int) -> int:
    """The node of a state; EMPTY when it is not live."""
    if phase == POINT or phase == FRACTION:
        power = 1
        for _ in range(min(scale - fraction, 18)):
            power *= 10
        missing = (modulus - residue * _power_residue(modulus, scale - fraction) % modulus) % modulus
        reachable = missing < power or scale - fraction > 9
        if not reachable and not (
            how & MAY_HAVE_EXPONENT and phase == FRACTION and _least_exponent(modulus, scale, residue, fraction) >= 0
        ):
            return EMPTY
    position = height(m)
    push(m, modulus)
    push(m, scale)
    push(m, how)
    push(m, phase)
    push(m, residue)
    push(m, fraction)
    complete = phase == ZERO or phase == WHOLE or phase == FRACTION
    ends = complete and _least_exponent(modulus, scale, residue, fraction) == 0
    return flagged(m, intern(m, MULTIPLE, position), NULLABLE if ends else 0)


@inner
def _of_multiple(m: Memory, node: int, position: int) -> None:
    modulus, scale, how = argument(m, node, 0), argument(m, node, 1), argument(m, node, 2)
    phase, residue, fraction = argument(m, node, 3), argument(m, node, 4), argument(m, node, 5)
    if how & MAY_HAVE_FRACTION and (phase == ZERO or phase == WHOLE):
        emit(m, position, 0x2E, 0x2E, multiple(m, modulus, scale, how, POINT, residue, 0))
    for digit in range(10):
        target = EMPTY
        longer = (residue * 10 + digit) % modulus
        if phase == START:
            target = multiple(m, modulus, scale, how, ZERO if digit == 0 else WHOLE, longer, 0)
        elif phase == WHOLE:
            target = multiple(m, modulus, scale, how, WHOLE, longer, 0)
        elif phase != ZERO and fraction < scale:
            target = multiple(m, modulus, scale, how, FRACTION, longer, fraction + 1)
        elif phase != ZERO and digit == 0:
            target = multiple(m, modulus, scale, how, FRACTION, residue, fraction)
        emit(m, position, 0x30 + digit, 0x30 + digit, target)
    if how & MAY_HAVE_EXPONENT and (phase == ZERO or phase == WHOLE or phase == FRACTION):
        least = _least_exponent(modulus, scale, residue, fraction)
        if least >= 0:
            _emit_e(m, position, least, INFINITE)


@service
def decimal_transitions(m: Memory, node: int) -> int:
    """Put the transitions of a DECIMAL, EXPONENT or MULTIPLE node on the stack."""
    position = height(m)
    kind = kind_of(m, node)
    if kind == DECIMAL:
        _of_decimal(m, node, position)
    elif kind == EXPONENT:
        _of_exponent(m, node, position)
    else:
        _of_multiple(m, node, position)
    return 0
