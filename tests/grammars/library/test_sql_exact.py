"""Queries that run: names="exact" against SQLite, on queries that people write and at random, over random schemas."""

import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import pytest

import constrain
from constrain.cli.example import random_text
from constrain.compilation import CompiledConstraint
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar
from constrain.tokenizer_index.index import TokenizerIndex
from tests.grammars.library.programs import check_masks
from tests.matching import index_of

Tables = Mapping[str, Sequence[str]]

TABLES = {
    "users": ["id", "name", "city"],
    "orders": ["id", "user_id", "price"],
    "items": ["order_id", "Full Name", "price"],
}


@contextmanager
def database(tables: Tables) -> Iterator[sqlite3.Connection]:
    """A database with the tables and some rows."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for table, columns in tables.items():
            connection.execute(f"CREATE TABLE {quoted(table)} ({', '.join(map(quoted, columns))})")
            for value in (7, "Oslo", None, -2.5):
                connection.execute(
                    f"INSERT INTO {quoted(table)} VALUES ({', '.join('?' * len(columns))})", [value] * len(columns)
                )
        yield connection


def quoted(name: str) -> str:
    """A name in quotes."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def problem(connection: sqlite3.Connection, text: str) -> str:
    """What SQLite says of a query when it prepares it and begins to run it; "": nothing."""
    connection.set_progress_handler(lambda: True, 1_000_000)
    try:
        connection.execute(text).fetchmany(50)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        return "" if str(error) == "interrupted" else str(error)
    return ""


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes."""
    return TokenizerIndex.of_bytes()


def exact(index: TokenizerIndex, tables: Tables = TABLES, **options: object) -> CompiledConstraint:
    """The constraint of queries that run."""
    return constrain.compile(grammar("sql", dialect="sqlite", names="exact", tables=tables, **options), index)


@pytest.fixture(scope="module")
def queries(index: TokenizerIndex) -> CompiledConstraint:
    """With any aliases."""
    return exact(index)


RUNNING = [
    "SELECT name FROM users",
    "SELECT DISTINCT city, count(*) FROM users GROUP BY city ORDER BY count(*) DESC, 1 LIMIT 3 OFFSET 1;",
    "SELECT name, user_id FROM users JOIN orders ON users.id = orders.user_id WHERE orders.price > 10",
    "SELECT T1.name, T2.price FROM users AS T1 JOIN orders T2 ON T1.id = T2.user_id WHERE T2.price BETWEEN 1 AND 2",
    "SELECT u.name, count(*) n FROM users u, orders o WHERE u.id = user_id GROUP BY name HAVING sum(u.id) ORDER BY n",
    "SELECT a.name FROM users a LEFT JOIN users b ON a.city = b.city AND a.id <> b.id WHERE b.id IS NULL",
    'SELECT "Full Name", upper("Full Name") FROM items WHERE "Full Name" LIKE \'%x\' ESCAPE \'!\'',
    "SELECT name FROM users WHERE id NOT IN (SELECT user_id FROM orders WHERE orders.user_id = users.id)",
    "SELECT name FROM users WHERE EXISTS (SELECT * FROM orders o WHERE o.user_id = users.id AND city = 'Oslo')",
    "SELECT (SELECT max(price) FROM orders) - min(price) FROM items",
    "SELECT name, price FROM users JOIN orders USING (id)",
    "SELECT users.*, orders.id FROM users, orders",
    "SELECT o.* FROM orders AS o CROSS JOIN items",
    "SELECT name FROM users UNION ALL SELECT price FROM items EXCEPT SELECT 1 FROM orders ORDER BY 1 DESC",
    "SELECT CASE WHEN price > 3 THEN 'dear' ELSE coalesce(id, 1) END AS kind FROM orders ORDER BY kind COLLATE NOCASE",
    "SELECT sum(price * 2), avg(DISTINCT price), group_concat(id, ';') FROM orders",
    "SELECT count(*) FROM users WHERE (city = 'Oslo' OR NOT name IS NOT NULL) AND id % 2 = -1",
]


@pytest.mark.parametrize("text", RUNNING)
def test_queries_that_people_write(text: str, queries: CompiledConstraint) -> None:
    """They run, and are allowed."""
    with database(TABLES) as connection:
        assert problem(connection, text) == ""
    assert queries.accepts(text)


FAILING = [
    "SELECT name FROM orders",
    "SELECT name, price FROM users",
    "SELECT id FROM users, orders",
    "SELECT price FROM orders o, items i",
    "SELECT u.price FROM users u JOIN orders o",
    "SELECT u.name FROM users",
    "SELECT users.name FROM users u",
    "SELECT orders.name FROM orders",
    "SELECT o.* FROM users",
    "SELECT name FROM users WHERE price > 1",
    "SELECT name FROM users WHERE count(*) > 1",
    "SELECT name FROM users GROUP BY count(*)",
    "SELECT name FROM users JOIN orders ON max(price) = 1",
    "SELECT sum(max(price)) FROM orders",
    "SELECT name FROM users ORDER BY sum(id)",
    "SELECT name FROM users ORDER BY 2",
    "SELECT name AS n FROM users ORDER BY m",
    "SELECT name FROM users GROUP BY 3",
    "SELECT name FROM users UNION SELECT id, price FROM orders",
    "SELECT name FROM users UNION SELECT name FROM users ORDER BY upper(name)",
    "SELECT * FROM users UNION SELECT name FROM users",
    "SELECT name FROM users WHERE id IN (SELECT id, name FROM users)",
    "SELECT name FROM users WHERE id = (SELECT o.id FROM orders p)",
    "SELECT name FROM users WHERE (SELECT sum(users.id) FROM orders) > 1",
    "SELECT name FROM users JOIN orders USING (name)",
    "SELECT name FROM users LIMIT id",
    "SELECT lower(name, city) FROM users",
    "SELECT length() FROM users",
    "SELECT missing(name) FROM users",
    "SELECT name FROM users ORDER BY name COLLATE klingon",
    "SELECT name REGEXP 'x' FROM users",
    "SELECT name FROM users WHERE (id, name) = 1",
    "SELECT count(DISTINCT id, name) FROM users",
    "SELECT name LIKE 'x' ESCAPE 'xy' FROM users",
]


@pytest.mark.parametrize("text", FAILING)
def test_queries_that_do_not_run(text: str, queries: CompiledConstraint) -> None:
    """SQLite says so, and they are refused."""
    with database(TABLES) as connection:
        assert problem(connection, text) != ""
    assert not queries.accepts(text)


def test_aliases(index: TokenizerIndex) -> None:
    """Those that are given; with none, tables go by their own names."""
    some, none = exact(index, aliases=["T1", "T2"]), exact(index, aliases=[])
    assert some.accepts("SELECT T1.name FROM users AS T1 JOIN users T2")
    assert not some.accepts("SELECT u.name FROM users AS u")
    assert not none.accepts("SELECT T1.name FROM users AS T1")
    assert none.accepts("SELECT users.name AS T1 FROM users")
    assert not none.accepts("SELECT 1 FROM users, users")


@pytest.mark.parametrize(
    ("inner", "levels"), [("({})", 4), ("coalesce(1, {})", 4), ("(SELECT 1 FROM users GROUP BY id HAVING {})", 3)]
)
def test_nesting_is_bounded(inner: str, levels: int, queries: CompiledConstraint) -> None:
    """To what the stack of SQLite's parser has room for, whatever stands before the brackets."""
    text = "1"
    for _ in range(levels):
        text = "1 OR 1 AND NOT 1 NOT BETWEEN 1 AND 1 || 1 + 1 * -" + inner.format(text)
    with database(TABLES) as connection:
        assert problem(connection, f"SELECT id FROM users GROUP BY id, id HAVING {text}") == ""
    assert queries.accepts(f"SELECT id FROM users GROUP BY id, id HAVING {text}")
    assert not queries.accepts(f"SELECT id FROM users GROUP BY id, id HAVING {inner.format(text)}")


