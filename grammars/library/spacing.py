"""White space between lexemes, as productions.

A grammar of a programming language is written over lexemes, with white space between them left out (``%ignore``).
What it means is settled by a lexer there.  Here it is settled by the grammar itself, so that every way of cutting a
text counts and no lexer is needed: space may stand between any two lexemes, and must stand where they would otherwise
run together (``notx`` for ``not x``, ``--`` for two minus signs).

Which lexemes run together is said by pairs of character sets: a lexeme that may end in the first set and one that may
begin in the second are kept apart.  The state between two lexemes is thus the set of pairs whose first half the last
lexeme may have ended in; each rule is copied for the state before it and the state after it, as Bar-Hillel, Perles and
Shamir (1961) intersect a grammar with an automaton.  Brackets may change which space is allowed inside them (lines
end within Python's brackets only), or forbid it (replacement fields of f-strings).

Comments may stand where space may.  They are a rule of their own, so that a lexeme is not read once with a comment
before it and once without, and are kept apart as lexemes are (``- --`` before the end of a line).

Only copies that are reached from the start and derive some text are made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.regular import Concatenation, Intersection, Ranges, Regular, Repetition, Symbols

__all__ = ["Bracket", "Layout", "spaced"]

_ANY_BYTES = Repetition(Symbols(((0, 255),)), 0, None)


@dataclass(frozen=True, slots=True)
class Bracket:
    """What the terminal `close` ends, and the space allowed until then; None: no space."""

    close: str
    space: Regular | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where space may and must stand.

    space      a language of non-empty texts, allowed between lexemes; None: nothing is, and nothing is kept apart
    apart      pairs of byte sets: a lexeme that may end in the first, one that may begin in the second
    brackets   by the name of the opening terminal; where no space is allowed, nothing is kept apart and brackets
               change nothing
    around     whether space may also stand before the first lexeme and behind the last
    comment    a comment; None: there are none
    last       a comment that only the end of the text ends; where there are comments, and space around the text
    """

    space: Regular | None
    apart: tuple[tuple[Ranges, Ranges], ...] = ()
    brackets: Mapping[str, Bracket] = field(default_factory=dict)
    around: bool = False
    comment: Regular | None = None
    last: Regular | None = None


_State = frozenset[int]
"""The pairs of which the last lexeme may have ended in the first half."""

_Place = tuple[Regular | None, _State | None]
"""The space allowed, and the state; None before the first lexeme of a text, where no space is."""

_Key = tuple[str, _Place]

_COMMENTS = "comments"
_COMMENTS_APART = "comments apart"


class _Boundaries:
    """What terminals may begin and end with."""

    def __init__(self, apart: tuple[tuple[Ranges, Ranges], ...]) -> None:
        self._apart = apart
        self._known: dict[int, tuple[_State, _State]] = {}

    def of(self, terminal: ir.Terminal) -> tuple[_State, _State]:
        """Pairs whose second half the terminal may begin in, and those whose first half it may end in."""
        if id(terminal) not in self._known:
            first = Language(terminal.regular).next_bytes(b"")
            begins = {i for i, (_, after) in enumerate(self._apart) if any(_member(byte, after) for byte in first)}
            ends = {i for i, (before, _) in enumerate(self._apart) if _may_end(terminal.regular, before)}
            self._known[id(terminal)] = frozenset(begins), frozenset(ends)
        return self._known[id(terminal)]


def _member(byte: int, ranges: Ranges) -> bool:
    return any(low <= byte <= high for low, high in ranges)


def _may_end(regular: Regular, ranges: Ranges) -> bool:
    return not Language(Intersection((regular, Concatenation((_ANY_BYTES, Symbols(ranges)))))).is_empty()


