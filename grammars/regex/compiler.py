r"""From the tree of a regular expression to a language.

What has no assertions is translated node by node.  An assertion says something of the text around its place, so it is
translated together with the *rest*, the language of all that follows: ``(?=A)B`` is the intersection of ``A`` followed
by anything with ``B`` followed by the rest, ``$`` the intersection of the rest with the empty text.  That keeps
conditions on whole texts, ``^(?!…)(?=.*\d).{8,}$``, as small as they are written; the automata algebra combines them
when a text is read.  Assertions inside unbounded repetitions, and those that look back, are left to `assertions`.
"""

from collections.abc import Sequence

from constrain.grammars.regex.assertions import automaton_of
from constrain.grammars.regex.syntax import (
    Alternatives,
    Anchor,
    CharacterClass,
    Dialect,
    Flags,
    Look,
    Node,
    Place,
    Repeated,
    Series,
    parse,
)
from constrain.grammars.regular import (
    ANY_CHARACTER,
    ANY_TEXT,
    Characters,
    Complement,
    Concatenation,
    Empty,
    Epsilon,
    Intersection,
    Literal,
    Regular,
    Repetition,
    Union,
    Without,
)

__all__ = ["Dialect", "language_of", "regex_language", "search_language"]

_EMPTY, _EPSILON = Empty(), Epsilon()
_SOME_TEXT = Repetition(ANY_CHARACTER, 1, None)
_MAX_UNROLLED = 8


class _NeedsAutomaton(Exception):  # noqa: N818 - a turn, not an error
    """The expression has assertions that cannot be translated along with the rest."""


def _is_single(node: Node) -> bool:
    return isinstance(node, CharacterClass) and len(node.ranges) == 1 and node.ranges[0][0] == node.ranges[0][1]


def _concatenation(parts: Sequence[Regular]) -> Regular:
    """Parts one after the other, with neighbouring literals joined."""
    joined: list[Regular] = []
    for part in parts:
        if isinstance(part, Empty):
            return _EMPTY
        if isinstance(part, Epsilon):
            continue
        for piece in part.parts if isinstance(part, Concatenation) else (part,):
            if isinstance(piece, Literal) and joined and isinstance(joined[-1], Literal):
                joined[-1] = Literal(joined[-1].text + piece.text)
            else:
                joined.append(piece)
    if not joined:
        return _EPSILON
    return joined[0] if len(joined) == 1 else Concatenation(tuple(joined))


def _union(parts: Sequence[Regular]) -> Regular:
    kept = [part for part in parts if not isinstance(part, Empty)]
    if not kept:
        return _EMPTY
    return kept[0] if len(kept) == 1 else Union(tuple(kept))


def _both(condition: Regular, rest: Regular) -> Regular:
    """Texts of `rest` that obey the condition, which is a language of texts."""
    if rest is ANY_TEXT:
        return condition
    if isinstance(condition, Epsilon) and isinstance(rest, Epsilon):
        return _EPSILON
    if isinstance(rest, Intersection):
        return Intersection((condition, *rest.parts))
    return Intersection((condition, rest))


def has_assertions(node: Node) -> bool:
    """Whether an assertion occurs in a tree."""
    pending = [node]
    while pending:
        match pending.pop():
            case Anchor() | Look():
                return True
            case Series(parts) | Alternatives(parts):
                pending.extend(parts)
            case Repeated(part, _, _):
                pending.append(part)
    return False


def _looks_at_start(node: Node) -> bool:
    """Whether it matters for a tree that it stands at the start of the text."""
    pending = [node]
    while pending:
        match pending.pop():
            case Anchor(Place.START):
                return True
            case Series(parts) | Alternatives(parts):
                pending.extend(parts)
            case Repeated(part, _, _) | Look(part, _, _):
                pending.append(part)
    return False


def _plain(node: Node) -> Regular:
    """The language of a tree without assertions."""
    match node:
        case CharacterClass(ranges):
            if _is_single(node) and not 0xD800 <= ranges[0][0] <= 0xDFFF:
                return Literal(chr(ranges[0][0]).encode())
            return Characters(ranges) if ranges else _EMPTY
        case Series(parts):
            return _concatenation([_plain(part) for part in parts])
        case Alternatives(parts):
            return _union([_plain(part) for part in parts])
        case Repeated(part, minimum, maximum):
            return _repetition(_plain(part), minimum, maximum)
    raise TypeError(f"unexpected node {node!r}")


