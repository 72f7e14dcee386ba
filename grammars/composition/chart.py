"""A chart parser over the grammar itself, for texts that are already there.

The engine that decoders use forgets how it read a text; this one remembers.  A *call* is a rule at a place of the
text; within it there are states of the rule's right-hand side (made into a nondeterministic automaton, or the machine
of an object or a list) at later places.  Each pair of state and place is reached once, and remembers from where: the
first way found is the one that counts.  As in the parsers of Earley (1970) and of Scott and Johnstone (2010), left
recursion and rules that derive the empty text need no special care, and depth no recursion.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.automata.states import States
from constrain.grammars.composition.containers import ItemsMachine, MembersMachine, Move
from constrain.grammars.errors import GrammarError, ResourceLimitError
from constrain.grammars.regular import Intersection, Literal, Regular, Repetition, Symbols

__all__ = ["Chart", "Reading"]

_MAX_STEPS = 5_000_000

_State = tuple[object, ...]
_Call = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """A rule that read the text from `start` to `end`, counted in bytes."""

    rule: str
    start: int
    end: int


class _Network:
    """The right-hand side of a rule as an automaton; state (0,) is the first, state (1,) the last."""

    first = (0,)

    def __init__(self, expression: ir.Expression, spelled: Callable[[str | int], bytes]) -> None:
        self._moves: list[list[Move]] = [[], []]
        pending: list[tuple[ir.Expression, int, int]] = [(expression, 0, 1)]
        while pending:
            node, start, end = pending.pop()
            match node:
                case ir.Sequence(parts):
                    for part in parts:
                        middle = self._state()
                        pending.append((part, start, middle))
                        start = middle
                    self._skip(start, end)
                case ir.Alternation(parts):
                    for part in parts:  # earlier alternatives come first, whatever the order of the work
                        entry = self._state()
                        self._skip(start, entry)
                        pending.append((part, entry, end))
                case ir.Repeat(part, minimum, maximum):
                    self._repeat(part, minimum, maximum, start, end, pending)
                case ir.Terminal(regular):
                    self._moves[start].append(Move((end,), regular=regular))
                case ir.Budget(ir.Terminal(regular), max_bytes):
                    short = Intersection((regular, Repetition(Symbols(((0, 255),)), 0, max_bytes)))
                    self._moves[start].append(Move((end,), regular=short))
                case ir.SpecialToken(token):
                    self._moves[start].append(Move((end,), regular=Literal(spelled(token))))
                case ir.Reference(name):
                    self._moves[start].append(Move((end,), rule=name))
                case _:
                    raise GrammarError(f"{type(node).__name__} cannot be read within other expressions")

    def _state(self) -> int:
        self._moves.append([])
        return len(self._moves) - 1

    def _skip(self, start: int, end: int) -> None:
        """Add a move that reads nothing."""
        self._moves[start].append(Move((end,)))

    def _repeat(
        self,
        part: ir.Expression,
        minimum: int,
        maximum: int | None,
        start: int,
        end: int,
        pending: list[tuple[ir.Expression, int, int]],
    ) -> None:
        if max(minimum, maximum or 0) > 10_000:
            raise ResourceLimitError("a repetition is too large for captures", limit="max_grammar")
        for _ in range(minimum):
            middle = self._state()
            pending.append((part, start, middle))
            start = middle
        if maximum is None:
            loop = self._state()
            self._skip(start, loop)
            pending.append((part, self._entry(loop), loop))
            self._skip(loop, end)
            return
        for _ in range(maximum - minimum):
            middle = self._state()
            pending.append((part, self._entry(start), middle))
            self._skip(start, end)
            start = middle
        self._skip(start, end)

    def _entry(self, state: int) -> int:
        entry = self._state()
        self._skip(state, entry)
        return entry

    def is_final(self, state: _State) -> bool:
        """Whether the rule ends in a state."""
        return state == (1,)

    def moves(self, state: _State) -> Iterator[Move]:
        """What may be read in a state."""
        (number,) = state
        assert isinstance(number, int)
        return iter(self._moves[number])


_Machine = _Network | ItemsMachine | MembersMachine
_Place = tuple[_State, int]
_Origin = tuple[_Place, _Call | None]
"""The state and place before a move, and the call that it read."""


@dataclass(slots=True)
class _Reads:
    """What is known of a call: how each place was reached, where it ends, and who waits for that."""

    machine: _Machine
    origins: dict[_Place, _Origin | None] = field(default_factory=dict)
    ends: dict[int, _State] = field(default_factory=dict)
    waiting: list[tuple[_Call, _Place, _State]] = field(default_factory=list)


class Chart:
    """All ways in which rules read a text.  `rule` gives right-hand sides, `spelled` the texts of special tokens."""

    def __init__(
        self, text: bytes, start: str, rule: Callable[[str], ir.Expression], spelled: Callable[[str | int], bytes]
    ) -> None:
        self._text, self._rule, self._spelled = text, rule, spelled
        self._machines: dict[str, _Machine] = {}
        self._lexers: dict[int, tuple[Regular, States]] = {}
        self._ends: dict[tuple[int, int], list[int]] = {}
        self._calls: dict[_Call, _Reads] = {}
        self._pending: list[tuple[_Call, _Place]] = []
        self._start: _Call = start, 0
        self._call(self._start)
        steps = 0
        while self._pending:
            steps += 1
            if steps > _MAX_STEPS:
                raise ResourceLimitError("the text is too long, or too ambiguous, for captures", limit="max_work")
            self._advance(*self._pending.pop())

    def _call(self, call: _Call) -> _Reads:
        reads = self._calls.get(call)
        if reads is None:
            reads = self._calls[call] = _Reads(self._machine(call[0]))
            self._reach(call, reads, (reads.machine.first, call[1]), None)
        return reads

    def _machine(self, name: str) -> _Machine:
        if name not in self._machines:
            self._machines[name] = self._made(self._rule(name))
        return self._machines[name]

    def _made(self, expression: ir.Expression) -> _Machine:
        match expression:
            case ir.Members():
                return MembersMachine(expression)
            case ir.Items():
                return ItemsMachine(expression)
        return _Network(self._named(expression), self._spelled)

    def _named(self, expression: ir.Expression) -> ir.Expression:
        """The expression with objects and lists within it as rules of their own."""
        from constrain.grammars.composition.expressions import rewritten

        def leaf(node: ir.Expression) -> ir.Expression:
            if not isinstance(node, ir.Members | ir.Items):
                return node
            name = f"<{len(self._machines)}>"
            self._machines[name] = self._made(node)
            return ir.Reference(name)

        return rewritten(expression, leaf)

    def _reach(self, call: _Call, reads: _Reads, place: _Place, origin: _Origin | None) -> None:
        if place in reads.origins:
            return
        reads.origins[place] = origin
        self._pending.append((call, place))
        state, at = place
        if reads.machine.is_final(state) and at not in reads.ends:
            reads.ends[at] = state
            for waiter, before, after in reads.waiting:
                self._reach(waiter, self._calls[waiter], (after, at), (before, call))

    def _advance(self, call: _Call, place: _Place) -> None:
        reads = self._calls[call]
        state, at = place
        # What is reached last is gone on with first: so the first move is made last.
        for move in reversed(list(reads.machine.moves(state))):
            if move.rule is not None:
                called = move.rule, at
                below = self._call(called)
                below.waiting.append((call, place, move.state))
                for end in list(below.ends):
                    self._reach(call, reads, (move.state, end), (place, called))
            elif move.regular is not None:
                for end in self._lexeme_ends(move.regular, at):
                    for target in self._targets(reads.machine, move, self._text[at:end]):
                        self._reach(call, reads, (target, end), (place, None))
            else:
                self._reach(call, reads, (move.state, at), (place, None))

    @staticmethod
    def _targets(machine: _Machine, move: Move, lexeme: bytes) -> list[_State]:
        """The states after a lexeme."""
        if not isinstance(machine, MembersMachine) or not move.is_key:
            return [move.state]
        return machine.after_key(lexeme, move.state)

    def _lexeme_ends(self, regular: Regular, start: int) -> list[int]:
        """Where lexemes of a regular language that begin at a place end."""
        key = id(regular), start
        if key in self._ends:
            return self._ends[key]
        if id(regular) not in self._lexers:
            self._lexers[id(regular)] = regular, States(Language(regular))
        lexer = self._lexers[id(regular)][1]
        ends, state, at = [], lexer.start, start
        while state is not None:
            if lexer.is_final(state):
                ends.append(at)
            state = lexer.after(state, self._text[at]) if at < len(self._text) else None
            at += 1
        self._ends[key] = ends
        return ends

    # Results

    def furthest(self) -> int:
        """How far any rule read the text."""
        return max(at for reads in self._calls.values() for _, at in reads.origins)

    def accepts(self) -> bool:
        """Whether the start rule reads the whole text."""
        return len(self._text) in self._calls[self._start].ends

    def readings(self) -> list[Reading]:
        """The rules in one way of reading the whole text, outer ones before inner ones, from left to right."""
        found, pending = [], [(self._start, len(self._text))]
        while pending:
            call, end = pending.pop()
            found.append(Reading(call[0], call[1], end))
            reads = self._calls[call]
            place: _Place = reads.ends[end], end
            while (origin := reads.origins[place]) is not None:
                before, called = origin
                if called is not None:
                    pending.append((called, place[1]))
                place = before
        return found