class _Spacing:
    def __init__(self, grammar: ir.Grammar, layout: Layout) -> None:
        self._grammar, self._layout = grammar, layout
        self._boundaries = _Boundaries(layout.apart)
        self._comment = None if layout.comment is None else ir.Terminal(layout.comment, "COMMENT")
        self._terminals: dict[tuple[int, Regular | None, bool, bool], ir.Expression] = {}
        self._ends: dict[_Key, set[_State]] = {}
        self._references: dict[tuple[_Key, _State], ir.Reference] = {}

    def run(self) -> ir.Grammar:
        start, space = self._grammar.start, self._layout.space
        place: _Place = (space, frozenset() if self._layout.around else None)
        self._ends[start, place] = set()
        self._find_ends()
        grouped: dict[bool, list[ir.Expression]] = {}
        for end in self._ends[start, place]:
            grouped.setdefault(self._comments_apart(end), []).append(self._reference((start, place), end))
        ways = [ir.Sequence((ir.Alternation(tuple(ends)), *self._behind(apart))) for apart, ends in grouped.items()]
        rules: dict[str, ir.Expression] = {start: ir.Alternation(tuple(ways)), **self._comments()}
        for (name, before), ends in self._ends.items():
            for after, expression in self._copies(self._grammar.rules[name], before).items():
                if after in ends:
                    rules[self._reference((name, before), after).name] = expression
        return ir.Grammar(start, rules, source=self._grammar.source)

    def _comments_apart(self, state: _State) -> bool:
        return self._comment is not None and bool(state & self._boundaries.of(self._comment)[0])

    def _behind(self, apart: bool) -> tuple[ir.Expression, ...]:
        """What may stand behind the last lexeme, from which comments are kept apart or not."""
        space = self._layout.space
        if not self._layout.around or space is None:
            return ()
        blanks, comments = ir.Terminal(space), ir.Reference(_COMMENTS_APART if apart else _COMMENTS)
        anything = () if self._comment is None else (ir.Repeat(comments, 0, 1),)
        if self._layout.last is None:
            return *anything, ir.Repeat(blanks, 0, 1)
        last = ir.Repeat(ir.Terminal(self._layout.last, "LAST_COMMENT"), 0, 1)
        if not apart:
            return *anything, ir.Repeat(blanks, 0, 1), last
        something = ir.Alternation((blanks, ir.Sequence((comments, ir.Repeat(blanks, 0, 1)))))
        return (ir.Repeat(ir.Sequence((something, last)), 0, 1),)

    def _find_ends(self) -> None:
        """The states after each copy of a rule, as a least fixed point over the copies that are reached."""
        size = -1
        while size != (now := sum(1 + len(ends) for ends in self._ends.values())):
            size = now
            for name, place in list(self._ends):
                self._ends[name, place] |= self._copies(self._grammar.rules[name], place).keys()

    def _reference(self, key: _Key, after: _State) -> ir.Reference:
        if (key, after) not in self._references:
            self._references[key, after] = ir.Reference(f"{key[0]} {len(self._references)}")
        return self._references[key, after]

    # Copies of an expression: by the state after it, given the place before it

    def _copies(self, expression: ir.Expression, place: _Place) -> dict[_State, ir.Expression]:
        match expression:
            case ir.Terminal():
                return {self._boundaries.of(expression)[1]: self._terminal(expression, place)}
            case ir.Reference(name):
                key = name, place
                return {end: self._reference(key, end) for end in self._ends.setdefault(key, set())}
            case ir.Alternation(parts):
                return _either(pair for part in parts for pair in self._copies(part, place).items())
            case ir.Sequence(parts):
                return self._sequence(parts, place)
        raise TypeError(f"{type(expression).__name__} is not made by the Lark front-end")

    def _terminal(self, terminal: ir.Terminal, place: _Place) -> ir.Expression:
        """The terminal with the space, and the comments, before it."""
        space, state = place
        if space is None or state is None:
            return terminal
        comment_apart = self._comments_apart(state)
        key = id(terminal), space, bool(state & self._boundaries.of(terminal)[0]), comment_apart
        if key not in self._terminals:
            optional = _behind(Repetition(space, 0, 1), terminal)
            made: ir.Expression = _behind(space, terminal) if key[2] else optional
            if self._comment is not None:
                comments = ir.Reference(_COMMENTS_APART if comment_apart else _COMMENTS)
                made = ir.Alternation((made, ir.Sequence((comments, optional))))
            self._terminals[key] = made
        return self._terminals[key]

    def _comments(self) -> dict[str, ir.Expression]:
        """The rules of one comment or more, with the space between them and before."""
        space = self._layout.space
        if self._comment is None or space is None:
            return {}
        more = ir.Reference(_COMMENTS)
        near, apart = _behind(Repetition(space, 0, 1), self._comment), _behind(space, self._comment)
        return {
            name: ir.Alternation((first, ir.Sequence((first, more))))
            for name, first in ((_COMMENTS, near), (_COMMENTS_APART, apart))
        }

    def _sequence(self, parts: tuple[ir.Expression, ...], place: _Place) -> dict[_State, ir.Expression]:
        space, first = place
        reached: dict[_State | None, tuple[ir.Expression, ...]] = {first: ()}
        opened: list[tuple[str, Regular | None]] = []
        for part in parts:
            found: dict[_State | None, list[tuple[ir.Expression, ...]]] = {}
            for state, before in reached.items():
                for after, copy in self._copies(part, (space, state)).items():
                    found.setdefault(after, []).append((*before, copy))
            reached = {state: _one(ways) for state, ways in found.items()}
            name = part.name if isinstance(part, ir.Terminal) else ""
            if opened and name == opened[-1][0]:
                space = opened.pop()[1]
            elif space is not None and name in self._layout.brackets:
                bracket = self._layout.brackets[name]
                opened.append((bracket.close, space))
                space = bracket.space
        return {state: ir.Sequence(copies) for state, copies in reached.items() if state is not None}


def _behind(space: Regular, terminal: ir.Terminal) -> ir.Terminal:
    return ir.Terminal(Concatenation((space, terminal.regular)), terminal.name)


def _one(ways: list[tuple[ir.Expression, ...]]) -> tuple[ir.Expression, ...]:
    return ways[0] if len(ways) == 1 else (ir.Alternation(tuple(map(ir.Sequence, ways))),)


def _either(pairs: Iterable[tuple[_State, ir.Expression]]) -> dict[_State, ir.Expression]:
    """Alternatives that end in the same state, together."""
    grouped: dict[_State, list[ir.Expression]] = {}
    for state, expression in pairs:
        grouped.setdefault(state, []).append(expression)
    return {state: found[0] if len(found) == 1 else ir.Alternation(tuple(found)) for state, found in grouped.items()}


def spaced(grammar: ir.Grammar, layout: Layout) -> ir.Grammar:
    """The texts of a grammar without white space, with white space put in as `layout` says.

    The grammar is one of the Lark front-end; its brackets open and close within one production, and no rule that can
    come first in a text derives the empty text.
    """
    return _Spacing(grammar, layout).run()
