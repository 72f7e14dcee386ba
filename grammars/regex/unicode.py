"""Classes of characters: categories and case from Python's Unicode tables, scripts from a table of our own.

General categories and case mappings are those of the running Python (`unicodedata.unidata_version`), so that they
agree with `re`; the script table says its version.
"""

import functools
import re
import sys
import unicodedata
from bisect import bisect_left, bisect_right
from importlib import resources

import numpy as np

from constrain.grammars.regex.charset import EVERYTHING, complement, normalise, of_characters, union
from constrain.grammars.regular import Ranges

__all__ = [
    "ASCII_DIGITS",
    "ASCII_SPACE",
    "ASCII_WORD",
    "ECMA_LINE_ENDS",
    "ECMA_SPACE",
    "case_variants",
    "digits",
    "property_class",
    "space",
    "word",
]

ASCII_DIGITS: Ranges = ((0x30, 0x39),)
ASCII_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
ASCII_SPACE: Ranges = ((0x09, 0x0D), (0x20, 0x20))
ECMA_LINE_ENDS: Ranges = of_characters("\n\r\u2028\u2029")

_GROUPS = {
    "L": ("Lu", "Ll", "Lt", "Lm", "Lo"),
    "LC": ("Lu", "Ll", "Lt"),
    "M": ("Mn", "Mc", "Me"),
    "N": ("Nd", "Nl", "No"),
    "P": ("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"),
    "S": ("Sm", "Sc", "Sk", "So"),
    "Z": ("Zs", "Zl", "Zp"),
    "C": ("Cc", "Cf", "Cs", "Co", "Cn"),
}

_LONG_NAMES = {
    "Letter": "L", "Cased_Letter": "LC", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll",
    "Titlecase_Letter": "Lt", "Modifier_Letter": "Lm", "Other_Letter": "Lo", "Mark": "M", "Combining_Mark": "M",
    "Nonspacing_Mark": "Mn", "Spacing_Mark": "Mc", "Enclosing_Mark": "Me", "Number": "N", "Decimal_Number": "Nd",
    "digit": "Nd", "Letter_Number": "Nl", "Other_Number": "No", "Punctuation": "P", "punct": "P",
    "Connector_Punctuation": "Pc", "Dash_Punctuation": "Pd", "Open_Punctuation": "Ps", "Close_Punctuation": "Pe",
    "Initial_Punctuation": "Pi", "Final_Punctuation": "Pf", "Other_Punctuation": "Po", "Symbol": "S",
    "Math_Symbol": "Sm", "Currency_Symbol": "Sc", "Modifier_Symbol": "Sk", "Other_Symbol": "So", "Separator": "Z",
    "Space_Separator": "Zs", "Line_Separator": "Zl", "Paragraph_Separator": "Zp", "Other": "C", "Control": "Cc",
    "cntrl": "Cc", "Format": "Cf", "Surrogate": "Cs", "Private_Use": "Co", "Unassigned": "Cn",
}  # fmt: skip


def _folded(name: str) -> str:
    """A property name as loose matching compares it (Unicode Standard Annex 44, UAX44-LM3)."""
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


