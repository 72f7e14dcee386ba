"""Sets of strings: regular languages on the decoded text, simplified as they are combined.

Everything a schema can say of a string is regular: patterns, lengths, formats, enumerations, and what `not` makes
of them.  The operations keep the forms that are cheap to recognise (no restriction, a finite set, a length) and
otherwise leave the work to the automata.
"""

import threading
from collections.abc import Callable, Iterable

from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.language import Language
from constrain.grammars.automata.words import words_of
from constrain.grammars.regular import (
    ANY_CHARACTER,
    ANY_TEXT,
    Complement,
    Empty,
    Intersection,
    Regular,
    Repetition,
    Union,
    Without,
    Words,
)

__all__ = [
    "ANY",
    "NONE",
    "complement",
    "contains",
    "finite_words",
    "intersection",
    "is_empty",
    "length_between",
    "union",
    "without",
    "words",
]

ANY: Regular = ANY_TEXT
NONE: Regular = Empty()


def words(texts: Iterable[str]) -> Regular:
    """A finite set of strings; those with lone surrogates are no Unicode texts, and are left out."""
    encoded = []
    for text in texts:
        try:
            encoded.append(text.encode())
        except UnicodeEncodeError:
            continue
    return Words(tuple(dict.fromkeys(encoded))) if encoded else NONE


def length_between(minimum: int, maximum: int | None) -> Regular:
    """Strings of `minimum` to `maximum` characters."""
    if minimum <= 0 and maximum is None:
        return ANY
    if maximum is not None and maximum < max(minimum, 0):
        return NONE
    return Repetition(ANY_CHARACTER, max(minimum, 0), maximum)


def _is_length(language: Regular) -> bool:
    return isinstance(language, Repetition) and language.part is ANY_CHARACTER


def contains(language: Regular, text: bytes) -> bool:
    """Whether a text belongs to a language."""
    if language is ANY:
        return True
    if isinstance(language, Words):
        return text in language.words
    if isinstance(language, Repetition) and language.part is ANY_CHARACTER:
        length = len(text.decode())
        return language.minimum <= length and (language.maximum is None or length <= language.maximum)
    if isinstance(language, Without) and language.part is ANY:
        return text not in language.words
    return text in _automaton(language)


class _Memory(threading.local):
    """What is known of the languages asked about last, by identity: each is asked about many times.

    arena      their common automata; parts that they share are made once
    automata   those made, each with its language
    made       languages that were made of others, behind these
    empty      languages, and whether they have no string

    A thread has its own: automata change when they are asked.
    """

    def __init__(self) -> None:
        self.made: dict[tuple[int, ...], tuple[Regular, ...]] = {}
        self.empty: dict[int, tuple[Regular, bool]] = {}
        self.renew()

    def renew(self) -> None:
        """Let go of all automata."""
        self.arena = Arena(cells=1 << 20)  # pages that are not touched cost nothing
        self.automata: dict[int, tuple[Regular, Language]] = {}
        self.nodes: dict[int, int] = {}

    def automaton(self, language: Regular) -> Language:
        """The automaton of a language."""
        known = self.automata.get(id(language))
        if known is not None:
            return known[1]
        match language:
            case Intersection(parts) | Union(parts):
                for part in parts:
                    self.automaton(part)
            case Complement(part) | Without(part):
                self.automaton(part)
        made = Language(language, self.arena, self.nodes)
        self.automata[id(language)] = language, made
        self.nodes[id(language)] = made.node
        return made


_memory = _Memory()
_MAX_BYTES = 1 << 22
_MAX_KNOWN = 1000


def _automaton(language: Regular) -> Language:
    if _memory.arena.memory_bytes() > _MAX_BYTES:
        _memory.renew()
    return _memory.automaton(language)


def _has_no_string(language: Regular) -> bool:
    """Whether a language is empty, by its automaton."""
    known = _memory.empty.get(id(language))
    if known is None:
        if len(_memory.empty) > _MAX_KNOWN:
            _memory.empty.clear()
        known = _memory.empty[id(language)] = language, _automaton(language).is_empty()
    return known[1]


def _made_once(make: Callable[..., Regular], *parts: Regular) -> Regular:
    """A language made of others; the same object for the same ones, so that what is known of it is found."""
    key = id(make), *map(id, parts)
    known = _memory.made.get(key)
    if known is None:
        if len(_memory.made) > _MAX_KNOWN:
            _memory.made.clear()
        known = _memory.made[key] = *parts, make(*parts)
    return known[-1]


