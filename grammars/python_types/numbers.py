"""Numbers that Python's types can hold, and their texts.

JSON Schema knows values only: ``1e2`` is an integer, and there is no greatest number.  Pydantic reads a number with a
point or an exponent as a float first, which rounds it, to infinity in the end.  So numbers are bounded where the type
does not bound them, bounds that must not be reached are moved to the next float, and integers that are not written as
integers are rewritten before they are read.
"""

import math
import re
import sys
from decimal import Decimal
from typing import Any

__all__ = ["GREATEST_INTEGER", "bounded_floats", "bounded_integers", "with_plain_integers"]

GREATEST_INTEGER = 1e308
"""Python does not read integers of more than 4,300 digits, and with exponents they would be written quickly."""

_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)

_LONG_EXPONENT = re.compile(r"[eE][+-]?\d{6}")  # such numbers are zero, or no integers within the bounds


def bounded_integers(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of integers with bounds on both sides."""
    if schema.keys().isdisjoint(("minimum", "exclusiveMinimum")):
        schema["minimum"] = -GREATEST_INTEGER
    if schema.keys().isdisjoint(("maximum", "exclusiveMaximum")):
        schema["maximum"] = GREATEST_INTEGER
    return schema


def bounded_floats(ge: Any = None, gt: Any = None, le: Any = None, lt: Any = None) -> dict[str, Any]:
    """A schema of the decimals that, rounded to floats, are finite and within the bounds; None: no bound."""
    least = [-sys.float_info.max]
    least += [] if ge is None else [_at_least(Decimal(str(ge)), strict=False)]
    least += [] if gt is None else [_at_least(Decimal(str(gt)), strict=True)]
    greatest = [sys.float_info.max]
    greatest += [] if le is None else [-_at_least(-Decimal(str(le)), strict=False)]
    greatest += [] if lt is None else [-_at_least(-Decimal(str(lt)), strict=True)]
    low, high = max(least), min(greatest)
    return {"type": "number", "minimum": low, "maximum": high} if low <= high else {"not": {}}


def _at_least(bound: Decimal, *, strict: bool) -> float:
    """The least float whose shortest text is a decimal not below the bound, or above it."""
    found = math.nextafter(float(bound), -math.inf)
    while (text := Decimal(repr(found))) < bound or (strict and text == bound):
        found = math.nextafter(found, math.inf)
    return found


def with_plain_integers(text: str, least: int) -> str:
    """A JSON text with integers of at least this magnitude written in digits alone, without point and exponent."""

    def plain(match: re.Match[str]) -> str:
        written = match.group()
        if written.startswith('"') or not re.search("[.eE]", written) or _LONG_EXPONENT.search(written):
            return written
        number = Decimal(written)
        if abs(number) < least or number.adjusted() > 400 or number != number.to_integral_value():
            return written
        return str(int(number))

    return _NUMBER.sub(plain, text)
