"""`constrain.grammar`: grammars of languages that are asked for often, by name.

Each is a Lark grammar in this folder, read without a lexer: every way of cutting a text into lexemes counts, and
white space is part of the productions (see spacing).  docs/grammars.md says what each covers.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import data_formats, fol, named, pddl, programming, python, smiles, sql, xml

__all__ = ["grammar", "grammar_names"]

_LIBRARY: dict[str, Callable[..., ir.Grammar]] = {
    "arithmetic": named.arithmetic,
    "c": programming.c,
    "csv": data_formats.csv,
    "fol": fol.fol,
    "go": programming.go,
    "java": programming.java,
    "javascript": programming.javascript,
    "json": named.json,
    "pddl": pddl.pddl,
    "python": python.python,
    "python-expression": python.python_expression,
    "smiles": smiles.smiles,
    "sql": sql.sql,
    "toml": data_formats.toml,
    "xml": xml.xml,
}


def grammar_names() -> list[str]:
    """The names that `grammar` knows."""
    return sorted(_LIBRARY)


def grammar(name: str, **options: Any) -> ir.Grammar:
    """A grammar of the library.

    ==================  =====================================================================================
    json                any JSON text (RFC 8259)
    sql                 SELECT queries; ``dialect="sqlite"`` or ``"postgresql"``, ``statements="script"``;
                        ``tables={"users": ["id", "name"]}`` and ``functions=["lower"]`` fix names
    arithmetic          numbers, ``+ - * / **``, parentheses; ``variables=["x"]`` and ``functions=["sqrt"]``
    python-expression   Python expressions
    python              Python 3.11 modules
    csv                 CSV files (RFC 4180); ``columns=3``, ``header=["id", "name"]``, ``delimiter=";"``
    toml                TOML 1.0.0 documents
    xml                 XML 1.0 documents; any tags, or ``tags={"note": ["date"]}``
    smiles              molecules in SMILES, every ring closed
    fol                 a formula of first-order logic; ``notation="tptp"``, ``predicates={"P": 2}``, ``closed=True``
    pddl                PDDL 3.1 domains and problems; ``domain=text`` and ``objects={"a": "block"}`` fix names
    c                   C11 translation units, before or after the preprocessor, with some of GNU C
    go                  Go 1.19 source files
    java                compilation units of Java 17
    javascript          scripts and modules of ECMAScript 2023
    ==================  =====================================================================================

    The first four take ``max_space=n``, a bound on each stretch of white space; by default there is none.

    Raises GrammarError for a name that is not in the library, TypeError for an option that the grammar does not have.
    """
    if name not in _LIBRARY:
        raise GrammarError(f"no grammar is called {name!r}; there are {', '.join(grammar_names())}")
    if name == "sql" and options.get("tables") is not None:
        options["tables"] = sql.tables_of(options["tables"])
    return _made(name, tuple((option, _frozen(value)) for option, value in sorted(options.items())))


@lru_cache(maxsize=32)
def _made(name: str, options: tuple[tuple[str, Hashable], ...]) -> ir.Grammar:
    arguments = {option: dict(value.pairs) if isinstance(value, _Table) else value for option, value in options}
    made = _LIBRARY[name](**arguments)
    return replace(made, key=repr(("library", name, options)), recipe=ir.Recipe("library", name, arguments))


def grammar_again(name: str, /, **options: Any) -> ir.Grammar:
    """`grammar`, for a recipe, which names no database."""
    if not isinstance(options.get("tables") or {}, Mapping):
        raise GrammarError("the tables of a recipe are a mapping")
    return grammar(name, **options)


@dataclass(frozen=True, slots=True)
class _Table:
    """A mapping as something that can be a key."""

    pairs: tuple[tuple[Hashable, Hashable], ...]


def _frozen(value: Any) -> Hashable:
    """An option as something that can be a key."""
    if isinstance(value, Mapping):
        return _Table(tuple((key, _frozen(entry)) for key, entry in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(value)
    return cast("Hashable", value)
