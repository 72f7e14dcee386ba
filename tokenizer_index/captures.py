"""Captures: what follows a part of the text depends on that part (`ir.Binding`).

The part is any rule, with nesting of its own.  While it is read, the parser's state is that of a parser for the part
alone, wrapped into the parameter of an item of the whole: PARAMETER [inner set, text, known], where the text is what
of the part has been read up to the last lexeme boundary.  What such an item may read is what the inner set may; its
terminals are replaced by *twins* whose lexemes are kept.  When the inner set accepts, Python is asked once for each
text which rule follows (NEEDS_FOLLOWER), and the answer is remembered in the store.  Jim, Mandelbaum and
Walker, "Semantics and Algorithms for Data-dependent Grammars" (POPL 2010), call this binding.

Four sorts of states lie one after the other:

CAPTURING  the part is being read; parameter 0 before its first lexeme
FOLLOWING  PARAMETER [rule]: what follows is the rule
(plain)    where the parser of the part begins
(plain)    a network that allows whatever may follow, whichever text was read.  It serves while the text is not known:
           for a lower bound of what is left, and behind the exits of rows (see masks), where its states say that
           what they allow is in doubt

The twin of a terminal of keys has a payload and a text; the value of its ends is KEYED_TEXT [payload, text].
"""

from constrain.grammars.automata._jit import Cells, Memory, inner, kernel, memory_at, service
from constrain.grammars.automata.nodes import NO_TEXT, TEXT_KIND
from constrain.grammars.automata.store import (
    COLUMNS,
    FLAGS,
    MEMO_A,
    MEMO_B,
    NEEDS_FOLLOWER,
    OBJECTS,
    OK,
    OUT_OF_WORK,
    STATUS,
    argument,
    at,
    cut,
    height,
    intern,
    intern_1,
    intern_2,
    intern_3,
    length_of,
    memo,
    push,
    recall,
    remember,
)
from constrain.tokenizer_index.parser import (
    ENTRY,
    PARAMETER,
    SET,
    close_set,
    go_to,
    push_item,
)
from constrain.tokenizer_index.tables import (
    ACCEPT,
    BY_TERMINAL,
    CAPTURE,
    KEYED,
    NEEDED_STATE,
    NEEDED_TEXT,
    TERMINAL_FLAGS,
    TERMINAL_NODE,
    TERMINAL_PRIORITY,
    TERMINAL_TWIN,
    add_terminal,
    set_terminal_cell,
    terminal_cell,
)

KERNELS = "de716cabbe365690"

INNER, READ, KNOWN = 0, 1, 2  # fields of the parameter

_FOLLOWER = 1 << 25  # with a text, numbers from here on stand for the capturing states

_BEING_CLOSED = 1  # flag of an inner set


@inner
def _twin_of(m: Memory, terminal: int) -> int:
    """The terminal with the same language whose lexemes are kept."""
    flags = terminal_cell(m, terminal, TERMINAL_FLAGS)
    if flags & CAPTURE:
        return terminal
    twin = terminal_cell(m, terminal, TERMINAL_TWIN)
    if twin == 0:
        node, priority = terminal_cell(m, terminal, TERMINAL_NODE), terminal_cell(m, terminal, TERMINAL_PRIORITY)
        twin = add_terminal(m, node, priority, flags | CAPTURE, -1 - terminal)
        if m[STATUS] == OK:
            set_terminal_cell(m, terminal, TERMINAL_TWIN, twin)
    return twin


@inner
def _first_set(m: Memory, state: int) -> int:
    position = height(m)
    push_item(m, state + 2, 0, 0)
    return intern(m, SET, position)


@inner
def _close(m: Memory, items: int) -> None:
    """Close an inner set.  One that is being closed has a part that begins with itself: there is no end to that."""
    if memo(m, items, FLAGS) & _BEING_CLOSED:
        if m[STATUS] == OK:
            m[STATUS] = OUT_OF_WORK
        return
    cell = COLUMNS * items + FLAGS
    if m[STATUS] == OK:
        m[m[OBJECTS] + cell] = _BEING_CLOSED
        close_set(m, items)
        m[m[OBJECTS] + cell] = 0  # after a failure, too