def _is_simple(language: Regular) -> bool:
    """Whether a language is known not to be empty by its form."""
    return language is ANY or isinstance(language, Words | Without) or _is_length(language)


def is_empty(language: Regular) -> bool:
    """Whether a language has no string."""
    if isinstance(language, Empty):
        return True
    if isinstance(language, Without) and language.part is not ANY:
        return _has_no_string(language)
    return not _is_simple(language) and _has_no_string(language)


def _filtered(finite: Words, language: Regular) -> Regular:
    if isinstance(language, Words):
        kept = tuple(text for text in finite.words if text in set(language.words))
    else:
        kept = tuple(text for text in finite.words if contains(language, text))
    return Words(kept) if kept else NONE


def intersection(first: Regular, second: Regular) -> Regular:
    """Strings of both languages."""
    if first is second or second is ANY:
        return first
    if first is ANY:
        return second
    if isinstance(first, Empty) or isinstance(second, Empty):
        return NONE
    if isinstance(first, Words):
        return _filtered(first, second)
    if isinstance(second, Words):
        return _filtered(second, first)
    if isinstance(first, Repetition) and isinstance(second, Repetition) and _is_length(first) and _is_length(second):
        maxima = [bound for bound in (first.maximum, second.maximum) if bound is not None]
        return length_between(max(first.minimum, second.minimum), min(maxima, default=None))
    return _made_once(_intersection, first, second)


def _intersection(first: Regular, second: Regular) -> Regular:
    parts: list[Regular] = []
    for language in (first, second):
        parts += language.parts if isinstance(language, Intersection) else (language,)
    return Intersection(tuple(dict.fromkeys(parts)))


def union(first: Regular, second: Regular) -> Regular:
    """Strings of either language."""
    if first is second or isinstance(second, Empty) or first is ANY:
        return first
    if isinstance(first, Empty) or second is ANY:
        return second
    if isinstance(first, Words) and isinstance(second, Words):
        return Words(tuple(dict.fromkeys(first.words + second.words)))
    return _made_once(_union, first, second)


def _union(first: Regular, second: Regular) -> Regular:
    parts: list[Regular] = []
    for language in (first, second):
        parts += language.parts if isinstance(language, Union) else (language,)
    return Union(tuple(dict.fromkeys(parts)))


def complement(language: Regular) -> Regular:
    """Strings that are not in a language."""
    if language is ANY:
        return NONE
    if isinstance(language, Empty):
        return ANY
    if isinstance(language, Words):
        return Without(ANY, language.words)
    if isinstance(language, Without) and language.part is ANY:
        return Words(language.words)
    if isinstance(language, Repetition) and _is_length(language):
        shorter = length_between(0, language.minimum - 1)
        longer = NONE if language.maximum is None else length_between(language.maximum + 1, None)
        return union(shorter, longer)
    return _made_once(_complement, language)


def _complement(language: Regular) -> Regular:
    return Intersection((ANY, Complement(language)))


def without(language: Regular, texts: Iterable[bytes]) -> Regular:
    """Strings of a language but for a few."""
    taken = tuple(texts)
    if isinstance(language, Empty) or not taken:
        return language
    if isinstance(language, Words):
        excluded = set(taken)
        kept = tuple(text for text in language.words if text not in excluded)
        return Words(kept) if kept else NONE
    if isinstance(language, Without):
        return Without(language.part, language.words + taken)
    return Without(language, taken)


def finite_words(language: Regular, limit: int = 1000) -> tuple[bytes, ...] | None:
    """The strings of a language, or None when there are more than `limit`."""
    if isinstance(language, Empty):
        return ()
    if isinstance(language, Words):
        return language.words if len(language.words) <= limit else None
    if isinstance(language, Repetition) and language.maximum == 0:
        return (b"",)
    if _is_simple(language):
        return None
    known = _listed.get(id(language))
    if known is None or known[0] is not language or known[1] != limit:
        if len(_listed) > _MAX_LISTED:
            _listed.clear()
        known = _listed[id(language)] = language, limit, words_of(_automaton(language), limit)
    return known[2]


_listed: dict[int, tuple[Regular, int, tuple[bytes, ...] | None]] = {}
_MAX_LISTED = 256
