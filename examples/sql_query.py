"""A question about a table as SQL: only tables and columns that there are."""

import sqlite3

import constrain

TABLES = {"orders": ["customer", "city", "price"]}


def main() -> None:
    """Print the query, and what it finds."""
    model = constrain.load("embedded")
    grammar = constrain.grammar("sql", tables=TABLES, functions=[], max_space=1)
    prompt = "orders: customer text, city text, price number\nWhat is the average price of the orders?\nSQL:\n"
    query = constrain.generate(model, prompt, grammar, max_new_tokens=60).text
    print(query)

    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE orders (customer TEXT, city TEXT, price REAL)")
    database.executemany("INSERT INTO orders VALUES (?, ?, ?)", [("Ann", "Oslo", 3.5), ("Bo", "Rome", 6.5)])
    print(database.execute(query).fetchall())
    database.close()


if __name__ == "__main__":
    main()
