"""Reading a schema: its keywords in turn, those that its draft knows."""

from typing import TYPE_CHECKING, Any

from constrain.grammars.json_schema.keywords import KEYWORDS, Keyword
from constrain.grammars.json_schema.unevaluated import unevaluated_items, unevaluated_properties

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms, Part
    from constrain.grammars.json_schema.references import Schema

__all__ = ["ALL_KEYWORDS", "read_schema"]

ALL_KEYWORDS: dict[str, Keyword] = {
    **KEYWORDS,
    "unevaluatedProperties": unevaluated_properties,
    "unevaluatedItems": unevaluated_items,
}


def read_schema(forms: "NormalForms", schema: "Schema") -> "list[Part]":
    """What each keyword of a schema asks for.  Raises UnsupportedSchemaError for what cannot be enforced."""
    contents: dict[str, Any] = schema.contents
    draft = schema.scope.draft
    if draft.lone_ref and "$ref" in contents:
        return [forms.parts_of_keyword(schema, "$ref")]
    parts = []
    for keyword, read in ALL_KEYWORDS.items():
        if keyword in contents and (keyword in draft.places or keyword in draft.assertions):
            part = read(contents[keyword], schema, forms)
            if part is not None:
                parts.append(part)
    return parts
