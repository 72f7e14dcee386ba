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
        settled = [one for shape in settled for one in _placed(shape, witness, forms) if not one.is_void()]
        if len(settled) > MAX_SETTLED:
            raise ResourceLimitError("an object has too many cases", limit="max_grammar")
    return tuple(dict.fromkeys(settled))


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
    conjunction = forms.formulas.conjunction
    placed = []
    for name, formula in shape.keys.items():
        both = conjunction((formula, witness.formula))
        if both != FALSE and strings.contains(witness.names, name.encode()):
            placed.append(replace(shape, keys={**shape.keys, name: both}, required=shape.required | {name}))
    declared = strings.complement(strings.words(shape.keys))
    for one in shape.classes:
        both = conjunction((one.formula, witness.formula))
        names = strings.intersection(one.names, witness.names)
        if both == FALSE or strings.is_empty(strings.intersection(names, declared)):
            continue
        found = strings.finite_words(names)
        if found is None:
            placed.append(replace(shape, witnesses=(*shape.witnesses, Witness(names, both))))
            continue
        for text in found:
            if text.decode() not in shape.keys:
                keys = {**shape.keys, text.decode(): both}
                placed.append(replace(shape, keys=keys, required=shape.required | {text.decode()}))
    return placed


