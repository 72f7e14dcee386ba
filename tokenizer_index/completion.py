"""The shortest text that leads from a configuration to the end of the language.

`least` says how much is left at least after each way of reading the text.  When every split into lexemes counts,
that is exact, and the completion is found by walking: some next symbol always leaves one less.  When the longest
match counts, lexemes that the grammar puts side by side may have to be kept apart, so it is a lower bound, and the
completion is searched for: best first, which finds a shortest one (Hart, Nilsson and Raphael 1968, "A*"; every text
that ends is no longer than the bound says, and reading a symbol lowers the bound by one at most).  A search
that has become large goes on greedily, and what it finds may then be longer than needed.

What is left after the configurations of a completion is kept with them, so that the completion of each is that of
the one before without its first symbol, whatever is asked later.
"""

from constrain.grammars.automata._jit import Cells, Memory, inner, int64, kernel, memory_at, service
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.frontier import (
    COST,
    ENTRIES,
    PARENT,
    SYMBOL,
    THING,
    entry_cell,
    new_queue,
    offer,
    take,
)
from constrain.grammars.automata.nodes import (
    CONCAT,
    EPSILON_KIND,
    JSON,
    NO_TEXT,
    TEXT_KIND,
    TRIE,
    UNION,
    WORDS,
)
from constrain.grammars.automata.shortest import (
    RAW,
    UNREACHABLE,
    WRITTEN,
    plus,
    push_after_escape,
    shortest_length,
    symbol_length,
)
from constrain.grammars.automata.store import (
    MEMO_A,
    MEMO_B,
    MEMO_C,
    OK,
    STATUS,
    argument,
    at,
    cut,
    height,
    intern_2,
    intern_3,
    kind_of,
    length_of,
    memo,
    push,
    put,
    recall,
    remember,
    set_memo,
)
from constrain.tokenizer_index.configurations import ACCEPTING, config_step, flags_of, push_next_symbols
from constrain.tokenizer_index.containers import container_advance
from constrain.tokenizer_index.least import set_length, state_length
from constrain.tokenizer_index.least_container import names_matter
from constrain.tokenizer_index.parser import CONFIGURATION, ENTRY, KEYED_TEXT, first_lexer, go_to, inner_ends
from constrain.tokenizer_index.tables import (
    CAPTURE,
    CAPTURES,
    CAPTURING,
    IGNORE,
    KEYED,
    LENIENT,
    STATE_KIND,
    STATE_OFFSET,
    TERMINAL_FLAGS,
    state_cell,
    terminal_cell,
)

KERNELS = "de716cabbe365690"

# Memo cells of a configuration.
LEFT_FOR_SURE = MEMO_A  # length of its completion, when that has been found
NEXT_SYMBOL = MEMO_B  # the first symbol of the completion
LEFT_AT_LEAST = MEMO_C


# With a configuration, what these stand for is the symbol that was chosen there: a walk begins again each time that
# something has to be asked of Python.
_TOWARDS, _DOWN = 1 << 29, (1 << 29) + 1


# What is left behind a lexeme


@inner
def _after_lexeme(m: Memory, parser: int, terminal: int, payload: int) -> int:
    """What is left after a terminal has been read in full at a parser set that has been closed."""
    best = UNREACHABLE
    entries = memo(m, parser, MEMO_A)
    for i in range(entries, entries + ENTRY * memo(m, parser, MEMO_B), ENTRY):
        if m[i] != terminal or m[STATUS] != OK:
            continue
        state, parameter = m[i + 2], m[i + 3]
        if state < 0 and state_cell(m, -1 - state, STATE_KIND) == CAPTURING:
            best = min(best, _after_captured(m, i, payload))
            continue
        if state < 0:
            position = height(m)
            if not container_advance(m, -1 - state, parameter, payload):
                continue
            state, parameter = at(m, position), at(m, position + 1)
            cut(m, position)
        best = min(best, plus(state_length(m, state, parameter), set_length(m, m[i + 4])))
    return best


@inner
def _after_captured(m: Memory, entry: int, payload: int) -> int:
    """`_after_lexeme` for an entry of a capturing state, whichever the text is; `payload` may be that, or the text."""
    value = payload
    if terminal_cell(m, m[entry], TERMINAL_FLAGS) & KEYED:
        value = intern_2(m, KEYED_TEXT, payload, NO_TEXT)
    after = go_to(m, argument(m, m[entry + 3], 0), inner_ends(m, m[entry], value))
    if m[STATUS] != OK or length_of(m, after) == 0:
        return UNREACHABLE
    following = state_length(m, 2 - m[entry + 2], 0)
    return plus(set_length(m, after), plus(following, set_length(m, m[entry + 4])))


