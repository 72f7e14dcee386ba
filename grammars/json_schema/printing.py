"""From formulas to the rules of a grammar, each when the parser first predicts it.

A rule is named after its formula: "v12" are the texts of the values of formula 12 with white space before them, "r12"
those without.  Scalars of a value become one lexeme; objects become `ir.Members`, arrays `ir.Items` or, when their
items have to be counted by what they are, rules named after the states of a machine.
"""

from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.analysis import references_of
from constrain.grammars.errors import UnsatisfiableConstraintError, UnsupportedSchemaError
from constrain.grammars.json_schema import strings
from constrain.grammars.json_schema.array_frames import ArrayRules
from constrain.grammars.json_schema.array_machines import ArrayMachine
from constrain.grammars.json_schema.array_machines import State as MachineState
from constrain.grammars.json_schema.distinct import DistinctValues, distinct_strings, finite_domain, unsupported
from constrain.grammars.json_schema.excluding import Exclusions
from constrain.grammars.json_schema.formulas import FALSE, Formula
from constrain.grammars.json_schema.lexemes import TextOptions, lexemes_of
from constrain.grammars.json_schema.normal_forms import NormalForms
from constrain.grammars.json_schema.settling import settled_objects
from constrain.grammars.json_schema.shapes import Arrays, Objects
from constrain.grammars.regular import Regular

__all__ = ["NothingToPrintError", "Printer"]

_NO_TEXT = ir.Alternation(())


class NothingToPrintError(UnsatisfiableConstraintError):
    """A formula that seemed to have values has none, because items have to be distinct."""

    def __init__(self, formula: Formula) -> None:
        super().__init__("no value obeys the schema")
        self.formula = formula


