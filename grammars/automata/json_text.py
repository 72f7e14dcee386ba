r"""JSON strings: a regular language on decoded text, read through JSON's escapes (RFC 8259, section 7).

``JSON [x, stage, value, how]`` denotes what may follow inside a JSON string literal, up to and including its
closing quote, so that the decoded text (from here on) lies in x.  x is a language of UTF-8 strings and knows
nothing of escapes: patterns, lengths, enumerations and complements are combined there, on plain text.

The escapes are a transducer whose states are the stages:

====== ============================================ =========================
stage  what has been read                           value
====== ============================================ =========================
0      nothing, or part of a raw UTF-8 character    –
1      ``\``                                       –
2…5    ``\u`` and 0…3 hexadecimal digits           those digits
6, 7   a high surrogate; then ``\``                the 10 bits it carries
8…11   … ``\u`` and 0…3 digits of the low one      those bits and digits
====== ============================================ =========================

A node with a stage above 0 is made only when some way of going on is live, so that a prefix like ``"\u00`` is
allowed exactly when a character that begins so is.  Lone surrogates denote no Unicode text and are refused.

`how` is ANY_ESCAPE, or NEEDED_ESCAPES: only what cannot be written raw is escaped, as ``json.dumps`` with
``ensure_ascii=False`` does.
"""

from constrain.grammars.automata._jit import Memory, inner, service
from constrain.grammars.automata.expand import emit, target_of, transitions
from constrain.grammars.automata.liveness import is_alive
from constrain.grammars.automata.nodes import (
    EMPTY,
    EPSILON,
    chars,
    epsilon,
    json_string,
    nullable,
    payload_of,
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
    memo,
    push,
)

KERNELS = "de716cabbe365690"

ANY_ESCAPE, NEEDED_ESCAPES = 0, 1

_QUOTE, _BACKSLASH, _SOLIDUS, _LETTER_U = 0x22, 0x5C, 0x2F, 0x75


@inner
def step_char(m: Memory, node: int, char: int) -> int:
    """The derivative of a language of texts by one Unicode scalar value."""
    if char < 0x80:
        return target_of(m, node, char)
    if char < 0x800:
        node = target_of(m, node, 0xC0 | char >> 6)
    else:
        if char < 0x10000:
            node = target_of(m, node, 0xE0 | char >> 12)
        else:
            node = target_of(m, node, 0xF0 | char >> 18)
            node = target_of(m, node, 0x80 | (char >> 12 & 0x3F))
        node = target_of(m, node, 0x80 | (char >> 6 & 0x3F))
    return target_of(m, node, 0x80 | (char & 0x3F))


@service
def some_char(m: Memory, node: int, low: int, high: int) -> int:
    """Whether a text of the language begins with a scalar value between `low` and `high`.

    Walks the language and the UTF-8 encodings of the interval side by side; at most four levels deep.
    """
    position = height(m)
    if node == EMPTY:
        return False
    start = transitions(m, node)
    end = start + 3 * memo(m, node, MEMO_B)
    if end == start or m[end - 2] < 0x80:  # as most words begin
        while start < end and m[start + 1] < low:
            start += 3
        while start < end and m[start] <= high:
            if is_alive(m, m[start + 2]):
                return True
            start += 3
        return False
    push(m, 0)
    push(m, low)
    push(m, high)
    interval = chars(m, position)
    push(m, node)
    push(m, interval)
    while height(m) > position and m[STATUS] == OK:
        top = height(m)
        text, interval = at(m, top - 2), at(m, top - 1)
        cut(m, top - 2)
        a = transitions(m, text)
        a_end = a + 3 * memo(m, text, MEMO_B)
        b = transitions(m, interval)
        b_end = b + 3 * memo(m, interval, MEMO_B)
        while a < a_end and b < b_end:
            if m[a + 1] < m[b]:
                a += 3
            elif m[b + 1] < m[a]:
                b += 3
            else:
                if m[b + 2] != EPSILON:
                    push(m, m[a + 2])
                    push(m, m[b + 2])
                elif is_alive(m, m[a + 2]):
                    cut(m, position)
                    return True
                if m[a + 1] < m[b + 1]:
                    a += 3
                else:
                    b += 3
    cut(m, position)
    return False


