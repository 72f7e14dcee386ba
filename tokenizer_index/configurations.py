"""Configurations: all that matters of a text read so far.

CONFIGURATION [parser set, lexer state, guard, …] lists the ways of reading the text: for each, the parser set at
the last lexeme boundary and the lexer state since then; the lexer state is 0 exactly at a boundary.  Ways that
reach a boundary at the same symbol are merged into one parser set.

When the longest match counts, a lexeme may end only if no longer one would have been possible.  Both are kept:
the reading that ends the lexeme carries as *guard* what the lexeme could still have gone on with, and is dropped
as soon as the guard has matched: the longer lexeme was there after all.  A guard that can match no more is
forgotten (0).  This is maximal munch with unlimited look-ahead, as a filter on readings.
"""

from constrain.grammars.automata._jit import Memory, inner, service
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.liveness import step
from constrain.grammars.automata.nodes import EMPTY, nullable, union_of
from constrain.grammars.automata.store import (
    FLAGS,
    MEMO_B,
    OK,
    OUT_OF_WORK,
    STATUS,
    WORK,
    WORK_LIMIT,
    argument,
    at,
    cut,
    height,
    intern,
    length_of,
    memo,
    push,
    put,
    recall,
    remember,
    set_memo,
    sort_unique,
)
from constrain.tokenizer_index.lexer import ends_of, lexer_step, push_cuts, rest_of, union_of_members
from constrain.tokenizer_index.parser import (
    CONFIGURATION,
    first_lexer,
    go_to,
    push_item,
    set_of,
    sort_unique_triples,
)
from constrain.tokenizer_index.tables import (
    ACCEPT,
    CAPTURING,
    DOUBT,
    LONGEST_MATCH,
    SEARCHES,
    STATE_FINAL,
    STATE_KIND,
    SUPPOSED,
    state_cell,
)

KERNELS = "de716cabbe365690"


@inner
def guard_after(m: Memory, guard: int, symbol: int) -> int:
    """The guard after a symbol; -1 when it has matched."""
    if guard == 0:
        return 0
    guard = step(m, guard, symbol)
    if guard != EMPTY and nullable(m, guard):
        return -1
    return guard


@inner
def _lexer_after(m: Memory, configuration: int, i: int, symbol: int) -> int:
    lexer = argument(m, configuration, i + 1)
    if lexer == 0:
        lexer = first_lexer(m, argument(m, configuration, i))
    return lexer_step(m, lexer, symbol) if m[STATUS] == OK else 0


@inner
def _push_ended(m: Memory, configuration: int, symbol: int) -> None:
    """Add the readings in which a lexeme ends with `symbol`, when the longest match counts."""
    for i in range(0, length_of(m, configuration), 3):
        guard = guard_after(m, argument(m, configuration, i + 2), symbol)
        lexer = _lexer_after(m, configuration, i, symbol)
        if guard < 0 or lexer == 0 or ends_of(m, lexer) == 0:
            continue
        parser = go_to(m, argument(m, configuration, i), ends_of(m, lexer))
        if rest_of(m, lexer) > 0:
            guard = union_of(m, guard, union_of_members(m, rest_of(m, lexer)))
        if length_of(m, parser) > 0:
            push_item(m, parser, 0, guard)


@inner
def _push_merged(m: Memory, configuration: int, symbol: int) -> None:
    """Add the one reading that merges all in which a lexeme ends with `symbol`, when every split counts."""
    merged = 0
    for i in range(0, length_of(m, configuration), 3):
        lexer = _lexer_after(m, configuration, i, symbol)
        if lexer == 0 or ends_of(m, lexer) == 0:
            continue
        parser = go_to(m, argument(m, configuration, i), ends_of(m, lexer))
        if merged == 0 or length_of(m, merged) == 0:
            merged = parser
        elif length_of(m, parser) > 0 and parser != merged:
            items = height(m)
            for j in range(0, length_of(m, merged), 3):
                push_item(m, argument(m, merged, j), argument(m, merged, j + 1), argument(m, merged, j + 2))
            for j in range(0, length_of(m, parser), 3):
                push_item(m, argument(m, parser, j), argument(m, parser, j + 1), argument(m, parser, j + 2))
            merged = set_of(m, items)
    if merged > 0 and length_of(m, merged) > 0:
        push_item(m, merged, 0, 0)


KNOWN_FLAGS, ACCEPTING, DOUBTFUL, LIVE, DEAD, VISITED, UNSURE = 1, 2, 4, 8, 16, 32, 64


@inner
def _doubts_of(m: Memory, parser: int) -> int:
    """DOUBTFUL and UNSURE, as the items of a parser set and of the sets inside its captures say."""
    flags = 0
    position = height(m)
    push(m, parser)
    while height(m) > position:
        items = at(m, height(m) - 1)
        cut(m, height(m) - 1)
        for i in range(0, length_of(m, items), 3):
            state = argument(m, items, i)
            if state == DOUBT:
                flags |= DOUBTFUL
            elif state_cell(m, state, STATE_FINAL) & SUPPOSED:
                flags |= UNSURE
            elif state_cell(m, state, STATE_KIND) == CAPTURING and argument(m, items, i + 1) > 0:
                push(m, argument(m, argument(m, items, i + 1), 0))
                if m[STATUS] != OK:
                    return flags
    return flags


