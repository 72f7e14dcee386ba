r"""Lexemes whose patterns have lazy quantifiers: what `re.match` takes from the beginning of a text.

Lazy and greedy quantifiers match the same texts as a whole, but a lexer does not know where the whole ends:
``".*?"`` is to stop at the first quotation mark.  So a lexeme is a text of the pattern no proper prefix of which is
one.  What follows the last lazy quantifier may be optional; that part is greedy again: ``/.*?/[a-z]*``.

A pattern is refused where this is not what backtracking finds: where greedy parts leave a choice that bears on the
end of a lazy one, as in ``a*.*?ab`` or ``(".*?")+``.
"""

from collections.abc import Iterator, Sequence

from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarSyntaxError
from constrain.grammars.regex.compiler import Dialect, has_assertions, language_of
from constrain.grammars.regex.syntax import Alternatives, Anchor, CharacterClass, Flags, Look, Node, Repeated, Series
from constrain.grammars.regex.syntax import parse as parse_pattern
from constrain.grammars.regular import (
    ANY_CHARACTER,
    ANY_TEXT,
    Characters,
    Complement,
    Concatenation,
    Intersection,
    Regular,
    Union,
)

__all__ = ["lexeme_language"]

_MORE = Concatenation((ANY_CHARACTER, ANY_TEXT))


def lexeme_language(pattern: str, flags: Flags) -> Regular:
    """The texts that `re.match` takes from the beginning of some text, one alternative of the pattern at a time.

    Without lazy quantifiers they are the texts that the pattern matches as a whole.  Raises GrammarSyntaxError.
    """
    return _language(parse_pattern(pattern, Dialect.PYTHON, flags), pattern)


def _language(node: Node, pattern: str) -> Regular:
    if not _has_lazy(node):
        return language_of(node)
    if isinstance(node, Alternatives):
        return Union(tuple(_language(part, pattern) for part in node.parts))
    core, optional = _split(_flat(node))
    if not _ends_at_once(core):
        message = "regular expression: where a lazy quantifier ends depends on greedy ones, which is not supported"
        raise GrammarSyntaxError(message, source=pattern)
    shortest = _shortest(language_of(Series(core)))
    if not optional:
        return shortest
    return Intersection((Concatenation((shortest, language_of(Series(optional)))), language_of(node)))


def _shortest(language: Regular) -> Regular:
    """The texts of a language that do not begin with another one."""
    return Intersection((language, Complement(Concatenation((language, _MORE)))))


def _has_lazy(node: Node) -> bool:
    match node:
        case Series(parts) | Alternatives(parts):
            return any(map(_has_lazy, parts))
        case Repeated():
            return node.lazy or _has_lazy(node.part)
    return False  # in what looks around, all quantifiers are alike


def _flat(node: Node) -> tuple[Node, ...]:
    """The parts of a series, groups within it opened."""
    return tuple(inner for part in node.parts for inner in _flat(part)) if isinstance(node, Series) else (node,)


def _split(parts: tuple[Node, ...]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """The parts up to the end of what has to follow the last lazy quantifier, and the optional ones behind it."""
    last = max(i for i, part in enumerate(parts) if _has_lazy(part))
    end = len(parts)
    while end > last + 1 and not has_assertions(parts[end - 1]) and b"" in Language(language_of(parts[end - 1])):
        end -= 1
    final = parts[end - 1]
    if end > last + 1 and isinstance(final, Repeated) and final.minimum > 0 and final.maximum != final.minimum:
        more = None if final.maximum is None else final.maximum - final.minimum
        fixed = Repeated(final.part, final.minimum, final.minimum)
        return (*parts[: end - 1], fixed), (Repeated(final.part, 0, more), *parts[end:])
    return parts[:end], parts[end:]


# When the shortest text is what backtracking finds


def _ends_at_once(parts: Sequence[Node]) -> bool:
    """Whether the greedy parts of a series leave no choice about where the lazy ones end."""
    lazy = [i for i, part in enumerate(parts) if _has_lazy(part)]
    if not lazy:
        return _is_prefix_free(parts)
    head, middle, tail = parts[: lazy[0]], parts[lazy[0] : lazy[-1]], parts[lazy[-1] + 1 :]
    return (
        (_is_prefix_free(head) or not _may_follow(head, parts[lazy[0] :]))
        and all(_has_lazy(part) or _is_prefix_free([part]) for part in middle)
        and all(_is_decided(parts[i]) for i in lazy)
        and _is_prefix_free(tail)
    )


def _is_decided(node: Node) -> bool:
    """Whether a part with lazy quantifiers ends where it first can."""
    match node:
        case Repeated(part):
            return node.lazy and not _has_lazy(part)
        case Alternatives(parts):
            firsts = [_first_bytes([part]) for part in parts]
            return len(set().union(*firsts)) == sum(map(len, firsts)) and all(_ends_at_once(_flat(p)) for p in parts)
    return False


def _is_prefix_free(parts: Sequence[Node]) -> bool:
    """Whether no text of a series begins with another one; conditions on what is around do not count."""
    language = language_of(Series(tuple(part for part in parts if not isinstance(part, Look | Anchor))))
    return Language(Intersection((language, Concatenation((language, _MORE))))).is_empty()


def _first_bytes(parts: Sequence[Node]) -> set[int]:
    return set(Language(language_of(Series(tuple(parts)))).next_bytes(b""))


def _may_follow(head: Sequence[Node], rest: Sequence[Node]) -> bool:
    """Whether the rest of a series may begin as the head of it goes on, or may be nothing."""
    if b"" in Language(language_of(Series(tuple(rest)))):
        return True
    ranges = tuple(part for node in head for part in _ranges(node))
    return bool(_first_bytes(rest) & set(Language(Characters(ranges)).next_bytes(b""))) if ranges else False


def _ranges(node: Node) -> Iterator[tuple[int, int]]:
    """The characters that occur in a tree."""
    match node:
        case CharacterClass(ranges):
            yield from ranges
        case Series(parts) | Alternatives(parts):
            for part in parts:
                yield from _ranges(part)
        case Repeated(part):
            yield from _ranges(part)
