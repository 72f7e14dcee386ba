"""The pool of large rows, shared by all grammars over one index.

A row is identified by the content of its regular expression, not by a number in some store, so that two schemas
with the same pattern, or two processes, share it.  Rows are only ever added; readers need no lock, because a row
is complete before anyone learns its number.  When the pool is full, the index begins a new one, and the old one
goes with the last constraint that uses it.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Cells, Memory, inner, int64, kernel, memory_at, words_at
from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.liveness import step
from constrain.grammars.automata.nodes import (
    CHARS,
    DECIMAL,
    EMPTY,
    EPSILON_KIND,
    EXPONENT,
    JSON,
    MULTIPLE,
    REPEAT,
    SPECIFICATION,
    STATE,
    SYMBOLS,
    TABLE_KIND,
    TRIE,
    nullable,
)
from constrain.grammars.automata.store import (
    MEMO_B,
    OK,
    STATUS,
    argument,
    at,
    cut,
    height,
    kind_of,
    length_of,
    memo,
    push,
    put,
)
from constrain.tokenizer_index import view as fields
from constrain.tokenizer_index.trie import BEYOND_ASCII
from constrain.tokenizer_index.view import DEPTH, NODE_WIDTH, SAME, SUFFIX_WIDTH, TRIE_SIZE, set_all

__all__ = ["Pool", "PooledRow", "content_key", "flatten_suffixes"]

KERNELS = "1c638e154475cd67"

CAPACITY = 4096


@dataclass(frozen=True, slots=True)
class PooledRow:
    """bits (ceil(V/32),) int32; suffixes (n, 5) int32, see `view`; tokens (k,) int32 of the suffix nodes."""

    bits: Cells
    suffixes: Cells
    tokens: Cells

    @property
    def size(self) -> int:
        """Bytes."""
        return self.bits.nbytes + self.suffixes.nbytes + self.tokens.nbytes


@inner
def _first_part(m: Memory, node: int) -> int:
    """How many arguments come before those that are nodes; -1 when none are."""
    kind = kind_of(m, node)
    if kind == EPSILON_KIND or kind == SYMBOLS or kind == CHARS or kind == TABLE_KIND or kind == SPECIFICATION:
        return -1
    if kind == EXPONENT or kind == MULTIPLE:
        return -1
    return 1 if kind == TRIE else 0


@inner
def _is_part(m: Memory, node: int, i: int) -> bool:
    """Whether argument `i` of a node is a node."""
    first = _first_part(m, node)
    kind = kind_of(m, node)
    if first < 0 or i < first:
        return False
    if kind == TRIE:
        return i % 2 == 0
    return i == 0 or not (kind == JSON or kind == REPEAT or kind == STATE or kind == DECIMAL)


@kernel
def serialise(address: int, node: int, out: Cells, numbers: Cells) -> int:
    """Write `node` and all it is made of, numbered in the order of a depth-first search; the length, or -1 if `out`
    is too short.  `numbers` has a cell per object of the store, all -1.
    """
    m = memory_at(address)
    position = height(m)
    push(m, node)
    written, numbered = 0, 0
    while height(m) > position and m[STATUS] == OK:
        top = height(m)
        last = at(m, top - 1)
        if numbers[last] >= 0:
            cut(m, top - 1)
            continue
        waiting = False
        for i in range(length_of(m, last)):
            if _is_part(m, last, i) and numbers[argument(m, last, i)] < 0:
                push(m, argument(m, last, i))
                waiting = True
        if waiting:
            continue
        cut(m, top - 1)
        size = length_of(m, last)
        if written + size + 2 > out.size:
            cut(m, position)
            return -1
        out[written], out[written + 1] = kind_of(m, last), size
        for i in range(size):
            part = argument(m, last, i)
            out[written + 2 + i] = numbers[part] if _is_part(m, last, i) else part
        written += size + 2
        numbers[last] = numbered
        numbered += 1
    cut(m, position)
    return written


def content_key(arena: Arena, node: int, count: int) -> bytes:
    """A digest of the regular expression `node`; `count` is the number of objects of the store."""
    size = 1024
    while True:
        out = np.empty(size, np.int32)
        written = arena.run(serialise, node, out, np.full(count, -1, np.int32))
        if written >= 0:
            return hashlib.blake2b(out[:written].tobytes(), digest_size=16).digest()
        size *= 4


_REMEMBERED = 64  # states whose sets of symbols are at hand; a power of two


@inner
def _note_loops(m: Memory, node: int, loops: npt.NDArray[np.int64]) -> None:
    """Write the symbols that lead from a regular expression back to it, and the expression in front of them."""
    loops[0], loops[1], loops[2] = node, 0, 0
    start = transitions(m, node)
    for k in range(start, start + 3 * memo(m, node, MEMO_B), 3):
        if m[k + 2] == node:
            for symbol in range(m[k], min(m[k + 1] + 1, BEYOND_ASCII)):
                loops[1 + (symbol >> 6)] |= int64(1) << (symbol & 63)


@kernel
def _walk_row(address: int, table: int, node: int, bits: int, exits: Cells) -> int:
    """Write the tokens that `node` begins with and the trie nodes at which a string of it may end; their number.

    A subtree all of whose symbols lead back to the expression is taken as a whole.
    """
    m, view = memory_at(address), words_at(table)
    trie, below = memory_at(view[fields.TRIE]), words_at(view[fields.BELOW])
    mask = memory_at(bits)
    loops = np.full((_REMEMBERED, 3), -1, np.int64)
    states = height(m)
    push(m, node)
    for _ in range(view[DEPTH]):
        push(m, 0)
    count = 0
    i, end = 1, view[TRIE_SIZE]
    while i < end and m[STATUS] == OK:
        cell = NODE_WIDTH * i
        size, depth = trie[cell + 1], trie[cell + 2]
        here = step(m, at(m, states + depth - 1), trie[cell])
        if here == EMPTY:
            i += size
            continue
        set_all(mask, view, trie[cell + 3])
        if size > 1 and nullable(m, here):
            exits[count] = i
            count += 1
        if size == 1 or kind_of(m, here) == EPSILON_KIND:
            i += size
            continue
        loop = loops[here & (_REMEMBERED - 1)]
        if loop[0] != here:
            _note_loops(m, here, loop)
        if not nullable(m, here) and not (below[2 * i] & ~loop[1] or below[2 * i + 1] & ~loop[2]):
            for j in range(i + 1, i + size):
                set_all(mask, view, trie[NODE_WIDTH * j + 3])
            i += size
        else:
            put(m, states + depth, here)
            i += 1
    cut(m, states)
    return count


@kernel
def _below(table: int, exits: Cells) -> int:
    """The number of nodes below the exits."""
    trie = memory_at(words_at(table)[fields.TRIE])
    below = 0
    for root in exits:
        below += trie[NODE_WIDTH * root + 1]
    return below


@kernel
def _merge_suffixes(table: int, exits: Cells, nodes: Cells, chain: Cells) -> int:
    """Enter what follows each exit into one trie; the number of its nodes.

    nodes: rows of symbol, first child, next sibling, first of the chain; chain: rows of token, next.  The number of
    chain links is left in ``chain[0, 1]``.
    """
    view = words_at(table)
    trie, same = memory_at(view[fields.TRIE]), memory_at(view[SAME])
    path = np.zeros(view[DEPTH] + 1, np.int64)
    nodes[0, 0], nodes[0, 1], nodes[0, 2], nodes[0, 3] = -1, -1, -1, -1
    count, links = 1, 1
    for root in exits:
        outer = trie[NODE_WIDTH * root + 2]
        for i in range(root + 1, root + trie[NODE_WIDTH * root + 1]):
            cell = NODE_WIDTH * i
            depth = trie[cell + 2] - outer
            parent = path[depth - 1]
            child = int64(nodes[parent, 1])
            while child >= 0 and nodes[child, 0] != trie[cell]:
                child = int64(nodes[child, 2])
            if child < 0:
                child = count
                nodes[child, 0], nodes[child, 1], nodes[child, 3] = trie[cell], -1, -1
                nodes[child, 2] = nodes[parent, 1]
                nodes[parent, 1] = child
                count += 1
            path[depth] = child
            token = int64(trie[cell + 3])
            while token >= 0:
                chain[links, 0], chain[links, 1] = token, nodes[child, 3]
                nodes[child, 3] = links
                links += 1
                token = int64(same[token])
    chain[0, 1] = links
    return count


@kernel
def flatten_suffixes(nodes: Cells, count: int, chain: Cells, suffixes: Cells, tokens: Cells) -> int:
    """Write the merged trie, without its root, in preorder; the number of tokens."""
    stack = np.empty((count + 1, 2), np.int64)  # node, or -1 - row whose subtree ends here; depth
    top, written, listed = 0, 0, 0
    child = int64(nodes[0, 1])
    while child >= 0:
        stack[top, 0], stack[top, 1] = child, 1
        top += 1
        child = int64(nodes[child, 2])
    open_rows = np.empty(count + 1, np.int64)
    opened = 0
    while top > 0:
        top -= 1
        node, depth = stack[top, 0], stack[top, 1]
        while opened >= depth:
            opened -= 1
            suffixes[open_rows[opened], 1] = written - open_rows[opened]
        suffixes[written, 0], suffixes[written, 2], suffixes[written, 3] = nodes[node, 0], depth, listed
        link = int64(nodes[node, 3])
        while link >= 0:
            tokens[listed] = chain[link, 0]
            listed += 1
            link = int64(chain[link, 1])
        suffixes[written, 4] = listed - suffixes[written, 3]
        open_rows[opened] = written
        opened += 1
        written += 1
        child = int64(nodes[node, 1])
        while child >= 0:
            stack[top, 0], stack[top, 1] = child, depth + 1
            top += 1
            child = int64(nodes[child, 2])
    while opened > 0:
        opened -= 1
        suffixes[open_rows[opened], 1] = written - open_rows[opened]
    return listed


def make_row(arena: Arena, table: Cells, node: int) -> PooledRow:
    """The row of the regular expression `node` of a store, over the vocabulary of the view `table`."""
    address = table.ctypes.data
    size = int(table[TRIE_SIZE])
    bits = np.zeros(int(table[fields.WORDS]), np.int32)
    exits = np.empty(size, np.int32)
    count = arena.run(_walk_row, address, node, bits.ctypes.data, exits)
    exits = exits[:count]
    below = int(_below(address, exits))
    nodes = np.empty((below + 1, 4), np.int32)
    chain = np.empty((below + bits.size * 32 + 1, 2), np.int32)
    merged = _merge_suffixes(address, exits, nodes, chain)
    links = int(chain[0, 1])
    suffixes = np.empty((max(merged - 1, 1), SUFFIX_WIDTH), np.int32)
    tokens = np.empty(links, np.int32)
    listed = flatten_suffixes(nodes, merged, chain, suffixes, tokens)
    return PooledRow(bits, np.ascontiguousarray(suffixes[: merged - 1]), tokens[:listed].copy())


_MAX_BYTES = 1 << 27
_KEPT_BYTES = 1 << 24


class Pool:
    """Rows by content, in the form that kernels read: `addresses` is (CAPACITY, 4) int64, see `view`."""

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
        addresses = [array.ctypes.data for array in (row.bits, row.suffixes, row.tokens)]
        self.addresses[number] = [*addresses, len(row.suffixes)]
        self._numbers[key] = number
        return number
