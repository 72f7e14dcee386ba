"""Objects brought to the form that can be printed: finite languages of names are spelled out, witnesses are placed.

A witness ("some member has such a name and such a value") is one of the shape's own keys, or a member of one of its
classes.  Settling makes a shape for each of these, in which the key is required; only witnesses among infinitely many
names are left, each inside one class.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.json_schema import strings
from constrain.grammars.json_schema.formulas import FALSE, Formula
from constrain.grammars.json_schema.shapes import Objects, Witness
from constrain.grammars.regular import Regular

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms

__all__ = ["ObjectRequirement", "settled_objects"]

MAX_SETTLED = 5000


class ObjectRequirement:
    """What must be inhabited for a settled shape to be: its required members, its witnesses, and enough others."""

    __slots__ = ("_classes", "_needed", "_optional", "_short", "formulas")

    def __init__(self, shape: Objects) -> None:
        needed = [shape.keys[name] for name in shape.keys if name in shape.required]
        needed += [witness.formula for witness in shape.witnesses]
        self._needed = needed
        self._short = shape.minimum - len(needed)
        self._optional: list[Formula] = []
        self._classes: list[Formula] = []
        if self._short > 0:
            self._optional = [formula for name, formula in shape.keys.items() if name not in shape.required]
            self._classes = [one.formula for one in shape.classes]
        self.formulas = [*self._needed, *self._optional, *self._classes]

    def holds(self, inhabited: dict[Formula, bool]) -> bool:
        """Whether the shape has an object, by what is known so far."""
        if not all(inhabited.get(formula, False) for formula in self._needed):
            return False
        if self._short <= 0 or any(inhabited.get(formula, False) for formula in self._classes):
            return True
        return sum(inhabited.get(formula, False) for formula in self._optional) >= self._short


def settled_objects(shape: Objects, forms: "NormalForms") -> tuple[Objects, ...]:
    """Shapes whose union is `shape`, in the form described above."""
    shape = _with_finite_classes_spelled_out(shape)
    if not shape.witnesses:
        return () if shape.is_void() else (shape,)
    settled = [replace(shape, witnesses=())]
    for witness in shape.witnesses:
        forms.spend(len(settled) * (1 + len(shape.keys)))
        settled = [one for shape in settled for one in _placed(shape, witness, forms) if not one.is_void()]
        if len(settled) > MAX_SETTLED:
            raise ResourceLimitError("an object has too many cases", limit="max_grammar")
    return tuple(shape for shape in dict.fromkeys(settled) if not _is_crowded(shape))


def _is_crowded(shape: Objects) -> bool:
    """Whether a settled shape, all of whose witnesses are different members, demands more members than it may have."""
    return shape.maximum is not None and len(shape.required) + len(shape.witnesses) > shape.maximum


def _with_finite_classes_spelled_out(shape: Objects) -> Objects:
    if shape.is_open() or not shape.classes:
        return shape
    keys, classes = dict(shape.keys), []
    for one in shape.classes:
        found = strings.finite_words(one.names)
        if found is None:
            classes.append(one)
            continue
        for name in found:
            keys.setdefault(name.decode(), one.formula)
    return replace(shape, keys=keys, classes=tuple(classes))


def _placed(shape: Objects, witness: Witness, forms: "NormalForms") -> list[Objects]:
    """Shapes in which a member that there is anyway, or one more, is the witness."""
    together = forms.formulas.both
    placed = []
    for name, formula in shape.keys.items():
        both = together(formula, witness.formula)
        if both != FALSE and strings.contains(witness.names, name.encode()):
            placed.append(_with_key(shape, name, both))
    for index, one in enumerate(shape.witnesses):
        both = together(one.formula, witness.formula)
        others = shape.witnesses[:index] + shape.witnesses[index + 1 :]
        placed += _witnessed(replace(shape, witnesses=others), strings.intersection(one.names, witness.names), both)
    for group in shape.classes:
        both = together(group.formula, witness.formula)
        placed += _witnessed(shape, strings.intersection(group.names, witness.names), both)
    return placed


def _with_key(shape: Objects, name: str, formula: Formula) -> Objects:
    return replace(shape, keys={**shape.keys, name: formula}, required=shape.required | {name})


def _witnessed(shape: Objects, names: Regular, formula: Formula) -> list[Objects]:
    """Shapes with a member of the names, none of which is a key, and of a value of the formula."""
    if formula == FALSE or strings.is_empty(names):
        return []
    found = strings.finite_words(names)
    if found is None:
        return [replace(shape, witnesses=(*shape.witnesses, Witness(names, formula)))]
    return [_with_key(shape, text.decode(), formula) for text in found if text.decode() not in shape.keys]
