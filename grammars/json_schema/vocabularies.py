"""Dialects: drafts of which a meta-schema leaves out keywords.

Since 2019-09 a meta-schema lists vocabularies under `$vocabulary`; a schema whose `$schema` names it has their keywords
and no others (JSON Schema Core 2020-12, section 8.1.2).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from constrain.grammars.errors import UnsupportedSchemaError
from constrain.grammars.json_schema.drafts import Draft

__all__ = ["dialect_of"]

_CORE = frozenset(("$ref", "$recursiveRef", "$dynamicRef"))
_UNEVALUATED = frozenset(("unevaluatedItems", "unevaluatedProperties"))
_FORMAT = frozenset(("format",))
_KNOWN = frozenset(
    "core applicator unevaluated validation format format-annotation format-assertion content meta-data".split()
)


def dialect_of(meta_schema: Any, draft: Draft) -> Draft:
    """The dialect that a meta-schema describes, which is itself a schema of the draft.

    Raises UnsupportedSchemaError for a vocabulary that is required and not one of the standard's.
    """
    vocabularies = meta_schema.get("$vocabulary") if isinstance(meta_schema, Mapping) else None
    if not isinstance(vocabularies, Mapping) or "$defs" not in draft.places:
        return draft
    prefix = draft.uri.removesuffix("schema") + "vocab/"
    names = set()
    for uri, required in vocabularies.items():
        name = uri.removeprefix(prefix)
        if name in _KNOWN:
            names.add(name)
        elif required:
            raise UnsupportedSchemaError(f"the vocabulary {uri!r} is not known", keyword="$schema")
    keywords = _CORE | _keywords(names, draft)
    return replace(
        draft,
        name=f"a dialect of {draft.name}",
        places={keyword: place for keyword, place in draft.places.items() if keyword in keywords},
        assertions=draft.assertions & keywords,
        asserts_formats="format-assertion" in names,
    )


def _keywords(names: set[str], draft: Draft) -> frozenset[str]:
    applicators = frozenset(draft.places)
    separate = _UNEVALUATED if "prefixItems" in draft.places else frozenset[str]()
    found = frozenset(("$defs", "definitions"))
    if "applicator" in names:
        found |= applicators - separate
    if "unevaluated" in names:
        found |= _UNEVALUATED
    if "validation" in names:
        found |= draft.assertions - _CORE - _FORMAT
    if names & {"format", "format-annotation", "format-assertion"}:
        found |= _FORMAT
    return found
