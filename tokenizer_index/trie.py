"""The vocabulary as a trie in preorder: one pass over an array visits the tokens that share prefixes together.

A node is four cells: the symbol on the edge to it, the size of its subtree, its depth, and the token that ends
there (-1: none).  Skipping a subtree is adding its size.  A symbol is a byte, or 256 + t for special token t, which
is no text but may be named by a grammar.  Llama 3's vocabulary has 274,521 nodes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Cells, int64, kernel, memory_at

__all__ = ["SPECIAL", "build_trie", "heights_of", "list_children", "symbols_below", "token_symbols"]

KERNELS = "de716cabbe365690"

SPECIAL = 256
"""Symbols from here on are special tokens."""


@kernel
def _fill(symbols: Cells, starts: Cells, ends: Cells, order: Cells, trie: Cells, same: Cells) -> int:
    """Write the nodes of the tokens in sorted `order`; the number of nodes.

    `trie` has room for one node a symbol and the root; `same` chains tokens that are equal.
    """
    path = np.zeros(trie.shape[0] + 1, np.int32)  # node at each depth of the last token
    trie[0, 0], trie[0, 1], trie[0, 2], trie[0, 3] = -1, 1, 0, -1
    count, last, last_length = 1, -1, 0
    for i in range(order.size):
        token = order[i]
        length = ends[token] - starts[token]
        common = 0
        while (
            common < length
            and common < last_length
            and symbols[starts[token] + common] == symbols[starts[last] + common]
        ):
            common += 1
        if last >= 0 and common == length and length == last_length:
            same[last] = token
        else:
            for depth in range(last_length, common, -1):
                trie[path[depth], 1] = count - path[depth]
            for depth in range(common + 1, length + 1):
                trie[count, 0] = symbols[starts[token] + depth - 1]
                trie[count, 2] = depth
                trie[count, 3] = token if depth == length else -1
                path[depth] = count
                count += 1
        last, last_length = token, length
    for depth in range(last_length, -1, -1):
        trie[path[depth], 1] = count - path[depth]
    return count


@kernel
def _list_children(address: int, count: int, offsets: Cells, children: Cells) -> None:
    """Write where the children of each of the `count` nodes begin, and the symbol and number of every child."""
    trie = memory_at(address)
    written = 0
    for node in range(count):
        offsets[node] = written
        child, end = node + 1, node + trie[4 * node + 1]
        while child < end:
            children[written, 0], children[written, 1] = trie[4 * child], child
            written += 1
            child += trie[4 * child + 1]
    offsets[count] = written


def list_children(trie: Cells) -> tuple[Cells, Cells]:
    """Where the children of each trie node begin, (n + 1,) int32, and all (symbol, node), (n - 1, 2) int32.

    In the trie itself, going from child to child means touching a far-off line of memory for each.
    """
    offsets = np.empty(len(trie) + 1, np.int32)
    children = np.empty((max(len(trie) - 1, 1), 2), np.int32)
    _list_children(trie.ctypes.data, len(trie), offsets, children)
    return offsets, children


@kernel
def _measure(address: int, heights: Cells) -> None:
    """Write the height of each trie node: the children of a node come behind it."""
    trie = memory_at(address)
    for node in range(heights.size - 1, -1, -1):
        height = 0
        child, end = node + 1, node + trie[4 * node + 1]
        while child < end:
            height = max(height, 1 + heights[child])
            child += trie[4 * child + 1]
        heights[node] = height


def heights_of(trie: Cells) -> Cells:
    """How many symbols the longest token below each trie node has from there on, (n,) int32."""
    heights = np.empty(len(trie), np.int32)
    _measure(trie.ctypes.data, heights)
    return heights


@kernel
def _gather(address: int, below: npt.NDArray[np.int64]) -> None:
    """Write the symbols below each trie node: the children of a node come behind it."""
    trie = memory_at(address)
    for node in range(below.shape[0] - 1, -1, -1):
        child, end = node + 1, node + trie[4 * node + 1]
        while child < end:
            symbol = min(trie[4 * child], BEYOND_ASCII)
            below[node, symbol >> 6] |= below[child, symbol >> 6] | (int64(1) << (symbol & 63))
            below[node, 1 - (symbol >> 6)] |= below[child, 1 - (symbol >> 6)]
            child += trie[4 * child + 1]


BEYOND_ASCII = 0x7F
"""What stands for this symbol and all beyond it in sets of symbols."""


def symbols_below(trie: Cells) -> npt.NDArray[np.int64]:
    """The set of symbols on the edges below each trie node as 128 bits, (n, 2) int64; `BEYOND_ASCII` is for many."""
    below = np.zeros((len(trie), 2), np.int64)
    _gather(trie.ctypes.data, below)
    return below


def token_symbols(tokens: Sequence[bytes], special: Sequence[int]) -> tuple[Cells, Cells]:
    """Symbols of all tokens one after the other, and where each begins: (n,) and (V + 1,) int32.

    A token in `special` is one symbol of its own.
    """
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    lengths[list(special)] = 1
    offsets = np.zeros(len(tokens) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    texts = list(tokens)
    for token in special:
        texts[token] = b"?"
    symbols = np.frombuffer(b"".join(texts), np.uint8).astype(np.int32)
    for token in special:
        symbols[offsets[token]] = SPECIAL + token
    return symbols, offsets


def build_trie(tokens: Sequence[bytes], special: Sequence[int], symbols: Cells, offsets: Cells) -> tuple[Cells, Cells]:
    """The trie, (n, 4) int32, and for each token the next one with the same bytes or -1, (V,) int32.

    Tokens without bytes are left out.
    """
    apart = set(special)
    order = sorted((t for t in range(len(tokens)) if t not in apart and tokens[t]), key=tokens.__getitem__)
    order += sorted(apart)
    same = np.full(len(tokens), -1, np.int32)
    trie = np.empty((symbols.size + 1, 4), np.int32)
    count = _fill(symbols, offsets[:-1], offsets[1:], np.array(order, np.int32), trie, same)
    return np.ascontiguousarray(trie[:count]), same
