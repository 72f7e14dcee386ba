"""`date`, `time`, `date-time` and `duration`: RFC 3339, section 5.6 and appendix A.

Days are those of the Gregorian calendar, leap years included.  The year 0000 and leap seconds (``:60``), which the
RFC allows, are left out, because `jsonschema` refuses them.
"""

from constrain.grammars.json_schema.formats.build import (
    DIGIT,
    digits,
    either,
    literal,
    many,
    optional,
    sequence,
    symbols,
)
from constrain.grammars.regular import Regular

__all__ = ["date", "date_time", "duration", "time"]

_POSITIVE = symbols("123456789")
_SIXTY = sequence(symbols("012345"), DIGIT)
_HOUR = either(sequence(symbols("01"), DIGIT), sequence(literal("2"), symbols("0123")))


def _year() -> Regular:
    """0001 to 9999."""
    return either(
        sequence(_POSITIVE, digits(3)),
        sequence(literal("0"), _POSITIVE, digits(2)),
        sequence(literal("00"), _POSITIVE, DIGIT),
        sequence(literal("000"), _POSITIVE),
    )


def _leap_year() -> Regular:
    """Multiples of four; of centuries, only those of 400."""
    multiple_of_4 = either(
        sequence(literal("0"), symbols("48")),
        sequence(symbols("2468"), symbols("048")),
        sequence(symbols("13579"), symbols("26")),
    )
    return either(sequence(digits(2), multiple_of_4), sequence(multiple_of_4, literal("00")))


def _month_and_day() -> Regular:
    """``MM-DD`` of every year: without the 29th of February."""
    to_28 = either(
        sequence(literal("0"), _POSITIVE),
        sequence(literal("1"), DIGIT),
        sequence(literal("2"), symbols("012345678")),
    )
    to_30 = either(to_28, literal("29"), literal("30"))
    long_month = either(sequence(literal("0"), symbols("13578")), sequence(literal("1"), symbols("02")))
    not_february = either(sequence(literal("0"), symbols("13456789")), sequence(literal("1"), symbols("012")))
    return either(
        sequence(literal("02-"), to_28),
        sequence(not_february, literal("-"), to_30),
        sequence(long_month, literal("-31")),
    )


def date() -> Regular:
    """``full-date`` of RFC 3339, from 0001-01-01."""
    return either(
        sequence(_year(), literal("-"), _month_and_day()),
        sequence(_leap_year(), literal("-02-29")),
    )


def time() -> Regular:
    """``full-time`` of RFC 3339: with an offset, and seconds up to 59."""
    offset = either(symbols("Zz"), sequence(symbols("+-"), _HOUR, literal(":"), _SIXTY))
    fraction = sequence(literal("."), many(DIGIT, 1))
    return sequence(_HOUR, literal(":"), _SIXTY, literal(":"), _SIXTY, optional(fraction), offset)


def date_time() -> Regular:
    """``date-time`` of RFC 3339, seconds up to 59."""
    return sequence(date(), symbols("Tt"), time())


def _count(unit: str) -> Regular:
    return sequence(many(DIGIT, 1), literal(unit))


def duration() -> Regular:
    """``duration`` of RFC 3339, appendix A: whole numbers, and no unit left out between two others."""
    seconds = _count("S")
    minutes = sequence(_count("M"), optional(seconds))
    hours = sequence(_count("H"), optional(minutes))
    clock = sequence(literal("T"), either(hours, minutes, seconds))
    days = _count("D")
    months = sequence(_count("M"), optional(days))
    years = sequence(_count("Y"), optional(months))
    calendar = sequence(either(days, months, years), optional(clock))
    return sequence(literal("P"), either(calendar, clock, _count("W")))
