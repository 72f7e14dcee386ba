"""Naive reference implementations.  They share no code with the package but for the types that describe grammars.

The oracle for grammars turns everything, lexemes included, into productions over bytes, and decides membership and
viability of prefixes by the construction of Bar-Hillel, Perles and Shamir (1961): the grammar's symbols as relations
between the states of an automaton of the text, computed as a least fixed point.
"""

from collections.abc import Iterable, Mapping, Sequence

from constrain.grammars import ir, regular

Symbol = int | str  # a byte (or 256 + special token), or the name of a nonterminal
Productions = dict[str, list[tuple[Symbol, ...]]]
Relation = dict[int, set[int]]  # from a state to those that a symbol leads to
Edges = dict[int, Relation]


class ByteGrammar:
    """Productions over bytes; `special` has the number of every special token by its text."""

    def __init__(self, grammar: ir.Grammar, special: Mapping[str, int] | None = None) -> None:
        self.productions: Productions = {}
        self._special = special or {}
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
            case ir.SpecialToken(token):
                return 256 + (token if isinstance(token, int) else self._special[token])
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

    def _ends(self, edges: Edges) -> set[int]:
        """The states to which a text of the start symbol leads from state 0 of an automaton.

        Least fixed point of the productions, over the pairs of a nonterminal and a state that are asked for.
        """
        ends: dict[tuple[str, int], set[int]] = {(self.start, 0): set()}
        size = -1
        while size != (size := sum(map(len, ends.values())) + len(ends)):
            for name, start in list(ends):
                for production in self.productions[name]:
                    reached = {start}
                    for symbol in production:
                        if isinstance(symbol, str):
                            reached = set().union(*(ends.setdefault((symbol, state), set()) for state in reached))
                        else:
                            reached = set().union(*(edges.get(symbol, {}).get(state, ()) for state in reached))
                        if not reached:
                            break
                    ends[name, start] |= reached
        return ends[self.start, 0]

    def accepts(self, text: Iterable[int]) -> bool:
        """Whether the text belongs to the language."""
        symbols = tuple(text)
        edges: Edges = {}
        for i, symbol in enumerate(symbols):
            edges.setdefault(symbol, {}).setdefault(i, set()).add(i + 1)
        return len(symbols) in self._ends(edges)

    def viable(self, text: Iterable[int]) -> bool:
        """Whether some text of the language begins so."""
        return bool(self.viable_after(text, [()]))

    def viable_after(self, text: Iterable[int], tokens: Sequence[Sequence[int]]) -> set[int]:
        """The indices of those tokens with which some text of the language begins behind `text`.

        One automaton for all of them: the text, then the trie of the tokens, and behind each token a state that any
        symbol leads back to.
        """
        edges: Edges = {}
        alphabet = {s for p in self.productions.values() for symbols in p for s in symbols if isinstance(s, int)}
        count = 1

        def along(state: int, symbols: Iterable[int]) -> int:
            nonlocal count
            for symbol in symbols:
                targets = edges.setdefault(symbol, {}).setdefault(state, set())
                if not targets:
                    targets.add(count)
                    count += 1
                state = min(targets)
            return state

        end = along(0, text)
        lasts = {token: along(end, tokens[token]) for token in range(len(tokens))}
        anything = {last: count + i for i, last in enumerate(sorted(set(lasts.values())))}
        for last, loop in anything.items():
            for symbol in alphabet:
                edges.setdefault(symbol, {}).setdefault(loop, set()).add(loop)
                edges[symbol].setdefault(last, set()).add(loop)
        reached = self._ends(edges)
        return {token for token, last in lasts.items() if last in reached or anything[last] in reached}


def grammar_of(expression: regular.Regular) -> ir.Grammar:
    """The grammar of a single terminal."""
    return ir.Grammar("start", {"start": ir.Terminal(expression)})
