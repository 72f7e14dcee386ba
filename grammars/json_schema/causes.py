"""Why no value obeys a schema: the innermost sub-schema that is to blame."""

from typing import TYPE_CHECKING, Any

from constrain.grammars.json_schema.formulas import FALSE, Formula

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms
    from constrain.grammars.json_schema.references import Schema

__all__ = ["cause_of_emptiness"]


def cause_of_emptiness(formula: Formula, forms: "NormalForms") -> str:
    """The JSON Pointer of a schema without values none of whose indispensable parts is without values itself."""
    place = ""
    seen: set[Formula] = set()
    following: Formula | None = formula
    while following is not None and following not in seen:
        seen.add(following)
        kind, number = forms.formulas.definition(following)
        if kind != "schema":
            break
        schema = forms.references[number]
        place = schema.pointer
        following = None
        for one, pointer in _indispensable(schema, forms):
            if one == FALSE:
                return pointer
            if one not in seen and not forms.is_inhabited(one):
                following = one
                break
    return place


def _indispensable(schema: "Schema", forms: "NormalForms") -> list[tuple[Formula, str]]:
    """Sub-schemas that must have values for the schema to have any, as far as that is plain."""
    contents: dict[str, Any] = schema.contents
    found: list[tuple[Formula, str]] = []

    def add(value: Any, *path: object) -> None:
        found.append((forms.schema(schema, value, *path), "/".join((schema.pointer, *map(str, path)))))

    if "$ref" in contents:
        target = forms.references.referred(schema, contents["$ref"])
        if isinstance(forms.references[target].contents, dict):
            found.append((forms.formulas.schema(target), forms.references[target].pointer))
    for number, value in enumerate(contents.get("allOf", ())):
        add(value, "allOf", number)
    properties = contents.get("properties", {})
    if contents.get("type") == "object":
        for name in contents.get("required", ()):
            if name in properties:
                add(properties[name], "properties", name)
    if contents.get("type") == "array" and contents.get("minItems", 0) and isinstance(contents.get("items"), dict):
        add(contents["items"], "items")
    return found
