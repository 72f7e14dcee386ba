"""Task: a question about a table becomes SQL.

The prompt lists the columns of one table, the grammar allows a subset of SQL over just these columns: numbers are
compared with numbers, texts with texts, and only numbers are averaged.  An answer is right when, run on rows drawn
for the example, it finds what the expected query finds.
"""

import sqlite3
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from constrain.embedded.examples import Example
from constrain.embedded.words import CITIES, COLOURS, NUMBER_COLUMNS, PEOPLE, TABLES, TEXT_COLUMNS, invented

__all__ = ["Table", "table_question"]

_AGGREGATES = {
    "AVG": ("average", "mean"),
    "MAX": ("highest", "largest"),
    "MIN": ("lowest", "smallest"),
    "SUM": ("total", "sum of the"),
}
_COMPARISONS = {">": ("above", "over", "more than"), "<": ("below", "under", "less than"), "=": ("equal to", "exactly")}


@dataclass(frozen=True, slots=True)
class Table:
    """A table's name and columns."""

    name: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]

    def grammar(self) -> str:
        """A Lark grammar of the queries on this table."""
        texts, numbers = (" | ".join(f'"{name}"' for name in names) for names in (self.texts, self.numbers))
        return f"""\
start: "SELECT " what " FROM {self.name}" filter? order?
what: columns | AGGREGATE "(" NUMBER_COLUMN ")" | "COUNT(*)"
columns: _column (", " _column)*
filter: " WHERE " condition (" AND " condition)*
condition: NUMBER_COLUMN COMPARISON NUMBER | TEXT_COLUMN " = " STRING
order: " ORDER BY " _column " DESC"? (" LIMIT " NUMBER)?
_column: NUMBER_COLUMN | TEXT_COLUMN
AGGREGATE: "AVG" | "MAX" | "MIN" | "SUM"
COMPARISON: " > " | " < " | " = "
NUMBER_COLUMN: {numbers}
TEXT_COLUMN: {texts}
NUMBER: /[1-9][0-9]{{0,3}}/
STRING: /'[A-Za-z ]{{1,20}}'/
"""


def _table(random: Random) -> Table:
    texts = [random.choice(TEXT_COLUMNS), random.choice((random.choice(TEXT_COLUMNS), invented(random)))]
    numbers = [random.choice(NUMBER_COLUMNS), random.choice((random.choice(NUMBER_COLUMNS), invented(random)))]
    names = list(dict.fromkeys(random.sample(texts, 2)))
    return Table(random.choice(TABLES), tuple(names), tuple(n for n in dict.fromkeys(numbers) if n not in names))


def _text_value(random: Random) -> str:
    return random.choice((random.choice(CITIES), random.choice(PEOPLE), random.choice(COLOURS), invented(random)))


def _condition(random: Random, table: Table) -> tuple[str, str]:
    """The words of a condition, and its SQL."""
    if random.random() < 0.5:
        column, value = random.choice(table.texts), _text_value(random)
        words = random.choice(("whose {} is {}", "where the {} is {}", "with {} {}"))
        return words.format(column, value), f"{column} = '{value}'"
    column, value = random.choice(table.numbers), str(random.randint(2, random.choice((20, 2000))))
    sign = random.choice(sorted(_COMPARISONS))
    words = random.choice(("whose {} is {} {}", "with {} {} {}"))
    return words.format(column, random.choice(_COMPARISONS[sign]), value), f"{column} {sign} {value}"


def _conditions(random: Random, table: Table) -> tuple[str, str]:
    """No condition, one or two, with a space before."""
    count = random.choice((0, 1, 1, 1, 2))
    found = dict(_condition(random, table) for _ in range(count))
    if not found:
        return "", ""
    return " " + " and ".join(found), " WHERE " + " AND ".join(found.values())


def _counted(random: Random, table: Table) -> tuple[str, str]:
    words, condition = _conditions(random, table)
    question = random.choice(("How many {}{} are there?", "Count the {}{}.", "What is the number of {}{}?"))
    return question.format(table.name, words), f"SELECT COUNT(*) FROM {table.name}{condition}"


