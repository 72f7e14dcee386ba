"""JSON and arithmetic."""

import keyword
from collections.abc import Iterable, Sequence
from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.library.sources import source, space
from constrain.grammars.library.spacing import Layout, spaced
from constrain.grammars.regular import Words

__all__ = ["arithmetic", "json"]

_BLANK = ((0x20, 0x20),)
_JSON_SPACE = ((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20))


def json(*, max_space: int | None = None) -> ir.Grammar:
    """JSON texts (RFC 8259), of any value; `max_space` bounds each stretch of white space, 0 forbids it."""
    return spaced(source("json"), Layout(space(_JSON_SPACE, max_space, minimum=0), around=True))


def arithmetic(
    *, variables: Sequence[str] = (), functions: Sequence[str] = (), max_space: int | None = None
) -> ir.Grammar:
    """Arithmetic with numbers, ``+ - * / **`` and parentheses, in Python's notation.

    `variables` and `functions` are the names that may be used and called, with at least one argument.
    """
    base = source("arithmetic")
    names = {"variable": _names(variables), "function": _names(functions)}
    return spaced(replace(base, rules={**base.rules, **names}), Layout(space(_BLANK, max_space, minimum=0)))


def _names(names: Iterable[str]) -> ir.Expression:
    """Any of the names.  Raises GrammarError for what is not a name in Python, written in ASCII."""
    allowed = []
    for name in dict.fromkeys(names):
        if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
            raise GrammarError(f"{name!r} is not a name")
        allowed.append(name.encode())
    return ir.Terminal(Words(tuple(sorted(allowed))), "NAME") if allowed else ir.Alternation(())