@inner
def _after_key(m: Memory, parser: int, terminal: int, payload: int, most: int) -> int:
    """`_after_lexeme`, if that is at most `most`; else something more."""
    if m[LENIENT]:
        return _after_lexeme(m, parser, terminal, payload)
    m[LENIENT] = 1
    length = _after_lexeme(m, parser, terminal, payload)
    bound = m[LENIENT] == 2
    m[LENIENT] = 0
    return _after_lexeme(m, parser, terminal, payload) if bound and length <= most else length


@inner
def _of_keys(m: Memory, parser: int, terminal: int, start: int) -> int:
    """What is left when `start` is the rest of a declared key, and what follows depends on which it is.

    The tries of names are walked, breadth first.
    """
    position = height(m)
    push(m, start)
    push(m, 0)
    best = UNREACHABLE
    i = position
    while i < height(m) and m[STATUS] == OK:
        node, length = at(m, i), at(m, i + 1)
        i += 2
        kind = kind_of(m, node)
        if length >= best:
            continue
        if kind == EPSILON_KIND:
            payload = argument(m, node, 0)
            best = min(best, plus(length, _after_key(m, parser, terminal, payload, best - length - 1)))
        elif kind == UNION:
            for j in range(length_of(m, node)):
                _push_pair(m, argument(m, node, j), length)
        elif kind == CONCAT:
            _push_pair(m, argument(m, node, 1), length + shortest_length(m, argument(m, node, 0), RAW))
        elif kind == WORDS:
            _push_pair(m, argument(m, node, 0), length)
        elif kind == TRIE:
            if argument(m, node, 0) > 0:
                payload = argument(m, node, 0) - 1
                best = min(best, plus(length, _after_key(m, parser, terminal, payload, best - length - 1)))
            for j in range(1, length_of(m, node), 2):
                here = symbol_length(argument(m, node, j), WRITTEN)
                _push_pair(m, argument(m, node, j + 1), length + here)
        elif kind == JSON and argument(m, node, 1) == 0:
            _push_pair(m, argument(m, node, 0), length + 1)
        elif kind == JSON:
            texts = height(m)
            push_after_escape(m, node)
            for j in range(texts, height(m), 2):
                put(m, j + 1, at(m, j + 1) + length + 1)
    cut(m, position)
    return best


@inner
def _push_pair(m: Memory, node: int, length: int) -> None:
    push(m, node)
    push(m, length)


@inner
def _name_matters(m: Memory, parser: int, terminal: int) -> bool:
    """Whether what follows a captured name depends on it: on which short names remain for members that must come."""
    entries = memo(m, parser, MEMO_A)
    for i in range(entries, entries + ENTRY * memo(m, parser, MEMO_B), ENTRY):
        if m[i] == terminal and state_cell(m, -1 - m[i + 2], STATE_KIND) != CAPTURING:
            if names_matter(m, state_cell(m, -1 - m[i + 2], STATE_OFFSET)):
                return True
    return False


@inner
def _of_name(m: Memory, parser: int, terminal: int, node: int, text: int) -> int:
    """What is left when `node` is the rest of an undeclared key that began with `text`."""
    length = shortest_length(m, node, RAW)
    if length >= UNREACHABLE:
        return length
    if not _name_matters(m, parser, terminal):
        return plus(length, _after_lexeme(m, parser, terminal, NO_TEXT))
    left = length
    while left > 0 and m[STATUS] == OK:
        symbol, node = _step_towards(m, node, left)
        text = intern_2(m, TEXT_KIND, text, symbol)
        left -= 1
    if m[STATUS] != OK:  # the text may be no text
        return UNREACHABLE
    return plus(length, _after_lexeme(m, parser, terminal, text))


@inner
def _step_towards(m: Memory, node: int, left: int) -> tuple[int, int]:
    """The first symbol of a shortest string, which has `left` bytes, and the derivative."""
    start = transitions(m, node)
    for i in range(start, start + 3 * memo(m, node, MEMO_B), 3):
        if shortest_length(m, m[i + 2], RAW) == left - 1:
            return m[i], m[i + 2]
    return 0, 0


@inner
def _of_member(m: Memory, parser: int, terminal: int, node: int, text: int) -> int:
    """What is left when `node` is the rest of a terminal that is being read."""
    flags = terminal_cell(m, terminal, TERMINAL_FLAGS)
    if flags & KEYED:
        return _of_keys(m, parser, terminal, node)
    if flags & CAPTURE:
        return _of_name(m, parser, terminal, node, text)
    length = shortest_length(m, node, RAW)
    if length >= UNREACHABLE:
        return length
    if flags & IGNORE:
        return plus(length, set_length(m, parser))
    return plus(length, _after_lexeme(m, parser, terminal, 0))


