"""Texts that Pydantic reads as values, as regular expressions (ECMA-262, anchored).

Each is a part of what Pydantic accepts, in the notation that people and Pydantic itself write: no leap seconds, no year
0, no spaces around, no second way of writing the same number.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

__all__ = [
    "BASE64",
    "BASE64_URL",
    "COMPLEX",
    "DURATION",
    "FLOAT_NAME",
    "FRACTION",
    "HEX",
    "INTEGER_NAME",
    "STRIPPED",
    "date_time_text",
    "dates_between",
    "decimal_text",
    "time_text",
    "url_text",
    "uuid_text",
]

_LEAP_YEAR = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE = (
    r"(?:(?!0000)\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    rf"|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
_OFFSET = r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"

DURATION = r"^P(?:\d{1,7}W|\d{1,8}D|(?:\d{1,8}D)?T(?:\d{1,4}H(?:\d{1,4}M)?(?:\d{1,4}(?:\.\d{1,6})?S)?|\d{1,4}M(?:\d{1,4}(?:\.\d{1,6})?S)?|\d{1,4}(?:\.\d{1,6})?S))$"  # noqa: E501
"""Durations of ISO 8601 without years and months, whose lengths vary."""

BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
BASE64_URL = BASE64.replace("+/", "_-")
HEX = r"^(?:[0-9a-f]{2})*$"

_WHOLE = r"(?:0|[1-9]\d{0,15})"
FRACTION = rf"^-?{_WHOLE}(?:/[1-9]\d{{0,15}})?$"
COMPLEX = rf"^-?{_WHOLE}(?:\.\d{{1,16}})?[+-]{_WHOLE}(?:\.\d{{1,16}})?j$"

STRIPPED = r"^(?:[^\s\u0085](?:[^]*[^\s\u0085])?)?$"
"""Texts that stripping leaves as they are."""

INTEGER_NAME = r"^(?:0|-?[1-9]\d{0,307})$"
FLOAT_NAME = rf"^-?{_WHOLE}(?:\.\d{{1,16}})?$"


def _with_offset(text: str, zone: Any) -> str:
    """With an offset from UTC ("aware"), without ("naive"), or either (None)."""
    return text + {"aware": _OFFSET, "naive": "", None: _OFFSET + "?"}[zone]


def date_time_text(zone: Any) -> str:
    """Dates and times of ISO 8601; see `_with_offset`."""
    return f"^{_with_offset(f'{_DATE}T{_CLOCK}', zone)}$"


def time_text(zone: Any) -> str:
    """Times of ISO 8601; see `_with_offset`."""
    return f"^{_with_offset(_CLOCK, zone)}$"


def dates_between(first: date, last: date) -> str:
    """Dates of ISO 8601, both bounds included."""
    return f"^(?={_not_before(first.isoformat())})(?={_not_after(last.isoformat())}){_DATE}$"


def _not_before(bound: str) -> str:
    return _beyond(bound, lambda digit: f"[{digit + 1}-9]" if digit < 9 else None)


def _not_after(bound: str) -> str:
    return _beyond(bound, lambda digit: f"[0-{digit - 1}]" if digit > 0 else None)


def _beyond(bound: str, others: Any) -> str:
    """Beginnings that a text of digits shares with the bound up to a digit that is one of the others, or the bound."""
    ways = [
        bound[:place] + part for place, digit in enumerate(bound) if digit.isdigit() and (part := others(int(digit)))
    ]
    return f"(?:{'|'.join([*ways, bound])})"


def decimal_text(places: Iterable[tuple[int | None, int | None]], positive: str | None = None) -> str:
    """Decimal fractions; pairs of the most digits before and behind the point, None for any number of them.

    `positive` is "gt" for those greater than zero, "ge" with zero, None for all.
    """
    sign = {"gt": "(?=.*[1-9])", "ge": "", None: "-?"}[positive]
    return f"^{sign}(?:{'|'.join(_digits(whole) + _fraction(behind) for whole, behind in places)})$"


def _digits(count: int | None) -> str:
    if count is None:
        return r"(?:0|[1-9]\d*)"
    return rf"(?:0|[1-9]\d{{0,{count - 1}}})" if count > 0 else "0"


def _fraction(count: int | None) -> str:
    if count is None:
        return r"(?:\.\d+)?"
    return rf"(?:\.\d{{1,{count}}})?" if count > 0 else ""


def uuid_text(version: int) -> str:
    """UUIDs (RFC 9562) of a version."""
    digit = "[0-9a-fA-F]"
    return f"^{digit}{{8}}-{digit}{{4}}-{version}{digit}{{3}}-[89abAB]{digit}{{3}}-{digit}{{12}}$"


_LABEL = "[a-z0-9]+(?:-[a-z0-9]+)*"
_URL_CHARACTER = r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]"


def url_text(schemes: Iterable[str] | None) -> str:
    """URLs (RFC 3986) of the schemes, None for any, with a host by name in ASCII, and no user."""
    given = None if schemes is None else sorted(schemes)
    if given == ["file"]:
        return rf"^file:///{_URL_CHARACTER}*$"
    scheme = "(?!file:)[a-z][a-z0-9]*" if given is None else "|".join(each for each in given if each != "file")
    host = rf"(?:{_LABEL}\.)*[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
    rest = rf"(?:/{_URL_CHARACTER}*)?(?:\?{_URL_CHARACTER}*)?(?:#{_URL_CHARACTER}*)?"
    return rf"^(?:{scheme.replace('+', '[+]').replace('.', '[.]')})://{host}(?::[1-9]\d{{0,3}})?{rest}$"
