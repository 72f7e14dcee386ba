"""The tables and columns of a SQLite database."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path

__all__ = ["Tables", "tables_of"]


Tables = Mapping[str, Sequence[str]] | str | PathLike[str] | sqlite3.Connection


def tables_of(database: Tables) -> Mapping[str, Sequence[str]]:
    """The names of a database's tables and views, and of their columns, in the order of their definition.

    The database is a mapping of these, which is returned, a file, which is opened for reading only, or a connection.
    Tables of SQLite's own, and columns that ``SELECT *`` leaves out, are not among them.  Raises sqlite3.Error for what
    is not a database.
    """
    if isinstance(database, Mapping):
        return database
    if isinstance(database, sqlite3.Connection):
        return _read(database)
    with closing(sqlite3.connect(f"{Path(database).resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return _read(connection)


def _read(connection: sqlite3.Connection) -> dict[str, list[str]]:
    named = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    columns = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid"
    tables = [row[0] for row in connection.execute(named).fetchall()]
    return {table: [row[0] for row in connection.execute(columns, (table,)).fetchall()] for table in tables}
