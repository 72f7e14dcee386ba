"""Masks put together from rows, when every split of the text into lexemes counts.

For each terminal that is being read, the tokens of its row are allowed (`rows`), and behind the exits of the row those
that the parser goes on with: along the suffixes of a pooled row, by a walk, or, where very much is left as behind a
space, with rows of what may come next, below that trie node.

Doubts.  The row of a captured terminal (an undeclared key, or a part of what `captures` keeps) does not know the text
that was read before, so neither does the configuration behind its exits.  Where that matters, because another such
key ends within the same token, the configuration says DOUBTFUL; where it goes on with more than the text may allow, it
says UNSURE.  Each such token is read once more from the beginning.
"""

import numpy as np

from constrain.grammars.automata._jit import Memory, inner, int64, memory_at, words_at
from constrain.grammars.automata.liveness import is_alive
from constrain.grammars.automata.nodes import (
    CONCAT,
    EPSILON,
    JSON,
    NO_TEXT,
    SYMBOLS,
    UNION,
    concat,
    nullable,
)
from constrain.grammars.automata.store import (
    OK,
    STATUS,
    argument,
    at,
    cut,
    height,
    intern,
    intern_2,
    kind_of,
    length_of,
    push,
    recall,
    remember,
    store_stack,
)
from constrain.tokenizer_index.branches import push_branches, runs_long, without_far_bound
from constrain.tokenizer_index.configurations import DOUBTFUL, UNSURE, config_step, flags_of
from constrain.tokenizer_index.lexer import UNKNOWN
from constrain.tokenizer_index.parser import (
    CONFIGURATION,
    ENDS,
    KEYED_TEXT,
    LEXER,
    first_lexer,
    go_to,
    push_item,
    sort_unique_triples,
)
from constrain.tokenizer_index.reduced_rows import DOUBTED, POOLED
from constrain.tokenizer_index.rows import letters_of, row_of
from constrain.tokenizer_index.small_rows import SMALL
from constrain.tokenizer_index.tables import (
    CAPTURE,
    KEYED,
    TERMINAL_FLAGS,
    terminal_cell,
)
from constrain.tokenizer_index.view import (
    CHILD_OFFSETS,
    CHILDREN,
    DEPTH,
    NODE_WIDTH,
    POOL,
    POOL_BITS,
    POOL_COUNT,
    POOL_EXITS,
    POOL_SUFFIXES,
    POOL_TOKENS,
    POOL_WIDE,
    POOL_WIDE_COUNT,
    POOL_WIDTH,
    SUFFIX_WIDTH,
    TRIE,
    WORDS,
    clear_bit,
    has_bit,
    is_letter,
    set_bit,
)
from constrain.tokenizer_index.walks import begins_with, first_bytes_of, put_off, times_put_off, walk

__all__ = ["add_rows"]

KERNELS = "de716cabbe365690"


@inner
def _walk_suffixes(m: Memory, start: int, row: Memory, view: Memory) -> int:
    """`walk` along the suffix trie of a pooled row: the place of the nodes that were reached, and of those in doubt.

    Both are lists with their number in front, one behind the other; 0 when the call has failed.
    """
    suffixes = memory_at(row[POOL_SUFFIXES])
    end = row[POOL_COUNT]
    found, doubtful = np.empty(end, np.int64), np.empty(end, np.int64)
    unsure = np.zeros(view[DEPTH] + 2, np.int64)  # by depth, whether what lies below is in doubt
    unsure[0] = flags_of(m, start) & UNSURE
    base = height(m)
    push(m, start)
    first_bytes = first_bytes_of(m, start)
    if m[STATUS] != OK:
        return 0
    i, sure_count, doubtful_count = 0, 0, 0
    while i < end and m[STATUS] == OK:
        cell = SUFFIX_WIDTH * i
        size, depth = suffixes[cell + 1], suffixes[cell + 2]
        if depth == 1 and not begins_with(m, first_bytes, suffixes[cell]):
            i += size
            continue
        here = config_step(m, at(m, base + depth - 1), suffixes[cell])
        if m[STATUS] != OK and put_off(m, view, base + depth):
            here = 0
        flags = flags_of(m, here) if here > 0 else 0
        if here > 0 and flags & DOUBTFUL:
            for j in range(cell, cell + SUFFIX_WIDTH * size, SUFFIX_WIDTH):
                doubtful[doubtful_count] = j
                doubtful_count += 1
        if here == 0 or flags & DOUBTFUL:
            i += size
            continue
        if unsure[depth - 1]:
            doubtful[doubtful_count] = cell
            doubtful_count += 1
        else:
            found[sure_count] = cell
            sure_count += 1
        unsure[depth] = unsure[depth - 1] | (flags & UNSURE)
        cut(m, base + depth)
        push(m, here)
        i += 1
    cut(m, base)
    push(m, sure_count)
    for j in range(sure_count):
        push(m, found[j])
    push(m, doubtful_count)
    for j in range(doubtful_count):
        push(m, doubtful[j])
    return store_stack(m, base)


