"""Sets of JSON values: a set for each of the six types, closed under intersection, union and complement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.json_schema import numbers, strings
from constrain.grammars.json_schema.numbers import Numbers
from constrain.grammars.json_schema.shapes import ANY_ARRAY, ANY_OBJECT, Arrays, Objects, Shape
from constrain.grammars.regular import Regular

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms

__all__ = ["ANY", "NOTHING", "Values", "complement", "intersection", "only", "union"]

MAX_SHAPES = 2000
_FEW = 4


@dataclass(frozen=True, slots=True)
class Values:
    """A set of JSON values, by type.  `booleans` and `null` are sets of texts."""

    null: bool = True
    booleans: frozenset[bool] = frozenset((False, True))
    numbers: Numbers = numbers.ALL
    strings: Regular = strings.ANY
    arrays: tuple[Arrays, ...] = (ANY_ARRAY,)
    objects: tuple[Objects, ...] = (ANY_OBJECT,)

    def is_void(self) -> bool:
        """Whether the set is empty whatever its formulas denote."""
        return not (
            self.null
            or self.booleans
            or self.numbers
            or self.arrays
            or self.objects
            or not strings.is_empty(self.strings)
        )


ANY = Values()
NOTHING = Values(False, frozenset(), numbers.NONE, strings.NONE, (), ())


def only(
    *,
    null: bool = False,
    booleans: Iterable[bool] = (),
    number: Numbers = numbers.NONE,
    string: Regular = strings.NONE,
    arrays: tuple[Arrays, ...] = (),
    objects: tuple[Objects, ...] = (),
) -> Values:
    """The values given, and no others."""
    return Values(null, frozenset(booleans), number, string, arrays, objects)


def _limited(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    distinct = tuple(dict.fromkeys(shape for shape in shapes if not shape.is_void()))
    if len(distinct) > MAX_SHAPES:
        raise ResourceLimitError(
            f"a schema has more than {MAX_SHAPES} cases after its combinators are resolved", limit="max_grammar"
        )
    return distinct


def _reduced(shapes: tuple[Shape, ...], forms: "NormalForms") -> tuple[Shape, ...]:
    """The shapes without those that have no values, or only values of another one.

    Without this, the conjunction of several negations has a number of cases that is exponential in theirs.
    """
    if len(shapes) <= _FEW:
        return shapes
    kept: list[Shape] = []
    for shape in shapes:
        forms.spend(2 * len(kept))
        if not forms.may_have(shape) or any(shape.implies(other, forms.formulas) for other in kept):  # type: ignore[arg-type]
            continue
        kept = [other for other in kept if not other.implies(shape, forms.formulas)]  # type: ignore[arg-type]
        kept.append(shape)
    return tuple(kept)


def _products(first: Sequence[Shape], second: Sequence[Shape], whole: Shape, forms: "NormalForms") -> tuple[Shape, ...]:
    if len(first) == 1 and first[0] is whole:
        return tuple(second)
    if len(second) == 1 and second[0] is whole:
        return tuple(first)
    forms.spend(len(first) * len(second))
    return _reduced(_limited(one.intersection(other, forms.formulas) for one in first for other in second), forms)  # type: ignore[arg-type]


def intersection(first: Values, second: Values, forms: "NormalForms") -> Values:
    """Values of both sets."""
    if first is ANY:
        return second
    if second is ANY:
        return first
    if first is NOTHING or second is NOTHING:
        return NOTHING
    return Values(
        first.null and second.null,
        first.booleans & second.booleans,
        numbers.intersection(first.numbers, second.numbers),
        strings.intersection(first.strings, second.strings),
        _products(first.arrays, second.arrays, ANY_ARRAY, forms),  # type: ignore[arg-type]
        _products(first.objects, second.objects, ANY_OBJECT, forms),  # type: ignore[arg-type]
    )


def _sum(first: Sequence[Shape], second: Sequence[Shape], whole: Shape) -> tuple[Shape, ...]:
    if whole in first or whole in second:
        return (whole,)
    return _limited((*first, *second))


def union(first: Values, second: Values) -> Values:
    """Values of either set."""
    if first is ANY or second is ANY:
        return ANY
    if first is NOTHING:
        return second
    if second is NOTHING:
        return first
    return Values(
        first.null or second.null,
        first.booleans | second.booleans,
        numbers.union(first.numbers, second.numbers),
        strings.union(first.strings, second.strings),
        _sum(first.arrays, second.arrays, ANY_ARRAY),  # type: ignore[arg-type]
        _sum(first.objects, second.objects, ANY_OBJECT),  # type: ignore[arg-type]
    )


def _outside(shapes: Sequence[Shape], whole: Shape, forms: "NormalForms") -> tuple[Shape, ...]:
    result: tuple[Shape, ...] = (whole,)
    for shape in shapes:
        if shape is whole:
            return ()
        result = _products(result, shape.complement(forms.formulas), whole, forms)
    return result


def complement(values: Values, forms: "NormalForms") -> Values:
    """Values outside a set."""
    if values is ANY:
        return NOTHING
    if values is NOTHING:
        return ANY
    return Values(
        not values.null,
        frozenset((False, True)) - values.booleans,
        numbers.complement(values.numbers),
        strings.complement(values.strings),
        _outside(values.arrays, ANY_ARRAY, forms),  # type: ignore[arg-type]
        _outside(values.objects, ANY_OBJECT, forms),  # type: ignore[arg-type]
    )
