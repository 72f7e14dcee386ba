"""What the structure of a regular expression tells of its language: whether the empty string belongs to it, and whether
other strings do.

That is all there is to ask of most terminals, and saves their automata, which are built when a text comes to them.
Of intersections and complements, those are told that leave out finitely many strings, as names that are no keywords do.
"""

from collections.abc import Sequence
from typing import NamedTuple

from constrain.grammars import regular
from constrain.grammars.graphs import components
from constrain.grammars.regular import Regular

__all__ = ["told_by_structure"]


class _Facts(NamedTuple):
    """Of a language."""

    has_empty: bool
    reads: bool
    """Whether it has a string that is not empty."""
    endless: bool | None
    """Whether it has infinitely many strings, if that is told."""
    nearly_all: bool = False
    """Whether it is told to have all strings but finitely many."""


_SURROGATES = 0xD800, 0xDFFF


def told_by_structure(expression: Regular) -> tuple[bool, bool] | None:
    """Whether the language has the empty string, and whether it has another one; None where that is not told."""
    known: dict[int, _Facts | None] = {}
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
    told = known[id(expression)]
    return None if told is None else told[:2]


def _parts(node: Regular) -> tuple[Regular, ...]:
    match node:
        case regular.Concatenation(parts) | regular.Union(parts) | regular.Intersection(parts):
            return parts
        case regular.Repetition(part) | regular.JsonString(part) | regular.Without(part) | regular.Complement(part):
            return (part,)
    return ()


def _facts(node: Regular, parts: list[_Facts]) -> _Facts | None:
    match node:
        case regular.Empty():
            return _Facts(False, False, False)
        case regular.Epsilon():
            return _Facts(True, False, False)
        case regular.Literal(text):
            return _Facts(not text, bool(text), False)
        case regular.Symbols(ranges):
            return _Facts(False, any(low <= high for low, high in ranges), False)
        case regular.Characters(ranges):
            first, last = _SURROGATES
            return _Facts(False, any(low <= high and (low < first or high > last) for low, high in ranges), False)
        case regular.Words(words):
            return _Facts(b"" in words, any(words), False)
        case regular.Automaton(transitions, accepting):
            return _Facts(accepting[0], bool(transitions[0]), _comes_back(transitions))
        case regular.Concatenation():
            has_strings = all(part.has_empty or part.reads for part in parts)
            reads = has_strings and any(part.reads for part in parts)
            return _Facts(all(part.has_empty for part in parts), reads, _any_endless(parts) if has_strings else False)
        case regular.Union():
            has_empty, reads = any(part.has_empty for part in parts), any(part.reads for part in parts)
            return _Facts(has_empty, reads, _any_endless(parts))
        case regular.Repetition(_, minimum, maximum):
            (part,) = parts
            endless = part.reads if maximum is None else part.endless if maximum else False
            return _Facts(part.has_empty or minimum == 0, part.reads and maximum != 0, endless)
        case regular.JsonString():
            return _Facts(False, parts[0].has_empty or parts[0].reads, None)
        case regular.Without(_, words):
            return _but_for(parts[0], b"" in words, only_empty=words == (b"",))
        case regular.Complement():
            return _Facts(not parts[0].has_empty, True, True, True) if parts[0].endless is False else None
        case regular.Intersection():
            return _of_all(parts)
    return None


def _comes_back(transitions: Sequence[Sequence[tuple[int, int, int]]]) -> bool:
    """Whether an automaton, all of whose states are on a way to acceptance, can come to a state again."""
    targets: dict[int, set[int]] = {}
    pending = [0]
    while pending:
        state = pending.pop()
        if state not in targets:
            targets[state] = {target for _, _, target in transitions[state]}
            pending.extend(targets[state])
    return any(state in reached for state, reached in targets.items()) or len(components(targets)) < len(targets)


def _any_endless(parts: list[_Facts]) -> bool | None:
    """Of what has the strings of each part, or strings of all of them one after the other."""
    if any(part.endless for part in parts):
        return True
    return None if any(part.endless is None for part in parts) else False


def _but_for(part: _Facts, without_empty: bool, *, only_empty: bool) -> _Facts | None:
    """A part without some words."""
    if part.endless or only_empty or not part.reads:
        return _Facts(part.has_empty and not without_empty, part.reads, part.endless)
    return None


def _of_all(parts: list[_Facts]) -> _Facts | None:
    """The intersection, where at most one of the parts is more than all strings but finitely many."""
    others = [part for part in parts if not part.nearly_all]
    has_empty = all(part.has_empty for part in parts)
    if not others:
        return _Facts(has_empty, True, True, True)
    if len(others) == 1 and (others[0].endless or not others[0].reads):
        return _Facts(has_empty, others[0].reads, others[0].endless)
    return None
