"""Rows: which tokens stay inside a lexeme, and where they may leave it.  A function of its regular expression alone.

The row of a regular expression holds the tokens that its strings can begin with, and the *exits*: the trie nodes
at which a string of it ends inside a token.  Rows come in three forms:

SMALL    a list of tokens and exits, made here on demand
POOLED   a bitmask in the index's pool, shared by all grammars and kept on disk.  Its exits are merged by what
         follows them: of Llama 3's tokens 1,312 close a JSON string, with 576 distinct continuations
REDUCED  "any string but these words": the pooled row of "any string", minus some tokens.  Both expressions are
         derived along the trie, and a subtree is left as soon as the two derivatives are the same object, so that
         only the nodes along the words are visited

A row that turns out large while it is made is asked for through the status NEEDS_ROW; `pool` makes it.
"""

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Memory, inner, kernel, memory_at
from constrain.grammars.automata.expand import target_of, transitions
from constrain.grammars.automata.liveness import is_alive
from constrain.grammars.automata.nodes import (
    CONCAT,
    EMPTY,
    EPSILON_KIND,
    JSON,
    WITHOUT,
    concat,
    json_string,
    nullable,
    payload_of,
)
from constrain.grammars.automata.store import (
    MEMO_A,
    MEMO_B,
    MEMO_C,
    NEEDS_ROW,
    OK,
    STATUS,
    argument,
    at,
    cut,
    height,
    kind_of,
    memo,
    push,
    put,
    set_memo,
    store_stack,
)
from constrain.tokenizer_index.tables import NEEDED_NODE
from constrain.tokenizer_index.view import CHILD_OFFSETS, CHILDREN, NODE_WIDTH, TRIE, child_from, twin_of

KERNELS = "0"

# Forms of a row, the first cell of its record in the store, and what follows it.
SMALL = 0  # number of tokens, tokens…, number of exits, (trie node, payload)…
POOLED = 1  # number in the pool
REDUCED = 2  # number in the pool, number of tokens to take away, tokens…

_BUDGET = 4096  # trie nodes that the walk for a small row may visit
_UNLIMITED = 1 << 60


@inner
def _push_tokens(m: Memory, view: Memory, token: int) -> int:
    """Put a token and all others with the same bytes on the stack; how many."""
    count = 0
    while token >= 0:
        push(m, token)
        count += 1
        token = twin_of(view, token)
    return count


