"""What can be said of a grammar's rules before any text is read.

A rule is *nullable* when it derives the empty text, and *reads* when it derives another one; a rule that does
neither derives nothing and is unproductive.  Both are least fixed points over the rules reachable from the start.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.emptiness import told_by_structure
from constrain.grammars.errors import GrammarSyntaxError, UnsatisfiableConstraintError
from constrain.grammars.regular import Regular, Without

__all__ = ["Diagnostic", "Facts", "analyse", "diagnostics", "parts_of", "references_of"]


class TerminalFacts:
    """Whether terminals match the empty string, and whether they match another one."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Regular, tuple[bool, bool]]] = {}  # by identity: expressions may be deep

    def of(self, regular: Regular) -> tuple[bool, bool]:
        """(nullable, reads)"""
        if id(regular) not in self._known:
            facts = told_by_structure(regular)
            if facts is None:
                facts = b"" in Language(regular), not Language(Without(regular, (b"",))).is_empty()
            self._known[id(regular)] = (regular, facts)
        return self._known[id(regular)][1]


@dataclass(frozen=True, slots=True)
class Facts:
    """The rules reachable from the start, those that are nullable, those that read something; what terminals do."""

    reachable: frozenset[str]
    nullable: frozenset[str]
    reads: frozenset[str]
    terminals: TerminalFacts


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something about a grammar that is no error but that its author will want to know."""

    message: str
    rule: str
    position: ir.Position | None


def parts_of(expression: ir.Expression) -> tuple[ir.Expression, ...]:
    """The immediate parts of an expression."""
    match expression:
        case ir.Sequence(parts) | ir.Alternation(parts):
            return parts
        case ir.Repeat(part, _, _) | ir.Budget(part, _):
            return (part,)
        case ir.Members(keys, others):
            names = [key.rule for key in keys] + [other.rule for other in others]
            return tuple(ir.Reference(name) for name in names if name is not None)
        case ir.Items(first, rest):
            return tuple(map(ir.Reference, (*first, *([rest] if rest is not None else []))))
        case ir.Binding(part, _, following):
            return (part, following)
    return ()


def _postorder(expression: ir.Expression) -> list[ir.Expression]:
    order, pending = [], [expression]
    while pending:
        node = pending.pop()
        order.append(node)
        pending.extend(parts_of(node))
    order.reverse()
    return order


def references_of(expression: ir.Expression) -> Iterable[str]:
    """Names of the rules that an expression refers to."""
    return (node.name for node in _postorder(expression) if isinstance(node, ir.Reference))


_Step = tuple[str, Any, tuple[int, ...]]
"""What an expression asks of its parts, whose places among the steps come last."""


def _steps(order: list[ir.Expression], terminals: TerminalFacts) -> list[_Step]:
    """An expression, given its postorder, in the form in which it is evaluated again and again."""
    places: dict[int, int] = {}
    steps: list[_Step] = []
    for node in order:
        match node:
            case ir.Terminal(regular):
                step: _Step = ("fact", terminals.of(regular), ())
            case ir.Reference(name):
                step = ("reference", name, ())
            case ir.Sequence() | ir.Alternation() | ir.Budget():
                kind = "sequence" if isinstance(node, ir.Sequence) else "alternation"
                step = (kind, None, tuple(places[id(part)] for part in parts_of(node)))
            case ir.Repeat(part, minimum, maximum):
                step = ("repeat", (minimum == 0, maximum != 0), (places[id(part)],))
            case _:
                step = ("fact", (False, True), ())
        places[id(node)] = len(steps)
        steps.append(step)
    return steps


def _evaluate(steps: list[_Step], nullable: set[str], reads: set[str]) -> tuple[bool, bool]:
    """(nullable, reads) of an expression, given what is known of the rules so far."""
    facts: list[tuple[bool, bool]] = []
    for kind, payload, parts in steps:
        if kind == "fact":
            fact = payload
        elif kind == "reference":
            fact = (payload in nullable, payload in reads)
        elif kind == "alternation":
            fact = (any(facts[part][0] for part in parts), any(facts[part][1] for part in parts))
        elif kind == "sequence":
            found = [facts[part] for part in parts]
            productive = (False, False) not in found
            fact = (all(empty for empty, _ in found), productive and any(read for _, read in found))
        else:
            empty, read = facts[parts[0]]
            fact = (payload[0] or empty, payload[1] and read)
        facts.append(fact)
    return facts[-1]


def _reachable(grammar: ir.Grammar) -> dict[str, list[ir.Expression]]:
    """Postorders of the rules reachable from the start.  Raises GrammarSyntaxError for an undefined rule."""
    orders: dict[str, list[ir.Expression]] = {}
    pending = [grammar.start]
    while pending:
        name = pending.pop()
        if name in orders:
            continue
        if name not in grammar.rules:
            raise _undefined(grammar, name, orders)
        orders[name] = _postorder(grammar.rules[name])
        pending.extend(node.name for node in orders[name] if isinstance(node, ir.Reference))
    return orders


def _undefined(grammar: ir.Grammar, name: str, orders: dict[str, list[ir.Expression]]) -> GrammarSyntaxError:
    for user, order in orders.items():
        if any(isinstance(node, ir.Reference) and node.name == name for node in order):
            at = grammar.positions.get(user, ir.Position(1, 1))
            message = f"rule {name!r}, used by {user!r}, is not defined"
            return GrammarSyntaxError(message, source=grammar.source, line=at.line, column=at.column)
    return GrammarSyntaxError(f"start rule {name!r} is not defined", source=grammar.source)


def analyse(grammar: ir.Grammar) -> Facts:
    """Facts of a grammar all of whose rules are known.

    Raises GrammarSyntaxError for an undefined rule, UnsatisfiableConstraintError when the start rule derives nothing.
    """
    orders = _reachable(grammar)
    terminals = TerminalFacts()
    steps = {name: _steps(order, terminals) for name, order in orders.items()}
    nullable: set[str] = set()
    reads: set[str] = set()
    users: dict[str, list[str]] = {name: [] for name in orders}
    for name, order in orders.items():
        for node in order:
            if isinstance(node, ir.Reference):
                users[node.name].append(name)
    pending, waiting = deque(reversed(orders)), set(orders)  # a rule is looked at again when one that it uses changes
    while pending:
        name = pending.popleft()
        waiting.discard(name)
        empty, read = _evaluate(steps[name], nullable, reads)
        if (empty and name not in nullable) or (read and name not in reads):
            nullable.update([name] if empty else [])
            reads.update([name] if read else [])
            fresh = [user for user in dict.fromkeys(users[name]) if user not in waiting]
            waiting.update(fresh)
            pending.extend(fresh)
    if grammar.start not in nullable and grammar.start not in reads:
        raise UnsatisfiableConstraintError(f"no text matches the start rule {grammar.start!r}")
    return Facts(frozenset(orders), frozenset(nullable), frozenset(reads), terminals)


def diagnostics(grammar: ir.Grammar) -> list[Diagnostic]:
    """Rules that cannot be reached from the start, and reachable rules that derive nothing.

    A grammar whose rules are made on demand has none: its rules are made because they are reached.
    """
    if grammar.make_rule is not None:
        return []
    facts = analyse(grammar)
    found = []
    for name in grammar.rules:
        if name not in facts.reachable:
            found.append(Diagnostic("cannot be reached from the start", name, grammar.positions.get(name)))
        elif name not in facts.nullable and name not in facts.reads:
            found.append(Diagnostic("derives no text", name, grammar.positions.get(name)))
    return found
