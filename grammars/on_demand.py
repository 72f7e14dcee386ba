"""Rules that are made on demand, checked for what the parser asks of them.

Left recursion is found in a grammar as a whole, before anything is read, and one whose rules are made one by one is
never there as a whole.  So no rule of it may begin with itself, directly or by way of others; one that does would be
read as if it had no texts.  This is checked as rules are made: the one that closes a circle is refused.
"""

from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError

__all__ = ["checked", "leading_references"]


def checked(grammar: ir.Grammar) -> ir.Grammar:
    """The grammar; if its rules are made on demand, asking for one that begins with itself raises GrammarError."""
    return grammar if grammar.make_rule is None else replace(grammar, rules={}, make_rule=_Rules(grammar).rule)


def leading_references(expression: ir.Expression) -> set[str]:
    """The rules that texts of an expression may begin with, where no rule derives the empty text."""
    found: set[str] = set()
    pending = [expression]
    while pending:
        match pending.pop():
            case ir.Reference(name):
                found.add(name)
            case ir.Sequence(parts):
                for part in parts:
                    pending.append(part)
                    if not _may_be_empty(part):
                        break
            case ir.Alternation(parts):
                pending.extend(parts)
            case ir.Repeat(part) | ir.Binding(part):
                pending.append(part)
    return found


def _may_be_empty(expression: ir.Expression) -> bool:
    match expression:
        case ir.Sequence(parts):
            return all(map(_may_be_empty, parts))
        case ir.Alternation(parts):
            return any(map(_may_be_empty, parts))
        case ir.Repeat(part, minimum):
            return minimum == 0 or _may_be_empty(part)
    return False


class _Rules:
    """The rules of a grammar, and which ones each of those that were made begins with."""

    def __init__(self, grammar: ir.Grammar) -> None:
        self._grammar = grammar
        self._leading: dict[str, set[str]] = {}

    def rule(self, name: str) -> ir.Expression:
        """A right-hand side.  Raises GrammarError for a rule that begins with itself."""
        expression = self._grammar.rule(name)
        if name not in self._leading:
            leading = self._leading[name] = leading_references(expression)
            if leading and self._comes_back(name):
                raise GrammarError(f"rule {name!r} begins with itself; rules that are made on demand must not")
        return expression

    def _comes_back(self, name: str) -> bool:
        """Whether the rule is among those that it may begin with, as far as they are known."""
        seen: set[str] = set()
        pending = [name]
        while pending:
            for one in self._leading.get(pending.pop(), ()):
                if one == name:
                    return True
                if one not in seen:
                    seen.add(one)
                    pending.append(one)
        return False
