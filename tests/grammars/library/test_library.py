"""The library's grammars against the parsers of their languages: Python's json and ast, SQLite, Lark."""

import ast
import json
import random
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lark
import pytest
from transformers import PreTrainedTokenizerFast

import constrain
from constrain.cli.example import random_text
from constrain.compilation import CompiledConstraint
from constrain.embedded import MODEL_FOLDER
from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar, grammar_names
from constrain.grammars.library.sources import source
from constrain.grammars.regular import Concatenation, Literal
from constrain.tokenizer_index.index import TokenizerIndex
from tests.grammars.derivations import Derivations
from tests.matching import brute_force, index_of, mask_of

TABLES = {"users": ["id", "name"], "Order Items": ["id", "user_id", "price"], "select": ["from"]}
ARITHMETIC: dict[str, Any] = {"variables": ["x", "rate"], "functions": ["sqrt", "max"]}

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("arithmetic", ARITHMETIC),
    ("json", {}),
    ("python-expression", {}),
    ("sql", {}),
    ("sql", {"tables": TABLES, "functions": ["lower", "abs"], "max_space": 1}),
]
every_grammar = pytest.mark.parametrize(("name", "options"), OPTIONS, ids=lambda value: str(value)[:12])


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes."""
    return index_of([bytes([byte]) for byte in range(256)])


@pytest.fixture(scope="module")
def words() -> TokenizerIndex:
    """The byte-level BPE of the embedded model."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(MODEL_FOLDER / "tokenizer.json"))
    return TokenizerIndex.from_tokenizer(tokenizer, cache=False)


def compiled(name: str, options: dict[str, Any], index: TokenizerIndex) -> CompiledConstraint:
    """A grammar of the library, compiled."""
    return constrain.compile(grammar(name, **options), index)


# The parsers


def _refuse(name: str) -> None:
    raise ValueError(name)


def reads_json(text: str) -> bool:
    """What Python's json says, without its NaN and Infinity."""
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def reads_python(text: str) -> bool:
    """What Python's parser says, its warnings included."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            ast.parse(text, mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return False
    return True


_IN_ARITHMETIC = (
    ast.Expression
    | ast.BinOp
    | ast.UnaryOp
    | ast.Call
    | ast.Name
    | ast.Constant
    | ast.operator
    | ast.unaryop
    | ast.Load
)


def reads_arithmetic(text: str) -> bool:
    """Python's parser finds nothing but what the grammar is about."""
    if not reads_python(text):
        return False
    nodes = list(ast.walk(ast.parse(text, mode="eval")))
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    functions = [node.id for node in called if isinstance(node, ast.Name)]
    variables = [node.id for node in nodes if isinstance(node, ast.Name) and node not in called]
    return (
        all(isinstance(node, _IN_ARITHMETIC) for node in nodes)
        and len(functions) == len(called)
        and set(functions) <= {"sqrt", "max"}
        and set(variables) <= {"x", "rate"}
    )


def reads_sql(text: str) -> bool:
    """SQLite's parser reads the text; what it says about names and numbers of columns does not count."""
    database = sqlite3.connect(":memory:")
    try:
        database.execute("EXPLAIN " + text)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        return not re.search(
            "syntax error|unrecognized token|incomplete input|one statement|null character", str(error)
        )
    finally:
        database.close()
    return True


PARSERS: dict[str, Callable[[str], bool]] = {
    "arithmetic": reads_arithmetic,
    "json": reads_json,
    "python-expression": reads_python,
    "sql": reads_sql,
}


# What is allowed is read


def mutations(text: str, draw: random.Random, count: int) -> Iterator[str]:
    """Texts with one or two characters removed, doubled, exchanged or replaced."""
    for _ in range(count):
        changed = list(text)
        for _ in range(draw.randint(1, 2)):
            place = draw.randrange(len(changed) + 1)
            sign = draw.choice([*text, *" ()[]{}.,:'\"\\0e-+*=<\n"])
            changed[place : place + draw.randint(0, 2)] = draw.choice(["", sign, sign * 2])
        yield "".join(changed)


