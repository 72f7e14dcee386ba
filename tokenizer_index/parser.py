"""Parser sets: Earley's algorithm on recursive transition networks, with return sets in place of origins.

An *item* is (state, parameter, return set): the parser stands at `state` of some rule, and when that rule ends it
goes on with the items of the return set.  A *parser set* is the set of items possible between two lexemes, and
so is a return set: both are interned objects SET [state, parameter, set, …].  Where Earley (1970) writes the
position at which a rule began, and looks up who waited for it there, the item carries the answer.  What makes
this finite and exact:

- All callers of a rule at one place share one return set, as in Earley's algorithm, so ambiguity costs no more
  than there; equal sets are the same object, so a list of any length stays in one set, and depth of nesting is
  length of a chain of sets (a graph-structured stack).
- A call in last place would return to an item that can do nothing but end its own rule.  Such items are replaced
  by the items of their return set.  Right recursion then needs no stack at all (what Leo 1991 is after).
- In left recursion a rule is among its own callers, and its return set would contain itself.  The rules of one
  left-recursive group get *frames* instead: FRAME [rule, outside], where `outside` lists the calls of the group's
  rules from elsewhere; its items, made on demand, are the outside callers of that rule and the inside ones, with
  frames again as return sets.

Parameters make a state stand for many: what an object has seen, how often a loop has gone round (containers).
"""

