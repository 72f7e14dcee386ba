"""`constrain.json_schema`: a JSON Schema as a grammar."""

import json
from decimal import Decimal
from typing import Any
from weakref import WeakValueDictionary

import referencing

from constrain.grammars import ir
from constrain.grammars.collection import hold_back_collection, let_collection_go
from constrain.grammars.errors import GrammarSyntaxError, UnsatisfiableConstraintError
from constrain.grammars.json_schema.causes import cause_of_emptiness
from constrain.grammars.json_schema.drafts import Draft, draft_named
from constrain.grammars.json_schema.formulas import FALSE, TRUE, Formula
from constrain.grammars.json_schema.lexemes import TextOptions
from constrain.grammars.json_schema.normal_forms import NormalForms
from constrain.grammars.json_schema.printing import NothingToPrintError, Printer
from constrain.grammars.json_schema.references import References
from constrain.grammars.json_schema.whitespace import whitespace_of

__all__ = ["json_schema", "parsed"]


def json_schema(
    schema: Any,
    *,
    property_order: str = "schema",
    whitespace: str = "flexible",
    escapes: str = "any",
    exponents: bool = True,
    formats: bool = True,
    lenient: bool = False,
    draft: int | str | None = None,
    registry: "referencing.Registry[Any] | None" = None,
) -> ir.Grammar:
    """JSON texts that a schema allows.

    schema           a JSON Schema (a dictionary, a boolean, or its text), or a Python type
    property_order   "schema": members in the order of the schema, those that it does not name behind them; "any"
    whitespace       "flexible", "compact", "json.dumps", or a regular expression; see `whitespace.whitespace_of`
    escapes          "any": strings may be escaped in every way of RFC 8259; "needed": only where they must be
    exponents        whether numbers may have exponents
    formats          whether `format` restricts strings
    lenient          leave out what cannot be enforced, and list it in the grammar's `relaxed`
    draft            of a schema without `$schema`: 4, 6, 7, 2019, 2020 or the URI of a meta-schema; None: 2020-12
    registry         documents that references may lead to; nothing is fetched

    Raises UnsupportedSchemaError, with a JSON Pointer, for what cannot be enforced, UnsatisfiableConstraintError when
    no value obeys the schema, GrammarSyntaxError for a text that is not JSON.
    """
    hold_back_collection()
    try:
        if property_order not in ("schema", "any"):
            raise ValueError('property_order is "schema" or "any"')
        if escapes not in ("any", "needed"):
            raise ValueError('escapes is "any" or "needed"')
        text, named = _text_of(schema), draft_named(draft)
        asked = {
            "property_order": property_order,
            "whitespace": whitespace,
            "escapes": escapes,
            "exponents": exponents,
            "formats": formats,
            "lenient": lenient,
            "draft": named.uri,
        }
        key = "" if registry is not None else f"json_schema {asked!r} {text}"
        known = _known.get(key)
        if known is not None:
            return known
        options = TextOptions(whitespace_of(whitespace), property_order == "schema", escapes == "any", exponents)
        printer, start, relaxed = _printer(
            text, _document(text), options, draft=named, formats=formats, lenient=lenient, registry=registry
        )
        grammar = ir.Grammar(
            f"r{start}",
            {},
            make_rule=printer.rule,
            key=key,
            source=text,
            relaxed=relaxed,
            recipe=ir.Recipe("json_schema", text, asked) if key else None,
        )
        return _known.setdefault(key, grammar) if key else grammar
    finally:
        let_collection_go()


_known: WeakValueDictionary[str, ir.Grammar] = WeakValueDictionary()
"""Grammars by their keys, as long as some constraint has them."""


def parsed(schema: Any) -> tuple[str, Any]:
    """The text and the contents of a schema that is given as a text, a document or a Python type."""
    text = _text_of(schema)
    return text, _document(text)


def _text_of(schema: Any) -> str:
    if isinstance(schema, str):
        return schema
    if isinstance(schema, type) or not isinstance(schema, dict | bool):
        from constrain.grammars.python_types import schema_of

        schema = schema_of(schema)
    try:
        return json.dumps(schema, allow_nan=False, default=_exact)
    except (TypeError, ValueError) as error:
        raise GrammarSyntaxError(f"the schema is not JSON: {error}") from error
    except RecursionError:
        raise GrammarSyntaxError("the schema is nested too deeply") from None


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _document(text: str) -> Any:
    try:
        document = json.loads(text, parse_float=Decimal, parse_constant=_refused)
    except json.JSONDecodeError as error:
        raise GrammarSyntaxError(error.msg, source=text, line=error.lineno, column=error.colno) from error
    except RecursionError:
        raise GrammarSyntaxError("the schema is nested too deeply", source=text) from None
    if not isinstance(document, dict | bool):
        raise GrammarSyntaxError("a schema is an object or a boolean")
    return document


def _refused(name: str) -> Any:
    raise GrammarSyntaxError(f"{name} is not a JSON value")


def _printer(
    text: str,
    document: Any,
    options: TextOptions,
    *,
    draft: Draft,
    formats: bool,
    lenient: bool,
    registry: "referencing.Registry[Any] | None",
) -> tuple[Printer, Formula, tuple[ir.Relaxation, ...]]:
    references = References(document, draft, registry, text=text)
    forms = NormalForms(references, asserts_formats=formats, lenient=lenient)
    constant = {True: TRUE, False: FALSE}
    start = constant[document] if isinstance(document, bool) else forms.formulas.schema(references.root)
    keywords = _read_everything(forms)
    while forms.is_inhabited(start):
        printer = Printer(forms, options)
        try:
            if "uniqueItems" in keywords:
                printer.print_everything(f"r{start}")
        except NothingToPrintError as error:
            forms.deny(error.formula)
            continue
        return printer, start, tuple(forms.relaxed or ())
    raise UnsatisfiableConstraintError("no value obeys the schema", pointer=cause_of_emptiness(start, forms))


_DEMANDING = frozenset(("oneOf", "not", "if", "dependencies", "dependentSchemas", "unevaluatedProperties"))


def _read_everything(forms: NormalForms) -> set[str]:
    """Read all schemas that can be reached, so that what is unsupported comes to light; the keywords met.

    Combinators whose cases may be too many are resolved.
    """
    number = 0
    keywords: set[str] = set()
    while number < len(forms.references):
        contents = forms.references[number].contents
        if isinstance(contents, dict):
            keywords.update(contents)
            forms.parts(number)
            if not _DEMANDING.isdisjoint(contents):
                forms.values(forms.formulas.schema(number))
        number += 1
    return keywords
