"""Terminals that match the same text, when lexemes are the longest ones: which wins, and where none but it ever does.

Of two lexemes of equal length, that of the terminal with the higher priority is taken, wherever the parser allows
both.  That is how keywords win over names; it may also be a mistake that makes a terminal useless.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.automata.states import States
from constrain.grammars.composition.expressions import postorder
from constrain.grammars.regular import Complement, Intersection

__all__ = ["Conflict", "lexeme_conflicts"]

_MAX_STATES = 20_000


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two terminals that match the same texts.

    winner, loser   their names
    example         a shortest text that both match
    hides           whether the winner matches all that the loser does: where both are allowed, the loser is never read
    position        where the loser is defined, when that is known
    """

    winner: str
    loser: str
    example: bytes
    hides: bool
    position: ir.Position | None

    def __str__(self) -> str:
        text = self.example.decode("utf-8", "backslashreplace")
        more = f"; {self.loser} is never read where {self.winner} is allowed" if self.hides else ""
        return f"terminals {self.winner} and {self.loser} both match {text!r}, which is read as {self.winner}{more}"


def _terminals(grammar: ir.Grammar) -> Iterator[ir.Terminal]:
    seen: set[int] = set()
    for rule in grammar.rules.values():
        for node in postorder(rule):
            if isinstance(node, ir.Terminal) and id(node) not in seen:
                seen.add(id(node))
                yield node
    yield from (terminal for terminal in grammar.ignored if id(terminal) not in seen)


def _shortest(states: States) -> bytes | None:
    """A shortest text of a language, the first in the order of bytes; None when it is empty."""
    if states.start is None:
        return None
    texts = {states.start: b""}
    pending = [states.start]
    for state in pending:
        if states.is_final(state):
            return texts[state]
        for byte, target in states.steps(state):
            if target not in texts:
                texts[target] = texts[state] + bytes([byte])
                pending.append(target)
        if len(pending) > _MAX_STATES:
            break
    return None


def lexeme_conflicts(grammar: ir.Grammar) -> list[Conflict]:
    """The conflicts between terminals of a grammar whose lexemes are the longest ones; none for other grammars.

    Pairs that the parser never allows at the same place are listed, too.  Looks at every pair of terminals.
    """
    if not grammar.longest_match or grammar.make_rule is not None:
        return []
    found = []
    terminals = sorted(_terminals(grammar), key=lambda terminal: -terminal.priority)
    for winner, loser in combinations(terminals, 2):
        example = _shortest(States(Language(Intersection((winner.regular, loser.regular)))))
        if example is not None:
            hides = Language(Intersection((loser.regular, Complement(winner.regular)))).is_empty()
            position = grammar.positions.get(loser.name)
            found.append(Conflict(winner.name, loser.name, example, hides, position))
    return found
