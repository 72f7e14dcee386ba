"""The languages of sets of numbers from which one number after another is taken away.

Each number splits one piece of the set in two; the other pieces, and their expressions, stay the same objects, so that
they are made into automata once.  Numbers with thousands of digits are taken away from the texts instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from constrain.grammars.json_schema import numbers
from constrain.grammars.json_schema.canonical import Number, ValueSet
from constrain.grammars.json_schema.numbers import Numbers, Piece
from constrain.grammars.regular import Complement, Concatenation, Decimals, Intersection, Literal, Regular

__all__ = ["FewerNumbers"]

_MAX_KEPT = 16


@dataclass(frozen=True, slots=True)
class _Part:
    piece: Piece
    texts: tuple[Regular, ...]


class FewerNumbers:
    """Sets of numbers with values taken away, for one way of writing numbers."""

    def __init__(self, *, exponent: bool, fraction: bool) -> None:
        self._exponent, self._fraction = exponent, fraction
        self._first: dict[Numbers, tuple[_Part, ...]] = {}
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
            parts = self._split(parts, value.fraction())
        self._kept[whole, excluded] = parts
        if len(self._kept) > _MAX_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        return parts

    def _made(self, pieces: Iterable[Piece]) -> tuple[_Part, ...]:
        return tuple(_Part(piece, tuple(numbers.texts_of(piece, self._exponent, self._fraction))) for piece in pieces)

    def _split(self, parts: tuple[_Part, ...], point: Fraction) -> tuple[_Part, ...]:
        for index in range(len(parts) - 1, -1, -1):
            piece = parts[index].piece
            if (piece.low is None or piece.low <= point) and (piece.high is None or point <= piece.high):
                parts = (*parts[:index], *self._made(numbers.split(piece, point)), *parts[index + 1 :])
        return parts
