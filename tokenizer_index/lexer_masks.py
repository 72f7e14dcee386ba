"""Masks where the longest match counts, put together from the rows of lexer states (`lexer_rows`).

The tokens that stay inside a lexeme are those of the row of its lexer state.  For those that go on behind an exit, the
parser is asked once a group of exits, and goes on along their suffixes, or, behind a wide exit, with another row.
"""

import numpy as np

from constrain.grammars.automata._jit import Memory, inner
from constrain.grammars.automata.store import (
    MEMO_A,
    NEEDS_LEXER_ROW,
    OK,
    STATUS,
    argument,
    at,
    cut,
    height,
    intern_3,
    length_of,
    memo,
    push,
    put,
    recall,
    remember,
    store_stack,
)
from constrain.tokenizer_index.configurations import config_step, is_live
from constrain.tokenizer_index.parser import (
    CONFIGURATION,
    LEXER_ROW,
    first_lexer,
    go_to,
)
from constrain.tokenizer_index.tables import (
    NEEDED_LEXER_ROW,
    SEARCHES,
)
from constrain.tokenizer_index.view import (
    SUFFIX_WIDTH,
    WORDS,
    set_bit,
)
from constrain.tokenizer_index.walks import begins_with, first_bytes_of, walk

__all__ = ["add_lexer_rows"]

KERNELS = "de716cabbe365690"


@inner
def _walk_group(m: Memory, start: int, group: int) -> int:
    """Read the suffixes of a group of a lexer row from configuration `start`: the place of the nodes reached.

    They are a list with its length in front.
    """
    kept = height(m)
    push(m, 0)
    path = np.empty(m[group + 1] + 1, np.int64)
    path[0] = start
    first_bytes = first_bytes_of(m, start)
    if m[STATUS] != OK:
        return 0
    outer, node, end = m[group + 2], group + SUFFIX_WIDTH, group + SUFFIX_WIDTH * m[group + 1]
    while node < end and m[STATUS] == OK:
        symbol, size, depth = m[node], m[node + 1], m[node + 2] - outer
        here = 0
        if depth > 1 or begins_with(m, first_bytes, symbol):
            here = config_step(m, path[depth - 1], symbol)
        if here == 0:
            node += SUFFIX_WIDTH * size
            continue
        path[depth] = here
        push(m, node)
        node += SUFFIX_WIDTH
    put(m, kept, height(m) - kept - 1)
    return store_stack(m, kept)


_GROUPS = 1 << 27  # with a configuration, numbers from here on stand for groups of lexer rows


@inner
def _set_tokens(m: Memory, node: int, tokens: int, mask: Memory) -> None:
    first = tokens + m[node + 3]
    for i in range(first, first + m[node + 4]):
        set_bit(mask, m[i])


@inner
def _add_group(m: Memory, after: int, group: int, tokens: int, mask: Memory) -> None:
    """Allow the tokens of a group that configuration `after`, which follows the exit, goes on with."""
    nodes = recall(m, after, _GROUPS + group)
    if nodes < 0:
        nodes = _walk_group(m, after, group)
        remember(m, after, _GROUPS + group, nodes)
    if m[STATUS] == OK:
        _set_tokens(m, group, tokens, mask)
        for i in range(nodes + 1, nodes + 1 + m[nodes]):
            _set_tokens(m, m[i], tokens, mask)


@inner
def _after_group(m: Memory, parser: int, group: int) -> int:
    """The configuration behind the exits of a group, pairs of ends and guard; 0 when there is none."""
    after = go_to(m, parser, m[group])
    if m[STATUS] != OK or length_of(m, after) == 0:
        return 0
    following = intern_3(m, CONFIGURATION, after, 0, m[group + 1])
    if m[STATUS] != OK or (m[SEARCHES] and not is_live(m, following)):
        return 0
    return following


@inner
def _stays_live(m: Memory, parser: int, record: int) -> bool:
    """Whether all that the tokens inside a lexeme lead to comes to an end."""
    for i in range(record + 5, record + 5 + 2 * m[record], 2):
        if m[STATUS] == OK and not is_live(m, intern_3(m, CONFIGURATION, parser, m[i], m[i + 1])):
            return False
    return True


@inner
def _keeps_text(m: Memory, lexer: int) -> bool:
    for i in range(2, length_of(m, lexer), 3):
        if argument(m, lexer, i) != 0:
            return True
    return False


@inner
def _record_of(m: Memory, parser: int, lexer: int, guard: int, root: int) -> int:
    """The record of a lexer row; -1 when it must not be used, or the call has failed."""
    if _keeps_text(m, lexer):
        return -1
    row = intern_3(m, LEXER_ROW, lexer, guard, root)
    if m[STATUS] != OK:
        return -1
    record = memo(m, row, MEMO_A)
    if record < 0:
        m[NEEDED_LEXER_ROW] = row
        m[STATUS] = NEEDS_LEXER_ROW
        return -1
    return record if not m[SEARCHES] or _stays_live(m, parser, record) else -1


@inner
def _add_inside(m: Memory, first: int, size: int, view: Memory, mask: Memory) -> None:
    """Allow the tokens inside a lexeme: a list, or bits."""
    if size < view[WORDS]:
        for i in range(first, first + size):
            set_bit(mask, m[i])
    else:
        for word in range(size):
            mask[word] = mask[word] | m[first + word]


@inner
def _add_lexer_row(m: Memory, parser: int, record: int, view: Memory, mask: Memory) -> None:
    """Allow the tokens of a row, but for those behind wide exits.

    For these, pairs of the configuration there and the trie node are put on the stack.
    """
    groups = record + 5 + 2 * m[record]
    wide = groups + 2 * m[record + 1]
    inside = wide + 2 * m[record + 2]
    node = inside + m[record + 3]
    tokens = node + SUFFIX_WIDTH * m[record + 4]
    _add_inside(m, inside, m[record + 3], view, mask)
    while node < tokens and m[STATUS] == OK:
        if m[node + 1] > 1 or m[node + 4] > 0:  # else the guard forbids all that follows
            after = _after_group(m, parser, groups + 2 * m[node])
            if after > 0:
                _add_group(m, after, node, tokens, mask)
        node += SUFFIX_WIDTH * m[node + 1]
    for i in range(wide, inside, 2):
        after = _after_group(m, parser, groups + 2 * m[i])
        if after > 0:
            push(m, after)
            push(m, m[i + 1])


@inner
def add_lexer_rows(m: Memory, configuration: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens of a configuration, when the longest match counts: those of each reading."""
    kept = height(m)
    push(m, configuration)
    push(m, 0)
    while height(m) > kept and m[STATUS] == OK:
        here, root = at(m, height(m) - 2), at(m, height(m) - 1)
        cut(m, height(m) - 2)
        for i in range(0, length_of(m, here), 3):
            parser, lexer, guard = argument(m, here, i), argument(m, here, i + 1), argument(m, here, i + 2)
            if lexer == 0:
                lexer = first_lexer(m, parser)
            if lexer == 0 or m[STATUS] != OK:
                continue
            record = _record_of(m, parser, lexer, guard, root)
            if record >= 0:
                _add_lexer_row(m, parser, record, view, mask)
            elif m[STATUS] == OK:
                walk(m, intern_3(m, CONFIGURATION, parser, lexer, guard), root, view, mask, doubts)
    cut(m, kept)
