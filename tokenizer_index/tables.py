"""The grammar inside a store: rules as recursive transition networks, and terminals.

A rule is a network of states; a transition consumes a terminal or calls a rule (Woods, "Transition network
grammars", 1970).  Right-hand sides with repetition and alternatives need no auxiliary rules that way, and item
sets stay small.  Three tables grow as rules are loaded; rules may be loaded when the parser first predicts them.

Calls of rules that derive the empty string are dealt with when the networks are made (see loading): at run time
every call reads something.

==========  ==========================================================================================
state       kind (PLAIN, or a container's or capture's, see there), offset, count, whether the rule may end (FINAL)
            and whether what follows is in doubt (SUPPOSED)
rule        first state (-1: not loaded), left-recursive group: offset of [count, (callee, caller, target) …], or 0
            length of its shortest text, whether that is known (see least)
terminal    regular expression, priority, flags, twin (see captures): 0 for none, -1 - the terminal it is a twin of
transition  kind (BY_TERMINAL, BY_RULE), number of the terminal or rule, target state
==========  ==========================================================================================
"""

import numpy as np

from constrain.grammars.automata._jit import Cells, Memory, inner, int64, kernel, memory_at
from constrain.grammars.automata.store import FREE, FULL, OK, SIZE, STATUS

KERNELS = "de716cabbe365690"

# Header cells: offset, capacity and count of each table.
STATES, STATES_CAPACITY, STATES_COUNT = 16, 17, 18
RULES, RULES_CAPACITY, RULES_COUNT = 19, 20, 21
TERMINALS, TERMINALS_CAPACITY, TERMINALS_COUNT = 22, 23, 24
NEEDED_RULE = 25  # the rule that a call with status NEEDS_RULE lacks
LONGEST_MATCH = 26  # 1: maximal munch with priorities; 0: every split of the text into lexemes counts
IGNORED = 27  # offset of [count, terminal, …]: terminals that may stand before any other, or 0
NEEDED_NODE = 28  # the regular expression that a call with status NEEDS_ROW lacks the row of; see NEEDED_ROOT
SEARCHES = 29  # 1: a configuration may be a dead end and has to be searched (see separation)
NEEDED_STATE, NEEDED_PARAMETER = 30, 31  # what a call with status NEEDS_LENGTH lacks the lengths of rules for
LENIENT = 32  # 1: a length may be a lower bound, if rules are not known; 2: one was (see least)
NEEDED_TEXT = 33  # with NEEDED_STATE, what a call with status NEEDS_FOLLOWER lacks what follows it (see captures)
CAPTURES = 34  # 1: what follows may depend on the text, and lengths are lower bounds
NEEDED_LEXER_ROW = 35  # the row that a call with status NEEDS_LEXER_ROW lacks
NEEDED_ROOT, NEEDED_PART = 36, 37  # with NEEDED_NODE: the trie node, and which part of the row (see pooled_rows)
WIDTH = 4  # cells in a row of each table

# Columns.
STATE_KIND, STATE_OFFSET, STATE_COUNT, STATE_FINAL = 0, 1, 2, 3
RULE_START, RULE_GROUP, RULE_LENGTH, RULE_KNOWN = 0, 1, 2, 3
TERMINAL_NODE, TERMINAL_PRIORITY, TERMINAL_FLAGS, TERMINAL_TWIN = 0, 1, 2, 3

# Flags of STATE_FINAL.
FINAL, SUPPOSED = 1, 2

# State kinds: networks, objects and loops (see containers), captures.
PLAIN = 0
FIRST_KEY, NEXT_KEY, AFTER_VALUE, COLON, VALUE = 1, 2, 3, 4, 5
FIRST_ITEM, NEXT_ITEM, AFTER_ITEM = 6, 7, 8
CAPTURING, FOLLOWING = 9, 10

# Transition kinds.
BY_TERMINAL, BY_RULE = 0, 1

# Terminal flags.
CAPTURE = 1  # the parser wants the text of the lexeme
IGNORE = 2  # the lexeme leaves the parser where it is
KEYED = 4  # the payload of the lexeme says which key it was

# States that every grammar begins with.
ACCEPT = 0  # the text may end here
DOUBT = 1  # what follows has to be checked token by token (see rows)
START = 2  # before the start rule
END = 3  # a rule ends


@inner
def state_cell(m: Memory, state: int, column: int) -> int:
    """A cell of the state table."""
    return int64(m[m[STATES] + WIDTH * state + column])