@every_grammar
def test_what_is_allowed_is_read(name: str, options: dict[str, Any], index: TokenizerIndex) -> None:
    """Random texts, and those among their mutations that are allowed, are read by the language's own parser."""
    constraint = compiled(name, options, index)
    reads, draw = PARSERS[name], random.Random(name)
    for seed in range(20):
        text = random_text(constraint.matcher(), draw, 5 + 5 * seed).decode()
        assert reads(text), text
        for changed in mutations(text, draw, 6):
            if constraint.accepts(changed):
                assert reads(changed), changed


@pytest.mark.parametrize("name", ["json", "arithmetic"])
def test_what_is_read_is_allowed(name: str, index: TokenizerIndex) -> None:
    """Mutations too: these grammars and their parsers agree, but for notations that are out of scope."""
    constraint = compiled(name, dict(OPTIONS)[name], index)
    draw, met = random.Random(1), {False: 0, True: 0}
    for seed in range(40):
        text = random_text(constraint.matcher(), draw, 5 + 2 * seed).decode()
        for changed in mutations(text, draw, 10):
            # Python also has 1_000, 1., .5, 1j, 0x1, trailing commas, other white space, and comments, texts, tuples
            if name == "arithmetic" and not re.fullmatch(
                r"(?!.*(\d_|\d\.(?!\d)|(?<!\d)\.|\dj|0[xob]|,\s*\)|[\s(][)])).*", changed
            ):
                continue
            if name == "arithmetic" and (set(changed) & set("\t\n\f#'\"\\") or changed != changed.strip()):
                continue
            expected = PARSERS[name](changed)
            met[expected] += 1
            assert constraint.accepts(changed) == expected, changed
    assert min(met.values()) > 20


# What the grammar's author wrote is allowed


def with_blanks(made: ir.Grammar) -> ir.Grammar:
    """The grammar with a blank behind each lexeme."""
    known: dict[int, ir.Expression] = {}

    def changed(node: ir.Expression) -> ir.Expression:
        match node:
            case ir.Terminal(regular, terminal_name):
                spaced = ir.Terminal(Concatenation((regular, Literal(b" "))), terminal_name)
                return known.setdefault(id(node), spaced)
            case ir.Sequence(parts):
                return ir.Sequence(tuple(map(changed, parts)))
            case ir.Alternation(parts):
                return ir.Alternation(tuple(map(changed, parts)))
        return node

    return ir.Grammar(made.start, {name: changed(rule) for name, rule in made.rules.items()})


@pytest.mark.parametrize("name", ["json", "sql"])
def test_derivations_with_blanks_are_allowed(name: str, index: TokenizerIndex) -> None:
    """Random derivations of the file's rules, their lexemes apart by blanks, and squeezed by JSON's reader."""
    constraint = compiled(name, {}, index)
    drawn = Derivations(with_blanks(source(name)), seed=2)
    for budget in range(40):
        text = drawn.text(budget).decode().removesuffix(" ")
        assert constraint.accepts(text), text
        if name == "json":
            assert constraint.accepts(json.dumps(json.loads(text, parse_float=len), separators=(",", ":"))), text


def test_lark_agrees_on_arithmetic(index: TokenizerIndex) -> None:
    """Lark's Earley parser, on texts of the grammar without names and on their mutations."""
    file = Path(find_spec("constrain.grammars.library").origin).with_name("arithmetic.lark")  # type: ignore[union-attr, arg-type]
    parser = lark.Lark(
        file.read_text("utf-8").replace("variable: NAME", 'variable: "x"').replace("function: NAME", 'function: "f"'),
        parser="earley",
        lexer="dynamic_complete",
    )
    constraint = compiled("arithmetic", {"variables": ["x"], "functions": ["f"]}, index)
    draw, met = random.Random(3), {False: 0, True: 0}
    for seed in range(25):
        text = random_text(constraint.matcher(), draw, seed).decode()
        for changed in [text, *mutations(text, draw, 5)]:
            try:
                expected = changed == changed.strip() and bool(parser.parse(changed))
            except lark.exceptions.LarkError:
                expected = False
            met[expected] += 1
            assert constraint.accepts(changed) == expected, changed
    assert min(met.values()) > 20


def expressions(module: str) -> Iterator[str]:
    """Expressions of a module of the standard library, as `ast` writes them."""
    path = find_spec(module).origin  # type: ignore[union-attr]
    assert path is not None
    for node in ast.walk(ast.parse(Path(path).read_text("utf-8"))):
        value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.Return | ast.Expr) else None
        if isinstance(value, ast.expr) and not any(
            isinstance(part, ast.Yield | ast.YieldFrom | ast.Await) for part in ast.walk(value)
        ):
            yield ast.unparse(value)


