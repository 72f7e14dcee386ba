"""Vocabularies in which not every byte is a token: a text can go on only if tokens spell what is missing.

With 256 single bytes among the tokens, whatever can be completed can be completed token by token, and masks need not
look further than one token.  Without them a state may have completions that no tokens spell.  Then a token is allowed
only if, from the state after it, some sequence of tokens leads to the end of the language: of such a state it is said
here that it is *live*.

That is decided by a breadth-first search through the states that tokens lead to, for a state where the text may end,
or one whose shortest completion in bytes can be cut into tokens.  All states on the way to it are live; if there is
none, all states that were visited are not.  In finite constraints the search always comes to an end.  In recursive
ones it may go on for ever, and stops at `Limits.max_states` with an error that names bytes the vocabulary lacks.
"""

from collections.abc import Iterable

import numpy as np

from constrain.grammars.automata._jit import Cells
from constrain.grammars.errors import ResourceLimitError, TokenizerError
from constrain.tokenizer_index.configurations import ACCEPTING
from constrain.tokenizer_index.engine import Engine
from constrain.tokenizer_index.mask_store import Mask, MaskStore
from constrain.tokenizer_index.states import State, States
from constrain.tokenizer_index.trie import SPECIAL

__all__ = ["SpellingStates", "states_of"]

_NAMED = 10  # bytes that an error names


class SpellingStates(States):
    """States of a constraint over a vocabulary that lacks single bytes."""

    spells_all = False

    def __init__(self, engine: Engine, store: MaskStore, max_states: int) -> None:
        super().__init__(engine, store)
        self._max_states = max_states
        self._live: dict[int, bool] = {}
        index = engine.index
        self._texts = {token for token in index.tokens if token}
        self._longest = max(map(len, self._texts), default=0)
        if not self._can_begin():
            raise TokenizerError(f"no text that obeys the constraint can be spelled: {self._lacking(engine.first)}")

    def _can_begin(self) -> bool:
        start = self.start
        if not self.engine.index.strips_space:
            return self.is_live(start.number)
        return start.accepting or bool(self.kept(self.start_successors()).any())

    # Masks and steps, of live states only

    def kept(self, after: Cells) -> Cells:
        """Configurations after tokens, with 0 for those that may not come next although their bytes may."""
        distinct, which = np.unique(after, return_inverse=True)
        live = np.array([number > 0 and self.is_live(number) for number in distinct.tolist()])
        return np.where(live[which], after, np.int32(0))

    def step(self, state: State, token: int) -> int:
        """Twice the configuration after a token, and 1 if the text may end there; 0 when it may not come next."""
        packed = super().step(state, token)
        return packed if packed and self.is_live(packed >> 1) else 0

    def read_text(self, state: State, text: bytes) -> State | None:
        """The state after a text; None when no tokens spell a text of the language that goes on so."""
        after = super().read_text(state, text)
        return after if after is None or self.is_live(after.number) else None

    def new_mask(self, number: int) -> tuple[Mask, bool, bool]:
        """The mask of a configuration, whether it allows some token but the end, and whether it forbids any."""
        return self.mask_of(self.kept(self.successors(number)), bool(self.engine.flags(number) & ACCEPTING))

    # The search

    def is_live(self, number: int) -> bool:
        """Whether tokens lead from a configuration to the end of the language.  Raises ResourceLimitError."""
        known = self._live.get(number)
        return self._search(number) if known is None else known

    def _search(self, number: int) -> bool:
        before = {number: 0}
        for here in (queue := [number]):
            if self._live.get(here) or self._ends(here):
                while here:
                    self._live[here] = True
                    here = before[here]
                return True
            if len(queue) > self._max_states:
                raise ResourceLimitError(
                    f"whether a text can be completed was not found out in {self._max_states} states over tokens: "
                    + self._lacking(number),
                    limit="max_states",
                )
            for after in np.unique(self.successors(here)).tolist():
                if after and after not in before and self._live.get(after, True):
                    before[after] = here
                    queue.append(after)
        self._live.update(dict.fromkeys(queue, False))
        return False

    def _ends(self, number: int) -> bool:
        """Whether the text may end, or its shortest completion can be spelled."""
        if self.engine.flags(number) & ACCEPTING:
            return True
        completion = self._completion(number)
        return completion is not None and self._spells(completion)

    def _completion(self, number: int) -> list[int] | None:
        try:
            return self.engine.completion(number)
        except ResourceLimitError as error:
            if error.limit == "max_memory":
                raise
            return None  # it would only have been a short cut

    def _spells(self, symbols: Iterable[int]) -> bool:
        """Whether tokens spell a sequence of symbols: the prefixes of each text that they do, from the shortest on."""
        text = bytearray()
        for symbol in symbols:
            if symbol < SPECIAL:
                text.append(symbol)
            elif symbol - SPECIAL in self.engine.index.end_tokens or not self._spells_text(bytes(text)):
                return False
            else:
                text.clear()
        return self._spells_text(bytes(text))

    def _spells_text(self, text: bytes) -> bool:
        spelled = [True]
        for end in range(1, len(text) + 1):
            starts = range(max(0, end - self._longest), end)
            spelled.append(any(spelled[start] and text[start:end] in self._texts for start in starts))
        return spelled[-1]

    def _lacking(self, number: int) -> str:
        """What an error says of the bytes that are not there: those that the shortest completion needs come first."""
        index = self.engine.index
        needed = {symbol for symbol in self._completion(number) or () if symbol < SPECIAL}
        contained = {byte for text in self._texts for byte in text}
        lacking = sorted(needed - contained) or sorted(needed & set(index.missing_bytes)) or list(index.missing_bytes)
        names = ", ".join(repr(bytes([byte])) for byte in lacking[:_NAMED])
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        return f"the vocabulary has no tokens for the bytes {names}{more}"


def states_of(engine: Engine, store: MaskStore, max_states: int) -> States:
    """The states of an engine.

    Raises TokenizerError when no text can be spelled, ResourceLimitError when that was not found out.
    """
    return SpellingStates(engine, store, max_states) if engine.index.missing_bytes else States(engine, store)
