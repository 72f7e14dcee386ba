"""Regular expressions with assertions anywhere, as explicit automata.

An assertion is a condition on the text before or after a place.  The text before is what has been read: of it, the
last character is remembered (for anchors and word boundaries), and each look-behind ``(?<=A)`` runs the automaton of
"anything, then A" along.  The text after is still to come: passing ``(?=A)`` leaves an *obligation* to the thread that
passed it, a simulation of A's threads on the same characters, one of which has to succeed (or, negated, none).
Threads with obligations are an alternating automaton (Chandra, Kozen & Stockmeyer 1981), here made nondeterministic:
its states are threads together with what is remembered of the past.

Works on classes of characters that the expression does not tell apart, and writes bytes at the end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from constrain.grammars.errors import GrammarSyntaxError, ResourceLimitError
from constrain.grammars.regex import charset
from constrain.grammars.regex.bytes import byte_automaton
from constrain.grammars.regex.syntax import (
    Alternatives,
    Anchor,
    CharacterClass,
    Look,
    Node,
    Place,
    Repeated,
    Series,
)
from constrain.grammars.regular import MAX_CODE_POINT, Ranges, Regular

__all__ = ["automaton_of"]

_MAX_STATES = 20_000
_MAX_COPIES = 1_000

_ANY = CharacterClass(charset.EVERYTHING)
_NEWLINE: Ranges = ((10, 10),)
_END = Look(_ANY, True, True)


@dataclass(frozen=True, slots=True)
class _After(Node):
    """The last character is in the set; or nothing has been read, if `at_start` allows that."""

    ranges: Ranges
    at_start: bool


def _boundary(word: Ranges) -> Node:
    """A word character on exactly one side."""
    ahead = CharacterClass(word)
    outside = _After(charset.complement(word), True)
    return Alternatives(
        (
            Series((_After(word, False), Look(ahead, True, True))),
            Series((outside, Look(ahead, True, False))),
        )
    )


def _no_boundary(word: Ranges) -> Node:
    ahead = CharacterClass(word)
    outside = _After(charset.complement(word), True)
    return Alternatives(
        (
            Series((_After(word, False), Look(ahead, True, False))),
            Series((outside, Look(ahead, True, True))),
        )
    )


def _explicit(node: Node) -> Node:
    """The tree with anchors replaced by conditions on the last character and look-ahead."""
    match node:
        case Series(parts):
            return Series(tuple(map(_explicit, parts)))
        case Alternatives(parts):
            return Alternatives(tuple(map(_explicit, parts)))
        case Repeated(part, minimum, maximum):
            return Repeated(_explicit(part), minimum, maximum)
        case Look(part, ahead, negative):
            return Look(_explicit(part), ahead, negative)
        case Anchor(place, word):
            match place:
                case Place.START:
                    return _After((), True)
                case Place.LINE_START:
                    return _After(_NEWLINE, True)
                case Place.END:
                    return _END
                case Place.END_OR_LAST_NEWLINE:
                    return Look(Series((Repeated(CharacterClass(_NEWLINE), 0, 1), _END)), True, False)
                case Place.LINE_END:
                    return Look(Alternatives((CharacterClass(_NEWLINE), _END)), True, False)
                case Place.WORD_BOUNDARY:
                    return _boundary(word)
                case Place.NOT_WORD_BOUNDARY:
                    return _no_boundary(word)
    return node


class _Machine:
    """Thompson's automaton of an explicit tree with guarded empty moves; looks are parts of the same automaton."""

    def __init__(self, tree: Node) -> None:
        self.edges: list[list[tuple[Ranges, int]]] = []
        self.moves: list[list[tuple[Node | None, int]]] = []
        self.looks: dict[int, tuple[int, int]] = {}  # first and last state of each look, by its identity
        self.behinds: list[Look] = []
        self.first, self.last = self._add(tree)

    def _state(self) -> int:
        if len(self.edges) >= _MAX_STATES:
            raise _too_large()
        self.edges.append([])
        self.moves.append([])
        return len(self.edges) - 1

    def _add(self, node: Node) -> tuple[int, int]:
        """Add the automaton of a tree; its first and last state."""
        start, end = self._state(), self._state()
        match node:
            case CharacterClass(ranges):
                self.edges[start].append((ranges, end))
            case Series(parts):
                self.moves[self._chain(parts, start)].append((None, end))
            case Alternatives(parts):
                for part in parts:
                    self.moves[self._chain((part,), start)].append((None, end))
            case Repeated(part, minimum, maximum):
                self._repeat(part, minimum, maximum, start, end)
            case _:
                self.moves[start].append((node, end))
                if isinstance(node, Look) and id(node) not in self.looks:
                    self.looks[id(node)] = self._add(node.part)
                    if not node.ahead:
                        self.behinds.append(node)
        return start, end

    def _chain(self, parts: Iterable[Node], at: int) -> int:
        for part in parts:
            first, last = self._add(part)
            self.moves[at].append((None, first))
            at = last
        return at

    def _repeat(self, part: Node, minimum: int, maximum: int | None, start: int, end: int) -> None:
        if max(minimum, maximum or 0) > _MAX_COPIES:
            raise _too_large()
        at = self._chain([part] * minimum, start)
        if maximum is None:
            loop = self._state()
            self.moves[at].append((None, loop))
            self.moves[self._chain((part,), loop)].append((None, loop))
            at = loop
        for _ in range(0 if maximum is None else maximum - minimum):
            self.moves[at].append((None, end))
            at = self._chain((part,), at)
        self.moves[at].append((None, end))


