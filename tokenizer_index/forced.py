"""Jump-ahead: text that the constraint leaves no choice about, and its tokens.

A forced text could be cut into tokens in many ways, but the model was trained on one: the tokenizer's own.  So the
tokenizer encodes the forced text behind the text before it.  The end of the forced text is not the end of a word:
what comes next may join its last bytes into a longer token.  Tokens that reach into the longest suffix from which the
vocabulary and the constraint allow a longer token are therefore held back.
"""

from collections.abc import Sequence

from constrain.tokenizer_index.states import State
from constrain.tokenizer_index.trie import SPECIAL

__all__ = ["forced_text", "forced_tokens"]

_MAX_BYTES = 4096  # forced text is looked at no further than this
_CONTEXT = 8  # tokens before the forced text that are encoded along with it


def _forced_symbols(state: State) -> list[int]:
    if state.accepting:
        return []
    engine = state.states.engine
    return engine.forced_symbols(state.number, _MAX_BYTES)


def forced_text(state: State) -> bytes:
    """The bytes that must come next; none when the text may end here."""
    text = bytearray()
    for symbol in _forced_symbols(state):
        if symbol >= SPECIAL:
            break
        text.append(symbol)
    return bytes(text)


def forced_tokens(state: State, before: Sequence[int]) -> list[int]:
    """The tokens that must come next, canonical, and without those that could yet be joined to a longer one."""
    symbols = _forced_symbols(state)
    if symbols and symbols[0] >= SPECIAL:
        return [symbols[0] - SPECIAL]
    text = bytes(symbol for symbol in symbols if symbol < SPECIAL)
    if not text:
        return []
    tokens = _canonical(state, text, before)
    if len(symbols) == len(text):
        tokens = _stable(state, text, tokens)
    return _readable(state, tokens)


def _canonical(state: State, text: bytes, before: Sequence[int]) -> list[int]:
    """The tokens of a text behind the tokens before it; none when the tokenizer would cut it elsewhere."""
    index = state.states.engine.index
    context = list(before[-_CONTEXT:])
    head = b"".join(index.tokens[token] for token in context)
    try:
        whole = (head + text).decode()
    except UnicodeDecodeError:
        return _encoded(state, text)
    tokens = index.encode(whole)
    if tokens is None:
        return []
    if context and b"".join(index.tokens[token] for token in tokens) == head + text:
        kept = _aligned(state, tokens, len(head))
        if kept is not None:
            return kept
    return _encoded(state, text)


def _aligned(state: State, tokens: list[int], size: int) -> list[int] | None:
    """The tokens behind the first `size` bytes; None when one of them lies across."""
    index = state.states.engine.index
    read = 0
    for i, token in enumerate(tokens):
        if read == size:
            return tokens[i:]
        read += len(index.tokens[token])
    return None


def _encoded(state: State, text: bytes) -> list[int]:
    """The tokens of a text on its own; none when it is no text, or the tokenizer changes it."""
    index = state.states.engine.index
    try:
        tokens = index.encode(text.decode())
    except UnicodeDecodeError:
        return []
    if tokens is None or b"".join(index.tokens[token] for token in tokens) != text:
        return []
    return tokens


def _stable(state: State, text: bytes, tokens: list[int]) -> list[int]:
    """The tokens that end before the longest suffix of the text that could begin a longer token."""
    engine = state.states.engine
    end = engine.after_text(state.number, text)
    trie = engine.index.trie
    start = max(0, len(text) - int(trie[:, 2].max()))
    while start < len(text) and not engine.may_extend(end, text[start:]):
        start += 1
    read = 0
    for i, token in enumerate(tokens):
        read += len(engine.index.tokens[token])
        if read > start:
            return tokens[:i]
    return tokens


def _readable(state: State, tokens: list[int]) -> list[int]:
    """The tokens as far as they can be read."""
    for i, token in enumerate(tokens):
        after = state.read(token)
        if after is None:
            return tokens[:i]
        state = after
    return tokens
