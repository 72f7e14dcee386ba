"""Graphs: which states of an automaton lead to an end, which do the same, and what is in circles."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

__all__ = ["components", "equal_states", "leading_to"]


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


Node = TypeVar("Node", bound=Hashable)


def components(targets: Mapping[Node, Iterable[Node]]) -> list[list[Node]]:
    """Strongly connected components of a graph (Tarjan 1972); targets that it does not have count as none."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    path: list[Node] = []
    on_path: set[Node] = set()
    found: list[list[Node]] = []
    pending: list[tuple[Node, Iterator[Node]]] = []

    def enter(node: Node) -> None:
        index[node] = low[node] = len(index)
        path.append(node)
        on_path.add(node)
        pending.append((node, iter(targets[node])))

    for root in targets:
        if root not in index:
            enter(root)
        while pending:
            node, following = pending[-1]
            for target in following:
                if target in on_path:
                    low[node] = min(low[node], index[target])
                elif target in targets and target not in index:
                    enter(target)
                    break
            else:
                pending.pop()
                if pending:
                    low[pending[-1][0]] = min(low[pending[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append([path.pop()])
                    while found[-1][-1] != node:
                        found[-1].append(path.pop())
                    on_path.difference_update(found[-1])
    return found
