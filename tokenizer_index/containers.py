"""Objects and counted loops: states whose moves are computed from a parameter.

What a context-free grammar can only say with a state for every subset of keys, or for every count, is said here
with a parameter, an interned vector that changes with each key or item.  States come into being as texts reach
them, so an object of 200 optional keys in any order costs what is visited, not 2^200.

An **object** knows its keys (each with the rule of its value, and whether it is required), the classes of other
keys (each a language of names with a rule), and bounds of the number of members.  Its parameter is
PARAMETER [place, keys, count, names, needed]:

place  keys in order: index of the first key that may come next; in any order: how many required keys are missing
keys   in any order: the trie of keys not seen yet
count  members so far, as far as the bounds can tell counts apart
names  trie of the names that no other member may have: the declared ones, and undeclared ones seen so far
needed classes of other keys, as bits, of which there must still be a member

A **loop** is a sequence of items between bounds, either in brackets with a separator, or without both; its
parameter is PARAMETER [count].

Invariant: from every state and parameter that is reached, the container can be ended.  So a key is offered only if
the required keys still missing fit into the bound after it, and enough keys remain to reach the minimum.
"""

from constrain.grammars.automata._jit import Memory, inner, service
from constrain.grammars.automata.nodes import (
    EMPTY,
    NO_TEXT,
    NO_WORDS,
    concat,
    json_string,
    without,
    words,
)
from constrain.grammars.automata.store import OK, STATUS, argument, cut, height, intern, intern_1, push
from constrain.grammars.automata.tries import with_end
from constrain.tokenizer_index.json_key import push_decoded
from constrain.tokenizer_index.parser import PARAMETER
from constrain.tokenizer_index.tables import (
    AFTER_ITEM,
    AFTER_VALUE,
    BY_RULE,
    BY_TERMINAL,
    COLON,
    DOUBT,
    END,
    FIRST_ITEM,
    FIRST_KEY,
    NEXT_ITEM,
    NEXT_KEY,
    STATE_COUNT,
    STATE_KIND,
    STATE_OFFSET,
    TERMINAL_NODE,
    VALUE,
    state_cell,
    terminal_cell,
)

KERNELS = "de716cabbe365690"

# Descriptor of an object; its states lie one after the other: FIRST_KEY, NEXT_KEY, AFTER_VALUE, then COLON and
# VALUE of each key and of each class of other keys.
KEYS, OTHERS, MINIMUM, MAXIMUM, ORDERED = 0, 1, 2, 3, 4
KEY_TERMINAL, COLON_TERMINAL, COMMA_TERMINAL, CLOSE_TERMINAL = 5, 6, 7, 8
PREFIX, ESCAPES, ALL_KEYS, REQUIRED, COUNTED = 9, 10, 11, 12, 13
KEY_TABLE = 14  # per key: required, rule, offset of its name, length of its name; then the others, then windows
KEY_WIDTH = 4
OTHER_WIDTH = 4  # per class of other keys: terminal, language of the names, rule, whether it is needed
NO_VALUE = -1  # the rule of members without values

# Descriptor of a loop; its states: FIRST_ITEM, NEXT_ITEM, AFTER_ITEM, or only the last when there are no brackets.
LOOP_FIXED, LOOP_MINIMUM, LOOP_MAXIMUM, LOOP_REST, LOOP_SEPARATOR, LOOP_CLOSE, LOOP_DISTINCT = 0, 1, 2, 3, 4, 5, 6
LOOP_RULES = 7

PLACE, KEY_TRIE, COUNT, NAMES, NEEDED = 0, 1, 2, 3, 4

_MANY = 1 << 30


@inner
def _push_move(m: Memory, kind: int, number: int, node: int, target: int, parameter: int, returns: int) -> None:
    push(m, kind)
    push(m, number)
    push(m, node)
    push(m, target)
    push(m, parameter)
    push(m, returns)


@inner
def _all_needed(m: Memory, d: int) -> int:
    needed = 0
    others = d + KEY_TABLE + KEY_WIDTH * m[d + KEYS]
    for i in range(m[d + OTHERS]):
        needed |= m[others + OTHER_WIDTH * i + 3] << i
    return needed


