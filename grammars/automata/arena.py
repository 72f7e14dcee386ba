"""Python's side of a store: owns its memory, enlarges it, and turns its failures into errors."""

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


class Arena:
    """A store and its memory.

    `max_cells` bounds the memory (in cells of four bytes), `max_work` the number of states that one call may
    visit in a search.  The memory has `cells` cells at first.  Those that were never used cost nothing: the system
    gives a page of memory to a process when it is first written.
    """

    def __init__(
        self,
        max_cells: int = 1 << 28,
        max_work: int = 2_000_000,
        memory: Cells | None = None,
        cells: int = 1 << 14,
    ) -> None:
        self.max_cells = max_cells
        fresh = memory is None
        self.memory = np.empty(max(1 << 14, min(cells, max_cells)), np.int32) if memory is None else memory
        self.address = self.memory.ctypes.data
        if fresh:
            initialise(self.address, self.memory.size)
        self.memory[CODE : CODE + 2].view(np.int64)[0] = code_table()
        self.memory[WORK_LIMIT] = max_work
        if fresh:
            begin(self.address)

    def run(self, kernel: Callable[..., Any], *arguments: Any) -> Any:
        """``kernel(address of the memory, *arguments)``, again with more memory when it has run out.

        Raises ResourceLimitError.
        """
        while True:
            self.memory[WORK] = 0
            result = kernel(self.address, *arguments)
            status = self.memory[STATUS]
            if status == OK:
                return result
            self.memory[STATUS] = OK
            if status == FULL:
                self._grow()
            else:
                self.memory[TOP] = self.memory[STACK]
                self.resolve(int(status))

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
        needed = max(needed, self.memory.size * 3 // 2)
        if needed > self.max_cells:
            raise ResourceLimitError("the automaton needs too much memory", limit="max_memory")
        grown = np.empty(needed, np.int32)
        used = int(self.memory[FREE])
        grown[:used] = self.memory[:used]
        self.memory, self.address = grown, grown.ctypes.data
        enlarge(self.address, needed)
