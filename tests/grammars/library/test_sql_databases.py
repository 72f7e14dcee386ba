"""SQL with the names of a database: read from SQLite, used in every dialect, many of them."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import constrain
from constrain.cli.example import random_text
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar
from constrain.grammars.library.sql_schema import tables_of
from constrain.tokenizer_index.index import TokenizerIndex

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, "Full Name" TEXT GENERATED ALWAYS AS (name || id));
CREATE TABLE orders (id, user_id REFERENCES users, price);
CREATE VIEW totals AS SELECT user_id, sum(price) AS total FROM orders GROUP BY user_id;
"""
TABLES = {
    "users": ["id", "name", "Full Name"],
    "orders": ["id", "user_id", "price"],
    "totals": ["user_id", "total"],
}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """A database in memory."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        yield connection


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes."""
    return TokenizerIndex.of_bytes()


def test_tables_are_read(database: sqlite3.Connection, tmp_path: Path) -> None:
    """From a connection and from a file, which is not written to; views too, SQLite's own tables not."""
    assert tables_of(database) == TABLES
    path = tmp_path / "of # users?.db"
    with closing(sqlite3.connect(path)) as copy:
        database.backup(copy)
    assert tables_of(path) == tables_of(str(path)) == TABLES
    with pytest.raises(sqlite3.Error):
        tables_of(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()


def test_a_changed_database_is_another_grammar(database: sqlite3.Connection, index: TokenizerIndex) -> None:
    """What a connection has when the grammar is made counts."""
    before = grammar("sql", dialect="sqlite", tables=database)
    assert grammar("sql", dialect="sqlite", tables=TABLES) is before
    database.execute("ALTER TABLE orders ADD COLUMN city TEXT")
    after = grammar("sql", dialect="sqlite", tables=database)
    assert not constrain.compile(before, index).accepts("SELECT city FROM orders")
    assert constrain.compile(after, index).accepts("SELECT city FROM orders")


@pytest.mark.parametrize("dialect", ["common", "sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("SELECT name FROM users", True),
        ('SELECT u."Full Name", orders.price FROM users AS u JOIN orders ON u.id = orders.user_id', True),
        ("SELECT total FROM totals WHERE user_id IN (SELECT id FROM users)", True),
        ("SELECT users.* FROM users", True),
        ("SELECT city FROM users", False),
        ("SELECT users.price FROM users", False),
        ("SELECT name FROM people", False),
        ("SELECT u.city FROM users AS u", False),
        ("WITH rich AS (SELECT name FROM users) SELECT rich.name FROM rich", True),
        ("WITH poor AS (SELECT name FROM users) SELECT name FROM poor", False),
    ],
)
def test_names(dialect: str, text: str, allowed: bool, index: TokenizerIndex) -> None:
    """Those of the database, of aliases, and those that WITH may define."""
    made = grammar("sql", dialect=dialect, tables=TABLES, ctes=["rich"])
    assert constrain.compile(made, index).accepts(text) == allowed


def test_aliases(index: TokenizerIndex) -> None:
    """Those that are given; with none, tables go by their own names, results still by any."""
    none = constrain.compile(grammar("sql", dialect="sqlite", tables=TABLES, aliases=[]), index)
    assert none.accepts("SELECT users.name AS n FROM users")
    assert not none.accepts("SELECT u.name FROM users")
    assert not none.accepts("SELECT 1 FROM users AS u")
    some = constrain.compile(grammar("sql", dialect="sqlite", tables=TABLES, aliases=["u"]), index)
    assert some.accepts("SELECT u.name FROM users AS u")
    assert not some.accepts("SELECT v.name FROM users AS v")


@pytest.mark.parametrize(
    ("dialect", "text", "allowed"),
    [
        ("sqlite", "INSERT INTO users (name) VALUES ('x')", True),
        ("sqlite", "INSERT INTO users (city) VALUES ('x')", False),
        ("sqlite", "UPDATE orders SET price = price + 1", True),
        ("sqlite", "UPDATE orders SET city = 1", False),
        ("sqlite", "CREATE TABLE people (city TEXT)", True),
        ("postgresql", "DELETE FROM orders USING users WHERE users.id = user_id", True),
        ("postgresql", "DELETE FROM people", False),
    ],
)
def test_statements(dialect: str, text: str, allowed: bool, index: TokenizerIndex) -> None:
    """What is changed is there; what is made need not be."""
    made = grammar("sql", dialect=dialect, statements="statement", tables=TABLES)
    assert constrain.compile(made, index).accepts(text) == allowed


def test_names_that_postgresql_folds(index: TokenizerIndex) -> None:
    """Without quotes they would be read in small letters."""
    constraint = constrain.compile(grammar("sql", dialect="postgresql", tables={"Users": ["Id"]}), index)
    assert constraint.accepts('SELECT "Id" FROM "Users"')
    assert not constraint.accepts("SELECT Id FROM Users")


def test_names_are_checked() -> None:
    """Empty names, and functions that are keywords."""
    with pytest.raises(GrammarError, match="'' is not a name"):
        grammar("sql", dialect="sqlite", tables={"": ["a"]})
    with pytest.raises(GrammarError, match="'select' is not the name of a function"):
        grammar("sql", dialect="sqlite", functions=["select"])


def test_random_queries_know_the_database(database: sqlite3.Connection, index: TokenizerIndex) -> None:
    """SQLite finds no error of syntax, no table that is missing but as an alias, and no function."""
    constraint = constrain.compile(grammar("sql", dialect="sqlite", tables=database, functions=["lower"]), index)
    for seed in range(12):
        text = random_text(constraint.matcher(), random.Random(seed), 20 + 8 * seed).decode()
        found = ""
        try:
            database.execute("EXPLAIN " + text)
        except sqlite3.Error as error:
            found = str(error)
        assert "syntax error" not in found, text
        assert "no such function" not in found, text
        assert found not in {f"no such table: {name}" for name in TABLES}, text


def test_twenty_thousand_names(index: TokenizerIndex) -> None:
    """Rules are made when a text comes to them; names are tries."""
    tables = {f"table_{i}": [f"column_{i}_{k}" for k in range(100)] for i in range(200)}
    constraint = constrain.compile(grammar("sql", dialect="sqlite", tables=tables), index)
    assert constraint.accepts("SELECT column_7_99, table_7.column_7_1 FROM table_7")
    assert not constraint.accepts("SELECT column_7_100 FROM table_7")
    assert not constraint.accepts("SELECT table_7.column_8_1 FROM table_7")
