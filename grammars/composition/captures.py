"""From a text back to the values of the named parts of its grammar."""

from dataclasses import dataclass

from constrain.grammars import ir
from constrain.grammars.composition.chart import Chart
from constrain.grammars.composition.joining import CAPTURE, original_rule, part_of
from constrain.grammars.errors import GrammarSyntaxError

__all__ = ["Capture", "captures"]


@dataclass(frozen=True, slots=True)
class Capture:
    """A named part: its text, and where that stands, in characters."""

    name: str
    text: str
    start: int
    end: int


def _spelled(token: str | int) -> bytes:
    return (token if isinstance(token, str) else f"<[{token}]>").encode()


def captures(grammar: ir.Grammar, text: str) -> list[Capture]:
    """The named parts of a text (see `capture`), from left to right, outer ones before inner ones.

    Special tokens stand in the text by their names, ``<[id]>`` for one that the grammar names by its id.  Where a text
    can be read in several ways, it is read in one of them, which is always the same.  Takes time in proportion to the
    text, more for ambiguous grammars.

    Raises GrammarSyntaxError, with line and column, for a text that the grammar does not allow; GrammarError for a
    grammar whose lexemes are the longest possible ones.
    """
    grammar = part_of(grammar)
    data = text.encode()
    chart = Chart(data, grammar.start, lambda name: original_rule(grammar, name), _spelled)
    if not chart.accepts():
        before = data[: chart.furthest()].decode(errors="ignore")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise GrammarSyntaxError("the grammar does not allow this text", source=text, line=line, column=column)
    found = []
    for reading in chart.readings():
        name = reading.rule.rpartition("/")[2]
        if name.startswith(CAPTURE):
            start, end = (len(data[:at].decode()) for at in (reading.start, reading.end))
            found.append(Capture(name.removeprefix(CAPTURE), text[start:end], start, end))
    return found
