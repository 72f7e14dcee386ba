"""The drafts of JSON Schema as tables: which keywords exist, where sub-schemas stand, and what differs.

Sources: the specifications and meta-schemas of drafts 4, 6, 7, 2019-09 and 2020-12 (json-schema.org/specification).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from constrain.grammars.errors import GrammarSyntaxError

__all__ = ["ANNOTATIONS", "DRAFTS", "LATEST", "Draft", "Place", "draft_named", "draft_of"]

Place = Literal["schema", "list", "map", "schema or list", "dependencies"]
"""How sub-schemas stand below a keyword."""

_PLACES_4: dict[str, Place] = {
    "allOf": "list",
    "anyOf": "list",
    "oneOf": "list",
    "not": "schema",
    "properties": "map",
    "patternProperties": "map",
    "additionalProperties": "schema",
    "dependencies": "dependencies",
    "items": "schema or list",
    "additionalItems": "schema",
    "definitions": "map",
}
_PLACES_6: dict[str, Place] = {**_PLACES_4, "propertyNames": "schema", "contains": "schema"}
_PLACES_7: dict[str, Place] = {**_PLACES_6, "if": "schema", "then": "schema", "else": "schema"}
_PLACES_2019: dict[str, Place] = {
    **_PLACES_7,
    "dependentSchemas": "map",
    "unevaluatedItems": "schema",
    "unevaluatedProperties": "schema",
    "$defs": "map",
}
_PLACES_2020: dict[str, Place] = {**_PLACES_2019, "prefixItems": "list"}
del _PLACES_2020["additionalItems"]

_ASSERTIONS_4 = frozenset(
    "type enum multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength pattern minItems "
    "maxItems uniqueItems minProperties maxProperties required format $ref".split()
)
_ASSERTIONS_6 = _ASSERTIONS_4 | {"const"}
_ASSERTIONS_2019 = _ASSERTIONS_6 | {"minContains", "maxContains", "dependentRequired", "$recursiveRef"}
_ASSERTIONS_2020 = _ASSERTIONS_2019 - {"$recursiveRef"} | {"$dynamicRef"}

ANNOTATIONS = frozenset(
    "$schema $id id $anchor $dynamicAnchor $recursiveAnchor $vocabulary $comment title description default deprecated "
    "readOnly writeOnly examples contentEncoding contentMediaType contentSchema definitions $defs".split()
)
"""Keywords that say nothing about which values are valid."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One version of the standard.

    places            keywords with sub-schemas, and how those stand there
    assertions        keywords without sub-schemas that restrict values
    id_keyword        names the base URI of a schema
    lone_ref          whether `$ref` makes its siblings void
    boolean_bounds    whether `exclusiveMinimum` is a flag beside `minimum`
    plain_integers    whether an integer is what is written without a point, not a whole number
    boolean_schemas   whether `true` and `false` are schemas
    asserts_formats   whether `format` restricts strings whatever the caller says (a vocabulary can ask for that)
    """

    name: str
    uri: str
    places: Mapping[str, Place]
    assertions: frozenset[str]
    id_keyword: str = "$id"
    lone_ref: bool = False
    boolean_bounds: bool = False
    plain_integers: bool = False
    boolean_schemas: bool = True
    asserts_formats: bool = False

    def __hash__(self) -> int:
        return hash(self.uri)


_4 = Draft(
    "draft 4",
    "http://json-schema.org/draft-04/schema",
    _PLACES_4,
    _ASSERTIONS_4,
    id_keyword="id",
    lone_ref=True,
    boolean_bounds=True,
    plain_integers=True,
    boolean_schemas=False,
)
_6 = Draft("draft 6", "http://json-schema.org/draft-06/schema", _PLACES_6, _ASSERTIONS_6, lone_ref=True)
_7 = Draft("draft 7", "http://json-schema.org/draft-07/schema", _PLACES_7, _ASSERTIONS_6, lone_ref=True)
_2019 = Draft("2019-09", "https://json-schema.org/draft/2019-09/schema", _PLACES_2019, _ASSERTIONS_2019)
LATEST = Draft("2020-12", "https://json-schema.org/draft/2020-12/schema", _PLACES_2020, _ASSERTIONS_2020)

DRAFTS = {draft.uri: draft for draft in (_4, _6, _7, _2019, LATEST)}


_NAMES = {"4": _4, "6": _6, "7": _7, "2019": _2019, "2019-09": _2019, "2020": LATEST, "2020-12": LATEST}


def draft_named(name: int | str | None) -> Draft:
    """The draft of a number (4, 6, 7, 2019, 2020), of "2019-09" or "2020-12", or of a URI; the latest for None.

    Raises ValueError for any other name.
    """
    if name is None:
        return LATEST
    text = str(name)
    found = _NAMES.get(text) or DRAFTS.get(text.rstrip("#"))
    if found is None:
        raise ValueError(f"draft is one of {', '.join(_NAMES)} or the URI of its meta-schema, not {name!r}")
    return found


def draft_of(contents: object, default: Draft = LATEST) -> Draft:
    """The draft that a schema document names, or the default.

    Raises GrammarSyntaxError for a dialect that is none of the standard's drafts since 4.
    """
    if not isinstance(contents, Mapping) or "$schema" not in contents:
        return default
    uri = contents["$schema"]
    found = DRAFTS.get(uri.rstrip("#")) if isinstance(uri, str) else None
    if found is not None:
        return found
    if isinstance(uri, str) and uri.rstrip("#").startswith("http://json-schema.org/draft-0"):
        raise GrammarSyntaxError(f"drafts before 4 are not supported: $schema is {uri!r}")
    return default
