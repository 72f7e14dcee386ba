"""Whether a text with holes can be completed to one of a context-free language, and how, by saturation.

The construction of Bar-Hillel, Perles and Shamir (1961) for the vertices of the text and the states of the grammar's
networks, from the start only: an item says that a rule, begun at some vertex, can be in a state at a vertex.  Items are
settled in the order of their costs (Knuth, "A generalization of Dijkstra's algorithm", 1977), so the first complete
text is a cheapest one: the shortest, or with costs -log p the most probable.  When all ways to all items are kept,
going back from the complete text over all of them finds what any completion uses.

Costs are those of what is read in holes, and are not negative.  Time and memory are O(items), for r rules, s states and
n vertices at most r·s·n², for unambiguous grammars far less.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable

from constrain.decoders.diffusion.networks import Networks
from constrain.decoders.diffusion.vertices import Edge, Vertices
from constrain.grammars.errors import ResourceLimitError

__all__ = ["Cost", "Saturation"]

Cost = Callable[[int, int], float]
"""The cost of a word in a hole: (number of the hole, word, -1 for a letter of a hole of any length)."""

_SHIFT = 24
_LOW = (1 << _SHIFT) - 1
_MAX_ITEMS = 5_000_000

Step = tuple[int, int, Edge | None]
"""How an item is reached: from an item, over the end of a called rule (-1: none), or by an edge."""


class Saturation:
    """Items over networks and vertices.

    exhaustive   settle all items and keep all ways to them; else stop at the first complete text
    """

    def __init__(
        self, networks: Networks, vertices: Vertices, cost: Cost | None = None, *, exhaustive: bool = False
    ) -> None:
        self._networks, self._vertices, self._cost, self._exhaustive = networks, vertices, cost, exhaustive
        self._entries: dict[tuple[str, int], int] = {}
        self._settled: dict[int, float] = {}
        self._best: dict[int, float] = {}
        self._steps: dict[int, list[Step]] = defaultdict(list)
        self._callers: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._ends: dict[int, list[int]] = defaultdict(list)
        self._heap: list[tuple[float, int]] = []
        first = self._enter(networks.start, 0)
        self._goal = self._item(first, self._final_of(networks.start), vertices.last)
        self._run()

    def _final_of(self, rule: str) -> int:
        return self._networks.ends[rule]

    @staticmethod
    def _item(entry: int, state: int, vertex: int) -> int:
        return (entry << _SHIFT | state) << _SHIFT | vertex

    def _enter(self, rule: str, vertex: int) -> int:
        """The number of a rule that begins at a vertex."""
        key = (rule, vertex)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = len(self._entries)
            self._reach(self._item(entry, self._networks.starts[rule], vertex), 0.0, None)
        return entry

    def _reach(self, item: int, cost: float, step: Step | None) -> None:
        if cost == math.inf:
            return
        better = cost < self._best.get(item, math.inf)
        if step is not None and (self._exhaustive or better):
            if not self._exhaustive or better:
                self._steps[item].insert(0, step)
            else:
                self._steps[item].append(step)
        if better:
            self._best[item] = cost
            heapq.heappush(self._heap, (cost, item))

    def _run(self) -> None:
        settled, heap = self._settled, self._heap
        while heap:
            cost, item = heapq.heappop(heap)
            if item in settled:
                continue
            settled[item] = cost
            if item == self._goal and not self._exhaustive:
                return
            if len(settled) > _MAX_ITEMS:
                raise ResourceLimitError(f"a chart of more than {_MAX_ITEMS} items", limit="max_states")
            self._settle(item, cost)

    def _settle(self, item: int, cost: float) -> None:
        networks, vertices = self._networks, self._vertices
        vertex, state, entry = item & _LOW, item >> _SHIFT & _LOW, item >> 2 * _SHIFT
        for after in networks.skips.get(state, ()):
            self._reach(self._item(entry, after, vertex), cost, (item, -1, None))
        for target, extra in vertices.skips.get(vertex, ()):
            self._reach(self._item(entry, state, target), cost + extra, (item, -1, None))
        for letter, targets in networks.edges.get(state, {}).items():
            for edge in vertices.read(vertex, letter):
                total = cost + self._cost_of(vertex, edge)
                for after in targets:
                    self._reach(self._item(entry, after, edge.target), total, (item, -1, edge))
        for rule, after in networks.calls.get(state, ()):
            called = self._enter(rule, vertex)
            self._callers[called].append((item, after))
            for end in self._ends[called]:
                self._reach(self._item(entry, after, end & _LOW), cost + self._settled[end], (item, end, None))
        if state in networks.finals:
            self._ends[entry].append(item)
            for caller, after in self._callers[entry]:
                target = self._item(caller >> 2 * _SHIFT, after, vertex)
                self._reach(target, self._settled[caller] + cost, (caller, item, None))

    def _cost_of(self, vertex: int, edge: Edge) -> float:
        hole = self._vertices.hole_of(vertex)
        if hole < 0 or self._cost is None:
            return 0.0
        if edge.word < 0 and vertex != edge.target:
            return 0.0  # inside a word
        return self._cost(hole, edge.word)

    # Answers

    @property
    def is_completable(self) -> bool:
        """Whether the text can be completed."""
        return self._goal in self._settled

    @property
    def cost(self) -> float:
        """The cost of a cheapest completion; infinite when there is none."""
        return self._settled.get(self._goal, math.inf)

    def witness(self) -> list[tuple[int, int, Edge]]:
        """What a cheapest completion reads, in order: hole (-1 for known text), vertex and edge; it must exist."""
        found, pending = [], [self._goal]
        while pending:
            item = pending.pop()
            steps = self._steps.get(item)
            if not steps:
                continue
            before, end, edge = steps[0]
            pending.append(before)
            if end >= 0:
                pending.append(end)
            if edge is not None:
                found.append((self._vertices.hole_of(item_vertex(before)), item_vertex(before), edge))
        return found[::-1]

    def useful(self) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """What completions use: words as (hole, word), and skips as (vertex, vertex); wants `exhaustive`."""
        words: set[tuple[int, int]] = set()
        skips: set[tuple[int, int]] = set()
        pending = [self._goal] if self.is_completable else []
        seen = set(pending)
        while pending:
            item = pending.pop()
            for before, end, edge in self._steps.get(item, ()):
                if edge is not None and edge.word >= 0:
                    words.add((self._vertices.hole_of(item_vertex(before)), edge.word))
                elif edge is None and end < 0 and item_vertex(before) != item_vertex(item):
                    skips.add((item_vertex(before), item_vertex(item)))
                for other in (before, end):
                    if other >= 0 and other not in seen:
                        seen.add(other)
                        pending.append(other)
        return words, skips


def item_vertex(item: int) -> int:
    """The vertex of an item."""
    return item & _LOW
