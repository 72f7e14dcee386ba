"""The states of a regular language, for whoever goes through its automaton step by step."""

from collections.abc import Iterator

import numpy as np

from constrain.grammars.automata.language import Language, _is_nullable, _next_symbols, _walk

__all__ = ["States"]


class States:
    """The states of a regular language: numbers, equal ones for equal continuations as far as is known."""

    def __init__(self, language: Language) -> None:
        self._arena = language._arena
        self.start: int | None = None if language.is_empty() else language._start
        self._found = np.empty(1024, np.int32)
        self._symbol = np.empty(1, np.int32)
        self._final: dict[int, bool] = {}
        self._after: dict[tuple[int, int], int | None] = {}

    def is_final(self, state: int) -> bool:
        """Whether the text may end at a state."""
        if state not in self._final:
            self._final[state] = bool(self._arena.run(_is_nullable, state))
        return self._final[state]

    def after(self, state: int, byte: int) -> int | None:
        """The state after a byte; None when no text of the language goes on so."""
        key = state, byte
        if key not in self._after:
            self._symbol[0] = byte
            found = int(self._arena.run(_walk, state, self._symbol))
            self._after[key] = found or None
        return self._after[key]

    def steps(self, state: int) -> Iterator[tuple[int, int]]:
        """The bytes that may follow a state, each with the state after it."""
        count = self._arena.run(_next_symbols, state, self._found)
        for byte in self._found[:count].tolist():
            target = self.after(state, byte)
            if target is not None:
                yield byte, target
