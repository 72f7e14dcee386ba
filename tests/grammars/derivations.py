"""Random texts of a grammar, by random derivations.

Independent of the parser: a rule is expanded by choosing among its alternatives, a terminal is written by a random
walk through its automaton.  When a text has grown to its budget, the alternatives of least depth are chosen.
"""

import random
from collections.abc import Iterable

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from tests.walks import completion

_NEVER = 1 << 30


class Derivations:
    """Draws texts of a grammar without objects and counted lists."""

    def __init__(self, grammar: ir.Grammar, seed: int = 0) -> None:
        self._grammar, self._random = grammar, random.Random(seed)
        self._languages: dict[int, Language] = {}
        self._depths = dict.fromkeys(grammar.rules, _NEVER)
        changed = True
        while changed:
            changed = False
            for name, expression in grammar.rules.items():
                depth = 1 + self._depth(expression)
                if depth < self._depths[name]:
                    self._depths[name], changed = depth, True

    def _depth(self, node: ir.Expression) -> int:
        match node:
            case ir.Reference(name):
                return self._depths[name]
            case ir.Sequence(parts):
                return max(map(self._depth, parts), default=0)
            case ir.Alternation(parts):
                return min(map(self._depth, parts), default=_NEVER)
            case ir.Repeat(part, minimum, _):
                return self._depth(part) if minimum else 0
        return 0

    def text(self, budget: int) -> bytes:
        """A text; about `budget` terminals are written freely, the rest is kept short."""
        written: list[bytes] = []
        pending: list[ir.Expression] = [ir.Reference(self._grammar.start)]
        while pending:
            node = pending.pop()
            match node:
                case ir.Terminal():
                    written.append(self._write(node, len(written) < budget))
                case ir.Reference(name):
                    pending.append(self._grammar.rules[name])
                case ir.Sequence(parts):
                    pending.extend(reversed(parts))
                case ir.Alternation(parts):
                    pending.append(self._choose(parts, len(written) + len(pending) < budget))
                case ir.Repeat(part, minimum, maximum):
                    most = minimum + 2 if maximum is None else min(maximum, minimum + 2)
                    count = self._random.randint(minimum, most) if len(written) < budget else minimum
                    pending.extend([part] * count)
                case _:
                    raise TypeError(node)
        return b"".join(written)

    def _choose(self, parts: Iterable[ir.Expression], free: bool) -> ir.Expression:
        depths = [(self._depth(part), part) for part in parts]
        least = min(depth for depth, _ in depths)
        return self._random.choice([part for depth, part in depths if depth == least or (free and depth < _NEVER)])

    def _write(self, terminal: ir.Terminal, free: bool) -> bytes:
        language = self._languages.setdefault(id(terminal.regular), Language(terminal.regular))
        text = b""
        while True:
            following = sorted(language.next_bytes(text))
            stop = 0.4 if free else 0.95
            if not following or (text in language and self._random.random() < stop):
                return text
            plain = [byte for byte in following if byte in b"abcxyz019 .,'\""]
            text += bytes([self._random.choice(plain if plain and self._random.random() < 0.5 else following)])
            if len(text) > 40:
                end = completion(language, text)
                assert end is not None
                return end
