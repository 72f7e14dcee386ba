"""Reading a schema: its keywords in turn, those that its draft knows.

The order of keywords is the order in which members are met, hence that in which an ordered object has them.  Keywords
that name members but do not describe them come last.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from constrain.grammars.errors import UnsupportedSchemaError
from constrain.grammars.ir import Relaxation
from constrain.grammars.json_schema.keywords import KEYWORDS, Keyword
from constrain.grammars.json_schema.unevaluated import unevaluated_items, unevaluated_properties

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms, Part
    from constrain.grammars.json_schema.references import Schema

__all__ = ["ALL_KEYWORDS", "COMBINATORS", "read_schema", "scalar_key"]

ALL_KEYWORDS: dict[str, Keyword] = {
    **KEYWORDS,
    "unevaluatedProperties": unevaluated_properties,
    "unevaluatedItems": unevaluated_items,
}

COMBINATORS = ("allOf", "anyOf", "oneOf", "not", "if", "unevaluatedProperties", "unevaluatedItems")
"""Keywords whose meaning takes work to find out."""

_NUMERIC = ("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SCALAR = frozenset(("type", "enum", "const", "minLength", "maxLength", "pattern", "format", *_NUMERIC))
_OTHERS = frozenset((*ALL_KEYWORDS, "$schema", "$id", "id", "$anchor", "$dynamicAnchor")) - _SCALAR

_NAMING_NO_ORDER = frozenset(("required", "dependentRequired", "dependencies", "not", "if"))


def scalar_key(contents: dict[str, Any]) -> str | None:
    """A text that schemas of one scope share only if they ask for the same; None for one with schemas inside.

    Most schemas are `{"type": "string"}` with different descriptions.
    """
    key = ""
    for keyword, value in contents.items():
        if keyword in _OTHERS:
            return None
        if keyword in _SCALAR:
            key += f"{keyword} {value!r} "
    return key


def _read(forms: "NormalForms", schema: "Schema", keyword: str, value: Any) -> "Part | None":
    """What one keyword asks for; nothing where it cannot be enforced and the caller wants to go on."""
    try:
        return ALL_KEYWORDS[keyword](value, schema, forms)
    except UnsupportedSchemaError as error:
        if forms.relaxed is None:
            raise
        forms.relaxed.append(Relaxation(error.pointer or schema.pointer, keyword, error.reason))
        return None


def read_schema(forms: "NormalForms", schema: "Schema", without: Collection[str] = ()) -> "list[Part]":
    """What each keyword of a schema, except `without`, asks for.

    Raises UnsupportedSchemaError for what cannot be enforced.
    """
    contents: dict[str, Any] = schema.contents
    draft = schema.scope.draft
    if draft.lone_ref and "$ref" in contents:
        target = _read(forms, schema, "$ref", contents["$ref"])
        return [] if target is None else [target]
    parts: list[Part] = []
    late: list[Part] = []
    for keyword, value in contents.items():
        if keyword not in ALL_KEYWORDS or keyword in without:
            continue
        if keyword in draft.places or keyword in draft.assertions:
            part = _read(forms, schema, keyword, value)
            if part is not None:
                (late if keyword in _NAMING_NO_ORDER else parts).append(part)
    return parts + late