def _all_characters() -> str:
    """Every code point in its place, surrogates too: what is asked of each at once takes little of the time."""
    return np.arange(sys.maxunicode + 1, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")


@functools.cache
def _categories() -> dict[str, Ranges]:
    """The code points of every two-letter general category."""
    found: dict[str, list[tuple[int, int]]] = {}
    names = "".join(map(unicodedata.category, _all_characters()))
    starts = np.flatnonzero(np.diff(np.frombuffer(names.encode(), np.uint16), prepend=0))  # two letters are one number
    ends = [*starts[1:].tolist(), sys.maxunicode + 1]
    for start, end in zip(starts.tolist(), ends, strict=True):
        found.setdefault(names[2 * start : 2 * start + 2], []).append((start, end - 1))
    return {category: tuple(ranges) for category, ranges in found.items()}


@functools.cache
def _scripts() -> dict[str, Ranges]:
    """The code points of every script, by folded name and by folded ISO 15924 code."""
    table = {}
    text = resources.files("constrain.grammars.regex").joinpath("scripts.txt").read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        code, name, *entries = line.split()
        ranges, end = [], 0
        for entry in entries:
            gap, _, extra = entry.partition(".")
            start = end + int(gap, 16)
            end = start + (int(extra, 16) if extra else 0)
            ranges.append((start, end))
        table[_folded(code)] = table[_folded(name)] = tuple(ranges)
    return table


@functools.cache
def _category_names() -> dict[str, str]:
    names = {_folded(long): short for long, short in _LONG_NAMES.items()}
    names.update({_folded(short): short for short in [*_GROUPS, *_categories()]})
    return names


def _category(name: str) -> Ranges | None:
    short = _category_names().get(_folded(name))
    if short is None:
        return None
    return union(*(_categories().get(member, ()) for member in _GROUPS.get(short, (short,))))


def _by_test(name: str) -> Ranges | None:
    """Properties that Python's string methods know."""
    tests = {"alphabetic": str.isalpha, "uppercase": str.isupper, "lowercase": str.islower}
    test = tests.get(_folded(name))
    if test is None:
        return None
    passed = np.fromiter(map(test, _all_characters()), bool, sys.maxunicode + 1)
    bounds = np.flatnonzero(np.diff(passed, prepend=False, append=False)).reshape(-1, 2)
    return tuple((low, end - 1) for low, end in bounds.tolist())


@functools.cache
def property_class(name: str) -> Ranges | None:
    r"""The code points of ``\p{name}``: a general category, a script, ``Any``, ``ASCII`` …; None when not known.

    Accepts ``name``, ``gc=name``, ``sc=name`` and their long forms, as ECMAScript and Perl write them.
    """
    kind, separator, value = name.partition("=")
    if separator:
        if _folded(kind) in ("gc", "generalcategory"):
            return _category(value)
        if _folded(kind) in ("sc", "script", "scx", "scriptextensions"):
            return _scripts().get(_folded(value))
        return None
    special = {"any": EVERYTHING, "ascii": ((0, 0x7F),), "assigned": complement(_categories()["Cn"])}
    if _folded(name) in special:
        return special[_folded(name)]
    found = _category(name)
    if found is None:
        found = _scripts().get(_folded(name.removeprefix("Is") if name.startswith("Is") else name))
    return _by_test(name) if found is None else found


@functools.cache
def digits() -> Ranges:
    r"""Python's ``\d`` for texts."""
    return _categories()["Nd"]


@functools.cache
def space() -> Ranges:
    r"""Python's ``\s`` for texts."""
    return _found(r"\s+")


@functools.cache
def word() -> Ranges:
    r"""Python's ``\w`` for texts."""
    return _found(r"\w+")


def _found(pattern: str) -> Ranges:
    """The runs of characters that Python's `re` finds."""
    return tuple((run.start(), run.end() - 1) for run in re.finditer(pattern, _all_characters()))


ECMA_SPACE: Ranges = normalise([*ASCII_SPACE, (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
                                (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)])  # fmt: skip


_BLOCK = 128  # characters; in most blocks, none has case


@functools.cache
def _case_classes() -> dict[int, tuple[int, ...]]:
    """For every character with case, all characters that are equal to it when case is ignored.

    Two characters are equal when they have the same lower or the same upper case, or both equal a third.  (The only
    lower case of two characters, that of U+0130, counts by its first one, as in Unicode's simple mapping.)
    """
    groups: dict[str, set[int]] = {}
    parent: dict[int, int] = {}

    def root(code: int) -> int:
        while parent.setdefault(code, code) != code:
            parent[code] = parent[parent[code]]
            code = parent[code]
        return code

    characters = _all_characters()
    for block in (characters[start : start + _BLOCK] for start in range(0, len(characters), _BLOCK)):
        if block.lower() == block.upper() == block:
            continue
        for char in block:
            for other in {char.lower()[:1], char.upper()} - {char}:
                groups.setdefault(other, set()).add(ord(char))
    for other, members in groups.items():
        first, *rest = sorted(members | ({ord(other)} if len(other) == 1 else set()))
        for code in rest:
            parent[root(code)] = root(first)
    classes: dict[int, list[int]] = {}
    for code in list(parent):
        classes.setdefault(root(code), []).append(code)
    return {code: tuple(members) for members in classes.values() for code in members if len(members) > 1}


@functools.cache
def _cased() -> list[int]:
    return sorted(_case_classes())


def case_variants(ranges: Ranges, *, ascii_only: bool = False) -> Ranges:
    """The set with all characters that equal one of its members when case is ignored."""
    added = []
    for low, high in ranges:
        if ascii_only:
            added += [(max(low, a) + shift, min(high, b) + shift) for a, b, shift in ((65, 90, 32), (97, 122, -32))
                      if max(low, a) <= min(high, b)]  # fmt: skip
        else:
            cased = _cased()
            for code in cased[bisect_left(cased, low) : bisect_right(cased, high)]:
                added += [(member, member) for member in _case_classes()[code]]
    return normalise([*ranges, *added])
