"""Small helpers around indices, constraints and masks."""

import numpy as np

from constrain.grammars import ir
from constrain.grammars.errors import UnsatisfiableConstraintError
from constrain.tokenizer_index.compiled import CompiledConstraint, allocate_token_bitmask, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.limits import Limits
from constrain.tokenizer_index.matcher import Matcher


def index_of(vocabulary: list[bytes], unused: int = 0) -> TokenizerIndex:
    """An index of the tokens and, behind them, an end token; `unused` more ids have no token."""
    size = len(vocabulary) + 1 + unused
    end = len(vocabulary)
    return TokenizerIndex.from_tokenizer([*vocabulary, b""], end_tokens=end, vocab_size=size, cache=False)


def compiled_or_none(
    grammar: ir.Grammar, index: TokenizerIndex, limits: Limits | None = None
) -> CompiledConstraint | None:
    """The constraint; None when no text obeys it."""
    try:
        return compile_grammar(grammar, index) if limits is None else CompiledConstraint(grammar, index, limits)
    except UnsatisfiableConstraintError:
        return None


def mask_of(matcher: Matcher) -> set[int]:
    """The allowed tokens as `fill_next_token_bitmask` writes them; unused bits of the last word are not looked at."""
    index = matcher.constraint.index
    bitmask = allocate_token_bitmask(2, index.vocab_size)
    something_is_forbidden = matcher.fill_next_token_bitmask(bitmask, 1)
    bits = np.unpackbits(bitmask.view(np.uint8), axis=1, bitorder="little")[:, : index.vocab_size]
    assert bits[0].all(), "other rows are left alone"
    assert something_is_forbidden == (not bits[1].all())
    return set(np.flatnonzero(bits[1]).tolist())


def plain_mask(matcher: Matcher) -> set[int]:
    """The allowed tokens by a walk of the whole trie, without rows; the end apart."""
    state = matcher._state
    index = matcher.constraint.index
    words = np.zeros(index.mask_words, np.int32)
    state.states.engine.plain_mask(state.number, 0, words)
    return set(np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist())


def brute_force(matcher: Matcher) -> set[int]:
    """The allowed tokens, each read on its own; the end where the text may end."""
    index = matcher.constraint.index
    engine, number = matcher._state.states.engine, matcher._state.number
    readable = {token for token in range(index.vocab_size) if engine.after_token(number, token)}
    return readable | (set(index.end_tokens) if matcher.is_accepting else set())