@inner
def field_of(m: Memory, d: int, parameter: int, field: int) -> int:
    """A field of an object's parameter; parameter 0 is the empty object's."""
    if parameter > 0:
        return argument(m, parameter, field)
    if field == PLACE:
        return 0 if m[d + ORDERED] else m[d + REQUIRED]
    if field == COUNT:
        return 0
    if field == NEEDED:
        return _all_needed(m, d)
    return m[d + ALL_KEYS]


@inner
def _parameter(m: Memory, place: int, keys: int, count: int, names: int, needed: int) -> int:
    position = height(m)
    push(m, place)
    push(m, keys)
    push(m, count)
    push(m, names)
    push(m, needed)
    return intern(m, PARAMETER, position)


@inner
def push_name(m: Memory, d: int, key: int) -> None:
    """Put the name of a declared key on the stack."""
    cell = d + KEY_TABLE + KEY_WIDTH * key
    for i in range(m[cell + 2], m[cell + 2] + m[cell + 3]):
        push(m, m[d + i])


@inner
def _with_key(m: Memory, d: int, trie: int, key: int, end: int) -> int:
    position = height(m)
    push_name(m, d, key)
    return with_end(m, trie, position, end)


@inner
def _next_required(m: Memory, d: int, key: int) -> int:
    while key < m[d + KEYS] and m[d + KEY_TABLE + KEY_WIDTH * key] == 0:
        key += 1
    return key


@inner
def _needed(m: Memory, d: int, parameter: int) -> int:
    """How many classes of other keys must still have a member."""
    needed = field_of(m, d, parameter, NEEDED)
    count = 0
    while needed:
        needed &= needed - 1
        count += 1
    return count


@inner
def missing_keys(m: Memory, d: int, parameter: int) -> int:
    """How many required keys have not been seen."""
    place = field_of(m, d, parameter, PLACE)
    if not m[d + ORDERED]:
        return place
    missing = 0
    for key in range(place, m[d + KEYS]):
        missing += m[d + KEY_TABLE + KEY_WIDTH * key]
    return missing


@inner
def _window(m: Memory, d: int, first: int, last: int) -> int:
    """The trie of keys `first` to `last`, built from the end so that windows share their tails."""
    memo_cell = d + KEY_TABLE + KEY_WIDTH * m[d + KEYS] + OTHER_WIDTH * m[d + OTHERS]
    standard = _next_required(m, d, first) if first < m[d + KEYS] else first
    if last < min(standard, m[d + KEYS] - 1):
        trie = NO_WORDS
        for key in range(first, last + 1):
            trie = _with_key(m, d, trie, key, key + 1)
        return trie
    # Find the nearest later window in this run of optional keys that is known, and extend it to the left.
    key = first
    while key < last and m[memo_cell + key] < 0:
        key += 1
    trie = NO_WORDS
    if key <= last and m[memo_cell + key] >= 0:
        trie = m[memo_cell + key]
        key -= 1
    while key >= first:
        trie = _with_key(m, d, trie, key, key + 1)
        if m[STATUS] == OK:
            m[memo_cell + key] = trie
        key -= 1
    return trie


@inner
def _only_required(m: Memory, d: int, trie: int) -> int:
    for key in range(m[d + KEYS]):
        if m[d + KEY_TABLE + KEY_WIDTH * key] == 0:
            trie = _with_key(m, d, trie, key, 0)
    return trie


@inner
def _keys_offered(m: Memory, d: int, parameter: int, slack: int, missing: int) -> int:
    """The trie of declared keys that may come next; `slack`: how many members beside required ones still fit."""
    place, count = field_of(m, d, parameter, PLACE), field_of(m, d, parameter, COUNT)
    if not m[d + ORDERED]:
        trie = field_of(m, d, parameter, KEY_TRIE)
        return trie if slack > 0 else _only_required(m, d, trie)
    last = _next_required(m, d, place)
    if last == m[d + KEYS]:
        last -= 1
    first = place if slack > 0 else last
    if slack <= 0 and missing == 0:
        return NO_WORDS
    if m[d + OTHERS] == 0:
        last = min(last, m[d + KEYS] - 1 - max(0, m[d + MINIMUM] - count - 1))
    return _window(m, d, first, last) if first <= last else NO_WORDS


