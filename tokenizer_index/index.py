"""TokenizerIndex: a vocabulary, prepared once for all grammars."""

import atexit
import copy
import hashlib
import struct
import threading
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Cells
from constrain.grammars.errors import TokenizerError
from constrain.tokenizer_index import view as fields
from constrain.tokenizer_index.cache import Arrays, DiskCache
from constrain.tokenizer_index.pool import Pool, PooledRow
from constrain.tokenizer_index.trie import build_trie, heights_of, list_children, symbols_below, token_symbols
from constrain.tokenizer_index.vocabulary import Vocabulary, vocabulary_of
from constrain.tokenizer_index.warming import warm_up

__all__ = ["TokenizerIndex"]

_FORMAT = "2"
_known: "weakref.WeakValueDictionary[str, TokenizerIndex]" = weakref.WeakValueDictionary()
_known_lock = threading.Lock()


class TokenizerIndex:
    """The bytes of every token, their trie, and the rows that all grammars share.

    Immutable to its users, and shared by threads.  Made with `from_tokenizer`; kept on disk, rows included, in the
    directory ``CONSTRAIN_CACHE_DIR``.

    vocab_size   number of logits of the model; at least the number of tokens
    end_tokens   ids that end a text
    key          digest of all that the index depends on
    missing_bytes  bytes that are no tokens; if there are any, not every text can be spelled (see `spelling`)
    """

    def __init__(self, vocabulary: Vocabulary, vocab_size: int | None = None, cache: DiskCache | None = None) -> None:
        self.vocabulary = vocabulary
        self.tokens = vocabulary.tokens
        self.special_tokens = dict(vocabulary.special)
        self.end_tokens = tuple(sorted(set(vocabulary.end_tokens)))
        self.strips_space = vocabulary.strips_space
        known = 1 + max([len(self.tokens) - 1, *self.end_tokens, *self.special_tokens.values()])
        self.vocab_size = known if vocab_size is None else vocab_size
        if self.vocab_size < known:
            raise TokenizerError(f"vocab_size is {vocab_size}, but the tokenizer has ids up to {known - 1}")
        self.mask_words = -(-self.vocab_size // 32)
        self._special = sorted(set(self.special_tokens.values()))
        self.tokens += (b"",) * (self.vocab_size - len(self.tokens))
        self.symbols, self.offsets = token_symbols(self.tokens, self._special)
        self.key = self._digest()
        self._cache = cache
        self._pool = Pool()
        self._rows_on_disk = 0
        if cache is None or not self._load():
            self.trie, self.same = build_trie(self.tokens, self._special, self.symbols, self.offsets)
            self.save()
        self._child_offsets, self._children = list_children(self.trie)
        self._heights = heights_of(self.trie)
        self._below = symbols_below(self.trie)
        self._has_twins = bool((self.same >= 0).any())
        self._ends = np.array(self.end_tokens, np.int32)
        self.missing_bytes = self._missing_bytes()
        ends = frozenset(self.end_tokens)
        self.nameable_tokens = {name: token for name, token in self.special_tokens.items() if token not in ends}
        self._view = self._view_without_pool()

    @classmethod
    def from_tokenizer(
        cls,
        tokenizer: Any,
        *,
        end_tokens: Iterable[int | str] | int | str | None = None,
        vocab_size: int | None = None,
        cache: DiskCache | bool | None = True,
    ) -> "TokenizerIndex":
        """The index of a tokenizer.

        `tokenizer`: a Hugging Face tokenizer (fast or slow), one of the `tokenizers` package, a tiktoken encoding, a
        SentencePiece processor, or a list of the bytes of each token.  `end_tokens` (ids or names) end a text; the
        tokenizer's own end token unless told.  `vocab_size` is the number of logits of the model when that is more
        than the tokenizer has.  `cache` False keeps nothing on disk.

        Raises TokenizerError when the tokenizer is not understood.
        """
        vocabulary = vocabulary_of(tokenizer, end_tokens)
        disk = DiskCache() if cache is True else (cache or None)
        made = cls(vocabulary, vocab_size, disk)
        with _known_lock:
            known = _known.get(made.key)
            if known is not None:
                made = known._with_encoding_of(made)
            else:
                _known[made.key] = made
        if disk is not None and made is not known:
            atexit.register(_save_at_exit, weakref.ref(made))
        if known is None:
            warm_up(made)
        return made

    @classmethod
    def of_bytes(cls) -> "TokenizerIndex":
        """The index of a vocabulary whose tokens are the 256 bytes, in order, and the end (256)."""
        tokens = [*(bytes([byte]) for byte in range(256)), b""]
        return cls.from_tokenizer(tokens, end_tokens=256, cache=False)

    def _with_encoding_of(self, other: "TokenizerIndex") -> "TokenizerIndex":
        """The index for another tokenizer with the same tokens, which may cut texts in other ways; rows are shared."""
        if self.vocabulary.encode is other.vocabulary.encode:
            return self
        twin = copy.copy(self)
        twin.vocabulary = other.vocabulary
        return twin

    def _digest(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        digest.update(struct.pack("<qq?", self.vocab_size, len(self.tokens), self.strips_space))
        digest.update(self.offsets.data)
        digest.update(self.symbols.data)
        digest.update(repr((sorted(self.special_tokens.items()), self.end_tokens)).encode())
        return digest.hexdigest()

    def _missing_bytes(self) -> tuple[int, ...]:
        single = {token[0] for token in self.tokens if len(token) == 1}
        return tuple(byte for byte in range(256) if byte not in single)

    # The file: the trie, and the rows of the pool one after the other.

    def _load(self) -> bool:
        assert self._cache is not None
        found = self._cache.load(f"index-{self.key}")
        if found is None:
            return False
        arrays, metadata = found
        if metadata.get("format") != _FORMAT:
            return False
        self.trie, self.same = arrays["trie"], arrays["same"]
        suffix_ends, token_ends, wide_ends = arrays["suffix_ends"], arrays["token_ends"], arrays["wide_ends"]
        keys = [key for key in metadata.get("rows", "").split() if key]
        for i, key in enumerate(keys):
            start, first = (suffix_ends[i - 1], token_ends[i - 1]) if i else (0, 0)
            row = PooledRow(
                bits=arrays["bits"][i],
                suffixes=arrays["suffixes"][start : suffix_ends[i]],
                tokens=arrays["tokens"][first : token_ends[i]],
                wide=arrays["wide"][wide_ends[i - 1] if i else 0 : wide_ends[i]],
                exits=int(arrays["exits"][i]),
            )
            self._pool.number(bytes.fromhex(key), lambda row=row: row)  # type: ignore[misc]
        self._rows_on_disk = len(keys)
        return True

    def save(self) -> bool:
        """Write the index to its cache, with the rows made so far; whether that was possible."""
        if self._cache is None:
            return False
        rows = self._pool.first_rows()
        arrays: Arrays = {
            "trie": self.trie,
            "same": self.same,
            "bits": np.array([row.bits for _, row in rows], np.int32).reshape(len(rows), self.mask_words),
            "suffixes": np.concatenate([np.empty((0, fields.SUFFIX_WIDTH), np.int32), *[r.suffixes for _, r in rows]]),
            "suffix_ends": np.cumsum([len(row.suffixes) for _, row in rows], dtype=np.int64),
            "tokens": np.concatenate([np.empty(0, np.int32), *[row.tokens for _, row in rows]]),
            "token_ends": np.cumsum([len(row.tokens) for _, row in rows], dtype=np.int64),
            "wide": np.concatenate([np.empty(0, np.int32), *[row.wide for _, row in rows]]),
            "wide_ends": np.cumsum([len(row.wide) for _, row in rows], dtype=np.int64),
            "exits": np.array([row.exits for _, row in rows], np.int64),
        }
        metadata = {"format": _FORMAT, "rows": " ".join(key.hex() for key, _ in rows)}
        stored = self._cache.store(f"index-{self.key}", arrays, metadata)
        if stored:
            self._rows_on_disk = len(rows)
        return stored

    def save_new_rows(self) -> None:
        """Write the index again if there are rows to be kept that are not on disk."""
        if len(self._pool.first_rows()) > self._rows_on_disk:
            self.save()

    # What engines use

    def pool(self) -> Pool:
        """The pool for a new constraint."""
        if self._pool.is_nearly_full:
            following = Pool()
            for key, row in self._pool.first_rows():
                following.number(key, lambda row=row: row)  # type: ignore[misc]
            self._pool = following
        return self._pool

    def view(self, pool: Pool) -> npt.NDArray[Any]:
        """The table of addresses that kernels read, (fields.VIEW_SIZE,) int64; index and pool must be kept alive."""
        table = self._view.copy()
        table[fields.POOL] = pool.addresses.ctypes.data
        return table

    def _view_without_pool(self) -> npt.NDArray[Any]:
        table = np.zeros(fields.VIEW_SIZE, np.int64)
        table[fields.TRIE] = self.trie.ctypes.data
        table[fields.TRIE_SIZE] = len(self.trie)
        table[fields.DEPTH] = self._heights[0]
        table[fields.CHILD_OFFSETS] = self._child_offsets.ctypes.data
        table[fields.CHILDREN] = self._children.ctypes.data
        table[fields.HEIGHTS] = self._heights.ctypes.data
        table[fields.BELOW] = self._below.ctypes.data
        table[fields.SAME] = self.same.ctypes.data
        table[fields.TWINS] = self._has_twins
        table[fields.TOKEN_OFFSETS] = self.offsets.ctypes.data
        table[fields.TOKEN_SYMBOLS] = self.symbols.ctypes.data
        table[fields.END_TOKENS] = self._ends.ctypes.data
        table[fields.END_COUNT] = len(self._ends)
        table[fields.WORDS] = self.mask_words
        table[fields.LAST_WORD] = (1 << ((self.vocab_size - 1) % 32 + 1)) - 1
        return table

    def equal_tokens(self, tokens: Cells) -> list[int]:
        """The tokens, without -1, and all others that have the same bytes."""
        found = []
        for token in tokens.tolist():
            while token >= 0:
                found.append(token)
                token = int(self.same[token])
        return found

    # What users may want

    def encode(self, text: str) -> list[int] | None:
        """The tokenizer's own tokens of a text; None when the index was not made from a tokenizer."""
        return None if self.vocabulary.encode is None else self.vocabulary.encode(text)

    def decode(self, tokens: Iterable[int]) -> bytes:
        """The bytes of a sequence of tokens; special tokens have none."""
        text = b"".join(self.tokens[token] for token in tokens)
        return text.removeprefix(b" ") if self.strips_space else text

    def __repr__(self) -> str:
        return f"TokenizerIndex({self.vocab_size} tokens, {len(self.trie)} trie nodes, key {self.key[:8]})"


def _save_at_exit(reference: "weakref.ref[TokenizerIndex]") -> None:
    index = reference()
    if index is not None:
        index.save_new_rows()