def _too_large() -> ResourceLimitError:
    return ResourceLimitError("a regular expression with assertions needs too many states", limit="max_grammar")


@dataclass(frozen=True, slots=True)
class _Thread:
    """A state of the machine, and the obligations that the way there has left."""

    state: int
    obligations: frozenset["_Obligation"] = frozenset()


@dataclass(frozen=True, slots=True)
class _Obligation:
    """One of the threads has to reach state `last` on the text to come; or, `negative`, none may."""

    negative: bool
    last: int
    threads: frozenset[_Thread]


@dataclass(frozen=True, slots=True)
class _Past:
    """The class of the last character (-1: nothing has been read), and the states of each look-behind."""

    last: int
    behind: tuple[frozenset[int], ...]


_START = _Past(-1, ())


class _Simulation:
    """Steps of threads over classes of characters."""

    def __init__(self, machine: _Machine, classes: list[int]) -> None:
        self._machine, self._classes = machine, classes
        self._members: dict[Ranges, list[bool]] = {}

    def start(self) -> _Past:
        """The past before any text."""
        past = _START
        return _Past(-1, tuple(self._behind(look, frozenset(), past) for look in self._machine.behinds))

    def _behind(self, look: Look, before: frozenset[int], past: _Past) -> frozenset[int]:
        """States of a look-behind: those before, and a new attempt from here."""
        first, _ = self._machine.looks[id(look)]
        return frozenset(t.state for t in self.closure([*map(_Thread, before), _Thread(first)], past))

    def advance(self, past: _Past, number: int) -> _Past:
        """The past after a character of class `number`."""
        after = _Past(number, ())
        states = []
        for look, before in zip(self._machine.behinds, past.behind, strict=True):
            moved = frozenset(target for state in before for target in self._targets(state, number))
            states.append(self._behind(look, moved, after))
        return _Past(number, tuple(states))

    def _contains(self, ranges: Ranges, number: int) -> bool:
        """Whether the characters of a class belong to a set."""
        if ranges not in self._members:
            self._members[ranges] = [charset.contains(ranges, code) for code in self._classes]
        return self._members[ranges][number]

    def _targets(self, state: int, number: int) -> Iterator[int]:
        return (target for ranges, target in self._machine.edges[state] if self._contains(ranges, number))

    def closure(self, threads: Iterable[_Thread], past: _Past) -> frozenset[_Thread]:
        """The threads reached by empty moves whose guards hold; look-ahead becomes an obligation."""
        reached = set(threads)
        pending = list(reached)
        while pending:
            thread = pending.pop()
            for guard, target in self._machine.moves[thread.state]:
                moved = self._pass(guard, target, thread, past)
                if moved is not None and moved not in reached:
                    reached.add(moved)
                    pending.append(moved)
        return frozenset(reached)

    def _pass(self, guard: Node | None, target: int, thread: _Thread, past: _Past) -> _Thread | None:
        match guard:
            case None:
                return _Thread(target, thread.obligations)
            case _After(ranges, at_start):
                holds = at_start if past.last < 0 else self._contains(ranges, past.last)
                return _Thread(target, thread.obligations) if holds else None
            case Look(_, False, negative):
                number = next(i for i, look in enumerate(self._machine.behinds) if look is guard)
                matched = self._machine.looks[id(guard)][1] in past.behind[number]
                return _Thread(target, thread.obligations) if matched != negative else None
            case Look(_, True, negative):
                first, last = self._machine.looks[id(guard)]
                attempt = _Obligation(negative, last, self.closure([_Thread(first)], past))
                settled = self._settle(attempt)
                if settled is None:
                    return None
                kept = thread.obligations | settled
                return _Thread(target, kept)
        raise TypeError(f"unexpected guard {guard!r}")

    def _settle(self, obligation: _Obligation) -> frozenset[_Obligation] | None:
        """What is left of an obligation: nothing when it is met, None when it has failed."""
        done = any(t.state == obligation.last and not t.obligations for t in obligation.threads)
        if done:
            return None if obligation.negative else frozenset()
        # Threads that have only to wait for their own obligations are kept; others must be able to go on.
        live = frozenset(t for t in obligation.threads if t.state == obligation.last or self._machine.edges[t.state])
        if not live:
            return frozenset() if obligation.negative else None
        return frozenset([_Obligation(obligation.negative, obligation.last, live)])

    def step(self, thread: _Thread, number: int, past: _Past, after: _Past, last: int) -> frozenset[_Thread]:
        """The threads that a thread becomes by a character; at state `last` it waits for its obligations."""
        obligations: frozenset[_Obligation] = frozenset()
        for obligation in thread.obligations:
            moved = frozenset(
                follower
                for inner in obligation.threads
                for follower in self.step(inner, number, past, after, obligation.last)
            )
            settled = self._settle(_Obligation(obligation.negative, obligation.last, moved))
            if settled is None:
                return frozenset()
            obligations |= settled
        targets = [thread.state] if thread.state == last and last >= 0 else list(self._targets(thread.state, number))
        return self.closure([_Thread(target, obligations) for target in targets], after)

    def met_at_end(self, thread: _Thread) -> bool:
        """Whether all obligations of a thread are met when the text ends."""
        return all(
            obligation.negative != any(t.state == obligation.last and self.met_at_end(t) for t in obligation.threads)
            for obligation in thread.obligations
        )


