"""`draft=`, and what drafts, dialects and base URIs make of references."""

import json
import weakref
from typing import Any

import pytest
import referencing
import referencing.jsonschema

import constrain

INDEX = constrain.TokenizerIndex.from_tokenizer([bytes([byte]) for byte in range(256)], cache=False)


def accepted(schema: Any, *texts: str, **options: Any) -> list[bool]:
    """Which texts a schema allows."""
    compiled = constrain.compile(constrain.json_schema(schema, **options), INDEX)
    return [compiled.accepts(text) for text in texts]


@pytest.mark.parametrize("name", [4, 6, 7, "7", "http://json-schema.org/draft-07/schema#"])
def test_siblings_of_references_are_void_in_old_drafts(name: int | str) -> None:
    """Siblings of references are void in old drafts."""
    schema = {"properties": {"a": {"$ref": "#/definitions/s", "maxLength": 1}}, "definitions": {"s": {}}}
    assert accepted(schema, '{"a": "xx"}', draft=name) == [True]


@pytest.mark.parametrize("name", [None, 2019, "2019-09", 2020, "https://json-schema.org/draft/2020-12/schema"])
def test_siblings_of_references_count_in_later_drafts(name: int | str | None) -> None:
    """Siblings of references count in later drafts."""
    schema = {"properties": {"a": {"$ref": "#/definitions/s", "maxLength": 1}}, "definitions": {"s": {}}}
    assert accepted(schema, '{"a": "xx"}', '{"a": "x"}', draft=name) == [False, True]


def test_the_schema_has_the_last_word_on_its_draft() -> None:
    """The schema has the last word on its draft."""
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}
    assert accepted(schema, "1", "1.5", draft=2020) == [False, True]


def test_a_draft_that_is_none() -> None:
    """A draft that is none."""
    with pytest.raises(ValueError, match="2019-09"):
        constrain.json_schema({}, draft=5)


@pytest.mark.parametrize("draft", [None, 6, 7])
def test_an_identifier_of_a_fragment_is_an_anchor(draft: int | None) -> None:
    """An identifier of a fragment is an anchor."""
    schema = {"properties": {"a": {"$ref": "#word"}}, "definitions": {"w": {"$id": "#word", "type": "string"}}}
    assert accepted(schema, '{"a": "x"}', '{"a": 1}', draft=draft) == [True, False]


def test_an_identifier_of_a_fragment_in_draft_4() -> None:
    """An identifier of a fragment in draft 4."""
    schema = {"properties": {"a": {"$ref": "#word"}}, "definitions": {"w": {"id": "#word", "type": "string"}}}
    assert accepted(schema, '{"a": "x"}', '{"a": 1}', draft=4) == [True, False]


def test_an_anchor_of_the_root() -> None:
    """An anchor of the root."""
    schema = {"$anchor": "tree", "type": "array", "items": {"$ref": "#tree"}}
    assert accepted(schema, "[[], [[]]]", "[[1]]") == [True, False]


def test_fragments_beside_a_urn() -> None:
    """Fragments beside a urn."""
    schema = {"$id": "urn:uuid:1", "items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"$id": "urn:uuid:2", "$ref": "#b"}}}
    schema["$defs"]["a"]["$defs"] = {"b": {"$anchor": "b", "type": "null"}}  # type: ignore[index]
    assert accepted(schema, "[null]", "[1]") == [True, False]


def registry(**documents: Any) -> "referencing.Registry[Any]":
    """Documents under http://x/."""
    made = {
        f"http://x/{name}": referencing.Resource.from_contents(
            contents, default_specification=referencing.jsonschema.DRAFT202012
        )
        for name, contents in documents.items()
    }
    return referencing.Registry().with_resources(made.items())


def vocabulary(**names: bool) -> dict[str, Any]:
    """A meta-schema of 2020-12 with these vocabularies."""
    prefix = "https://json-schema.org/draft/2020-12/vocab/"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$vocabulary": {prefix + name.replace("_", "-"): required for name, required in names.items()},
    }


def test_a_dialect_without_a_vocabulary_lacks_its_keywords() -> None:
    """A dialect without a vocabulary lacks its keywords."""
    schema = {"$schema": "http://x/meta", "properties": {"a": {"type": "null"}, "b": False}, "minProperties": 1}
    known = registry(meta=vocabulary(core=True, applicator=True))
    assert accepted(schema, '{"a": 1}', "{}", '{"b": 1}', registry=known) == [True, True, False]


def test_a_dialect_may_assert_formats() -> None:
    """A dialect may assert formats."""
    known = registry(meta=vocabulary(core=True, format_assertion=False), other=vocabulary(core=True, format=True))
    options: dict[str, Any] = {"formats": False, "registry": known}
    assert accepted({"$schema": "http://x/meta", "format": "date"}, '"x"', '"2020-01-01"', **options) == [False, True]
    assert accepted({"$schema": "http://x/other", "format": "date"}, '"x"', **options) == [True]


def test_a_required_vocabulary_that_is_unknown() -> None:
    """A required vocabulary that is unknown."""
    meta = {**vocabulary(core=True), "$vocabulary": {"http://x/vocabulary": True}}
    with pytest.raises(constrain.errors.UnsupportedSchemaError, match="vocabulary"):
        constrain.json_schema({"$schema": "http://x/meta"}, registry=registry(meta=meta))


def test_a_schema_that_is_known() -> None:
    """Its grammar is not made again as long as somebody has it; with other settings it is another one."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    grammar = constrain.json_schema(schema)
    assert constrain.json_schema(dict(schema)) is grammar
    assert constrain.json_schema(json.dumps(schema)) is grammar
    assert constrain.json_schema(schema, property_order="any") is not grammar
    assert constrain.json_schema(schema, draft=7) is not grammar
    weak = weakref.ref(grammar)
    del grammar
    assert weak() is None