def _repetition(part: Regular, minimum: int, maximum: int | None) -> Regular:
    if maximum == 0 or isinstance(part, Epsilon):
        return _EPSILON
    if isinstance(part, Empty):
        return _EPSILON if minimum == 0 else _EMPTY
    return part if (minimum, maximum) == (1, 1) else Repetition(part, minimum, maximum)


def _nullable(node: Node) -> bool:
    """Whether a tree without assertions matches the empty text."""
    match node:
        case Series(parts):
            return all(map(_nullable, parts))
        case Alternatives(parts):
            return any(map(_nullable, parts))
        case Repeated(part, minimum, _):
            return minimum == 0 or _nullable(part)
    return False


def _with_rest(node: Node, at_start: bool, rest: Regular) -> Regular:
    """The language of a tree followed by `rest`; `at_start` when nothing comes before."""
    if not has_assertions(node):
        return _concatenation([_plain(node), rest])
    match node:
        case Series(parts):
            return _series(parts, at_start, rest)
        case Alternatives(parts):
            return _union([_with_rest(part, at_start, rest) for part in parts])
        case Anchor(place):
            return _anchored(place, at_start, rest)
        case Look(part, True, negative):
            condition = _with_rest(part, at_start, ANY_TEXT)
            if isinstance(condition, Empty):
                return rest if negative else _EMPTY
            return _both(Complement(condition) if negative else condition, rest)
        case Repeated(part, minimum, maximum) if maximum is not None and maximum <= _MAX_UNROLLED:
            rounds = [Series((part,) * count) for count in range(minimum, maximum + 1)]
            return _union([_with_rest(times, at_start, rest) for times in rounds])
    raise _NeedsAutomaton


def _anchored(place: Place, at_start: bool, rest: Regular) -> Regular:
    if place is Place.START:
        return rest if at_start else _EMPTY
    if place is Place.END:
        return _both(_EPSILON, rest)
    if place is Place.END_OR_LAST_NEWLINE:
        return _both(Union((_EPSILON, Literal(b"\n"))), rest)
    if place is Place.LINE_END:
        return _both(Union((_EPSILON, Concatenation((Literal(b"\n"), ANY_TEXT)))), rest)
    raise _NeedsAutomaton


def _series(parts: Sequence[Node], at_start: bool, rest: Regular) -> Regular:
    if not parts:
        return rest
    head, tail = parts[0], parts[1:]
    if not at_start or not any(map(_looks_at_start, tail)):
        return _with_rest(head, at_start, _series(tail, False, rest))
    # The tail is still at the start when the head matches nothing.
    if not has_assertions(head):
        moved = _concatenation([_nonempty(head), _series(tail, False, rest)])
        return _union([_series(tail, True, rest), moved]) if _nullable(head) else moved
    match head:
        case Series(inner):
            return _series((*inner, *tail), True, rest)
        case Alternatives(inner):
            return _union([_series((part, *tail), True, rest) for part in inner])
        case Anchor() | Look():
            return _with_rest(head, True, _series(tail, True, rest))
    raise _NeedsAutomaton


def _nonempty(node: Node) -> Regular:
    language = _plain(node)
    return Without(language, (b"",)) if _nullable(node) else language


def language_of(node: Node, *, search: bool = False) -> Regular:
    """The texts that a tree matches as a whole, or, with `search`, that it matches somewhere.

    Raises GrammarSyntaxError for assertions that are not supported, ResourceLimitError for expressions whose
    assertions need too many states.
    """
    rest: Regular = ANY_TEXT if search else _EPSILON
    try:
        if not search:
            return _with_rest(node, True, rest)
        later = _with_rest(node, False, rest)
        if not _looks_at_start(node):
            return _concatenation([ANY_TEXT, later])
        return _union([_with_rest(node, True, rest), _concatenation([_SOME_TEXT, later])])
    except _NeedsAutomaton:
        if search:
            anything = Repeated(CharacterClass(((0, 0x10FFFF),)), 0, None)
            node = Series((anything, node, anything))
        return automaton_of(node)


def regex_language(pattern: str, dialect: Dialect = Dialect.PYTHON, flags: Flags | None = None) -> Regular:
    """The texts that a regular expression matches as a whole (``re.fullmatch``), as UTF-8.

    Raises GrammarSyntaxError with line and column.
    """
    return language_of(parse(pattern, dialect, flags))


def search_language(pattern: str, dialect: Dialect = Dialect.ECMA, flags: Flags | None = None) -> Regular:
    """The texts in which a regular expression matches somewhere (``re.search``), as UTF-8."""
    return language_of(parse(pattern, dialect, flags), search=True)