@inner
def _push_keys(m: Memory, state: int, d: int, base: int, parameter: int, returns: int) -> None:
    """Offer the keys that may come next."""
    count, missing = field_of(m, d, parameter, COUNT), missing_keys(m, d, parameter)
    slack = _MANY if m[d + MAXIMUM] < 0 else m[d + MAXIMUM] - count - missing - _needed(m, d, parameter)
    trie = _keys_offered(m, d, parameter, slack, missing)
    if trie != NO_WORDS:
        name = json_string(m, words(m, trie), 0, 0, m[d + ESCAPES])
        _push_move(m, BY_TERMINAL, m[d + KEY_TERMINAL], concat(m, m[d + PREFIX], name), -1 - state, parameter, returns)
    if m[d + ORDERED] and missing > 0:
        return
    names, needed = field_of(m, d, parameter, NAMES), field_of(m, d, parameter, NEEDED)
    others = d + KEY_TABLE + KEY_WIDTH * m[d + KEYS]
    for i in range(m[d + OTHERS]):
        if slack <= 0 and not (needed >> i) & 1:
            continue
        cell = others + OTHER_WIDTH * i
        free = without(m, m[cell + 1], names if names != EMPTY else m[d + ALL_KEYS])
        name = json_string(m, free, 0, 0, m[d + ESCAPES])
        target = -1 - (base + 3 + 2 * (m[d + KEYS] + i))
        _push_move(m, BY_TERMINAL, m[cell], concat(m, m[d + PREFIX], name), target, parameter, returns)


@inner
def _push_close(m: Memory, d: int, parameter: int, returns: int) -> None:
    missing = missing_keys(m, d, parameter) + field_of(m, d, parameter, NEEDED)
    if missing == 0 and field_of(m, d, parameter, COUNT) >= m[d + MINIMUM]:
        _push_terminal(m, m[d + CLOSE_TERMINAL], END, 0, returns)


@inner
def _push_terminal(m: Memory, terminal: int, target: int, parameter: int, returns: int) -> None:
    node = terminal_cell(m, terminal, TERMINAL_NODE)
    _push_move(m, BY_TERMINAL, terminal, node, target, parameter, returns)


@inner
def _counted(m: Memory, d: int, parameter: int) -> int:
    """The count after one more member."""
    if not m[d + COUNTED]:
        return 0
    count = field_of(m, d, parameter, COUNT) + 1
    return min(count, m[d + MINIMUM]) if m[d + MAXIMUM] < 0 else count


@inner
def _push_object_moves(m: Memory, state: int, kind: int, parameter: int, returns: int) -> None:
    d, index = state_cell(m, state, STATE_OFFSET), state_cell(m, state, STATE_COUNT)
    if kind == FIRST_KEY:
        _push_keys(m, state, d, state, parameter, returns)
        _push_close(m, d, parameter, returns)
    elif kind == NEXT_KEY:
        _push_keys(m, state, d, state - 1, parameter, returns)
    elif kind == AFTER_VALUE:
        position = height(m)
        _push_keys(m, state, d, state - 2, parameter, returns)
        if height(m) > position:
            cut(m, position)
            _push_terminal(m, m[d + COMMA_TERMINAL], state - 1, parameter, returns)
        _push_close(m, d, parameter, returns)
    elif kind == COLON:
        _push_terminal(m, m[d + COLON_TERMINAL], state + 1, parameter, returns)
    else:
        after = state - (2 + 2 * index)
        _push_move(m, BY_RULE, rule_of_key(m, d, index), 0, after, parameter, returns)


@inner
def rule_of_key(m: Memory, d: int, index: int) -> int:
    """The rule of the value of a declared key or a class of other keys; NO_VALUE when there is no value."""
    if index < m[d + KEYS]:
        return m[d + KEY_TABLE + KEY_WIDTH * index + 1]
    others = d + KEY_TABLE + KEY_WIDTH * m[d + KEYS]
    return m[others + OTHER_WIDTH * (index - m[d + KEYS]) + 2]


@inner
def items_so_far(m: Memory, kind: int, parameter: int) -> int:
    """Parameter 0 is that of no items, or, behind an item, of one."""
    if parameter > 0:
        return argument(m, parameter, 0)
    return 1 if kind == AFTER_ITEM else 0


@inner
def _rule_of_item(m: Memory, d: int, count: int) -> int:
    """The rule of the next item of a loop, or -1 when there may be none."""
    if m[d + LOOP_MAXIMUM] >= 0 and count >= m[d + LOOP_MAXIMUM]:
        return -1
    if count < m[d + LOOP_FIXED]:
        return m[d + LOOP_RULES + count]
    return m[d + LOOP_REST]


