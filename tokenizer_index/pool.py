"""The pool of large rows, shared by all grammars over one index.

A row is identified by the content of its regular expression, not by a number in some store, so that two schemas
with the same pattern, or two processes, share it.  Rows are only ever added; readers need no lock, because a row
is complete before anyone learns its number.  When the pool is full, the index begins a new one, and the old one
goes with the last constraint that uses it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from constrain.grammars.automata._jit import Cells
from constrain.tokenizer_index import view as fields

__all__ = ["Pool", "PooledRow"]

CAPACITY = 4096


@dataclass(frozen=True, slots=True)
class PooledRow:
    """What `pooled_rows` makes of a regular expression.

    bits      (ceil(V/32),) int32, the tokens that stay inside
    suffixes  (n, 5) int32, what may follow the exits, see `view`
    tokens    (k,) int32, of the suffix nodes
    wide      (w,) int32, the trie nodes of the wide exits
    exits     the number of all exits
    """

    bits: Cells
    suffixes: Cells
    tokens: Cells
    wide: Cells
    exits: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.bits.nbytes + self.suffixes.nbytes + self.tokens.nbytes + self.wide.nbytes


_MAX_BYTES = 1 << 27
_KEPT_BYTES = 1 << 24


class Pool:
    """Rows by content, in the form that kernels read: `addresses` is (CAPACITY, POOL_WIDTH) int64, see `view`."""

    def __init__(self) -> None:
        self.addresses = np.zeros((CAPACITY, fields.POOL_WIDTH), np.int64)
        self._numbers: dict[bytes, int] = {}
        self._rows: list[PooledRow] = []
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def is_full(self) -> bool:
        """Whether no more rows fit."""
        return len(self._rows) >= CAPACITY or self._bytes >= _MAX_BYTES

    @property
    def is_nearly_full(self) -> bool:
        """Whether a new constraint should have another pool."""
        return 2 * len(self._rows) >= CAPACITY or 2 * self._bytes >= _MAX_BYTES

    def first_rows(self) -> list[tuple[bytes, PooledRow]]:
        """The rows to be kept for later, with their keys: those made first, which most grammars ask for."""
        found, size = [], 0
        with self._lock:
            for key, number in self._numbers.items():
                row = self._rows[number]
                size += row.size
                if size > _KEPT_BYTES:
                    break
                found.append((key, row))
        return found

    def number(self, key: bytes, make: Callable[[], PooledRow]) -> int:
        """The number of the row with this key, made if it is not there; -1 when the pool is full."""
        found = self._numbers.get(key)
        if found is not None:
            return found
        if self.is_full:
            return -1
        row = make()
        with self._lock:
            return self._numbers.get(key, -1) if self.is_full or key in self._numbers else self._add(key, row)

    def _add(self, key: bytes, row: PooledRow) -> int:
        number = len(self._rows)
        self._rows.append(row)
        self._bytes += row.size
        addresses = [array.ctypes.data for array in (row.bits, row.suffixes, row.tokens, row.wide)]
        self.addresses[number] = [*addresses, len(row.suffixes), len(row.wide), row.exits]
        self._numbers[key] = number
        return number
