"""Small rows: a list of tokens and exits, made by a walk that is given up when the row turns out large."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Memory, inner, memory_at
from constrain.grammars.automata.expand import target_of, transitions
from constrain.grammars.automata.json_text import ANY_ESCAPE, letter_of_escape
from constrain.grammars.automata.liveness import is_alive
from constrain.grammars.automata.nodes import (
    EPSILON_KIND,
    JSON,
    WORDS,
    epsilon,
    json_string,
    nullable,
    payload_of,
)
from constrain.grammars.automata.nodes import words as words_node
from constrain.grammars.automata.store import (
    MEMO_A,
    MEMO_B,
    MEMO_C,
    OK,
    STATUS,
    argument,
    cut,
    height,
    kind_of,
    length_of,
    memo,
    push,
    put,
    set_memo,
    store_stack,
)
from constrain.tokenizer_index.view import (
    CHILD_OFFSETS,
    CHILDREN,
    NODE_WIDTH,
    TRIE,
    child_from,
    twin_of,
)

__all__ = ["BUDGET", "SMALL", "UNLIMITED", "collect", "doubled", "push_tokens"]

KERNELS = "de716cabbe365690"

SMALL = 0  # the form of the record: number of tokens, tokens…, number of exits, (trie node, payload)…

BUDGET = 4096  # trie nodes that the walk for a small row may visit
UNLIMITED = 1 << 60
_MANY_EXITS, _MUCH_BELOW = 16, 512  # a row of more exits, with more trie nodes below them, is better merged
_QUOTE, _BACKSLASH, _ZERO, _LETTER_U = 0x22, 0x5C, 0x30, 0x75

Nodes: TypeAlias = npt.NDArray[np.int64]


@inner
def push_tokens(m: Memory, view: Memory, token: int) -> int:
    """Put a token and all others with the same bytes on the stack; how many."""
    count = 0
    while token >= 0:
        push(m, token)
        count += 1
        token = twin_of(view, token)
    return count


@inner
def collect(m: Memory, row: int, node: int, root: int, view: Memory, budget: int) -> bool:
    """Make the small row of a regular expression, below trie node `root`, for `row`; False when it would be large.

    Trie nodes that are to be visited wait in `pending`, each with the derivative there; for a JSON string of words,
    as names of properties are, -1 - the trie of the words that are left serves as well, and is no object to be made.
    """
    trie = memory_at(view[TRIE])
    offsets, children = memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
    position = height(m)
    push(m, SMALL)
    push(m, 0)
    exits, pending = np.empty(32, np.int64), np.empty(64, np.int64)
    pending[0], pending[1] = root, _words_of(m, node)
    exit_count, below_exits, visited, tokens, top = 0, 0, 0, 0, 2
    while top > 0 and m[STATUS] == OK:
        top -= 2
        i, here = pending[top], pending[top + 1]
        cell = NODE_WIDTH * i
        visited += i > root
        if visited > budget:
            cut(m, position)
            return False
        if here < 0:
            tokens += push_tokens(m, view, trie[cell + 3])
            below = 2 * (_MOST_SPELLINGS * length_of(m, -1 - here) + 2)
            while top + below > pending.size:
                pending = doubled(pending)
            listed = height(m)
            top = _push_below_words(m, i, -1 - here, argument(m, node, 3), view, pending, top)
            tokens += height(m) - listed
            continue
        if i > root:
            tokens += push_tokens(m, view, trie[cell + 3])
            if trie[cell + 1] > 1 and nullable(m, here):
                if exit_count + 2 > exits.size:
                    exits = doubled(exits)
                exits[exit_count] = i
                exits[exit_count + 1] = payload_of(m, here)
                exit_count += 2
                below_exits += trie[cell + 1]
        if trie[cell + 1] == 1 or kind_of(m, here) == EPSILON_KIND:
            continue
        child, last = offsets[i], offsets[i + 1]
        while top + 2 * (last - child) > pending.size:
            pending = doubled(pending)
        start = transitions(m, here) if memo(m, here, MEMO_A) < 0 else memo(m, here, MEMO_A)
        for k in range(start, start + 3 * memo(m, here, MEMO_B), 3):
            child = child_from(children, child, last, m[k])
            if child < last and children[2 * child] <= m[k + 1] and is_alive(m, m[k + 2]):
                while child < last and children[2 * child] <= m[k + 1]:
                    pending[top], pending[top + 1] = children[2 * child + 1], m[k + 2]
                    top += 2
                    child += 1
    if budget < UNLIMITED and exit_count > 2 * _MANY_EXITS and below_exits > _MUCH_BELOW:
        cut(m, position)
        return False
    if m[STATUS] == OK:
        put(m, position + 1, tokens)
        push(m, exit_count // 2)
        for j in range(exit_count):
            push(m, exits[j])
    set_memo(m, row, MEMO_C, store_stack(m, position))
    return True


@inner
def _words_of(m: Memory, node: int) -> int:
    """-1 - the trie of a JSON string that is one of some words; another expression itself."""
    if kind_of(m, node) == JSON and argument(m, node, 1) == 0 and kind_of(m, argument(m, node, 0)) == WORDS:
        return -1 - argument(m, argument(m, node, 0), 0)
    return node


_MOST_SPELLINGS = 18  # of a character of ASCII: raw, a short escape, and four digits of which two may be of either case


@inner
def _child(view: Memory, i: int, symbol: int) -> int:
    """The child of a trie node under a symbol, or -1."""
    offsets, children = memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
    child = child_from(children, offsets[i], offsets[i + 1], symbol)
    return children[2 * child + 1] if child < offsets[i + 1] and children[2 * child] == symbol else -1


@inner
def _push_below_words(m: Memory, i: int, words: int, how: int, view: Memory, pending: Nodes, top: int) -> int:
    """Let the trie nodes below `i` wait at which one of the words goes on; the new top of those that wait."""
    ascii_only = True
    for k in range(1, length_of(m, words), 2):
        symbol = argument(m, words, k)
        ascii_only = ascii_only and symbol < 0x80
        below = -1
        if symbol >= 0x20 and symbol != _QUOTE and symbol != _BACKSLASH:
            below = _child(view, i, symbol)
        if below >= 0:
            pending[top], pending[top + 1] = below, -1 - argument(m, words, k + 1)
            top += 2
    if argument(m, words, 0) > 0:
        below = _child(view, i, _QUOTE)
        if below >= 0:
            pending[top], pending[top + 1] = below, epsilon(m, argument(m, words, 0) - 1)
            top += 2
    below = _child(view, i, _BACKSLASH)
    if below < 0 or length_of(m, words) == 1:
        return top
    if ascii_only and how == ANY_ESCAPE:
        return _push_escaped(m, below, words, view, pending, top)
    after = json_string(m, words_node(m, words), 0, 0, how)
    after = target_of(m, after, _BACKSLASH)
    if is_alive(m, after):
        pending[top], pending[top + 1] = below, after
        top += 2
    return top


@inner
def _push_escaped(m: Memory, i: int, words: int, view: Memory, pending: Nodes, top: int) -> int:
    r"""The same behind the backslash at trie node `i`, for words that go on with characters of ASCII.

    Tokens that end within an escape go to the stack.
    """
    trie = memory_at(view[TRIE])
    push_tokens(m, view, trie[NODE_WIDTH * i + 3])
    unit = _child(view, i, _LETTER_U)
    first = _child(view, unit, _ZERO) if unit >= 0 else -1
    second = _child(view, first, _ZERO) if first >= 0 else -1
    for node in (unit, first, second):
        if node >= 0:
            push_tokens(m, view, trie[NODE_WIDTH * node + 3])
    for k in range(1, length_of(m, words), 2):
        symbol, rest = argument(m, words, k), -1 - argument(m, words, k + 1)
        letter = letter_of_escape(symbol)
        below = _child(view, i, letter) if letter >= 0 else -1
        if below >= 0:
            pending[top], pending[top + 1] = below, rest
            top += 2
        third = _child(view, second, _ZERO + (symbol >> 4)) if second >= 0 else -1
        if third < 0:
            continue
        push_tokens(m, view, trie[NODE_WIDTH * third + 3])
        digit = symbol & 15
        for spelling in range(2):
            code = _ZERO + digit if digit < 10 else (0x41 if spelling == 0 else 0x61) + digit - 10
            below = _child(view, third, code) if digit > 9 or spelling == 0 else -1
            if below >= 0:
                pending[top], pending[top + 1] = below, rest
                top += 2
    return top


@inner
def doubled(array: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """An array of twice the size that begins with the same numbers."""
    grown = np.empty(2 * array.size, np.int64)
    grown[: array.size] = array
    return grown
