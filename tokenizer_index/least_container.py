"""The least that is left of objects and loops (see containers), computed from what a member or an item takes.

To end an object from some state takes the members that are still required, and, where the bound asks for more, the
cheapest others: declared ones that may yet come, and undeclared ones under the shortest names that are free.  Which
members those are does not depend on their order, so no way through the subsets of keys has to be searched.

The lengths of rules are read from their table; `push_container_rules` says which must be there.
"""

import numpy as np

from constrain.grammars.automata._jit import Memory, inner, service
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.nodes import EMPTY, json_string, without
from constrain.grammars.automata.shortest import (
    RAW,
    UNREACHABLE,
    WRITTEN,
    cheapest_symbol,
    plus,
    shortest_length,
    symbol_length,
)
from constrain.grammars.automata.store import MEMO_B, OK, STATUS, cut, height, memo, push
from constrain.grammars.automata.tries import end_of, with_end
from constrain.tokenizer_index.containers import (
    ALL_KEYS,
    CLOSE_TERMINAL,
    COLON_TERMINAL,
    COMMA_TERMINAL,
    COUNT,
    ESCAPES,
    KEY_TABLE,
    KEY_TRIE,
    KEY_WIDTH,
    KEYS,
    LOOP_CLOSE,
    LOOP_FIXED,
    LOOP_MINIMUM,
    LOOP_REST,
    LOOP_RULES,
    LOOP_SEPARATOR,
    MINIMUM,
    NAMES,
    NEEDED,
    NO_VALUE,
    ORDERED,
    OTHER_WIDTH,
    OTHERS,
    PLACE,
    PREFIX,
    field_of,
    items_so_far,
    missing_keys,
    push_name,
    rule_of_key,
)
from constrain.tokenizer_index.tables import (
    AFTER_ITEM,
    AFTER_VALUE,
    COLON,
    NEXT_ITEM,
    NEXT_KEY,
    RULE_LENGTH,
    STATE_COUNT,
    STATE_KIND,
    STATE_OFFSET,
    TERMINAL_NODE,
    VALUE,
    rule_cell,
    state_cell,
    terminal_cell,
)

KERNELS = "de716cabbe365690"


@inner
def _terminal_length(m: Memory, terminal: int) -> int:
    return shortest_length(m, terminal_cell(m, terminal, TERMINAL_NODE), RAW)


# Objects


@inner
def _may_come(m: Memory, d: int, parameter: int, key: int) -> bool:
    """Whether a declared key has not been seen or passed over."""
    if m[d + ORDERED]:
        return key >= field_of(m, d, parameter, PLACE)
    position = height(m)
    push_name(m, d, key)
    found = end_of(m, field_of(m, d, parameter, KEY_TRIE), position)
    cut(m, position)
    return found > 0


@inner
def _is_required(m: Memory, d: int, key: int) -> bool:
    return m[d + KEY_TABLE + KEY_WIDTH * key] != 0


@inner
def _needed_classes(m: Memory, d: int, parameter: int) -> int:
    """How many classes of other keys must still have a member."""
    needed = field_of(m, d, parameter, NEEDED)
    count = 0
    while needed:
        needed &= needed - 1
        count += 1
    return count


@inner
def _extra_members(m: Memory, d: int, kind: int, parameter: int) -> int:
    """How many members must come, from a state before a key on, that are neither required nor of a needed class."""
    required = missing_keys(m, d, parameter) + _needed_classes(m, d, parameter)
    wanted = max(m[d + MINIMUM] - field_of(m, d, parameter, COUNT), 1 if kind == NEXT_KEY else 0)
    return max(wanted - required, 0)


@inner
def _value_length(m: Memory, d: int, index: int) -> int:
    """Colon and value of the members of a declared key or a class of other keys."""
    rule = rule_of_key(m, d, index)
    if rule == NO_VALUE:
        return 0
    return plus(_terminal_length(m, m[d + COLON_TERMINAL]), rule_cell(m, rule, RULE_LENGTH))


@inner
def _declared_length(m: Memory, d: int, key: int) -> int:
    """Key, colon and value of a declared member."""
    cell = d + KEY_TABLE + KEY_WIDTH * key
    name = 1  # the closing quote; the opening one belongs to the prefix
    for i in range(m[cell + 2], m[cell + 2] + m[cell + 3]):
        name += symbol_length(m[d + i], WRITTEN)
    return plus(name + shortest_length(m, m[d + PREFIX], RAW), _value_length(m, d, key))


