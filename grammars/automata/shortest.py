"""The length of the shortest string of a regular expression.

Two measures: `RAW` counts symbols; `WRITTEN` counts what a text takes inside a JSON string, where some characters
have to be escaped.  A special token counts `SPECIAL`, more than any text: it is used only where it must be.

Most expressions tell their shortest string by their structure, without a derivative being made: a sequence adds
up, a union takes the least, a repetition multiplies.  That fails where a boolean operation stands in the way, or an
automaton; there the derivatives are searched, best first, guided by a bound that is structural again (an
intersection takes at least as much as each of its parts).  What a search finds holds for the whole way.

Results are kept as `remember (node, key)`, with keys that are no symbols.
"""

from constrain.grammars.automata import decimals
from constrain.grammars.automata._jit import Memory, inner, linked, service
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.frontier import (
    COST,
    ENTRIES,
    PARENT,
    THING,
    Queue,
    entry_cell,
    new_queue,
    offer,
    take,
)
from constrain.grammars.automata.json_text import NEEDED_ESCAPES, has_short_escape, short_escape, step_char
from constrain.grammars.automata.liveness import known
from constrain.grammars.automata.nodes import (
    CHARS,
    CONCAT,
    DECIMAL,
    EMPTY,
    EPSILON,
    EPSILON_KIND,
    EXPONENT,
    INTERSECT,
    JSON,
    MULTIPLE,
    NOT,
    REPEAT,
    STATE,
    SYMBOLS,
    TRIE,
    UNION,
    WITHOUT,
    WORDS,
    chars,
    nullable,
)
from constrain.grammars.automata.store import (
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
    kind_of,
    length_of,
    memo,
    push,
    put,
    recall,
    remember,
)

KERNELS = "de716cabbe365690"

RAW, WRITTEN = 0, 1
SPECIAL = 1 << 24
UNREACHABLE = 1 << 30  # also what is longer than that

_EXACT = 2
_KEY = 0x7FFFFFFF  # keys are this, less the measure, less _EXACT for what is no mere bound

_bound = linked("shortest_bound", 2)


@inner
def plus(a: int, b: int) -> int:
    """The sum of two lengths."""
    return min(a + b, UNREACHABLE)


@inner
def symbol_length(symbol: int, measure: int) -> int:
    """What one symbol counts; of a character in UTF-8, each byte is a symbol."""
    if symbol >= 256:
        return SPECIAL
    if measure == RAW or (symbol >= 0x20 and symbol != 0x22 and symbol != 0x5C):
        return 1
    return 2 if symbol >= 0x20 or has_short_escape(symbol) else 6


@inner
def cheapest_symbol(low: int, high: int, measure: int) -> int:
    """The symbol between `low` and `high` that counts least."""
    best, symbol = low, low
    while symbol < high and symbol_length(best, measure) > 1:
        symbol += 1
        if symbol >= 256:
            break
        if symbol_length(symbol, measure) < symbol_length(best, measure):
            best = symbol
    return best


@inner
def _of_symbols(m: Memory, node: int, measure: int) -> int:
    best = UNREACHABLE
    for i in range(0, length_of(m, node), 2):
        symbol = cheapest_symbol(argument(m, node, i), argument(m, node, i + 1), measure)
        best = min(best, symbol_length(symbol, measure))
    return best


@inner
def _of_chars(m: Memory, node: int, measure: int) -> int:
    left = argument(m, node, 0)
    if left > 0:
        return left
    best = 4
    for i in range(1, length_of(m, node), 2):
        low, high = argument(m, node, i), argument(m, node, i + 1)
        size = 4
        if low < 0x80:
            size = symbol_length(cheapest_symbol(low, min(high, 0x7F), measure), measure)
            if high >= 0x80:
                size = min(size, 2)
        elif low < 0x10000:
            size = 2 if low < 0x800 else 3
        best = min(best, size) if i > 1 else size
    return best


# JSON strings in which an escape has been begun: for the stages see json_text.


