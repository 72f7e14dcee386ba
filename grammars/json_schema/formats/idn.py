"""`idn-hostname`: internationalised names, RFC 5890, section 2.3.2.3, with the rules of RFC 5891, 5892 and 5893.

A name consists of ASCII labels and of labels in Unicode (U-labels).  The rules on a U-label are conditions on
neighbouring characters, so they are written here as a grammar of *clusters*, a character with the marks on it:

- what may stand in a label, and beside what: RFC 5892, appendix A (joiners, middle dots, Hebrew punctuation);
- normalisation (NFC): marks in the order of their combining classes, and none that composes with what it follows;
- no mark at the beginning, no hyphen at either end;
- in a name that holds right-to-left characters, every label has one direction (RFC 5893): a *Bidi name*.

The language is narrower than the rules in what is rare or not regular:

- labels in Punycode (``xn--…``) are left out, for what they mean is not a matter of their spelling;
- a U-label has at most 37 bytes.  The limit of RFC 1035 is 63 octets of its Punycode form, whose length depends on
  the order of all its characters; with 37 bytes in UTF-8 it has at most 62, see `MAX_U_LABEL`;
- a name with U-labels has at most four labels, of at most 62 octets, which cannot be longer than a name may be;
- a character that composes with some mark takes no mark that composes with others (so no acute on a Cyrillic а);
- a U-label has no two hyphens in a row; zero-width non-joiners stand directly between letters that join, or behind
  a virama; Hebrew punctuation and katakana dots directly beside a letter of their script;
- the labels of a Bidi name that are not right-to-left are ASCII, and the others have no neutral characters but
  hyphens and these non-joiners.
"""

from constrain.grammars.json_schema.formats.build import (
    ALNUM,
    ALPHA,
    either,
    literal,
    many,
    optional,
    separated,
    sequence,
)
from constrain.grammars.json_schema.formats.idna_table import characters, combining_classes
from constrain.grammars.json_schema.formats.network import MAX_LABEL, MAX_NAME, label_tail
from constrain.grammars.regex.charset import EVERYTHING, difference, intersection, of_characters, union
from constrain.grammars.regular import Characters, Intersection, Ranges, Regular, Symbols

__all__ = ["MAX_LABELS", "MAX_U_LABEL", "idn_hostname"]

MAX_U_LABEL = 37
"""Bytes of a U-label.

A dynamic programme over the states of Punycode's encoder (RFC 3492: bias, number of characters, least code point)
gives the longest encodings by number of bytes: 58 digits for 37 bytes, 60 for 38, where 63 - len("xn--") = 59 fit.
"""

MAX_LABELS = 4
"""Labels of a name with U-labels: four of 62 octets and three dots are 251 octets, of 253 that a name may have."""

_ANY_BYTE = Symbols(((0, 255),))
_DOT = Characters(of_characters(".。．｡"))
_HYPHEN = of_characters("-")
_JOINERS = of_characters("\u200c\u200d")
_DIGITS: Ranges = ((0x660, 0x669), (0x6F0, 0x6F9))  # not to be mixed, but RFC 5893 sees to that too
_VIRAMA = 9  # a combining class

# Digits, general marks, and the blocks of right-to-left scripts.
_RIGHT_TO_LEFT: Ranges = ((0x30, 0x39), (0x300, 0x36F), (0x590, 0x8FF), (0x10800, 0x10FFF), (0x1E800, 0x1EFFF))


def _marks(kept: Ranges, joins: bool) -> Regular:
    """Marks in the order of their combining classes; with `joins`, a joiner may follow a virama (A.1, A.2)."""
    parts = []
    for number, ranges in combining_classes():
        marks = intersection(ranges, kept)
        if marks and joins and number == _VIRAMA:
            parts.append(optional(sequence(many(Characters(marks), 1), optional(Characters(_JOINERS)))))
        elif marks:
            parts.append(many(Characters(marks)))
    return sequence(*parts)


