"""The properties of characters that IDNA's rules (RFC 5892, RFC 5893) look at, read from ``idna_table.txt``."""

import functools
from importlib import resources

from constrain.grammars.regular import Ranges

__all__ = ["characters", "combining_classes"]


@functools.cache
def _table() -> dict[str, Ranges]:
    table = {}
    text = resources.files("constrain.grammars.json_schema.formats").joinpath("idna_table.txt").read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, *entries = line.split()
        ranges, end = [], 0
        for entry in entries:
            gap, _, extra = entry.partition(".")
            start = end + int(gap, 16)
            end = start + (int(extra, 16) if extra else 0)
            ranges.append((start, end))
        table[name] = tuple(ranges)
    return table


def characters(name: str) -> Ranges:
    """A set of characters.

    ======================= ================================================================================
    allowed                 allowed everywhere in a label, subject to the rules on whole labels (PVALID)
    context                 allowed in some contexts only (CONTEXTJ and CONTEXTO)
    mark                    of general category M
    first, second           first and second characters of pairs that Unicode normalisation (NFC) composes
    left, right             that join to what follows, or to what comes before (joining types L and D, R and D)
    Greek, Hebrew           of these scripts
    kana_or_han             of the scripts Hiragana, Katakana and Han
    R, AN, EN, NSM          of these bidirectional classes; R holds AL too
    neutral                 of the classes ES, CS, ET, ON and BN; all that are in none of these five sets are of L
    ======================= ================================================================================

    All but the first two are given for characters of these two sets only.
    """
    return _table()[name]


def combining_classes() -> list[tuple[int, Ranges]]:
    """The canonical combining classes above 0, ascending, with the characters of each."""
    found = [(int(name[3:]), ranges) for name, ranges in _table().items() if name.startswith("ccc")]
    return sorted(found)