@inner
def _within(m: Memory, parser: int, terminal: int, node: int, text: int, most: int) -> int:
    """What is left when `node` is the rest of a terminal, if that is at most `most`; else something more."""
    m[LENIENT] = 1
    length = _of_member(m, parser, terminal, node, text)
    bound = m[LENIENT] == 2
    m[LENIENT] = 0
    if bound and length <= most:
        length = _of_member(m, parser, terminal, node, text)
    return length


# What is left from a configuration on


@inner
def _lexer_at(m: Memory, configuration: int, i: int) -> int:
    lexer = first_lexer(m, argument(m, configuration, i))
    return argument(m, configuration, i + 1) if argument(m, configuration, i + 1) > 0 else lexer


@service
def left_at_least(m: Memory, configuration: int) -> int:
    """A lower bound of what is left; 0 exactly when the text may end."""
    known = memo(m, configuration, LEFT_FOR_SURE)
    if known >= 0:
        return known
    known = memo(m, configuration, LEFT_AT_LEAST)
    if known >= 0:
        return known
    best = 0
    if not flags_of(m, configuration) & ACCEPTING:
        # What needs no more rules is looked at first: it may show that other ways do not matter.
        best = _least_of_readings(m, configuration, UNREACHABLE, True)
        best = max(_least_of_readings(m, configuration, best, False), 1)
    set_memo(m, configuration, LEFT_AT_LEAST, best)
    return best


@inner
def _least_of_readings(m: Memory, configuration: int, best: int, only_known: bool) -> int:
    """The least that is left in any reading; with `only_known`, in those for which no more rules are needed."""
    for i in range(0, length_of(m, configuration), 3):
        parser, lexer = argument(m, configuration, i), _lexer_at(m, configuration, i)
        if m[STATUS] != OK:
            break
        for j in range(0, length_of(m, lexer), 3):
            terminal, node, text = argument(m, lexer, j), argument(m, lexer, j + 1), argument(m, lexer, j + 2)
            if only_known:
                m[LENIENT] = 1
                length = _of_member(m, parser, terminal, node, text)
                if m[LENIENT] == 1:
                    best = min(best, length)
                m[LENIENT] = 0
            else:
                best = min(best, _within(m, parser, terminal, node, text, best - 1))
    return best


@inner
def _rank(symbol: int) -> int:
    """Which of several symbols is preferred: letters, then what can be printed."""
    if 0x61 <= symbol <= 0x7A or 0x30 <= symbol <= 0x39:
        return 0
    return 1 if 0x20 <= symbol < 0x7F else 2


@inner
def _pleasant(low: int, high: int) -> int:
    """A symbol between `low` and `high`."""
    if low <= 0x61 <= high:
        return 0x61
    if low <= 0x30 <= high:
        return 0x30
    return 0x20 if low < 0x20 <= high else low


@inner
def _symbol_towards(m: Memory, configuration: int, left: int) -> int:
    """A symbol after which, in one reading at least, less is left; -1 when there is none."""
    best = -1
    for i in range(0, length_of(m, configuration), 3):
        parser, lexer = argument(m, configuration, i), _lexer_at(m, configuration, i)
        if m[STATUS] != OK:
            break
        for j in range(0, length_of(m, lexer), 3):
            terminal, node, text = argument(m, lexer, j), argument(m, lexer, j + 1), argument(m, lexer, j + 2)
            if _within(m, parser, terminal, node, text, left) > left:
                continue
            start = transitions(m, node)
            for k in range(start, start + 3 * memo(m, node, MEMO_B), 3):
                symbol = _pleasant(m[k], m[k + 1])
                if best >= 0 and _rank(symbol) >= _rank(best):
                    continue
                longer = intern_2(m, TEXT_KIND, text, symbol) if text > 0 else text
                if m[STATUS] != OK:
                    return -1
                rest = left - symbol_length(symbol, RAW)
                if _within(m, parser, terminal, m[k + 2], longer, rest) == rest and m[STATUS] == OK:
                    best = symbol
                    if _rank(best) == 0:
                        return best
    return best


# Completions


