"""Large rows: walks of the whole vocabulary, made once for an index and kept in its pool.

A row says which tokens stay inside a lexeme, and what may follow where it may end, its *exits*.  The latter comes in
three parts, because of what the vocabulary's tokens are like:

- Behind a *wide* exit, below which very much is left, as below a space, the mask goes on with another row: that of what
  may come next, below this trie node (`masks`).
- What follows the other exits is merged into tries of suffixes: one of those that do not begin with a letter, a digit
  or the like, and
- one of those that do.  A name may end behind each of its letters, so that its suffixes are all ends of words, while
  hardly any grammar lets a letter follow.  They are therefore made only when one does.
"""

import hashlib

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
    nullable,
)
from constrain.grammars.automata.nodes import TRIE as TRIE_KIND
from constrain.grammars.automata.store import (
    MEMO_B,
    OK,
    STATUS,
    WORK,
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
from constrain.tokenizer_index.pool import PooledRow
from constrain.tokenizer_index.suffix_tries import add_node, child_of, flatten_suffixes, link_tokens, with_root
from constrain.tokenizer_index.trie import BEYOND_ASCII
from constrain.tokenizer_index.view import (
    BELOW,
    DEPTH,
    NODE_WIDTH,
    SAME,
    SUFFIX_WIDTH,
    TRIE,
    TRIE_SIZE,
    WORDS,
    is_letter,
    set_all,
)

__all__ = ["content_key", "make_row"]

KERNELS = "de716cabbe365690"

SHARED, LETTERS = 0, 1  # parts of a row: all but what begins with letters, and that alone


@inner
def _first_part(m: Memory, node: int) -> int:
    """How many arguments come before those that are nodes; -1 when none are."""
    kind = kind_of(m, node)
    if kind == EPSILON_KIND or kind == SYMBOLS or kind == CHARS or kind == TABLE_KIND or kind == SPECIFICATION:
        return -1
    if kind == EXPONENT or kind == MULTIPLE:
        return -1
    return 1 if kind == TRIE_KIND else 0


@inner
def _is_part(m: Memory, node: int, i: int) -> bool:
    """Whether argument `i` of a node is a node."""
    first = _first_part(m, node)
    kind = kind_of(m, node)
    if first < 0 or i < first:
        return False
    if kind == TRIE_KIND:
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


def content_key(arena: Arena, node: int, root: int, part: int, count: int) -> bytes:
    """A digest of the regular expression `node`, the trie node `root` and the part of the row.

    `count` is the number of objects of the store.
    """
    size = 1024
    while True:
        out = np.empty(size, np.int32)
        written = arena.run(serialise, node, out, np.full(count, -1, np.int32))
        if written >= 0:
            content = np.append(out[:written], np.array([root, part], np.int32))
            return hashlib.blake2b(content.tobytes(), digest_size=16).digest()
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
def _walk_row(address: int, table: int, node: int, root: int, bits: int, exits: Cells) -> int:
    """Write the tokens below trie node `root` that `node` begins with, and the trie nodes at which a string of it ends.

    The number of the latter.  A subtree all of whose symbols lead back to the expression is taken as a whole.
    """
    m, view = memory_at(address), words_at(table)
    m[WORK] = 0
    trie, below = memory_at(view[TRIE]), words_at(view[BELOW])
    mask = memory_at(bits)
    loops = np.full((_REMEMBERED, 3), -1, np.int64)
    states = height(m)
    push(m, node)
    for _ in range(view[DEPTH]):
        push(m, 0)
    count = 0
    i, end, outer = root + 1, root + trie[NODE_WIDTH * root + 1], trie[NODE_WIDTH * root + 2]
    while i < end and m[STATUS] == OK:
        cell = NODE_WIDTH * i
        size, depth = trie[cell + 1], trie[cell + 2] - outer
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


_WIDE = 16  # the least part of the vocabulary's trie, as one over this, that lies below a wide exit
_LEAST_WIDE = 2048  # and the least number of nodes


@kernel
def _merge_suffixes(table: int, exits: Cells, part: int, wide: Cells) -> tuple[Cells, int, Cells, int, int]:
    """Enter what follows each exit into one trie, if it belongs to the part, and write the wide exits.

    The trie (see `suffix_tries`), the number of its nodes, the chain and the number of its links; that of wide exits.
    """
    view = words_at(table)
    trie, same = memory_at(view[TRIE]), memory_at(view[SAME])
    path = np.zeros(view[DEPTH] + 1, np.int64)
    first = np.full(256, -1, np.int64)  # the nodes below the root, of which there are many, by their bytes
    nodes, chain = with_root(1024), np.empty((1024, 2), np.int32)
    count, links, wide_count = 1, 0, 0
    for k in range(len(exits)):
        root = int64(exits[k])
        outer, size = trie[NODE_WIDTH * root + 2], trie[NODE_WIDTH * root + 1]
        if size > max(_LEAST_WIDE, view[TRIE_SIZE] // _WIDE):
            wide[wide_count] = root
            wide_count += 1
            continue
        i = root + 1
        while i < root + size:
            cell = NODE_WIDTH * i
            symbol, depth = int64(trie[cell]), trie[cell + 2] - outer
            if depth == 1 and is_letter(symbol) != (part == LETTERS):
                i += trie[cell + 1]
                continue
            child = first[symbol] if depth == 1 and symbol < 256 else child_of(nodes, path[depth - 1], symbol)
            if child < 0:
                child = count
                nodes = add_node(nodes, count, path[depth - 1], symbol)
                count += 1
                if depth == 1 and symbol < 256:
                    first[symbol] = child
            chain, links = link_tokens(nodes, child, chain, links, int64(trie[cell + 3]), same)
            path[depth] = child
            i += 1
    return nodes, count, chain, links, wide_count


def make_row(arena: Arena, table: Cells, node: int, root: int, part: int) -> PooledRow:
    """A part of the row of the regular expression `node` of a store, below trie node `root` of the view `table`."""
    address = table.ctypes.data
    bits, size = np.zeros(int(table[WORDS]), np.int32), int(table[TRIE_SIZE])
    exits, wide = np.empty(size, np.int32), np.empty(_WIDE * (int(table[DEPTH]) + 1), np.int32)
    count = arena.run(_walk_row, address, node, root, bits.ctypes.data, exits)
    nodes, merged, chain, links, wide_count = _merge_suffixes(address, exits[:count], part, wide)
    suffixes, tokens = np.empty((max(merged - 1, 1), SUFFIX_WIDTH), np.int32), np.empty(links, np.int32)
    flatten_suffixes(nodes, merged, chain, suffixes, tokens)
    return PooledRow(
        bits=bits,
        suffixes=np.ascontiguousarray(suffixes[: merged - 1]),
        tokens=tokens,
        wide=wide[:wide_count].copy(),
        exits=count,
    )
