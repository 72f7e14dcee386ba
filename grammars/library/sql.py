"""Queries in SQL, with names free or fixed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarError
from constrain.grammars.library.sources import source, space
from constrain.grammars.library.spacing import Layout, spaced
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import Automaton, Complement, Intersection, Literal, Regular, Words

__all__ = ["sql"]

_SPACE = ((0x09, 0x0A), (0x20, 0x20))
_WORD_OR_QUOTE = ((0x22, 0x22), (0x27, 0x27), (0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_MINUS = ((0x2D, 0x2D),)

_POINT, _STAR = ir.Terminal(Literal(b"."), "POINT"), ir.Terminal(Literal(b"*"), "STAR")


def sql(
    *,
    tables: Mapping[str, Sequence[str]] | None = None,
    functions: Sequence[str] | None = None,
    max_space: int | None = None,
) -> ir.Grammar:
    """SELECT queries.

    tables      names of the tables and of their columns: no others are used.  A table's name is followed by columns
                of its own only; an alias, which is any other name, by any column.  Whether a table is among those
                queried is not checked
    functions   names of the functions that may be called, besides the aggregates COUNT, SUM, AVG, MIN and MAX, in
                capital or small letters; None: any
    max_space   the most white space between two words or signs

    Raises GrammarError for an empty name.
    """
    base = source("sql")
    rules = dict(base.rules)
    if functions is not None:
        rules["function"] = _functions(["COUNT", "SUM", "AVG", "MIN", "MAX", *functions])
    if tables is not None:
        rules |= _fixed(tables, _word(base))
    apart = ((_WORD_OR_QUOTE, _WORD_OR_QUOTE), (_MINUS, _MINUS))
    return spaced(replace(base, rules=rules), Layout(space(_SPACE, max_space), apart))


def _word(base: ir.Grammar) -> Regular:
    """What may stand for a name without quotes."""
    match base.rules["function"]:
        case ir.Alternation((ir.Sequence((ir.Terminal(regular),)),)):
            return regular
    raise TypeError("a function's name is one terminal")


def _functions(names: Iterable[str]) -> ir.Expression:
    patterns = []
    for name in names:
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            raise GrammarError(f"{name!r} is not the name of a function")
        patterns.append(name)
    return ir.Terminal(regex_language(f"(?ai:{'|'.join(patterns)})"), "FUNCTION")


def _fixed(tables: Mapping[str, Sequence[str]], word: Regular) -> dict[str, ir.Expression]:
    """The rules of names, when tables and their columns are given."""
    plain = Language(word)
    columns = list(dict.fromkeys(column for own in tables.values() for column in own))
    alias = ir.Terminal(Intersection((word, Complement(_in_any_case([*tables, *columns])))), "ALIAS")
    table, column = _either_name(tables, plain), _either_name(columns, plain)
    qualified = [
        ir.Sequence((_either_name([name], plain), _POINT, _either_name(own, plain))) for name, own in tables.items()
    ]
    return {
        "alias": alias,
        "table": table,
        "column_name": column,
        "column": ir.Alternation((column, *qualified, ir.Sequence((alias, _POINT, column)))),
        "all_columns": ir.Sequence((ir.Alternation((table, alias)), _POINT, _STAR)),
    }


def _in_any_case(names: Iterable[str]) -> Regular:
    """Those of the names that are of ASCII, in capital and small letters: others are no words."""
    following: list[dict[str, int]] = [{}]
    ends = set()
    for name in names:
        node = 0
        for letter in name.lower() if name.isascii() else "":
            if letter not in following[node]:
                following[node][letter] = len(following)
                following.append({})
            node = following[node][letter]
        ends.add(node)
    rows = (
        tuple(
            (ord(case), ord(case), target)
            for letter, target in row.items()
            for case in sorted({letter, letter.upper()})
        )
        for row in following
    )
    return Automaton(tuple(rows), tuple(node in ends for node in range(len(following))))


def _either_name(names: Iterable[str], plain: Language) -> ir.Expression:
    """Any of the names, in quotes or, where that can be, without."""
    texts: list[bytes] = []
    for name in names:
        if not name or "\x00" in name:
            raise GrammarError(f"{name!r} is not a name in SQL")
        quoted = name.replace('"', '""')
        texts.append(f'"{quoted}"'.encode())
        if name.encode() in plain:
            texts.append(name.encode())
    return ir.Terminal(Words(tuple(sorted(set(texts)))), "NAME") if texts else ir.Alternation(())
