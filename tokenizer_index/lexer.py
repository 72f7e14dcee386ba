"""Lexer states: what remains of every terminal that the text since the last lexeme boundary may belong to.

LEXER [terminal, regular expression, text, …] is a set of derivatives, one a terminal; reading a symbol derives
them all.  States are interned, so that the contextual lexer of each parser set is a lazily determinised automaton,
shared wherever two sets await the same terminals.  The text is kept (as TEXT [all but the last symbol, symbol])
for terminals whose lexeme the parser wants to know, and is 0 otherwise; UNKNOWN when its beginning is not known (see
rows).
"""

from constrain.grammars.automata._jit import Memory, inner, service
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.liveness import is_alive, step
from constrain.grammars.automata.nodes import (
    EMPTY,
    EPSILON_KIND,
    NO_TEXT,
    SEARCH,
    TEXT_KIND,
    nullable,
    payload_of,
    union,
)
from constrain.grammars.automata.store import (
    FLAGS,
    MEMO_A,
    MEMO_B,
    OK,
    STATUS,
    argument,
    cut,
    height,
    intern,
    intern_2,
    kind_of,
    length_of,
    memo,
    push,
    recall,
    remember,
    set_memo,
    sort_unique,
)
from constrain.tokenizer_index.parser import ENDS, KEYED_TEXT, LEXER, push_item
from constrain.tokenizer_index.tables import (
    KEYED,
    LONGEST_MATCH,
    TERMINAL_FLAGS,
    TERMINAL_PRIORITY,
    terminal_cell,
)

KERNELS = "de716cabbe365690"


UNKNOWN = -1


@inner
def value_of_end(m: Memory, terminal: int, node: int, text: int) -> int:
    """What the parser is told of a lexeme that has ended: payload, text, or both; NO_TEXT when it is not known."""
    if text == 0:
        return payload_of(m, node)
    text = max(text, NO_TEXT)
    if terminal_cell(m, terminal, TERMINAL_FLAGS) & KEYED:
        return intern_2(m, KEYED_TEXT, payload_of(m, node), text)
    return text


@service
def lexer_step(m: Memory, lexer: int, symbol: int) -> int:
    """The state after a symbol, 0 when no terminal goes on so."""
    known = recall(m, lexer, symbol)
    if known >= 0:
        return known
    position = height(m)
    for i in range(0, length_of(m, lexer), 3):
        node = step(m, argument(m, lexer, i + 1), symbol)
        if node != EMPTY:
            text = argument(m, lexer, i + 2)
            if text > 0:
                text = intern_2(m, TEXT_KIND, text, symbol)
            push_item(m, argument(m, lexer, i), node, text)
    result = 0
    if height(m) > position:
        result = intern(m, LEXER, position)
    remember(m, lexer, symbol, result)
    return result


@inner
def goes_on(m: Memory, node: int) -> bool:
    """Whether the language has other strings than the empty one."""
    if kind_of(m, node) == EPSILON_KIND:
        return False
    if memo(m, node, FLAGS) & SEARCH == 0:
        return True
    start = transitions(m, node)
    for i in range(start, start + 3 * memo(m, node, MEMO_B), 3):
        if is_alive(m, m[i + 2]):
            return True
    return False


@inner
def _settle(m: Memory, lexer: int) -> None:
    """Compute which terminals end at a state (MEMO_A), and the state without those that only end (MEMO_B)."""
    best = -(1 << 30)
    for i in range(0, length_of(m, lexer), 3):
        if m[LONGEST_MATCH] and nullable(m, argument(m, lexer, i + 1)):
            best = max(best, terminal_cell(m, argument(m, lexer, i), TERMINAL_PRIORITY))
    position = height(m)
    for i in range(0, length_of(m, lexer), 3):
        terminal, node, text = argument(m, lexer, i), argument(m, lexer, i + 1), argument(m, lexer, i + 2)
        if nullable(m, node) and (not m[LONGEST_MATCH] or terminal_cell(m, terminal, TERMINAL_PRIORITY) == best):
            push(m, terminal)
            push(m, value_of_end(m, terminal, node, text))
    ends = 0
    if height(m) > position:
        ends = intern(m, ENDS, position)
    for i in range(0, length_of(m, lexer), 3):
        if goes_on(m, argument(m, lexer, i + 1)):
            push_item(m, argument(m, lexer, i), argument(m, lexer, i + 1), argument(m, lexer, i + 2))
    rest = 0
    if height(m) > position:
        rest = intern(m, LEXER, position)
    set_memo(m, lexer, MEMO_B, rest)
    set_memo(m, lexer, MEMO_A, ends)


@inner
def ends_of(m: Memory, lexer: int) -> int:
    """The terminals that end at a state, as an ENDS object; 0 when there are none."""
    if memo(m, lexer, MEMO_A) < 0:
        _settle(m, lexer)
    return max(memo(m, lexer, MEMO_A), 0)


@inner
def rest_of(m: Memory, lexer: int) -> int:
    """The state without terminals that cannot go on; 0 when none can."""
    if memo(m, lexer, MEMO_A) < 0:
        _settle(m, lexer)
    return max(memo(m, lexer, MEMO_B), 0)


@inner
def union_of_members(m: Memory, lexer: int) -> int:
    """The union of what remains of all terminals of a state."""
    position = height(m)
    for i in range(0, length_of(m, lexer), 3):
        push(m, argument(m, lexer, i + 1))
    if m[STATUS] != OK:
        cut(m, position)
        return EMPTY
    return union(m, position)


@inner
def push_cuts(m: Memory, lexer: int) -> None:
    """Put a symbol of each interval on which no terminal of a lexer state changes its target on the stack."""
    position = height(m)
    for i in range(1, length_of(m, lexer), 3):
        node = argument(m, lexer, i)
        start = transitions(m, node)
        for j in range(start, start + 3 * memo(m, node, MEMO_B), 3):
            push(m, m[j])
            push(m, m[j + 1] + 1)
    sort_unique(m, position)
