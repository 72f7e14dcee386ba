"""Queries of SQLite that run on a database whose tables are known (see sql_exact.lark and sql_scopes.py)."""

from collections.abc import Mapping, Sequence

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarError
from constrain.grammars.library.carried import carried
from constrain.grammars.library.sql_scopes import Query, Scopes
from constrain.grammars.regular import Regular

__all__ = ["running_queries"]

_FUNCTIONS = {
    "FUNCTION_1": "abs date datetime hex julianday length lower ltrim quote round rtrim sign time trim typeof unicode "
    "upper",
    "FUNCTION_2": "date datetime ifnull instr ltrim nullif round rtrim strftime substr time trim",
    "FUNCTION_3": "iif substr",
    "FUNCTION_MANY": "coalesce max min",
}
"""Functions of SQLite by the number of their arguments; only values that are too large make one of them fail."""


def running_queries(
    tables: Mapping[str, Sequence[str]],
    aliases: Sequence[str] | None,
    functions: Sequence[str] | None,
    word: Regular,
    syntax: ir.Grammar,
) -> ir.Grammar:
    """Queries that SQLite prepares on a database with the tables, and runs, but for an overflow of SUM or abs.

    Texts may be too long for its limits of size (sqlite.org/limits.html).

    aliases    names that tables may be given; None: any that is not known
    functions  those of SQLite's scalar functions that may be called; None: all that are known here
    word       what may stand for a name without quotes
    syntax     the grammar of sql_exact.lark, with space

    Raises GrammarError for a function that is not known, and when there is no table with a column.
    """
    known = {number: set(names.split()) for number, names in _FUNCTIONS.items()}
    if functions is not None:
        chosen = {name.lower() for name in functions}
        if unknown := chosen.difference(*known.values()):
            raise GrammarError(f"there is no function {min(unknown)!r} with names='exact'")
        known = {number: names & chosen for number, names in known.items()}
    plain = Language(word)
    scopes = Scopes(tables, aliases, known, word, lambda name: name.encode() in plain)
    return carried(syntax, scopes, Query())