@service
def capture_moves(m: Memory, state: int, parameter: int, returns: int) -> int:
    """Put the moves of a capturing state on the stack (the format of the parser's moves): those of its inner set."""
    if parameter == 0:
        parameter = intern_3(m, PARAMETER, _first_set(m, state), NO_TEXT, 1)
    if m[STATUS] != OK:
        return 0
    items = argument(m, parameter, INNER)
    if memo(m, items, MEMO_A) < 0:
        _close(m, items)
    if m[STATUS] != OK:
        return 0
    position = height(m)
    entries = memo(m, items, MEMO_A)
    for i in range(entries, entries + ENTRY * memo(m, items, MEMO_B), ENTRY):
        twin, node = _twin_of(m, m[i]), m[i + 1]
        found = False
        for j in range(position, height(m), 6):
            if at(m, j + 1) == twin and at(m, j + 2) == node:
                found = True
        if not found:
            push(m, BY_TERMINAL)
            push(m, twin)
            push(m, node)
            push(m, -1 - state)
            push(m, parameter)
            push(m, returns)
    return 0


@inner
def _lexeme_of(m: Memory, ends: int) -> int:
    """The text of the lexeme, NO_TEXT when it is not known."""
    last = length_of(m, ends) - 1
    value = argument(m, ends, last)
    if terminal_cell(m, argument(m, ends, last - 1), TERMINAL_FLAGS) & KEYED:
        return argument(m, value, 1)
    return value


@inner
def _joined(m: Memory, text: int, lexeme: int) -> int:
    """A text with another one behind it."""
    position = height(m)
    while lexeme != NO_TEXT:
        push(m, argument(m, lexeme, 1))
        lexeme = argument(m, lexeme, 0)
    for i in range(height(m) - 1, position - 1, -1):
        text = intern_2(m, TEXT_KIND, text, at(m, i))
        if m[STATUS] != OK:
            break
    cut(m, position)
    return text


@service
def capture_advance(m: Memory, entry: int, ends: int) -> int:
    """Put the items after a lexeme, which ended as `ends` says (see `parser.inner_ends`), on the stack.

    `entry` is the place of the closure entry of a capturing state that offered it.
    """
    state, parameter, returns = -1 - m[entry + 2], m[entry + 3], m[entry + 4]
    after = go_to(m, argument(m, parameter, INNER), ends)
    if m[STATUS] != OK or length_of(m, after) == 0:
        return 0
    lexeme = _lexeme_of(m, ends)
    known = 1 if argument(m, parameter, KNOWN) and lexeme != NO_TEXT else 0
    text = _joined(m, argument(m, parameter, READ), lexeme) if known else NO_TEXT
    if m[STATUS] != OK:
        return 0
    goes_on, ended = False, False
    for i in range(0, length_of(m, after), 3):
        if argument(m, after, i) == ACCEPT:
            ended = True
        else:
            goes_on = True
    if goes_on:
        push_item(m, state, intern_3(m, PARAMETER, after, text, known), returns)
    if ended and not known:
        push_item(m, state + 3, 0, returns)
    elif ended:
        follower = recall(m, text, _FOLLOWER + state)
        if follower < 0 and m[STATUS] == OK:
            m[STATUS] = NEEDS_FOLLOWER
            m[NEEDED_STATE] = state
            m[NEEDED_TEXT] = text
        push_item(m, state + 1, intern_1(m, PARAMETER, follower), returns)
    return 0


@kernel
def set_follower(address: int, state: int, text: int, follower: int) -> None:
    """Say which rule follows a text."""
    remember(memory_at(address), text, _FOLLOWER + state, follower)


@kernel
def captured_text(address: int, text: int, symbols: Cells) -> int:
    """Write the symbols of a text, as far as there is room, the last one first; their number."""
    m = memory_at(address)
    count = 0
    while text != NO_TEXT:
        if count < symbols.size:
            symbols[count] = argument(m, text, 1)
        text = argument(m, text, 0)
        count += 1
    return count