def test_expressions_of_the_standard_library_are_allowed(index: TokenizerIndex) -> None:
    """All of them, but f-strings with quotes, brackets or words in their fields."""
    constraint = compiled("python-expression", {}, index)
    found = {text for module in ("textwrap", "fractions", "calendar", "json.decoder") for text in expressions(module)}
    assert len(found) > 300
    refused = [text for text in found if len(text) < 400 and not constraint.accepts(text)]
    assert [text for text in refused if not re.search("f['\"]", text)] == []
    assert len(refused) < len(found) // 50


@pytest.mark.parametrize(
    "text",
    [
        "lambda x, /, y=1, *z, **k: (x, y)",
        "[a for a, *b in c if d if e for f in g]",
        "{**a, 'b': 1}",
        "x[1:2, ::3, ...]",
        "f(*a, b=c, **d)",
        "(y := 1)",
        "not a is not b",
        "b'\\x00' rb'\\d'",
        "f'{x!r:>10}'",
        "1 if x else 2",
        "(\n1,\n)",
    ],
)
def test_notations_of_python(text: str, index: TokenizerIndex) -> None:
    """One of each."""
    assert reads_python(text)
    assert compiled("python-expression", {}, index).accepts(text)


QUERIES = [
    "SELECT 1",
    "select * from users;",
    "SELECT u.name, COUNT(*) AS n FROM users u LEFT JOIN orders AS o ON u.id = o.user_id "
    "GROUP BY u.name HAVING COUNT(*) > 2",
    "SELECT DISTINCT name FROM users WHERE age BETWEEN 18 AND 30 OR name LIKE 'A%' ORDER BY age DESC LIMIT 10 OFFSET 5",
    "SELECT name FROM users WHERE id IN (SELECT user_id FROM orders WHERE price>=9.5) AND NOT city IS NULL",
    "SELECT CASE WHEN a > 0 THEN 'p' ELSE 'n' END FROM t UNION ALL SELECT CAST(b AS INTEGER) FROM s",
    'SELECT "my col" FROM "my table" WHERE EXISTS (SELECT 1 FROM u)',
    "SELECT SUM(price * quantity) - 2, MAX(-x) FROM items",
    "SELECT COUNT(DISTINCT city) FROM users, orders",
]


@pytest.mark.parametrize("text", QUERIES)
def test_queries(text: str, index: TokenizerIndex) -> None:
    """What people write."""
    assert reads_sql(text)
    assert compiled("sql", {}, index).accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT",
        "SELECT FROM users",
        "DROP TABLE users",
        "SELECT 1; SELECT 2",
        "SELECT a FROM t WHERE",
        "SELECT 1 -- x",
    ],
)
def test_what_is_no_query(text: str, index: TokenizerIndex) -> None:
    """Nothing but one finished query, without comments."""
    assert not compiled("sql", {}, index).accepts(text)


# Options


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("SELECT name FROM users", True),
        ("SELECT users.id FROM users WHERE users.name = 'x'", True),
        ('SELECT price FROM "Order Items"', True),
        ('SELECT "from" FROM "select"', True),
        ("SELECT from FROM users", False),
        ("SELECT age FROM users", False),
        ("SELECT name FROM people", False),
        ("SELECT users.price FROM users", False),
        ("SELECT u.price FROM users u", True),
        ("SELECT 1 FROM users price", False),
        ("SELECT USERS.price FROM users", False),
        ("SELECT Pric.price FROM users Pric", True),
        ("SELECT lower(name), ABS(id), SUM(id) FROM users", True),
        ("SELECT upper(name) FROM users", False),
        ("SELECT  name FROM users", False),
    ],
)
def test_names_of_a_database(text: str, allowed: bool, index: TokenizerIndex) -> None:
    """Tables, columns and functions that are given are the only ones; space is bounded."""
    options = {"tables": TABLES, "functions": ["lower", "abs"], "max_space": 1}
    assert compiled("sql", options, index).accepts(text) == allowed


