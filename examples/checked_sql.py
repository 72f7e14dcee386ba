"""Text to SQL, where SQLite itself says which queries count: they run, and find something."""

import sqlite3

import constrain
from constrain.decoders.samplers.estimators import accepted, majority

COLUMNS = ["status", "stock", "town", "cost"]
PROMPT = """rooms: status text, stock number, town text, cost number
Count the rooms whose town is Turin and with cost under 141.
SQL:
"""


def database() -> sqlite3.Connection:
    """A table to ask about."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE rooms (status TEXT, stock INTEGER, town TEXT, cost REAL)")
    rows = [("free", 2, "Turin", 90.0), ("taken", 1, "Turin", 120.0), ("free", 4, "Oslo", 80.0)]
    connection.executemany("INSERT INTO rooms VALUES (?, ?, ?, ?)", rows)
    return connection


def main() -> None:
    """Print the query that most samples agree on, by what it finds, and its answer."""
    model = constrain.load("embedded")
    grammar = constrain.grammar("sql", tables={"rooms": COLUMNS}, max_space=1)
    connection = database()

    def answer(query: str) -> str:
        return repr(connection.execute(query).fetchmany(100))

    def finds_something(query: str) -> bool:
        try:
            return connection.execute(query).fetchone() not in (None, (None,))
        except sqlite3.Error:
            return False

    checked = constrain.Checked(constrain.compile(grammar, model.index), final=finds_something)
    sampler = constrain.CARS(temperature=0.5)
    samples = accepted(sampler, model, model.encode(PROMPT), checked, 8, max_new_tokens=40, max_draws=1000)
    best, share = majority(samples, key=lambda sample: answer(sample.text))
    print(f"{best.text}   ({share:.0%} of {len(samples)} queries agree)")
    print(answer(best.text))
    connection.close()


if __name__ == "__main__":
    main()
