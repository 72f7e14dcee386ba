"""From formulas to sets of values, one level at a time, and whether there are any.

`NormalForms.values` opens a formula: schemas are read keyword by keyword, combinators are applied to sets.  The items
and members of what comes out are formulas again, so that a schema is normalised as far as somebody looks.

Whether a formula has values at all is the least solution of "a type has a scalar, or a shape whose parts have
values": a recursive schema that never ends denotes nothing.  The method is that of Attouche et al., "Witness
Generation for JSON Schema" (VLDB 2022), section 5, without the final step of making the witness.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from constrain.grammars.errors import ResourceLimitError, UnsupportedSchemaError
from constrain.grammars.ir import Relaxation
from constrain.grammars.json_schema import numbers, strings
from constrain.grammars.json_schema import values as sets
from constrain.grammars.json_schema.array_machines import ArrayMachine, PlainArrayRequirement
from constrain.grammars.json_schema.atoms import Atoms
from constrain.grammars.json_schema.formulas import FALSE, TRUE, Formula, Formulas
from constrain.grammars.json_schema.plain import plainly_has_values
from constrain.grammars.json_schema.reader import ALL_KEYWORDS, COMBINATORS, read_schema, scalar_key
from constrain.grammars.json_schema.references import References, Schema
from constrain.grammars.json_schema.settling import ObjectRequirement, settled_objects
from constrain.grammars.json_schema.shapes import Arrays, Objects, Shape
from constrain.grammars.json_schema.values import Values

__all__ = ["CircularSchemaError", "NormalForms", "Part"]

Part = Formula | Values
"""What one keyword, or group of keywords, asks for."""

Requirement = ArrayMachine | PlainArrayRequirement | ObjectRequirement

MAX_STEPS = 2_000_000
"""Cases that are made or compared while combinators are resolved: a few seconds' worth."""

_MAX_DEPTH = 200  # of combinators within combinators; each level takes a few frames of Python's stack


class CircularSchemaError(UnsupportedSchemaError):
    """A schema that refers to itself without an array or object in between."""


