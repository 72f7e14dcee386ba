"""The languages of sets of numbers from which one number after another is taken away.

Each number splits one piece of the set in two; the other pieces, and their expressions, stay the same objects, so that
they are made into automata once.  Numbers with thousands of digits are taken away from the texts instead.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

from constrain.grammars.json_schema import numbers
from constrain.grammars.json_schema.canonical import Number, ValueSet
from constrain.grammars.json_schema.numbers import Numbers, Piece
from constrain.grammars.regular import Complement, Concatenation, Decimals, Intersection, Literal, Regular

__all__ = ["FewerNumbers"]

_MAX_KEPT = 16
_MAX_KNOWN = 1 << 14


@dataclass(frozen=True, slots=True)
class _Part:
    piece: Piece
    texts: tuple[Regular, ...]


def _low(part: _Part) -> Any:
    return -inf if part.piece.low is None else part.piece.low


class FewerNumbers:
    """Sets of numbers with values taken away, for one way of writing numbers."""

    def __init__(self, *, exponent: bool, fraction: bool) -> None:
        self._exponent, self._fraction = exponent, fraction
        self._first: dict[Numbers, tuple[_Part, ...]] = {}
        self._known: dict[Piece, _Part] = {}
        self._kept: dict[tuple[Numbers, ValueSet], tuple[_Part, ...]] = {}

    def language(self, whole: Numbers, excluded: ValueSet) -> Regular | None:
        """The texts of the numbers of a set that are not excluded; None when there are none."""
        parts = self._parts(whole, excluded)
        texts = [text for part in parts for text in part.texts]
        if not texts:
            return None
        language = numbers.either(texts)
        vast = [self._only(value) for value in excluded if isinstance(value, Number) and value.is_vast]
        return Intersection((language, *map(Complement, vast))) if vast else language

    def _only(self, value: Number) -> Regular:
        low, high = value.magnitudes()
        texts = Decimals(zero=False, low=low, high=high, exponent=self._exponent, fraction=self._fraction)
        return Concatenation((Literal(b"-"), texts)) if value.negative else texts

    def _parts(self, whole: Numbers, excluded: ValueSet) -> tuple[_Part, ...]:
        values = []
        parent: ValueSet | None = excluded
        while parent is not None and (whole, parent) not in self._kept:
            if isinstance(parent.last, Number) and not parent.last.is_vast:
                values.append(parent.last)
            parent = parent.parent
        if parent is not None:
            parts = self._kept[whole, parent]
        else:
            if whole not in self._first:
                self._first[whole] = self._made(whole)
            parts = self._first[whole]
        for value in reversed(values):
            parts = self._split(parts, value.fraction(), len(whole) == 1)
        self._kept[whole, excluded] = parts
        if len(self._kept) > _MAX_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        return parts

    def _made(self, pieces: Iterable[Piece]) -> tuple[_Part, ...]:
        return tuple(map(self._part, pieces))

    def _part(self, piece: Piece) -> _Part:
        known = self._known.get(piece)
        if known is None:
            known = _Part(piece, tuple(numbers.texts_of(piece, self._exponent, self._fraction)))
            self._known[piece] = known
            if len(self._known) > _MAX_KNOWN:
                self._known.pop(next(iter(self._known)), None)
        return known

    def _split(self, parts: tuple[_Part, ...], point: Fraction, in_order: bool) -> tuple[_Part, ...]:
        places = range(len(parts) - 1, -1, -1)
        if in_order:  # what is left of a single piece lies in order, and at most one part has the point
            last = bisect_right(parts, point, key=_low) - 1
            places = range(last, last - 1, -1) if last >= 0 else range(0)
        for index in places:
            piece = parts[index].piece
            if (piece.low is None or piece.low <= point) and (piece.high is None or point <= piece.high):
                parts = (*parts[:index], *self._made(numbers.split(piece, point)), *parts[index + 1 :])
        return parts
