"""Transitions of regular expressions: derivatives for whole ranges of symbols at once.

`transitions(m, node)` computes the list of (lowest symbol, highest symbol, derivative) of a node, sorted and
disjoint, and keeps it in the node's memo: a lazily determinised automaton whose states are nodes.  Symbols in no
range lead to EMPTY.  The derivative of a node needs the lists of its parts; they are made first, from a worklist
on the stack, so that no expression is too deep.
"""

from constrain.grammars.automata._jit import Memory, inner, linked, service
from constrain.grammars.automata.nodes import (
    ALL,
    CHARS,
    CONCAT,
    DECIMAL,
    EMPTY,
    EPSILON,
    EXPONENT,
    INTERSECT,
    JSON,
    MULTIPLE,
    NOT,
    REPEAT,
    STATE,
    SYMBOLS,
    UNBOUNDED,
    UNION,
    WITHOUT,
    WORDS,
    chars,
    complement,
    concat,
    intersect,
    nullable,
    repeat,
    table_state,
    union,
    union_of,
    without,
    words,
)
from constrain.grammars.automata.store import (
    MEMO_A,
    MEMO_B,
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

KERNELS = "de716cabbe365690"

# These build on this module.
_json_transitions = linked("json_transitions", 1)
_decimal_transitions = linked("decimal_transitions", 1)


@inner
def emit(m: Memory, position: int, low: int, high: int, target: int) -> None:
    """Add a transition to the list that begins at `position` of the stack, joining it to its neighbour."""
    if target == EMPTY:
        return
    top = height(m)
    if top > position and at(m, top - 1) == target and at(m, top - 2) + 1 == low:
        put(m, top - 2, high)
        return
    push(m, low)
    push(m, high)
    push(m, target)


@inner
def keep(m: Memory, node: int, position: int) -> None:
    """Make the list on the stack from `position` up the transitions of `node`."""
    count = (height(m) - position) // 3
    offset = store_stack(m, position)
    set_memo(m, node, MEMO_B, count)
    set_memo(m, node, MEMO_A, offset)


@inner
def _of_symbols(m: Memory, node: int, position: int) -> None:
    for i in range(0, length_of(m, node), 2):
        emit(m, position, argument(m, node, i), argument(m, node, i + 1), EPSILON)


@inner
def _rest_of_char(m: Memory, node: int, base: int, bits: int, left: int) -> int:
    """What may follow a byte that has fixed all but the low `bits` bits of the character to those of `base`."""
    position = height(m)
    push(m, left)
    last = base + (1 << bits) - 1
    for i in range(1, length_of(m, node), 2):
        low, high = max(argument(m, node, i), base), min(argument(m, node, i + 1), last)
        if low <= high:
            push(m, low - base)
            push(m, high - base)
    return chars(m, position)


@inner
def _of_chars(m: Memory, node: int, position: int) -> None:
    left = argument(m, node, 0)
    if left > 0:  # one of the 64 continuation bytes
        bits = 6 * (left - 1)
        for byte in range(64):
            if left == 1:
                for i in range(1, length_of(m, node), 2):
                    if argument(m, node, i) <= byte <= argument(m, node, i + 1):
                        emit(m, position, 0x80 + byte, 0x80 + byte, EPSILON)
            else:
                rest = _rest_of_char(m, node, byte << bits, bits, left - 1)
                emit(m, position, 0x80 + byte, 0x80 + byte, rest)
        return
    for i in range(1, length_of(m, node), 2):
        if argument(m, node, i) < 0x80:
            emit(m, position, argument(m, node, i), min(argument(m, node, i + 1), 0x7F), EPSILON)
    # Below, nothing is emitted for overlong forms: a two-byte character is at least 0x80, and so on.
    if argument(m, node, length_of(m, node) - 1) < 0x80:
        return
    for byte in range(0xC2, 0xE0):
        emit(m, position, byte, byte, _rest_of_char(m, node, (byte - 0xC0) << 6, 6, 1))
    for byte in range(0xE0, 0xF0):
        emit(m, position, byte, byte, _not_below(m, node, (byte - 0xE0) << 12, 12, 2, 0x800))
    for byte in range(0xF0, 0xF5):
        emit(m, position, byte, byte, _not_below(m, node, (byte - 0xF0) << 18, 18, 3, 0x10000))


@inner
def _not_below(m: Memory, node: int, base: int, bits: int, left: int, least: int) -> int:
    """`_rest_of_char` for characters of at least `least`."""
    if base >= least:
        return _rest_of_char(m, node, base, bits, left)
    position = height(m)
    push(m, left)
    last = base + (1 << bits) - 1
    for i in range(1, length_of(m, node), 2):
        low, high = max(argument(m, node, i), least), min(argument(m, node, i + 1), last)
        if low <= high:
            push(m, low - base)
            push(m, high - base)
    return chars(m, position)


@inner
def _merge(m: Memory, members: int, size: int, position: int, all_of_them: bool) -> None:
    """Emit the union or intersection of the lists of `size` nodes that lie on the stack from `members` up.

    A sweep over the symbols: `cursor` is the first symbol not yet dealt with; each member's next transition is
    kept in cells of the stack.  Every round emits one interval on which no member changes its target.
    """
    nexts = height(m)
    for i in range(size):
        push(m, memo(m, at(m, members + i), MEMO_A))
    ends = height(m)
    for i in range(size):
        push(m, memo(m, at(m, members + i), MEMO_A) + 3 * memo(m, at(m, members + i), MEMO_B))
    emitted = height(m)
    cursor = 0
    while m[STATUS] == OK:
        last, active = 1 << 30, 0
        targets = height(m)
        for i in range(size):
            cell = at(m, nexts + i)
            if cell >= at(m, ends + i):
                continue
            if m[cell] <= cursor:
                last = min(last, m[cell + 1])
                active += 1
                push(m, m[cell + 2])
            else:
                last = min(last, m[cell] - 1)
        if last == 1 << 30:
            break
        if active == size or (active > 0 and not all_of_them):
            target = intersect(m, targets) if all_of_them else union(m, targets)
            emit(m, emitted, cursor, last, target)
        else:
            cut(m, targets)
        cursor = last + 1
        for i in range(size):
            cell = at(m, nexts + i)
            if cell < at(m, ends + i) and m[cell + 1] < cursor:
                put(m, nexts + i, cell + 3)
    if m[STATUS] != OK:
        cut(m, position)
        return
    count = height(m) - emitted
    for i in range(count):
        put(m, position + i, at(m, emitted + i))
    cut(m, position + count)


@inner
def _of_members(m: Memory, node: int, position: int, all_of_them: bool) -> None:
    size = length_of(m, node)
    for i in range(size):
        push(m, argument(m, node, i))
    if m[STATUS] == OK:
        _merge(m, position, size, position, all_of_them)


@inner
def _of_concat(m: Memory, node: int, position: int) -> None:
    head, tail = argument(m, node, 0), argument(m, node, 1)
    start, count = memo(m, head, MEMO_A), memo(m, head, MEMO_B)
    if not nullable(m, head):
        for i in range(start, start + 3 * count, 3):
            emit(m, position, m[i], m[i + 1], concat(m, m[i + 2], tail))
        return
    # Two sorted lists, swept together: the head's targets followed by the tail, and the tail's own.
    other, other_end = memo(m, tail, MEMO_A), memo(m, tail, MEMO_A) + 3 * memo(m, tail, MEMO_B)
    end = start + 3 * count
    cursor = 0
    while m[STATUS] == OK and (start < end or other < other_end):
        last, target = 1 << 30, EMPTY
        if start < end:
            if m[start] <= cursor:
                last = m[start + 1]
                target = concat(m, m[start + 2], tail)
            else:
                last = m[start] - 1
        if other < other_end:
            if m[other] <= cursor:
                last = min(last, m[other + 1])
                target = union_of(m, target, m[other + 2])
            else:
                last = min(last, m[other] - 1)
        emit(m, position, cursor, last, target)
        cursor = last + 1
        if start < end and m[start + 1] < cursor:
            start += 3
        if other < other_end and m[other + 1] < cursor:
            other += 3


@inner
def _of_repeat(m: Memory, node: int, position: int) -> None:
    part, minimum, maximum = argument(m, node, 0), argument(m, node, 1), argument(m, node, 2)
    fewer = maximum - 1 if maximum != UNBOUNDED else UNBOUNDED
    rest = repeat(m, part, max(minimum - 1, 0), fewer)
    start, count = memo(m, part, MEMO_A), memo(m, part, MEMO_B)
    for i in range(start, start + 3 * count, 3):
        emit(m, position, m[i], m[i + 1], concat(m, m[i + 2], rest))


@inner
def _of_complement(m: Memory, node: int, position: int) -> None:
    denied = argument(m, node, 0)
    start, count = memo(m, denied, MEMO_A), memo(m, denied, MEMO_B)
    cursor = 0
    for i in range(start, start + 3 * count, 3):
        if cursor < m[i]:
            emit(m, position, cursor, m[i] - 1, ALL)
        emit(m, position, m[i], m[i + 1], complement(m, m[i + 2]))
        cursor = m[i + 1] + 1
    if cursor < 256:
        emit(m, position, cursor, 255, ALL)


@inner
def _of_words(m: Memory, node: int, position: int) -> None:
    trie = argument(m, node, 0)
    for i in range(1, length_of(m, trie), 2):
        symbol = argument(m, trie, i)
        emit(m, position, symbol, symbol, words(m, argument(m, trie, i + 1)))


@inner
def _of_without(m: Memory, node: int, position: int) -> None:
    part, trie = argument(m, node, 0), argument(m, node, 1)
    start, count = memo(m, part, MEMO_A), memo(m, part, MEMO_B)
    branch, branches = 1, length_of(m, trie)
    for i in range(start, start + 3 * count, 3):
        cursor, last, target = m[i], m[i + 1], m[i + 2]
        while branch < branches and argument(m, trie, branch) < cursor:
            branch += 2
        while branch < branches and argument(m, trie, branch) <= last:
            symbol = argument(m, trie, branch)
            if cursor < symbol:
                emit(m, position, cursor, symbol - 1, target)
            emit(m, position, symbol, symbol, without(m, target, argument(m, trie, branch + 1)))
            cursor = symbol + 1
            branch += 2
        if cursor <= last:
            emit(m, position, cursor, last, target)


@inner
def _of_state(m: Memory, node: int, position: int) -> None:
    """The targets of an explicit automaton's state, which may overlap (a nondeterministic automaton)."""
    table, state = argument(m, node, 0), argument(m, node, 1)
    states = argument(m, table, 0)
    start, end = argument(m, table, 1 + states + state), argument(m, table, 2 + states + state)
    cursor = 0
    while m[STATUS] == OK:
        last, reached = 1 << 30, False
        targets = height(m)
        for i in range(start, end, 3):
            low, high = argument(m, table, i), argument(m, table, i + 1)
            if low <= cursor <= high:
                last = min(last, high)
                push(m, table_state(m, table, argument(m, table, i + 2)))
                reached = True
            elif low > cursor:
                last = min(last, low - 1)
        if last == 1 << 30:
            break
        target = EMPTY
        if reached:
            target = union(m, targets)
        emit(m, position, cursor, last, target)
        cursor = last + 1


@inner
def _push_parts(m: Memory, node: int) -> None:
    """Put the parts of `node` whose transitions it needs and that are not made yet on the stack."""
    kind = kind_of(m, node)
    if kind == CONCAT:
        _push_unmade(m, argument(m, node, 0))
        if nullable(m, argument(m, node, 0)):
            _push_unmade(m, argument(m, node, 1))
    elif kind == UNION or kind == INTERSECT:
        for i in range(length_of(m, node)):
            _push_unmade(m, argument(m, node, i))
    elif kind == NOT or kind == REPEAT or kind == WITHOUT:
        _push_unmade(m, argument(m, node, 0))
    elif kind == JSON and argument(m, node, 1) == 0:
        _push_unmade(m, argument(m, node, 0))


@inner
def _push_unmade(m: Memory, node: int) -> None:
    if memo(m, node, MEMO_A) < 0:
        push(m, node)


@inner
def _compute(m: Memory, node: int) -> None:
    """Make the transitions of a node whose parts have theirs."""
    position = height(m)
    kind = kind_of(m, node)
    if kind == SYMBOLS:
        _of_symbols(m, node, position)
    elif kind == CHARS:
        _of_chars(m, node, position)
    elif kind == CONCAT:
        _of_concat(m, node, position)
    elif kind == UNION or kind == INTERSECT:
        _of_members(m, node, position, kind == INTERSECT)
    elif kind == NOT:
        _of_complement(m, node, position)
    elif kind == REPEAT:
        _of_repeat(m, node, position)
    elif kind == WORDS:
        _of_words(m, node, position)
    elif kind == WITHOUT:
        _of_without(m, node, position)
    elif kind == STATE:
        _of_state(m, node, position)
    elif kind == JSON:
        _json_transitions(m, node)
    elif kind == DECIMAL or kind == EXPONENT or kind == MULTIPLE:
        _decimal_transitions(m, node)
    keep(m, node, position)


@service
def transitions(m: Memory, node: int) -> int:
    """Make the transitions of a node; the offset of their list."""
    position = height(m)
    push(m, node)
    while height(m) > position and m[STATUS] == OK:
        top = height(m)
        last = at(m, top - 1)
        if memo(m, last, MEMO_A) >= 0:
            cut(m, top - 1)
            continue
        _push_parts(m, last)
        if height(m) == top:
            _compute(m, last)
    cut(m, position)
    return memo(m, node, MEMO_A)


@inner
def target_of(m: Memory, node: int, symbol: int) -> int:
    """The derivative of a node by a symbol; it may be empty without being EMPTY."""
    start = memo(m, node, MEMO_A)
    if start < 0:
        start = transitions(m, node)
    low, high = 0, memo(m, node, MEMO_B)
    while low < high:
        middle = (low + high) // 2
        if m[start + 3 * middle + 1] < symbol:
            low = middle + 1
        else:
            high = middle
    cell = start + 3 * low
    if low < memo(m, node, MEMO_B) and m[cell] <= symbol:
        return m[cell + 2]
    return EMPTY
