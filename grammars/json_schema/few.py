"""All values of a formula, where they are few: whether a value is left when some are taken away.

A formula has more than n values, or its values are listed.  What is bounded only by itself (a list of lists, a member
that is an object like the one it is in) has infinitely many.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from constrain.grammars.errors import UnsupportedSchemaError
from constrain.grammars.json_schema import strings
from constrain.grammars.json_schema.array_machines import State
from constrain.grammars.json_schema.canonical import Value, ValueSet, canonical_number
from constrain.grammars.json_schema.formulas import Formula
from constrain.grammars.json_schema.numbers import Piece
from constrain.grammars.json_schema.settling import settled_objects
from constrain.grammars.json_schema.shapes import Objects
from constrain.grammars.regular import Regular

if TYPE_CHECKING:
    from constrain.grammars.json_schema.array_frames import ArrayRules
    from constrain.grammars.json_schema.excluding import Exclusions
    from constrain.grammars.json_schema.normal_forms import NormalForms

__all__ = ["FewValues"]

_MAX_TRIED = 200_000

Open = frozenset[Formula]


class _Many(Exception):  # noqa: N818
    """There are more values than asked for."""


class FewValues:
    """Finds the values of the formulas of one schema."""

    def __init__(self, home: "Exclusions", forms: "NormalForms") -> None:
        self._home, self._forms = home, forms
        self._all: dict[Formula, frozenset[Value]] = {}
        self._more: dict[Formula, int] = {}  # formulas that are known to have more values than this

    def of(self, formula: Formula, limit: int, within: Open = frozenset()) -> frozenset[Value] | None:
        """The values, None when there are more than `limit`."""
        known = self._all.get(formula)
        if known is not None:
            return known if len(known) <= limit else None
        if formula in within or limit <= self._more.get(formula, -1):
            return None
        if not self._forms.is_inhabited(formula):
            return frozenset()
        wanted = max(2 * limit, 16)
        try:
            found = self._listed(formula, wanted, within | {formula})
        except _Many:
            self._more[formula] = max(wanted, self._more.get(formula, 0))
            return None
        self._all[formula] = found
        return found if len(found) <= limit else None

    def is_exhausted(self, formula: Formula, excluded: ValueSet) -> bool:
        """Whether nothing is left of a formula when some values are excluded."""
        values = self.of(formula, len(excluded))
        return values is not None and values <= excluded.values()

    def _listed(self, formula: Formula, limit: int, within: Open) -> frozenset[Value]:
        values = self._forms.values(formula)
        found: set[Value] = set(values.booleans)
        if values.null:
            found.add(None)
        for piece in values.numbers:
            found.update(map(canonical_number, _numbers(piece, limit)))
        found.update(text.decode() for text in _words(values.strings, limit))
        for array in values.arrays:
            rules = self._home.array_rules(array)
            if rules is not None:
                found.update(self._arrays(rules, limit, within))
        for shape in values.objects:
            for settled in settled_objects(shape, self._forms):
                found.update(self._objects(settled, limit, within))
        if len(found) > limit:
            raise _Many
        return frozenset(found)

    def _arrays(self, rules: "ArrayRules", limit: int, within: Open) -> Iterator[Value]:
        if not rules.is_bounded():
            raise _Many
        count = 0
        pending: list[tuple[State, tuple[Value, ...]]] = [(rules.start, ())]
        while pending:
            state, items = pending.pop()
            if rules.may_end(state):
                count += 1
                yield items
            if count > limit:
                raise _Many
            seen = rules.first_seen().plus(*items) if rules.shape.unique else None
            for formula, following in rules.options(state):
                values = self.of(formula, limit, within)
                if values is None:
                    if rules.is_enough(following, seen):
                        raise _Many
                    continue
                for value in values:
                    if seen is None or value not in seen:
                        after = None if seen is None else seen.plus(value)
                        if rules.is_enough(following, after):
                            pending.append((following, (*items, value)))

    def _objects(self, shape: Objects, limit: int, within: Open) -> Iterator[Value]:
        inhabited = self._forms.is_inhabited
        if any(not inhabited(shape.keys[name]) for name in shape.required):
            return
        if shape.witnesses:
            if all(inhabited(witness.formula) for witness in shape.witnesses):
                raise _Many
            return
        keys = [(name, formula) for name, formula in shape.keys.items() if inhabited(formula)]
        most = len(keys) if shape.maximum is None else shape.maximum
        required = len(shape.required)
        if most < required:
            return
        others = any(inhabited(one.formula) for one in shape.classes)
        if others and (shape.maximum is None or shape.maximum > required):
            raise _Many
        if shape.minimum > len(keys):
            return
        count = 0
        pending: list[tuple[int, int, frozenset[tuple[str, Value]]]] = [(0, required, frozenset())]
        while pending:
            place, missing, members = pending.pop()
            if len(members) + missing > most or len(members) + len(keys) - place < shape.minimum:
                continue
            if place == len(keys):
                count += 1
                if count > limit:
                    raise _Many
                yield members
                continue
            name, formula = keys[place]
            if name not in shape.required:
                pending.append((place + 1, missing, members))
            missing -= name in shape.required
            if len(members) + 1 + missing > most:
                continue
            values = self.of(formula, limit, within)
            if values is None:
                raise _Many
            pending += [(place + 1, missing, members | {(name, value)}) for value in values]


def _numbers(piece: Piece, limit: int) -> list[Fraction]:
    low, high, multiple = piece.low, piece.high, piece.multiple
    if low is None or high is None or (multiple is None and low != high):
        raise _Many
    count = 1 if multiple is None or low == high else int((high - low) / multiple) + 1
    if count > limit and not piece.not_multiples:
        raise _Many
    if count > _MAX_TRIED:
        raise UnsupportedSchemaError("so many numbers that are no multiples cannot be counted", keyword="uniqueItems")
    step = multiple or Fraction(1)
    points = (low + i * step for i in range(count))
    found = [point for point in points if all((point / one).denominator != 1 for one in piece.not_multiples)]
    if len(found) > limit:
        raise _Many
    return found


def _words(language: Regular, limit: int) -> tuple[bytes, ...]:
    words = strings.finite_words(language, limit)
    if words is None:
        raise _Many
    return words
