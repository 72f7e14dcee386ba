"""Rows made from the pooled row of an expression that has a few strings more: less some tokens, or with some in doubt.

REDUCED  "any string but these words": the pooled row of "any string", minus some tokens.  Both expressions are
         derived along the trie, and a subtree is left as soon as the two derivatives are the same object, so that
         only the nodes along the words are visited.  "A string of at most n characters" is made likewise: subtrees
         whose tokens are too short to come to the bound are left
DOUBTED  the same of other expressions, say "any name but these keywords": the pooled row of "any name", and a list of
         the tokens that begin with one of the words, if they are few, which have to be decided one by one
"""

import numpy as np

from constrain.grammars.automata._jit import Memory, inner, int64, memory_at, words_at
from constrain.grammars.automata.expand import target_of
from constrain.grammars.automata.liveness import is_alive
from constrain.grammars.automata.nodes import (
    ANY_CHAR,
    CHARS,
    CONCAT,
    EMPTY,
    INTERSECT,
    JSON,
    REPEAT,
    UNBOUNDED,
    WITHOUT,
    concat,
    json_string,
    nullable,
    repeat,
)
from constrain.grammars.automata.store import (
    MEMO_C,
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
    set_memo,
    store_stack,
)
from constrain.tokenizer_index.branches import bound_of
from constrain.tokenizer_index.reach import FAR, reach_of
from constrain.tokenizer_index.small_rows import BUDGET, doubled, push_tokens
from constrain.tokenizer_index.view import (
    CHILD_OFFSETS,
    CHILDREN,
    HEIGHTS,
    NODE_WIDTH,
    POOL,
    POOL_BITS,
    POOL_WIDTH,
    TRIE,
    has_bit,
)

__all__ = ["DOUBTED", "POOLED", "REDUCED", "base_of", "base_without_bound", "doubt", "reduce"]

KERNELS = "de716cabbe365690"

# Forms of a record, its first cell, and what follows it.
POOLED = 1  # number in the pool, regular expression
REDUCED = 2  # number in the pool, regular expression that is of, number of tokens to take away, tokens…
DOUBTED = 3  # the same with tokens that are in doubt


@inner
def base_of(m: Memory, node: int) -> int:
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
def base_without_bound(m: Memory, node: int) -> int:
    """What a JSON string would be without a bound of its length; EMPTY when there is none, or `reach` is not known."""
    if kind_of(m, node) != JSON or argument(m, node, 1) > 0:
        return EMPTY
    text, how = argument(m, node, 0), argument(m, node, 3)
    if kind_of(m, text) == REPEAT and kind_of(m, argument(m, text, 0)) == CHARS and argument(m, text, 2) != UNBOUNDED:
        return json_string(m, repeat(m, argument(m, text, 0), argument(m, text, 1), UNBOUNDED), 0, 0, how)
    place = bound_of(m, text)
    if place < 0 or reach_of(m, argument(m, text, 1 - place)) == FAR:
        return EMPTY
    return json_string(m, argument(m, text, 1 - place), 0, 0, how)


@inner
def _room(m: Memory, node: int) -> int:
    """How many characters a bounded JSON string has room for; 0 when it does not say."""
    text = argument(m, node, 0)
    if kind_of(m, text) == REPEAT:
        return max(argument(m, text, 2), 0)
    if kind_of(m, text) == INTERSECT:
        for i in range(length_of(m, text)):
            member = argument(m, text, i)
            if kind_of(m, member) == REPEAT and argument(m, member, 0) == ANY_CHAR:
                return max(argument(m, member, 2), 0)
    return 0


