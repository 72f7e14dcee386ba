"""Productions that begin alike, with what they share written once.

Lark writes a rule with n optional parts as 2^n productions.  Each rule becomes the deterministic automaton of its
productions, as rules that begin with one symbol each and go on with another rule: sets of equal rests are one rule.
Where the rules derived no empty text, none does now, and none that stands for a repetition begins with itself.
"""

from collections.abc import Mapping

from constrain.grammars import ir

__all__ = ["shared_beginnings"]

_Rests = frozenset[tuple[int, ...]]


class _Sharing:
    def __init__(self) -> None:
        self._symbols: list[ir.Expression] = []
        self._numbers: dict[ir.Expression, int] = {}
        self._by_id: dict[int, int] = {}
        self._names: dict[_Rests, str] = {}
        self._pending: list[_Rests] = []

    def run(self, rules: Mapping[str, ir.Expression]) -> dict[str, ir.Expression]:
        """The rules, and those of rests."""
        made = {name: self._union(self._rightward(name, expression)) for name, expression in rules.items()}
        while self._pending:
            rests = self._pending.pop()
            made[self._names[rests]] = self._union(rests)
        return made

    def _rightward(self, name: str, expression: ir.Expression) -> _Rests:
        """A rule's productions; ``r: a | r a`` as ``a | a r``."""
        productions = frozenset(self._productions(expression))
        itself = self._number(ir.Reference(name))
        once = {rest for rest in productions if not rest or rest[0] != itself}
        again = {rest[1:] for rest in productions if rest and rest[0] == itself}
        if again != once:
            return productions
        return frozenset(once | {(*rest, itself) for rest in once})

    def _productions(self, expression: ir.Expression) -> list[tuple[int, ...]]:
        """The sequences of symbols that an expression without nested choices stands for."""
        match expression:
            case ir.Alternation(parts):
                return [production for part in parts for production in self._productions(part)]
            case ir.Sequence(parts):
                found: list[tuple[int, ...]] = [()]
                for part in parts:
                    found = [(*before, *after) for before in found for after in self._productions(part)]
                return found
        return [(self._number(expression),)]

    def _number(self, symbol: ir.Expression) -> int:
        if id(symbol) not in self._by_id:
            self._by_id[id(symbol)] = self._numbers.setdefault(symbol, len(self._symbols))
            self._symbols.append(symbol)  # kept alive, so that no other object has its id
        return self._by_id[id(symbol)]

    def _union(self, rests: _Rests) -> ir.Expression:
        by_first: dict[int, set[tuple[int, ...]]] = {}
        for rest in sorted(rests):
            by_first.setdefault(rest[0], set()).add(rest[1:])
        ways = [self._way(first, frozenset(after)) for first, after in by_first.items()]
        return ways[0] if len(ways) == 1 else ir.Alternation(tuple(ways))

    def _way(self, first: int, rests: _Rests) -> ir.Expression:
        if len(rests) == 1:
            (rest,) = rests
            return ir.Sequence(tuple(self._symbols[symbol] for symbol in (first, *rest)))
        more = rests - {()}
        if more not in self._names:
            self._names[more] = f"rest {len(self._names)}"
            self._pending.append(more)
        rest_of_them: ir.Expression = ir.Reference(self._names[more])
        if more != rests:
            rest_of_them = ir.Alternation((rest_of_them, ir.Sequence(())))
        return ir.Sequence((self._symbols[first], rest_of_them))


def shared_beginnings(rules: Mapping[str, ir.Expression]) -> dict[str, ir.Expression]:
    """Rules of the same languages, for rules of the Lark front-end without empty productions."""
    return _Sharing().run(rules)
