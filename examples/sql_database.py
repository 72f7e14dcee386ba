"""A question about a SQLite database as SQL: its tables and columns are read from the file."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import constrain


def make(path: Path) -> None:
    """A database with two tables."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE orders (customer TEXT, city TEXT, price REAL)")
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", [("Ann", "Oslo", 3.5), ("Bo", "Rome", 6.5)])
        database.execute("CREATE TABLE couriers (courier_name TEXT, vehicle TEXT)")


def main() -> None:
    """Print the query, and what it finds."""
    model = constrain.load("embedded")
    prompt = "orders: customer text, city text, price number\nHow many orders whose city is Oslo are there?\nSQL:\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.db"
        make(path)
        grammar = constrain.grammar("sql", dialect="sqlite", tables=path, functions=[], aliases=[], max_space=1)
        query = constrain.generate(model, prompt, grammar, max_new_tokens=60).text
        print(query)
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            print(database.execute(query).fetchall())


if __name__ == "__main__":
    main()
