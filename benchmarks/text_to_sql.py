"""Questions about a SQLite database, answered in SQL by the embedded model: what parses, runs and is right.

    python benchmarks/text_to_sql.py [--count N] [--seed S] [--ways WAY …] [--json FILE]

Each held-out question of the embedded model's SQL task is asked of a database with its table.  The model takes its most
probable token, in four ways: without a constraint, with the grammar of SQLite's queries, with that grammar and the
names that are read from the database, and with the queries that run on it.  An answer parses when SQLite finds
no error of syntax, runs when SQLite finds no error at all, and is right when it finds what the expected query finds on
the task's own rows.
"""

import argparse
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import constrain
from constrain.demo import free_texts
from constrain.embedded.tasks import Example, held_out_examples
from constrain.errors import ResourceLimitError

_SYNTAX = "syntax error|unrecognized token|incomplete input|one statement"
_MAX_NEW_TOKENS = 96


@contextmanager
def database(example: Example) -> Iterator[sqlite3.Connection]:
    """A database with the table that the question is about, and a row in it."""
    table, columns = example.prompt.partition("\n")[0].split(": ")
    fields = [column.rsplit(" ", 1) for column in columns.split(", ")]
    with closing(sqlite3.connect(":memory:")) as connection:
        typed = ", ".join(f"{name} {'TEXT' if kind == 'text' else 'INTEGER'}" for name, kind in fields)
        connection.execute(f"CREATE TABLE {table} ({typed})")
        row = ["Oslo" if kind == "text" else 7 for _, kind in fields]
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        yield connection


def outcome(example: Example, text: str, *, finished: bool = True) -> dict[str, bool]:
    """Whether an answer parses, runs and is right."""
    with database(example) as connection:
        connection.set_progress_handler(lambda: True, 1_000_000)  # what takes long does not run
        try:
            connection.execute(text).fetchall()
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            parses = not re.search(_SYNTAX, str(error))
            return {"parses": finished and parses, "runs": False, "right": False}
    return {"parses": finished, "runs": finished, "right": finished and example.is_correct(text)}


def free(model: Any, examples: list[Example]) -> list[dict[str, bool]]:
    """Without a constraint."""
    made = free_texts(model, [example.prompt for example in examples])
    return [outcome(each, text, finished=finished) for each, (text, finished) in zip(examples, made, strict=True)]


def by_grammar(model: Any, examples: list[Example]) -> list[dict[str, bool]]:
    """With the grammar of SQLite's queries."""
    return constrained(model, examples, lambda _: constrain.grammar("sql", dialect="sqlite", max_space=1))


def by_schema(model: Any, examples: list[Example]) -> list[dict[str, bool]]:
    """With the database's names, and no functions but the aggregates, nor aliases."""

    def grammar(example: Example) -> constrain.Grammar:
        with database(example) as connection:
            return constrain.grammar("sql", dialect="sqlite", tables=connection, functions=[], aliases=[], max_space=1)

    return constrained(model, examples, grammar)


def by_exact_schema(model: Any, examples: list[Example]) -> list[dict[str, bool]]:
    """With the queries that run on the database, otherwise likewise."""

    def grammar(example: Example) -> constrain.Grammar:
        with database(example) as connection:
            return constrain.grammar(
                "sql", dialect="sqlite", tables=connection, names="exact", functions=[], aliases=[], max_space=1
            )

    return constrained(model, examples, grammar)


def constrained(
    model: Any, examples: list[Example], grammar: Callable[[Example], constrain.Grammar]
) -> list[dict[str, bool]]:
    """With a grammar for each question; what comes to a limit of the engine does not parse."""
    outcomes = []
    for example in examples:
        try:
            made = constrain.generate(model, [example.prompt], [grammar(example)], max_new_tokens=_MAX_NEW_TOKENS)
            outcomes.append(outcome(example, made[0].text))
        except ResourceLimitError:
            outcomes.append(outcome(example, "", finished=False))
    return outcomes


WAYS = {
    "unconstrained": free,
    "grammar": by_grammar,
    "grammar and schema": by_schema,
    "exact schema": by_exact_schema,
}


def measure(names: list[str], count: int, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """For each way, shares from 0 to 1 of answers that parse, run and are right."""
    model = constrain.load("embedded")
    examples = held_out_examples("sql", seed, count)
    for name in names:
        outcomes = WAYS[name](model, examples)
        yield name, {kind: sum(each[kind] for each in outcomes) / count for kind in ("parses", "runs", "right")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=100, help="questions")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    figures = {}
    for name, shares in measure(options.ways, options.count, options.seed):
        figures[name] = shares
        print(f"{name:20}", *(f"{kind} {share:6.1%}  " for kind, share in shares.items()), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