@inner
def _push_texts(m: Memory, text: int, low: int, high: int, length: int) -> None:
    """Put what may follow a character between `low` and `high` in a text on the stack, each with `length`.

    The text and the encodings of the interval are walked side by side, breadth first, at most four levels deep.
    """
    if low > high:
        return
    position = height(m)
    push(m, 0)
    push(m, low)
    push(m, high)
    interval = chars(m, position)
    push(m, text)
    push(m, interval)
    i = position
    while i < height(m) and m[STATUS] == OK:
        text, interval = at(m, i), at(m, i + 1)
        i += 2
        a = transitions(m, text)
        a_end = a + 3 * memo(m, text, MEMO_B)
        b = transitions(m, interval)
        b_end = b + 3 * memo(m, interval, MEMO_B)
        while a < a_end and b < b_end and m[STATUS] == OK:
            if m[a + 1] < m[b]:
                a += 3
            elif m[b + 1] < m[a]:
                b += 3
            else:
                push(m, m[a + 2])
                push(m, m[b + 2])
                if m[a + 1] < m[b + 1]:
                    a += 3
                else:
                    b += 3
    kept = position
    for i in range(position, height(m), 2):
        if at(m, i + 1) == EPSILON:
            put(m, kept, at(m, i))
            put(m, kept + 1, length)
            kept += 2
    cut(m, kept)


@inner
def _push_units(m: Memory, text: int, low: int, high: int, length: int, how: int) -> None:
    r"""`_push_texts` for characters whose escape is ``\uXXXX`` with the digits between `low` and `high`.

    `length` is that of the digits to come; a surrogate is followed by another escape of six symbols.
    """
    if how == NEEDED_ESCAPES:
        for char in range(low, min(high, 0x1F) + 1):
            if not has_short_escape(char):
                _push_texts(m, text, char, char, length)
        return
    _push_texts(m, text, low, min(high, 0xD7FF), length)
    _push_texts(m, text, max(low, 0xE000), high, length)
    first, last = max(low, 0xD800), min(high, 0xDBFF)
    if first <= last:
        first, last = 0x10000 + ((first - 0xD800) << 10), 0x103FF + ((last - 0xD800) << 10)
        _push_texts(m, text, first, last, length + 6)


@inner
def push_after_escape(m: Memory, node: int) -> None:
    """Put the texts that may follow the escape begun in a JSON node on the stack, each with the length until then."""
    text, stage = argument(m, node, 0), argument(m, node, 1)
    value, how = argument(m, node, 2), argument(m, node, 3)
    if stage == 1:
        for letter in range(0x22, 0x75):
            char = short_escape(letter)
            if char >= 0 and not (letter == 0x2F and how == NEEDED_ESCAPES):
                push(m, step_char(m, text, char))
                push(m, 1)
        _push_units(m, text, 0, 0xFFFF, 5, how)
    elif stage <= 5:
        digits = 6 - stage
        bits = 4 * digits
        _push_units(m, text, value << bits, ((value + 1) << bits) - 1, digits, how)
    else:
        bits, digits = 10, 12 - stage  # bits of the character that are free
        if stage >= 10:
            bits = 4 * digits
        first = 0x10000 + (value << bits)
        _push_texts(m, text, first, first + (1 << bits) - 1, digits)


@inner
def _of_escape(m: Memory, node: int, key: int) -> int:
    position = height(m)
    push_after_escape(m, node)
    best = UNREACHABLE
    for i in range(position, height(m), 2):
        best = min(best, plus(at(m, i + 1) + 1, recall(m, at(m, i), key)))
    cut(m, position)
    return best


# Bounds for what has no structure.


@inner
def _missing_digits(value: int, lowest: int, highest: int, digits: int) -> int:
    """How many digits, at least `digits`, have to be added to `value` for a number between the bounds."""
    power = 1
    for _ in range(digits):
        power *= 10
    while digits < 12 and not (
        (value * power <= highest or highest >= decimals.INFINITE) and lowest <= value * power + power - 1
    ):
        digits += 1
        power *= 10
    return digits


@inner
def _bound_of_exponent(m: Memory, node: int) -> int:
    phase, value = argument(m, node, 0), argument(m, node, 1)
    lowest, highest = argument(m, node, 2), argument(m, node, 3)
    if phase != decimals.BEHIND_E:
        return _missing_digits(value, lowest, highest, 0 if phase == decimals.IN_DIGITS else 1)
    best = UNREACHABLE
    if max(lowest, 0) <= highest:
        best = _missing_digits(0, max(lowest, 0), highest, 1)
    if lowest <= 0:
        best = min(best, 1 + _missing_digits(0, max(0, -highest), -lowest, 1))
    return best


