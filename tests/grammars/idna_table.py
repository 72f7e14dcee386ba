"""What the table of IDNA's character properties has to say, from the tables of `idna` and of Python.

``python -m tests.grammars.idna_table PATH`` writes the table to a file.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from idna import idnadata

Ranges = tuple[tuple[int, int], ...]

HEADER = """\
# Characters of Internationalised Domain Names: RFC 5892's classes, and the properties that its contextual rules and
# RFC 5893 use, for characters of Unicode 14.0 (Unicode Character Database, © Unicode, Inc., Unicode License v3).
# A line: name, then ranges as hexadecimal 'start.extra', start counted from the end of the range before.
"""


def _ranges(codes: Iterable[int]) -> Ranges:
    found: list[tuple[int, int]] = []
    for code in sorted(codes):
        if found and found[-1][1] + 1 == code:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return tuple(found)


def _known(code: int) -> bool:
    return unicodedata.category(chr(code)) != "Cn" and unicodedata.bidirectional(chr(code)) != ""


def _members(ranges: Iterable[int]) -> list[int]:
    """The code points of a set as `idna` keeps it: each integer is a range, start and end in its two halves."""
    return [code for pair in ranges for code in range(pair >> 32, pair & 0xFFFFFFFF) if _known(code)]


def _composing_pairs(codes: set[int]) -> tuple[set[int], set[int]]:
    firsts, seconds = set(), set()
    for code in range(sys.maxunicode + 1):
        decomposition = unicodedata.decomposition(chr(code)).split()
        if len(decomposition) == 2 and not decomposition[0].startswith("<"):
            first, second = (int(part, 16) for part in decomposition)
            if {first, second} <= codes and unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(code):
                firsts.add(first)
                seconds.add(second)
    return firsts, seconds


def properties() -> dict[str, Ranges]:
    """All sets of the table, for the characters that both `idna` and the running Python know."""
    tables: Any = idnadata
    classes = tables.codepoint_classes
    allowed = _members(classes["PVALID"])
    context = _members(classes["CONTEXTJ"]) + _members(classes["CONTEXTO"])
    codes = {*allowed, *context}

    def having(test: Callable[[int], bool]) -> Ranges:
        return _ranges(filter(test, codes))

    def in_script(*names: str) -> Ranges:
        return _ranges(code for name in names for code in codes.intersection(_members(tables.scripts[name])))

    def joining(*types: str) -> Ranges:
        return _ranges(code for name in types for code in codes.intersection(_members(tables.joining_types[name])))

    def directed(*names: str) -> Ranges:
        return having(lambda code: unicodedata.bidirectional(chr(code)) in names)

    firsts, seconds = _composing_pairs(codes)
    sets = {
        "allowed": _ranges(allowed),
        "context": _ranges(context),
        "mark": having(lambda code: unicodedata.category(chr(code)).startswith("M")),
        "first": _ranges(firsts),
        "second": _ranges(seconds),
        "left": joining("L", "D"),
        "right": joining("R", "D"),
        "Greek": in_script("Greek"),
        "Hebrew": in_script("Hebrew"),
        "kana_or_han": in_script("Hiragana", "Katakana", "Han"),
        "R": directed("R", "AL"),
        "AN": directed("AN"),
        "EN": directed("EN"),
        "NSM": directed("NSM"),
        "neutral": directed("ES", "CS", "ET", "ON", "BN"),
    }
    directions = {unicodedata.bidirectional(chr(code)) for code in codes}
    assert directions <= {"L", "R", "AL", "AN", "EN", "NSM", "ES", "CS", "ET", "ON", "BN"}
    combining = {code: unicodedata.combining(chr(code)) for code in codes}
    for number in sorted(set(combining.values()) - {0}):
        sets[f"ccc{number}"] = _ranges(code for code in codes if combining[code] == number)
    return sets


def _line(name: str, ranges: Ranges) -> str:
    entries, last = [], 0
    for low, high in ranges:
        entries.append(f"{low - last:x}" + (f".{high - low:x}" if high > low else ""))
        last = high
    return " ".join([name, *entries])


if __name__ == "__main__":
    lines = [_line(name, ranges) for name, ranges in properties().items()]
    Path(sys.argv[1]).write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
