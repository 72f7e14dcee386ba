"""From the right-hand side of a rule to a recursive transition network.

A right-hand side is a regular expression over terminals and rules.  It becomes a nondeterministic automaton in
Thompson's way, then a deterministic one by subset construction, minimised by Moore's algorithm: the fewer states,
the fewer items the parser carries.  Rules that may derive the empty text count as skippable in the first step, so
that the parser never has to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from constrain.grammars import ir
from constrain.grammars.graphs import equal_states, leading_to

__all__ = ["Label", "Network", "network_of"]

Label = tuple[str, int]
"""What a transition reads: its kind, "terminal" or "rule", and its number."""

_COPIES = 64  # a repetition that needs more copies of its part than this becomes a loop


@dataclass(frozen=True, slots=True)
class Network:
    """Deterministic; state 0 is the first: transitions (label, target) of each state, and whether it is final."""

    transitions: tuple[tuple[tuple[Label, int], ...], ...]
    final: tuple[bool, ...]


class _Thompson:
    """A nondeterministic automaton with empty moves; state 0 is the first, state 1 the last."""

    def __init__(self) -> None:
        self.edges: list[list[tuple[Label, int]]] = [[], []]
        self.empty: list[list[int]] = [[], []]

    def state(self) -> int:
        self.edges.append([])
        self.empty.append([])
        return len(self.edges) - 1

    def closure(self, states: Sequence[int]) -> frozenset[int]:
        """The states reached by empty moves."""
        reached = set(states)
        pending = list(states)
        while pending:
            for target in self.empty[pending.pop()]:
                if target not in reached:
                    reached.add(target)
                    pending.append(target)
        return frozenset(reached)


def _build(expression: ir.Expression, label: Callable[[ir.Expression], tuple[Label | None, bool]]) -> _Thompson:
    automaton = _Thompson()
    pending: list[tuple[ir.Expression, int, int]] = [(expression, 0, 1)]
    while pending:
        node, start, end = pending.pop()
        match node:
            case ir.Sequence(parts):
                for part in parts[:-1]:
                    middle = automaton.state()
                    pending.append((part, start, middle))
                    start = middle
                if parts:
                    pending.append((parts[-1], start, end))
                else:
                    automaton.empty[start].append(end)
            case ir.Alternation(parts):
                pending.extend((part, start, end) for part in parts)
            case ir.Repeat(part, minimum, maximum) if max(minimum, maximum or 0) <= _COPIES:
                for _ in range(minimum):
                    middle = automaton.state()
                    pending.append((part, start, middle))
                    start = middle
                if maximum is None:
                    loop, back = automaton.state(), automaton.state()
                    automaton.empty[start].append(loop)
                    automaton.empty[loop].append(end)
                    automaton.empty[back].append(loop)
                    pending.append((part, loop, back))
                else:
                    for _ in range(maximum - minimum):
                        middle = automaton.state()
                        automaton.empty[start].append(end)
                        pending.append((part, start, middle))
                        start = middle
                    automaton.empty[start].append(end)
            case _:
                read, skippable = label(node)
                if read is not None:
                    automaton.edges[start].append((read, end))
                if skippable:
                    automaton.empty[start].append(end)
    return automaton


def _determinise(automaton: _Thompson) -> Network:
    first = automaton.closure([0])
    numbers = {first: 0}
    order = [first]
    transitions: list[tuple[tuple[Label, int], ...]] = []
    for subset in order:
        targets: dict[Label, list[int]] = {}
        for state in sorted(subset):
            for label, target in automaton.edges[state]:
                targets.setdefault(label, []).append(target)
        row = []
        for label, reached in targets.items():
            closed = automaton.closure(reached)
            if closed not in numbers:
                numbers[closed] = len(order)
                order.append(closed)
            row.append((label, numbers[closed]))
        transitions.append(tuple(row))
    return Network(tuple(transitions), tuple(1 in subset for subset in order))


def _minimise(network: Network) -> Network:
    """Merge states that no continuation tells apart, and drop those that lead nowhere."""
    finals = [state for state, final in enumerate(network.final) if final]
    useful = leading_to(finals, [[target for _, target in row] for row in network.transitions])
    rows = [[(label, target) for label, target in row if target in useful] for row in network.transitions]
    block = equal_states(rows, network.final)
    members: dict[int, int] = {}
    for state, number in enumerate(block):
        members.setdefault(number, state)
    transitions = tuple(tuple((label, block[target]) for label, target in rows[state]) for state in members.values())
    return Network(transitions, tuple(network.final[state] for state in members.values()))


def _direct(expression: ir.Expression, label: Callable[[ir.Expression], tuple[Label | None, bool]]) -> Network | None:
    """The network of a choice between single steps, which needs no construction; None for anything else."""
    parts = expression.parts if isinstance(expression, ir.Alternation) else (expression,)
    if any(isinstance(part, _COMPOSED) for part in parts):
        return None
    steps = [label(part) for part in parts]
    reads = dict.fromkeys((read, 1) for read, _ in steps if read is not None)
    return Network((tuple(reads), ()), (any(skippable for _, skippable in steps), True)) if reads else None


def _choice_of_sequences(
    expression: ir.Expression, label: Callable[[ir.Expression], tuple[Label | None, bool]]
) -> Network | None:
    """The network of a choice between sequences of steps, none of which may be skipped; None for anything else.

    A trie of labels, minimised from its leaves up, as is enough where there are no circles (Revuz 1992).
    """
    parts = expression.parts if isinstance(expression, ir.Alternation) else (expression,)
    words = [part.parts if isinstance(part, ir.Sequence) else (part,) for part in parts]
    if not all(words) or any(isinstance(one, _COMPOSED) for word in words for one in word):
        return None
    rows: list[dict[Label, int]] = [{}]
    final = [False]
    for word in words:
        state = 0
        for one in word:
            read, skippable = label(one)
            if read is None or skippable:
                return None
            if read not in rows[state]:
                rows[state][read] = len(rows)
                rows.append({})
                final.append(False)
            state = rows[state][read]
        final[state] = True
    return _without_twins(rows, final)


def _without_twins(rows: list[dict[Label, int]], final: list[bool]) -> Network:
    """A tree of states, each before those that it leads to, with states merged that no continuation tells apart."""
    same = [0] * len(rows)
    known: dict[tuple[bool, frozenset[tuple[Label, int]]], int] = {}
    for state in reversed(range(len(rows))):
        leads = frozenset((read, same[target]) for read, target in rows[state].items())
        same[state] = known.setdefault((final[state], leads), state)
    kept = sorted(known.values())
    number = {state: i for i, state in enumerate(kept)}
    transitions = tuple(tuple((read, number[same[to]]) for read, to in rows[state].items()) for state in kept)
    return Network(transitions, tuple(final[state] for state in kept))


_COMPOSED = (ir.Sequence, ir.Alternation, ir.Repeat)


def network_of(expression: ir.Expression, label: Callable[[ir.Expression], tuple[Label | None, bool]]) -> Network:
    """The network of a right-hand side.

    `label` says of an expression that is neither a sequence, an alternation nor a short repetition what its
    transition reads (None: it cannot read anything), and whether it may also be skipped.
    """
    return (
        _direct(expression, label)
        or _choice_of_sequences(expression, label)
        or _minimise(_determinise(_build(expression, label)))
    )