@inner
def _free_names(m: Memory, d: int, other: int, used: int) -> int:
    cell = d + KEY_TABLE + KEY_WIDTH * m[d + KEYS] + OTHER_WIDTH * other
    return without(m, m[cell + 1], used)


@inner
def _other_length(m: Memory, d: int, other: int, used: int) -> int:
    """Key, colon and value of an undeclared member."""
    name = json_string(m, _free_names(m, d, other, used), 0, 0, m[d + ESCAPES])
    length = plus(shortest_length(m, m[d + PREFIX], RAW), shortest_length(m, name, RAW))
    return plus(length, _value_length(m, d, m[d + KEYS] + other))


@inner
def _with_shortest_name(m: Memory, d: int, other: int, used: int) -> int:
    """The names in use, after a class of other keys has taken its cheapest one."""
    position = height(m)
    _push_shortest_text(m, _free_names(m, d, other, used))
    return with_end(m, used, position, 1)


@inner
def _push_shortest_text(m: Memory, node: int) -> None:
    """Put the symbols of a text on the stack that takes least inside a JSON string."""
    left = shortest_length(m, node, WRITTEN)
    while 0 < left < UNREACHABLE and m[STATUS] == OK:
        start = transitions(m, node)
        for i in range(start, start + 3 * memo(m, node, MEMO_B), 3):
            symbol = cheapest_symbol(m[i], m[i + 1], WRITTEN)
            if symbol_length(symbol, WRITTEN) + shortest_length(m, m[i + 2], WRITTEN) == left:
                push(m, symbol)
                left -= symbol_length(symbol, WRITTEN)
                node = m[i + 2]
                break


@inner
def _undemanded_length(m: Memory, d: int, parameter: int, used: int, extra: int) -> int:
    """The cheapest `extra` members that are not required, beside other ones whose names are in use."""
    declared = np.empty(m[d + KEYS], np.int64)
    count = 0
    for key in range(m[d + KEYS]):
        if not _is_required(m, d, key) and _may_come(m, d, parameter, key):
            declared[count] = _declared_length(m, d, key)
            count += 1
    length = 0
    while extra > 0 and length < UNREACHABLE and m[STATUS] == OK:
        best, chosen, other = UNREACHABLE, -1, -1
        for i in range(count):
            if declared[i] < best:
                best, chosen = declared[i], i
        for i in range(m[d + OTHERS]):
            here = _other_length(m, d, i, used)
            if here < best:
                best, other = here, i
        if other >= 0:
            used = _with_shortest_name(m, d, other, used)
        elif chosen >= 0:
            count -= 1
            declared[chosen] = declared[count]
        length = plus(length, best)
        extra -= 1
    return length


@inner
def _members_length(m: Memory, d: int, kind: int, parameter: int) -> int:
    """From a state before a key, or behind a value, to the end of the object."""
    missing, extra = missing_keys(m, d, parameter), _extra_members(m, d, kind, parameter)
    members = missing + _needed_classes(m, d, parameter) + extra
    commas = members if kind == AFTER_VALUE else max(members - 1, 0)
    length = _terminal_length(m, m[d + CLOSE_TERMINAL])
    length = min(length + commas * _terminal_length(m, m[d + COMMA_TERMINAL]), UNREACHABLE)
    if missing > 0:
        for key in range(m[d + KEYS]):
            if _is_required(m, d, key) and _may_come(m, d, parameter, key):
                length = plus(length, _declared_length(m, d, key))
    used = field_of(m, d, parameter, NAMES)
    if used == EMPTY:
        used = m[d + ALL_KEYS]
    needed = field_of(m, d, parameter, NEEDED)
    for other in range(m[d + OTHERS]):
        if (needed >> other) & 1 and length < UNREACHABLE:
            length = plus(length, _other_length(m, d, other, used))
            used = _with_shortest_name(m, d, other, used)
    if extra > 0:
        length = plus(length, _undemanded_length(m, d, parameter, used, extra))
    return length