class Printer:
    """Makes the rules of a grammar from the formulas of a schema."""

    def __init__(self, forms: NormalForms, options: TextOptions) -> None:
        self.forms, self._options = forms, options
        self._machines: list[tuple[ArrayMachine, dict[MachineState, bool]]] = []
        self._distinct: list[DistinctValues] = []
        self._numbers: dict[object, int] = {}
        self.lexemes = lexemes_of(options)
        self._exclusions = Exclusions(self)
        self._unique: dict[Arrays, ArrayRules] = {}
        self._place: Formula = FALSE  # the formula whose rule was asked for last, for messages

    def rule(self, name: str) -> ir.Expression:
        """The right-hand side of a rule."""
        kind, number = name[0], name[1:]
        if kind == "m":
            machine, index, *counts = map(int, number.split("."))
            return self._machine_rule(machine, (index, tuple(counts)))
        if kind == "d":
            domain, seen, count = map(int, number.split("."))
            return self._distinct_rule(domain, seen, count)
        self._place = int(number)
        return self._value(self._place, kind == "v")

    def print_everything(self, start: str) -> None:
        """Make every rule once, for the errors that only come up then."""
        pending, seen = [start], {start}
        machines, unique = 0, 0
        while pending:
            name = pending.pop()
            names = [one for one in references_of(self.rule(name)) if one[0] == "v"]
            for machine, live in self._machines[machines:]:
                names += [
                    self._nested(formula)
                    for state in live
                    for formula, _ in machine.options(state)
                    if self._inhabited(formula)
                ]
            machines = len(self._machines)
            for rules in list(self._unique.values())[unique:]:
                names += map(self._nested, rules.formulas())
            unique = len(self._unique)
            fresh = [one for one in dict.fromkeys(names) if one not in seen]
            seen.update(fresh)
            pending += fresh

    # Values

    def _value(self, formula: Formula, nested: bool) -> ir.Expression:
        values = self.forms.values(formula)
        parts: list[ir.Expression] = []
        scalar = self.lexemes.scalar(values, nested)
        if scalar is not None:
            parts.append(scalar)
        parts += [self.array(array, nested) for array in values.arrays]
        for shape in values.objects:
            parts += [self.object(one, nested) for one in settled_objects(shape, self.forms)]
        parts = [part for part in parts if part is not _NO_TEXT]
        if not parts:
            raise NothingToPrintError(formula)
        return parts[0] if len(parts) == 1 else ir.Alternation(tuple(parts))

    def _inhabited(self, formula: Formula) -> bool:
        return self.forms.is_inhabited(formula)

    @staticmethod
    def _nested(formula: Formula) -> str:
        return f"v{formula}"

    # Objects

    def object(self, shape: Objects, nested: bool) -> ir.Expression:
        """The objects of a settled shape.

        Names whose values nothing satisfies are no keys, but they are not free for other members either.
        """
        keys, forbidden = [], []
        for name, formula in shape.keys.items():
            if self._inhabited(formula):
                keys.append(ir.Key(name.encode(), self._nested(formula), name in shape.required))
            elif name in shape.required:
                return _NO_TEXT
            else:
                forbidden.append(name)
        others = self._others(shape, forbidden)
        if others is None:
            return _NO_TEXT
        needed = sum(key.required for key in keys) + len(shape.witnesses)
        minimum = 0 if shape.minimum <= needed else shape.minimum
        if not others and minimum > len(keys):
            return _NO_TEXT
        maximum = shape.maximum
        if maximum is not None and (maximum < max(needed, minimum)):
            return _NO_TEXT
        return ir.Members(
            keys=tuple(keys),
            others=tuple(others),
            minimum=minimum,
            maximum=maximum if others or (maximum is not None and maximum < len(keys)) else None,
            ordered=self._options.ordered,
            open=self.lexemes.open_object[nested],
            close=self.lexemes.close_object,
            comma=self.lexemes.comma,
            colon=self.lexemes.colon,
            key_prefix=self.lexemes.key_prefix,
            any_escape=self._options.any_escape,
        )

    def _others(self, shape: Objects, forbidden: list[str]) -> list[ir.OtherKeys] | None:
        others = []
        allowed = strings.complement(strings.words(forbidden))
        for one in shape.classes:
            if self._inhabited(one.formula):
                names = strings.intersection(one.names, allowed)
                others.append(ir.OtherKeys(names, self._nested(one.formula)))
        for witness in shape.witnesses:
            if not self._inhabited(witness.formula):
                return None
            names = strings.intersection(witness.names, allowed)
            others.append(ir.OtherKeys(names, self._nested(witness.formula), needed=True))
        return others

    # Arrays

    def array(self, shape: Arrays, nested: bool) -> ir.Expression:
        """The arrays of a shape."""
        shape = self.without_impossible_items(shape)
        if shape.is_void():
            return _NO_TEXT
        limit = shape.limit()
        if shape.unique and (limit is None or limit > 1):
            return self._array_of_distinct(shape, nested)
        if shape.repeating:
            shape = self.without_unsupported(shape, unsupported("arrays in which some item repeats"))
        if shape.contains:
            return self._counted_array(shape, nested)
        first = [self._nested(formula) for formula in shape.prefix[:limit]]
        rest = None if shape.rest == FALSE or (limit is not None and limit <= len(first)) else self._nested(shape.rest)
        return ir.Items(
            tuple(first),
            rest,
            shape.minimum,
            limit,
            self.lexemes.open_array[nested],
            self.lexemes.close_array,
            self.lexemes.comma,
        )

    def without_impossible_items(self, shape: Arrays) -> Arrays:
        """The shape with FALSE for what nothing satisfies."""
        prefix = tuple(formula if self._inhabited(formula) else FALSE for formula in shape.prefix)
        rest = shape.rest if self._inhabited(shape.rest) else FALSE
        if prefix == shape.prefix and rest == shape.rest:
            return shape
        return Arrays(prefix, rest, shape.minimum, shape.maximum, shape.contains, shape.unique, shape.repeating)

    def _counted_array(self, shape: Arrays, nested: bool) -> ir.Expression:
        number = self._numbers.get(shape)
        if number is None:
            machine = ArrayMachine(shape, self.forms.formulas)
            items = {formula for state in machine.states() for formula, _ in machine.options(state)}
            live = machine.live_states({formula: self._inhabited(formula) for formula in items})
            number = self._numbers[shape] = len(self._machines)
            self._machines.append((machine, live))
        machine, live = self._machines[number]
        if not live[machine.start]:
            return _NO_TEXT
        start = ir.Alternation(tuple(self._machine_steps(number, machine.start, ())))
        return ir.Sequence((self.lexemes.open_array[nested], start))

    def _machine_rule(self, number: int, state: MachineState) -> ir.Expression:
        return ir.Alternation(tuple(self._machine_steps(number, state, (self.lexemes.comma,))))

    def _machine_steps(self, number: int, state: MachineState, before: tuple[ir.Terminal, ...]) -> list[ir.Expression]:
        machine, live = self._machines[number]
        steps: list[ir.Expression] = [self.lexemes.close_array] if machine.may_end(state) else []
        for formula, following in machine.options(state):
            if live[following] and self._inhabited(formula):
                index, counts = following
                rule = ".".join(map(str, (f"m{number}", index, *counts)))
                steps.append(ir.Sequence((*before, ir.Reference(self._nested(formula)), ir.Reference(rule))))
        return steps

    # Arrays of distinct items

    def _array_of_distinct(self, shape: Arrays, nested: bool) -> ir.Expression:
        language = distinct_strings(shape, self.forms)
        if language is not None:
            return self._distinct_strings(shape, language, nested)
        number = self._numbers.get(shape)
        if number is None:
            try:
                domain = finite_domain(shape, self.forms)
            except UnsupportedSchemaError:
                return self._any_distinct(shape, nested)
            self._distinct.append(domain)
            number = self._numbers[shape] = len(self._distinct) - 1
        domain = self._distinct[number]
        if not domain.is_live(0, 0):
            return _NO_TEXT
        start = ir.Alternation(tuple(self._distinct_steps(number, 0, 0, ())))
        return ir.Sequence((self.lexemes.open_array[nested], start))

    def _any_distinct(self, shape: Arrays, nested: bool) -> ir.Expression:
        """Distinct items of any kind."""
        rules = self._exclusions.array_rules(shape)
        if rules is None:
            return _NO_TEXT
        self._unique[shape] = rules
        return self._exclusions.distinct_array(rules, nested)

    def without_unsupported(self, shape: Arrays, error: UnsupportedSchemaError) -> Arrays:
        """The shape without what cannot be enforced, where the caller wants to go on."""
        relaxed, place = self.forms.relaxed, self.forms.pointer(self._place)
        if relaxed is None:
            raise UnsupportedSchemaError(error.reason, pointer=place, keyword="uniqueItems") from error
        note = ir.Relaxation(place, "uniqueItems", error.reason)
        if note not in relaxed:
            relaxed.append(note)
        return replace(shape, unique=False, repeating=False)

    def _distinct_rule(self, number: int, seen: int, count: int) -> ir.Expression:
        return ir.Alternation(tuple(self._distinct_steps(number, seen, count, (self.lexemes.comma,))))

    def _distinct_steps(
        self, number: int, seen: int, count: int, before: tuple[ir.Terminal, ...]
    ) -> list[ir.Expression]:
        domain = self._distinct[number]
        steps: list[ir.Expression] = [self.lexemes.close_array] if domain.may_end(count) else []
        for formula, following in domain.options(seen, count):
            rule = ir.Reference(f"d{number}.{following}.{count + 1}")
            steps.append(ir.Sequence((*before, ir.Reference(self._nested(formula)), rule)))
        return steps

    def _distinct_strings(self, shape: Arrays, language: Regular, nested: bool) -> ir.Expression:
        """Distinct strings are what the names of an object's members are."""
        texts = strings.finite_words(language)
        limit = shape.maximum
        if texts is not None and limit is not None and limit >= len(texts):
            limit = None
        if texts is not None and shape.minimum > len(texts):
            return _NO_TEXT
        return ir.Members(
            keys=tuple(ir.Key(text, None) for text in texts or ()),
            others=() if texts is not None else (ir.OtherKeys(language, None),),
            minimum=shape.minimum,
            maximum=limit,
            ordered=False,
            open=self.lexemes.open_array[nested],
            close=self.lexemes.close_array,
            comma=self.lexemes.comma,
            colon=self.lexemes.colon,
            key_prefix=self.lexemes.key_prefix,
            any_escape=self._options.any_escape,
        )
