"""`constrain.support_report`: what of a JSON Schema is enforced, keyword by keyword."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from constrain.grammars.errors import GrammarError, ResourceLimitError, UnsupportedSchemaError
from constrain.grammars.json_schema.drafts import ANNOTATIONS, Draft, draft_named
from constrain.grammars.json_schema.formats import FORMATS
from constrain.grammars.json_schema.front_end import json_schema, parsed
from constrain.grammars.json_schema.normal_forms import NormalForms
from constrain.grammars.json_schema.reader import ALL_KEYWORDS
from constrain.grammars.json_schema.references import References, Schema

__all__ = ["SupportEntry", "support_report"]

Status = Literal["enforced", "annotation", "unsupported"]


@dataclass(frozen=True, slots=True)
class SupportEntry:
    """One keyword of a schema: the JSON Pointer of the schema it stands in, its name, its status, and why."""

    pointer: str
    keyword: str
    status: Status
    reason: str


_COMPANIONS = {
    "then": "if",
    "else": "if",
    "additionalItems": "items",
    "minContains": "contains",
    "maxContains": "contains",
}


def support_report(schema: Any, *, formats: bool = True, draft: int | str | None = None) -> list[SupportEntry]:
    """What becomes of every keyword of a schema, in the order of the document.

    "enforced": no text is allowed that violates it; "annotation": it says nothing about which values are valid, in the
    schema's draft; "unsupported": compiling the schema is an error, or with ``lenient=True`` leaves it out.
    Raises GrammarSyntaxError for a text that is not JSON.
    """
    text, document = parsed(schema)
    if isinstance(document, bool):
        return []
    references = References(document, draft_named(draft), text=text)
    forms = NormalForms(references, asserts_formats=formats)
    entries: list[SupportEntry] = []
    pending = deque([references.root])
    seen = set(pending)
    while pending:
        one = references[pending.popleft()]
        if not isinstance(one.contents, dict):
            continue
        entries += [_entry(one, keyword, forms) for keyword in one.contents]
        for number in _children(one, references):
            if number not in seen:
                seen.add(number)
                pending.append(number)
    late = {(entry.pointer, entry.keyword): entry for entry in _late_entries(text, formats, draft)}
    return [late.pop((entry.pointer, entry.keyword), entry) for entry in entries] + list(late.values())


def _late_entries(text: str, formats: bool, draft: int | str | None) -> Iterable[SupportEntry]:
    """What only comes up when the schema is compiled as a whole."""
    try:
        for one in json_schema(text, formats=formats, draft=draft, lenient=True).relaxed:
            yield SupportEntry(one.pointer, one.keyword, "unsupported", one.reason)
    except ResourceLimitError as error:
        yield SupportEntry("", "", "unsupported", error.reason)
    except GrammarError:
        return  # unsatisfiable: every keyword is enforced


def _entry(schema: Schema, keyword: str, forms: NormalForms) -> SupportEntry:
    draft, contents = schema.scope.draft, schema.contents
    if draft.lone_ref and "$ref" in contents and keyword != "$ref":
        return _annotation(schema, keyword, f"{draft.name} ignores what stands beside $ref")
    if keyword in ANNOTATIONS:
        return _annotation(schema, keyword, "says nothing about values")
    if keyword not in draft.places and keyword not in draft.assertions:
        known = keyword in ALL_KEYWORDS or keyword in _COMPANIONS
        return _annotation(schema, keyword, f"no keyword of {draft.name}" if known else "unknown keyword")
    if keyword in _COMPANIONS and _COMPANIONS[keyword] not in contents:
        return _annotation(schema, keyword, f"without effect where there is no {_COMPANIONS[keyword]!r}")
    if keyword == "format" and (not forms.asserts_formats or contents[keyword] not in FORMATS):
        return _annotation(schema, keyword, f"format {contents[keyword]!r} is not asserted")
    try:
        if keyword in ALL_KEYWORDS:
            ALL_KEYWORDS[keyword](contents[keyword], schema, forms)
    except UnsupportedSchemaError as error:
        return SupportEntry(schema.pointer, keyword, "unsupported", error.reason)
    return SupportEntry(schema.pointer, keyword, "enforced", "")


def _annotation(schema: Schema, keyword: str, reason: str) -> SupportEntry:
    return SupportEntry(schema.pointer, keyword, "annotation", reason)


def _children(schema: Schema, references: References) -> Iterable[int]:
    """The schemas that stand below a schema, whether or not they are referred to."""
    draft: Draft = schema.scope.draft
    for keyword, value in schema.contents.items():
        place = draft.places.get(keyword)
        below: list[tuple[Any, tuple[object, ...]]] = []
        if place == "schema" or (place == "schema or list" and isinstance(value, dict)):
            below = [(value, (keyword,))]
        elif isinstance(value, list) and place in ("list", "schema or list"):
            below = [(one, (keyword, number)) for number, one in enumerate(value)]
        elif isinstance(value, dict) and place in ("map", "dependencies"):
            below = [(one, (keyword, name)) for name, one in value.items()]
        for one, path in below:
            if isinstance(one, dict):
                yield references.child(schema, one, *path)
