"""Python's side of a store: owns its memory, enlarges it, and turns its failures into errors."""

import mmap
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from constrain.grammars.automata import json_text, tries  # noqa: F401  (define services)
from constrain.grammars.automata._jit import CODE, Cells, code_table
from constrain.grammars.automata.nodes import begin
from constrain.grammars.automata.store import (
    FREE,
    FULL,
    OK,
    OUT_OF_WORK,
    STACK,
    STATUS,
    TOP,
    WORK,
    WORK_LIMIT,
    cells_after_growth,
    enlarge,
    initialise,
)
from constrain.grammars.errors import ResourceLimitError

__all__ = ["Arena"]


_MAPPED = 1 << 17  # cells from which a memory is mapped
_CAN_RESIZE = sys.platform == "linux"
_PRIVATE: dict[str, int] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


class Arena:
    """A store and its memory.

    `max_cells` bounds the memory (in cells of four bytes), `max_work` the number of states that one call may
    visit in a search.  The memory has `cells` cells at first.
    """

    def __init__(self, max_cells: int = 1 << 28, max_work: int = 2_000_000, cells: int = 1 << 14) -> None:
        self.max_cells = max_cells
        cells = max(1 << 14, min(cells, max_cells))
        self._mapping: mmap.mmap | None = None
        self.memory: Cells = np.zeros(cells, np.int32) if cells < _MAPPED else self._mapped(cells)
        self.address = self.memory.ctypes.data
        initialise(self.address, self.memory.size)
        self.memory[CODE : CODE + 2].view(np.int64)[0] = code_table()
        self.memory[WORK_LIMIT] = max_work
        begin(self.address)

    def _mapped(self, cells: int) -> Cells:
        """A memory of so many zeroed cells, which begins with those of the present mapping, if there is one.

        Mapped pages cost nothing until they are touched, and growing a mapping moves no data.
        """
        if self._mapping is None or not _CAN_RESIZE:
            self._mapping = mmap.mmap(-1, 4 * cells, **_PRIVATE)
        else:
            self._mapping.resize(4 * cells)
        return np.frombuffer(self._mapping, np.int32)

    def run(self, kernel: Callable[..., Any], *arguments: Any) -> Any:
        """``kernel(address of the memory, *arguments)``, again with more memory when it has run out.

        Raises ResourceLimitError.
        """
        while True:
            self.memory[WORK] = 0
            result = kernel(self.address, *arguments)
            if self.memory[STATUS] == OK:
                return result
            self.recover()

    def recover(self) -> None:
        """Do what a kernel that has failed needs before it is called again.  Raises ResourceLimitError."""
        status = int(self.memory[STATUS])
        self.memory[STATUS] = OK
        if status == FULL:
            self._grow()
        else:
            self.memory[TOP] = self.memory[STACK]
            self.resolve(status)

    def resolve(self, status: int) -> None:
        """Do what a kernel that returned with this status needs before it is called again, or raise."""
        if status == OUT_OF_WORK:
            raise ResourceLimitError("a single step needs too much work", limit="max_work")
        raise AssertionError(f"unexpected status {status}")

    def memory_bytes(self) -> int:
        """Bytes in use."""
        return 4 * int(self.memory[FREE])

    def _grow(self) -> None:
        """Make room in every block that is nearly full, and for as many vectors as there are."""
        needed = int(cells_after_growth(self.address)) * 5 // 4
        if needed <= self.memory.size:
            enlarge(self.address, self.memory.size)
            return
        needed = max(needed, self.memory.size * 2)
        if needed > self.max_cells:
            needed = self.max_cells
            if cells_after_growth(self.address) > needed:
                raise ResourceLimitError("the automaton needs too much memory", limit="max_memory")
        self._move(needed)
        enlarge(self.address, needed)

    def _move(self, cells: int) -> None:
        """Go on in a larger memory with the same contents."""
        if self._mapping is not None and _CAN_RESIZE:
            del self.memory  # a mapping is not resized while somebody looks at it
            self.memory = self._mapped(cells)
        else:
            used, old = int(self.memory[FREE]), self.memory
            self._mapping = None
            self.memory = self._mapped(cells)
            self.memory[:used] = old[:used]
        self.address = self.memory.ctypes.data
