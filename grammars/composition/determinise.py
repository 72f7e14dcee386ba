"""Regular languages as explicit deterministic automata."""

from dataclasses import dataclass

from constrain.grammars.automata.language import Language
from constrain.grammars.automata.states import States
from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.graphs import equal_states, leading_to
from constrain.grammars.regular import Automaton, Regular

__all__ = ["Table", "determinised"]


@dataclass(frozen=True, slots=True)
class Table:
    """A deterministic automaton: the target of each state and byte, and whether a state is final; state 0 is first."""

    targets: tuple[dict[int, int], ...]
    final: tuple[bool, ...]

    def between(self, start: int, end: int) -> Automaton:
        """The texts that lead from one state to another."""
        on_the_way = leading_to([end], [row.values() for row in self.targets])
        numbers = {start: 0}
        order = [start]
        rows: list[tuple[tuple[int, int, int], ...]] = []
        for state in order:
            row: list[tuple[int, int, int]] = []
            for byte, target in sorted(self.targets[state].items()):
                if target not in on_the_way:
                    continue
                if target not in numbers:
                    numbers[target] = len(order)
                    order.append(target)
                number = numbers[target]
                if row and row[-1][1] == byte - 1 and row[-1][2] == number:
                    row[-1] = row[-1][0], byte, number
                else:
                    row.append((byte, byte, number))
            rows.append(tuple(row))
        return Automaton(tuple(rows), tuple(state == end for state in order))


def determinised(regular: Regular, max_states: int) -> Table:
    """The automaton of a language that is not empty, with the fewest states.

    Raises ResourceLimitError when more than `max_states` states are found before equal ones are merged.
    """
    states = States(Language(regular))
    assert states.start is not None
    numbers = {states.start: 0}
    order = [states.start]
    rows: list[dict[int, int]] = []
    for state in order:
        row = {}
        for byte, target in states.steps(state):
            row[byte] = numbers.setdefault(target, len(numbers))
            if row[byte] == len(order):
                order.append(target)
        rows.append(row)
        if len(order) > max_states:
            raise ResourceLimitError(f"a regular language needs more than {max_states} states", limit="max_states")
    return _minimised(rows, [states.is_final(state) for state in order])


def _minimised(rows: list[dict[int, int]], final: list[bool]) -> Table:
    """Merge states that no continuation tells apart."""
    block = equal_states([list(row.items()) for row in rows], final)
    members: dict[int, int] = {}
    for state, number in enumerate(block):
        members.setdefault(number, state)
    targets = tuple({byte: block[target] for byte, target in rows[state].items()} for state in members.values())
    return Table(targets, tuple(final[state] for state in members.values()))