@inner
def flags_of(m: Memory, configuration: int) -> int:
    """ACCEPTING: the text may end here; DOUBTFUL: what follows cannot be decided from the configuration alone.

    UNSURE: what follows may be less than the configuration allows, because it depends on a text that is not known.
    """
    flags = memo(m, configuration, FLAGS)
    if flags & KNOWN_FLAGS:
        return flags
    flags = KNOWN_FLAGS
    for i in range(0, length_of(m, configuration), 3):
        if argument(m, configuration, i + 1) == 0:
            parser = argument(m, configuration, i)
            flags |= _doubts_of(m, parser)
            for j in range(0, length_of(m, parser), 3):
                if argument(m, parser, j) == ACCEPT:
                    flags |= ACCEPTING
    set_memo(m, configuration, FLAGS, flags)
    return flags


@inner
def _derive(m: Memory, configuration: int, symbol: int) -> int:
    """The configuration after a symbol, 0 when there is none; it may be a dead end."""
    known = recall(m, configuration, symbol)
    if known >= 0:
        return known
    if m[WORK] > m[WORK_LIMIT] and m[STATUS] == OK:
        m[STATUS] = OUT_OF_WORK
    position = height(m)
    for i in range(0, length_of(m, configuration), 3):
        guard = guard_after(m, argument(m, configuration, i + 2), symbol)
        if guard >= 0:
            lexer = _lexer_after(m, configuration, i, symbol)
            if lexer > 0 and rest_of(m, lexer) > 0:
                push_item(m, argument(m, configuration, i), rest_of(m, lexer), guard)
    if m[LONGEST_MATCH]:
        _push_ended(m, configuration, symbol)
    else:
        _push_merged(m, configuration, symbol)
    if m[STATUS] != OK:
        cut(m, position)
        return 0
    result = 0
    if height(m) > position:
        sort_unique_triples(m, position)
        result = intern(m, CONFIGURATION, position)
    remember(m, configuration, symbol, result)
    return result


@inner
def push_next_symbols(m: Memory, configuration: int) -> None:
    """Put a symbol of each interval on which the configuration's successor does not change on the stack.

    A guard may let one symbol through and not its neighbour, where the lexer state does the same with both.
    """
    position = height(m)
    for i in range(0, length_of(m, configuration), 3):
        lexer, guard = argument(m, configuration, i + 1), argument(m, configuration, i + 2)
        if lexer == 0:
            lexer = first_lexer(m, argument(m, configuration, i))
        push_cuts(m, lexer)
        if guard > 0:
            start = transitions(m, guard)
            for j in range(start, start + 3 * memo(m, guard, MEMO_B), 3):
                push(m, m[j])
                push(m, m[j + 1] + 1)
    sort_unique(m, position)


@inner
def _push_next(m: Memory, configuration: int) -> None:
    """Put the configurations one symbol further on the stack."""
    symbols = height(m)
    push_next_symbols(m, configuration)
    kept = symbols  # the symbols are replaced by what they lead to, from below
    for i in range(symbols, height(m)):
        after = _derive(m, configuration, at(m, i))
        if after > 0:
            put(m, kept, after)
            kept += 1
    cut(m, kept)


@service
def is_live(m: Memory, configuration: int) -> int:
    """Whether some text leads from a configuration to the end, by breadth-first search; needed where lexemes cannot
    always be told apart (see separation).  The way to the end is live; if there is none, all that was visited is dead.
    """
    flags = flags_of(m, configuration)
    if flags & (LIVE | DEAD):
        return 1 if flags & LIVE else 0
    queue = height(m)
    push(m, configuration)
    push(m, -1)
    head, found = queue, -1
    while head < height(m) and found < 0 and m[STATUS] == OK:
        here = at(m, head)
        flags = flags_of(m, here)
        if flags & (ACCEPTING | LIVE):
            found = head
        elif not flags & DEAD:
            top = height(m)
            _push_next(m, here)
            count = height(m) - top
            for i in range(count):
                push(m, at(m, top + i))
            if m[STATUS] != OK:
                cut(m, top)
                break
            for i in range(count):
                after = at(m, top + count + i)
                put(m, top + 2 * i, after)
                put(m, top + 2 * i + 1, head)
            kept = top
            for i in range(top, top + 2 * count, 2):
                after = at(m, i)
                if not flags_of(m, after) & (VISITED | DEAD):
                    set_memo(m, after, FLAGS, flags_of(m, after) | VISITED)
                    put(m, kept, after)
                    put(m, kept + 1, head)
                    kept += 2
            cut(m, kept)
        head += 2
    status = m[STATUS]
    m[STATUS] = OK  # visits are taken back after a failure, too
    for i in range(queue, height(m), 2):
        settled = DEAD if found < 0 and status == OK else 0
        set_memo(m, at(m, i), FLAGS, (flags_of(m, at(m, i)) & ~VISITED) | settled)
    m[STATUS] = status
    result = 1 if found >= 0 or status != OK else 0
    while found >= 0:
        set_memo(m, at(m, found), FLAGS, flags_of(m, at(m, found)) | LIVE)
        found = at(m, found + 1)
    cut(m, queue)
    return result


@service
def config_step(m: Memory, configuration: int, symbol: int) -> int:
    """The configuration after a symbol, 0 when no text of the language goes on so."""
    after = recall(m, configuration, symbol)
    if after < 0:
        after = _derive(m, configuration, symbol)
    if after > 0 and m[SEARCHES]:
        return after if is_live(m, after) else 0
    return after