class NormalForms:
    """The formulas of a document, and their values."""

    def __init__(self, references: References, *, asserts_formats: bool = True, lenient: bool = False) -> None:
        self.formulas = Formulas()
        self.references = references
        self.asserts_formats = asserts_formats
        self.relaxed: list[Relaxation] | None = [] if lenient else None
        self._parts: dict[int, tuple[Part, ...]] = {}
        self._values: dict[Formula, Values] = {TRUE: sets.ANY, FALSE: sets.NOTHING}
        self._given: list[Values] = []
        self._constants: dict[str, Formula] = {}
        self._scalars: dict[tuple[str, int], Formula] = {}
        self._late: dict[Formula, Callable[[], Formula]] = {}
        self._open: set[Formula] = set()
        self._atoms = Atoms(self)
        self._inhabited: dict[Formula, bool] = {TRUE: True, FALSE: False}
        self._denied: set[Formula] = set()
        self._steps = 0

    def spend(self, steps: int) -> None:
        """Count work on cases.  Raises ResourceLimitError when all of it together is too much."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise ResourceLimitError("the combinators of a schema have too many cases to compare", limit="max_grammar")

    # Formulas

    def schema(self, parent: Schema, contents: Any, *path: object) -> Formula:
        """The formula of a schema below another one."""
        if contents is True or contents == {}:
            return TRUE
        if contents is False:
            return FALSE
        if not isinstance(contents, dict):
            pointer = "".join([parent.pointer, *(f"/{part}" for part in path)])
            raise UnsupportedSchemaError("a schema must be an object or a boolean", pointer=pointer)
        key = None if self.relaxed is not None else scalar_key(contents)  # each place that is relaxed is told
        if key is None:
            return self.formulas.schema(self.references.child(parent, contents, *path))
        known = self._scalars.get((key, id(parent.scope)))
        if known is None:
            known = self.formulas.schema(self.references.child(parent, contents, *path))
            self._scalars[key, id(parent.scope)] = known
        return known

    def given(self, values: Values) -> Formula:
        """The formula of a set of values."""
        if values is sets.ANY:
            return TRUE
        if values is sets.NOTHING:
            return FALSE
        self._given.append(values)
        return self.formulas.given(len(self._given) - 1)

    def formula(self, part: Part) -> Formula:
        """A part as a formula."""
        return self.given(part) if isinstance(part, Values) else part

    def constant(self, value: Any) -> Formula:
        """Being equal to a JSON value."""
        key = json.dumps(_canonical(value), sort_keys=True)
        known = self._constants.get(key)
        if known is None:
            known = self._constants[key] = self.given(self.equal_to(value))
        return known

    def equal_to(self, value: Any) -> Values:
        """The set of one JSON value."""
        match value:
            case None:
                return sets.only(null=True)
            case bool():
                return sets.only(booleans=(value,))
            case int() | Decimal() | float() | Fraction():
                point = Fraction(value)
                return sets.only(number=numbers.between(point, point))
            case str():
                return sets.only(string=strings.words((value,)))
            case list():
                items = tuple(self.constant(item) for item in value)
                return sets.only(arrays=(Arrays(items, FALSE, len(items), len(items)),))
            case Mapping():
                keys = {name: self.constant(item) for name, item in value.items()}
                return sets.only(objects=(Objects(keys, frozenset(keys), ()),))
        raise TypeError(f"not a JSON value: {value!r}")

    def pointer(self, formula: Formula) -> str:
        """A place that a formula comes from: that of its first schema."""
        pending = [formula]
        while pending:
            kind, payload = self.formulas.definition(pending.pop())
            if kind == "schema":
                return self.references[payload].pointer
            if kind in ("and", "or"):
                pending.extend(reversed(payload))
            elif kind == "not":
                pending.append(payload)
        return ""

    def postponed(self, decide: Callable[[], Formula], kind: str, number: object) -> Formula:
        """A formula that is worked out when its values are asked for; the same for equal `kind` and `number`."""
        formula = self.formulas.postponed((kind, number))
        self._late.setdefault(formula, decide)
        return formula

    def late(self, formula: Formula) -> Formula:
        """What a postponed formula turns out to be."""
        return self._late[formula]()

    def given_values(self, number: int) -> Values:
        """The values that the formula `number` of those given stands for."""
        return self._given[number]

    # Values

    def parts(self, number: int) -> tuple[Part, ...]:
        """What the keywords of a schema ask for."""
        known = self._parts.get(number)
        if known is None:
            known = self._parts[number] = tuple(read_schema(self, self.references[number]))
        return known

    def parts_of_keyword(self, schema: Schema, keyword: str) -> Formula:
        """What one keyword of a schema asks for, as a formula."""
        part = ALL_KEYWORDS[keyword](schema.contents[keyword], schema, self)
        return TRUE if part is None else self.formula(part)

    def formula_beside(self, schema: Schema, keyword: str) -> Formula:
        """What the keywords of a schema ask for, without one and without those that are read late."""
        return self.formulas.conjunction(
            self.formula(part) for part in read_schema(self, schema, without=(keyword, *COMBINATORS))
        )

    def values(self, formula: Formula) -> Values:
        """The values that satisfy a formula.

        Raises CircularSchemaError for one that is defined by itself, ResourceLimitError for too many cases.
        """
        known = self._values.get(formula)
        if known is not None:
            return known
        if formula in self._open:
            raise CircularSchemaError("the schema refers to itself without an array or object in between")
        if len(self._open) > _MAX_DEPTH:
            raise ResourceLimitError(f"combinators are nested more than {_MAX_DEPTH} deep", limit="max_grammar")
        self._open.add(formula)
        try:
            result = self._opened(formula)
        finally:
            self._open.discard(formula)
        self._values[formula] = result
        return result

    def _opened(self, formula: Formula) -> Values:
        kind, payload = self.formulas.definition(formula)
        match kind:
            case "given":
                given: Values = self._given[payload]
                return given
            case "schema":
                return self._all(self.parts(payload))
            case "and":
                return self._all(payload)
            case "or":
                return self._any(payload)
            case "postponed":
                return self.values(self.late(formula))
        return self._outside(payload)

    def _all(self, parts: tuple[Part, ...]) -> Values:
        result = sets.ANY
        for part in parts:
            if result.is_void():
                return sets.NOTHING
            one = part if isinstance(part, Values) else self.values(part)
            result = sets.intersection(result, one, self)
        return result

    def _any(self, parts: tuple[Formula, ...]) -> Values:
        result = sets.NOTHING
        for part in parts:
            result = sets.union(result, self.values(part))
        return result

    def _outside(self, formula: Formula) -> Values:
        """The complement, by De Morgan: a schema is violated when one of its parts is."""
        kind, payload = self.formulas.definition(formula)
        negation = self.formulas.negation
        match kind:
            case "given":
                return sets.complement(self._given[payload], self)
            case "schema":
                result = sets.NOTHING
                for part in self._with_shapes_merged(self.parts(payload)):
                    outside = sets.complement(part, self) if isinstance(part, Values) else self.values(negation(part))
                    result = sets.union(result, outside)
                return result
            case "and":
                return self._any(tuple(map(negation, payload)))
            case "or":
                return self._all(tuple(map(negation, payload)))
            case "postponed":
                return self.values(negation(self.late(formula)))
        raise TypeError(f"unexpected formula {kind}")

    def _with_shapes_merged(self, parts: tuple[Part, ...]) -> list[Part]:
        """The parts with all sets that have one shape each made one: `required` and `properties` are denied together.

        Being absent or having another value is one case then; as two, they would double those of a conjunction.
        """
        merged = sets.ANY
        others: list[Part] = []
        for part in parts:
            if isinstance(part, Values) and len(part.objects) <= 1 and len(part.arrays) <= 1:
                merged = sets.intersection(merged, part, self)
            else:
                others.append(part)
        return others if merged is sets.ANY else [merged, *others]

    # Emptiness

    def may_be_inhabited(self, formula: Formula) -> bool:
        """Whether any value satisfies a formula; true also where that cannot be told yet."""
        try:
            return self.is_inhabited(formula)
        except CircularSchemaError:
            return True

    def may_have(self, shape: Shape) -> bool:
        """Whether a shape may have values, by what its first items or its required members must be."""
        if isinstance(shape, Objects):
            return all(self.may_be_inhabited(shape.keys[name]) for name in shape.required)
        return all(self.may_be_inhabited(shape.item(i)) for i in range(min(shape.minimum, len(shape.prefix) + 1)))

    def is_inhabited(self, formula: Formula) -> bool:
        """Whether any value satisfies a formula."""
        known = self._inhabited.get(formula)
        if known is None:
            kind, number = self.formulas.definition(formula)
            if kind == "schema" and plainly_has_values(self.references[number].contents):
                self._inhabited[formula] = True
                return True
            if self._atoms.satisfy(formula):
                self._inhabited[formula] = True
                return True
            self._decide(formula)
            known = self._inhabited[formula]
        return known

    def deny(self, formula: Formula) -> None:
        """Note that no value satisfies a formula, which only came to light when it was printed.

        What was found to have values may have had them through this one, and is decided anew.
        """
        self._denied.add(formula)
        self._inhabited = {TRUE: True, FALSE: False, **dict.fromkeys(self._denied, False)}

    def _decide(self, formula: Formula) -> None:
        """Decide a formula and all that it depends on: the least solution, by rounds."""
        needs: dict[Formula, list[Requirement]] = {}
        pending = [formula]
        while pending:
            one = pending.pop()
            if one in needs or one in self._inhabited:
                continue
            values = self.values(one)
            alternatives = [] if _has_scalar(values) else self._requirements(values)
            needs[one] = alternatives
            if _has_scalar(values) or any(not each.formulas and each.holds({}) for each in alternatives):
                self._inhabited[one] = True
                continue
            for alternative in alternatives:
                pending.extend(alternative.formulas)
        undecided = [one for one in reversed(needs) if one not in self._inhabited]
        changed = True
        while changed:
            changed = False
            for one in undecided:
                if one not in self._inhabited and any(alternative.holds(self._inhabited) for alternative in needs[one]):
                    self._inhabited[one] = changed = True
        for one in undecided:
            self._inhabited.setdefault(one, False)

    def _requirements(self, values: Values) -> list[Requirement]:
        found: list[Requirement] = []
        for array in values.arrays:
            if array.contains:
                found.append(ArrayMachine(array, self.formulas))
            else:
                found.append(PlainArrayRequirement(array))
        for shape in values.objects:
            found.extend(map(ObjectRequirement, settled_objects(shape, self)))
        return found


def _canonical(value: Any) -> Any:
    """A form in which equal JSON values are equal texts."""
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _canonical(item) for name, item in value.items()}
    if isinstance(value, int | float | Decimal | Fraction) and not isinstance(value, bool):
        return {"": str(Fraction(value))}
    return value


def _has_scalar(values: Values) -> bool:
    return bool(values.null or values.booleans or values.numbers or not strings.is_empty(values.strings))
