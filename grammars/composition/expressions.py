"""Walking through expressions, and rules under other names."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from constrain.grammars import ir
from constrain.grammars.analysis import parts_of

__all__ = ["leading_to", "names_in", "postorder", "renamed", "rewritten"]


def postorder(expression: ir.Expression) -> list[ir.Expression]:
    """An expression and all below it, parts first; what stands in two places is there twice.

    Objects, lists and bindings have no parts here.
    """
    order, pending = [], [expression]
    while pending:
        node = pending.pop()
        order.append(node)
        if not isinstance(node, ir.Members | ir.Items | ir.Binding):
            pending.extend(parts_of(node))
    order.reverse()
    return order


def rewritten(expression: ir.Expression, leaf: Callable[[ir.Expression], ir.Expression]) -> ir.Expression:
    """The expression with everything that has no parts put through `leaf`."""
    made: dict[int, ir.Expression] = {}
    for node in postorder(expression):
        match node:
            case ir.Sequence(parts):
                made[id(node)] = ir.Sequence(tuple(made[id(part)] for part in parts))
            case ir.Alternation(parts):
                made[id(node)] = ir.Alternation(tuple(made[id(part)] for part in parts))
            case ir.Repeat(part, minimum, maximum):
                made[id(node)] = ir.Repeat(made[id(part)], minimum, maximum)
            case ir.Budget(part, max_bytes):
                made[id(node)] = ir.Budget(made[id(part)], max_bytes)
            case _:
                made[id(node)] = leaf(node)
    return made[id(expression)]


def names_in(expression: ir.Expression) -> set[str]:
    """The terminals and rules that stand in an expression."""
    return {node.name for node in postorder(expression) if isinstance(node, ir.Terminal | ir.Reference)}


def leading_to(rules: Mapping[str, ir.Expression], words: Collection[str], borders: Collection[str]) -> set[str]:
    """The rules that come to one of the terminals without a border between: a least fixed point."""
    names = {rule: names_in(expression) for rule, expression in rules.items()}
    found = {rule for rule in rules if not names[rule].isdisjoint(words)}
    size = -1
    while size != len(found):
        size = len(found)
        inner = found.difference(borders)
        found |= {rule for rule in rules if not names[rule].isdisjoint(inner)}
    return found


@dataclass(frozen=True, slots=True)
class _RenamedFollower:
    """What a follower says, referring to rules whose names have a prefix."""

    after: ir.Follower
    prefix: str

    def __call__(self, text: bytes) -> ir.Expression:
        return renamed(self.after(text), self.prefix)


@dataclass(frozen=True, slots=True)
class _RenamedRule:
    """A rule that is made late, referring to rules whose names have a prefix."""

    rule: ir.Later
    prefix: str

    def expression(self) -> ir.Expression:
        """The right-hand side of the rule."""
        return renamed(self.rule.expression(), self.prefix)


def renamed(expression: ir.Expression, prefix: str) -> ir.Expression:
    """The expression, referring to rules whose names have a prefix."""

    def name(old: str | None) -> str | None:
        return None if old is None else prefix + old

    def leaf(node: ir.Expression) -> ir.Expression:
        match node:
            case ir.Reference(old):
                return ir.Reference(prefix + old)
            case ir.Members():
                keys = tuple(replace(key, rule=name(key.rule)) for key in node.keys)
                others = tuple(replace(other, rule=name(other.rule)) for other in node.others)
                return replace(node, keys=keys, others=others)
            case ir.Items():
                return replace(node, first=tuple(prefix + old for old in node.first), rest=name(node.rest))
            case ir.Binding(part, after, following):
                part, following = renamed(part, prefix), renamed(following, prefix)
                return replace(node, part=part, after=_RenamedFollower(after, prefix), following=following)
            case ir.Late(rule):
                return ir.Late(_RenamedRule(rule, prefix))
        return node

    return rewritten(expression, leaf)
