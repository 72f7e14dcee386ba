"""Python's side of a store: owns its memory, enlarges it, and turns its failures into errors."""

from collections.abc import Callable
from typing import Any

import numpy as np

from constrain.grammars.automata import json_text, tries  # noqa: F401  (define services)
from constrain.grammars.automata._jit import CODE, Cells, code_table
from constrain.grammars.automata.mappings import Mapping
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


class Arena:
    """A store and its memory.

    `max_cells` bounds the memory (in cells of four bytes), `max_work` the number of states that one call may
    visit in a search.  The memory has `cells` cells at first.
    """

    def __init__(self, max_cells: int = 1 << 28, max_work: int = 2_000_000, cells: int = 1 << 14) -> None:
        self.max_cells = max_cells
        cells = max(1 << 14, min(cells, max_cells))
        self._mapping = Mapping(cells) if cells >= _MAPPED else None
        self.memory: Cells = np.zeros(cells, np.int32) if self._mapping is None else self._mapping.cells
        self.address = self.memory.ctypes.data
        initialise(self.address, self.memory.size)
        self.memory[CODE : CODE + 2].view(np.int64)[0] = code_table()
        self.memory[WORK_LIMIT] = max_work
        begin(self.address)

    def __del__(self, free_cell: int = FREE) -> None:  # when Python ends, globals may be gone
        mapping, memory = getattr(self, "_mapping", None), getattr(self, "memory", None)
        if mapping is not None and memory is not None:
            used = int(memory[free_cell])
            del memory, self.memory
            mapping.give_back(used)

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
        used = int(self.memory[FREE])
        if self._mapping is None:
            old, self._mapping = self.memory, Mapping(cells)
            self.memory = self._mapping.cells
            self.memory[:used] = old[:used]
        else:
            del self.memory  # a mapping is not resized while somebody looks at it
            self._mapping.grow(cells, used)
            self.memory = self._mapping.cells
        self.address = self.memory.ctypes.data
