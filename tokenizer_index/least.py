"""The least that is left to read: from a state to the end of its rule, and from a parser set to the end of the text.

A rule's least length is that of the shortest way through its network, where a call counts the least length of the
rule called.  These equations have one least solution (Knuth, "A generalization of Dijkstra's algorithm", 1977).
It is found for all rules that one length depends on together, by evaluating each until nothing changes: at most as
often as the shortest derivations are deep.  Rules that are not loaded are asked for first.

So that rules which do not matter need not be loaded, a length can be asked for leniently (LENIENT): rules that are
not known then count 1, since every call reads something, and the answer may be less than the length.

Where what follows a text depends on it (see captures), what may follow any text counts: lengths are lower bounds.

Lengths are those of `shortest`: symbols, or SPECIAL for a special token.
"""

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Cells, Memory, inner, kernel, memory_at, service
from constrain.grammars.automata.frontier import COST, PARENT, THING, Queue, entry_cell, new_queue, offer, take
from constrain.grammars.automata.shortest import RAW, UNREACHABLE, plus, shortest_length
from constrain.grammars.automata.store import (
    MEMO_A,
    NEEDS_LENGTH,
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
)
from constrain.tokenizer_index.least_container import container_length, push_container_rules
from constrain.tokenizer_index.parser import CONFIGURATION, FRAME
from constrain.tokenizer_index.tables import (
    ACCEPT,
    BY_RULE,
    BY_TERMINAL,
    CAPTURING,
    DOUBT,
    END,
    FINAL,
    FOLLOWING,
    LENIENT,
    NEEDED_PARAMETER,
    NEEDED_STATE,
    PLAIN,
    RULE_GROUP,
    RULE_KNOWN,
    RULE_LENGTH,
    RULE_START,
    RULES_COUNT,
    STATE_COUNT,
    STATE_FINAL,
    STATE_KIND,
    STATE_OFFSET,
    STATES_COUNT,
    TERMINAL_NODE,
    rule_cell,
    set_rule_cell,
    state_cell,
    terminal_cell,
)

KERNELS = "de716cabbe365690"

LEFT = CONFIGURATION + 1  # LEFT [state, parameter]; what is left of the rule from there on is its MEMO_A

_OF_SET = 0x7FFFFFFF  # key of what is left from a set on; no object has this number


# From a state to the end of its rule


@inner
def _ask(m: Memory, state: int, parameter: int) -> None:
    """Ask for the lengths of the rules that what is left from a state depends on."""
    if m[STATUS] == OK:
        m[STATUS] = NEEDS_LENGTH
        m[NEEDED_STATE] = state
        m[NEEDED_PARAMETER] = parameter


@inner
def _need(m: Memory, rule: int, state: int, parameter: int) -> None:
    """Say that the length of a rule matters: if it is not known, ask for it, or note that it is not."""
    if not rule_cell(m, rule, RULE_KNOWN):
        set_rule_cell(m, rule, RULE_LENGTH, 1)
        if m[LENIENT]:
            m[LENIENT] = 2
        else:
            _ask(m, state, parameter)


@inner
def _of_container(m: Memory, state: int, parameter: int) -> int:
    position = height(m)
    push_container_rules(m, state, parameter)
    for i in range(position, height(m)):
        _need(m, at(m, i), state, parameter)
    cut(m, position)
    return container_length(m, state, parameter) if m[STATUS] == OK else UNREACHABLE


@inner
def _of_move(m: Memory, move: int, state: int) -> int:
    number = m[move + 1]
    if m[move] == BY_TERMINAL:
        return shortest_length(m, terminal_cell(m, number, TERMINAL_NODE), RAW)
    _need(m, number, state, 0)
    return rule_cell(m, number, RULE_LENGTH)


@inner
def _of_network(m: Memory, start: int, keep: bool) -> int:
    """From a state of a network to the end of its rule, by a search for the shortest way (Dijkstra 1959).

    With `keep`, the result is kept for all states on the way, unless it is a bound.
    """
    queue = offer(new_queue(16), start, 0, 0, -1, 0)
    entry = take(queue)
    while entry >= 0 and entry_cell(queue, entry, THING) != END and m[STATUS] == OK:
        state, length = entry_cell(queue, entry, THING), entry_cell(queue, entry, COST)
        rest = UNREACHABLE
        if state == ACCEPT:
            rest = 0
        elif state_cell(m, state, STATE_KIND) == CAPTURING:
            part = m[state_cell(m, state + 2, STATE_OFFSET) + 1]
            _need(m, part, state, 0)
            after = plus(length, rule_cell(m, part, RULE_LENGTH))
            if after < UNREACHABLE:
                queue = offer(queue, state + 3, after, 0, entry, 0)
        elif state_cell(m, state, STATE_KIND) != PLAIN:
            rest = _of_container(m, state, 0)
        else:
            if state_cell(m, state, STATE_FINAL) & FINAL:
                rest = 0
            offset = state_cell(m, state, STATE_OFFSET)
            for move in range(offset, offset + 3 * state_cell(m, state, STATE_COUNT), 3):
                after = plus(length, _of_move(m, move, state))
                if after < UNREACHABLE:
                    queue = offer(queue, m[move + 2], after, 0, entry, 0)
        if plus(length, rest) < UNREACHABLE:
            queue = offer(queue, END, length + rest, 0, entry, 0)
        entry = take(queue)
    total = UNREACHABLE
    if entry >= 0:
        total = entry_cell(queue, entry, COST)
    if keep and m[STATUS] == OK and m[LENIENT] < 2:
        _keep_way(m, queue, start, entry, total)
    return total