@inner
def _bound_of_multiple(m: Memory, node: int) -> int:
    """The digits that are missing to a multiple of that part of the modulus which no power of ten can supply."""
    modulus, phase, residue = argument(m, node, 0), argument(m, node, 3), argument(m, node, 4)
    while modulus % 2 == 0:
        modulus //= 2
    while modulus % 5 == 0:
        modulus //= 5
    digits, power = 0, 1
    if phase != decimals.START and phase != decimals.ZERO:
        while (modulus - residue % modulus) % modulus >= power:
            residue = residue * 10 % modulus
            power *= 10
            digits += 1
    return digits


@inner
def _bound_of_decimal(m: Memory, node: int) -> int:
    """The digits that are missing to the magnitude of the lower bound, where no exponent can supply it."""
    spec, phase = argument(m, node, 0), argument(m, node, 1)
    flags = argument(m, spec, 0)
    if flags & decimals.MAY_HAVE_EXPONENT or not flags & decimals.HAS_LOW or flags & decimals.HAS_ZERO:
        return 0
    if phase != decimals.START and phase != decimals.WHOLE:
        return 0
    return max(0, argument(m, spec, decimals.LOW_EXPONENT) - argument(m, node, 2))


# The structure.


@inner
def _is_opaque(kind: int) -> bool:
    """Whether the length has to be searched for."""
    return kind == INTERSECT or kind == NOT or kind == WITHOUT or kind == STATE or _is_number(kind)


@inner
def _is_number(kind: int) -> bool:
    return kind == DECIMAL or kind == EXPONENT or kind == MULTIPLE


@inner
def _push_unknown(m: Memory, node: int, key: int) -> None:
    if recall(m, node, key) < 0:
        push(m, node)
        push(m, key)


@inner
def _push_parts(m: Memory, node: int, key: int) -> None:
    """Put the parts whose length that of `node` follows from, and which is not known, on the stack, with their key."""
    kind = kind_of(m, node)
    exact = key <= _KEY - _EXACT
    if kind == CONCAT:
        _push_unknown(m, argument(m, node, 0), key)
        _push_unknown(m, argument(m, node, 1), key)
    elif kind == UNION or (kind == INTERSECT and not exact):
        for i in range(length_of(m, node)):
            _push_unknown(m, argument(m, node, i), key)
    elif (kind == REPEAT and argument(m, node, 1) > 0) or kind == WORDS or (kind == WITHOUT and not exact):
        _push_unknown(m, argument(m, node, 0), key)
    elif kind == TRIE and argument(m, node, 0) == 0:
        for i in range(2, length_of(m, node), 2):
            _push_unknown(m, argument(m, node, i), key)
    elif kind == JSON:
        written = _KEY - WRITTEN - (_EXACT if exact else 0)
        if argument(m, node, 1) == 0:
            _push_unknown(m, argument(m, node, 0), written)
        else:
            position = height(m)
            push_after_escape(m, node)
            kept = position
            for i in range(position, height(m), 2):
                text = at(m, i)
                if recall(m, text, written) < 0:
                    put(m, kept, text)
                    put(m, kept + 1, written)
                    kept += 2
            cut(m, kept)


@inner
def _bound_of_opaque(m: Memory, node: int, key: int) -> int:
    if nullable(m, node):
        return 0
    kind = kind_of(m, node)
    bound = 1
    if kind == INTERSECT:
        for i in range(length_of(m, node)):
            bound = max(bound, recall(m, argument(m, node, i), key))
    elif kind == WITHOUT:
        bound = max(bound, recall(m, argument(m, node, 0), key))
    elif kind == DECIMAL:
        bound = max(bound, _bound_of_decimal(m, node))
    elif kind == EXPONENT:
        bound = max(bound, _bound_of_exponent(m, node))
    elif kind == MULTIPLE:
        bound = max(bound, _bound_of_multiple(m, node))
    return bound


