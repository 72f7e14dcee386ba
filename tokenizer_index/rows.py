"""Rows: which tokens stay inside a lexeme, and where they may leave it.  A function of its regular expression alone.

The row of a regular expression holds the tokens that its strings can begin with, and the *exits*: the trie nodes
at which a string of it ends inside a token.  Rows come in four forms:

SMALL    a list of tokens and exits, made here on demand
POOLED   a bitmask in the index's pool, shared by all grammars and kept on disk.  Its exits are merged by what
         follows them: of Llama 3's tokens 1,312 close a JSON string, with 576 distinct continuations
REDUCED  "any string but these words": the pooled row of "any string", minus some tokens.  Both expressions are
         derived along the trie, and a subtree is left as soon as the two derivatives are the same object, so that
         only the nodes along the words are visited.  "A string of at most n characters" is made likewise: subtrees
         whose tokens are too short to come to the bound are left
DOUBTED  the same of other expressions, say "any name but these keywords": the pooled row of "any name", and a list of
         the tokens that begin with one of the words, if they are few, which have to be decided one by one

A row that turns out large while it is made is asked for through the status NEEDS_ROW; `pooled_rows` makes it.

Rows are of the whole vocabulary, or of what lies below a trie node, its *root*: ROW [regular expression, root].
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Memory, inner, int64, kernel, memory_at, words_at
from constrain.grammars.automata.expand import target_of, transitions
from constrain.grammars.automata.json_text import ANY_ESCAPE, letter_of_escape
from constrain.grammars.automata.liveness import is_alive
from constrain.grammars.automata.nodes import (
    ANY_CHAR,
    CHARS,
    CONCAT,
    EMPTY,
    EPSILON_KIND,
    INTERSECT,
    JSON,
    REPEAT,
    UNBOUNDED,
    WITHOUT,
    WORDS,
    concat,
    epsilon,
    json_string,
    nullable,
    payload_of,
    repeat,
)
from constrain.grammars.automata.nodes import words as words_node
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
    intern_2,
    kind_of,
    length_of,
    memo,
    push,
    put,
    recall,
    remember,
    set_memo,
    store_stack,
)
from constrain.tokenizer_index.branches import bound_of
from constrain.tokenizer_index.parser import ROW
from constrain.tokenizer_index.pooled_rows import LETTERS, SHARED
from constrain.tokenizer_index.reach import FAR, reach_of
from constrain.tokenizer_index.tables import NEEDED_NODE, NEEDED_PART, NEEDED_ROOT
from constrain.tokenizer_index.view import (
    CHILD_OFFSETS,
    CHILDREN,
    HEIGHTS,
    NODE_WIDTH,
    POOL,
    POOL_BITS,
    POOL_WIDTH,
    TRIE,
    child_from,
    has_bit,
    twin_of,
)

KERNELS = "4f1c7e97358307bc"

# Forms of a row, the first cell of its record in the store, and what follows it.
SMALL = 0  # number of tokens, tokens…, number of exits, (trie node, payload)…
POOLED = 1  # number in the pool, regular expression
REDUCED = 2  # number in the pool, regular expression that is of, number of tokens to take away, tokens…
DOUBTED = 3  # the same with tokens that are in doubt

_BUDGET = 4096  # trie nodes that the walk for a small row may visit
_UNLIMITED = 1 << 60
_MANY_EXITS, _MUCH_BELOW = 16, 512  # a row of more exits, with more trie nodes below them, is better merged
_QUOTE, _BACKSLASH, _ZERO, _LETTER_U = 0x22, 0x5C, 0x30, 0x75

Nodes: TypeAlias = npt.NDArray[np.int64]


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
def _collect(m: Memory, row: int, node: int, root: int, view: Memory, budget: int) -> bool:
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
            tokens += _push_tokens(m, view, trie[cell + 3])
            below = 2 * (_MOST_SPELLINGS * length_of(m, -1 - here) + 2)
            while top + below > pending.size:
                pending = _doubled(pending)
            listed = height(m)
            top = _push_below_words(m, i, -1 - here, argument(m, node, 3), view, pending, top)
            tokens += height(m) - listed
            continue
        if i > root:
            tokens += _push_tokens(m, view, trie[cell + 3])
            if trie[cell + 1] > 1 and nullable(m, here):
                if exit_count + 2 > exits.size:
                    exits = _doubled(exits)
                exits[exit_count] = i
                exits[exit_count + 1] = payload_of(m, here)
                exit_count += 2
                below_exits += trie[cell + 1]
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
    if budget < _UNLIMITED and exit_count > 2 * _MANY_EXITS and below_exits > _MUCH_BELOW:
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
    _push_tokens(m, view, trie[NODE_WIDTH * i + 3])
    unit = _child(view, i, _LETTER_U)
    first = _child(view, unit, _ZERO) if unit >= 0 else -1
    second = _child(view, first, _ZERO) if first >= 0 else -1
    for node in (unit, first, second):
        if node >= 0:
            _push_tokens(m, view, trie[NODE_WIDTH * node + 3])
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
        _push_tokens(m, view, trie[NODE_WIDTH * third + 3])
        digit = symbol & 15
        for spelling in range(2):
            code = _ZERO + digit if digit < 10 else (0x41 if spelling == 0 else 0x61) + digit - 10
            below = _child(view, third, code) if digit > 9 or spelling == 0 else -1
            if below >= 0:
                pending[top], pending[top + 1] = below, rest
                top += 2
    return top


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
def _base_without_bound(m: Memory, node: int) -> int:
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
def _reduce(m: Memory, node: int, base: int, reach: int, view: Memory) -> bool:
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
        if reach >= 0 and visited > _BUDGET:
            cut(m, position)
            return False
        while top + 3 * (offsets[i + 1] - offsets[i]) > pending.size:
            pending = _doubled(pending)
        for child in range(offsets[i], offsets[i + 1]):
            symbol, below = children[2 * child], children[2 * child + 1]
            less, full = target_of(m, lesser, symbol), target_of(m, fuller, symbol)
            if less == full or not is_alive(m, full):
                continue
            if not is_alive(m, less):
                for j in range(below, below + trie[NODE_WIDTH * below + 1]):
                    taken += _push_tokens(m, view, trie[NODE_WIDTH * j + 3])
            elif reach < 0 or kind_of(m, less) != JSON or _room(m, less) < heights[below] + reach:
                pending[top], pending[top + 1], pending[top + 2] = below, less, full
                top += 3
    if m[STATUS] == OK:
        put(m, position + 3, taken)
    set_memo(m, node, MEMO_C, store_stack(m, position))
    return True


@inner
def ask_for_row(m: Memory, node: int, root: int, part: int) -> None:
    """Let the call fail for want of a part of a pooled row."""
    if m[STATUS] == OK:
        m[STATUS] = NEEDS_ROW
        m[NEEDED_NODE], m[NEEDED_ROOT], m[NEEDED_PART] = node, root, part


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
            pending = _doubled(pending)
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
                        lost += _push_tokens(m, view, token)
    return lost


_MOST_LOST = 32


@inner
def _doubt(m: Memory, row: int, node: int, root: int, record: int, view: Memory) -> bool:
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


@inner
def _reduced_row(m: Memory, node: int, view: Memory) -> int:
    """The record of a reduced row; -1 where there is none, or the call has failed."""
    base, reach = _base_of(m, node), -1
    if base == EMPTY:
        base, reach = _base_without_bound(m, node), 1
        if base != EMPTY and kind_of(m, argument(m, node, 0)) == INTERSECT:
            reach = reach_of(m, argument(m, base, 0))
    if base == EMPTY or m[STATUS] != OK:
        return -1
    record = _row_of_base(m, base, base, 0, view)
    if m[STATUS] == OK and m[record] == POOLED:
        if _reduce(m, node, base, reach, view):
            return memo(m, node, MEMO_C)
        ask_for_row(m, node, 0, SHARED)
    return -1


@inner
def _doubted_row(m: Memory, row: int, node: int, root: int, view: Memory) -> int:
    """The record of a row with tokens in doubt; -1 where there is none, or the call has failed."""
    base = argument(m, node, 0)
    record = _row_of_base(m, _row_at(m, base, root), base, root, view)
    if m[STATUS] == OK and m[record] == POOLED:
        if _doubt(m, row, node, root, record, view):
            return memo(m, row, MEMO_C)
        ask_for_row(m, node, root, SHARED)
    return -1


@inner
def _row_at(m: Memory, node: int, root: int) -> int:
    """The object whose record is that of the row below a trie node."""
    return node if root == 0 else intern_2(m, ROW, node, root)


@inner
def _row_of_base(m: Memory, row: int, node: int, root: int, view: Memory) -> int:
    """The record of a row that is made from nothing else; -1 as `row_of` says."""
    if m[STATUS] == OK and memo(m, row, MEMO_C) < 0 and not _collect(m, row, node, root, view, _BUDGET):
        ask_for_row(m, node, root, SHARED)
    return memo(m, row, MEMO_C)


@inner
def row_of(m: Memory, node: int, root: int, keyed: bool, view: Memory) -> int:
    """The record of the row of a regular expression below a trie node.

    -1 when the call has failed, or a pooled row is needed.  The exits of a pooled row have no payloads, so an
    expression that is `keyed` by them gets a small one always.
    """
    row = _row_at(m, node, root)
    record = memo(m, row, MEMO_C)
    if record >= 0 or m[STATUS] != OK:
        return record
    if keyed:
        _collect(m, row, node, root, view, _UNLIMITED)
        return memo(m, row, MEMO_C)
    if kind_of(m, node) == WITHOUT:
        record = _doubted_row(m, row, node, root, view)
    elif root == 0:
        record = _reduced_row(m, node, view)
    if record >= 0 or m[STATUS] != OK:
        return record
    return _row_of_base(m, row, node, root, view)


@kernel
def set_pooled(address: int, node: int, root: int, part: int, number: int) -> None:
    """Say that a part of the row of `node` below trie node `root` is number `number` of the pool."""
    m = memory_at(address)
    row = _row_at(m, node, root)
    if part == LETTERS:
        remember(m, row, _LETTERS_OF, number)
        return
    position = height(m)
    push(m, POOLED)
    push(m, number)
    push(m, node)
    set_memo(m, row, MEMO_C, store_stack(m, position))


_LETTERS_OF = 1 << 28  # with a row, this number stands for its part LETTERS


@inner
def letters_of(m: Memory, node: int, root: int) -> int:
    """The number in the pool of the other part of a pooled row; -1 when it has been asked for."""
    row = _row_at(m, node, root)
    number = recall(m, row, _LETTERS_OF)
    if number < 0:
        ask_for_row(m, node, root, LETTERS)
    return number