@inner
def _collect(m: Memory, node: int, view: Memory, budget: int) -> bool:
    """Make the small row of a regular expression; False when it would be large.

    Trie nodes that are to be visited wait in `pending`, each with the derivative there.
    """
    trie = memory_at(view[TRIE])
    offsets, children = memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
    position = height(m)
    push(m, SMALL)
    push(m, 0)
    exits, pending = np.empty(32, np.int64), np.empty(64, np.int64)
    pending[0], pending[1] = 0, node
    exit_count, visited, tokens, top = 0, 0, 0, 2
    while top > 0 and m[STATUS] == OK:
        top -= 2
        i, here = pending[top], pending[top + 1]
        cell = NODE_WIDTH * i
        if i > 0:
            visited += 1
            if visited > budget:
                cut(m, position)
                return False
            tokens += _push_tokens(m, view, trie[cell + 3])
            if trie[cell + 1] > 1 and nullable(m, here):
                if exit_count + 2 > exits.size:
                    exits = _doubled(exits)
                exits[exit_count] = i
                exits[exit_count + 1] = payload_of(m, here)
                exit_count += 2
        if trie[cell + 1] == 1 or kind_of(m, here) == EPSILON_KIND:
            continue
        child, last = offsets[i], offsets[i + 1]
        while top + 2 * (last - child) > pending.size:
            pending = _doubled(pending)
        start = transitions(m, here) if memo(m, here, MEMO_A) < 0 else memo(m, here, MEMO_A)
        for k in range(start, start + 3 * memo(m, here, MEMO_B), 3):
            child = child_from(children, child, last, m[k])
            if child < last and children[2 * child] <= m[k + 1] and is_alive(m, m[k + 2]):
                while child < last and children[2 * child] <= m[k + 1]:
                    pending[top], pending[top + 1] = children[2 * child + 1], m[k + 2]
                    top += 2
                    child += 1
    if m[STATUS] == OK:
        put(m, position + 1, tokens)
        push(m, exit_count // 2)
        for j in range(exit_count):
            push(m, exits[j])
    set_memo(m, node, MEMO_C, store_stack(m, position))
    return True


@inner
def _doubled(array: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    grown = np.empty(2 * array.size, np.int64)
    grown[: array.size] = array
    return grown


@inner
def _base_of(m: Memory, node: int) -> int:
    """What `node` would be without the words taken away at its end; EMPTY when none are."""
    position = height(m)
    while kind_of(m, node) == CONCAT:
        push(m, argument(m, node, 0))
        node = argument(m, node, 1)
    base = EMPTY
    if kind_of(m, node) == JSON and argument(m, node, 1) == 0:
        text = argument(m, node, 0)
        if kind_of(m, text) == WITHOUT:
            base = json_string(m, argument(m, text, 0), 0, 0, argument(m, node, 3))
            for i in range(height(m) - 1, position - 1, -1):
                base = concat(m, at(m, i), base)
    cut(m, position)
    return base


@inner
def _reduce(m: Memory, node: int, base: int, view: Memory) -> None:
    """Make the row of `node` from the pooled row of `base`, from which it lacks some words.

    A string of the base ends with a quote, at which nothing can go on: where it is not a string of `node`, all
    tokens below the quote are taken away.
    """
    trie = memory_at(view[TRIE])
    offsets, children = memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
    position = height(m)
    push(m, REDUCED)
    push(m, m[memo(m, base, MEMO_C) + 1])
    push(m, 0)
    pending = np.empty(96, np.int64)
    pending[0], pending[1], pending[2] = 0, node, base
    taken, top = 0, 3
    while top > 0 and m[STATUS] == OK:
        top -= 3
        i, lesser, fuller = pending[top], pending[top + 1], pending[top + 2]
        while top + 3 * (offsets[i + 1] - offsets[i]) > pending.size:
            pending = _doubled(pending)
        for child in range(offsets[i], offsets[i + 1]):
            symbol, below = children[2 * child], children[2 * child + 1]
            less, full = target_of(m, lesser, symbol), target_of(m, fuller, symbol)
            if less == full or not is_alive(m, full):
                continue
            if is_alive(m, less):
                pending[top], pending[top + 1], pending[top + 2] = below, less, full
                top += 3
            else:
                for j in range(below, below + trie[NODE_WIDTH * below + 1]):
                    taken += _push_tokens(m, view, trie[NODE_WIDTH * j + 3])
    if m[STATUS] == OK:
        put(m, position + 2, taken)
    set_memo(m, node, MEMO_C, store_stack(m, position))


@inner
def _ask_for(m: Memory, node: int) -> None:
    if m[STATUS] == OK:
        m[STATUS] = NEEDS_ROW
        m[NEEDED_NODE] = node


@inner
def row_of(m: Memory, node: int, keyed: bool, view: Memory) -> int:
    """The record of the row of a regular expression; -1 when the call has failed, or a pooled row is needed.

    The exits of a pooled row have no payloads, so an expression that is `keyed` by them gets a small one always.
    """
    record = memo(m, node, MEMO_C)
    if record >= 0:
        return record
    base = _base_of(m, node)
    if base != EMPTY and not keyed:
        if memo(m, base, MEMO_C) < 0 and not _collect(m, base, view, _BUDGET):
            _ask_for(m, base)
        if m[STATUS] == OK and m[memo(m, base, MEMO_C)] == POOLED:
            _reduce(m, node, base, view)
            return memo(m, node, MEMO_C)
    if m[STATUS] == OK and not _collect(m, node, view, _UNLIMITED if keyed else _BUDGET):
        _ask_for(m, node)
    return memo(m, node, MEMO_C)


@kernel
def set_pooled(address: int, node: int, number: int) -> None:
    """Say that the row of `node` is number `number` of the pool."""
    m = memory_at(address)
    position = height(m)
    push(m, POOLED)
    push(m, number)
    set_memo(m, node, MEMO_C, store_stack(m, position))
