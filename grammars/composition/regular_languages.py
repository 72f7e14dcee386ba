"""Grammars that are regular, and what can be done with those alone.

A grammar is regular here when merging its lexemes leaves one: its rules do not nest in themselves, and it has no
objects and counted lists.
"""

from collections.abc import Iterable

from constrain.grammars import ir
from constrain.grammars.composition.joining import Part, key_of, part_of
from constrain.grammars.errors import GrammarError
from constrain.grammars.lexemes import merge_terminals
from constrain.grammars.regular import (
    ANY_CHARACTER,
    ANY_TEXT,
    Complement,
    Concatenation,
    Intersection,
    Regular,
    Repetition,
    Symbols,
    Words,
)

__all__ = ["as_regular", "complement", "limited", "regular_grammar", "text_until", "text_without", "without_markers"]

_ANY_BYTE = Symbols(((0, 255),))
_ANY_BYTES = Repetition(_ANY_BYTE, 0, None)


def as_regular(part: Part) -> Regular | None:
    """The language of a grammar that is regular; None for another one."""
    grammar = part_of(part)
    if grammar.make_rule is not None:
        return None
    rule = merge_terminals(grammar).rules.get(grammar.start)
    return rule.regular if isinstance(rule, ir.Terminal) else None


def regular_grammar(regular: Regular, key: str) -> ir.Grammar:
    """The grammar of a regular language."""
    return ir.Grammar("start", {"start": ir.Terminal(regular)}, key=key)


def _regular(part: Part, purpose: str) -> tuple[Regular, str]:
    """The language of a part, and its key.  Raises GrammarError when it is not regular."""
    regular = as_regular(part)
    if regular is None:
        raise GrammarError(f"{purpose} needs a grammar without rules that nest, objects and arrays: a regular one")
    return regular, part_of(part).key


def complement(part: Part) -> ir.Grammar:
    """The texts that are not of the part, which is regular.  Raises GrammarError for another one."""
    regular, key = _regular(part, "the complement")
    return regular_grammar(Intersection((ANY_TEXT, Complement(regular))), key_of("complement", key))


def limited(part: Part, *, max_bytes: int | None = None, max_characters: int | None = None) -> ir.Grammar:
    """The texts of the part, which is regular, of at most so many bytes of UTF-8, or characters.

    Raises GrammarError for a part that is not regular: how much of a budget its rules have used is not known to a
    context-free parser.  `max_new_tokens` of decoders bounds a text as a whole.
    """
    regular, key = _regular(part, "a budget")
    bounds: list[Regular] = []
    for limit, unit in ((max_bytes, _ANY_BYTE), (max_characters, ANY_CHARACTER)):
        if limit is not None:
            if limit < 0:
                raise ValueError("a budget is not negative")
            bounds.append(Repetition(unit, 0, limit))
    if not bounds:
        raise ValueError("a budget is max_bytes or max_characters")
    return regular_grammar(Intersection((regular, *bounds)), key_of(f"limited {max_bytes} {max_characters}", key))


def _words(markers: Iterable[str]) -> Words:
    words = tuple(sorted({marker.encode() for marker in markers}))
    if not words or b"" in words:
        raise ValueError("markers are texts, at least one, and none of them empty")
    return Words(words)


def without_markers(markers: Iterable[str]) -> Regular:
    """Texts in which no marker occurs."""
    anywhere = Concatenation((_ANY_BYTES, _words(markers), _ANY_BYTES))
    return Intersection((ANY_TEXT, Complement(anywhere)))


def text_without(*markers: str) -> ir.Grammar:
    """Texts, the empty one among them, in which no marker occurs; without markers, all texts."""
    regular = without_markers(markers) if markers else ANY_TEXT
    return regular_grammar(regular, repr(("text without", markers)))


def text_until(*markers: str) -> ir.Grammar:
    """Texts that end with a marker, and in which none ends before: free text up to the first marker, with it."""
    words = _words(markers)
    ends = Concatenation((_ANY_BYTES, words))
    before = Concatenation((_ANY_BYTES, words, Repetition(_ANY_BYTE, 1, None)))
    regular = Intersection((ANY_TEXT, ends, Complement(before)))
    return regular_grammar(regular, repr(("text until", markers)))
