"""Automata as graphs: which states lead to an end, and which do the same."""

from collections.abc import Hashable, Iterable, Sequence

__all__ = ["equal_states", "leading_to"]


def leading_to(ends: Iterable[int], targets: Sequence[Iterable[int]]) -> set[int]:
    """The states from which one of `ends` can be reached, these included; `targets` has those one step from each."""
    sources: list[list[int]] = [[] for _ in targets]
    for state, reached in enumerate(targets):
        for target in reached:
            sources[target].append(state)
    pending = list(ends)
    found = set(pending)
    while pending:
        for source in sources[pending.pop()]:
            if source not in found:
                found.add(source)
                pending.append(source)
    return found


def equal_states(rows: Sequence[Sequence[tuple[Hashable, int]]], final: Sequence[bool]) -> list[int]:
    """The block of each state, where states share one that no continuation tells apart (Moore 1956).

    `rows` has the transitions of each state of a deterministic automaton, as symbols and targets.  Blocks are numbered
    in the order of their first states.
    """
    blocks = [int(one) for one in final]
    count = len(set(blocks))
    while True:
        numbers: dict[Hashable, int] = {}
        refined = []
        for state, row in enumerate(rows):
            leads = frozenset((symbol, blocks[target]) for symbol, target in row)
            refined.append(numbers.setdefault((blocks[state], leads), len(numbers)))
        if len(numbers) == count:
            return refined
        blocks, count = refined, len(numbers)
