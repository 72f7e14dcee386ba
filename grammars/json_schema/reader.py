"""Reading a schema: its keywords in turn, those that its draft knows.

The order of keywords is the order in which members are met, hence that in which an ordered object has them.  Keywords
that name members but do not describe them come last.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from constrain.grammars.json_schema.keywords import KEYWORDS, Keyword
from constrain.grammars.json_schema.unevaluated import unevaluated_items, unevaluated_properties

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms, Part
    from constrain.grammars.json_schema.references import Schema

__all__ = ["ALL_KEYWORDS", "COMBINATORS", "read_schema"]

ALL_KEYWORDS: dict[str, Keyword] = {
    **KEYWORDS,
    "unevaluatedProperties": unevaluated_properties,
    "unevaluatedItems": unevaluated_items,
}

COMBINATORS = ("allOf", "anyOf", "oneOf", "not", "if", "unevaluatedProperties", "unevaluatedItems")
"""Keywords whose meaning takes work to find out."""

_NAMING_NO_ORDER = frozenset(("required", "dependentRequired", "dependencies", "not", "if"))


def read_schema(forms: "NormalForms", schema: "Schema", without: Collection[str] = ()) -> "list[Part]":
    """What each keyword of a schema, except `without`, asks for.  Raises UnsupportedSchemaError for what cannot be enforced."""
    contents: dict[str, Any] = schema.contents
    draft = schema.scope.draft
    if draft.lone_ref and "$ref" in contents:
        return [forms.parts_of_keyword(schema, "$ref")]
    parts, late = [], []
    for keyword, value in contents.items():
        if keyword not in ALL_KEYWORDS or keyword in without:
            continue
        if keyword in draft.places or keyword in draft.assertions:
            part = ALL_KEYWORDS[keyword](value, schema, forms)
            if part is not None:
                (late if keyword in _NAMING_NO_ORDER else parts).append(part)
    return parts + late
