"""Space between the lexemes of Python, and columns, put into the productions of python.lark as they are reached.

python.lark is written over lexemes.  A lexer would settle what runs together (``notx``), where lines may end (within
brackets), and what the columns of lines mean.  Here it is settled by the grammar itself, so that every way of cutting
a text counts and masks are exact.  Each rule is copied for

- the *context* it stands in: which space is allowed, and outside brackets the column of the block, that is, the
  blanks and tabs that its lines begin with.  Blocks are thus nested as in a context-free language without a stack of
  columns, and there are as many copies as columns;
- what may stand before its first lexeme (`_Before`): no space; space, which is asked for before lexemes that would run
  together with the last one; or no space, before a lexeme that does not begin with a certain class;
- the classes that its last lexeme may not end in, because the next one follows without space.

This is the intersection with an automaton over lexemes (Bar-Hillel, Perles and Shamir 1961), but a rule is split by
how it ends only where somebody asks.  Copies are made on demand (`ir.Grammar.make_rule`).  All of them derive some
text and none the empty one, since every pair of a first and a last class is looked up before a copy is referred to.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from constrain.grammars import ir
from constrain.grammars.automata.arena import Arena
from constrain.grammars.errors import GrammarError
from constrain.grammars.library.factoring import Factory
from constrain.grammars.library.python_lexemes import APART, LINE_END, begin_of, character_names, end_of
from constrain.grammars.regular import Concatenation, Literal, Regular, Repetition

__all__ = ["Context", "Layout", "Spaces", "line_context"]


@dataclass(frozen=True, slots=True)
class Spaces:
    """What space is, by where it stands.

    line      outside brackets
    bracket   within brackets, on one line
    lines     within brackets: the ends of lines, before the last one; None: they are part of `bracket`
    field     in the fields of strings on one line, and
    fields    of strings on several
    deeper    the columns of a block that stands in one of the given column
    """

    line: Regular
    bracket: Regular
    lines: Regular | None
    field: Regular
    fields: Regular
    deeper: Callable[[str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Context:
    """Where a rule stands.

    kind      "line", "bracket", "text" (the text of a formatted string), "field", or "inner" (in brackets of a field)
    column    what lines begin with, in the rules of statements
    quotes    the quotes that strings in a field may have, "s" for ' and "d" for "
    lines     whether a field may have several lines
    """

    kind: str
    column: str = ""
    quotes: str = ""
    lines: bool = False


def line_context(column: str = "") -> Context:
    """Outside brackets."""
    return Context("line", column)


@dataclass(frozen=True, slots=True)
class _Before:
    """What may stand before a lexeme: space or not; asked for before classes of lexemes; only before one class."""

    space: bool = True
    asked: frozenset[str] = frozenset()
    only: str | None = None


_NOTHING = _Before(space=False)
_ANY: frozenset[str] = frozenset()

_Pairs = frozenset[tuple[str, str]]
"""What the texts of an expression begin with and end in."""

_Item = tuple[ir.Expression, Context]
"""A part of a production, and the context before it."""

_STRINGS = {"ds": "strings_sd", "d": "strings_d", "s": "strings_s"}
_OPENING = {"LPAR", "LSQB", "LBRACE"}
_CLOSING = {"RPAR", "RSQB", "RBRACE", "FIELD_END", "CONVERTED_END", "FORMAT_END"}
_TEXTS = {f"{prefix}_{quotes}" for prefix in ("F", "FR") for quotes in ("D", "S", "D3", "S3")}


class _Core:
    """The rules of python.lark: repetitions as such, and what each begins with and ends in."""

    def __init__(self, rules: Mapping[str, ir.Expression]) -> None:
        self._rules = {name: self._repetitions(name, rule) for name, rule in rules.items()}
        self._arena, self._known = Arena(), dict[int, _Pairs]()  # by identity: parts live as long as the rules
        self._classes: dict[int, tuple[str, str]] = {}
        self._pairs: dict[str, _Pairs] = dict.fromkeys(self._rules, _Pairs())
        changed = True
        while changed:
            changed = False
            for name, rule in self._rules.items():
                if (found := self._found(rule)) != self._pairs[name]:
                    self._pairs[name], changed = found, True
        self._in_columns = self._find_columns()

    def __getitem__(self, name: str) -> ir.Expression:
        return self._rules[name]

    @staticmethod
    def _repetitions(name: str, rule: ir.Expression) -> ir.Expression:
        """A rule that Lark made for ``x+`` or ``x*`` repeats its productions that do not begin with itself."""
        if not name.startswith("__") or not isinstance(rule, ir.Alternation):
            return rule
        itself = ir.Reference(name)
        bodies = [part for part in rule.parts if isinstance(part, ir.Sequence) and part.parts[0] != itself]
        if len(bodies) == len(rule.parts):
            return rule
        return ir.Repeat(ir.Alternation(tuple(bodies)), 1, None)

    def pairs(self, expression: ir.Expression) -> _Pairs:
        """What the texts of a rule, or of a part of one, begin with and end in."""
        found = self._known.get(id(expression))
        if found is None:
            found = self._known[id(expression)] = self._found(expression)
        return found

    def _found(self, expression: ir.Expression) -> _Pairs:
        """The pairs of an expression, given those of the rules as far as they are found."""
        match expression:
            case ir.Terminal():
                if id(expression) not in self._classes:
                    self._classes[id(expression)] = begin_of(expression, self._arena), end_of(expression)
                return frozenset({self._classes[id(expression)]})
            case ir.Reference(name):
                return self._pairs[name]
            case ir.Alternation(parts):
                return _Pairs().union(*map(self._found, parts))
            case ir.Sequence(parts):
                every = [self._found(part) for part in parts]
                if len(every) == 1 or not all(every):
                    return every[0] if len(every) == 1 else _Pairs()
                return _crossed(every[0], every[-1])
            case ir.Repeat(part):
                return self._found(part) | _crossed(self._found(part), self._found(part))
        raise TypeError(f"{type(expression).__name__} is not made by the Lark front-end")

    def pairs_of(self, name: str) -> _Pairs:
        """What the texts of a rule begin with and end in."""
        return self._pairs[name]

    def _find_columns(self) -> frozenset[str]:
        """The rules in which lines end."""
        found: set[str] = set()
        size = -1
        while size != len(found):
            size = len(found)
            found.update(name for name, rule in self._rules.items() if _ends_lines(rule, found))
        return frozenset(found)

    def in_columns(self, name: str) -> bool:
        """Whether a rule depends on the column."""
        return name in self._in_columns


def _crossed(first: _Pairs, last: _Pairs) -> _Pairs:
    return frozenset(product({begin for begin, _ in first}, {end for _, end in last}))


def _ends_lines(expression: ir.Expression, known: set[str]) -> bool:
    match expression:
        case ir.Terminal():
            return expression.name in ("NEWLINE", "INDENT")
        case ir.Reference(name):
            return name in known
        case ir.Repeat(part):
            return _ends_lines(part, known)
        case ir.Alternation(parts) | ir.Sequence(parts):
            return any(_ends_lines(part, known) for part in parts)
    return False


class Layout:
    """The copies of a grammar's rules."""

    def __init__(self, rules: Mapping[str, ir.Expression], spaces: Spaces) -> None:
        self._core, self._spaces = _Core(rules), spaces
        self._made, self._lock = Factory(), threading.Lock()  # a grammar serves many constraints
        self._copies: dict[str, tuple[str, Context, _Before, frozenset[str]]] = {}
        self._woven: dict[tuple[int, Context, _Before, frozenset[str]], ir.Expression | None] = {}
        self._terminals: dict[tuple[int, Regular | None, bool], ir.Terminal] = {}
        self._columns: dict[str, ir.Terminal] = {}
        self._line_end = ir.Terminal(LINE_END, "NEWLINE")
        self._more_lines = None if spaces.lines is None else ir.Terminal(spaces.lines, "LINES")

    def first(self, name: str) -> ir.Reference:
        """A rule at the beginning of a line, and all that follows from it."""
        return ir.Reference(self._copy(name, line_context(), _NOTHING, _ANY))

    def rule(self, name: str) -> ir.Expression:
        """The right-hand side of a copy that another one, or `first`, refers to."""
        if name not in self._copies:
            raise GrammarError(f"rule {name!r} is not defined")
        with self._lock:
            rule, context, before, forbidden = self._copies[name]
            made = self._expression(self._core[rule], context, before, forbidden)
        assert made is not None, name
        return made

    def _copy(self, rule: str, context: Context, before: _Before, forbidden: frozenset[str]) -> str:
        name = " ".join(
            (
                rule,
                f"{context.kind}{context.quotes}{'+' * context.lines}",
                repr(context.column) if context.column else "",
                f"{'_' * before.space}{''.join(sorted(before.asked))}{before.only or ''}",
                "".join(sorted(forbidden)),
            )
        )
        self._copies[name] = rule, context, before, forbidden
        return name

    # Expressions

    def _expression(
        self, node: ir.Expression, context: Context, before: _Before, forbidden: frozenset[str]
    ) -> ir.Expression | None:
        """The copy of an expression; None when it derives nothing."""
        if isinstance(node, ir.Terminal):
            return self._terminal(node, context, before, forbidden)
        key = id(node), context, before, forbidden
        if key not in self._woven:
            self._woven[key] = self._weave(node, context, before, forbidden)
        return self._woven[key]

    def _weave(
        self, node: ir.Expression, context: Context, before: _Before, forbidden: frozenset[str]
    ) -> ir.Expression | None:
        match node:
            case ir.Reference(name):
                return self._reference(name, context, before, forbidden)
            case ir.Alternation(parts):
                return self._made.union([self._expression(part, context, before, forbidden) for part in parts])
            case ir.Sequence(parts):
                return self._sequence(list(self._items(parts, context)), 0, before, forbidden)
            case ir.Repeat(part):
                return self._repetition(part, context, before, forbidden)
        raise TypeError(f"{type(node).__name__} is not made by the Lark front-end")

    def _terminal(
        self, terminal: ir.Terminal, context: Context, before: _Before, forbidden: frozenset[str]
    ) -> ir.Expression | None:
        """The terminal with the space before it."""
        if terminal.name == "NEWLINE":
            return self._new_line(context)
        ((begin, end),) = self._core.pairs(terminal)
        if end in forbidden or before.only not in (None, begin):
            return None
        space = self._space(context) if before.space else None
        same_line = self._spaced(terminal, space, begin in before.asked)
        if self._more_lines is None or context.kind != "bracket" or space is None:
            return same_line
        next_line = self._made.series(self._more_lines, self._spaced(terminal, space, False))
        return self._made.union([same_line, next_line])

    def _spaced(self, terminal: ir.Terminal, space: Regular | None, asked: bool) -> ir.Terminal:
        key = id(terminal), space, asked
        if key not in self._terminals:
            gap = [] if space is None else [space if asked else Repetition(space, 0, 1)]
            regular = character_names() if terminal.name == "CHARACTER" else terminal.regular
            self._terminals[key] = ir.Terminal(Concatenation((*gap, regular)), terminal.name)
        return self._terminals[key]

    def _space(self, context: Context) -> Regular | None:
        match context.kind:
            case "line":
                return self._spaces.line
            case "bracket":
                return self._spaces.bracket
            case "text":
                return None
        return self._spaces.fields if context.lines else self._spaces.field

    def _new_line(self, context: Context) -> ir.Expression | None:
        column = [self._column(context.column)] if context.column else []
        return self._made.series(self._line_end, *column)

    def _column(self, column: str) -> ir.Terminal:
        if column not in self._columns:
            self._columns[column] = ir.Terminal(Literal(column.encode()), "COLUMN")
        return self._columns[column]

    def _reference(
        self, name: str, context: Context, before: _Before, forbidden: frozenset[str]
    ) -> ir.Expression | None:
        if context.kind in ("field", "inner") and name == "strings":
            if not context.quotes:
                return None
            name = _STRINGS[context.quotes]
        if context.kind == "field" and name in ("lambda_", "walrus"):
            return None
        if name.startswith("_"):
            return self._expression(self._core[name], context, before, forbidden)
        pairs = self._core.pairs_of(name)
        forbidden &= {end for _, end in pairs}
        if not any(before.only in (None, begin) and end not in forbidden for begin, end in pairs):
            return None
        if context.kind == "text":
            before = _NOTHING
        before = replace(before, asked=before.asked & {begin for begin, _ in pairs})
        if not self._core.in_columns(name) and context.column:
            context = replace(context, column="")
        return self._made.reference(self._copy(name, context, before, forbidden))

    # Sequences

    def _items(self, parts: tuple[ir.Expression, ...], context: Context) -> Iterator[_Item]:
        """The parts of a production with their contexts; brackets open and close within a production."""
        outer: list[Context] = []
        for part in parts:
            front, name = context, part.name if isinstance(part, ir.Terminal) else ""
            if name in _CLOSING:
                context = outer.pop()
                if name == "FORMAT_END":  # ends the format, and the field
                    context = outer.pop()
            elif inner := _inside(name, context):
                outer.append(context)
                context = inner
            elif name.startswith(("F_END", "NESTED_END", "LAST")):
                context = outer.pop()
            yield part, front

    def _boundary(self, left: _Item, right: _Item) -> tuple[frozenset[str], set[str]]:
        """The classes of the right part's begin that space is asked for before, and the left part's ends."""
        ends = {end for _, end in self._core.pairs(left[0])}
        if right[1].kind == "text":
            return frozenset(), ends
        begins = {begin for begin, _ in self._core.pairs(right[0])}
        return frozenset(begin for begin in begins if any((end, begin) in APART for end in ends)), ends

    def _sequence(
        self, items: list[_Item], at: int, before: _Before, forbidden: frozenset[str]
    ) -> ir.Expression | None:
        part, front = items[at]
        if at == len(items) - 1:
            return self._expression(part, front, before, forbidden)
        name = part.name if isinstance(part, ir.Terminal) else ""
        if name == "NEWLINE":
            return self._made.series(self._new_line(front), self._sequence(items, at + 1, _NOTHING, forbidden))
        if name == "INDENT":
            return self._made.series(self._line_end, self._deeper(items, at + 1, forbidden))
        asked, ends = self._boundary(items[at], items[at + 1])
        free = _Before(space=items[at + 1][1].kind != "text", asked=asked)
        ways = [
            self._made.series(
                self._expression(part, front, before, _ANY), self._sequence(items, at + 1, free, forbidden)
            )
        ]
        for begin in sorted(asked):
            together = frozenset(end for end in ends if (end, begin) in APART)
            if together < ends:
                ways.append(
                    self._made.series(
                        self._expression(part, front, before, together),
                        self._sequence(items, at + 1, _Before(space=False, only=begin), forbidden),
                    )
                )
        return self._made.union(ways)

    def _deeper(self, items: list[_Item], at: int, forbidden: frozenset[str]) -> ir.Expression | None:
        """The rest of a production at each of the deeper columns."""
        ways = []
        for column in self._spaces.deeper(items[at][1].column):
            inner = [(part, replace(context, column=column)) for part, context in items[at:]]
            ways.append(self._made.series(self._column(column), self._sequence(inner, 0, _NOTHING, forbidden)))
        return self._made.union(ways)

    # Repetitions

    def _repetition(
        self, part: ir.Expression, context: Context, before: _Before, forbidden: frozenset[str]
    ) -> ir.Expression | None:
        """One or more times the part.

        Between two of them there is a place for each way of joining them: with space as far as it is asked for, or, for
        each class that it is asked for before, without space behind what does not run together with it.
        """

        def made(start: _Before, end: frozenset[str]) -> ir.Expression | None:
            return self._expression(part, context, start, end)

        item = part, context
        asked, ends = self._boundary(item, item)
        places = [(_Before(space=context.kind != "text", asked=asked), _ANY)]
        for begin in sorted(asked):
            together = frozenset(end for end in ends if (end, begin) in APART)
            if together < ends:
                places.append((_Before(space=False, only=begin), together))
        steps = [[made(start, end) for _, end in places] + [made(start, forbidden)] for start, _ in places]
        return self._paths([[made(before, end) for _, end in places] + [made(before, forbidden)], *steps])

    def _paths(self, steps: list[list[ir.Expression | None]]) -> ir.Expression | None:
        """The texts of all paths from the first place to the last one, by the elimination of those between.

        ``steps[i][j]`` is what leads from place i to place j + 1: nothing leads to the first, nothing on from the last.
        """
        union, series = self._made.union, self._made.series
        while len(steps) > 1:
            *rest, (*around, out) = steps
            inner = self._made.star(around[-1])
            onwards = [*around[:-1], out]
            steps = [
                [
                    union([way, series(row[-2], inner, on)])
                    for way, on in zip([*row[:-2], row[-1]], onwards, strict=True)
                ]
                for row in rest
            ]
        return steps[0][0]


def _inside(name: str, context: Context) -> Context | None:
    """The context behind a terminal that opens one."""
    if name in _OPENING:
        return Context("inner" if context.kind in ("field", "inner") else "bracket", "", context.quotes, context.lines)
    if name in _TEXTS:
        several = name.endswith("3")
        return Context("text", "", "ds" if several else "s" if name.endswith("D") else "d", several)
    if name.startswith("NAMED") and name != "NAMED_END":
        return Context("text")
    if name in ("NESTED_FORMAT_S", "NESTED_FORMAT_D"):
        return Context("text", "", context.quotes.replace(name[-1].lower(), ""))
    if _opens_field(name):
        return replace(context, kind="field")
    if name == "_FORMAT_BEGIN":
        return replace(context, kind="text")
    return None


def _opens_field(name: str) -> bool:
    """Whether a terminal opens a field."""
    return name.startswith(("FIELD", "RAW_FIELD")) and name != "FIELD_END"
