"""Corpora and judges of SQL, for languages.py.

Statements are taken from the folder that SQL_SOURCES names, such as unpacked sources of sqlglot and pglast from PyPI
(the latter come with PostgreSQL's regression tests): files ``*.sql``, cut into statements, and texts in files
``test_*.py`` that begin as statements do.  Those of a dialect are what its own parser reads: SQLite's, whose errors of
syntax are told from missing tables, and PostgreSQL's, by pglast (6 for PostgreSQL 16).  Only the kinds of statements
that the library's page names are taken; without a folder or parser there are none.
"""

import ast
import importlib
import importlib.util
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["LANGUAGES"]

_FIRST = re.compile(
    r"\s*\(*\s*(SELECT|WITH|VALUES|INSERT|REPLACE|UPDATE|DELETE|CREATE|DROP|ALTER|TABLE)\b", re.IGNORECASE
)
_SPACE = " \t\n\r\f"  # no other character is space in SQL
_COMMENT = re.compile(r"[ \t\n\r\f]+|--[^\n]*(\n|$)|/\*.*?\*/", re.DOTALL)
_SQLITE_SCOPE = re.compile(
    r"SELECT|WITH|VALUES|INSERT|REPLACE|UPDATE|DELETE|CREATE\s+((TEMP|TEMPORARY|UNIQUE)\s+)?(TABLE|INDEX|VIEW)|DROP|ALTER\s+TABLE",
    re.IGNORECASE,
)
_ERRORS = "syntax error|unrecognized token|incomplete input|one statement|null character|surrogates"
_POSTGRESQL_SCOPE = {
    *(
        "SelectStmt",
        "InsertStmt",
        "UpdateStmt",
        "DeleteStmt",
        "CreateStmt",
        "CreateTableAsStmt",
        "IndexStmt",
        "ViewStmt",
    ),
    *("DropStmt", "AlterTableStmt", "RenameStmt"),
}
_POSTGRESQL_FIRST = re.compile(
    r"SELECT|WITH|VALUES|TABLE\s|\(|INSERT|UPDATE|DELETE|CREATE|DROP\s+(TABLE|VIEW|MATERIALIZED|INDEX|SEQUENCE)|ALTER\s+TABLE",
    re.IGNORECASE,
)


def reads_sqlite(text: str) -> bool:
    """Whether SQLite finds no error of syntax; what it says about names and numbers of columns does not count."""
    return all(_reads_statement(statement) for statement in _statements(text) if _bare(statement) not in ("", ";"))


def _reads_statement(text: str) -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        for _ in range(3):
            try:
                connection.execute("EXPLAIN " + text)
            except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
                missing = re.fullmatch("no such table: ([^.]+)", str(error))
                if missing is None or not re.search("ALTER", text, re.IGNORECASE):
                    return not re.search(_ERRORS, str(error))
                quoted = missing[1].replace('"', '""')  # ALTER TABLE is not read to its end without the table
                connection.execute(f'CREATE TABLE "{quoted}" (a)')
    return True


def reads_postgresql(text: str) -> bool:
    """Whether PostgreSQL's parser reads the text.

    Comments are blanks to PostgreSQL, but pglast does not see ``NOT LIKE`` in ``NOT /* … */ LIKE``, and other pairs of
    words likewise: so what it refuses is read without comments, too.
    """
    pglast: Any = importlib.import_module("pglast")

    def reads(text: str) -> bool:
        try:
            pglast.parse_sql(text)
        except (pglast.parser.ParseError, UnicodeEncodeError, ValueError):
            return False
        return True

    return reads(text) or ((plain := _without_comments(text)) != text and reads(plain))


def _without_comments(text: str) -> str:
    """A text with blanks for what PostgreSQL's lexer takes for comments; what it does not read as it is."""
    pglast: Any = importlib.import_module("pglast")

    try:
        tokens = pglast.parser.scan(text)
    except (pglast.parser.ParseError, UnicodeEncodeError, ValueError):
        return text
    parts, end = [], 0
    for token in tokens:
        if token.name in ("SQL_COMMENT", "C_COMMENT"):
            parts += [text[end : token.start], " "]
            end = token.end + 1
    return "".join([*parts, text[end:]])


def _bare(text: str) -> str:
    """The text from its first word on."""
    while found := _COMMENT.match(text):
        text = text[found.end() :]
    return text


def _in_scope_of_postgresql(text: str) -> bool:
    pglast: Any = importlib.import_module("pglast")

    if not _POSTGRESQL_FIRST.match(_bare(text)):
        return False
    try:
        statements = pglast.parse_sql(text)
    except (pglast.parser.ParseError, UnicodeEncodeError, ValueError):
        return False
    return bool(statements) and all(type(each.stmt).__name__ in _POSTGRESQL_SCOPE for each in statements)


def _in_scope_of_sqlite(text: str) -> bool:
    return bool(_SQLITE_SCOPE.match(_bare(text))) and reads_sqlite(text)


def _statements(text: str) -> Iterator[str]:
    """A script, cut where SQLite finds a statement complete."""
    begun = ""
    for part in re.split("(?<=;)", text):
        begun += part
        if sqlite3.complete_statement(begun):
            yield begun.strip(_SPACE)
            begun = ""
    if begun.strip(_SPACE):
        yield begun.strip(_SPACE)


def _texts(path: Path) -> Iterator[str]:
    text = path.read_bytes().decode("utf-8", errors="ignore")
    if path.suffix == ".sql":
        blocks = text.split("\n") if path.name == "identity.sql" else [text]
        for block in blocks:
            yield from _statements(block)
    else:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _FIRST.match(node.value):
                yield node.value


@cache
def _all_texts() -> tuple[tuple[str, str], ...]:
    """All texts, once each, with names made of their file and number."""
    folder = Path(os.environ.get("SQL_SOURCES", "") or "/nonexistent")
    found: dict[str, str] = {}
    for path in sorted([*folder.rglob("*.sql"), *folder.rglob("test_*.py")]):
        for number, text in enumerate(_texts(path)):
            if text.isprintable() or "\x00" not in text:
                found.setdefault(text, f"{path.relative_to(folder)}:{number}")
    return tuple((name, text) for text, name in found.items())


def _corpus(in_scope: Callable[[str], bool], package: str) -> Callable[[], Iterator[tuple[str, str]]]:
    def found() -> Iterator[tuple[str, str]]:
        if importlib.util.find_spec(package) is not None:
            yield from ((name, text) for name, text in _all_texts() if in_scope(text))

    return found


LANGUAGES = {
    "sqlite": (_corpus(_in_scope_of_sqlite, "sqlite3"), reads_sqlite),
    "postgresql": (_corpus(_in_scope_of_postgresql, "pglast"), reads_postgresql),
}
"""Corpora and judges by dialect."""
