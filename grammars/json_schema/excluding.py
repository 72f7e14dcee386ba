"""The values of a formula without finitely many of them, and arrays of distinct items, as rules of a grammar.

The algebra of `values` could take values away too, but the complement of n objects with k members each is a union of
k^n shapes.  Here only scalars are taken away by the algebra.  Arrays and objects are followed while they are read
(`array_frames`, `object_frames`), and only as long as they may still become one of those that are taken away.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from constrain.grammars import ir
from constrain.grammars.errors import UnsupportedSchemaError
from constrain.grammars.json_schema import numbers, strings
from constrain.grammars.json_schema.array_frames import ArrayFrame, ArrayRules
from constrain.grammars.json_schema.canonical import NO_VALUES, Number, Value, ValueSet
from constrain.grammars.json_schema.few import FewValues
from constrain.grammars.json_schema.fewer_numbers import FewerNumbers
from constrain.grammars.json_schema.formulas import Formula
from constrain.grammars.json_schema.object_frames import ObjectFrame, ObjectRules
from constrain.grammars.json_schema.settling import settled_objects
from constrain.grammars.json_schema.shapes import Arrays, Objects
from constrain.grammars.json_schema.values import Values

if TYPE_CHECKING:
    from constrain.grammars.json_schema.printing import Printer

__all__ = ["Exclusions"]


class Exclusions:
    """Rules of one grammar."""

    def __init__(self, printer: "Printer") -> None:
        self._printer = printer
        self.forms, self.lexemes = printer.forms, printer.lexemes
        self.is_inhabited = self.forms.is_inhabited
        self.few = FewValues(self, self.forms)
        self._numbers = FewerNumbers(exponent=self.lexemes.options.exponent, fraction=self.lexemes.options.fraction)
        self._arrays: dict[Arrays, ArrayRules | None] = {}
        self._objects: dict[Objects, ObjectRules | None] = {}

    @staticmethod
    def formula_of(rule: str | None) -> Formula:
        """The formula that a rule for a nested value is named after."""
        assert rule is not None
        return int(rule[1:])

    @staticmethod
    def plain(formula: Formula) -> ir.Expression:
        """The values of a formula."""
        return ir.Reference(f"v{formula}")

    def without(self, formula: Formula, excluded: ValueSet) -> ir.Expression:
        """The values of a formula that are not excluded; there must be some."""
        return ir.Late(_Rest(self, formula, excluded)) if len(excluded) else self.plain(formula)

    def array_rules(self, shape: Arrays) -> ArrayRules | None:
        """The arrays of a shape; None when there are none.

        Raises UnsupportedSchemaError for what cannot be decided.
        """
        if shape not in self._arrays:
            rules = self._new_rules(self._printer.without_impossible_items(shape))
            self._arrays[shape] = rules if rules is not None and self.array_frame(rules).can_end() else None
        return self._arrays[shape]

    def _new_rules(self, shape: Arrays) -> ArrayRules | None:
        if shape.is_void():
            return None
        rules = ArrayRules(self, shape)
        reason = ""
        if shape.repeating:
            reason = "arrays in which some item repeats cannot be enforced"
        elif not rules.is_decided:
            reason = "distinct items that `contains` counts, and that are not of many values, cannot be enforced"
        if not reason:
            return rules
        error = UnsupportedSchemaError(reason, keyword="uniqueItems")
        return ArrayRules(self, self._printer.without_unsupported(shape, error))

    @staticmethod
    def array_frame(rules: ArrayRules, excluded: frozenset[tuple[Value, ...]] = frozenset()) -> ArrayFrame:
        """The beginning of an array."""
        return ArrayFrame(rules, rules.start, NO_VALUES if rules.shape.unique else None, excluded)

    def distinct_array(self, rules: ArrayRules, nested: bool) -> ir.Expression:
        """The arrays of a shape."""
        return ir.Sequence((self.lexemes.open_array[nested], ir.Late(self.array_frame(rules))))

    def arrays_without(self, shape: Arrays, excluded: frozenset[tuple[Value, ...]]) -> ir.Expression | None:
        """The arrays of a shape that are not excluded; None when there are none."""
        rules = self.array_rules(shape)
        if rules is None:
            return None
        frame = self.array_frame(rules, excluded)
        return ir.Sequence((self.lexemes.open_array[True], ir.Late(frame))) if frame.can_end() else None

    def objects_without(
        self, shape: Objects, excluded: frozenset[frozenset[tuple[str, Value]]]
    ) -> ir.Expression | None:
        """The objects of a settled shape that are not excluded; None when there are none."""
        if shape not in self._objects:
            members = self._printer.object(shape, True)
            self._objects[shape] = ObjectRules(self, members) if isinstance(members, ir.Members) else None
        rules = self._objects[shape]
        if rules is None:
            return None
        frame = ObjectFrame(rules, 0, frozenset(), rules.all_needed, excluded)
        return ir.Sequence((self.lexemes.open_object[True], ir.Late(frame))) if frame.can_end() else None

    def _scalar(self, values: Values, excluding: ValueSet) -> ir.Terminal | None:
        excluded = excluding.values()
        texts = sorted(value.encode() for value in excluded if isinstance(value, str))
        left = replace(
            values,
            null=values.null and None not in excluded,
            booleans=values.booleans - {value for value in excluded if isinstance(value, bool)},
            strings=strings.without(values.strings, texts) if texts else values.strings,
        )
        if not (values.numbers and any(isinstance(value, Number) for value in excluded)):
            return self.lexemes.scalar(left, True)
        left = replace(left, numbers=numbers.NONE)
        return self.lexemes.scalar_with(left, self._numbers.language(values.numbers, excluding), True)

    def rest(self, formula: Formula, excluding: ValueSet) -> ir.Expression:
        """What `without` stands for."""
        values, excluded = self.forms.values(formula), excluding.values()
        scalar = self._scalar(values, excluding)
        parts: list[ir.Expression | None] = [scalar]
        arrays = frozenset(value for value in excluded if isinstance(value, tuple) and not isinstance(value, Number))
        objects = frozenset(value for value in excluded if isinstance(value, frozenset))
        parts += [
            self.arrays_without(shape, arrays) if arrays else self._printer.array(shape, True)
            for shape in values.arrays
        ]
        parts += [
            self.objects_without(shape, objects) if objects else self._printer.object(shape, True)
            for whole in values.objects
            for shape in settled_objects(whole, self.forms)
        ]
        found = [part for part in parts if part is not None and part != ir.Alternation(())]
        return found[0] if len(found) == 1 else ir.Alternation(tuple(found))


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is left of a formula."""

    home: Exclusions
    formula: Formula
    excluded: ValueSet

    def expression(self) -> ir.Expression:
        """The texts of the values."""
        return self.home.rest(self.formula, self.excluded)