class _Labels:
    """The U-labels of some characters.

    starters   characters without a combining class that need no special context
    marks      characters with a combining class
    signs      characters that need a special context, besides joiners
    joins      whether joiners may follow viramas

    A character is *composing* when it composes with some mark, else *plain*.  Marks that compose are *seconds*; those
    without a combining class are among the starters, and compose with the character directly before them only.
    """

    def __init__(self, starters: Ranges, marks: Ranges, signs: Ranges, *, joins: bool) -> None:
        self._starters, self._marks, self._signs, self._joins = starters, marks, signs, joins
        self._composing = intersection(characters("first"), starters)
        self._plain = difference(starters, self._composing)

    def _signs_among(self, text: str) -> Regular | None:
        """One or more of some signs, if this kind of label has them."""
        signs = intersection(of_characters(text), self._signs)
        return many(Characters(signs), 1) if signs else None

    def _starting(self, ranges: Ranges) -> Regular:
        return Characters(intersection(ranges, self._starters))

    def _introductions(self) -> list[tuple[Regular, Ranges]]:
        """What may come before a starter, and which ones it asks for (RFC 5892, appendix A)."""
        left, right, joiner = characters("left"), characters("right"), literal("\u200c")
        inner = many(sequence(self._starting(intersection(left, right)), joiner))
        found = [(sequence(self._starting(left), joiner, inner), right)]
        for sign, script in (("\u0375", "Greek"), ("\u30fb", "kana_or_han")):
            signs = self._signs_among(sign)
            if signs is not None:
                found.append((signs, characters(script)))
        if self._signs_among("·"):
            found.append((many(literal("l·"), 1), of_characters("l")))
        return found

    def _clusters(self) -> Regular:
        """A starter with its marks, and what has to stand before the starter or behind it."""
        plain: list[Regular] = [Characters(self._plain)]
        composing: list[Regular] = [Characters(self._composing)]
        for before, ranges in self._introductions():
            for kind, found in ((self._plain, plain), (self._composing, composing)):
                introduced = intersection(ranges, kind)
                if introduced:
                    found.append(sequence(before, Characters(introduced)))
        for sign, script in (("׳״", "Hebrew"), ("\u30fb", "kana_or_han")):
            signs = self._signs_among(sign)
            if signs is not None:
                plain.append(sequence(self._starting(characters(script)), signs))
        others = difference(self._marks, characters("second"))
        return either(
            sequence(either(*plain), _marks(self._marks, self._joins)),
            sequence(either(*composing), _marks(others, self._joins)),
        )

    def labels(self, first: Ranges) -> Regular:
        """Labels that begin with one of `first`, and are short enough."""
        clusters = many(either(self._clusters(), literal("-")))
        return Intersection((clusters, _hyphenated(first), _not_composed(), many(_ANY_BYTE, 1, MAX_U_LABEL)))


def _hyphenated(first: Ranges) -> Regular:
    """Texts with single hyphens inside, and no mark at the beginning or behind a hyphen."""
    others = difference(EVERYTHING, _HYPHEN)
    unmarked = difference(others, characters("mark"))
    rest = many(Characters(others))
    return sequence(
        Characters(intersection(first, unmarked)), rest, many(sequence(literal("-"), Characters(unmarked), rest))
    )


def _not_composed() -> Regular:
    """Texts in which no composing character is followed by a second without a combining class."""
    marked = union(*(ranges for _, ranges in combining_classes()))
    composing = characters("first")
    others = difference(EVERYTHING, composing)
    harmless = difference(others, difference(characters("second"), marked))
    run = many(Characters(composing), 1)
    return sequence(many(either(Characters(others), sequence(run, Characters(harmless)))), optional(run))


def _ascii_labels(first: Regular, length: int) -> Regular:
    """Labels of RFC 1123 without hyphens in both the third and the fourth place."""
    from_third = either(
        sequence(ALNUM, label_tail(length - 3)),
        sequence(literal("-"), ALNUM, label_tail(length - 4)),
    )
    return sequence(first, optional(either(sequence(ALNUM, optional(from_third)), sequence(literal("-"), from_third))))


def _mixed_names() -> Regular:
    """Names without right-to-left characters, and Bidi names."""
    marked = union(*(ranges for _, ranges in combining_classes()))
    starters = difference(union(characters("allowed"), _DIGITS), union(marked, _HYPHEN))
    signs = difference(characters("context"), union(_JOINERS, _DIGITS))
    rightward, arabic, european = characters("R"), characters("AN"), characters("EN")
    forward = _Labels(
        difference(starters, union(rightward, arabic)), marked, difference(signs, rightward), joins=True
    ).labels(EVERYTHING)
    backward = (
        _Labels(
            intersection(union(rightward, digits, characters("NSM")), intersection(starters, _RIGHT_TO_LEFT)),
            intersection(marked, _RIGHT_TO_LEFT),
            intersection(signs, rightward),
            joins=False,
        ).labels(rightward)
        for digits in (european, arabic)
    )

    def names(label: Regular) -> Regular:
        return sequence(label, many(sequence(_DOT, label), 0, MAX_LABELS - 1))

    longest = MAX_LABEL - 1
    return either(
        names(either(_ascii_labels(ALNUM, longest), forward)), names(either(_ascii_labels(ALPHA, longest), *backward))
    )


def idn_hostname() -> Regular:
    """A name of RFC 1123, or an internationalised one; as the module says."""
    ascii_names = Intersection((separated(_ascii_labels(ALNUM, MAX_LABEL), _DOT), many(_ANY_BYTE, 1, MAX_NAME)))
    return either(ascii_names, _mixed_names())
