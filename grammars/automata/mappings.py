"""Zeroed memory that is used again.

A page that a process touches for the first time costs microseconds, which for the store of a small grammar adds up
to more than the work done in it.  Mappings of stores that are gone are therefore kept, cleared as far as they were
used, and handed to new stores.
"""

import mmap
import sys
import threading
from collections.abc import Callable

import numpy as np

from constrain.grammars.automata._jit import Cells

__all__ = ["Mapping"]

_CAN_RESIZE = sys.platform == "linux"
_PRIVATE: dict[str, int] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}

_MAX_USED = 1 << 24  # bytes: a mapping of which more was used is not kept
_MAX_KEPT = 1 << 24  # bytes of all that are kept, as far as they were used
_kept: list[tuple[mmap.mmap, int]] = []
_lock = threading.Lock()


def _take(cells: int) -> mmap.mmap | None:
    """A kept mapping of at least so many cells; the one that was kept last is the likeliest to be in a cache."""
    with _lock:
        for i in range(len(_kept) - 1, -1, -1):
            if len(_kept[i][0]) >= 4 * cells:
                return _kept.pop(i)[0]
    return None


class Mapping:
    """Zeroed cells; pages that were never touched take no memory.

    `cells` is the array of all of them.  Nobody may look at it any more when the mapping grows or is given back.
    """

    def __init__(self, cells: int) -> None:
        self._memory = _take(cells) or mmap.mmap(-1, 4 * cells, **_PRIVATE)

    @property
    def cells(self) -> Cells:
        """All cells, (n,) int32."""
        return np.frombuffer(self._memory, np.int32)

    def grow(self, cells: int, used: int) -> None:
        """Have so many cells, of which the first `used` stay what they are, and the others are zero."""
        if _CAN_RESIZE:
            self._memory.resize(4 * cells)
            return
        larger = mmap.mmap(-1, 4 * cells, **_PRIVATE)
        larger[: 4 * used] = self._memory[: 4 * used]
        self._memory = larger

    def give_back(self, used: int, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        """Let another store have the memory, of which the first `used` cells were written to.

        `ending` tells whether Python ends, when globals, `sys` and the limits here included, may be gone.
        """
        size = 4 * used
        if ending() or size > _MAX_USED:
            return
        self.cells[:used] = 0
        with _lock:
            if sum(kept for _, kept in _kept) + size <= _MAX_KEPT:
                _kept.append((self._memory, size))