@inner
def rule_cell(m: Memory, rule: int, column: int) -> int:
    """A cell of the rule table."""
    return int64(m[m[RULES] + WIDTH * rule + column])


@inner
def set_rule_cell(m: Memory, rule: int, column: int, value: int) -> None:
    """Write a cell of the rule table."""
    m[m[RULES] + WIDTH * rule + column] = value


@inner
def terminal_cell(m: Memory, terminal: int, column: int) -> int:
    """A cell of the terminal table."""
    return int64(m[m[TERMINALS] + WIDTH * terminal + column])


@inner
def set_terminal_cell(m: Memory, terminal: int, column: int, value: int) -> None:
    """Write a cell of the terminal table."""
    m[m[TERMINALS] + WIDTH * terminal + column] = value


@inner
def _append(m: Memory, table: int, rows: Cells) -> int:
    """Add rows to the table whose header cells begin at `table`; the number of the first."""
    count, added = int64(m[table + 2]), rows.size // WIDTH
    if count + added > m[table + 1]:
        capacity = 2 * (count + added)
        moved = int64(m[FREE])
        if moved + WIDTH * capacity > m[SIZE]:
            m[STATUS] = FULL
            return 0
        m[FREE] = moved + WIDTH * capacity
        for i in range(WIDTH * count):
            m[moved + i] = m[m[table] + i]
        m[table], m[table + 1] = moved, capacity
    start = m[table] + WIDTH * count
    for i in range(rows.size):
        m[start + i] = rows[i]
    m[table + 2] = count + added
    return count


@kernel
def append_rules(address: int, rows: Cells) -> int:
    """Add rules; the number of the first."""
    return _append(memory_at(address), RULES, rows)


@kernel
def append_terminals(address: int, rows: Cells) -> int:
    """Add terminals; the number of the first."""
    return _append(memory_at(address), TERMINALS, rows)


@inner
def add_terminal(m: Memory, node: int, priority: int, flags: int, twin: int) -> int:
    """Add a terminal; its number."""
    row = np.empty(WIDTH, np.int32)
    row[TERMINAL_NODE], row[TERMINAL_PRIORITY], row[TERMINAL_FLAGS], row[TERMINAL_TWIN] = node, priority, flags, twin
    return _append(m, TERMINALS, row)


@kernel
def append_states(address: int, rows: Cells, data: Cells) -> int:
    """Add states; the number of the first.

    `data` holds their transitions and descriptors; the offsets in `rows` count from its beginning, and so do
    target states from the first state added, unless they are written as -1 - state.
    """
    m = memory_at(address)
    place, first = int64(m[FREE]), int64(m[STATES_COUNT])
    if place + data.size > m[SIZE]:
        m[STATUS] = FULL
        return 0
    m[FREE] = place + data.size
    if _append(m, STATES, rows) != first or m[STATUS] != OK:
        return 0
    for i in range(data.size):
        m[place + i] = data[i]
    for state in range(first, m[STATES_COUNT]):
        row = m[STATES] + WIDTH * state
        m[row + STATE_OFFSET] += place
        if m[row + STATE_KIND] == PLAIN:
            for i in range(m[row + STATE_COUNT]):
                cell = m[row + STATE_OFFSET] + 3 * i + 2
                m[cell] = m[cell] + first if m[cell] >= 0 else -1 - m[cell]
    return first


@kernel
def append_cells(address: int, cells: Cells) -> int:
    """Put cells into the memory; their offset."""
    m = memory_at(address)
    place = int64(m[FREE])
    if place + cells.size > m[SIZE]:
        m[STATUS] = FULL
        return 0
    m[FREE] = place + cells.size
    for i in range(cells.size):
        m[place + i] = cells[i]
    return place


@kernel
def set_group(address: int, rules: Cells, calls: Cells) -> None:
    """Make `rules` a left-recursive group; `calls` has triples of callee, caller and the state after the call."""
    m = memory_at(address)
    place = int64(m[FREE])
    if place + calls.size + 1 > m[SIZE]:
        m[STATUS] = FULL
        return
    m[FREE] = place + calls.size + 1
    m[place] = calls.size // 3
    for i in range(calls.size):
        m[place + 1 + i] = calls[i]
    for rule in rules:
        m[m[RULES] + WIDTH * rule + RULE_GROUP] = place
