"""JSON, arithmetic, and Python's expressions."""

import keyword
from collections.abc import Iterable, Sequence
from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.library.sources import source, space
from constrain.grammars.library.spacing import Bracket, Layout, spaced
from constrain.grammars.regular import Words

__all__ = ["arithmetic", "json", "python_expression"]

_BLANK = ((0x20, 0x20),)
_BLANK_OR_TAB = ((0x09, 0x09), (0x20, 0x20))
_BLANK_TAB_LINE = ((0x09, 0x0A), (0x20, 0x20))
_JSON_SPACE = ((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20))

_WORD_OR_QUOTE = ((0x22, 0x22), (0x27, 0x27), (0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))


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


def python_expression(*, max_space: int | None = None) -> ir.Grammar:
    """Python expressions that `ast.parse` reads in mode "eval".

    Lines may end within brackets only.  A word, number or string is kept apart from the next by a blank, which
    Python does not always ask for.
    """
    inside = space(_BLANK_TAB_LINE, max_space)
    brackets = {
        "LPAR": Bracket("RPAR", inside),
        "LSQB": Bracket("RSQB", inside),
        "LBRACE": Bracket("RBRACE", inside),
        "F_DOUBLE": Bracket("F_DOUBLE_END", None),
        "F_SINGLE": Bracket("F_SINGLE_END", None),
    }
    apart = ((_WORD_OR_QUOTE, _WORD_OR_QUOTE),)
    return spaced(source("python_expression"), Layout(space(_BLANK_OR_TAB, max_space), apart, brackets))
