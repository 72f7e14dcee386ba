"""The memory of masks: bounded, and used again.

A mask of a large vocabulary takes four pages of memory, and pages that a process touches for the first time cost more
than all else that a mask does.  Masks are therefore rows of slabs; when there are too many, the oldest states lose
theirs, to be made again on demand, and the rows are handed out once more, unless somebody still looks at them.
"""

import sys
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from constrain.grammars.automata._jit import Cells

if TYPE_CHECKING:
    from constrain.tokenizer_index.states import States

__all__ = ["Mask", "MaskStore"]

Mask: TypeAlias = tuple[Cells, int]
"""The words of a mask, (words,) int32, and their address."""

_SLAB = 1 << 20  # bytes of a slab, about
_MINE = 3  # references to a row that only the store knows: its variable, the tuple, the argument of `getrefcount`


class MaskStore:
    """Hands out masks and bounds their memory."""

    def __init__(self, max_bytes: int = 1 << 25) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        # Three queues beside each other: what is in them, Python's collector need not look at one by one.
        self._holders: deque[weakref.ref[States]] = deque()
        self._numbers: deque[int] = deque()
        self._masks: deque[Mask] = deque()
        self._free: dict[int, list[Mask]] = {}
        self._lock = threading.Lock()

    def take(self, words: int) -> Mask:
        """A mask of so many words, with whatever was written there before."""
        with self._lock:
            free = self._free.setdefault(words, [])
            if not free:
                free += self._new_slab(words)
            return free.pop()

    def reserve(self, words: int, size: int) -> None:
        """Touch so many bytes of masks now, not when they are needed; no more than the store may hold."""
        with self._lock:
            free = self._free.setdefault(words, [])
            while 4 * words * (len(free) + 1) <= min(size, self._max_bytes - self._bytes):
                free += self._new_slab(words)

    def _new_slab(self, words: int) -> list[Mask]:
        slab = np.empty((max(1, _SLAB // (4 * words)), words), np.int32)
        slab.fill(0)
        first, stride = slab.ctypes.data, slab.strides[0]
        return [(row, first + i * stride) for i, row in enumerate(slab)]

    def keep(self, states: "States", number: int, mask: Mask) -> None:
        """Note that the state of a number has got a mask."""
        with self._lock:
            self._holders.append(weakref.ref(states))
            self._numbers.append(number)
            self._masks.append(mask)
            self._bytes += mask[0].nbytes
            while self._bytes > self._max_bytes and len(self._holders) > 1:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        holder, number, mask = self._holders.popleft(), self._numbers.popleft(), self._masks.popleft()
        if (states := holder()) is not None:
            states.forget_mask(number)
        row = mask[0]
        self._bytes -= row.nbytes
        # Nobody can come by the row any more; whoever has it still may be copying it.
        if sys.getrefcount(row) == _MINE:
            self._free[row.size].append(mask)