@inner
def _object_length(m: Memory, state: int, kind: int, parameter: int) -> int:
    d, index = state_cell(m, state, STATE_OFFSET), state_cell(m, state, STATE_COUNT)
    if kind == COLON:
        return plus(_value_length(m, d, index), _members_length(m, d, AFTER_VALUE, parameter))
    if kind == VALUE:
        value = rule_cell(m, rule_of_key(m, d, index), RULE_LENGTH)
        return plus(value, _members_length(m, d, AFTER_VALUE, parameter))
    return _members_length(m, d, kind, parameter)


@inner
def _push_rule(m: Memory, rule: int) -> None:
    if rule != NO_VALUE:
        push(m, rule)


@inner
def _push_object_rules(m: Memory, state: int, kind: int, parameter: int) -> None:
    d, index = state_cell(m, state, STATE_OFFSET), state_cell(m, state, STATE_COUNT)
    if kind == COLON or kind == VALUE:
        _push_rule(m, rule_of_key(m, d, index))
        kind = AFTER_VALUE
    missing, extra = missing_keys(m, d, parameter), _extra_members(m, d, kind, parameter)
    for key in range(m[d + KEYS]):
        if (extra > 0 or (missing > 0 and _is_required(m, d, key))) and _may_come(m, d, parameter, key):
            _push_rule(m, rule_of_key(m, d, key))
    needed = field_of(m, d, parameter, NEEDED)
    for other in range(m[d + OTHERS]):
        if extra > 0 or (needed >> other) & 1:
            _push_rule(m, rule_of_key(m, d, m[d + KEYS] + other))


@inner
def names_matter(m: Memory, d: int) -> bool:
    """Whether what is left of an object may depend on the names of its members."""
    return m[d + MINIMUM] > 0 or field_of(m, d, 0, NEEDED) != 0


# Loops


@inner
def _items_needed(m: Memory, state: int, kind: int, parameter: int) -> int:
    d = state_cell(m, state, STATE_OFFSET)
    return max(m[d + LOOP_MINIMUM] - items_so_far(m, kind, parameter), 1 if kind == NEXT_ITEM else 0)


@inner
def _loop_length(m: Memory, state: int, kind: int, parameter: int) -> int:
    d, count = state_cell(m, state, STATE_OFFSET), items_so_far(m, kind, parameter)
    needed = _items_needed(m, state, kind, parameter)
    length = 0
    if m[d + LOOP_CLOSE] >= 0:
        length = _terminal_length(m, m[d + LOOP_CLOSE])
    if m[d + LOOP_SEPARATOR] >= 0 and needed > 0:
        separators = needed if kind == AFTER_ITEM else needed - 1
        length = min(length + separators * _terminal_length(m, m[d + LOOP_SEPARATOR]), UNREACHABLE)
    last = min(m[d + LOOP_FIXED], count + needed)
    for i in range(count, last):
        length = plus(length, rule_cell(m, m[d + LOOP_RULES + i], RULE_LENGTH))
    further = count + needed - max(count, m[d + LOOP_FIXED])
    if further > 0:
        if m[d + LOOP_REST] < 0:
            return UNREACHABLE
        length = min(length + further * rule_cell(m, m[d + LOOP_REST], RULE_LENGTH), UNREACHABLE)
    return length


@inner
def _push_loop_rules(m: Memory, state: int, kind: int, parameter: int) -> None:
    d, count = state_cell(m, state, STATE_OFFSET), items_so_far(m, kind, parameter)
    needed = _items_needed(m, state, kind, parameter)
    for i in range(count, min(m[d + LOOP_FIXED], count + needed)):
        push(m, m[d + LOOP_RULES + i])
    if count + needed > max(count, m[d + LOOP_FIXED]) and m[d + LOOP_REST] >= 0:
        push(m, m[d + LOOP_REST])


@service
def container_length(m: Memory, state: int, parameter: int) -> int:
    """What is left from a container's state on, to the end of its rule."""
    kind = state_cell(m, state, STATE_KIND)
    if kind <= VALUE:
        return _object_length(m, state, kind, parameter)
    return _loop_length(m, state, kind, parameter)


@inner
def push_container_rules(m: Memory, state: int, parameter: int) -> None:
    """Put the rules that `container_length` needs on the stack."""
    kind = state_cell(m, state, STATE_KIND)
    if kind <= VALUE:
        _push_object_rules(m, state, kind, parameter)
    else:
        _push_loop_rules(m, state, kind, parameter)