def test_random_queries_use_names_of_the_database(index: TokenizerIndex) -> None:
    """SQLite, with the tables, finds every table, and every column that is not an alias's."""
    constraint = compiled("sql", {"tables": TABLES, "functions": ["lower", "abs"]}, index)
    database = sqlite3.connect(":memory:")
    for table, columns in TABLES.items():
        database.execute(_create(table, columns))
    draw = random.Random(4)
    for seed in range(30):
        text = random_text(constraint.matcher(), draw, 20 + 5 * seed).decode()
        error = ""
        try:
            database.execute("EXPLAIN " + text)
        except sqlite3.Error as raised:
            error = str(raised)
        missing = re.fullmatch("no such table: (.*)", error)
        if missing is not None:  # an alias that there is not, before ".*"
            assert re.search(re.escape(missing[1].replace('"', '""')) + r'"?\s*\.\s*\*', text), text
        assert not re.search("no such function|syntax error", error), (text, error)
    database.close()


def _create(table: str, columns: list[str]) -> str:
    quoted = ", ".join('"' + column + '"' for column in columns)
    return f'CREATE TABLE "{table}" ({quoted})'


def test_two_thousand_columns(index: TokenizerIndex) -> None:
    """Many names are no more work than few."""
    tables = {f"table_{number}": [f"column_{number}_{i}" for i in range(50)] for number in range(40)}
    constraint = compiled("sql", {"tables": tables}, index)
    assert constraint.accepts("SELECT column_3_49 FROM table_3")
    assert not constraint.accepts("SELECT column_3_50 FROM table_3")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("x + 2 * sqrt(rate)", True),
        ("y", False),
        ("sqrt x", False),
        ("sin(x)", False),
        ("max(1,-x**2)", True),
        ("xrate", False),
    ],
)
def test_names_in_arithmetic(text: str, allowed: bool, index: TokenizerIndex) -> None:
    """Only variables and functions that are given."""
    assert compiled("arithmetic", ARITHMETIC, index).accepts(text) == allowed


def test_without_names_there_are_only_numbers(index: TokenizerIndex) -> None:
    """No names by default."""
    constraint = compiled("arithmetic", {}, index)
    assert constraint.accepts("(1.5e3 - 2)/ -4")
    assert not constraint.accepts("x")
    assert not constraint.accepts("1 2")


@pytest.mark.parametrize("max_space", [0, 2])
def test_white_space_is_bounded(max_space: int, index: TokenizerIndex) -> None:
    """To the given number of characters in a row."""
    constraint = compiled("json", {"max_space": max_space}, index)
    for count in range(4):
        assert constraint.accepts('{"a":' + " " * count + "1}") == (count <= max_space)


def test_names_and_options_are_checked() -> None:
    """Unknown names say what there is; unknown options are TypeErrors, as for any function."""
    others = {"c", "csv", "fol", "go", "java", "javascript", "pddl", "python", "smiles", "toml", "xml"}
    assert grammar_names() == sorted({name for name, _ in OPTIONS} | others)
    with pytest.raises(GrammarError, match="no grammar is called 'cobol'; there are arithmetic, c, csv, fol"):
        grammar("cobol")
    with pytest.raises(TypeError, match="tables"):
        grammar("json", tables={})
    with pytest.raises(GrammarError, match="'2x' is not a name"):
        grammar("arithmetic", variables=["2x"])
    with pytest.raises(GrammarError):
        grammar("sql", tables={"": ["a"]})
    with pytest.raises(ValueError, match="max_space"):
        grammar("sql", max_space=0)


def test_a_grammar_is_made_once() -> None:
    """The same name and options give the same object, options that differ another key."""
    assert grammar("sql", tables=TABLES) is grammar("sql", tables={**TABLES})
    assert grammar("sql", tables=TABLES).key != grammar("sql").key


# Masks


@every_grammar
def test_masks_are_exact(name: str, options: dict[str, Any], index: TokenizerIndex, words: TokenizerIndex) -> None:
    """With a BPE vocabulary, a mask has the tokens that can be read one by one."""
    draw = random.Random(5)
    constraint, by_bytes = compiled(name, options, words), compiled(name, options, index)
    for _ in range(6):
        text = random_text(by_bytes.matcher(), draw, 40)
        matcher = constraint.matcher()
        assert matcher.accept_text(text[: draw.randint(0, len(text))])
        assert mask_of(matcher) == brute_force(matcher)
