"""The grammars of the library as files, and white space that may be bounded."""

import re
from functools import cache
from importlib.resources import files

from constrain.grammars import ir
from constrain.grammars.lark_syntax import lark
from constrain.grammars.regular import Ranges, Regular, Repetition, Symbols

__all__ = ["source", "space"]


_ANY_CASE = re.compile(r'"([A-Z_]+)"i')


@cache
def source(name: str) -> ir.Grammar:
    """The grammar of a file of this folder, read without a lexer; white space is still ignored in it.

    A literal of any case, ``"SELECT"i``, is made of ASCII letters only: Python's regular expressions take the long s
    and the dotted I for letters of it, which no language of the library does.
    """
    text = (files("constrain.grammars.library") / f"{name}.lark").read_text(encoding="utf-8")
    return lark(_ANY_CASE.sub(r"/(?ai:\1)/", text), lexer="dynamic_complete")


def space(symbols: Ranges, max_space: int | None, *, minimum: int = 1) -> Regular | None:
    """White space of the given characters; None when there is to be none.

    Raises ValueError when `max_space` is less than `minimum`.
    """
    if max_space is not None and max_space < minimum:
        raise ValueError(f"max_space is at least {minimum}, not {max_space}")
    return None if max_space == 0 else Repetition(Symbols(symbols), 1, max_space)
