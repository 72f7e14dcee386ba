"""A grammar through which a state is carried from left to right.

What some terminals of a grammar of the Lark front-end may be, and what the state is behind them, is said in Python
(`Semantics`); the rest is the grammar's.  Two sorts of rules are told apart:

- Rules in which the state changes are read from left to right: what is left of the rules that have been begun is a
  list, which with the state is a rule of its own, made when a text comes to it.
- In all others, the state is an argument: a rule is made for each that it is asked for with.

Changes of the state, and what makes the list longer, are bindings (`ir.Binding`), so that what is behind them is not
asked for before: there would be no end to it.  What is known of it before is a lower bound of its length.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from constrain.grammars import ir
from constrain.grammars.library.carried_lengths import LeastLengths
from constrain.grammars.library.carried_semantics import Semantics, Step
from constrain.grammars.regular import Concatenation, Regular, Repetition, Symbols, Union

__all__ = ["carried"]

_State = TypeVar("_State", bound=Hashable)
_ANY_BYTE = Symbols(((0, 255),))
_SHARED = {"rest"}  # rules that `shared_beginnings` makes
_FEW = 24  # terminals that a list begins with
_NOTHING = 0  # the list without expressions


@dataclass(frozen=True, slots=True)
class _Leave(ir.Expression):
    """The end of a rule that is nested."""


_LEAVE = _Leave()


class _Machine(Generic[_State]):
    """The rules of a grammar with space, and the lists of what is left to read, by number: the first and the rest."""

    def __init__(self, grammar: ir.Grammar, semantics: Semantics[_State]) -> None:
        self._rules, self._semantics = grammar.rules, semantics
        self._marked = semantics.changing | semantics.reading
        self._entered = semantics.nested | semantics.isolated
        self._names = self._names_in_rules()
        self._least = LeastLengths(grammar)
        self._lists: list[tuple[ir.Expression, int]] = [(ir.Sequence(()), _NOTHING)]
        self._sizes, self._bounds, self._optional = [0], [0], [True]
        self._numbers: dict[tuple[int, int], int] = {}
        self._open: dict[tuple[int, frozenset[str]], bool] = {}
        self._tails: dict[int, int] = {}
        self._tail_parts: list[tuple[ir.Expression, ...]] = []
        self._followings: dict[tuple[frozenset[int], int], ir.Terminal] = {}
        self._terminals: dict[tuple[int, Regular], ir.Terminal] = {}

    def start(self, rule: str, state: _State) -> ir.Expression:
        """The right-hand side of the first rule."""
        return self.rest(self._with(self._rules[rule], _NOTHING), state)

    # What a rule depends on

    def _names_in_rules(self) -> dict[str, frozenset[str]]:
        """The marked terminals that are read with the state of a rule, and the rules entered: a least fixed point."""
        found = {name: frozenset[str]() for name in self._rules}
        size = -1
        while size != (now := sum(map(len, found.values()))):
            size = now
            for name, rule in self._rules.items():
                found[name] = frozenset(self._names_in(rule, found))
        return found

    def _names_in(self, node: ir.Expression, found: dict[str, frozenset[str]]) -> set[str]:
        match node:
            case ir.Terminal(name=name):
                return {name} & self._marked
            case ir.Reference(name):
                own = {_plain(name)} & self._entered
                return own if own & self._semantics.isolated else own | found[name]
            case ir.Sequence(parts) | ir.Alternation(parts):
                return {name for part in parts for name in self._names_in(part, found)}
        raise TypeError(f"{type(node).__name__} is not made by the Lark front-end")

    def _changes(self, rule: str) -> bool:
        return not self._names[rule].isdisjoint(self._semantics.changing)

    def _has_text(self, node: ir.Expression, state: _State) -> bool:
        """Whether there is a text, when some rules cannot be entered; those that can be have one."""
        closed = self._semantics.closed(state)
        if closed and (id(node), closed) not in self._open:
            self._open[id(node), closed] = self._is_open(node, closed, frozenset())
        return not closed or self._open[id(node), closed]

    def _is_open(self, node: ir.Expression, closed: frozenset[str], asked: frozenset[str]) -> bool:
        match node:
            case ir.Reference(name):
                if _plain(name) in self._entered:
                    return _plain(name) not in closed
                if self._names[name].isdisjoint(closed):
                    return True
                return name not in asked and self._is_open(self._rules[name], closed, asked | {name})
            case ir.Sequence(parts):
                return all(self._is_open(part, closed, asked) for part in parts)
            case ir.Alternation(parts):
                return any(self._is_open(part, closed, asked) for part in parts)
        return True

    # Rules in which the state is an argument

    def body(self, rule: str, state: _State) -> ir.Expression:
        """The right-hand side of a rule with a state."""
        return self._made(self._rules[rule], state) or ir.Alternation(())

    def _made(self, node: ir.Expression, state: _State) -> ir.Expression | None:
        """An expression with a state; None: it has no text."""
        match node:
            case ir.Terminal(name=name) if name in self._marked:
                return _either([self._terminal(node, step.texts) for step in self._semantics.steps(name, state)])
            case ir.Reference(name):
                return self._call(name, state)
            case ir.Sequence(parts):
                return self._sequence(id(node), parts, state)
            case ir.Alternation(parts):
                return _either([copy for part in parts if (copy := self._made(part, state)) is not None])
        return node

    def _sequence(self, key: int, parts: tuple[ir.Expression, ...], state: _State) -> ir.Expression | None:
        """A sequence; behind a terminal, rules that are entered are not asked for before."""
        made = [copy for part in parts if (copy := self._made(part, state)) is not None]
        if len(made) != len(parts):
            return None
        least = sum(map(self._least.of, parts[1:]))
        if least == 0 or not isinstance(made[0], ir.Terminal) or not self._enters(parts[1:]):
            return ir.Sequence(tuple(made))
        if key not in self._tails:
            self._tails[key] = len(self._tail_parts)
            self._tail_parts.append(parts[1:])
        names = frozenset(name for part in parts[1:] for name in self._names_in(part, self._names))
        late = ir.Late(_Tail(self, self._tails[key], self._semantics.projected(names, state)))
        return ir.Binding(made[0], _Always(late), self._following({}, least))

    def _enters(self, parts: Sequence[ir.Expression]) -> bool:
        """Whether rules are entered there, or in what the parts share with other rules."""
        pending, seen = list(parts), set[str]()
        while pending:
            match pending.pop():
                case ir.Reference(name) if _plain(name) in self._entered:
                    return True
                case ir.Reference(name) if _plain(name) in _SHARED and name not in seen:
                    seen.add(name)
                    pending.append(self._rules[name])
                case ir.Sequence(more) | ir.Alternation(more):
                    pending += more
        return False

    def tail(self, number: int, state: _State) -> ir.Expression:
        """What is behind the terminal that a sequence begins with."""
        parts = self._tail_parts[number]
        return self._sequence(id(parts), parts, state) or ir.Alternation(())

    def _call(self, rule: str, state: _State) -> ir.Expression | None:
        """A rule as an expression of its own."""
        plain = _plain(rule)
        inner = self._semantics.enter(plain, state) if plain in self._entered else state
        if inner is None or not self._has_text(self._rules[rule], inner):
            return None
        if self._changes(rule):
            return ir.Late(_Rest(self, self._with(self._rules[rule], _NOTHING), inner))
        return ir.Late(_Rule(self, rule, self._semantics.projected(self._names[rule], inner)))

    # Rules in which it changes

    def _with(self, node: ir.Expression, rest: int) -> int:
        """The list of an expression and what is behind it."""
        key = id(node), rest
        if key not in self._numbers:
            self._numbers[key] = len(self._lists)
            self._lists.append((node, rest))
            self._sizes.append(self._sizes[rest] + 1)
            self._bounds.append(self._bounds[rest] + self._least.of(node))
            self._optional.append(self._optional[rest] and self._least.of(node) == 0)
        return self._numbers[key]

    def rest(self, left: int, state: _State) -> ir.Expression:
        """What may be read of a list, but the empty text."""
        ways: list[ir.Expression] = []
        pending = [(left, state)]
        while pending:
            at, here = pending.pop()
            node, rest = self._lists[at]
            match node:
                case _ if at == _NOTHING:
                    continue
                case _Leave():
                    pending.append((rest, self._semantics.leave(here)))
                case ir.Alternation(parts):
                    pending += [(self._with(part, rest), here) for part in reversed(parts)]
                case ir.Sequence(parts) if all(self._has_text(part, here) for part in parts):
                    for part in reversed(parts):
                        rest = self._with(part, rest)
                    pending.append((rest, here))
                case ir.Reference(name) if self._changes(name) and _plain(name) not in self._semantics.isolated:
                    pending += self._begun(name, rest, here)
                case ir.Reference(name):
                    called = self._call(name, here)
                    ways += [] if called is None else [self._behind(called, rest, here)]
                case ir.Terminal(name=name) if name in self._marked:
                    for step in self._semantics.steps(name, here):
                        ways += self._stepped(self._terminal(node, step.texts), step, left, rest, here)
                case ir.Terminal():
                    ways += self._stepped(node, Step(node.regular, here), left, rest, here)
        return ir.Alternation(tuple(ways))

    def _begun(self, rule: str, rest: int, state: _State) -> list[tuple[int, _State]]:
        plain, body = _plain(rule), self._rules[rule]
        if plain not in self._semantics.nested:
            return [(self._with(body, rest), state)]
        inner = self._semantics.enter(plain, state)
        return [] if inner is None else [(self._with(body, self._with(_LEAVE, rest)), inner)]

    def _stepped(
        self, terminal: ir.Terminal, step: Step[_State], left: int, rest: int, state: _State
    ) -> list[ir.Expression]:
        """A terminal and what is behind it."""
        same = step.state == state and self._sizes[rest] <= self._sizes[left]
        if step.bound is None and (same or rest == _NOTHING):
            return [self._behind(terminal, rest, step.state)]
        after = _After(self, rest, step.state, step.bound)
        optional = self._optional[rest]
        bound = 1 if optional else max(self._bounds[rest] + self._semantics.more(step.state), 1)
        binding = ir.Binding(terminal, after, self._following(self._firsts(rest), bound))
        return [terminal, binding] if optional else [binding]

    def _firsts(self, left: int) -> dict[int, ir.Terminal]:
        """The terminals that a list may begin with, by identity, whatever the state is."""
        found: dict[int, ir.Terminal] = {}
        seen: set[str] = set()
        while left != _NOTHING:
            node, left = self._lists[left]
            pending = [node]
            while pending:
                match pending.pop():
                    case ir.Terminal() as terminal:
                        found[id(terminal)] = terminal
                    case ir.Reference(name) if name not in seen:
                        seen.add(name)
                        pending.append(self._rules[name])
                    case ir.Sequence(parts):
                        needed = next((i for i, part in enumerate(parts) if self._least.of(part) > 0), len(parts))
                        pending += parts[: needed + 1]
                    case ir.Alternation(parts):
                        pending += parts
            if self._least.of(node) > 0:
                break
        return found

    def _following(self, firsts: dict[int, ir.Terminal], least: int) -> ir.Terminal:
        """Texts of at least so many bytes that begin with one of the terminals, if they are few."""
        key = frozenset(firsts) if len(firsts) <= _FEW else frozenset[int](), least
        if key not in self._followings:
            ways = [
                Concatenation((first.regular, Repetition(_ANY_BYTE, max(least - self._least.of(first), 0), None)))
                for first in firsts.values()
            ]
            texts: Regular = Union(tuple(ways)) if key[0] else Repetition(_ANY_BYTE, least, None)
            self._followings[key] = ir.Terminal(texts, "rest")
        return self._followings[key]

    def _behind(self, first: ir.Expression, rest: int, state: _State) -> ir.Expression:
        if rest == _NOTHING:
            return first
        late: ir.Expression = ir.Late(_Rest(self, rest, state))
        return ir.Sequence((first, ir.Repeat(late, 0, 1) if self._optional[rest] else late))

    def _terminal(self, terminal: ir.Terminal, texts: Regular) -> ir.Terminal:
        """A marked terminal with the texts of a step, behind the space that it has before it."""
        key = id(terminal), texts
        if key not in self._terminals:
            space = terminal.regular.parts[:-1] if isinstance(terminal.regular, Concatenation) else ()
            self._terminals[key] = ir.Terminal(Concatenation((*space, texts)) if space else texts, terminal.name)
        return self._terminals[key]


@dataclass(frozen=True, slots=True)
class _Rest(Generic[_State]):
    """What is left to read, and the state."""

    machine: _Machine[_State]
    left: int
    state: _State

    def expression(self) -> ir.Expression:
        """Its alternatives, which begin with different terminals or calls."""
        return self.machine.rest(self.left, self.state)


@dataclass(frozen=True, slots=True)
class _Rule(Generic[_State]):
    """A rule with a state."""

    machine: _Machine[_State]
    rule: str
    state: _State

    def expression(self) -> ir.Expression:
        """The right-hand side."""
        return self.machine.body(self.rule, self.state)


@dataclass(frozen=True, slots=True)
class _Tail(Generic[_State]):
    """The rest of a sequence with a state."""

    machine: _Machine[_State]
    number: int
    state: _State

    def expression(self) -> ir.Expression:
        """What is behind its first terminal."""
        return self.machine.tail(self.number, self.state)


@dataclass(frozen=True, slots=True)
class _Always:
    """What follows, whatever the text is."""

    rest: ir.Expression

    def __call__(self, _text: bytes, /) -> ir.Expression:
        return self.rest


@dataclass(frozen=True, slots=True)
class _After(Generic[_State]):
    """What is behind a terminal that changes the state."""

    machine: _Machine[_State]
    left: int
    state: _State
    bound: Callable[[_State, str], _State] | None

    def __call__(self, text: bytes, /) -> ir.Expression:
        state = self.state if self.bound is None else self.bound(self.state, text.decode())
        return ir.Late(_Rest(self.machine, self.left, state))


def _either(ways: Sequence[ir.Expression]) -> ir.Expression | None:
    return None if not ways else ways[0] if len(ways) == 1 else ir.Alternation(tuple(ways))


def _plain(rule: str) -> str:
    """The name of a rule as it is written in the grammar's source."""
    return rule.partition(" ")[0]


def carried(grammar: ir.Grammar, semantics: Semantics[_State], state: _State) -> ir.Grammar:
    """The grammar, one that `spaced` has made, with a state that is `state` at the beginning.

    Every way to read a text up to some place must be one to read a whole text: what `steps` offers has to see to it.
    """
    machine = _Machine(grammar, semantics)
    return ir.Grammar(grammar.start, {grammar.start: machine.start(grammar.start, state)}, source=grammar.source)
