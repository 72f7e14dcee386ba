"""Decoding a JSON string lexeme that the parser has captured, so that equal keys are recognised as equal."""

from constrain.grammars.automata._jit import Memory, inner
from constrain.grammars.automata.nodes import NO_TEXT
from constrain.grammars.automata.store import argument, at, cut, height, push, put

KERNELS = "de716cabbe365690"

_QUOTE, _BACKSLASH = 0x22, 0x5C


@inner
def _push_text(m: Memory, text: int) -> None:
    """Put the symbols of a captured text on the stack, the first one lowest."""
    position = height(m)
    while text != NO_TEXT:
        push(m, argument(m, text, 1))
        text = argument(m, text, 0)
    low, high = position, height(m) - 1
    while low < high:
        symbol = at(m, low)
        put(m, low, at(m, high))
        put(m, high, symbol)
        low += 1
        high -= 1


@inner
def _digit(symbol: int) -> int:
    return symbol - 0x30 if symbol <= 0x39 else (symbol & 0xDF) - 0x37


@inner
def _code_unit(m: Memory, i: int) -> int:
    return _digit(at(m, i)) << 12 | _digit(at(m, i + 1)) << 8 | _digit(at(m, i + 2)) << 4 | _digit(at(m, i + 3))


@inner
def _push_utf8(m: Memory, char: int) -> None:
    if char < 0x80:
        push(m, char)
        return
    if char < 0x800:
        push(m, 0xC0 | char >> 6)
    else:
        if char < 0x10000:
            push(m, 0xE0 | char >> 12)
        else:
            push(m, 0xF0 | char >> 18)
            push(m, 0x80 | (char >> 12 & 0x3F))
        push(m, 0x80 | (char >> 6 & 0x3F))
    push(m, 0x80 | (char & 0x3F))


@inner
def _unescaped(letter: int) -> int:
    if letter == 0x62:
        return 8
    if letter == 0x66:
        return 12
    if letter == 0x6E:
        return 10
    if letter == 0x72:
        return 13
    return 9 if letter == 0x74 else letter


@inner
def push_decoded(m: Memory, text: int) -> None:
    """Put the UTF-8 bytes that a JSON string lexeme denotes on the stack.

    The lexeme may have white space before its opening quote, and ends with its closing quote.
    """
    position = height(m)
    _push_text(m, text)
    i, end = position, height(m) - 1
    while i < end and at(m, i) != _QUOTE:
        i += 1
    i += 1
    while i < end:
        symbol = at(m, i)
        if symbol != _BACKSLASH:
            push(m, symbol)
            i += 1
        elif at(m, i + 1) != 0x75:
            push(m, _unescaped(at(m, i + 1)))
            i += 2
        else:
            char = _code_unit(m, i + 2)
            i += 6
            if 0xD800 <= char < 0xDC00:
                char = 0x10000 + ((char & 0x3FF) << 10) + (_code_unit(m, i + 2) & 0x3FF)
                i += 6
            _push_utf8(m, char)
    decoded, top = end + 1, height(m)
    for j in range(decoded, top):
        put(m, position + j - decoded, at(m, j))
    cut(m, position + top - decoded)