@inner
def _walk(m: Memory, configuration: int) -> bool:
    """Find the completion by walking; False, with nothing changed, when what is left does not always get less."""
    position = height(m)
    here = configuration
    found = False
    while m[STATUS] == OK:
        left = left_at_least(m, here)
        if left == 0 or memo(m, here, LEFT_FOR_SURE) >= 0:
            found = True
            break
        symbol = recall(m, here, _TOWARDS)
        if symbol < 0:
            symbol = _symbol_towards(m, here, left)
            if symbol >= 0:
                remember(m, here, _TOWARDS, symbol)
        if symbol < 0 or m[STATUS] != OK:
            break
        after = config_step(m, here, symbol)
        if after == 0 or left_at_least(m, after) + symbol_length(symbol, RAW) != left:
            break
        push(m, here)
        push(m, symbol)
        here = after
    if found:
        _keep_path(m, here, position)
    cut(m, position)
    return found


@inner
def _keep_path(m: Memory, end: int, position: int) -> None:
    """Keep the completions of the configurations on the stack, each with the symbol that was read next, up to `end`."""
    left = left_at_least(m, end)
    set_memo(m, end, LEFT_FOR_SURE, left)
    for i in range(height(m) - 2, position - 1, -2):
        left += symbol_length(at(m, i + 1), RAW)
        set_memo(m, at(m, i), NEXT_SYMBOL, at(m, i + 1))
        set_memo(m, at(m, i), LEFT_FOR_SURE, left)
    cut(m, position)


@inner
def _distance(m: Memory, parser: int, terminal: int, node: int, text: int) -> int:
    """What is left when `node` is the rest of a terminal; within a capture, first of all what is left of its part.

    What follows may grow with every symbol of the part, which bounds do not show, so parts have to be ended.
    """
    flags = terminal_cell(m, terminal, TERMINAL_FLAGS)
    length = max(shortest_length(m, node, RAW), 1)
    best = int64(UNREACHABLE) << _WEIGHT
    entries = memo(m, parser, MEMO_A)
    captured = False
    for i in range(entries, entries + ENTRY * memo(m, parser, MEMO_B), ENTRY):
        if m[i] != terminal or m[i + 2] >= 0 or m[STATUS] != OK:
            continue
        if flags & CAPTURE and state_cell(m, -1 - m[i + 2], STATE_KIND) == CAPTURING:
            captured = True
            if length < UNREACHABLE and not flags & KEYED:
                after = go_to(m, argument(m, m[i + 3], 0), inner_ends(m, terminal, NO_TEXT))
                if m[STATUS] == OK and length_of(m, after) > 0:
                    best = min(best, (length + set_length(m, after)) << _WEIGHT)
    if captured and not flags & KEYED:
        return best
    total = int64(_of_member(m, parser, terminal, node, text))
    return total << _WEIGHT if captured else total


_WEIGHT = 30


@inner
def _distance_left(m: Memory, configuration: int) -> int:
    """`_distance` for the reading in which it is least."""
    if flags_of(m, configuration) & ACCEPTING:
        return 0
    if memo(m, configuration, LEFT_FOR_SURE) >= 0:
        return memo(m, configuration, LEFT_FOR_SURE)
    best = int64(UNREACHABLE) << _WEIGHT
    for i in range(0, length_of(m, configuration), 3):
        parser, lexer = argument(m, configuration, i), _lexer_at(m, configuration, i)
        if m[STATUS] != OK:
            break
        for j in range(0, length_of(m, lexer), 3):
            terminal, node, text = argument(m, lexer, j), argument(m, lexer, j + 1), argument(m, lexer, j + 2)
            best = min(best, _distance(m, parser, terminal, node, text))
    return best


@inner
def _boundary(m: Memory, configuration: int) -> int:
    """The reading in which a lexeme has ended, as a configuration; 0 when there is none."""
    for i in range(0, length_of(m, configuration), 3):
        if argument(m, configuration, i + 1) == 0 and length_of(m, configuration) > 3:
            return intern_3(m, CONFIGURATION, argument(m, configuration, i), 0, argument(m, configuration, i + 2))
    return 0


@inner
def _symbol_down(m: Memory, configuration: int) -> int:
    """A symbol after which less seems to be left; -1 when there is none.

    Where none makes it less, lexemes that have ended are not read on: a number could get longer for ever.
    """
    left = _distance_left(m, configuration)
    symbol, least = _nearest(m, configuration)
    ended = _boundary(m, configuration)
    if least > left and ended > 0 and m[STATUS] == OK:
        nearest, _ = _nearest(m, ended)
        if nearest >= 0:
            return nearest
    return symbol


