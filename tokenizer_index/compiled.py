"""CompiledConstraint: a grammar joined to a tokenizer."""

import os
import threading
from typing import Self

import numpy as np
import numpy.typing as npt

from constrain.grammars import ir
from constrain.grammars.collection import hold_back_collection, let_collection_go
from constrain.tokenizer_index.engine import Engine
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.limits import Limits
from constrain.tokenizer_index.mask_store import MaskStore
from constrain.tokenizer_index.matcher import Matcher
from constrain.tokenizer_index.saving import read_constraint, write_constraint
from constrain.tokenizer_index.spelling import states_of
from constrain.tokenizer_index.states import Source, State, States
from constrain.tokenizer_index.token_dfa import TokenDFA, token_dfa

__all__ = ["CompiledConstraint", "allocate_token_bitmask", "compile_grammar", "reserve_masks"]

_masks = MaskStore()


def allocate_token_bitmask(batch: int, vocab_size: int) -> npt.NDArray[np.int32]:
    """A bitmask that allows every token: int32 [batch, ceil(vocab_size / 32)], bit t of a row for token t.

    It is a NumPy array, so that no array library has to be loaded; ``torch.from_numpy`` shares its memory.
    """
    return np.full((batch, -(-vocab_size // 32)), -1, np.int32)


class CompiledConstraint:
    """A grammar joined to a tokenizer: makes matchers.

    Immutable to its users, shared by threads and requests.  What any sequence finds out about the grammar is kept
    for all later ones, within `limits`.
    """

    def __init__(self, grammar: ir.Grammar, index: TokenizerIndex, limits: Limits | None = None) -> None:
        self.grammar, self.index = grammar, index
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        hold_back_collection()
        try:
            self.end_tokens = frozenset(index.end_tokens)
            self.end_mask = self._mask_of_ends()
            self.end_source: Source = self.end_mask, self.end_mask.ctypes.data, True
            self._states = self._new_states()
        finally:
            let_collection_go()

    def _new_states(self) -> States:
        return states_of(Engine(self.grammar, self.index, self.limits), _masks, self.limits.max_states)

    def __del__(self) -> None:
        # Every matcher keeps its constraint, so nobody reads these states any more.
        if (states := self.__dict__.get("_states")) is not None:
            states.release()

    @property
    def start(self) -> State:
        """The state before any text."""
        return self._states.start

    def matcher(self) -> Matcher:
        """A matcher at the beginning of a sequence."""
        hold_back_collection()
        try:
            return Matcher(self)
        finally:
            let_collection_go()

    def _mask_of_ends(self) -> npt.NDArray[np.int32]:
        mask = np.zeros(self.index.mask_words, np.uint32)
        for token in self.index.end_tokens:
            mask[token >> 5] |= np.uint32(1 << (token & 31))
        return mask.view(np.int32)

    def start_afresh(self, full: States) -> None:
        """Replace the engine, if it is still that of `full`, which has no memory left."""
        with self._lock:
            if self._states is full:
                self._states = self._new_states()

    def memory_bytes(self) -> int:
        """Bytes of automata held by the constraint, without masks."""
        return self._states.engine.memory_bytes()

    def accepts(self, text: str | bytes) -> bool:
        """Whether a text obeys the grammar."""
        matcher = self.matcher()
        return matcher.accept_text(text) and matcher.is_accepting

    def shortest_text(self) -> bytes:
        """A shortest text that obeys the grammar.  Raises DeadEndError when every one needs a special token."""
        return self.matcher().shortest_completion()

    def token_dfa(self) -> TokenDFA:
        """All of the constraint as one deterministic automaton over classes of tokens; see `TokenDFA`.

        For finite constraints: those without rules that nest in themselves, or of bounded depth.  Takes a walk of the
        vocabulary for each state: some milliseconds with 128,000 tokens.  Raises ResourceLimitError when there are
        more than `Limits.max_states` states, as for a recursive grammar, which has infinitely many.
        """
        return token_dfa(self._states, self.limits)

    # Files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the constraint to a file that `load` reads; a file that is there is replaced at once.

        Rules that are made on demand are all made.  A grammar that binds names (an open tag, distinct items) is written
        as what its front-end was asked for, and is loaded by the same version of this package only.

        Raises ResourceLimitError when rules are more than `Limits.max_grammar` allows, GrammarError when names are
        bound in a part of what was put together by hand, OSError when the file cannot be written.
        """
        grammar = self.grammar
        with self._states.engine.lock:
            write_constraint(path, grammar, self.limits, self.index.key)

    @classmethod
    def load(cls, path: str | os.PathLike[str], index: TokenizerIndex, *, limits: Limits | None = None) -> Self:
        """A constraint that was saved, with the limits it had unless others are given.

        Raises CacheError when the file is damaged, of another version, or was saved for another vocabulary; OSError
        when it cannot be read.
        """
        grammar, saved = read_constraint(path, index.key)
        return cls(grammar, index, limits or saved)

    def __repr__(self) -> str:
        return f"CompiledConstraint({self.grammar.start!r}, {self.index!r}, {self.memory_bytes()} bytes)"


def reserve_masks(index: TokenizerIndex, size: int) -> None:
    """Prepare up to `size` bytes of masks of a vocabulary."""
    _masks.reserve(index.mask_words, size)


def compile_grammar(grammar: ir.Grammar, index: TokenizerIndex, limits: Limits | None = None) -> CompiledConstraint:
    """Join a grammar to a tokenizer.

    Raises GrammarError for a grammar that cannot be used, ResourceLimitError for one that is too large, TokenizerError
    when the vocabulary lacks bytes, so that it can spell no text of the language.
    """
    return CompiledConstraint(grammar, index, limits)
