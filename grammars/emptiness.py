"""What the structure of a regular expression tells of its language: whether the empty string belongs to it, and whether
other strings do.

That is all there is to ask of most terminals, and saves their automata, which are built when a text comes to them.
Intersections, complements and numbers are not told.
"""

from constrain.grammars import regular
from constrain.grammars.regular import Regular

__all__ = ["told_by_structure"]

Facts = tuple[bool, bool]
"""Whether a language has the empty string, and whether it has another one."""

_SURROGATES = 0xD800, 0xDFFF


def told_by_structure(expression: Regular) -> Facts | None:
    """Both facts, or None where they are not told."""
    known: dict[int, Facts | None] = {}
    pending: list[tuple[Regular, bool]] = [(expression, False)]
    while pending:
        node, parts_done = pending.pop()
        if id(node) in known:
            continue
        parts = _parts(node)
        if parts and not parts_done:
            pending.append((node, True))
            pending.extend((part, False) for part in parts)
            continue
        found = [known[id(part)] for part in parts]
        known[id(node)] = None if None in found else _facts(node, [one for one in found if one is not None])
    return known[id(expression)]


def _parts(node: Regular) -> tuple[Regular, ...]:
    match node:
        case regular.Concatenation(parts) | regular.Union(parts):
            return parts
        case regular.Repetition(part) | regular.JsonString(part) | regular.Without(part):
            return (part,)
    return ()


def _facts(node: Regular, parts: list[Facts]) -> Facts | None:
    match node:
        case regular.Empty():
            return False, False
        case regular.Epsilon():
            return True, False
        case regular.Literal(text):
            return not text, bool(text)
        case regular.Symbols(ranges):
            return False, any(low <= high for low, high in ranges)
        case regular.Characters(ranges):
            first, last = _SURROGATES
            return False, any(low <= high and (low < first or high > last) for low, high in ranges)
        case regular.Words(words):
            return b"" in words, any(words)
        case regular.Concatenation():
            reads = all(map(any, parts)) and any(reads for _, reads in parts)
            return all(nullable for nullable, _ in parts), reads
        case regular.Union():
            return any(nullable for nullable, _ in parts), any(reads for _, reads in parts)
        case regular.Repetition(_, minimum, maximum):
            ((nullable, reads),) = parts
            return nullable or minimum == 0, reads and maximum != 0
        case regular.JsonString():
            return False, any(parts[0])
        case regular.Without(_, (b"",)):
            return False, parts[0][1]
    return None
