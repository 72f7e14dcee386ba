"""Texts with holes under a pushdown automaton: exact answers, and quick ones where nothing is nested deeply.

With stacks up to some height, a text that can be completed is seen to be so if nothing is nested deeper; and if higher
stacks count as any stacks, one that cannot be completed is mostly seen to be so, too.  Where the two disagree, the
height grows.  The answer is exact at the latest when no stack is too high; where a hole of any length is in the text
that is never so, and `UndecidedError` says that another way has to be taken.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from constrain.decoders.diffusion.frontiers import ANY, Frontiers, Moves
from constrain.grammars.automata._jit import Cells
from constrain.grammars.errors import ResourceLimitError

__all__ = ["Text", "UndecidedError"]

_LOW = (4, 8, 16)  # heights at which too many stacks are looked at, too
_HIGH = (256, 1024, 4096)  # sets are walked recursively, as deep as stacks are high
_FEW = 2  # low heights that are tried where high ones may decide: to cut stacks costs more than it saves then

_Answer = TypeVar("_Answer", bool, int)


class UndecidedError(Exception):
    """A text with holes of any length, of which the levels do not tell whether it can be completed."""


class Text:
    """A text of positions of some kinds (see `frontiers.Moves`); not for several threads at a time.

    may_end   whether the text may end at any position from which on there are only masks and ends
    """

    def __init__(self, moves: Moves, kinds: Sequence[int] | Cells, *, may_end: bool = False) -> None:
        self._moves, self._may_end = moves, may_end
        self._kinds: Cells = np.array(kinds, np.int32)
        self._levels: dict[int, list[Frontiers]] = {}

    def change(self, place: int, kind: int) -> None:
        """Make a position one of another kind."""
        self._kinds[place] = kind
        for pair in self._levels.values():
            for frontiers in pair:
                frontiers.change(place, kind)

    def replace(self, kinds: Sequence[int]) -> None:
        """Take another text; what it has in common with this one at both ends is not looked at again."""
        self._kinds = np.array(kinds, np.int32)
        for pair in self._levels.values():
            for frontiers in pair:
                frontiers.replace(self._kinds)

    def is_completable(self) -> bool:
        """Whether the text can be completed."""
        return bool(self._exact(Frontiers.is_completable))

    def allows(self, place: int, kind: int) -> bool:
        """Whether the text can be completed with a position of another kind."""
        return bool(self._exact(lambda frontiers: frontiers.allows(place, kind)))

    def allowed(self, places: Sequence[int]) -> np.ndarray:
        """Which classes of tokens some completion has at some positions, masks, (positions, classes) bool."""
        found = np.zeros((len(places), self._moves.tokens.classes), np.bool_)
        left: np.ndarray = np.arange(len(places))
        for pair in self._pairs():
            asked = [places[i] for i in left.tolist()]
            found[left] = pair[0].allowed(asked)
            if pair[0].is_exact:
                return found
            if len(pair) > 1:
                left = left[(found[left] != pair[1].allowed(asked)).any(axis=1)]
                if not len(left):
                    return found
        raise self._undecided()

    def ends_from(self) -> int:
        """The first position at which the text ends in some completion; the number of positions for none."""
        return int(self._exact(Frontiers.ends_from))

    def _exact(self, ask: Callable[[Frontiers], _Answer]) -> _Answer:
        """What both sides of a level agree on, or one that left out no stack says."""
        for pair in self._pairs():
            answer = ask(pair[0])
            if pair[0].is_exact or answer is True:
                return answer
            if len(pair) > 1 and answer == ask(pair[1]):
                return answer
        raise self._undecided()

    def _pairs(self) -> Iterator[list[Frontiers]]:
        """The levels, one after the other."""
        for limit in _LOW if ANY in self._kinds else (*_LOW[:_FEW], *_HIGH):
            yield self._level(limit)

    def _undecided(self) -> Exception:
        """Some stack is too high at every level."""
        if ANY in self._kinds:
            return UndecidedError()
        return ResourceLimitError(f"texts that are nested in more than {_HIGH[-1]} levels", limit="max_states")

    def _level(self, limit: int) -> list[Frontiers]:
        if limit not in self._levels:
            sides = (False, True) if limit in _LOW else (False,)
            self._levels[limit] = [
                Frontiers(self._moves, self._kinds, limit, too_much=side, may_end=self._may_end) for side in sides
            ]
        return self._levels[limit]
