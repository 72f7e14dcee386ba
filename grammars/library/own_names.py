"""Names that stand again in what they name, such as that of a constructor.

No context-free grammar says so of names that are not known beforehand.  So the name is bound (`ir.Binding`), and the
rules behind it in which it stands again are made for each name that a text has; all others are shared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from constrain.grammars import ir
from constrain.grammars.composition.expressions import leading_to, names_in, postorder, rewritten
from constrain.grammars.regular import Concatenation, Intersection, Literal, Ranges, Regular, Repetition, Symbols

__all__ = ["with_own_names"]


class _Named:
    """The rules of a grammar with gaps that depend on a name; those in `bound` have a new one."""

    def __init__(self, rules: Mapping[str, ir.Expression], blanks: Ranges, again: str, bound: set[str]) -> None:
        self.rules, self._again = rules, again
        self._blank = Symbols(blanks)
        self.blanks = bytes(byte for low, high in blanks for byte in range(low, high + 1))
        self._dependent = leading_to(rules, [again], bound) - bound

    def made(self, expression: ir.Expression, name: bytes) -> ir.Expression:
        """An expression in which the name stands again."""

        def changed(node: ir.Expression) -> ir.Expression:
            match node:
                case ir.Terminal(regular, self._again):
                    return replace(node, regular=self._spelled(regular, name))
                case ir.Reference(rule) if rule in self._dependent:
                    return ir.Late(_Rule(self, rule, name))
            return node

        return rewritten(expression, changed)

    def _spelled(self, regular: Regular, name: bytes) -> Regular:
        """The texts of a terminal that are blanks and the name; most are blanks and any name, and need no automaton."""
        match regular:
            case Concatenation((*before, last)):
                return Concatenation((*before, self._spelled(last, name)))
            case Intersection():
                return Literal(name)
        return Intersection((regular, Concatenation((Repetition(self._blank, 0, None), Literal(name)))))


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule with a name."""

    named: _Named
    rule: str
    name: bytes

    def expression(self) -> ir.Expression:
        """The right-hand side."""
        return self.named.made(self.named.rules[self.rule], self.name)


@dataclass(frozen=True, slots=True)
class _After:
    """What follows a name."""

    named: _Named
    rule: str

    def __call__(self, text: bytes, /) -> ir.Expression:
        return ir.Late(_Rule(self.named, self.rule, text.lstrip(self.named.blanks)))


def with_own_names(grammar: ir.Grammar, blanks: Ranges, *, named: str, body: str, again: str) -> ir.Grammar:
    """The grammar, one that `with_gaps` has made, in which a name stands again in what follows it.

    blanks  the bytes that may stand before each lexeme
    named   the terminal of names; it stands in rules of its own, before a reference to `body`
    body    the rule that depends on the name.  Its first terminals do not, and it is not empty
    again   the terminal that is the name again; names that it is not do not stand at `named` either
    """
    bound = {rule for rule, expression in grammar.rules.items() if named in names_in(expression)}
    after = _After(_Named(grammar.rules, blanks, again, bound), body)
    rules = dict(grammar.rules)
    for rule in bound:
        (terminal,) = (node for node in postorder(rules[rule]) if isinstance(node, ir.Terminal))
        rules[rule] = ir.Binding(terminal, after, ir.Reference(body), settled=True)
    return replace(grammar, rules=rules)
