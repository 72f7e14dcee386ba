"""SQL: three dialects, queries or all statements, with names free or those of a database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from constrain.grammars import ir
from constrain.grammars.analysis import parts_of
from constrain.grammars.composition.expressions import rewritten
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import sql_words
from constrain.grammars.library.sources import source, space
from constrain.grammars.library.spacing import Layout, spaced
from constrain.grammars.library.sql_beginnings import shared_beginnings
from constrain.grammars.library.sql_brackets import clauses_once
from constrain.grammars.library.sql_exact import running_queries
from constrain.grammars.library.sql_names import any_case, fixed_functions, fixed_names
from constrain.grammars.library.sql_schema import Tables, tables_of
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import Complement, Intersection, Ranges, Regular

__all__ = ["sql", "tables_of"]

_AGGREGATES = ("COUNT", "SUM", "AVG", "MIN", "MAX")
_MINUS: Ranges = ((0x2D, 0x2D),)
_FLAT_BLOCK = r"/\*([^*/\x00]|/+[^*/\x00]|\*+[^*/\x00])*\*+/"  # none begins within it: PostgreSQL's are nested


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What is said outside a dialect's productions.

    source   the grammar's file
    near     what lexemes that must be kept apart begin and end with, beside minus signs
    words    by the names of terminals, the words that they are not
    blanks   white space
    ends     what ends a comment behind ``--``
    block    a comment that may have several lines
    folds    whether a name without quotes is read in small letters
    apart    what else must be kept apart
    changed  rules that the grammar's file has in part
    """

    source: str
    near: Ranges
    words: Mapping[str, str] = field(default_factory=dict)
    blanks: Ranges = ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))
    ends: str = r"\n\r"
    block: str = _FLAT_BLOCK
    folds: bool = False
    apart: tuple[tuple[Ranges, Ranges], ...] = ()
    changed: Callable[[Mapping[str, ir.Expression]], dict[str, ir.Expression]] = dict


