"""Arrays as machines that count: which items may come next, and when the array may end.

A state is the number of items read and, for each `contains`, how many of them were counted, both as far as it
matters.  An item is counted for a subset of the `contains`; for those with a maximum that it is not counted for, it
must not satisfy them.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.json_schema.formulas import FALSE, Formula
from constrain.grammars.json_schema.shapes import Arrays, Contains

if TYPE_CHECKING:
    from constrain.grammars.json_schema.formulas import Formulas

__all__ = ["ArrayMachine", "State"]

State = tuple[int, tuple[int, ...]]
_MAX_STATES = 50_000


class ArrayMachine:
    """The arrays of a shape, without regard to `unique` and `repeating`."""

    start: State

    def __init__(self, shape: Arrays, formulas: "Formulas") -> None:
        self.shape = shape
        self._formulas = formulas
        self._contains = shape.contains
        marks = [len(shape.prefix), shape.minimum, shape.maximum or 0, *(one.start for one in self._contains)]
        self._last_index = max(marks)
        self.start = (0, (0,) * len(self._contains))
        self._options: dict[State, tuple[tuple[Formula, State], ...]] = {}
        self._live: dict[State, bool] | None = None

    def may_end(self, state: State) -> bool:
        """Whether the array may end here."""
        index, counts = state
        return index >= self.shape.minimum and all(
            count >= one.minimum for count, one in zip(counts, self._contains, strict=True)
        )

    def options(self, state: State) -> tuple[tuple[Formula, State], ...]:
        """The items that may come next, each with the state after it."""
        known = self._options.get(state)
        if known is None:
            if len(self._options) >= _MAX_STATES:
                raise ResourceLimitError("an array has too many states to count its items in", limit="max_grammar")
            known = self._options[state] = tuple(self._new_options(state))
        return known

    def _new_options(self, state: State) -> Iterable[tuple[Formula, State]]:
        index, counts = state
        if self.shape.maximum is not None and index >= self.shape.maximum:
            return
        choices: list[tuple[list[Formula], tuple[int, ...]]] = [([self.shape.item(index)], ())]
        for one, count in zip(self._contains, counts, strict=True):
            choices = [
                ([*parts, *more], (*after, following))
                for parts, after in choices
                for more, following in self._counted(one, count, index)
            ]
        following_index = min(index + 1, self._last_index)
        for parts, after in choices:
            formula = self._formulas.conjunction(parts)
            if formula != FALSE:
                yield formula, (following_index, after)

    def _counted(self, one: Contains, count: int, index: int) -> Iterable[tuple[list[Formula], int]]:
        """What an item satisfies, and the count after it."""
        if index < one.start:
            yield [], count
            return
        if one.maximum is None:
            yield [], count
            if count < one.minimum:
                yield [one.formula], count + 1
            return
        yield [self._formulas.negation(one.formula)], count
        if count < one.maximum:
            yield [one.formula], count + 1

    # As a requirement of emptiness, see `normal_forms`

    def states(self) -> dict[State, None]:
        """All states, in the order of first visits."""
        found = {self.start: None}
        pending = [self.start]
        while pending:
            for _, following in self.options(pending.pop()):
                if following not in found:
                    found[following] = None
                    pending.append(following)
        return found

    @property
    def formulas(self) -> list[Formula]:
        """All formulas of items."""
        if self.may_end(self.start):
            return []
        return list(dict.fromkeys(formula for state in self.states() for formula, _ in self.options(state)))

    def holds(self, inhabited: Mapping[Formula, bool]) -> bool:
        """Whether some array belongs to the shape, when items can be of the formulas known to be inhabited."""
        return self.live_states(inhabited).get(self.start, False)

    def live_states(self, inhabited: Mapping[Formula, bool]) -> dict[State, bool]:
        """For each state, whether the array can be ended from it."""
        before: dict[State, list[State]] = {}
        live: dict[State, bool] = {}
        pending = []
        for state in self.states():
            live[state] = self.may_end(state)
            if live[state]:
                pending.append(state)
            for formula, following in self.options(state):
                if inhabited.get(formula, False):
                    before.setdefault(following, []).append(state)
        while pending:
            for state in before.get(pending.pop(), ()):
                if not live[state]:
                    live[state] = True
                    pending.append(state)
        return live


class PlainArrayRequirement:
    """What must be inhabited for an array without `contains` to be: its first items."""

    __slots__ = ("formulas",)

    def __init__(self, shape: Arrays) -> None:
        self.formulas = list(dict.fromkeys(shape.prefix[: shape.minimum]))
        if shape.minimum > len(shape.prefix) and shape.rest not in self.formulas:
            self.formulas.append(shape.rest)

    def holds(self, inhabited: Mapping[Formula, bool]) -> bool:
        """Whether some array belongs to the shape, by what is known so far."""
        return all(inhabited.get(formula, False) for formula in self.formulas)