@inner
def reduce(m: Memory, node: int, base: int, reach: int, view: Memory) -> bool:
    """Make the row of `node` from the pooled row of `base`, from which it lacks some; False when they are too many.

    `reach` is -1 when the strings that are lacking are words: a subtree is left where the derivatives are the same.
    Else they are the longer ones, and it is left where the bound is out of reach.

    A string of the base ends with a quote, at which nothing can go on: where it is not a string of `node`, all
    tokens below the quote are taken away.
    """
    trie, heights = memory_at(view[TRIE]), memory_at(view[HEIGHTS])
    offsets, children = memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
    position = height(m)
    push(m, REDUCED)
    push(m, m[memo(m, base, MEMO_C) + 1])
    push(m, base)
    push(m, 0)
    pending = np.empty(96, np.int64)
    pending[0], pending[1], pending[2] = 0, node, base
    taken, visited, top = 0, 0, 3
    while top > 0 and m[STATUS] == OK:
        top -= 3
        i, lesser, fuller = pending[top], pending[top + 1], pending[top + 2]
        visited += 1
        if reach >= 0 and visited > BUDGET:
            cut(m, position)
            return False
        while top + 3 * (offsets[i + 1] - offsets[i]) > pending.size:
            pending = doubled(pending)
        for child in range(offsets[i], offsets[i + 1]):
            symbol, below = children[2 * child], children[2 * child + 1]
            less, full = target_of(m, lesser, symbol), target_of(m, fuller, symbol)
            if less == full or not is_alive(m, full):
                continue
            if not is_alive(m, less):
                for j in range(below, below + trie[NODE_WIDTH * below + 1]):
                    taken += push_tokens(m, view, trie[NODE_WIDTH * j + 3])
            elif reach < 0 or kind_of(m, less) != JSON or _room(m, less) < heights[below] + reach:
                pending[top], pending[top + 1], pending[top + 2] = below, less, full
                top += 3
    if m[STATUS] == OK:
        put(m, position + 3, taken)
    set_memo(m, node, MEMO_C, store_stack(m, position))
    return True


@inner
def _push_lost(m: Memory, node: int, base: int, root: int, bits: Memory, view: Memory) -> int:
    """Put the tokens below trie node `root` that `base` may read, and `node` perhaps not, on the stack; how many.

    `node` is `base` without some words.  Behind one of them a token may not go on with what follows; one that stays
    inside `base`, as `bits` say, does not ask for that.
    """
    trie, offsets, children = memory_at(view[TRIE]), memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
    pending = np.empty(96, np.int64)
    pending[0], pending[1], pending[2] = root, node, base
    lost, top = 0, 3
    while top > 0 and lost <= _MOST_LOST and m[STATUS] == OK:
        top -= 3
        i, lesser, fuller = pending[top], pending[top + 1], pending[top + 2]
        while top + 3 * (offsets[i + 1] - offsets[i]) > pending.size:
            pending = doubled(pending)
        for child in range(offsets[i], offsets[i + 1]):
            symbol, below = children[2 * child], children[2 * child + 1]
            less, full = target_of(m, lesser, symbol), target_of(m, fuller, symbol)
            if less == full or not is_alive(m, full):
                continue
            stays = is_alive(m, less)
            if stays:
                pending[top], pending[top + 1], pending[top + 2] = below, less, full
                top += 3
            if not stays or nullable(m, less) != nullable(m, full):
                for j in range(below + stays, below + trie[NODE_WIDTH * below + 1]):
                    token = int64(trie[NODE_WIDTH * j + 3])
                    if token >= 0 and not (stays and has_bit(bits, token)):
                        lost += push_tokens(m, view, token)
    return lost


_MOST_LOST = 32


@inner
def doubt(m: Memory, row: int, node: int, root: int, record: int, view: Memory) -> bool:
    """Make the row of an expression without words from the pooled row of the expression; False for too many doubts."""
    position = height(m)
    push(m, DOUBTED)
    push(m, m[record + 1])
    push(m, m[record + 2])
    push(m, 0)
    bits = memory_at(words_at(view[POOL] + 8 * POOL_WIDTH * m[record + 1])[POOL_BITS])
    lost = _push_lost(m, node, argument(m, node, 0), root, bits, view)
    if lost > _MOST_LOST:
        cut(m, position)
        return False
    put(m, position + 3, lost)
    set_memo(m, row, MEMO_C, store_stack(m, position))
    return True
