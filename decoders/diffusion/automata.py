"""Small automata over letters and calls, for the networks of a grammar.

A symbol is a letter (not negative) or, as -1 - r, a call of rule r.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.graphs import equal_states, leading_to

__all__ = ["Deterministic", "Nondeterministic", "minimised"]

_MAX_STATES = 50_000


@dataclass(slots=True)
class Deterministic:
    """A deterministic automaton, or several with common states.

    moves   of each state, the states behind its symbols
    starts  first states
    finals  states in which a text may end
    """

    moves: list[dict[int, int]]
    starts: list[int]
    finals: set[int]


@dataclass(slots=True)
class Nondeterministic:
    """A nondeterministic automaton in the making."""

    moves: list[dict[int, set[int]]] = field(default_factory=list)
    skips: list[set[int]] = field(default_factory=list)
    finals: set[int] = field(default_factory=set)

    def state(self) -> int:
        """A new state."""
        self.moves.append(defaultdict(set))
        self.skips.append(set())
        return len(self.moves) - 1

    def add(self, other: Deterministic, *, final: bool = True) -> list[int]:
        """Copy an automaton; the new numbers of its states, which are final ones only if that is asked for."""
        places = [self.state() for _ in other.moves]
        for here, moves in zip(places, other.moves, strict=True):
            for symbol, target in moves.items():
                self.moves[here][symbol].add(places[target])
        if final:
            self.finals.update(places[state] for state in other.finals)
        return places

    def closed(self, states: Iterable[int]) -> frozenset[int]:
        """The states that some states lead to without reading, themselves included."""
        found = set(states)
        pending = list(found)
        while pending:
            for after in self.skips[pending.pop()] - found:
                found.add(after)
                pending.append(after)
        return frozenset(found)

    def determinised(self, starts: Sequence[Iterable[int]], limit: int = _MAX_STATES) -> Deterministic:
        """The automata that begin in sets of states, without superfluous states.

        Raises ResourceLimitError when more than `limit` sets are met.
        """
        numbers: dict[frozenset[int], int] = {}
        order: list[frozenset[int]] = []

        def number(states: Iterable[int]) -> int:
            closed = self.closed(states)
            if closed not in numbers:
                numbers[closed] = len(order)
                order.append(closed)
            return numbers[closed]

        first = [number(states) for states in starts]
        moves: list[dict[int, int]] = []
        for states in order:  # grows meanwhile
            if len(order) > limit:
                raise ResourceLimitError(f"a rule of the grammar has more than {limit} states", limit="max_states")
            targets: dict[int, set[int]] = defaultdict(set)
            for state in states:
                for symbol, after in self.moves[state].items():
                    targets[symbol] |= after
            moves.append({symbol: number(after) for symbol, after in targets.items()})
        finals = {place for place, states in enumerate(order) if states & self.finals}
        return minimised(Deterministic(moves, first, finals))


def minimised(automaton: Deterministic) -> Deterministic:
    """With the least number of states; starts stay, also those from which no text is read."""
    useful = leading_to(automaton.finals, [row.values() for row in automaton.moves]) | set(automaton.starts)
    moves = [{s: t for s, t in row.items() if t in useful} for row in automaton.moves]
    final = [state in automaton.finals for state in range(len(moves))]
    blocks = equal_states([list(row.items()) for row in moves], final)
    return _reached(Deterministic(moves, automaton.starts, automaton.finals), blocks)


def _reached(automaton: Deterministic, blocks: list[int]) -> Deterministic:
    """The quotient by blocks, states numbered in the order in which they are reached."""
    numbers: dict[int, int] = {}
    order: list[int] = []

    def number(state: int) -> int:
        if blocks[state] not in numbers:
            numbers[blocks[state]] = len(order)
            order.append(state)
        return numbers[blocks[state]]

    starts = [number(state) for state in automaton.starts]
    moves = [  # the order grows meanwhile
        {symbol: number(target) for symbol, target in automaton.moves[state].items()} for state in order
    ]
    return Deterministic(moves, starts, {place for place, state in enumerate(order) if state in automaton.finals})
