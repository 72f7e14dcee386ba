"""Contiguous pieces of a document: what a model may quote.

The pieces are the paths of the document's suffix automaton (Blumer et al. 1985), which has fewer than two states and
three transitions for each character or word, and is built in time proportional to the document.
"""

import re

from constrain.grammars import ir
from constrain.grammars.composition.regular_languages import regular_grammar
from constrain.grammars.errors import UnsatisfiableConstraintError
from constrain.grammars.regular import Automaton

__all__ = ["substring"]

_UNITS = {
    "characters": re.compile(r".", re.DOTALL),
    "words": re.compile(r"\s*\w+|\s*[^\w\s]|\s+\Z"),
    "lines": re.compile(r"[^\n]*\n|[^\n]+"),
}


def _suffix_automaton(units: list[str]) -> list[dict[str, int]]:
    """The transitions of each state; state 0 is the first, and texts may end anywhere."""
    transitions: list[dict[str, int]] = [{}]
    length, link = [0], [-1]
    last = 0
    for unit in units:
        new = len(transitions)
        transitions.append({})
        length.append(length[last] + 1)
        link.append(0)
        state = last
        while state >= 0 and unit not in transitions[state]:
            transitions[state][unit] = new
            state = link[state]
        if state >= 0:
            target = transitions[state][unit]
            if length[target] != length[state] + 1:
                copy = len(transitions)
                transitions.append(dict(transitions[target]))
                length.append(length[state] + 1)
                link.append(link[target])
                while state >= 0 and transitions[state].get(unit) == target:
                    transitions[state][unit] = copy
                    state = link[state]
                link[target] = copy
                target = copy
            link[new] = target
        last = new
    return transitions


_Edges = list[list[tuple[str, int]]]
"""The transitions of each state; several may read the same unit."""


def _over_bytes(edges: _Edges) -> Automaton:
    """The automaton with bytes for units; a unit of several bytes leads through states of its own.

    Texts may end in every state of the edges but the first.
    """
    rows: list[list[tuple[int, int, int]]] = [[] for _ in edges]
    final = [False, *[True] * (len(edges) - 1)]
    for state, row in enumerate(edges):
        inner: dict[tuple[int, int], int] = {}  # state, byte: the state between the bytes of units that begin alike
        for unit, target in row:
            data = unit.encode()
            at = state
            for byte in data[:-1]:
                if (at, byte) not in inner:
                    inner[at, byte] = len(rows)
                    rows[at].append((byte, byte, len(rows)))
                    rows.append([])
                    final.append(False)
                at = inner[at, byte]
            rows[at].append((data[-1], data[-1], target))
    return Automaton(tuple(tuple(sorted(row)) for row in rows), tuple(final))


def substring(document: str, *, unit: str = "characters") -> ir.Grammar:
    r"""Non-empty pieces of a document that begin and end at characters, words or lines.

    `unit` is "characters", "words" (each with the white space before it, which the first word of a piece may do
    without; punctuation marks are words of their own) or "lines" (each with its line break, which the last one of a
    piece may do without).

    Raises UnsatisfiableConstraintError for an empty document.
    """
    if unit not in _UNITS:
        raise ValueError(f"unit is one of {', '.join(_UNITS)}, not {unit!r}")
    units = _UNITS[unit].findall(document)
    if not units:
        raise UnsatisfiableConstraintError("an empty document has no pieces")
    edges: _Edges = [list(row.items()) for row in _suffix_automaton(units)]
    if unit == "words":
        edges[0] += [(word.lstrip(), target) for word, target in edges[0] if word[0].isspace() and not word.isspace()]
    if unit == "lines":
        last = len(edges)
        for row in edges:
            row += [(line[:-1], last) for line, _ in row if len(line) > 1 and line[-1] == "\n"]
        edges.append([])
    return regular_grammar(_over_bytes(edges), repr(("substring", document, unit)))
