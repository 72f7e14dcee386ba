"""Token masks: which tokens may come next in a configuration.

The plain way is `walk`: go through the vocabulary's trie from the configuration, one symbol at a time, and leave a
subtree where the text leaves the language.  It is exact and serves every case, but inside a JSON string it visits a
quarter of a million nodes.  A mask is put together from rows instead: when every split into lexemes counts, from those
of the terminals that are being read (`rows`), when the longest match counts, from those of lexer states
(`lexer_rows`); behind the exits of a row the parser decides, and `walk` or the like goes on from there.

Doubts.  The row of a captured terminal (an undeclared key, or a part of what `captures` keeps) does not know the text
that was read before, so neither does the configuration behind its exits.  Where that matters, because another such
key ends within the same token, the configuration says DOUBTFUL; where it goes on with more than the text may allow, it
says UNSURE.  Each such token is read once more from the beginning.
"""

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Memory, inner, kernel, memory_at, words_at
from constrain.grammars.automata.expand import transitions
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
    MEMO_A,
    MEMO_B,
    NEEDS_LEXER_ROW,
    OK,
    STATUS,
    WORK,
    argument,
    at,
    cut,
    height,
    intern,
    intern_2,
    intern_3,
    kind_of,
    length_of,
    memo,
    push,
    put,
    recall,
    remember,
    store_stack,
)
from constrain.tokenizer_index.branches import push_branches, runs_long, without_far_bound
from constrain.tokenizer_index.configurations import ACCEPTING, DOUBTFUL, UNSURE, config_step, flags_of, is_live
from constrain.tokenizer_index.lexer import UNKNOWN
from constrain.tokenizer_index.parser import (
    CONFIGURATION,
    ENDS,
    KEYED_TEXT,
    LEXER,
    LEXER_ROW,
    first_lexer,
    go_to,
    push_item,
    set_of,
    sort_unique_triples,
)
from constrain.tokenizer_index.rows import REDUCED, SMALL, row_of
from constrain.tokenizer_index.tables import (
    ACCEPT,
    CAPTURE,
    KEYED,
    LONGEST_MATCH,
    NEEDED_LEXER_ROW,
    SEARCHES,
    START,
    TERMINAL_FLAGS,
    terminal_cell,
)
from constrain.tokenizer_index.view import (
    CHILD_OFFSETS,
    CHILDREN,
    DEPTH,
    END_COUNT,
    END_TOKENS,
    LAST_WORD,
    NODE_WIDTH,
    POOL,
    POOL_BITS,
    POOL_COUNT,
    POOL_SUFFIXES,
    POOL_TOKENS,
    POOL_WIDTH,
    SUFFIX_WIDTH,
    TOKEN_OFFSETS,
    TOKEN_SYMBOLS,
    TRIE,
    WORDS,
    clear_bit,
    has_bit,
    set_all,
    set_bit,
)

KERNELS = "ed00d2c72652d15e"

# Result of `make_mask`, besides ACCEPTING.
SOME_TOKEN, EVERY_TOKEN = 8, 16


@inner
def _first_bytes(m: Memory, configuration: int) -> npt.NDArray[np.bool_]:
    """Which bytes the lexers of a configuration go on with: all that may come next, and perhaps others."""
    found = np.zeros(256, np.bool_)
    for i in range(0, length_of(m, configuration), 3):
        lexer = argument(m, configuration, i + 1)
        if lexer == 0:
            lexer = first_lexer(m, argument(m, configuration, i))
        for j in range(1, length_of(m, lexer), 3):
            node = argument(m, lexer, j)
            start = transitions(m, node) if memo(m, node, MEMO_A) < 0 else memo(m, node, MEMO_A)
            for k in range(start, start + 3 * memo(m, node, MEMO_B), 3):
                for symbol in range(m[k], min(m[k + 1], 255) + 1):
                    found[symbol] = True
    return found


@inner
def _no_bytes() -> npt.NDArray[np.bool_]:
    return np.empty(0, np.bool_)