NAMES = ["id", "name", "Full Name", "price", "user_id", "end", "order", "a", "ID2", "Ünit", 'q"x', "count", "max", "T1"]


def schema(draw: random.Random) -> Tables:
    """Some tables that share names of columns, keywords among them."""
    tables = [f"{draw.choice(['t', 'Table ', 'desc', 'u'])}{i}" for i in range(draw.randint(1, 5))]
    return {table: draw.sample(NAMES, draw.randint(1, 5)) for table in tables}


@pytest.mark.parametrize("seed", range(3))
def test_random_queries_run(seed: int, index: TokenizerIndex) -> None:
    """On random schemas, whatever aliases there may be."""
    draw = random.Random(seed)
    tables = schema(draw)
    constraint = exact(index, tables, aliases=[None, [], ["T1", "a b"]][seed % 3], max_space=2)
    with database(tables) as connection:
        for number in range(3):
            text = random_text(constraint.matcher(), random.Random(f"{seed} {number}"), 25 * number + 10).decode()
            assert problem(connection, text) == "", (text, tables)


TOY = [
    b"SELECT ",
    b" FROM",
    b" FROM users",
    b"name",
    b"na",
    b"name, ",
    b"u.",
    b".name",
    b"users u",
    b", ",
    b"(SELECT ",
    b"sum(",
]
TOY += [
    b" WHERE ",
    b" GROUP BY ",
    b" HAVING",
    b"1)",
    b" ORDER",
    b"price",
    b"id",
    b"o.id",
    b" = o.",
    b" AS u",
    b"count(*)",
    b"*",
]


def test_masks_are_exact() -> None:
    """With tokens that cross the borders of lexemes, where what follows names depends on them."""
    toy = constrain.compile(
        grammar("sql", dialect="sqlite", names="exact", tables=TABLES), index_of([*map(bytes, zip(range(256))), *TOY])
    )
    for text in RUNNING[2:8:2]:
        check_masks(toy, [text], 6)


def test_options_are_checked() -> None:
    """Exact names are for one query of SQLite with tables, and for functions that are known."""
    for options in (
        {"tables": None},
        {"statements": "script"},
        {"dialect": "common"},
        {"comments": True},
        {"ctes": ["x"]},
    ):
        with pytest.raises(GrammarError, match="exact"):
            grammar("sql", **{"dialect": "sqlite", "names": "exact", "tables": TABLES, **options})
    with pytest.raises(GrammarError, match="no function 'load_extension'"):
        grammar("sql", dialect="sqlite", names="exact", tables=TABLES, functions=["load_extension"])
    with pytest.raises(GrammarError, match="no table"):
        grammar("sql", dialect="sqlite", names="exact", tables={"empty": []})
    with pytest.raises(GrammarError, match="names='rough'"):
        grammar("sql", names="rough")


def test_a_completion_for_which_bounds_say_little(index: TokenizerIndex) -> None:
    """Behind the beginning of CASE and CAST, going where least seems to be left has no end; it is searched then."""
    grammar = constrain.grammar(
        "sql", dialect="sqlite", tables={"t": ["a"]}, names="exact", functions=[], aliases=[], max_space=1
    )
    matcher = constrain.compile(grammar, index).matcher()
    assert matcher.accept_text("SELECT a FROM t ORDER BY cas")
    assert matcher.accept_text(matcher.shortest_completion())
    assert matcher.is_accepting
