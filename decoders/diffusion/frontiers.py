"""The stacks before and behind each position of a text with holes, kept while the text changes.

Before position i, of each state of the pushdown automaton, the set of stacks that the first i positions lead to;
behind it, the set of stacks from which the others can be finished.  The text can be completed if these have a stack in
common, at any one place.  What is known of a position changes the sets before later positions and behind earlier
ones, and these are made again only as far as someone asks, and as far as they change.

The sets are those of stacks up to some height (see `stack_sets`); `texts.Text` makes exact answers of them.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np

from constrain.decoders.diffusion.actions import Actions, Atom, Edge, Spine
from constrain.decoders.diffusion.pushdown import Pushdown
from constrain.decoders.diffusion.stack_sets import (
    ANY,
    CUT,
    END,
    FULL,
    HOLE,
    NEVER,
    OPTIONAL,
    Texts,
    allowed_classes,
    backwards,
    forwards,
    is_new,
    meets,
    new_memory,
)
from constrain.decoders.diffusion.vertices import Words
from constrain.grammars.automata._jit import Cells
from constrain.grammars.errors import ResourceLimitError

__all__ = ["ANY", "END", "HOLE", "LETTER", "NEVER", "OPTIONAL", "Choice", "Frontiers", "Moves"]

LETTER = -5
"""A kind of position, of weighted texts only: a letter at most, any one (see `completions`)."""

_FIRST_SIZE, _MAX_SIZE = 1 << 14, 1 << 22  # nodes of a memory

_Answer = TypeVar("_Answer")


class Choice:
    """Several actions at one position, in classes.

    row                which row of the layout has the edges of all classes
    count, classes     how many edges and classes there are
    starts, members    of class i, numbers of its edges members[starts[i]] … members[starts[i + 1]]
    """

    def __init__(self, row: int, joined: Sequence[Edge], classes: Sequence[Sequence[Edge]]) -> None:
        numbers = {edge: number for number, edge in enumerate(joined)}
        self.row, self.count, self.classes = row, len(joined), len(classes)
        self.members = np.array([numbers[edge] for edges in classes for edge in edges], np.int32)
        self.starts = np.concatenate([[0], np.cumsum([len(edges) for edges in classes])]).astype(np.int32)
        owners = np.repeat(np.arange(len(classes)), np.diff(self.starts))
        order = np.argsort(self.members, kind="stable")
        self._owners = owners[order]
        self._firsts = np.searchsorted(self.members[order], np.arange(len(joined) + 1))

    def of_edges(self, weights: np.ndarray) -> np.ndarray:
        """For weights of classes (n, classes), the best of those that have each edge, (n, edges)."""
        if not self.count:
            return np.zeros((len(weights), 0))
        found: np.ndarray = np.maximum.reduceat(weights[:, self._owners], self._firsts[:-1], axis=1)
        return found

    def with_edge(self, edge: int) -> np.ndarray:
        """The classes that have an edge."""
        found: np.ndarray = self._owners[self._firsts[edge] : self._firsts[edge + 1]]
        return found


class Moves:
    """The actions of a grammar over a vocabulary as arrays.

    A kind of position is a number: HOLE, or that of an action, or what `stack_sets` names.  Kind k is row k of
    `layout`: (place of the spine that is taken off, its nodes, place of the other, its nodes, place of edges, edges,
    place of the ways on in the one spine, and in the other).  A spine is written with what each node is made of, (node
    before, symbol), and the ways on with what is made of it, (symbol, node behind).
    """

    def __init__(self, pushdown: Pushdown, words: Words) -> None:
        self.pushdown = pushdown
        self.actions = Actions(pushdown, words)
        self._letters = words.letters
        self._lock = threading.Lock()
        self._parts: list[Cells] = []
        self._used = 0
        self._rows: list[list[int]] = []
        self._kinds: dict[tuple[int, ...], int] = {}
        self._of_actions: dict[int, int] = {}
        self._add(self.actions.any_token())
        self.tokens = self._choice(self.actions.classes)
        self.finals = np.array(sorted(pushdown.finals), np.int32)

    @property
    def states(self) -> int:
        """States of the automaton."""
        return len(self.pushdown.moves)

    @property
    def count(self) -> int:
        """Kinds so far."""
        return len(self._rows)

    def of_text(self, letters: Sequence[int]) -> int:
        """The kind of known letters."""
        with self._lock:
            action = self.actions.of_word(letters)
            if action not in self._of_actions:
                self._of_actions[action] = self._add(self.actions.edges(action))
            return self._of_actions[action]

    def tables(self) -> tuple[Cells, Cells]:
        """The layout of all kinds so far, and their data."""
        with self._lock:
            if len(self._parts) > 1:
                self._parts = [np.concatenate(self._parts)]
            return np.array(self._rows, np.int32), self._parts[0]

    @cached_property
    def letters(self) -> Choice:
        """The choice of any letter of bytes: class i is that of letter i."""
        with self._lock:
            return self._choice([self.actions.edges(self.actions.of_word([i])) for i in range(self._letters)])

    def _choice(self, classes: Sequence[Sequence[Edge]]) -> Choice:
        joined = sorted({edge for edges in classes for edge in edges})
        return Choice(self._add(joined), joined, classes)

    def _add(self, edges: Sequence[Edge]) -> int:
        over = self._spine(self.actions.popped, [source for source, _ in edges])
        under = self._spine(self.actions.pushed, [target for _, target in edges])
        pairs = sorted((over[0][source], under[0][target]) for source, target in edges)
        row = [self._write(over[1]), len(over[1]) - 1]
        row += [self._write(under[1]), len(under[1]) - 1]
        row += [self._write([number for pair in pairs for number in pair]), len(pairs)]
        row += [self._write(over[2]), self._write(under[2])]
        self._rows.append(row)
        return len(self._rows) - 1

    def _spine(self, spine: Spine, nodes: Iterable[int]) -> tuple[dict[int, int], list[int], list[int]]:
        """New numbers of the nodes that are needed, and where the atoms and the ways on of each begin."""
        order = [*range(self.states), *spine.needed(nodes)]
        numbers = {node: number for number, node in enumerate(order)}
        atoms: list[list[Atom]] = []
        ways: list[list[Atom]] = [[] for _ in order]
        for node in order:
            atoms.append([(numbers[parent], symbol) for parent, symbol in spine.atoms[node]])
            for parent, symbol in atoms[-1]:
                ways[parent].append((symbol, numbers[node]))
        return numbers, self._write_pairs(atoms), self._write_pairs([sorted(pairs) for pairs in ways])

    def _write_pairs(self, pairs: Sequence[Sequence[Atom]]) -> list[int]:
        """Write the pairs of each node; where they begin, in pairs, and where the last ones end."""
        if self._used % 2:
            self._write([0])  # pairs begin at even places
        begin = self._write([number for some in pairs for pair in some for number in pair]) // 2
        return [begin, *(begin + np.cumsum([len(some) for some in pairs])).tolist()]

    def _write(self, numbers: Sequence[int]) -> int:
        self._parts.append(np.array(numbers, np.int32))
        self._used += len(numbers)
        return self._used - len(numbers)

    # Texts of any length

    @cached_property
    def texts(self) -> Texts:
        """What texts of any length do."""
        reach, count = self._reach(), self.states
        starts = np.concatenate([[0], np.cumsum(reach.sum(axis=1))]).astype(np.int32)
        calls = [(state, *call) for state in range(count) for call in self.pushdown.calls[state]]
        below, bottom = np.zeros((count, count), np.bool_), np.zeros(count, np.bool_)
        for caller, _, pushed in calls:
            bottom[pushed] |= reach[self.pushdown.start, caller]
            for _, called, other in calls:
                below[pushed, other] |= reach[called, caller]
        leaves = np.array(reach[:, self.finals].any(axis=1), np.int32)
        return Texts(
            starts,
            np.nonzero(reach)[1].astype(np.int32),
            np.array(calls, np.int32).reshape(-1),
            np.array(sorted({behind for _, _, behind in calls}), np.int32),
            leaves,
            below,
            bottom,
        )

    def _reach(self) -> np.ndarray:
        """Whether a text leads from a state to a state and leaves the stack as it is, (Q, Q) bool."""
        reach = np.eye(self.states, dtype=bool)
        for state, moves in enumerate(self.pushdown.moves):
            reach[state, list(moves.values())] = True
        while True:
            for state in range(self.states):
                reach |= reach[:, [state]] & reach[state]
            fresh = [
                (state, behind)
                for state, calls in enumerate(self.pushdown.calls)
                for first, behind in calls
                if not reach[state, behind] and reach[first, self.finals].any()
            ]
            if not fresh:
                return reach
            for state, behind in fresh:
                reach[state, behind] = True


class _FullError(Exception):
    """The memory is full."""


class Frontiers:
    """A text of positions of some kinds, with stacks up to a height; not for several threads at a time.

    limit      the height
    too_much   whether the tails of higher stacks count as any stacks, instead of not at all
    may_end    whether the text may end at any position from which on there are only masks and ends
    """

    def __init__(
        self, moves: Moves, kinds: Sequence[int] | Cells, limit: int, *, too_much: bool = False, may_end: bool = False
    ) -> None:
        self._moves, self._may_end = moves, may_end
        self._limit, self._too_much = limit, too_much
        self._size = _FIRST_SIZE
        self._before = self._old_before = self._steady_before = 0
        self._behind = self._old_behind = self._steady_behind = 0
        self._layout, self._data = moves.tables()
        self._write(np.array(kinds, np.int32))
        self._start_again()

    @property
    def is_exact(self) -> bool:
        """Whether no stack was too high so far."""
        return not self._memory.state[CUT]

    @property
    def kinds(self) -> Cells:
        """The kinds of positions, (n,) int32; not to be written to."""
        return self._kinds

    # The text

    def change(self, place: int, kind: int) -> None:
        """Make a position one of another kind."""
        self._kinds[place] = kind
        first = min(place, self._end_place)
        self._find_end()
        if place < self._old_before:
            self._steady_before = max(self._steady_before, place + 1)
            self._before = min(self._before, place)
        if place >= self._old_behind:
            self._steady_behind = min(self._steady_behind, first)
            self._behind = max(self._behind, place + 1)

    def replace(self, kinds: Sequence[int] | Cells) -> None:
        """Take another text; what it has in common with this one at both ends is not looked at again."""
        new, old = np.array(kinds, np.int32), self._kinds
        if len(new) == len(old) and self._may_end:
            for place in np.flatnonzero(new != old).tolist():
                self.change(place, int(new[place]))
            return
        least = min(len(new), len(old))
        same = _common(new[:least], old[:least])
        tail = _common(new[same:][::-1], old[same:][::-1])
        before, tail = min(self._before, same), min(len(old) - self._behind, tail)
        rows, others = self._rows, self._other_rows
        self._write(new)
        self._rows[: before + 1] = rows[: before + 1]
        self._other_rows[len(new) - tail :] = others[len(old) - tail :]
        self._know(before, len(new) - tail)

    # Answers

    def is_completable(self) -> bool:
        """Whether the text can be completed."""
        return self._retried(self._completable)

    def allows(self, place: int, kind: int) -> bool:
        """Whether the text can be completed with a position of another kind."""
        return self._retried(lambda: self._allows(place, kind))

    def allowed(self, places: Sequence[int]) -> np.ndarray:
        """Which classes of tokens some completion has at some positions, (positions, classes) bool."""
        return self._retried(lambda: self._allowed(np.array(places, np.int32)))

    def ends_from(self) -> int:
        """The first position at which the text ends in some completion; the number of positions for none."""
        return self._retried(self._first_end)

    def _completable(self) -> bool:
        holes = np.flatnonzero(self._kinds == ANY)  # costly, and mostly with the same behind them as before
        place = min([self._behind, self._end_place, *holes[:1].tolist()])  # no completion ends before it
        self._reach_before(place)
        self._reach_behind(place)
        return self._meets(self._rows[place], self._other_rows[place])

    def _allows(self, place: int, kind: int) -> bool:
        self._reach_before(place)
        self._reach_behind(place + 1)
        if kind == END:
            return self._first_end() <= place
        rows = self._rows[place : place + 2].copy()
        forwards(self._memory, rows, np.array([kind], np.int32), *self._tables(), self._moves.texts, 0, 1, 2)
        self._check()
        return self._meets(rows[1], self._other_rows[place + 1])

    def _allowed(self, places: Cells) -> np.ndarray:
        moves = self._moves
        found = np.zeros((len(self._kinds), len(moves.actions.classes)), np.bool_)
        if len(places):
            self._reach_before(int(places.max()))
            self._reach_behind(int(places.min()) + 1)
            layout, data = self._tables()
            kind = layout[moves.tokens.row]
            rows = (self._rows, self._other_rows)
            allowed_classes(self._memory, *rows, places, kind, data, moves.tokens.starts, moves.tokens.members, found)
            self._check()
        chosen: np.ndarray = found[places]
        return chosen

    def _first_end(self) -> int:
        for place in range(self._end_place, len(self._kinds)):
            self._reach_before(place)
            row = np.zeros(self._moves.states, np.int32)
            row[self._moves.finals] = 1
            if self._meets(self._rows[place], row):
                return place
        return len(self._kinds)

    # Rows

    def _write(self, kinds: Cells) -> None:
        """Take the kinds of positions, with rows of which the first and the last are known."""
        self._kinds = kinds
        self._rows = np.zeros((len(kinds) + 1, self._moves.states), np.int32)
        self._other_rows = np.zeros_like(self._rows)
        self._rows[0, self._moves.pushdown.start] = 1
        self._other_rows[-1, self._moves.finals] = 1
        self._find_end()
        self._know(0, len(kinds))

    def _know(self, before: int, behind: int) -> None:
        """Rows are right as far as `before`, and from `behind` on; others are not even what they were."""
        self._before = self._old_before = before
        self._behind = self._old_behind = behind
        self._steady_before, self._steady_behind = -1, len(self._kinds) + 1

    def _start_again(self) -> None:
        """Forget all sets."""
        self._memory = new_memory(self._size, self._limit, self._moves.texts, too_much=self._too_much)
        self._know(0, len(self._kinds))

    def _find_end(self) -> None:
        """Find the first position at which the text may end."""
        known = np.flatnonzero((self._kinds != HOLE) & (self._kinds != END))
        last = int(known[-1]) + 1 if len(known) else 0
        self._end_place = last if self._may_end else len(self._kinds) + 1

    def _tables(self) -> tuple[Cells, Cells]:
        if self._moves.count > len(self._layout):
            self._layout, self._data = self._moves.tables()
        return self._layout, self._data

    def _reach_before(self, place: int) -> None:
        """Have the rows before positions as far as `place`.

        Rows up to `_old_before` are what they were before positions in front of `_steady_before` changed; where one
        of them comes out as it was, so do the others.
        """
        while self._before < place:
            known = self._old_before > self._before
            end = min(place, self._old_before) if known else place
            steady = self._steady_before if known else end + 1
            tables = (self._kinds, *self._tables(), self._moves.texts)
            same = forwards(self._memory, self._rows, *tables, self._before, end, steady)
            self._check()
            self._before = end if same < 0 else self._old_before
            if self._before >= self._old_before:
                self._old_before, self._steady_before = self._before, -1

    def _reach_behind(self, place: int) -> None:
        """Have the rows behind positions down to `place`; see `_reach_before`."""
        texts, finals = self._moves.texts, self._moves.finals
        while self._behind > place:
            known = self._old_behind < self._behind
            end = max(place, self._old_behind) if known else place
            steady = self._steady_behind if known else -1
            tables = (self._other_rows, self._kinds, *self._tables(), texts)
            same = backwards(self._memory, *tables, self._behind, end, steady, finals, self._end_place)
            self._check()
            self._behind = end if same < 0 else self._old_behind
            if self._behind <= self._old_behind:
                self._old_behind, self._steady_behind = self._behind, len(self._kinds) + 1

    def _meets(self, before: Cells, behind: Cells) -> bool:
        found = bool(meets(self._memory, before, behind))
        self._check()
        return found

    def _check(self) -> None:
        if self._memory.state[FULL]:
            raise _FullError

    def _retried(self, ask: Callable[[], _Answer]) -> _Answer:
        """An answer, in a larger memory if need be; in one of the largest size, once more from the beginning."""
        while True:
            fresh = is_new(self._memory)
            try:
                return ask()
            except _FullError:
                if self._size == _MAX_SIZE and fresh:
                    message = f"stacks of more than {_MAX_SIZE} sets"
                    raise ResourceLimitError(message, limit="max_states") from None
                self._size = min(4 * self._size, _MAX_SIZE)
                self._start_again()


def _common(left: Cells, right: Cells) -> int:
    """How many of the first numbers are the same."""
    least = min(len(left), len(right))
    differ = np.flatnonzero(left[:least] != right[:least])
    return int(differ[0]) if len(differ) else least