@inner
def _keep_way(m: Memory, queue: Queue, start: int, entry: int, total: int) -> None:
    if entry < 0:
        set_memo(m, intern_2(m, LEFT, start, 0), MEMO_A, UNREACHABLE)
        return
    entry = entry_cell(queue, entry, PARENT)
    while entry >= 0:
        state, length = entry_cell(queue, entry, THING), entry_cell(queue, entry, COST)
        set_memo(m, intern_2(m, LEFT, state, 0), MEMO_A, total - length)
        entry = entry_cell(queue, entry, PARENT)


@service
def state_length(m: Memory, state: int, parameter: int) -> int:
    """What is left from a state to the end of its rule; a lower bound sets LENIENT to 2."""
    if state <= DOUBT:
        return 0 if state == ACCEPT else UNREACHABLE
    if state == END:
        return 0
    kind = state_cell(m, state, STATE_KIND)
    plain = kind == PLAIN or (kind == CAPTURING and parameter == 0)
    left = intern_2(m, LEFT, state, 0 if plain else parameter)
    known = memo(m, left, MEMO_A)
    if known >= 0 and m[STATUS] == OK:
        return known
    lenient, known = m[LENIENT], 0
    if lenient:
        m[LENIENT] = 1
    if plain:
        known = _of_network(m, state, True)
    elif kind == CAPTURING:
        known = plus(set_length(m, argument(m, parameter, 0)), state_length(m, state + 3, 0))
    elif kind == FOLLOWING:
        _need(m, argument(m, parameter, 0), state, parameter)
        known = rule_cell(m, argument(m, parameter, 0), RULE_LENGTH)
    else:
        known = _of_container(m, state, parameter)
    if not plain and m[LENIENT] < 2:
        set_memo(m, left, MEMO_A, known)
    m[LENIENT] = max(m[LENIENT], lenient)
    return known


# Rules


@inner
def _mark(m: Memory, marks: Cells, rule: int) -> None:
    """Put a rule on the stack unless its length is known, or it is there already."""
    if not marks[rule] and not rule_cell(m, rule, RULE_KNOWN):
        marks[rule] = 1
        push(m, rule)


