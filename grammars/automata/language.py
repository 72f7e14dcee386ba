"""A regular language as a Python object: for front-ends that decide questions, for tests, and for readers."""

from collections.abc import Mapping

import numpy as np

from constrain.grammars.automata._jit import Cells, kernel, memory_at
from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.liveness import is_alive, step
from constrain.grammars.automata.loading import run_program
from constrain.grammars.automata.nodes import EMPTY, nullable
from constrain.grammars.automata.programs import program_of
from constrain.grammars.automata.store import MEMO_B, memo
from constrain.grammars.regular import Regular

KERNELS = "de716cabbe365690"

__all__ = ["Language"]


@kernel
def _walk(address: int, node: int, text: Cells) -> int:
    m = memory_at(address)
    for symbol in text:
        node = step(m, node, symbol)
        if node == EMPTY:
            break
    return node


@kernel
def _is_alive(address: int, node: int) -> bool:
    m = memory_at(address)
    return is_alive(m, node)


@kernel
def _is_nullable(address: int, node: int) -> bool:
    m = memory_at(address)
    return nullable(m, node)


@kernel
def _next_symbols(address: int, node: int, found: Cells) -> int:
    """Write the symbols that lead on from `node`; their number."""
    m = memory_at(address)
    start = transitions(m, node)
    count = 0
    for i in range(start, start + 3 * memo(m, node, MEMO_B), 3):
        if is_alive(m, m[i + 2]):
            for symbol in range(m[i], m[i + 1] + 1):
                found[count] = symbol
                count += 1
    return count


class Language:
    """The language of a regular expression, determinised as far as it has been asked about.

    Those with a common arena have common states.  `nodes` has parts that it has already, by their identities
    (`node`).
    """

    def __init__(self, expression: Regular, arena: Arena | None = None, nodes: Mapping[int, int] | None = None) -> None:
        self._arena = arena or Arena()
        self._start = int(self._arena.run(run_program, program_of(expression, nodes)))

    @property
    def node(self) -> int:
        """The state of the arena in which texts begin."""
        return self._start

    def _after(self, prefix: bytes) -> int:
        return int(self._arena.run(_walk, self._start, np.frombuffer(prefix, np.uint8).astype(np.int32)))

    def __contains__(self, text: bytes) -> bool:
        """Whether the byte string belongs to the language."""
        return bool(self._arena.run(_is_nullable, self._after(text)))

    def is_empty(self) -> bool:
        """Whether no string belongs to the language."""
        return not self._arena.run(_is_alive, self._start)

    def is_prefix(self, text: bytes) -> bool:
        """Whether some string of the language begins so."""
        return not self.is_empty() and self._after(text) != EMPTY

    def next_bytes(self, prefix: bytes) -> frozenset[int]:
        """The bytes that may follow `prefix` on the way to a string of the language."""
        found = np.empty(1024, np.int32)
        count = self._arena.run(_next_symbols, self._after(prefix), found)
        return frozenset(found[:count].tolist())
