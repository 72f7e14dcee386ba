"""Naive reference implementations.  They share no code with the package but for the types that describe grammars.

The oracle for grammars turns everything, lexemes included, into productions over bytes, and decides membership and
viability of prefixes by the construction of Bar-Hillel, Perles and Shamir (1961): the grammar's symbols as relations
between the states of an automaton of the text, computed as a least fixed point.
"""

from collections.abc import Iterable

from constrain.grammars import ir, regular

Symbol = int | str  # a byte (or 256 + special token), or the name of a nonterminal
Productions = dict[str, list[tuple[Symbol, ...]]]


class ByteGrammar:
    """Productions over bytes."""

    def __init__(self, grammar: ir.Grammar) -> None:
        self.productions: Productions = {}
        self._fresh = 0
        for name, expression in grammar.rules.items():
            self.productions["rule " + name] = [(self._of(expression),)]
        self.start = "rule " + grammar.start

    def _new(self, *productions: tuple[Symbol, ...]) -> str:
        self._fresh += 1
        name = f"n{self._fresh}"
        self.productions[name] = list(productions)
        return name

    def _repeat(self, part: Symbol, minimum: int, maximum: int | None) -> Symbol:
        fixed = (part,) * minimum
        if maximum is None:
            self._fresh += 1
            loop = f"n{self._fresh}"
            self.productions[loop] = [(), (part, loop)]
            return self._new((*fixed, loop))
        return self._new(*[(*fixed, *(part,) * extra) for extra in range(maximum - minimum + 1)])

    def _of(self, node: ir.Expression) -> Symbol:
        match node:
            case ir.Terminal(expression):
                return self._regular(expression)
            case ir.Reference(name):
                return "rule " + name
            case ir.Sequence(parts):
                return self._new(tuple(map(self._of, parts)))
            case ir.Alternation(parts):
                return self._new(*[(self._of(part),) for part in parts])
            case ir.Repeat(part, minimum, maximum):
                return self._repeat(self._of(part), minimum, maximum)
        raise TypeError(node)

    def _regular(self, node: regular.Regular) -> Symbol:
        match node:
            case regular.Empty():
                return self._new()
            case regular.Epsilon():
                return self._new(())
            case regular.Literal(text):
                return self._new(tuple(text))
            case regular.Symbols(ranges):
                return self._new(*[(byte,) for low, high in ranges for byte in range(low, high + 1)])
            case regular.Characters(ranges):
                chars = [chr(c) for low, high in ranges for c in range(low, high + 1)]
                return self._new(*[tuple(c.encode()) for c in chars])
            case regular.Concatenation(parts):
                return self._new(tuple(map(self._regular, parts)))
            case regular.Union(parts):
                return self._new(*[(self._regular(part),) for part in parts])
            case regular.Repetition(part, minimum, maximum):
                return self._repeat(self._regular(part), minimum, maximum)
            case regular.Words(words):
                return self._new(*map(tuple, words))
        raise TypeError(node)

    def _relations(self, text: tuple[int, ...], open_ended: bool) -> dict[str, set[tuple[int, int]]]:
        last = len(text)
        edges: dict[int, set[tuple[int, int]]] = {}
        for i, symbol in enumerate(text):
            edges.setdefault(symbol, set()).add((i, i + 1))
        relations: dict[str, set[tuple[int, int]]] = {name: set() for name in self.productions}
        changed = True
        while changed:
            changed = False
            for name, alternatives in self.productions.items():
                for production in alternatives:
                    pairs = {(i, i) for i in range(last + 1)}
                    for symbol in production:
                        if isinstance(symbol, str):
                            relation = relations[symbol]
                        else:
                            relation = edges.get(symbol, set()) | ({(last, last)} if open_ended else set())
                        pairs = {(a, d) for a, b in pairs for c, d in relation if b == c}
                    if not pairs <= relations[name]:
                        relations[name] |= pairs
                        changed = True
        return relations

    def accepts(self, text: Iterable[int]) -> bool:
        """Whether the text belongs to the language."""
        symbols = tuple(text)
        return (0, len(symbols)) in self._relations(symbols, False)[self.start]

    def viable(self, text: Iterable[int]) -> bool:
        """Whether some text of the language begins so."""
        symbols = tuple(text)
        return (0, len(symbols)) in self._relations(symbols, True)[self.start]


def grammar_of(expression: regular.Regular) -> ir.Grammar:
    """The grammar of a single terminal."""
    return ir.Grammar("start", {"start": ir.Terminal(expression)})