@inner
def _nearest(m: Memory, configuration: int) -> tuple[int, int]:
    """The symbol after which least seems to be left, and how much that is, with the symbol; -1 when there is none."""
    position = height(m)
    push_next_symbols(m, configuration)
    best, least = -1, int64(UNREACHABLE) << _WEIGHT
    for i in range(position, height(m)):
        symbol = at(m, i)
        after = config_step(m, configuration, symbol)
        if after > 0 and m[STATUS] == OK:
            rest = _distance_left(m, after) + symbol_length(symbol, RAW)
            if rest < least or (rest == least and _rank(symbol) < _rank(best)):
                best, least = symbol, rest
    cut(m, position)
    return best, least


_LONGEST_DESCENT = 1 << 15  # cells of the stack, two a symbol


@inner
def _descend(m: Memory, configuration: int) -> bool:
    """Find a completion by going where least seems to be left, which need not make it the shortest; False if none is.

    What seems to be left is a lower bound, and may stay the same however far one goes.
    """
    position = height(m)
    here = configuration
    while m[STATUS] == OK and left_at_least(m, here) > 0 and memo(m, here, LEFT_FOR_SURE) < 0:
        symbol = recall(m, here, _DOWN)
        if symbol < 0:
            symbol = _symbol_down(m, here)
            if symbol >= 0:
                remember(m, here, _DOWN, symbol)
        if symbol < 0 or m[STATUS] != OK:
            cut(m, position)
            return False
        push(m, here)
        push(m, symbol)
        here = config_step(m, here, symbol)
        if height(m) - position > _LONGEST_DESCENT:  # it may go on so for ever
            cut(m, position)
            return False
    _keep_path(m, here, position)
    return m[STATUS] == OK


@inner
def _search(m: Memory, configuration: int, budget: int, weight: int) -> bool:
    """Find the completion by a search, within `budget` configurations; bounds count `weight` times."""
    queue = offer(new_queue(256), configuration, 0, 0, -1, 0)
    entry = take(queue)
    while entry >= 0 and m[STATUS] == OK:
        here, cost = entry_cell(queue, entry, THING), entry_cell(queue, entry, COST)
        if flags_of(m, here) & ACCEPTING or memo(m, here, LEFT_FOR_SURE) >= 0:
            break
        if queue[ENTRIES] > budget:
            return False
        position = height(m)
        push_next_symbols(m, here)
        for i in range(position, height(m)):
            symbol = at(m, i)
            after = config_step(m, here, symbol)
            if after > 0 and m[STATUS] == OK:
                rest = left_at_least(m, after)
                if rest < UNREACHABLE:
                    cost_after = cost + symbol_length(symbol, RAW)
                    queue = offer(queue, after, cost_after, weight * rest, entry, symbol)
        cut(m, position)
        entry = take(queue)
    if entry < 0 or m[STATUS] != OK:
        return False
    here = entry_cell(queue, entry, THING)
    left = 0 if flags_of(m, here) & ACCEPTING else memo(m, here, LEFT_FOR_SURE)
    set_memo(m, here, LEFT_FOR_SURE, left)
    while entry_cell(queue, entry, PARENT) >= 0:
        symbol, entry = entry_cell(queue, entry, SYMBOL), entry_cell(queue, entry, PARENT)
        left += symbol_length(symbol, RAW)
        set_memo(m, entry_cell(queue, entry, THING), NEXT_SYMBOL, symbol)
        set_memo(m, entry_cell(queue, entry, THING), LEFT_FOR_SURE, left)
    return True


@kernel
def find_completion(address: int, configuration: int, budget: int) -> int:
    """Find the completion of a configuration; its length, -1 when there is none.

    A search for a shortest one visits at most about `budget` configurations; after that any is taken.  Where what
    follows depends on the text, none is made: what a step leads to may have to be asked of Python.
    """
    m = memory_at(address)
    m[LENIENT] = 0
    if memo(m, configuration, LEFT_FOR_SURE) < 0:
        found = _walk(m, configuration)
        if not found and m[CAPTURES] and m[STATUS] == OK:
            found = _descend(m, configuration)
        if not found and m[STATUS] == OK:
            found = _search(m, configuration, budget, 1)
        if not found and m[STATUS] == OK:
            _search(m, configuration, _UNLIMITED, _GREEDY)
    return memo(m, configuration, LEFT_FOR_SURE)


_UNLIMITED = 1 << 60
_GREEDY = 8


@kernel
def completion_symbols(address: int, configuration: int, symbols: Cells) -> int:
    """Write the completion of a configuration, which has been found, as far as there is room; its number of symbols."""
    m = memory_at(address)
    count = 0
    while memo(m, configuration, LEFT_FOR_SURE) > 0 and m[STATUS] == OK:
        symbol = memo(m, configuration, NEXT_SYMBOL)
        if count < symbols.size:
            symbols[count] = symbol
        count += 1
        configuration = config_step(m, configuration, symbol)
    return count
