"""Arrays some of whose values are taken away, and arrays of distinct items, as rules that are made as a text is read.

A frame stands in an array.  It knows the state of the array's machine (`array_machines`: how many items there are, and
how many of them satisfy each `contains`), the items `seen`, which none may equal, and `same`, the rest of each array
that has been taken away and has begun as this one.  Items are bound (`ir.Binding`): what follows depends on them.

An item is *dead* when the array could not be ended behind it: because too few values would be left for the items that
must still come, or because all that may come has been taken away.  Dead items are taken away from the items, so that
there are no dead ends.  Whether items that must still come have values at all is a matching of places and values.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from constrain.grammars import ir
from constrain.grammars.json_schema.array_machines import ArrayMachine, State
from constrain.grammars.json_schema.canonical import NO_VALUES, Value, ValueSet, canonical
from constrain.grammars.json_schema.formulas import Formula
from constrain.grammars.json_schema.shapes import Arrays

if TYPE_CHECKING:
    from constrain.grammars.json_schema.excluding import Exclusions

__all__ = ["ArrayFrame", "ArrayRules"]

Rest = tuple[Value, ...]
Stage = Literal["first", "behind", "item"]

_MANY = 4096


class ArrayRules:
    """The arrays of one shape."""

    def __init__(self, home: "Exclusions", shape: Arrays) -> None:
        self.home, self.shape = home, shape
        self._machine = ArrayMachine(shape, home.forms.formulas)
        self.start = self._machine.start
        self._options: dict[State, tuple[tuple[Formula, State], ...]] = {}

    @cached_property
    def _live(self) -> dict[State, bool] | None:
        """States from which the array can be ended; None for all."""
        if not self.shape.contains:
            return None
        formulas = {formula for state in self._machine.states() for formula, _ in self._machine.options(state)}
        return self._machine.live_states({formula: self.home.is_inhabited(formula) for formula in formulas})

    @cached_property
    def is_decided(self) -> bool:
        """Whether `is_enough` is exact: with `contains`, only where there are always values left."""
        if not (self.shape.contains and self.shape.unique):
            return True
        formulas = {formula for state in self._machine.states() for formula, _ in self._machine.options(state)}
        rich = self._machine.live_states({formula: self.has_many(formula, _MANY) for formula in formulas})
        return all(rich[state] == live for state, live in (self._live or {}).items())

    def formulas(self) -> set[Formula]:
        """What items can be."""
        if not self.shape.contains:
            return {formula for formula in (*self.shape.prefix, self.shape.rest) if self.home.is_inhabited(formula)}
        return {formula for state in self._machine.states() for formula, _ in self.options(state)}

    @staticmethod
    def first_seen() -> ValueSet:
        """The items seen at the beginning."""
        return NO_VALUES

    def options(self, state: State) -> tuple[tuple[Formula, State], ...]:
        """The items that may come next, each with the state after it."""
        known = self._options.get(state)
        if known is None:
            live = self._live
            known = self._options[state] = tuple(
                (formula, following)
                for formula, following in self._machine.options(state)
                if (live is None or live[following]) and self.home.is_inhabited(formula)
            )
        return known

    def may_end(self, state: State) -> bool:
        """Whether the array may end."""
        return self._machine.may_end(state)

    def has_many(self, formula: Formula, count: int) -> bool:
        """Whether a formula has more than so many values."""
        return self.home.few.of(formula, count) is None

    def is_bounded(self) -> bool:
        """Whether the arrays are bounded in length, or by the values that there are."""
        limit = self.shape.limit()
        return limit is not None or (self.shape.unique and not self.shape.contains)

    # Items that must still come

    def _needed(self, state: State, seen: ValueSet) -> tuple[list[frozenset[Value]], int]:
        """The values left for each place that must be filled and has few, and how many other places there are."""
        places = [self.shape.item(index) for index in range(state[0], self.shape.minimum)]
        few: list[frozenset[Value]] = []
        values: dict[Formula, frozenset[Value] | None] = {}
        for formula in places:
            if formula not in values:
                found = self.home.few.of(formula, len(seen) + len(places))
                values[formula] = None if found is None else found - seen.values()
            left = values[formula]
            if left is not None:
                few.append(left)
        return few, len(places) - len(few)

    def is_enough(self, state: State, seen: ValueSet | None) -> bool:
        """Whether the array can be ended with items that are not `seen`; None: with any items."""
        if seen is None or self.shape.contains:
            return True
        few, _ = self._needed(state, seen)
        return _are_matched(few)

    def wanted(self, state: State, seen: ValueSet | None) -> set[Value]:
        """The values that places which must be filled may lack."""
        if seen is None or self.shape.contains:
            return set()
        few, _ = self._needed(state, seen)
        return set().union(*few)

    def can_end(self, state: State, seen: ValueSet | None, same: frozenset[Rest]) -> bool:
        """Whether the array can be ended with something else than `same`."""
        pending = [(state, seen, same)]
        while pending:
            state, seen, same = pending.pop()
            if not same:
                if self.is_enough(state, seen):
                    return True
                continue
            if self.may_end(state) and () not in same:
                return True
            if self.can_differ(state, seen, len(same)):
                return True
            heads = _by_head(same)
            for formula, following in self.options(state):
                avoided = len(heads) + len(seen or ()) + len(self.wanted(following, seen))
                values = self.home.few.of(formula, avoided)
                if values is None:
                    if self.is_enough(following, seen):
                        return True
                    continue
                for value in values:
                    if seen is None or value not in seen:
                        after = None if seen is None else seen.plus(value)
                        pending.append((following, after, frozenset(heads.get(value, ()))))
        return False

    def can_differ(self, state: State, seen: ValueSet | None, count: int) -> bool:
        """Whether an item can come that is none of any `count` values, and the array be ended behind it.

        False also where that is not plain.
        """
        return any(
            self.has_many(formula, count + len(seen or ()) + len(self.wanted(following, seen)))
            and self.is_enough(following, seen)
            for formula, following in self.options(state)
        )


def _by_head(same: Iterable[Rest]) -> dict[Value, set[Rest]]:
    found: dict[Value, set[Rest]] = {}
    for rest in same:
        if rest:
            found.setdefault(rest[0], set()).add(rest[1:])
    return found


def _behind(same: Iterable[Rest], value: Value) -> frozenset[Rest]:
    return frozenset(rest[1:] for rest in same if rest and rest[0] == value)


def _are_matched(places: list[frozenset[Value]]) -> bool:
    """Whether every place can have a value of its own (Kuhn 1955, along augmenting paths)."""
    places = [place for place in places if len(place) < len(places)]  # any other finds one in the end
    value_of: dict[int, Value] = {}
    for start in range(len(places)):
        place_of = {value: place for place, value in value_of.items()}
        came_from: dict[Value, int] = {}
        free: list[Value] = []
        pending = [start]
        while pending and not free:
            place = pending.pop()
            for value in places[place]:
                if value not in came_from:
                    came_from[value] = place
                    if value in place_of:
                        pending.append(place_of[value])
                    else:
                        free.append(value)
        if not free:
            return False
        value = free[0]
        while came_from[value] != start:
            place = came_from[value]
            value, value_of[place] = value_of[place], value
        value_of[start] = value
    return True


@dataclass(frozen=True, slots=True)
class ArrayFrame:
    """A place in an array: before its first item, behind an item, or before a further one."""

    rules: ArrayRules
    state: State
    seen: ValueSet | None
    same: frozenset[Rest]
    stage: Stage = "first"

    def can_end(self) -> bool:
        """Whether the array can be ended."""
        return self.rules.can_end(self.state, self.seen, self.same)

    def expression(self) -> ir.Expression:
        """What may follow here."""
        lexemes = self.rules.home.lexemes
        if self.stage == "item":
            return ir.Alternation(tuple(self._items()))
        parts: list[ir.Expression] = []
        if self.rules.may_end(self.state) and () not in self.same:
            parts.append(lexemes.close_array)
        if self.stage == "first":
            parts += self._items()
        elif any(not self._is_refused(formula, following) for formula, following in self.rules.options(self.state)):
            parts.append(ir.Sequence((lexemes.comma, ir.Late(replace(self, stage="item")))))
        return parts[0] if len(parts) == 1 else ir.Alternation(tuple(parts))

    def _is_free(self) -> bool:
        return self.seen is None and not self.same

    def _dead(self, following: State) -> ValueSet:
        """The values that may not come next."""
        seen = self.seen
        wanted = self.rules.wanted(following, seen)
        heads: dict[Value, set[Rest]] = {}
        if not self.rules.can_differ(following, seen, len(self.same) + 1):
            heads = _by_head(self.same)
        dead = [
            value
            for value in {**dict.fromkeys(wanted), **heads}
            if (seen is None or value not in seen)
            and not self.rules.can_end(
                following, None if seen is None else seen.plus(value), frozenset(heads.get(value, ()))
            )
        ]
        return (NO_VALUES if seen is None else seen).plus(*dead)

    def _is_refused(self, formula: Formula, following: State) -> bool:
        if self._is_free():
            return False
        if not self.same and self.seen is not None:
            limit = len(self.seen) + len(self.rules.wanted(following, self.seen))
            if self.rules.has_many(formula, limit):
                return not self.rules.is_enough(following, self.seen)
        return self.rules.home.few.is_exhausted(formula, self._dead(following))

    def _items(self) -> list[ir.Expression]:
        home = self.rules.home
        parts: list[ir.Expression] = []
        for formula, following in self.rules.options(self.state):
            if self._is_free():
                after = ir.Late(replace(self, state=following, stage="behind"))
                parts.append(ir.Sequence((home.plain(formula), after)))
                continue
            dead = self._dead(following)
            if home.few.is_exhausted(formula, dead):
                continue
            free = replace(self, state=following, seen=None, same=frozenset(), stage="behind")
            item = home.without(formula, dead)
            parts.append(ir.Binding(item, _Item(self, following), free.expression(), self._is_settled(following)))
        return parts

    def _is_settled(self, following: State) -> bool:
        """Whether the array may end behind the next item, and whether it may go on, does not depend on the item."""
        rules, options = self.rules, self.rules.options(following)
        if not rules.may_end(following) or not options:
            return True  # it can only go on, or only end, since dead items are refused
        return not self.same and any(rules.has_many(formula, len(self.seen or ()) + 1) for formula, _ in options)


@dataclass(frozen=True, slots=True)
class _Item:
    """What follows an item."""

    frame: ArrayFrame
    following: State

    def __call__(self, text: bytes) -> ir.Expression:
        frame, value = self.frame, canonical(text)
        seen = None if frame.seen is None else frame.seen.plus(value)
        same = _behind(frame.same, value)
        return ir.Late(replace(frame, state=self.following, seen=seen, same=same, stage="behind"))
