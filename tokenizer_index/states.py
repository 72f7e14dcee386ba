"""States that matchers stand on: configurations, with what has been found out about them.

A state keeps its mask and, for each token read from it, the state after.  The first sequence that comes by pays for
that; later ones, of the same request or another, find it in a dictionary.
"""

from typing import Final, TypeAlias

import numpy as np

from constrain.grammars.automata._jit import Cells
from constrain.grammars.collection import hold_back_collection, let_collection_go
from constrain.tokenizer_index.configurations import ACCEPTING
from constrain.tokenizer_index.engine import Engine
from constrain.tokenizer_index.mask_store import Mask, MaskStore
from constrain.tokenizer_index.masks import EVERY_TOKEN, SOME_TOKEN

__all__ = ["Source", "State", "States"]


Source: TypeAlias = tuple[Cells, int, bool]
"""A mask, its address, and whether it forbids anything; what is copied together is read together."""


_UNREAD: Final = object()


class State:
    """A configuration of a constraint.

    number      of the configuration in its engine
    accepting   the text may end here
    after       states after tokens that have been read here; None for a token that may not be
    mask        (words,) int32, or None when it is to be made
    source      the mask, its address, and `masks`, for copies of many at once, or None
    is_open     some token other than the end is allowed; known with the mask
    masks       something is forbidden; known with the mask
    ending      symbols of a shortest way to the end of the language; None when they are to be found
    """

    __slots__ = (
        "accepting",
        "after",
        "ending",
        "is_open",
        "mask",
        "masks",
        "number",
        "source",
        "states",
    )

    def __init__(self, states: "States", number: int, accepting: bool) -> None:
        self.states, self.number, self.accepting = states, number, accepting
        self.after: dict[int, State | None] = {}
        self.mask: Cells | None = None
        self.source: Source | None = None
        self.is_open = True
        self.masks = True
        self.ending: tuple[int, ...] | None = None

    def make_mask(self) -> Cells:
        """The mask, made if need be."""
        mask = self.mask
        if mask is None:
            hold_back_collection()
            try:
                new, self.is_open, self.masks = self.new_mask()
                mask = self._keep_mask(new)
            finally:
                let_collection_go()
        return mask

    def new_mask(self) -> tuple[Mask, bool, bool]:
        """A mask, whether it allows some token but the end, and whether it forbids any."""
        return self.states.new_mask(self.number)

    def _keep_mask(self, new: Mask) -> Cells:
        """Keep the mask until there are too many."""
        mask = new[0]
        self.mask, self.source = mask, (*new, self.masks)
        self.states.store.keep(self.states, self.number, new)
        return mask

    def forget_mask(self) -> None:
        """Let go of the mask; it is made again when it is asked for."""
        self.mask = self.source = None

    def read(self, token: int) -> "State | None":
        """The state after a token; None when it may not come next."""
        after = self.after.get(token, _UNREAD)
        return self.states.read(self, token) if after is _UNREAD else after  # type: ignore[return-value]