@inner
def _push_loop_moves(m: Memory, state: int, kind: int, parameter: int, returns: int) -> None:
    d = state_cell(m, state, STATE_OFFSET)
    count = items_so_far(m, kind, parameter)
    rule = _rule_of_item(m, d, count)
    after = state + (AFTER_ITEM - kind)
    if rule >= 0 and kind == AFTER_ITEM and m[d + LOOP_SEPARATOR] >= 0:
        _push_terminal(m, m[d + LOOP_SEPARATOR], state - 1, parameter, returns)
    elif rule >= 0:
        following = intern_1(m, PARAMETER, min(count + 1, m[d + LOOP_DISTINCT]))
        _push_move(m, BY_RULE, rule, 0, after, following, returns)
    if kind != NEXT_ITEM and m[d + LOOP_CLOSE] >= 0 and count >= m[d + LOOP_MINIMUM]:
        _push_terminal(m, m[d + LOOP_CLOSE], END, 0, returns)


@service
def container_moves(m: Memory, state: int, parameter: int, returns: int) -> int:
    """Put the moves of a container's state on the stack (the format of the parser's moves)."""
    kind = state_cell(m, state, STATE_KIND)
    if kind <= VALUE:
        _push_object_moves(m, state, kind, parameter, returns)
    else:
        _push_loop_moves(m, state, kind, parameter, returns)
    return 0


@service
def container_advance(m: Memory, state: int, parameter: int, payload: int) -> int:
    """Put the state and parameter after a key on the stack; 1, or 0 when the key may not stand here.

    `state` offered the key.  For a declared key, `payload` is its index; `state` is then FIRST_KEY or NEXT_KEY.
    For another key it is the text of the lexeme, or NO_TEXT when that is not known, and `state` the COLON state
    of its class.
    """
    kind = state_cell(m, state, STATE_KIND)
    d = state_cell(m, state, STATE_OFFSET)
    place, keys = field_of(m, d, parameter, PLACE), field_of(m, d, parameter, KEY_TRIE)
    names, count = field_of(m, d, parameter, NAMES), _counted(m, d, parameter)
    needed = field_of(m, d, parameter, NEEDED)
    if kind == COLON:
        index = state_cell(m, state, STATE_COUNT)
        needed &= ~(1 << (index - m[d + KEYS]))
        if m[d + ORDERED]:
            place = m[d + KEYS]
        if names == EMPTY:
            push(m, DOUBT)
            push(m, 0)
            return 1
        if payload == NO_TEXT:
            names = EMPTY
        else:
            position = height(m)
            push_decoded(m, payload)
            names = with_end(m, names, position, 1)
        push(m, state if rule_of_key(m, d, index) >= 0 else state - (1 + 2 * index))
        push(m, _parameter(m, place, keys, count, names, needed))
        return 1
    cell = d + KEY_TABLE + KEY_WIDTH * payload
    base = state if kind == FIRST_KEY else state - 1
    if m[d + ORDERED]:
        if payload < place:
            return 0
        place, keys = payload + 1, 0
    else:
        remaining = _with_key(m, d, keys, payload, 0)
        if remaining == keys:
            return 0
        place, keys = place - m[cell], remaining
    following = _parameter(m, place, keys, count, names if m[d + OTHERS] else 0, needed)
    push(m, base + 3 + 2 * payload if rule_of_key(m, d, payload) >= 0 else base + 2)
    push(m, following)
    return 1


@service
def container_final(m: Memory, state: int, parameter: int) -> int:
    """Whether the rule of a container may end at this state."""
    kind = state_cell(m, state, STATE_KIND)
    if kind != AFTER_ITEM:
        return 0
    d = state_cell(m, state, STATE_OFFSET)
    return m[d + LOOP_CLOSE] < 0 and items_so_far(m, kind, parameter) >= m[d + LOOP_MINIMUM]


@service
def container_rule(m: Memory, state: int, parameter: int) -> int:
    """The rule that a container's state calls, or -1."""
    kind = state_cell(m, state, STATE_KIND)
    d = state_cell(m, state, STATE_OFFSET)
    if kind == VALUE:
        return rule_of_key(m, d, state_cell(m, state, STATE_COUNT))
    if kind < FIRST_ITEM or (kind == AFTER_ITEM and m[d + LOOP_SEPARATOR] >= 0):
        return -1
    return _rule_of_item(m, d, items_so_far(m, kind, parameter))
