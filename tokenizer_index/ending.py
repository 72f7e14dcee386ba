"""The shortest way from a state to the end of the language, as text and special tokens."""

from constrain.grammars.errors import DeadEndError
from constrain.tokenizer_index.states import State
from constrain.tokenizer_index.trie import SPECIAL

__all__ = ["ending_parts", "ending_text"]


def _symbols(state: State) -> tuple[int, ...]:
    if state.accepting:
        return ()
    if state.ending is None:
        symbols = state.states.engine.completion(state.number)
        if symbols is None:
            raise DeadEndError("no text leads from here to the end of the language")
        state.ending = tuple(symbols)
    return state.ending


def ending_parts(state: State) -> list[bytes | int]:
    """Texts and ids of special tokens in turn: with as few special tokens as possible, and then as few bytes."""
    parts: list[bytes | int] = []
    text = bytearray()
    for symbol in _symbols(state):
        if symbol < SPECIAL:
            text.append(symbol)
            continue
        if text:
            parts.append(bytes(text))
            text.clear()
        parts.append(symbol - SPECIAL)
    if text:
        parts.append(bytes(text))
    return parts


def ending_text(state: State) -> bytes:
    """A shortest text.  Raises DeadEndError when none leads to the end without a special token."""
    symbols = _symbols(state)
    if any(symbol >= SPECIAL for symbol in symbols):
        raise DeadEndError("no text leads from here to the end of the language without a special token")
    return bytes(symbols)