class States:
    """All states of one engine."""

    spells_all = True
    """Whether what the bytes of a token allow, tokens can always go on with."""

    def __init__(self, engine: Engine, store: MaskStore) -> None:
        self.engine, self.store = engine, store
        index = engine.index
        self._known: dict[int, State] = {}
        self._words = index.mask_words
        self.start: Final = _StartState(self) if index.strips_space else self.state(engine.first)

    def release(self) -> None:
        """Undo the references in circles, so that the memory is free at once; nothing may be asked any more."""
        for state in (*self._known.values(), self.start):
            state.after.clear()
            if hasattr(state, "states"):
                del state.states
        self._known.clear()
        self.engine.release()

    def state(self, number: int) -> State:
        """The state of a configuration."""
        known = self._known.get(number)
        if known is None:
            accepting = bool(self.engine.flags(number) & ACCEPTING)
            known = self._known.setdefault(number, State(self, number, accepting))
        return known

    def read(self, state: State, token: int) -> State | None:
        """The state after a token that is read in `state` for the first time."""
        hold_back_collection()
        try:
            packed = self.step(state, token)
            if not packed:
                after = None
            elif (after := self._known.get(packed >> 1)) is None:
                after = self._known.setdefault(packed >> 1, State(self, packed >> 1, bool(packed & 1)))
            state.after[token] = after
        finally:
            let_collection_go()
        return after

    def forget_mask(self, number: int) -> None:
        """Let go of the mask of a configuration."""
        state = self._known.get(number)
        if state is not None:
            state.forget_mask()
        if number == self.start.number:
            self.start.forget_mask()

    def step(self, state: State, token: int) -> int:
        """Twice the configuration after a token, and 1 if the text may end there; 0 when it may not come next."""
        if not 0 <= token < self.engine.index.vocab_size:
            return 0
        return self.engine.after_token(state.number, token)

    def read_text(self, state: State, text: bytes) -> State | None:
        """The state after a text; None when no text of the language goes on so."""
        number = self.engine.after_text(state.number, text)
        return self.state(number) if number else None

    def successors(self, number: int) -> Cells:
        """The configuration after each token, 0 where its bytes may not come next; (vocab_size,) int32.

        End tokens lead nowhere: they are no part of the text.
        """
        engine = self.engine
        after = np.zeros(engine.index.vocab_size, np.int32)
        engine.successors(number, 0, after)
        after[list(engine.index.end_tokens)] = 0
        return after

    def start_successors(self) -> Cells:
        """`successors` at the beginning of a text."""
        after = self.successors(self.start.number)
        if isinstance(self.start, _StartState):
            self.start.replace_successors(after)
        return after

    def kept(self, after: Cells) -> Cells:
        """Configurations after tokens, with 0 for those that may not come next although their bytes may."""
        return after

    def new_mask(self, number: int) -> tuple[Mask, bool, bool]:
        """The mask of a configuration, whether it allows some token but the end, and whether it forbids any."""
        new = self.store.take(self._words)
        result = self.engine.mask_at(number, new[1])
        return new, bool(result & SOME_TOKEN), not result & EVERY_TOKEN

    def mask_of(self, after: Cells, accepting: bool) -> tuple[Mask, bool, bool]:
        """The same of the configurations after all tokens, and whether the text may end."""
        allowed = after > 0
        is_open = bool(allowed.any())
        if accepting:
            allowed[list(self.engine.index.end_tokens)] = True
        new = self.store.take(self._words)
        new[0].fill(0)
        packed = np.packbits(allowed, bitorder="little")
        new[0].view(np.uint8)[: len(packed)] = packed
        return new, is_open, not bool(allowed.all())


class _StartState(State):
    """The beginning of a text, for tokenizers that strip one space there.

    A token that begins with a space is read without it, and, so that every text is read in one way only, a space of
    the text itself cannot come first.
    """

    __slots__ = ("_below_space",)

    def __init__(self, states: States) -> None:
        super().__init__(states, states.engine.first, bool(states.engine.flags(states.engine.first) & ACCEPTING))
        trie = states.engine.index.trie
        node = 1
        while node < len(trie) and trie[node, 0] != 0x20:
            node += int(trie[node, 1])
        self._below_space = node if node < len(trie) else -1

    def new_mask(self) -> tuple[Mask, bool, bool]:
        if not self.states.spells_all:
            return self.states.mask_of(self.states.kept(self.states.start_successors()), self.accepting)
        new, is_open, masks = super().new_mask()
        if self._below_space < 0:
            return new, is_open, masks
        self._replace_below_space(new[0])
        return new, True, True

    def _replace_below_space(self, mask: Cells) -> None:
        """Allow tokens that begin with a space as what follows it allows."""
        index = self.states.engine.index
        node, bits = self._below_space, mask.view(np.uint32)
        subtree = index.trie[node : node + index.trie[node, 1], 3]
        for token in index.equal_tokens(subtree):
            bits[token >> 5] &= ~np.uint32(1 << (token & 31))
        self.states.engine.plain_mask(self.number, node, mask)
        for token in index.equal_tokens(subtree[:1]):
            bits[token >> 5] |= np.uint32(1 << (token & 31))

    def replace_successors(self, after: Cells) -> None:
        """Let tokens that begin with a space lead where the rest of them does."""
        if self._below_space < 0:
            return
        engine, node = self.states.engine, self._below_space
        subtree = engine.index.trie[node : node + engine.index.trie[node, 1], 3]
        after[engine.index.equal_tokens(subtree)] = 0
        engine.successors(self.number, node, after)
        after[engine.index.equal_tokens(subtree[:1])] = self.number

    def read(self, token: int) -> State | None:
        if token in self.after:
            return self.after[token]
        index = self.states.engine.index
        text = index.tokens[token] if 0 <= token < index.vocab_size else b""
        if not text.startswith(b" "):
            return self.states.read(self, token)
        after = self.after[token] = self.states.read_text(self, text[1:])
        return after