_WORD_OR_QUOTE: Ranges = ((0x22, 0x22), (0x27, 0x27), (0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_OR_DOLLAR: Ranges = (
    *((0x22, 0x22), (0x24, 0x24), (0x27, 0x27), (0x30, 0x39)),
    *((0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A), (0x80, 0xFF)),
)
_OR_BACKTICK: Ranges = (
    *((0x22, 0x22), (0x24, 0x24), (0x27, 0x27), (0x30, 0x39)),
    *((0x41, 0x5A), (0x5F, 0x7A), (0x80, 0xFF)),
)

# Signs of PostgreSQL's operators run together, but for a plus or minus sign behind such as are in SQL's standard; what
# begins with a slash is a comment, or may begin with another of them.
_OPERATOR: Ranges = tuple((ord(sign), ord(sign)) for sign in sorted("!#%&*+-/<=>?@^`|~"))
_OPERATOR_GOES_ON: Ranges = tuple(pair for pair in _OPERATOR if chr(pair[0]) not in "+-/")
_COLON: Ranges = ((0x3A, 0x3A),)
_EQUALS: Ranges = ((0x3D, 0x3D),)

_DIALECTS = {
    "common": _Dialect("sql", _WORD_OR_QUOTE, blanks=((0x09, 0x0A), (0x20, 0x20))),
    "sqlite": _Dialect(
        "sql_sqlite", _OR_BACKTICK, {"WORD": sql_words.SQLITE}, ends=r"\n", block=r"/\*([^*\x00]|\*+[^*/\x00])*\*+/"
    ),
    "postgresql": _Dialect(
        "sql_postgresql",
        _OR_DOLLAR,
        {
            "WORD": sql_words.POSTGRESQL,
            "FUNCTION_WORD": sql_words.POSTGRESQL_FUNCTIONS,
            "LABEL_WORD": sql_words.POSTGRESQL_LABELS,
            "TARGET_WORD": sql_words.POSTGRESQL + "SET",
            "PART_WORD": "NOT",  # before LIKE, IN and the like PostgreSQL's lexer makes another word of it
            "WINDOW_WORD": sql_words.POSTGRESQL + "PARTITION RANGE ROWS GROUPS",
        },
        folds=True,
        apart=((_OPERATOR, _OPERATOR_GOES_ON), (_COLON, _EQUALS)),
        changed=clauses_once,
    ),
}

_STATEMENTS = {"query": "one_query", "statement": "one_statement", "script": "script"}


def sql(
    *,
    dialect: Literal["common", "sqlite", "postgresql"] = "common",
    statements: Literal["query", "statement", "script"] = "query",
    comments: bool = False,
    tables: Tables | None = None,
    ctes: Sequence[str] = (),
    aliases: Sequence[str] | None = None,
    functions: Sequence[str] | None = None,
    max_space: int | None = None,
    names: Literal["loose", "exact"] = "loose",
) -> ir.Grammar:
    """SQL: queries, and in the dialects of SQLite and PostgreSQL other statements.

    dialect     "common", the queries that SQLite, PostgreSQL and MySQL share; "sqlite" (3.40); "postgresql" (16)
    statements  one query, one statement of any kind, or a script: statements with semicolons between them
    comments    whether comments may stand between words and signs, and white space around the text
    tables      names of the tables and of their columns, or a SQLite database, as a file or a connection, that has
                them: no others are used.  A table's name is followed by columns of its own only; an alias, which is any
                other name, by any column.  Whether a table is among those queried is not checked
    ctes        with `tables`, the names that WITH may define
    aliases     with `tables`, the names that tables may be given; None: any other name; none: each has its own only
    functions   names of the functions that may be called, besides the aggregates COUNT, SUM, AVG, MIN and MAX, in
                capital or small letters; None: any
    max_space   the most white space between two words or signs; not with comments
    names       "exact": only queries that SQLite runs on a database with the tables, see running_queries; that is for
                one query in the dialect of SQLite without comments or names of WITH

    Raises GrammarError for an empty name, an unknown dialect, or statements that a dialect does not have, and
    sqlite3.Error for a file that is not a database.
    """
    if names not in ("loose", "exact"):
        raise GrammarError(f"there is no names={names!r}")
    if dialect not in _DIALECTS or statements not in _STATEMENTS:
        raise GrammarError(f"there is no dialect {dialect!r} with statements={statements!r}")
    about = _DIALECTS[dialect]
    if names == "exact":
        if tables is None or ctes or (dialect, statements, comments) != ("sqlite", "query", False):
            raise GrammarError(
                "names='exact' is for one query of SQLite, with tables, without comments or names of WITH"
            )
        word = _word(_with_words(source(about.source), about.words))
        return running_queries(tables_of(tables), aliases, functions, word, _exact_syntax(max_space))
    base = _with_words(source(about.source), about.words)
    if _STATEMENTS[statements] not in base.rules:
        raise GrammarError(f"the dialect {dialect!r} has queries only, no statements={statements!r}")
    word = _word(base)
    rules = {**about.changed(base.rules), base.start: ir.Reference(_STATEMENTS[statements])}
    if functions is not None:
        rules["function"] = fixed_functions([*_AGGREGATES, *functions], word)
    if tables is not None:
        rules |= fixed_names(tables_of(tables), ctes, aliases, word, str.islower if about.folds else bool)
    made = _laid_out(replace(base, rules=shared_beginnings(rules)), about, comments=comments, max_space=max_space)
    return replace(made, rules={made.start: made.rules[made.start]}, make_rule=dict(made.rules).__getitem__)


@cache
def _exact_syntax(max_space: int | None) -> ir.Grammar:
    grammar = source("sql_exact")
    shared = replace(grammar, rules=shared_beginnings(grammar.rules))
    # Brackets that close, and semicolons, count as words: all expressions end alike, and a text is read in one way.
    apart = (tuple(sorted([*_OR_BACKTICK, (0x29, 0x29), (0x3B, 0x3B)])), _OR_BACKTICK), (_MINUS, _MINUS)
    return spaced(shared, Layout(space(_DIALECTS["sqlite"].blanks, max_space), apart))


def _laid_out(grammar: ir.Grammar, about: _Dialect, *, comments: bool, max_space: int | None) -> ir.Grammar:
    """The grammar with white space and comments."""
    apart = ((about.near, about.near), (_MINUS, _MINUS), *about.apart)
    blanks = space(about.blanks, max_space)
    if not comments:
        return spaced(grammar, Layout(blanks, apart))
    if max_space is not None:
        raise GrammarError("max_space is for SQL without comments")
    comment = regex_language(rf"--[^{about.ends}\x00]*[{about.ends}]|{about.block}")
    last = regex_language(rf"--[^{about.ends}\x00]*")
    return spaced(grammar, Layout(blanks, apart, around=True, comment=comment, last=last))


def _with_words(grammar: ir.Grammar, words: Mapping[str, str]) -> ir.Grammar:
    """The grammar with its words less the reserved ones, in capital and small letters."""
    known: dict[int, ir.Terminal] = {}
    reserved = {name: Complement(any_case(text.split())) for name, text in words.items()}

    def changed(node: ir.Expression) -> ir.Expression:
        match node:
            case ir.Terminal(regular, name) if name in reserved:
                return known.setdefault(id(node), replace(node, regular=Intersection((regular, reserved[name]))))
        return node

    return replace(grammar, rules={rule: rewritten(expression, changed) for rule, expression in grammar.rules.items()})


def _word(grammar: ir.Grammar) -> Regular:
    """What may stand for a name without quotes."""
    pending = [grammar.rules["table_alias"]]
    while pending:
        node = pending.pop()
        if isinstance(node, ir.Terminal) and node.name == "WORD":
            return node.regular
        pending.extend(parts_of(node))
    raise TypeError("a table's alias is a word")