@inner
def _some_escaped(m: Memory, node: int, low: int, high: int, how: int) -> bool:
    r"""Whether some ``\uXXXX`` with its four digits between `low` and `high` may be written next."""
    if how == NEEDED_ESCAPES:
        for char in range(low, min(high, 0x1F) + 1):
            if not has_short_escape(char) and some_char(m, node, char, char):
                return True
        return False
    if low <= min(high, 0xD7FF) and some_char(m, node, low, min(high, 0xD7FF)):
        return True
    if max(low, 0xE000) <= high and some_char(m, node, max(low, 0xE000), high):
        return True
    first, last = max(low, 0xD800), min(high, 0xDBFF)
    if first > last:
        return False
    return some_char(m, node, 0x10000 + ((first - 0xD800) << 10), 0x103FF + ((last - 0xD800) << 10)) != 0


@inner
def has_short_escape(char: int) -> bool:
    """Whether a control character has an escape of two symbols."""
    return char == 8 or char == 9 or char == 10 or char == 12 or char == 13


@inner
def short_escape(letter: int) -> int:
    r"""The character that ``\`` and `letter` denote, or -1."""
    if letter == _QUOTE or letter == _BACKSLASH or letter == _SOLIDUS:
        return letter
    if letter == 0x62:
        return 8
    if letter == 0x66:
        return 12
    if letter == 0x6E:
        return 10
    if letter == 0x72:
        return 13
    if letter == 0x74:
        return 9
    return -1


@inner
def letter_of_escape(char: int) -> int:
    r"""The letter that denotes a character behind ``\`` , or -1: the inverse of `short_escape`."""
    if char == 8:
        return 0x62
    if char == 12:
        return 0x66
    if char == 10:
        return 0x6E
    if char == 13:
        return 0x72
    if char == 9:
        return 0x74
    return char if short_escape(char) == char else -1


@inner
def _some_escape(m: Memory, node: int, how: int) -> bool:
    for letter in range(0x22, 0x75):
        char = short_escape(letter)
        if char < 0 or (letter == _SOLIDUS and how == NEEDED_ESCAPES):
            continue
        if some_char(m, node, char, char):
            return True
    return _some_escaped(m, node, 0, 0xFFFF, how)


@inner
def _raw(m: Memory, node: int, position: int) -> None:
    """Stage 0: the closing quote, a backslash, or a raw byte."""
    text, how = argument(m, node, 0), argument(m, node, 3)
    start, count = memo(m, text, MEMO_A), memo(m, text, MEMO_B)
    quoted = nullable(m, text)
    escaped = _some_escape(m, text, how)
    for i in range(start, start + 3 * count, 3):
        low, high, target = max(m[i], 0x20), m[i + 1], m[i + 2]
        if quoted and low > _QUOTE:
            emit(m, position, _QUOTE, _QUOTE, epsilon(m, payload_of(m, text)))
            quoted = False
        if low <= min(high, _QUOTE - 1):
            emit(m, position, low, min(high, _QUOTE - 1), json_string(m, target, 0, 0, how))
        if quoted and high >= _QUOTE:
            emit(m, position, _QUOTE, _QUOTE, epsilon(m, payload_of(m, text)))
            quoted = False
        if max(low, _QUOTE + 1) <= min(high, _BACKSLASH - 1):
            first, last = max(low, _QUOTE + 1), min(high, _BACKSLASH - 1)
            emit(m, position, first, last, json_string(m, target, 0, 0, how))
        if escaped and high >= _BACKSLASH:
            emit(m, position, _BACKSLASH, _BACKSLASH, json_string(m, text, 1, 0, how))
            escaped = False
        if max(low, _BACKSLASH + 1) <= high:
            emit(m, position, max(low, _BACKSLASH + 1), high, json_string(m, target, 0, 0, how))
    if quoted:
        emit(m, position, _QUOTE, _QUOTE, epsilon(m, payload_of(m, text)))
    if escaped:
        emit(m, position, _BACKSLASH, _BACKSLASH, json_string(m, text, 1, 0, how))


