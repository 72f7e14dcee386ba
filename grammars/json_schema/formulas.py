"""Formulas over schemas: what a value must satisfy, before it is known what type it has.

A formula is a number.  Equal formulas have equal numbers, so that a conjunction met twice in a recursive schema is the
same rule of the grammar both times.  Nothing is looked up or normalised here: a schema is an opaque number of a
`references.Schema`, which `normal_forms` opens when somebody asks for the values of a formula.
"""

from collections.abc import Iterable
from typing import Any, Literal

__all__ = ["FALSE", "TRUE", "Formula", "Formulas"]

Formula = int

TRUE: Formula = 0
FALSE: Formula = 1

Kind = Literal["constant", "schema", "and", "or", "not", "given", "postponed"]


class Formulas:
    """All formulas of one grammar."""

    def __init__(self) -> None:
        self._definitions: list[tuple[Kind, Any]] = [("constant", True), ("constant", False)]
        self._numbers: dict[tuple[Kind, Any], Formula] = {}
        self._negations: dict[Formula, Formula] = {TRUE: FALSE, FALSE: TRUE}
        self._pairs: dict[tuple[Formula, Formula], Formula] = {}

    def __len__(self) -> int:
        return len(self._definitions)

    def definition(self, formula: Formula) -> tuple[Kind, Any]:
        """The operator of a formula and what it stands on: formulas, or the key of a schema or value."""
        return self._definitions[formula]

    def _formula(self, kind: Kind, payload: Any) -> Formula:
        key = kind, payload
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._definitions)
            self._definitions.append(key)
        return number

    def schema(self, number: int) -> Formula:
        """What a schema asks for."""
        return self._formula("schema", number)

    def given(self, number: int) -> Formula:
        """Being in a set of values, by the number that its owner has given it."""
        return self._formula("given", number)

    def postponed(self, key: object) -> Formula:
        """A formula that its owner will work out, by the key that it has given it."""
        return self._formula("postponed", key)

    def declare_complements(self, formula: Formula, negation: Formula) -> Formula:
        """Note that a formula's negation has a better form than De Morgan's; the formula itself."""
        self._negations.setdefault(formula, negation)
        self._negations.setdefault(negation, formula)
        return formula

    def negation(self, formula: Formula) -> Formula:
        """What does not satisfy a formula."""
        known = self._negations.get(formula)
        if known is None:
            known = self._formula("not", formula)
            self._negations[formula] = known
            self._negations[known] = formula
        return known

    def both(self, first: Formula, second: Formula) -> Formula:
        """What satisfies two formulas."""
        if first == second or second == TRUE:
            return first
        if first == TRUE:
            return second
        pair = first, second
        known = self._pairs.get(pair)
        if known is None:
            known = self._pairs[pair] = self.conjunction(pair)
        return known

    def conjunction(self, parts: Iterable[Formula]) -> Formula:
        """What satisfies all parts."""
        return self._combined("and", parts, TRUE, FALSE)

    def disjunction(self, parts: Iterable[Formula]) -> Formula:
        """What satisfies any part."""
        return self._combined("or", parts, FALSE, TRUE)

    def implies(self, first: Formula, second: Formula) -> bool:
        """Whether what satisfies the first formula visibly satisfies the second."""
        if first == second or second == TRUE or first == FALSE:
            return True
        kind, parts = self._definitions[second]
        needed = parts if kind == "and" else (second,)
        kind, parts = self._definitions[first]
        have = parts if kind == "and" else (first,)
        return set(needed) <= set(have)

    def _combined(self, kind: Kind, parts: Iterable[Formula], neutral: Formula, absorbing: Formula) -> Formula:
        distinct: dict[Formula, None] = {}
        for part in parts:
            if part == absorbing:
                return absorbing
            if part == neutral:
                continue
            inner_kind, inner = self._definitions[part]
            distinct.update(dict.fromkeys(inner if inner_kind == kind else (part,)))
        if any(self._negations.get(part) in distinct for part in distinct):
            return absorbing
        if not distinct:
            return neutral
        return next(iter(distinct)) if len(distinct) == 1 else self._formula(kind, tuple(distinct))