def _sets_of(tree: Node) -> Iterator[Ranges]:
    pending = [tree]
    while pending:
        match pending.pop():
            case CharacterClass(ranges) | _After(ranges, _):
                yield ranges
            case Series(parts) | Alternatives(parts):
                pending.extend(parts)
            case Repeated(part, _, _) | Look(part, _, _):
                pending.append(part)


def _classes(tree: Node) -> tuple[list[int], list[Ranges]]:
    """A representative of each class of characters that the tree does not tell apart, and the class itself."""
    sets = list(dict.fromkeys(_sets_of(tree)))
    bounds = sorted({0, *(bound for ranges in sets for low, high in ranges for bound in (low, high + 1))})
    members: dict[tuple[bool, ...], list[tuple[int, int]]] = {}
    for i, low in enumerate(bounds):
        if low > MAX_CODE_POINT:
            continue
        high = bounds[i + 1] - 1 if i + 1 < len(bounds) else MAX_CODE_POINT
        signature = tuple(charset.contains(ranges, low) for ranges in sets)
        members.setdefault(signature, []).append((low, min(high, MAX_CODE_POINT)))
    classes = [charset.normalise(ranges) for ranges in members.values()]
    return [ranges[0][0] for ranges in classes], classes


def _check_look_behind(tree: Node, inside: bool = False) -> None:
    match tree:
        case Series(parts) | Alternatives(parts):
            for part in parts:
                _check_look_behind(part, inside)
        case Repeated(part, _, _):
            _check_look_behind(part, inside)
        case Look(part, ahead, _):
            if inside:
                raise GrammarSyntaxError("regular expression: look-around inside look-behind is not supported")
            _check_look_behind(part, not ahead)


def automaton_of(node: Node) -> Regular:
    """The language of a tree with assertions, matched as a whole.

    Raises ResourceLimitError when it needs too many states.
    """
    tree = _explicit(node)
    _check_look_behind(tree)
    representatives, classes = _classes(tree)
    machine = _Machine(tree)
    simulation = _Simulation(machine, representatives)
    first = simulation.start()
    starts = simulation.closure([_Thread(machine.first)], first)
    numbers: dict[tuple[_Thread, _Past], int] = {}
    order: list[tuple[_Thread, _Past]] = []

    def number_of(thread: _Thread, past: _Past) -> int:
        known = numbers.get((thread, past))
        if known is None:
            if len(order) >= _MAX_STATES:
                raise _too_large()
            known = numbers[thread, past] = len(order)
            order.append((thread, past))
        return known

    unions: dict[tuple[int, ...], Ranges] = {}

    def union_of(numbered: tuple[int, ...]) -> Ranges:
        if numbered not in unions:
            unions[numbered] = charset.union(*[classes[number] for number in numbered])
        return unions[numbered]

    initial = [number_of(thread, first) for thread in starts]
    rows: list[dict[int, Ranges]] = []
    accepting: list[bool] = []
    while len(rows) < len(order):
        thread, past = order[len(rows)]
        accepting.append(thread.state == machine.last and simulation.met_at_end(thread))
        row: dict[int, list[int]] = {}
        for number in range(len(classes)):
            if not any(True for _ in simulation._targets(thread.state, number)):
                continue
            after = simulation.advance(past, number)
            for follower in simulation.step(thread, number, past, after, -1):
                row.setdefault(number_of(follower, after), []).append(number)
        rows.append({target: union_of(tuple(numbered)) for target, numbered in row.items()})
    return byte_automaton(initial, rows, accepting)