@inner
def _of_structure(m: Memory, node: int, key: int) -> int:
    """The length of a node whose parts' lengths are known."""
    kind = kind_of(m, node)
    exact = key <= _KEY - _EXACT
    measure = (_KEY - key) & 1
    if kind == EPSILON_KIND:
        return 0
    if kind == SYMBOLS:
        return _of_symbols(m, node, measure)
    if kind == CHARS:
        return _of_chars(m, node, measure)
    if kind == CONCAT:
        return plus(recall(m, argument(m, node, 0), key), recall(m, argument(m, node, 1), key))
    if kind == WORDS:
        return recall(m, argument(m, node, 0), key)
    if kind == REPEAT:
        if argument(m, node, 1) == 0:
            return 0
        return min(argument(m, node, 1) * recall(m, argument(m, node, 0), key), UNREACHABLE)
    if kind == JSON:
        written = _KEY - WRITTEN - (_EXACT if exact else 0)
        if argument(m, node, 1) > 0:
            return _of_escape(m, node, written)
        return plus(recall(m, argument(m, node, 0), written), 1)
    best = UNREACHABLE
    if kind == UNION:
        for i in range(length_of(m, node)):
            best = min(best, recall(m, argument(m, node, i), key))
    elif kind == TRIE:
        if argument(m, node, 0) > 0:
            return 0
        for i in range(1, length_of(m, node), 2):
            here = symbol_length(argument(m, node, i), measure)
            best = min(best, plus(here, recall(m, argument(m, node, i + 1), key)))
    return best


@inner
def _settle(m: Memory, node: int, key: int) -> int:
    """The length, or a bound of it, from the structure; the parts are dealt with first."""
    position = height(m)
    push(m, node)
    push(m, key)
    while height(m) > position and m[STATUS] == OK:
        top = height(m)
        part, part_key = at(m, top - 2), at(m, top - 1)
        if recall(m, part, part_key) >= 0:
            cut(m, top - 2)
            continue
        _push_parts(m, part, part_key)
        if height(m) > top:
            continue
        length = UNREACHABLE
        if part != EMPTY and known(m, part) != 0:
            if not _is_opaque(kind_of(m, part)):
                length = _of_structure(m, part, part_key)
            elif part_key > _KEY - _EXACT:
                length = _bound_of_opaque(m, part, part_key)
            else:
                length = _search(m, part, part_key)
        remember(m, part, part_key, length)
    cut(m, position)
    return max(recall(m, node, key), 0)


@inner
def _search(m: Memory, start: int, key: int) -> int:
    """The length by a search of the derivatives, best first; it is remembered for all nodes on the way."""
    measure = (_KEY - key) & 1
    queue = offer(new_queue(64), start, 0, 0, -1, 0)
    found, length = -1, UNREACHABLE
    while found < 0 and m[STATUS] == OK:
        entry = take(queue)
        if entry < 0:
            break
        node, cost = entry_cell(queue, entry, THING), entry_cell(queue, entry, COST)
        rest = 0 if nullable(m, node) else recall(m, node, key)
        if rest >= 0:
            found, length = entry, plus(cost, rest)
            break
        m[WORK] += 1
        if m[WORK] > m[WORK_LIMIT] and m[STATUS] == OK:
            m[STATUS] = OUT_OF_WORK
        first = transitions(m, node)
        for i in range(first, first + 3 * memo(m, node, MEMO_B), 3):
            if m[STATUS] != OK:
                break
            target = m[i + 2]
            symbol = cheapest_symbol(m[i], m[i + 1], measure)
            rest = recall(m, target, key)
            if rest < 0:
                rest = _bound(m, target, measure)
            if rest < UNREACHABLE:
                queue = offer(queue, target, cost + symbol_length(symbol, measure), rest, entry, symbol)
    if m[STATUS] == OK:
        _remember_way(m, queue, found, length, key)
    return length


@inner
def _remember_way(m: Memory, queue: Queue, found: int, length: int, key: int) -> None:
    """Remember the lengths of a way that was found; if there is none, that nothing visited has a string."""
    if found < 0:
        for entry in range(queue[ENTRIES]):
            remember(m, entry_cell(queue, entry, THING), key, UNREACHABLE)
    while found >= 0:
        remember(m, entry_cell(queue, found, THING), key, length - entry_cell(queue, found, COST))
        found = entry_cell(queue, found, PARENT)


@service
def shortest_bound(m: Memory, node: int, measure: int) -> int:
    """A lower bound of the length of the shortest string; UNREACHABLE for a language known to be empty."""
    found = recall(m, node, _KEY - measure)
    return found if found >= 0 else _settle(m, node, _KEY - measure)


@service
def shortest_length(m: Memory, node: int, measure: int) -> int:
    """The length of the shortest string; UNREACHABLE when there is none."""
    found = recall(m, node, _KEY - measure - _EXACT)
    return found if found >= 0 else _settle(m, node, _KEY - measure - _EXACT)