@inner
def _doubled(array: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    grown = np.empty(2 * array.size, np.int64)
    grown[: array.size] = array
    return grown


@inner
def _push_calls(m: Memory, start: int, parameter: int, marks: Cells, seen: Cells) -> None:
    """Put the rules that what is left from a state depends on, and which are not marked, on the stack.

    `seen` has a cell per state, all zero, and so again afterwards.
    """
    states = np.empty(16, np.int64)
    states[0] = start
    seen[start] = 1
    count, i = 1, 0
    while i < count and m[STATUS] == OK:
        state = states[i]
        i += 1
        kind = state_cell(m, state, STATE_KIND)
        if kind == FOLLOWING:
            _mark(m, marks, argument(m, parameter, 0))
            continue
        if kind == CAPTURING:
            _mark(m, marks, m[state_cell(m, state + 2, STATE_OFFSET) + 1])
            if not seen[state + 3]:
                seen[state + 3] = 1
                if count == states.size:
                    states = _doubled(states)
                states[count] = state + 3
                count += 1
            continue
        if kind != PLAIN:
            position = height(m)
            push_container_rules(m, state, parameter)
            kept = position
            for j in range(position, height(m)):
                rule = at(m, j)
                if not marks[rule] and not rule_cell(m, rule, RULE_KNOWN):
                    marks[rule] = 1
                    put(m, kept, rule)
                    kept += 1
            cut(m, kept)
            continue
        offset = state_cell(m, state, STATE_OFFSET)
        for move in range(offset, offset + 3 * state_cell(m, state, STATE_COUNT), 3):
            if m[move] == BY_RULE:
                _mark(m, marks, m[move + 1])
            target = m[move + 2]
            if not seen[target]:
                seen[target] = 1
                if count == states.size:
                    states = _doubled(states)
                states[count] = target
                count += 1
    for j in range(count):
        seen[states[j]] = 0


@kernel
def rules_needed(address: int, state: int, parameter: int, rules: Cells) -> int:
    """Write the rules whose lengths what is left from a state depends on; their number, or -1 if `rules` is too short.

    Rules that are not loaded are among them; what they depend on is not.
    """
    m = memory_at(address)
    marks, seen = np.zeros(m[RULES_COUNT], np.int32), np.zeros(m[STATES_COUNT], np.int32)
    position = height(m)
    _push_calls(m, state, parameter, marks, seen)
    i = position
    while i < height(m) and m[STATUS] == OK:
        start = rule_cell(m, at(m, i), RULE_START)
        if start >= 0:
            _push_calls(m, start, 0, marks, seen)
        i += 1
    count = height(m) - position
    for j in range(min(count, rules.size)):
        rules[j] = at(m, position + j)
    cut(m, position)
    return count if count <= rules.size else -1


@kernel
def solve_rules(address: int, rules: Cells) -> None:
    """Find the lengths of rules that are loaded and depend on no others."""
    m = memory_at(address)
    m[LENIENT] = 0
    for rule in rules:
        set_rule_cell(m, rule, RULE_KNOWN, 1)
        set_rule_cell(m, rule, RULE_LENGTH, UNREACHABLE)
    changed = True
    while changed and m[STATUS] == OK:
        changed = False
        for i in range(rules.size - 1, -1, -1):
            length = _of_network(m, rule_cell(m, rules[i], RULE_START), False)
            if length < rule_cell(m, rules[i], RULE_LENGTH) and m[STATUS] == OK:
                set_rule_cell(m, rules[i], RULE_LENGTH, length)
                changed = True
    if m[STATUS] != OK:
        for rule in rules:
            set_rule_cell(m, rule, RULE_KNOWN, 0)


# From a parser set to the end of the text


@inner
def _push_unknown(m: Memory, returns: int) -> None:
    if returns > 0 and recall(m, returns, _OF_SET) < 0:
        push(m, returns)


@inner
def _push_returns(m: Memory, items: int) -> None:
    """Put the return sets that a set or frame leads to, and which are not dealt with, on the stack."""
    if kind_of(m, items) == FRAME:
        outside = argument(m, items, 1)
        for i in range(3, length_of(m, outside), 4):
            _push_unknown(m, argument(m, outside, i))
    else:
        for i in range(2, length_of(m, items), 3):
            _push_unknown(m, argument(m, items, i))


@inner
def _with_returns(m: Memory, state: int, parameter: int, returns: int) -> int:
    length = state_length(m, state, parameter)
    return plus(length, recall(m, returns, _OF_SET)) if returns > 0 else length


@inner
def _of_items(m: Memory, items: int) -> int:
    best = UNREACHABLE
    for i in range(0, length_of(m, items), 3):
        here = _with_returns(m, argument(m, items, i), argument(m, items, i + 1), argument(m, items, i + 2))
        best = min(best, here)
    return best


@inner
def _settle_frames(m: Memory, frame: int) -> None:
    """Deal with all frames of a left-recursive group that have the same outside: each may end by way of others."""
    outside = argument(m, frame, 1)
    group = rule_cell(m, argument(m, frame, 0), RULE_GROUP)
    best = np.full(m[RULES_COUNT], UNREACHABLE, np.int64)
    for i in range(0, length_of(m, outside), 4):
        rule = argument(m, outside, i)
        state, parameter = argument(m, outside, i + 1), argument(m, outside, i + 2)
        best[rule] = min(best[rule], _with_returns(m, state, parameter, argument(m, outside, i + 3)))
    changed = True
    while changed and m[STATUS] == OK:
        changed = False
        for i in range(group + 1, group + 1 + 3 * m[group], 3):
            here = plus(state_length(m, m[i + 2], 0), best[m[i + 1]])
            if here < best[m[i]]:
                best[m[i]] = here
                changed = True
    remember(m, frame, _OF_SET, best[argument(m, frame, 0)])
    for i in range(group + 1, group + 1 + 3 * m[group], 3):
        remember(m, intern_2(m, FRAME, m[i], outside), _OF_SET, best[m[i]])


@service
def set_length(m: Memory, asked: int) -> int:
    """What is left to the end of the text from a parser set, or a return set or frame; 0 for no set.  Never a bound."""
    if asked == 0:
        return 0
    lenient = m[LENIENT]
    m[LENIENT] = 0
    position = height(m)
    push(m, asked)
    while height(m) > position and m[STATUS] == OK:
        top = height(m)
        items = at(m, top - 1)
        if recall(m, items, _OF_SET) >= 0:
            cut(m, top - 1)
            continue
        _push_returns(m, items)
        if height(m) == top:
            if kind_of(m, items) == FRAME:
                _settle_frames(m, items)
            else:
                remember(m, items, _OF_SET, _of_items(m, items))
    cut(m, position)
    m[LENIENT] = lenient
    return recall(m, asked, _OF_SET) if m[STATUS] == OK else UNREACHABLE