@inner
def _add_suffixes(m: Memory, start: int, number: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens of pooled row `number` whose rest may be read from configuration `start`.

    What is found is kept: the states inside a string differ by what may still come in it, while what may come behind
    it stays the same.
    """
    row = words_at(view[POOL] + 8 * POOL_WIDTH * number)
    if row[POOL_COUNT] == 0 or m[STATUS] != OK:
        return
    top = height(m)
    nodes = recall(m, start, _ROWS + number)
    if nodes < 0:
        put_off_before = times_put_off(view)
        nodes = _walk_suffixes(m, start, row, view)
        if times_put_off(view) == put_off_before:
            remember(m, start, _ROWS + number, nodes)
    if m[STATUS] == OK:
        suffixes, tokens = memory_at(row[POOL_SUFFIXES]), memory_at(row[POOL_TOKENS])
        doubtful = nodes + 1 + m[nodes]
        for i in range(nodes + 1, doubtful):
            first = suffixes[m[i] + 3]
            for k in range(first, first + suffixes[m[i] + 4]):
                set_bit(mask, tokens[k])
        for i in range(doubtful + 1, doubtful + 1 + m[doubtful]):
            first = suffixes[m[i] + 3]
            for k in range(first, first + suffixes[m[i] + 4]):
                set_bit(doubts, tokens[k])
                doubts[view[WORDS]] = 1
    cut(m, top)


@inner
def _letter_may_follow(m: Memory, configuration: int) -> bool:
    known = recall(m, configuration, _LETTER)
    if known < 0:
        known = 0
        first_bytes = first_bytes_of(m, configuration)
        for symbol in range(256):
            if m[STATUS] == OK and is_letter(symbol) and begins_with(m, first_bytes, symbol):
                known = 1
        remember(m, configuration, _LETTER, known)
    return known > 0


@inner
def _add_below(m: Memory, after: int, root: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens below an exit, trie node `root`, from configuration `after`.

    Where very much is left to be read, as words are behind a space, the pair is put on the stack, for rows of its own.
    """
    trie = memory_at(view[TRIE])
    if trie[NODE_WIDTH * root + 1] > _MUCH and m[STATUS] == OK and not flags_of(m, after) & (UNSURE | DOUBTFUL):
        offsets, children = memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
        first_bytes = first_bytes_of(m, after)
        if m[STATUS] != OK:
            return
        left = 0
        for child in range(offsets[root], offsets[root + 1]):
            symbol = children[2 * child]
            if begins_with(m, first_bytes, symbol):
                left += trie[NODE_WIDTH * children[2 * child + 1] + 1]
        if left > _MUCH:
            push(m, after)
            push(m, root)
            return
    walk(m, after, root, view, mask, doubts)


_MUCH = 1024  # trie nodes


# With a configuration: numbers from here on stand for pooled rows; whether a letter may follow.
_ROWS, _LETTER = 1 << 24, 1 << 28


@inner
def _after_exit(m: Memory, parser: int, terminal: int, payload: int, tail: int) -> int:
    """The configuration after what has been read of a terminal, if `tail` is to follow; 0 when it is refused.

    An empty tail is the end of the terminal.
    """
    position = height(m)
    captures = terminal_cell(m, terminal, TERMINAL_FLAGS) & CAPTURE
    if tail != EPSILON:
        push_item(m, terminal, tail, UNKNOWN if captures else 0)
        push_item(m, parser, intern(m, LEXER, position), 0)
    if nullable(m, tail):
        value = payload
        if captures:
            keyed = terminal_cell(m, terminal, TERMINAL_FLAGS) & KEYED
            value = intern_2(m, KEYED_TEXT, payload, NO_TEXT) if keyed else NO_TEXT
        ends = height(m)
        push(m, terminal)
        push(m, value)
        after = go_to(m, parser, intern(m, ENDS, ends))
        if length_of(m, after) > 0:
            push_item(m, after, 0, 0)
    if height(m) == position or m[STATUS] != OK:
        cut(m, position)
        return 0
    sort_unique_triples(m, position)
    return intern(m, CONFIGURATION, position)


@inner
def _add_small(
    m: Memory, record: int, parser: int, terminal: int, tail: int, view: Memory, mask: Memory, doubts: Memory
) -> None:
    exits = record + 2 + m[record + 1]
    for i in range(record + 2, exits):
        set_bit(mask, m[i])
    after, last_payload = 0, -1
    for i in range(exits + 1, exits + 1 + 2 * m[exits], 2):
        if m[i + 1] != last_payload:
            last_payload = m[i + 1]
            after = _after_exit(m, parser, terminal, last_payload, tail)
        if after > 0 and m[STATUS] == OK:
            _add_below(m, after, m[i], view, mask, doubts)


@inner
def _add_pooled(
    m: Memory, record: int, root: int, parser: int, terminal: int, tail: int, view: Memory, mask: Memory, doubts: Memory
) -> None:
    """Add a pooled row; for one made from another, the tokens on its list keep the state they have, or are in doubt."""
    row = words_at(view[POOL] + 8 * POOL_WIDTH * m[record + 1])
    first, last = record + 4, record + 4
    if m[record] != POOLED:
        last += m[record + 3]
    kept = height(m)
    for i in range(first, last):
        if has_bit(mask, m[i]):
            push(m, m[i])
    bits = memory_at(row[POOL_BITS])
    for word in range(view[WORDS]):
        mask[word] = mask[word] | bits[word]
    after = 0
    if row[POOL_EXITS] > 0:  # else what follows is not asked for, which may be a rule that has not been made
        after = _after_exit(m, parser, terminal, 0, tail)
    if after > 0 and m[STATUS] == OK:
        _add_suffixes(m, after, m[record + 1], view, mask, doubts)
        if _letter_may_follow(m, after):
            letters = letters_of(m, m[record + 2], root)
            if letters >= 0:
                _add_suffixes(m, after, letters, view, mask, doubts)
    for i in range(first, last):
        clear_bit(mask, m[i])
        if m[record] == DOUBTED:
            set_bit(doubts, m[i])
            doubts[view[WORDS]] = 1
    for i in range(kept, height(m)):
        set_bit(mask, at(m, i))
    cut(m, kept)
    if after > 0 and m[STATUS] == OK and row[POOL_WIDE_COUNT] > 0:
        wide = memory_at(row[POOL_WIDE])
        for i in range(row[POOL_WIDE_COUNT]):
            _add_below(m, after, int64(wide[i]), view, mask, doubts)


@inner
def _add_row(
    m: Memory, parser: int, terminal: int, node: int, tail: int, root: int, view: Memory, mask: Memory, doubts: Memory
) -> None:
    """Allow the tokens of the row of `node`, and those that go on behind its exits with `tail`."""
    keyed = (terminal_cell(m, terminal, TERMINAL_FLAGS) & KEYED) != 0
    record = row_of(m, node, root, keyed, view)
    if m[STATUS] != OK:
        return
    if m[record] == SMALL:
        _add_small(m, record, parser, terminal, tail, view, mask, doubts)
    else:
        _add_pooled(m, record, root, parser, terminal, tail, view, mask, doubts)


@inner
def _add_terminal(
    m: Memory, parser: int, terminal: int, node: int, root: int, view: Memory, mask: Memory, doubts: Memory
) -> None:
    """Allow the tokens below trie node `root` that the rest `node` of a terminal begins with.

    A beginning in which many tokens stay is split off, up to the symbol that ends it: all expressions that begin
    so share its row.
    """
    keyed = (terminal_cell(m, terminal, TERMINAL_FLAGS) & KEYED) != 0
    tail = EPSILON
    if kind_of(m, node) == CONCAT:
        head, rest = argument(m, node, 0), argument(m, node, 1)
        if kind_of(m, head) == JSON:
            node, tail = head, rest
        elif runs_long(m, head) and kind_of(m, rest) == CONCAT and kind_of(m, argument(m, rest, 0)) == SYMBOLS:
            head = without_far_bound(m, head, view[DEPTH])
            node, tail = concat(m, head, argument(m, rest, 0)), argument(m, rest, 1)
    if keyed:
        _add_row(m, parser, terminal, node, tail, root, view, mask, doubts)
        return
    position = height(m)
    push_branches(m, node, view)
    count = height(m) - position
    if count == 1:
        node = at(m, position)
        cut(m, position)
        _add_row(m, parser, terminal, node, tail, root, view, mask, doubts)
        return
    branches = np.empty(count, np.int64)
    for i in range(count):
        branches[i] = at(m, position + i)
    cut(m, position)
    for i in range(count):
        if m[STATUS] == OK:
            _add_row(m, parser, terminal, branches[i], tail, root, view, mask, doubts)


@inner
def add_rows(m: Memory, configuration: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens of a configuration, when every split of the text into lexemes counts.

    What is left to be read behind wide exits waits on the stack: pairs of configuration and trie node.
    """
    kept = height(m)
    push(m, configuration)
    push(m, 0)
    while height(m) > kept and m[STATUS] == OK:
        here, root = at(m, height(m) - 2), at(m, height(m) - 1)
        cut(m, height(m) - 2)
        for i in range(0, length_of(m, here), 3):
            parser, lexer = argument(m, here, i), argument(m, here, i + 1)
            waiting = height(m)
            if lexer == 0:
                lexer = first_lexer(m, parser)
            if m[STATUS] != OK and put_off(m, view, waiting):
                continue
            for j in range(0, length_of(m, lexer), 3):
                terminal, node = argument(m, lexer, j), argument(m, lexer, j + 1)
                waiting = height(m)
                if kind_of(m, node) != UNION:
                    _add_terminal(m, parser, terminal, node, root, view, mask, doubts)
                else:
                    for k in range(length_of(m, node)):
                        if is_alive(m, argument(m, node, k)):
                            _add_terminal(m, parser, terminal, argument(m, node, k), root, view, mask, doubts)
                if m[STATUS] != OK:
                    put_off(m, view, waiting)
    cut(m, kept)
