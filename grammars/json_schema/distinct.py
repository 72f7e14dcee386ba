"""Arrays whose items differ from each other (`uniqueItems`).

Which items are left depends on all that were read, so no context-free grammar says it.  Two cases are dealt with here:
items that are strings, which are to an array what names are to an object, and items of a small finite domain, where the
set of those read is a state.  For all others see `excluding`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from constrain.grammars.errors import UnsupportedSchemaError
from constrain.grammars.json_schema import numbers, strings
from constrain.grammars.json_schema.formulas import FALSE, Formula
from constrain.grammars.json_schema.settling import settled_objects
from constrain.grammars.json_schema.shapes import Arrays
from constrain.grammars.regular import Regular

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms

__all__ = ["DistinctValues", "distinct_strings", "finite_domain", "unsupported"]

_MAX_VALUES = 10  # the sets of values are states, and lengths of texts are computed for all of them


def unsupported(what: str) -> UnsupportedSchemaError:
    """The error for arrays that cannot be described."""
    return UnsupportedSchemaError(f"{what} cannot be enforced", keyword="uniqueItems")


def distinct_strings(shape: Arrays, forms: "NormalForms") -> Regular | None:
    """The language of the items, when all of them are strings of the same one."""
    if shape.prefix or shape.contains:
        return None
    values = forms.values(shape.rest)
    others = values.null or values.booleans or values.numbers or values.arrays or values.objects
    return None if others else values.strings


class DistinctValues:
    """Distinct items of a finite domain.  A state is the set of values read, as bits, and how many they are."""

    def __init__(self, shape: Arrays, values: list[tuple[Formula, frozenset[int]]]) -> None:
        self._shape, self._values = shape, values
        self._same = not shape.prefix
        self._live: dict[tuple[int, int], bool] = {}

    def may_end(self, count: int) -> bool:
        """Whether the array may end after so many items."""
        return count >= self._shape.minimum

    def options(self, seen: int, count: int) -> Iterable[tuple[Formula, int]]:
        """The values that may come next, each with the set after it."""
        if self._shape.maximum is not None and count >= self._shape.maximum:
            return
        place = min(count, len(self._shape.prefix))
        for number, (formula, places) in enumerate(self._values):
            following = seen | 1 << number
            if following != seen and place in places and self.is_live(following, count + 1):
                yield formula, following

    def is_live(self, seen: int, count: int) -> bool:
        """Whether the array can be ended from here."""
        if count >= self._shape.minimum:
            return True
        if self._same:
            return len(self._values) - count >= self._shape.minimum - count
        known = self._live.get((seen, count))
        if known is None:
            known = self._live[seen, count] = any(True for _ in self.options(seen, count))
        return known


def finite_domain(shape: Arrays, forms: "NormalForms") -> DistinctValues:
    """The values that items can be.  Raises UnsupportedSchemaError when they are not known to be few."""
    if shape.contains or shape.repeating:
        raise unsupported("distinct items together with `contains`")
    found: dict[Formula, set[int]] = {}
    for place, formula in enumerate((*shape.prefix, shape.rest)):
        values = [] if formula == FALSE else _listed(formula, forms, _MAX_VALUES)
        if values is None:
            raise unsupported("distinct items that are neither strings nor of a small finite domain")
        for value in values:
            found.setdefault(forms.constant(value), set()).add(place)
    if len(found) > _MAX_VALUES:
        raise unsupported("distinct items that are neither strings nor of a small finite domain")
    return DistinctValues(shape, [(formula, frozenset(places)) for formula, places in found.items()])


def _listed(formula: Formula, forms: "NormalForms", limit: int) -> list[Any] | None:
    """All values of a formula, or None when they are more than `limit`, or not listed easily."""
    values = forms.values(formula)
    found: list[Any] = [None] if values.null else []
    found += sorted(values.booleans)
    for piece in values.numbers:
        listed = numbers.listed(piece, limit)
        if listed is None:
            return None
        found += listed
    texts = strings.finite_words(values.strings, limit)
    if texts is None:
        return None
    found += [text.decode() for text in texts]
    for array in values.arrays:
        rows = _listed_arrays(array, forms, limit)
        if rows is None:
            return None
        found += rows
    for shape in values.objects:
        for settled in settled_objects(shape, forms):
            if settled.classes or settled.witnesses:
                return None
            rows = _listed_objects(settled, forms, limit)
            if rows is None:
                return None
            found += rows
    return found if len(found) <= limit else None


def _listed_arrays(shape: Arrays, forms: "NormalForms", limit: int) -> list[Any] | None:
    length = shape.limit()
    if length is None or length > 16 or shape.contains or shape.unique or shape.repeating:
        return None
    rows: list[list[Any]] = [[]]
    found: list[Any] = [[]] if shape.minimum == 0 else []
    for index in range(length):
        options = _listed(shape.item(index), forms, limit)
        if options is None or len(rows) * len(options) > limit:
            return None
        rows = [[*row, option] for row in rows for option in options]
        if index + 1 >= shape.minimum:
            found += rows
    return found


def _listed_objects(shape: Any, forms: "NormalForms", limit: int) -> list[Any] | None:
    rows: list[dict[str, Any]] = [{}]
    for name, formula in shape.keys.items():
        options = _listed(formula, forms, limit)
        if options is None:
            return None
        absent = [] if name in shape.required else rows
        rows = absent + [{**row, name: option} for row in rows for option in options]
        if len(rows) > limit:
            return None
    upper = len(shape.keys) if shape.maximum is None else shape.maximum
    return [row for row in rows if shape.minimum <= len(row) <= upper]