@inner
def walk(m: Memory, start: int, root: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens below trie node `root` that may be read from configuration `start`.

    `doubts` is a mask too, of tokens that cannot be decided here; its last word says whether there are any.  Trie
    nodes that are to be visited wait in `pending`, each with the configuration there and whether it is unsure.
    """
    trie = memory_at(view[TRIE])
    offsets, children = memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
    pending = np.empty(64, np.int64)
    pending[0], pending[1], pending[2] = root, start, flags_of(m, start) & UNSURE
    top = 3
    while top > 0 and m[STATUS] == OK:
        top -= 3
        i, configuration, unsure = pending[top], pending[top + 1], pending[top + 2]
        count = offsets[i + 1] - offsets[i]
        while top + 3 * count > pending.size:
            grown = np.empty(2 * pending.size, np.int64)
            grown[: pending.size] = pending
            pending = grown
        narrowed = count > _FEW
        first_bytes = _first_bytes(m, configuration) if narrowed else _no_bytes()
        for child in range(offsets[i], offsets[i + 1]):
            symbol = children[2 * child]
            if narrowed and symbol < 256 and not first_bytes[symbol]:
                continue
            here = config_step(m, configuration, symbol)
            if here == 0:
                continue
            below = children[2 * child + 1]
            flags = flags_of(m, here)
            if flags & DOUBTFUL:
                for j in range(below, below + trie[NODE_WIDTH * below + 1]):
                    set_all(doubts, view, trie[NODE_WIDTH * j + 3])
                doubts[view[WORDS]] = 1
                continue
            if unsure:
                set_all(doubts, view, trie[NODE_WIDTH * below + 3])
                doubts[view[WORDS]] = 1
            else:
                set_all(mask, view, trie[NODE_WIDTH * below + 3])
            if trie[NODE_WIDTH * below + 1] > 1:
                pending[top], pending[top + 1], pending[top + 2] = below, here, unsure | (flags & UNSURE)
                top += 3


_FEW = 8  # children that are tried one by one


@inner
def _walk_suffixes(m: Memory, start: int, row: Memory) -> int:
    """`walk` along the suffix trie of a pooled row: the place of the nodes that were reached, and of those in doubt.

    Both are lists with their number in front, one behind the other; 0 when the call has failed.
    """
    suffixes = memory_at(row[POOL_SUFFIXES])
    end = row[POOL_COUNT]
    found, doubtful = np.empty(end, np.int64), np.empty(end, np.int64)
    unsure = np.zeros(end + 2, np.int64)  # by depth, whether what lies below is in doubt
    unsure[0] = flags_of(m, start) & UNSURE
    base = height(m)
    push(m, start)
    first_bytes = _first_bytes(m, start)
    i, sure_count, doubtful_count = 0, 0, 0
    while i < end and m[STATUS] == OK:
        cell = SUFFIX_WIDTH * i
        size, depth = suffixes[cell + 1], suffixes[cell + 2]
        if depth == 1 and suffixes[cell] < 256 and not first_bytes[suffixes[cell]]:
            i += size
            continue
        here = config_step(m, at(m, base + depth - 1), suffixes[cell])
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
def _add_suffixes(m: Memory, start: int, number: int, row: Memory, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens of pooled row `number` whose rest may be read from configuration `start`.

    What is found is kept: the states inside a string differ by what may still come in it, while what may come behind
    it stays the same.
    """
    if m[STATUS] != OK:
        return
    top = height(m)
    nodes = recall(m, start, _ROWS + number)
    if nodes < 0:
        nodes = _walk_suffixes(m, start, row)
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


_ROWS = 1 << 24  # with a configuration, numbers from here on stand for pooled rows; below are symbols


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
            walk(m, after, m[i], view, mask, doubts)


@inner
def _add_pooled(
    m: Memory, record: int, parser: int, terminal: int, tail: int, view: Memory, mask: Memory, doubts: Memory
) -> None:
    """Add a pooled row; for a reduced one, the tokens on its list keep the state they have."""
    row = words_at(view[POOL] + 8 * POOL_WIDTH * m[record + 1])
    first, last = record + 3, record + 3
    if m[record] == REDUCED:
        last += m[record + 2]
    kept = height(m)
    for i in range(first, last):
        if has_bit(mask, m[i]):
            push(m, m[i])
    bits = memory_at(row[POOL_BITS])
    for word in range(view[WORDS]):
        mask[word] = mask[word] | bits[word]
    after = 0
    if row[POOL_COUNT] > 0:  # else what follows is not asked for, which may be a rule that has not been made
        after = _after_exit(m, parser, terminal, 0, tail)
    if after > 0 and m[STATUS] == OK:
        _add_suffixes(m, after, m[record + 1], row, view, mask, doubts)
    for i in range(first, last):
        clear_bit(mask, m[i])
    for i in range(kept, height(m)):
        set_bit(mask, at(m, i))
    cut(m, kept)


@inner
def _add_row(
    m: Memory, parser: int, terminal: int, node: int, tail: int, view: Memory, mask: Memory, doubts: Memory
) -> None:
    """Allow the tokens of the row of `node`, and those that go on behind its exits with `tail`."""
    keyed = (terminal_cell(m, terminal, TERMINAL_FLAGS) & KEYED) != 0
    record = row_of(m, node, keyed, view)
    if m[STATUS] != OK:
        return
    if m[record] == SMALL:
        _add_small(m, record, parser, terminal, tail, view, mask, doubts)
    else:
        _add_pooled(m, record, parser, terminal, tail, view, mask, doubts)


@inner
def _add_terminal(m: Memory, parser: int, terminal: int, node: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens that the rest `node` of a terminal begins with.

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
        _add_row(m, parser, terminal, node, tail, view, mask, doubts)
        return
    position = height(m)
    push_branches(m, node, view)
    for i in range(position, height(m)):
        if m[STATUS] == OK:
            _add_row(m, parser, terminal, at(m, i), tail, view, mask, doubts)
    cut(m, position)


@inner
def _add_rows(m: Memory, configuration: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens of a configuration, when every split of the text into lexemes counts."""
    for i in range(0, length_of(m, configuration), 3):
        parser, lexer = argument(m, configuration, i), argument(m, configuration, i + 1)
        if lexer == 0:
            lexer = first_lexer(m, parser)
        for j in range(0, length_of(m, lexer), 3):
            terminal, node = argument(m, lexer, j), argument(m, lexer, j + 1)
            if kind_of(m, node) != UNION:
                _add_terminal(m, parser, terminal, node, view, mask, doubts)
            else:
                for k in range(length_of(m, node)):
                    if is_alive(m, argument(m, node, k)):
                        _add_terminal(m, parser, terminal, argument(m, node, k), view, mask, doubts)


@inner
def _walk_group(m: Memory, start: int, group: int) -> int:
    """Read the suffixes of a group of a lexer row from configuration `start`: the place of the nodes reached.

    They are a list with its length in front.
    """
    kept = height(m)
    push(m, 0)
    path = np.empty(m[group + 1] + 1, np.int64)
    path[0] = start
    first_bytes = _first_bytes(m, start)
    outer, node, end = m[group + 2], group + SUFFIX_WIDTH, group + SUFFIX_WIDTH * m[group + 1]
    while node < end and m[STATUS] == OK:
        symbol, size, depth = m[node], m[node + 1], m[node + 2] - outer
        here = 0
        if depth > 1 or symbol >= 256 or first_bytes[symbol]:
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
def _add_lexer_rows(m: Memory, configuration: int, view: Memory, mask: Memory, doubts: Memory) -> None:
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


@inner
def read_token(m: Memory, configuration: int, view: Memory, token: int) -> int:
    """The configuration after a token, 0 when it may not come next."""
    offsets, symbols = memory_at(view[TOKEN_OFFSETS]), memory_at(view[TOKEN_SYMBOLS])
    if offsets[token] == offsets[token + 1]:
        return 0
    for i in range(offsets[token], offsets[token + 1]):
        configuration = config_step(m, configuration, symbols[i])
        if configuration == 0:
            break
    return configuration


@inner
def _decide_doubts(m: Memory, configuration: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    for word in range(view[WORDS]):
        bits = doubts[word]
        doubts[word] = 0
        for i in range(32):
            if (bits >> i) & 1 and read_token(m, configuration, view, 32 * word + i) != 0:
                set_bit(mask, 32 * word + i)
    doubts[view[WORDS]] = 0


@kernel
def make_mask(address: int, table: int, configuration: int, mask_address: int, doubts_address: int) -> int:
    """Write the mask of a configuration.

    `table` is the address of the index's view; the mask has ceil(V/32) words, `doubts` one more, all zero before
    and after.  The result says ACCEPTING, SOME_TOKEN (besides the end), EVERY_TOKEN; it is -1 when the call has failed.
    """
    m, view = memory_at(address), words_at(table)
    m[WORK] = 0
    mask, doubts = memory_at(mask_address), memory_at(doubts_address)
    words = view[WORDS]
    for word in range(words):
        mask[word] = 0
    if m[LONGEST_MATCH]:
        _add_lexer_rows(m, configuration, view, mask, doubts)
    else:
        _add_rows(m, configuration, view, mask, doubts)
    if doubts[words]:
        _decide_doubts(m, configuration, view, mask, doubts)
    result = flags_of(m, configuration) & ACCEPTING
    word = 0
    while word < words and mask[word] == 0:
        word += 1
    if word < words:
        result |= SOME_TOKEN
    if result & ACCEPTING:
        ends = memory_at(view[END_TOKENS])
        for i in range(view[END_COUNT]):
            set_bit(mask, ends[i])
    word = 0
    while word < words - 1 and mask[word] == -1:
        word += 1
    if word == words - 1 and mask[word] & view[LAST_WORD] == view[LAST_WORD]:
        result |= EVERY_TOKEN
    return result if m[STATUS] == OK else -1


@kernel
def plain_mask(address: int, table: int, configuration: int, root: int, mask_address: int, doubts_address: int) -> None:
    """Add the tokens below trie node `root` to a mask, the plain way."""
    m, view = memory_at(address), words_at(table)
    doubts = memory_at(doubts_address)
    walk(m, configuration, root, view, memory_at(mask_address), doubts)
    for word in range(view[WORDS] + 1):
        doubts[word] = 0


@kernel
def after_token(address: int, table: int, configuration: int, token: int) -> int:
    """Twice the configuration after a token, and 1 when the text may end there; 0 when the token may not come next.

    -1 when the call has failed.
    """
    m = memory_at(address)
    m[WORK] = 0
    after = read_token(m, configuration, words_at(table), token)
    if m[STATUS] != OK:
        return -1
    return 2 * after + (1 if after > 0 and flags_of(m, after) & ACCEPTING else 0)


@kernel
def after_symbols(address: int, configuration: int, symbols: int, count: int) -> int:
    """The configuration after `count` symbols at an address, 0 when the text leaves the language."""
    m, text = memory_at(address), memory_at(symbols)
    for i in range(count):
        configuration = config_step(m, configuration, text[i])
        if configuration == 0:
            break
    return configuration


@kernel
def first_configuration(address: int, may_be_empty: int) -> int:
    """The configuration before any text, 0 when the language is empty; `may_be_empty`: the empty text belongs to it."""
    m = memory_at(address)
    position = height(m)
    push_item(m, START, 0, 0)
    if may_be_empty:
        push_item(m, ACCEPT, 0, 0)
    first = intern_3(m, CONFIGURATION, set_of(m, position), 0, 0)
    if m[SEARCHES] and not is_live(m, first):
        return 0
    return first


@kernel
def configuration_flags(address: int, configuration: int) -> int:
    """Whether the text may end in a configuration."""
    return flags_of(memory_at(address), configuration)


@inner
def _only_symbol(m: Memory, configuration: int) -> int:
    """The symbol that must come next; -1 when there is none, or more than one."""
    only = -1
    for i in range(0, length_of(m, configuration), 3):
        lexer = argument(m, configuration, i + 1)
        if lexer == 0:
            lexer = first_lexer(m, argument(m, configuration, i))
        for j in range(1, length_of(m, lexer), 3):
            node = argument(m, lexer, j)
            start = transitions(m, node)
            for k in range(start, start + 3 * memo(m, node, MEMO_B), 3):
                for symbol in range(m[k], m[k + 1] + 1):
                    if symbol != only and config_step(m, configuration, symbol) != 0:
                        if only >= 0 or m[STATUS] != OK:
                            return -1
                        only = symbol
    return only


@kernel
def forced_symbols(address: int, configuration: int, symbols: int, limit: int) -> int:
    """Write the symbols that must come next, at most `limit`, until the text may end; their number."""
    m, out = memory_at(address), memory_at(symbols)
    count = 0
    while count < limit and not flags_of(m, configuration) & ACCEPTING:
        symbol = _only_symbol(m, configuration)
        if symbol < 0:
            break
        out[count] = symbol
        count += 1
        configuration = config_step(m, configuration, symbol)
    return count


@kernel
def may_extend(address: int, table: int, configuration: int, text: int, size: int) -> int:
    """Whether some token begins with a text and goes on as `configuration`, which follows the text, allows."""
    m, view, symbols = memory_at(address), words_at(table), memory_at(text)
    trie = memory_at(view[TRIE])
    node, read = 0, 0
    while read < size:
        child, end = node + 1, node + trie[NODE_WIDTH * node + 1]
        while child < end and trie[NODE_WIDTH * child] != symbols[read]:
            child += trie[NODE_WIDTH * child + 1]
        if child >= end:
            return 0
        node = child
        read += 1
    child, end = node + 1, node + trie[NODE_WIDTH * node + 1]
    while child < end:
        if config_step(m, configuration, trie[NODE_WIDTH * child]) != 0:
            return 1
        child += trie[NODE_WIDTH * child + 1]
    return 0