@inner
def _after_backslash(m: Memory, node: int, position: int) -> None:
    text, how = argument(m, node, 0), argument(m, node, 3)
    for letter in range(0x22, 0x75):
        char = short_escape(letter)
        if char < 0 or (letter == _SOLIDUS and how == NEEDED_ESCAPES):
            continue
        target = step_char(m, text, char)
        if is_alive(m, target):
            emit(m, position, letter, letter, json_string(m, target, 0, 0, how))
    if _some_escaped(m, text, 0, 0xFFFF, how):
        emit(m, position, _LETTER_U, _LETTER_U, json_string(m, text, 2, 0, how))


@inner
def _symbol_of_digit(i: int) -> int:
    """The i-th of the 22 hexadecimal digits, in the order of their codes."""
    if i < 10:
        return 0x30 + i
    return 0x41 + i - 10 if i < 16 else 0x61 + i - 16


@inner
def _hexadecimal(m: Memory, node: int, position: int) -> None:
    text, stage = argument(m, node, 0), argument(m, node, 1)
    value, how = argument(m, node, 2), argument(m, node, 3)
    for i in range(22):
        digit = i if i < 16 else i - 6
        longer = value << 4 | digit
        target = EMPTY
        if stage == 5:
            if 0xD800 <= longer <= 0xDBFF:
                if _some_escaped(m, text, longer, longer, how):
                    target = json_string(m, text, 6, longer & 0x3FF, how)
            elif not 0xDC00 <= longer <= 0xDFFF:
                if how == ANY_ESCAPE or (longer < 0x20 and not has_short_escape(longer)):
                    after = step_char(m, text, longer)
                    if is_alive(m, after):
                        target = json_string(m, after, 0, 0, how)
        else:
            bits = 4 * (5 - stage)
            if _some_escaped(m, text, longer << bits, ((longer + 1) << bits) - 1, how):
                target = json_string(m, text, stage + 1, longer, how)
        symbol = _symbol_of_digit(i)
        emit(m, position, symbol, symbol, target)


@inner
def _low_surrogate(m: Memory, node: int, position: int) -> None:
    """Stages 8 to 11: ``D``, one of ``C`` to ``F``, and two free digits; the value collects 20 bits."""
    text, stage = argument(m, node, 0), argument(m, node, 1)
    value, how = argument(m, node, 2), argument(m, node, 3)
    for i in range(22):
        digit = i if i < 16 else i - 6
        symbol = _symbol_of_digit(i)
        if stage == 8:
            if digit == 0xD:
                emit(m, position, symbol, symbol, json_string(m, text, 9, value, how))
            continue
        if stage == 9:
            if digit < 0xC:
                continue
            longer, bits = value << 2 | (digit & 3), 8
        else:
            longer, bits = value << 4 | digit, 4 * (11 - stage)
        first = 0x10000 + (longer << bits)
        if stage < 11:
            if some_char(m, text, first, first + (1 << bits) - 1):
                emit(m, position, symbol, symbol, json_string(m, text, stage + 1, longer, how))
        else:
            after = step_char(m, text, first)
            if is_alive(m, after):
                emit(m, position, symbol, symbol, json_string(m, after, 0, 0, how))


@service
def json_transitions(m: Memory, node: int) -> int:
    """Put the transitions of a JSON node on the stack."""
    position = height(m)
    stage = argument(m, node, 1)
    text, value, how = argument(m, node, 0), argument(m, node, 2), argument(m, node, 3)
    if stage == 0:
        _raw(m, node, position)
    elif stage == 1:
        _after_backslash(m, node, position)
    elif stage <= 5:
        _hexadecimal(m, node, position)
    elif stage == 6:
        emit(m, position, _BACKSLASH, _BACKSLASH, json_string(m, text, 7, value, how))
    elif stage == 7:
        emit(m, position, _LETTER_U, _LETTER_U, json_string(m, text, 8, value, how))
    else:
        _low_surrogate(m, node, position)
    return 0
