"""TokenizerIndex: a vocabulary, prepared once for all grammars."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from constrain.grammars.automata._jit import Cells
from constrain.tokenizer_index import view as fields
from constrain.tokenizer_index.pool import Pool
from constrain.tokenizer_index.trie import build_trie, token_symbols

__all__ = ["TokenizerIndex"]


class TokenizerIndex:
    """The bytes of every token, the trie of them, and a pool of rows."""

    def __init__(self, tokens: Sequence[bytes], *, special_tokens: Mapping[str, int], end_tokens: Iterable[int], vocab_size: int) -> None:
        self.tokens = tuple(tokens)
        self.vocab_size = vocab_size
        self.special_tokens = dict(special_tokens)
        self.end_tokens = tuple(sorted(set(end_tokens)))
        self.mask_words = -(-vocab_size // 32)
        special = sorted(set(special_tokens.values()))
        self.symbols, self.offsets = token_symbols(self.tokens, special)
        self.trie, self.same = build_trie(self.tokens, special, self.symbols, self.offsets)
        self._ends = np.array(self.end_tokens, np.int32)
        self.pool = Pool()

    def view(self, pool: Pool) -> Cells:
        table = np.zeros(fields.VIEW_SIZE, np.int64)
        table[fields.TRIE] = self.trie.ctypes.data
        table[fields.TRIE_SIZE] = len(self.trie)
        table[fields.DEPTH] = self.trie[:, 2].max()
        table[fields.SAME] = self.same.ctypes.data
        table[fields.TOKEN_OFFSETS] = self.offsets.ctypes.data
        table[fields.TOKEN_SYMBOLS] = self.symbols.ctypes.data
        table[fields.END_TOKENS] = self._ends.ctypes.data
        table[fields.END_COUNT] = len(self._ends)
        table[fields.WORDS] = self.mask_words
        table[fields.POOL] = pool.addresses.ctypes.data
        return table
