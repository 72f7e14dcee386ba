"""Names of a database in place of the names that the grammars of SQL leave free."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarError
from constrain.grammars.regular import Automaton, Complement, Intersection, Literal, Regular, Words

__all__ = ["any_case", "either_name", "fixed_functions", "fixed_names"]

_POINT, _STAR = ir.Terminal(Literal(b"."), "POINT"), ir.Terminal(Literal(b"*"), "STAR")


def fixed_functions(names: Iterable[str], word: Regular) -> ir.Expression:
    """Any of the functions, in capital or small letters.  Raises GrammarError for what is no plain name."""
    plain = Language(word)
    found = list(names)
    for name in found:
        if not name.isascii() or name.encode() not in plain:
            raise GrammarError(f"{name!r} is not the name of a function")
    return ir.Terminal(any_case(found), "FUNCTION")


def fixed_names(
    tables: Mapping[str, Sequence[str]],
    ctes: Sequence[str],
    aliases: Sequence[str] | None,
    word: Regular,
    is_plain: Callable[[str], bool],
) -> dict[str, ir.Expression]:
    """The rules of names, when tables and their columns are given.

    ctes       names for common table expressions
    aliases    names that tables may be given; None: any that is not known
    word       what may stand for a name without quotes
    is_plain   whether a name without quotes is read as it is written
    """
    plain = Language(word)

    @cache
    def may_be_plain(name: str) -> bool:
        return is_plain(name) and name.encode() in plain

    def either(names: Iterable[str]) -> ir.Expression:
        words = either_name(names, may_be_plain)
        return ir.Terminal(words, "NAME") if words.words else ir.Alternation(())

    columns = list(dict.fromkeys(column for own in tables.values() for column in own))
    known = any_case([*tables, *columns, *ctes])
    alias = ir.Terminal(Intersection((word, Complement(known))), "ALIAS")
    table_alias = alias if aliases is None else either(aliases)
    column = either(columns)
    qualified = [ir.Sequence((either([name]), _POINT, either(own))) for name, own in tables.items()]
    others = ir.Alternation((table_alias, either(ctes)))
    return {
        "alias": alias,
        "table_alias": table_alias,
        "target_alias": ir.Alternation(()),
        "cte_name": either(ctes),
        "table": either([*tables, *ctes]),
        "column_name": column,
        "column": ir.Alternation((column, *qualified, ir.Sequence((others, _POINT, column)))),
        "all_columns": ir.Sequence((ir.Alternation((either(tables), others)), _POINT, _STAR)),
    }


def any_case(names: Iterable[str]) -> Regular:
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


def either_name(names: Iterable[str], is_plain: Callable[[str], bool]) -> Words:
    """Any of the names, in quotes or, where that can be, without."""
    texts: list[bytes] = []
    for name in names:
        if not name or "\x00" in name:
            raise GrammarError(f"{name!r} is not a name in SQL")
        quoted = name.replace('"', '""')
        texts.append(f'"{quoted}"'.encode())
        if is_plain(name):
            texts.append(name.encode())
    return Words(tuple(sorted(set(texts))))
