"""Tries of suffixes: what may follow the exits of a row within a token.

While one is made, its nodes are rows of symbol, first child, next sibling and first link of a chain of tokens, the root
first; links are rows of token and next link.  Both grow as they need to.  Afterwards it is written out in preorder, as
kernels read it (`view`).
"""

import numpy as np

from constrain.grammars.automata._jit import Cells, Memory, inner, int64, kernel

KERNELS = "de716cabbe365690"


@inner
def with_root(size: int) -> Cells:
    """A trie that is nothing but its root, with room for so many nodes."""
    nodes = np.empty((size, 4), np.int32)
    nodes[0, 0], nodes[0, 1], nodes[0, 2], nodes[0, 3] = -1, -1, -1, -1
    return nodes


@inner
def child_of(nodes: Cells, parent: int, symbol: int) -> int:
    """The child of a node under a symbol, or -1."""
    child = int64(nodes[parent, 1])
    while child >= 0 and nodes[child, 0] != symbol:
        child = int64(nodes[child, 2])
    return child


@inner
def add_node(nodes: Cells, count: int, parent: int, symbol: int) -> Cells:
    """Add a child, as node number `count`."""
    if count == len(nodes):
        grown = np.empty((2 * count, 4), np.int32)
        grown[:count] = nodes
        nodes = grown
    nodes[count, 0], nodes[count, 1], nodes[count, 2], nodes[count, 3] = symbol, -1, nodes[parent, 1], -1
    nodes[parent, 1] = count
    return nodes


@inner
def link_tokens(nodes: Cells, node: int, chain: Cells, links: int, token: int, same: Memory) -> tuple[Cells, int]:
    """Add a token, and those with the same bytes, to the chain of a node; the chain and the number of its links."""
    while token >= 0:
        if links == len(chain):
            grown = np.empty((2 * links, 2), np.int32)
            grown[:links] = chain
            chain = grown
        chain[links, 0], chain[links, 1] = token, nodes[node, 3]
        nodes[node, 3] = links
        links += 1
        token = int64(same[token])
    return chain, links


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