from constrain.grammars.automata._jit import Memory, inner, int64, linked, service
from constrain.grammars.automata.nodes import FIRST_FREE_KIND, NO_TEXT
from constrain.grammars.automata.store import (
    MEMO_A,
    MEMO_B,
    MEMO_C,
    NEEDS_RULE,
    OK,
    STACK,
    STATUS,
    TOP,
    argument,
    at,
    cut,
    height,
    intern,
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
from constrain.tokenizer_index.tables import (
    BY_RULE,
    BY_TERMINAL,
    CAPTURE,
    CAPTURING,
    DOUBT,
    END,
    FINAL,
    FOLLOWING,
    IGNORE,
    IGNORED,
    KEYED,
    NEEDED_RULE,
    PLAIN,
    RULE_GROUP,
    RULE_START,
    STATE_COUNT,
    STATE_FINAL,
    STATE_KIND,
    STATE_OFFSET,
    TERMINAL_FLAGS,
    TERMINAL_NODE,
    TERMINAL_TWIN,
    rule_cell,
    state_cell,
    terminal_cell,
)

KERNELS = "de716cabbe365690"

SET, FRAME, OUTSIDE, PARAMETER, LEXER, ENDS, KEYED_TEXT, CONFIGURATION, LEXER_ROW, ROW = range(
    FIRST_FREE_KIND, FIRST_FREE_KIND + 10
)

ENTRY = 5  # cells of a closure entry: terminal, regular expression, target state, parameter, return set

_container_moves = linked("container_moves", 3)
_container_advance = linked("container_advance", 3)
_container_final = linked("container_final", 2)
_container_rule = linked("container_rule", 2)
_capture_moves = linked("capture_moves", 3)
_capture_advance = linked("capture_advance", 2)


@service
def sort_unique_triples(m: Memory, position: int) -> int:
    """Sort the triples on the stack from `position` up and drop repetitions (Shell's sort)."""
    start, end = int64(m[STACK]) + position, int64(m[TOP])
    count = (end - start) // 3
    gap = 1
    while 9 * gap < 4 * count:
        gap = 9 * gap // 4 + 1
    while gap > 0:
        for i in range(start + 3 * gap, end, 3):
            a, b, c = m[i], m[i + 1], m[i + 2]
            j = i - 3 * gap
            while j >= start and (m[j] > a or (m[j] == a and (m[j + 1] > b or (m[j + 1] == b and m[j + 2] > c)))):
                m[j + 3 * gap], m[j + 3 * gap + 1], m[j + 3 * gap + 2] = m[j], m[j + 1], m[j + 2]
                j -= 3 * gap
            m[j + 3 * gap], m[j + 3 * gap + 1], m[j + 3 * gap + 2] = a, b, c
        gap = 4 * gap // 9
    kept = min(start + 3, end)
    for i in range(start + 3, end, 3):
        if m[i] != m[kept - 3] or m[i + 1] != m[kept - 2] or m[i + 2] != m[kept - 1]:
            m[kept], m[kept + 1], m[kept + 2] = m[i], m[i + 1], m[i + 2]
            kept += 3
    m[TOP] = kept
    return 0


@inner
def push_item(m: Memory, state: int, parameter: int, returns: int) -> None:
    """Put an item on the stack."""
    push(m, state)
    push(m, parameter)
    push(m, returns)


@inner
def _push_new_item(m: Memory, position: int, state: int, parameter: int, returns: int) -> None:
    """Put an item on the stack unless it is there from `position` up."""
    for i in range(position, height(m), 3):
        if at(m, i) == state and at(m, i + 1) == parameter and at(m, i + 2) == returns:
            return
    push_item(m, state, parameter, returns)


@inner
def is_final(m: Memory, state: int, parameter: int) -> bool:
    """Whether the rule may end at this state."""
    if state_cell(m, state, STATE_KIND) == PLAIN:
        return (state_cell(m, state, STATE_FINAL) & FINAL) != 0
    return _container_final(m, state, parameter) != 0


@inner
def _push_call(m: Memory, rule: int, returns: int) -> None:
    """Put the call of a rule with which another one ends on the stack."""
    push(m, BY_RULE)
    push(m, rule)
    push(m, 0)
    push(m, END)
    push(m, 0)
    push(m, returns)


@inner
def _push_moves(m: Memory, state: int, parameter: int, returns: int) -> None:
    """Put what may happen at a state on the stack, six cells each.

    Kind, number of the terminal or rule, regular expression of the terminal, target state, its parameter, and
    `returns`.  A target of -1 - state says that `container_advance` or `capture_advance` computes it from the lexeme.
    """
    kind = state_cell(m, state, STATE_KIND)
    if kind == CAPTURING:
        _capture_moves(m, state, parameter, returns)
        return
    if kind == FOLLOWING:
        _push_call(m, argument(m, parameter, 0), returns)
        return
    if kind != PLAIN:
        _container_moves(m, state, parameter, returns)
        return
    offset = state_cell(m, state, STATE_OFFSET)
    for i in range(offset, offset + 3 * state_cell(m, state, STATE_COUNT), 3):
        push(m, m[i])
        push(m, m[i + 1])
        push(m, terminal_cell(m, m[i + 1], TERMINAL_NODE) if m[i] == BY_TERMINAL else 0)
        push(m, m[i + 2])
        push(m, parameter)
        push(m, returns)


@inner
def _has_moves(m: Memory, state: int) -> bool:
    return state_cell(m, state, STATE_KIND) != PLAIN or state_cell(m, state, STATE_COUNT) > 0


@service
def set_of(m: Memory, position: int) -> int:
    """The parser set of the items on the stack from `position` up, which are popped.

    Adds what follows when rules end, and drops items that can do nothing else.
    """
    i = position
    while i < height(m) and m[STATUS] == OK:
        state, parameter, returns = at(m, i), at(m, i + 1), at(m, i + 2)
        if is_final(m, state, parameter):
            ended = items_of(m, returns)
            for j in range(0, length_of(m, ended), 3):
                _push_new_item(m, position, argument(m, ended, j), argument(m, ended, j + 1), argument(m, ended, j + 2))
        i += 3
    kept = position
    for i in range(position, height(m), 3):
        state = at(m, i)
        if state <= DOUBT or _has_moves(m, state):
            put(m, kept, state)
            put(m, kept + 1, at(m, i + 1))
            put(m, kept + 2, at(m, i + 2))
            kept += 3
    cut(m, kept)
    if kept > position + 3:
        sort_unique_triples(m, position)
    return intern(m, SET, position)


@inner
def items_of(m: Memory, returns: int) -> int:
    """The set of items behind a return set or frame."""
    if kind_of(m, returns) != FRAME:
        return returns
    if memo(m, returns, MEMO_A) < 0:
        set_memo(m, returns, MEMO_A, _items_of_frame(m, returns))
    return max(memo(m, returns, MEMO_A), 0)


@inner
def _items_of_frame(m: Memory, frame: int) -> int:
    """The outside callers of the frame's rule, and the calls inside its group.

    What follows when those rules end in turn is left to `set_of`, where the items are used.
    """
    rule, outside = argument(m, frame, 0), argument(m, frame, 1)
    position = height(m)
    for i in range(0, length_of(m, outside), 4):
        if argument(m, outside, i) == rule:
            push_item(m, argument(m, outside, i + 1), argument(m, outside, i + 2), argument(m, outside, i + 3))
    group = rule_cell(m, rule, RULE_GROUP)
    for i in range(group + 1, group + 1 + 3 * m[group], 3):
        if m[i] == rule:
            push_item(m, m[i + 2], 0, intern_2(m, FRAME, m[i + 1], outside))
    sort_unique_triples(m, position)
    return intern(m, SET, position)


# Closing a set: what may be read next.  The rules called from the items, and from the beginnings of such rules,
# are listed on the stack, four cells each: rule, index of the representative of its left-recursive group, number
# of calls from rules of the list not dealt with yet, whether it has been dealt with.  They are dealt with in
# topological order, so that all callers of a rule are known when its return set is made.

_LISTED = 4
_MOVE = 6


@inner
def _list_rule(m: Memory, position: int, rule: int) -> None:
    for i in range(position, height(m), _LISTED):
        if at(m, i) == rule:
            return
    if rule_cell(m, rule, RULE_START) < 0 and m[STATUS] == OK:
        m[STATUS] = NEEDS_RULE
        m[NEEDED_RULE] = rule
    group = rule_cell(m, rule, RULE_GROUP)
    representative = height(m)
    if group != 0:
        for i in range(position, height(m), _LISTED):
            if rule_cell(m, at(m, i), RULE_GROUP) == group:
                representative = at(m, i + 1)
                break
    push(m, rule)
    push(m, representative)
    push(m, 0)
    push(m, 0)


@inner
def _list_rules(m: Memory, position: int, items: int) -> None:
    """List the rules that a set calls, directly and from the beginnings of those rules."""
    for i in range(0, length_of(m, items), 3):
        state = argument(m, items, i)
        if state_cell(m, state, STATE_KIND) == PLAIN:
            offset = state_cell(m, state, STATE_OFFSET)
            for j in range(offset, offset + 3 * state_cell(m, state, STATE_COUNT), 3):
                if m[j] == BY_RULE:
                    _list_rule(m, position, m[j + 1])
        elif state_cell(m, state, STATE_KIND) == FOLLOWING:
            _list_rule(m, position, argument(m, argument(m, items, i + 1), 0))
        elif state_cell(m, state, STATE_KIND) != CAPTURING:
            called = _container_rule(m, state, argument(m, items, i + 1))
            if called >= 0:
                _list_rule(m, position, called)
    i = position
    while i < height(m) and m[STATUS] == OK:
        state = rule_cell(m, at(m, i), RULE_START)
        offset = state_cell(m, state, STATE_OFFSET)
        for j in range(offset, offset + 3 * state_cell(m, state, STATE_COUNT), 3):
            if m[j] == BY_RULE:
                _list_rule(m, position, m[j + 1])
        i += _LISTED


@inner
def _count_calls(m: Memory, listed: int, end: int, rule: int, change: int) -> None:
    """Add `change` to the counts of the listed rules that the beginning of `rule` calls outside its group."""
    state = rule_cell(m, rule, RULE_START)
    group = rule_cell(m, rule, RULE_GROUP)
    offset = state_cell(m, state, STATE_OFFSET)
    for j in range(offset, offset + 3 * state_cell(m, state, STATE_COUNT), 3):
        if m[j] == BY_RULE and (group == 0 or rule_cell(m, m[j + 1], RULE_GROUP) != group):
            for i in range(listed, end, _LISTED):
                if at(m, i) == m[j + 1]:
                    representative = at(m, i + 1)
                    put(m, representative + 2, at(m, representative + 2) + change)


@inner
def _push_beginning(m: Memory, rule: int, returns: int) -> None:
    """Put the moves at the beginning of a rule on the stack, except calls within its left-recursive group."""
    state = rule_cell(m, rule, RULE_START)
    if state_cell(m, state, STATE_KIND) == CAPTURING:
        _capture_moves(m, state, 0, returns)
        return
    group = rule_cell(m, rule, RULE_GROUP)
    offset = state_cell(m, state, STATE_OFFSET)
    for j in range(offset, offset + 3 * state_cell(m, state, STATE_COUNT), 3):
        if m[j] == BY_RULE and group != 0 and rule_cell(m, m[j + 1], RULE_GROUP) == group:
            continue
        push(m, m[j])
        push(m, m[j + 1])
        push(m, terminal_cell(m, m[j + 1], TERMINAL_NODE) if m[j] == BY_TERMINAL else 0)
        push(m, m[j + 2])
        push(m, 0)
        push(m, returns)


@inner
def _returns_of(m: Memory, moves: int, rule: int) -> int:
    """The return set of a rule that is not left-recursive: of all calls of it among the moves on the stack."""
    position = height(m)
    for i in range(moves, position, _MOVE):
        if at(m, i) == BY_RULE and at(m, i + 1) == rule:
            push_item(m, at(m, i + 3), at(m, i + 4), at(m, i + 5))
    return set_of(m, position)


@inner
def _outside_of(m: Memory, moves: int, group: int) -> int:
    """The object of all calls of rules of a left-recursive group among the moves on the stack."""
    position = height(m)
    for i in range(moves, position, _MOVE):
        if at(m, i) == BY_RULE and rule_cell(m, at(m, i + 1), RULE_GROUP) == group:
            push(m, at(m, i + 1))
            push_item(m, at(m, i + 3), at(m, i + 4), at(m, i + 5))
    return intern(m, OUTSIDE, position)


@inner
def _deal_with(m: Memory, listed: int, end: int, chosen: int) -> None:
    """Make the return sets of a listed rule, or of the rules of its group, and add their beginnings."""
    group = rule_cell(m, at(m, chosen), RULE_GROUP)
    outside = 0
    if group != 0:
        outside = _outside_of(m, end, group)
    for i in range(chosen, end, _LISTED):
        if at(m, i + 1) == chosen:
            rule = at(m, i)
            returns = intern_2(m, FRAME, rule, outside) if group != 0 else _returns_of(m, end, rule)
            put(m, i + 3, 1)
            _count_calls(m, listed, end, rule, -1)
            _push_beginning(m, rule, returns)


@inner
def _push_all_moves(m: Memory, items: int, listed: int) -> None:
    """Put all moves of a set and of the rules it calls on the stack, above the list of rules."""
    end = height(m)
    for i in range(listed, end, _LISTED):
        _count_calls(m, listed, end, at(m, i), 1)
    for i in range(0, length_of(m, items), 3):
        _push_moves(m, argument(m, items, i), argument(m, items, i + 1), argument(m, items, i + 2))
    remaining = True
    while remaining and m[STATUS] == OK:
        remaining = False
        for i in range(listed, end, _LISTED):
            if at(m, i + 1) == i and at(m, i + 3) == 0 and at(m, i + 2) == 0:
                _deal_with(m, listed, end, i)
                remaining = True


@inner
def _lexer_of(m: Memory, moves: int, end: int) -> int:
    """The lexer state before any of the terminals among the moves, and before ignored ones."""
    position = height(m)
    for i in range(moves, end, _MOVE):
        if at(m, i) == BY_TERMINAL:
            captures = terminal_cell(m, at(m, i + 1), TERMINAL_FLAGS) & CAPTURE
            push_item(m, at(m, i + 1), at(m, i + 2), NO_TEXT if captures else 0)
    ignored = int64(m[IGNORED])
    if ignored > 0:
        for i in range(ignored + 1, ignored + 1 + m[ignored]):
            push_item(m, m[i], terminal_cell(m, m[i], TERMINAL_NODE), 0)
    sort_unique_triples(m, position)
    return intern(m, LEXER, position)


@service
def close_set(m: Memory, items: int) -> int:
    """Make the closure of a parser set: its entries, and the lexer state before them."""
    listed = height(m)
    _list_rules(m, listed, items)
    if m[STATUS] != OK:
        cut(m, listed)
        return 0
    moves = height(m)
    _push_all_moves(m, items, listed)
    end = height(m)
    lexer = _lexer_of(m, moves, end)
    for i in range(moves, end, _MOVE):
        if at(m, i) == BY_TERMINAL:
            for j in range(1, _MOVE):
                push(m, at(m, i + j))
    count = (height(m) - end) // ENTRY
    offset = store_stack(m, end)
    cut(m, listed)
    set_memo(m, items, MEMO_B, count)
    set_memo(m, items, MEMO_C, lexer)
    set_memo(m, items, MEMO_A, offset)
    return 0


@inner
def first_lexer(m: Memory, items: int) -> int:
    """The lexer state before the terminals that may come next."""
    if memo(m, items, MEMO_A) < 0:
        close_set(m, items)
    return max(memo(m, items, MEMO_C), 0)


@inner
def inner_ends(m: Memory, terminal: int, value: int) -> int:
    """How a lexeme of a kept terminal ended, as ENDS for the set inside a capture.

    It has ended for the terminal itself, and for the one that it is a twin of.
    """
    position = height(m)
    twin = terminal_cell(m, terminal, TERMINAL_TWIN)
    if twin < 0:
        push(m, -1 - twin)
        push(m, argument(m, value, 0) if terminal_cell(m, terminal, TERMINAL_FLAGS) & KEYED else 0)
    push(m, terminal)
    push(m, value)
    return intern(m, ENDS, position)


@service
def go_to(m: Memory, items: int, ends: int) -> int:
    """The parser set after a lexeme that ended as `ends` says: pairs of a terminal and its payload or text."""
    known = recall(m, items, ends)
    if known >= 0:
        return known
    if memo(m, items, MEMO_A) < 0:
        close_set(m, items)
    if m[STATUS] != OK:
        return 0
    position = height(m)
    entries, last = memo(m, items, MEMO_A), memo(m, items, MEMO_A) + ENTRY * memo(m, items, MEMO_B)
    for i in range(0, length_of(m, ends), 2):
        terminal = argument(m, ends, i)
        if terminal_cell(m, terminal, TERMINAL_FLAGS) & IGNORE:
            for j in range(0, length_of(m, items), 3):
                push_item(m, argument(m, items, j), argument(m, items, j + 1), argument(m, items, j + 2))
        for j in range(entries, last, ENTRY):
            if m[j] == terminal:
                if m[j + 2] >= 0:
                    push_item(m, m[j + 2], m[j + 3], m[j + 4])
                elif state_cell(m, -1 - m[j + 2], STATE_KIND) == CAPTURING:
                    _capture_advance(m, j, inner_ends(m, terminal, argument(m, ends, i + 1)))
                elif _container_advance(m, -1 - m[j + 2], m[j + 3], argument(m, ends, i + 1)):
                    push(m, m[j + 4])
    result = set_of(m, position)
    remember(m, items, ends, result)
    return result