def _aggregated(random: Random, table: Table) -> tuple[str, str]:
    words, condition = _conditions(random, table)
    column, function = random.choice(table.numbers), random.choice(sorted(_AGGREGATES))
    question = random.choice(("What is the {} {} of {}{}?", "Find the {} {} of all {}{}."))
    asked = question.format(random.choice(_AGGREGATES[function]), column, table.name, words)
    return asked, f"SELECT {function}({column}) FROM {table.name}{condition}"


def _listed(random: Random, table: Table) -> tuple[str, str]:
    words, condition = _conditions(random, table)
    columns = random.sample((*table.texts, *table.numbers), random.choice((1, 1, 2)))
    question = random.choice(("List the {} of {}{}.", "Show the {} of all {}{}.", "Give me {} of the {}{}."))
    asked = question.format(" and ".join(columns), table.name, words)
    return asked, f"SELECT {', '.join(columns)} FROM {table.name}{condition}"


def _ordered(random: Random, table: Table) -> tuple[str, str]:
    column, key = random.choice(table.texts), random.choice(table.numbers)
    most = random.random() < 0.5
    direction = " DESC" if most else ""
    query = f"SELECT {column} FROM {table.name} ORDER BY {key}{direction}"
    if random.random() < 0.5:
        return f"Show the {column} of all {table.name} by {'falling' if most else 'rising'} {key}.", query
    limit = random.randint(2, 20)
    asked = f"Which {column} do the {limit} {table.name} with the {'highest' if most else 'lowest'} {key} have?"
    return asked, f"{query} LIMIT {limit}"


_QUESTIONS = (_counted, _aggregated, _listed, _listed, _ordered)

# Answers run on rows made for the example


def _rows(table: Table, answer: str) -> list[tuple[Any, ...]]:
    """Sixty rows; many hold the values that the expected query compares with, or lie close to them."""
    random = Random(answer)
    quoted = answer.split("'")[1::2] or ["none"]
    limits = [int(word) for word in answer.split() if word.isdecimal()] or [10]

    def number() -> int:
        limit = random.choice(limits)
        return random.choice((limit, limit + random.randint(-9, 9), random.randint(1, 2000)))

    def text() -> str:
        return random.choice(quoted) if random.random() < 0.5 else _text_value(random)

    return [(*[text() for _ in table.texts], *[number() for _ in table.numbers]) for _ in range(60)]


_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}


def _reading_only(action: int, *_: str | None) -> int:
    """What SQLite asks before it does anything: an answer may read, and nothing else."""
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _finds_the_same(table: Table, expected: str, answer: str) -> bool:
    if answer == expected:
        return True
    columns = ", ".join([*(f"{name} TEXT" for name in table.texts), *(f"{name} INTEGER" for name in table.numbers)])
    rows = _rows(table, expected)
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE TABLE {table.name} ({columns})")
        connection.executemany(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        connection.set_authorizer(_reading_only)
        connection.set_progress_handler(lambda: True, 1_000_000)  # an answer that takes long is wrong
        wanted, found = (connection.execute(query).fetchall() for query in (expected, answer))
    except (sqlite3.Error, sqlite3.Warning, ValueError):
        return False
    finally:
        connection.close()
    return found == wanted if "ORDER BY" in expected else sorted(found, key=repr) == sorted(wanted, key=repr)


def table_question(random: Random) -> Example:
    """A question about a table and its SQL."""
    table = _table(random)
    question, query = random.choice(_QUESTIONS)(random, table)
    columns = [*(f"{name} text" for name in table.texts), *(f"{name} number" for name in table.numbers)]
    return Example(
        task="sql",
        prompt=f"{table.name}: {', '.join(random.sample(columns, len(columns)))}\n{question}\nSQL:\n",
        answer=query,
        description=table.grammar(),
        check=partial(_finds_the_same, table, query),
    )
