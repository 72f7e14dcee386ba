"""Rules that may be loaded one by one: none derives the empty text, and none begins with itself.

Where rules are made on demand, nothing is known of a rule before a text comes to it.  So no rule may derive the empty
text, and left recursion, whose groups of rules would have to be known beforehand, is not possible.  A grammar whose
rules are known is brought into this form when it is put together with one whose rules are not:

- what derives the empty text is said where a rule is used: a reference to it becomes optional;
- left recursion becomes right recursion.  A group of rules that begin with each other is a left-linear system
  A_i = R_i | A_k T_ik | …; with B_ki, what may follow A_k on the way to A_i, it is the right-linear system
  A_i = R_k B_ki | … and B_ki = T_jk B_ji | … (as in Paull's elimination, but of polynomial size).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from constrain.grammars import ir
from constrain.grammars.analysis import TerminalFacts, analyse
from constrain.grammars.composition.expressions import postorder
from constrain.grammars.graphs import components
from constrain.grammars.lexemes import merge_terminals
from constrain.grammars.regular import (
    Concatenation,
    Epsilon,
    Intersection,
    Literal,
    Regular,
    Repetition,
    Symbols,
    Union,
    Without,
)

__all__ = ["DEAD", "Form", "reading_rules"]

DEAD = ir.Alternation(())
NOTHING = ir.Sequence(())
_ANY_BYTE = Symbols(((0, 255),))


@dataclass(frozen=True, slots=True)
class Form:
    """A language in two parts: whether the empty text belongs to it, and all other texts; `DEAD` for none."""

    nullable: bool
    reads: ir.Expression

    @property
    def whole(self) -> ir.Expression:
        """All of the language."""
        if not self.nullable:
            return self.reads
        return NOTHING if self.reads is DEAD else ir.Repeat(self.reads, 0, 1)


def _sequence(parts: Iterable[ir.Expression]) -> ir.Expression:
    kept: list[ir.Expression] = []
    for part in parts:
        if part is DEAD:
            return DEAD
        kept.extend(part.parts if isinstance(part, ir.Sequence) else [part])
    return kept[0] if len(kept) == 1 else ir.Sequence(tuple(kept)) if kept else NOTHING


def _alternation(parts: Iterable[ir.Expression]) -> ir.Expression:
    kept: list[ir.Expression] = []
    for part in parts:
        kept.extend(part.parts if isinstance(part, ir.Alternation) else [part])
    return kept[0] if len(kept) == 1 else ir.Alternation(tuple(kept)) if kept else DEAD


def _in_sequence(forms: list[Form]) -> Form:
    """One after the other: some part is the first that reads, and those before it read nothing."""
    ways, wholes = [], [form.whole for form in forms]
    for i, form in enumerate(forms):
        ways.append(_sequence([form.reads, *wholes[i + 1 :]]))
        if not form.nullable:
            break
    return Form(all(form.nullable for form in forms), _alternation(ways))


def _repeated(form: Form, minimum: int, maximum: int | None) -> Form:
    if maximum == 0:
        return Form(True, DEAD)
    nullable = minimum == 0 or form.nullable
    if form.reads is DEAD:
        return Form(nullable, DEAD)
    return Form(nullable, ir.Repeat(form.reads, 1 if form.nullable else max(minimum, 1), maximum))


def _facts(regular: Regular, depth: int = 8) -> tuple[bool, bool] | None:
    """Whether a language has the empty text, and other ones, where that is seen without an automaton."""
    if depth == 0:
        return None
    match regular:
        case Epsilon():
            return True, False
        case Literal(text):
            return text == b"", text != b""
        case Symbols(ranges):
            return False, bool(ranges)
        case Concatenation(parts) | Union(parts):
            known = [facts for part in parts if (facts := _facts(part, depth - 1)) is not None]
            if len(known) < len(parts):
                return None
            some = any(read for _, read in known)
            if isinstance(regular, Union):
                return any(empty for empty, _ in known), some
            return all(empty for empty, _ in known), some and all(empty or read for empty, read in known)
        case Repetition(part, minimum, maximum):
            facts = _facts(part, depth - 1)
            return None if facts is None else (minimum == 0 or facts[0], facts[1] and maximum != 0)
    return None


class _Forms:
    """Forms of expressions, given those of the rules that they refer to."""

    def __init__(self, rule: Callable[[str], Form]) -> None:
        self._rule = rule
        self._facts = TerminalFacts()
        self._terminals: dict[int, tuple[Regular, Form]] = {}

    def _terminal(self, terminal: ir.Terminal) -> Form:
        regular = terminal.regular
        if id(regular) not in self._terminals:
            nullable, reads = _facts(regular) or self._facts.of(regular)
            reading = Without(regular, (b"",)) if nullable else regular
            form = Form(nullable, ir.Terminal(reading, terminal.name) if reads else DEAD)
            self._terminals[id(regular)] = regular, form
        return self._terminals[id(regular)][1]

    def of(self, expression: ir.Expression) -> Form:
        """The form of an expression."""
        made: dict[int, Form] = {}
        for node in postorder(expression):
            match node:
                case ir.Terminal():
                    form = self._terminal(node)
                case ir.Reference(name):
                    form = self._rule(name)
                case ir.Sequence(parts):
                    form = _in_sequence([made[id(part)] for part in parts])
                case ir.Alternation(parts):
                    forms = [made[id(part)] for part in parts]
                    form = Form(any(one.nullable for one in forms), _alternation(one.reads for one in forms))
                case ir.Repeat(part, minimum, maximum):
                    form = _repeated(made[id(part)], minimum, maximum)
                case ir.Budget(ir.Terminal(regular), max_bytes):
                    short = Intersection((regular, Repetition(_ANY_BYTE, 0, max_bytes)))
                    form = self._terminal(ir.Terminal(short))
                case _:
                    form = Form(False, node)
            made[id(node)] = form
        return made[id(expression)]


# Left recursion


def _beginnings(expression: ir.Expression) -> list[tuple[ir.Expression, ir.Expression]]:
    """The first parts of a language that does not contain the empty text, each with what follows it."""
    found: list[tuple[ir.Expression, ir.Expression]] = []
    pending: list[tuple[ir.Expression, ir.Expression]] = [(expression, NOTHING)]
    while pending:
        node, rest = pending.pop()
        match node:
            case ir.Alternation(parts):
                pending.extend((part, rest) for part in reversed(parts))
            case ir.Sequence(parts) if parts:
                pending.append((parts[0], _as_sequence([*parts[1:], rest])))
            case ir.Repeat(part, minimum, maximum):
                again = ir.Repeat(part, minimum - 1, None if maximum is None else maximum - 1)
                pending.append((part, rest if maximum == 1 else _as_sequence([again, rest])))
            case _:
                found.append((node, rest))
    return found


def _as_sequence(parts: list[ir.Expression]) -> ir.Sequence:
    joined = _sequence(parts)
    return joined if isinstance(joined, ir.Sequence) else ir.Sequence((joined,))


def _reached(name: str, edges: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    pending = [name]
    while pending:
        for other in edges[pending.pop()] - found:
            found.add(other)
            pending.append(other)
    return found


class _Eliminator:
    """Replaces left recursion in rules, each of which is without the empty text."""

    def __init__(self, rules: dict[str, ir.Expression], forms: _Forms) -> None:
        self._rules, self._forms = rules, forms
        self._splits = {name: _beginnings(rule) for name, rule in rules.items()}

    def run(self) -> None:
        edges = {
            name: {first.name for first, _ in split if isinstance(first, ir.Reference)}
            for name, split in self._splits.items()
        }
        for group in components(edges):
            if len(group) > 1 or group[0] in edges[group[0]]:
                self._turn(group)

    def _turn(self, group: list[str]) -> None:
        """Make a group right-recursive."""
        first, steps = self._system(group)
        after = {start: _reached(start, {name: set(steps[name]) for name in group}) for start in group}
        for end in group:
            for start in group:
                if end in after[start]:
                    ways = [self._way(step, middle, end, after) for middle, step in steps[start].items()]
                    self._rules[_name(start, end)] = _alternation(ways)
        for end in group:
            ways = [_sequence([first[start], self._tail(start, end)]) for start in group if end in after[start]]
            self._rules[end] = _alternation([first[end], *ways])

    def _way(self, step: ir.Expression, middle: str, end: str, after: dict[str, set[str]]) -> ir.Expression:
        """A step to `middle`, and from there to `end`."""
        if end not in after[middle]:
            return step if middle == end else DEAD
        tail = self._tail(middle, end)
        return _sequence([step, ir.Repeat(tail, 0, 1) if middle == end else tail])

    @staticmethod
    def _tail(start: str, end: str) -> ir.Reference:
        return ir.Reference(_name(start, end))

    def _system(self, group: list[str]) -> tuple[dict[str, ir.Expression], dict[str, dict[str, ir.Expression]]]:
        """What each rule of a group is besides what begins with the group, and what follows one on the way to another.

        What follows reads something: where a rule may be nothing but another one, the other's texts are its own.
        """
        first: dict[str, list[ir.Expression]] = {name: [] for name in group}
        steps: dict[str, dict[str, list[ir.Expression]]] = {name: {} for name in group}
        same: dict[str, set[str]] = {name: set() for name in group}
        for name in group:
            for beginning, rest in self._splits[name]:
                if isinstance(beginning, ir.Reference) and beginning.name in steps:
                    form = self._forms.of(rest)
                    if form.nullable:
                        same[beginning.name].add(name)
                    if form.reads is not DEAD:
                        steps[beginning.name].setdefault(name, []).append(form.reads)
                else:
                    first[name].append(_sequence([beginning, rest]))
        closed = {name: {name} | _reached(name, same) for name in group}
        all_first: dict[str, list[ir.Expression]] = {name: [] for name in group}
        all_steps: dict[str, dict[str, list[ir.Expression]]] = {name: {} for name in group}
        for name in group:
            for other in closed[name]:
                all_first[other] += first[name]
            for middle, tails in steps[name].items():
                for other in closed[middle]:
                    all_steps[name].setdefault(other, []).extend(tails)
        return (
            {name: _alternation(parts) for name, parts in all_first.items()},
            {name: {end: _alternation(tails) for end, tails in ends.items()} for name, ends in all_steps.items()},
        )


def _name(start: str, end: str) -> str:
    return f"{start} … {end}"


def reading_rules(grammar: ir.Grammar) -> tuple[dict[str, ir.Expression], Form]:
    """Rules that may be loaded one by one, and the start of a grammar whose rules are known, in terms of them.

    Raises GrammarSyntaxError for undefined rules, UnsatisfiableConstraintError when no text matches the grammar.
    """
    merged = merge_terminals(grammar)
    facts = analyse(merged)

    def rule(name: str) -> Form:
        return Form(name in facts.nullable, ir.Reference(name) if name in facts.reads else DEAD)

    forms = _Forms(rule)
    rules = {name: forms.of(merged.rules[name]).reads for name in facts.reads}
    _Eliminator(rules, forms).run()
    return rules, rule(grammar.start)
