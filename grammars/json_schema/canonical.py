"""JSON values in a form in which equal ones are equal in Python, whatever their texts were.

JSON Schema's equality (core specification, section 4.2.2): numbers by their value, strings by their characters, objects
by their members in any order.  Python's own is another one: 1 == True, and floats are rounded.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, Self, TypeAlias

from constrain.grammars.errors import ResourceLimitError

__all__ = ["NO_VALUES", "Number", "Value", "ValueSet", "canonical", "canonical_number"]

_MAX_DIGITS = 4_000
GREATEST_EXPONENT = 500_000


class Number(NamedTuple):
    """digits · 10^exponent; the digits neither begin nor end with a zero, and 0 has none.

    Numbers from 10^500,000 on count as equal, and so do those up to 10^-500,000: they have the digits "1" and an
    exponent that says so.

    A tuple, as arrays are, but equal to none: no item of an array is a Python number.
    """

    negative: bool
    digits: str
    exponent: int

    @classmethod
    def of(cls, number: Fraction) -> Self:
        """The form of a number with finitely many decimals."""
        exponent = 0
        while number.denominator != 1:
            number, exponent = number * 10, exponent - 1
        return cls._settled(number < 0, str(abs(number.numerator)), exponent)

    @classmethod
    def read(cls, text: str) -> Self:
        """The number that a JSON text denotes."""
        mantissa, _, power = text.lower().partition("e")
        whole, _, fraction = mantissa.lstrip("-").partition(".")
        digits = (whole + fraction).lstrip("0")
        if not digits:
            return cls(False, "", 0)
        written = power.lstrip("+-0")
        exponent = int(written[:18] or "0")  # more digits than that make no difference
        if power.startswith("-"):
            exponent = -exponent
        return cls._settled(mantissa.startswith("-"), digits, exponent - len(fraction))

    @classmethod
    def _settled(cls, negative: bool, digits: str, exponent: int) -> Self:
        kept = digits.strip("0")
        if not kept:
            return cls(False, "", 0)
        exponent += len(digits.lstrip("0")) - len(kept)
        if exponent + len(kept) > GREATEST_EXPONENT:
            return cls(negative, "1", GREATEST_EXPONENT)
        if exponent + len(kept) <= -GREATEST_EXPONENT:
            return cls(negative, "1", -GREATEST_EXPONENT)
        return cls(negative, kept, exponent)

    @property
    def is_vast(self) -> bool:
        """Whether it has thousands of digits, so that it is not computed with."""
        return len(self.digits) + abs(self.exponent) > _MAX_DIGITS

    def magnitudes(self) -> tuple[Decimal | None, Decimal | None]:
        """The least and the greatest of the numbers that count as this one, without their sign; None: no bound."""
        magnitude = Decimal(f"{self.digits or 0}e{self.exponent}")
        least = None if self.exponent == -GREATEST_EXPONENT else magnitude
        return least, None if self.exponent == GREATEST_EXPONENT else magnitude

    def fraction(self) -> Fraction:
        """The number."""
        magnitude = int(self.digits or "0") * Fraction(10) ** self.exponent
        return -magnitude if self.negative else magnitude


Value: TypeAlias = "bool | Number | str | tuple[Value, ...] | frozenset[tuple[str, Value]] | None"


def canonical(text: bytes) -> Value:
    """The value of a JSON text.  Raises ResourceLimitError where it is nested too deeply."""
    try:
        value = json.loads(text, parse_int=Number.read, parse_float=Number.read)
        return _settled(value)
    except RecursionError:
        raise ResourceLimitError("a value among distinct items is nested too deeply", limit="max_work") from None


def _settled(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(map(_settled, value))
    if isinstance(value, dict):
        return frozenset((name, _settled(member)) for name, member in value.items())
    settled: Value = value
    return settled


def canonical_number(number: Fraction) -> Value:
    """The value of a number."""
    return Number.of(number)


class ValueSet:
    """A finite set of values that grows by one value a time, and shares what it has grown from.

    Equal sets are equal and have equal hashes, in whatever order they have grown.  The sets of a list of a thousand
    items take a thousand cells, not a million; the Python sets of the last ones that were looked into are kept.
    """

    __slots__ = ("_hash", "_parent", "_set", "_size", "_value")

    def __init__(self, parent: "ValueSet | None" = None, value: Value = None) -> None:
        self._parent, self._value = parent, value
        self._size: int = 0 if parent is None else parent._size + 1
        self._hash: int = 0 if parent is None else parent._hash ^ hash((value, "member"))
        self._set: frozenset[Value] | None = None

    def __len__(self) -> int:
        return self._size

    @property
    def parent(self) -> "ValueSet | None":
        """The set that this one has grown from by one value; None for the empty set."""
        return self._parent

    @property
    def last(self) -> Value:
        """The value that it has grown by."""
        return self._value

    def __iter__(self) -> Iterator[Value]:
        one: ValueSet = self
        while one._parent is not None:
            yield one._value
            one = one._parent

    def __contains__(self, value: Value) -> bool:
        return value in self.values()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, ValueSet) or self._hash != other._hash or self._size != other._size:
            return False
        return self.values() == other.values()

    def values(self) -> frozenset[Value]:
        """The values."""
        known = self._set
        if known is None:
            known = self._set = frozenset(self)
            _kept.append(self)
            if len(_kept) > _MAX_KEPT:
                _kept.pop(0)._set = None
        return known

    def plus(self, *values: Value) -> "ValueSet":
        """The set with further values."""
        grown = self
        for value in {value: None for value in values if value not in self.values()}:
            grown = ValueSet(grown, value)
        return grown


_MAX_KEPT = 64
_kept: list[ValueSet] = []

NO_VALUES = ValueSet()
