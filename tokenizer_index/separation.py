"""Whether lexemes can always be told apart, when the longest match counts.

A grammar says which terminals may follow each other; the longest match may still make that impossible: if ``NAME`` is
to follow ``NAME`` and nothing may stand between, no text is read so.  A state of the parser could then be one from
which no text goes on, though the grammar has a way.  This module proves, for most grammars, that it cannot happen:

    whenever terminal t ends (in a lexer state that awaits all terminals, so in every smaller one), and u may follow t,
    some first symbol of u can belong to no longer lexeme; or a separator, a one-symbol lexeme of the ignored
    terminals, cannot, and then some first symbol of u cannot belong to a longer lexeme with the separator.

Then every sequence of terminals that the grammar allows can be written, and the parser's own viability is enough.
Where the proof fails, configurations are searched for a way to the end (see configurations).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from constrain.grammars.automata._jit import Cells, kernel, memory_at
from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.liveness import is_alive, step
from constrain.grammars.automata.nodes import EMPTY, nullable
from constrain.grammars.automata.store import (
    MEMO_B,
    argument,
    at,
    cut,
    height,
    intern,
    length_of,
    memo,
)
from constrain.tokenizer_index.followers import TERMINAL, followers
from constrain.tokenizer_index.lexer import ends_of, lexer_step, push_cuts, rest_of, union_of_members
from constrain.tokenizer_index.networks import Network
from constrain.tokenizer_index.parser import LEXER, push_item, sort_unique_triples
from constrain.tokenizer_index.tables import TERMINAL_NODE, terminal_cell

__all__ = ["is_separable"]

KERNELS = "de716cabbe365690"

_MAX_STATES = 5_000


@kernel
def _await(address: int, terminals: Cells) -> int:
    """The lexer state before any of the terminals."""
    m = memory_at(address)
    position = height(m)
    for terminal in terminals:
        push_item(m, terminal, terminal_cell(m, terminal, TERMINAL_NODE), 0)
    sort_unique_triples(m, position)
    return intern(m, LEXER, position)


@kernel
def _successors(address: int, lexer: int, found: Cells) -> int:
    """Write the lexer states one symbol further; their number."""
    m = memory_at(address)
    position = height(m)
    push_cuts(m, lexer)
    count = 0
    for i in range(position, height(m)):
        after = lexer_step(m, lexer, at(m, i))
        if after > 0 and count < found.size:
            found[count] = after
            count += 1
    cut(m, position)
    return count


@kernel
def _ended(address: int, lexer: int, found: Cells) -> int:
    """Write the terminals that can end at a lexer state; their number."""
    m = memory_at(address)
    count = 0
    for i in range(0, length_of(m, lexer), 3):
        if nullable(m, argument(m, lexer, i + 1)):
            found[count] = argument(m, lexer, i)
            count += 1
    return count


@kernel
def _guard(address: int, lexer: int) -> int:
    """What could go on at a lexer state."""
    m = memory_at(address)
    if ends_of(m, lexer) < 0 or rest_of(m, lexer) == 0:
        return EMPTY
    return union_of_members(m, rest_of(m, lexer))


@kernel
def _escapes(address: int, guard: int, terminal: int) -> bool:
    """Whether some first symbol of a terminal cannot go on with `guard`."""
    m = memory_at(address)
    node = terminal_cell(m, terminal, TERMINAL_NODE)
    start = transitions(m, node)
    for i in range(start, start + 3 * memo(m, node, MEMO_B), 3):
        if is_alive(m, m[i + 2]):
            for symbol in range(m[i], m[i + 1] + 1):
                if step(m, guard, symbol) == EMPTY:
                    return True
    return False


@kernel
def _forbids(address: int, guard: int, symbol: int) -> bool:
    """Whether `guard` cannot go on with a symbol."""
    return step(memory_at(address), guard, symbol) == EMPTY


@kernel
def _lexer_after(address: int, lexer: int, symbol: int) -> int:
    return lexer_step(memory_at(address), lexer, symbol)


class _Proof:
    def __init__(self, arena: Arena, terminals: list[int], ignored: set[int]) -> None:
        self._arena = arena
        self._buffer = np.empty(1 << 14, np.int32)
        self._start = int(arena.run(_await, np.array(terminals, np.int32)))
        self._known: dict[tuple[int, int], bool] = {}
        self._separated: dict[int, set[int]] = {}  # by guard
        self._separators: list[tuple[int, set[int]]] = []  # symbols, and what may follow each
        for symbol, lexer in self._one_symbol_lexemes(ignored):
            guard = self._guard(lexer)
            self._separators.append((symbol, {terminal for terminal in terminals if self._escapes(guard, terminal)}))

    def _numbers(self, kernel: Any, lexer: int) -> list[int]:
        count = self._arena.run(kernel, lexer, self._buffer)
        return [int(number) for number in self._buffer[:count]]

    def _guard(self, lexer: int) -> int:
        return int(self._arena.run(_guard, lexer))

    def _one_symbol_lexemes(self, ignored: set[int]) -> list[tuple[int, int]]:
        """Symbols that are a lexeme of an ignored terminal and of no other, and the lexer states after them."""
        found = []
        for symbol in range(256):
            lexer = int(self._arena.run(_lexer_after, self._start, symbol))
            ended = set(self._numbers(_ended, lexer)) if lexer else set()
            if ended and ended <= ignored:
                found.append((symbol, lexer))
        return found

    def _escapes(self, guard: int, terminal: int) -> bool:
        key = guard, terminal
        if key not in self._known:
            self._known[key] = bool(self._arena.run(_escapes, guard, terminal))
        return self._known[key]

    def _behind_separators(self, guard: int) -> set[int]:
        """The terminals that can stand behind a separator with which `guard` cannot go on; behind a space, most."""
        if guard not in self._separated:
            found = (after for symbol, after in self._separators if self._arena.run(_forbids, guard, symbol))
            self._separated[guard] = set().union(*found)
        return self._separated[guard]

    def _can_follow(self, guard: int, terminals: set[int]) -> bool:
        """Whether each of the terminals can."""
        return all(self._escapes(guard, terminal) for terminal in terminals - self._behind_separators(guard))

    def holds(self, after: Mapping[int, set[int]]) -> bool:
        """Whether every terminal can be told from those that may follow it."""
        order = [self._start]
        seen = {self._start}
        for lexer in order:
            ended = self._numbers(_ended, lexer) if lexer != self._start else []
            if ended:
                guard = self._guard(lexer)
                wanted = set().union(*(after.get(terminal, set()) for terminal in ended))
                if guard != EMPTY and not self._can_follow(guard, wanted):
                    return False
            for successor in self._numbers(_successors, lexer):
                if successor not in seen:
                    if len(seen) >= _MAX_STATES:
                        return False
                    seen.add(successor)
                    order.append(successor)
        return True


def is_separable(arena: Arena, networks: Mapping[int, Network], ignored: Iterable[int]) -> bool:
    """Whether every sequence of terminals that the networks allow can be written as a text."""
    apart = set(ignored)
    after = followers(networks)
    everything = set(after).union(
        *after.values(),
        *({label[1] for label, _ in n.transitions[0] if label[0] == TERMINAL} for n in networks.values()),
    )
    for terminal in apart:
        after[terminal] = everything - apart
    return _Proof(arena, sorted(everything | apart), apart).holds(after)
