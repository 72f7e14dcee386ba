"""`constrain.python_type`: the values of a Python type, written as JSON."""

import functools
import inspect
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import SchemaError, SchemaValidator

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.python_types.numbers import with_plain_integers
from constrain.grammars.python_types.schemas import ExactSchemas, check_formats
from constrain.grammars.python_types.typed_dicts import with_known_typed_dicts

__all__ = ["python_type", "schema_of", "value_of"]

_EXACT = 1 << 53
"""Integers from here on are not all floats."""


def python_type(wanted: Any, **json_schema_options: Any) -> ir.Grammar:
    """JSON texts of the values of a Python type; `value_of` reads them.

    wanted               what Pydantic understands: its models, dataclasses, TypedDict, NamedTuple, Enum, Literal,
                         unions, Annotated with constraints, lists, tuples, sets, dictionaries, numbers, texts, dates
                         and times, UUID, Decimal, generic and recursive types; or a function, for its arguments
    json_schema_options  those of `constrain.json_schema`

    Objects have the fields of their class and no others, unless it is a model with ``extra="allow"``.  What functions
    such as Pydantic's validators refuse is not known to the grammar.

    Raises GrammarError, with the name of the type, for a type that has no values in JSON, UnsatisfiableConstraintError
    when its constraints contradict each other.
    """
    return json_schema(schema_of(wanted), **json_schema_options)


def schema_of(wanted: Any) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a Python type: what `python_type` enforces.

    Raises GrammarError, with the name of the type, for a type that has no values in JSON.
    """
    try:
        made = _adapter(wanted).json_schema(schema_generator=ExactSchemas)
        check_formats(made)
    except PydanticUserError as error:
        raise _not_json(wanted, error) from error
    return made


def value_of(wanted: Any, text: str | bytes) -> Any:
    """The value that a JSON text of a type denotes; for a function, a dictionary of its arguments.

    Raises pydantic.ValidationError for a text that is none, GrammarError for a type that has no values in JSON.
    """
    read = _arguments(wanted) if _is_function(wanted) else _adapter(wanted).validate_json
    written = text if isinstance(text, str) else text.decode()
    first = with_plain_integers(written, _EXACT)
    try:
        return read(first)
    except ValidationError:
        plain = with_plain_integers(written, 0)  # "1.0" for an integer that is not converted
        if plain == first:
            raise
    return read(plain)


def _adapter(wanted: Any) -> TypeAdapter[Any]:
    if isinstance(wanted, str):
        raise GrammarError(f"{wanted!r} is a text and no type")
    try:
        return TypeAdapter(with_known_typed_dicts(wanted))
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, NameError, TypeError) as error:
        raise _not_json(wanted, error) from error


def _not_json(wanted: Any, error: Exception) -> GrammarError:
    """The error for a type, with the first line of Pydantic's reason."""
    reason = str(error).strip().partition("\n")[0]
    name = wanted.__qualname__ if isinstance(wanted, type) and not hasattr(wanted, "__args__") else repr(wanted)
    return GrammarError(f"values of {name} cannot be written as JSON: {reason}")


# Functions


def _is_function(wanted: Any) -> bool:
    return inspect.isroutine(wanted) or isinstance(wanted, functools.partial)


def _arguments(function: Any) -> Any:
    """Reads the arguments of a call, which is not made."""
    schema: Any = _adapter(function).core_schema
    inner: Any = schema.get("arguments_schema")
    if schema["type"] == "definitions":
        inner = {**schema, "schema": schema["schema"]["arguments_schema"]}
    validator, signature = SchemaValidator(inner), inspect.signature(function)

    def read(text: str) -> dict[str, Any]:
        positional, named = validator.validate_json(text)
        arguments: dict[str, Any] = dict(signature.bind_partial(*positional).arguments)
        return {**arguments, **named}

    return read
