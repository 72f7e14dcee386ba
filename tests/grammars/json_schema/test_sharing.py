"""Schemas that ask for the same are one formula, and no others are."""

import pytest

import constrain
from constrain.errors import UnsupportedSchemaError
from constrain.grammars import ir


def _values(*schemas: object) -> list[str]:
    """The rules of an object's members with these schemas."""
    names = [f"m{i}" for i in range(len(schemas))]
    grammar = constrain.json_schema({"type": "object", "properties": dict(zip(names, schemas, strict=True))})
    members = grammar.rule(grammar.start)
    assert isinstance(members, ir.Members)
    return [key.rule or "" for key in members.keys]


def test_descriptions_make_no_difference() -> None:
    """They are no part of what is asked for."""
    assert len(set(_values({"type": "string"}, {"description": "a name", "type": "string", "title": "t"}))) == 1
    assert len(set(_values({"minimum": 1, "type": "number"}, {"minimum": 1, "type": "number", "default": 3}))) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"enum": [1]}, {"enum": ["1"]}),
        ({"enum": [1]}, {"enum": [True]}),
        ({"const": "a"}, {"const": ["a"]}),
        ({"pattern": "a' minLength 1 "}, {"pattern": "a", "minLength": 1}),
        ({"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "null"}}),
        ({"type": "object"}, {"type": "object", "required": ["a"]}),
    ],
)
def test_what_differs_is_told_apart(first: object, second: object) -> None:
    """By every keyword, and by the types of values."""
    assert len(set(_values(first, second))) == 2


def test_malformed_values_are_not_taken_for_others() -> None:
    """A text that looks like a list of types is none."""
    with pytest.raises(UnsupportedSchemaError):
        _values({"type": ["string"]}, {"type": "['string']"})


def test_the_scope_counts() -> None:
    """In draft 4 an integer has no point; a resource inside may be of that draft."""
    named = {
        "$id": "http://a.example/",
        "id": "http://a.example/",
        "$schema": "http://json-schema.org/draft-04/schema#",
    }
    inner = {**named, "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    schema = {"type": "object", "properties": {"b": {"type": "integer"}, "c": inner}, "required": ["b", "c"]}
    grammar = constrain.json_schema({"$schema": "http://json-schema.org/draft-07/schema#", **schema})
    constraint = constrain.compile(grammar, constrain.TokenizerIndex.of_bytes())
    assert constraint.accepts('{"b": 1.0, "c": {"a": 1}}')
    assert not constraint.accepts('{"b": 1.0, "c": {"a": 1.0}}')


def test_relaxations_are_told_of_each_place() -> None:
    """A caller who goes on without them learns of all."""
    schema = {"type": "object", "properties": {name: {"type": "string", "pattern": "(?=a)+?("} for name in "ab"}}
    grammar = constrain.json_schema(schema, lenient=True)
    assert [one.pointer for one in grammar.relaxed] == ["/properties/a", "/properties/b"]
