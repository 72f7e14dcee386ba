"""Masks of JSON Schemas over tokens that reach across keys, marks and values.

Where a schema has finitely many texts, they are all written down, by `jsonschema` and `json.dumps`, and a mask is what
they go on with.  Where it has not, tokens are read byte by byte, and completions are validated.
"""

import bisect
import itertools
import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema
import pytest

from constrain.grammars.json_schema import json_schema
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from tests.matching import index_of, mask_of
from tests.strategies import EFFORT

_LONGER = [
    *[
        '{"',
        '":',
        '": ',
        '", "',
        '","',
        '"}',
        '"}}',
        "}}",
        "}]",
        "[{",
        '["',
        '"]',
        "],",
        '"a',
        '"a"',
        '"a":',
        '"ab',
        'b"',
    ],
    *['{"a":', '{"a": ', '{"ab":"', '":"x', '"x"', '"xy', 'x","', 'x"}', '":true', "true,", "true}", "ue,", "null}"],
    *[
        "false",
        "null",
        'e,"',
        '\\"',
        "\\\\",
        '\\"a',
        '"\\',
        "\\u00",
        "\\u0061",
        'é"',
        '"é',
        '"é":',
        "{}",
        "[]",
        "[],[",
        "{},{",
    ],
    *[
        ' "',
        ' "a',
        ': "',
        ":  ",
        "\n  ",
        "1,",
        "12",
        "-1",
        "0.5",
        "e1",
        ".0",
        "]}",
        '":[',
        '":{"',
        '":{"b":"}',
        '}"}',
        "é",
        "é é",
    ],
]
_HALVES = [b'"\xc3', b"\xc3", b'\xa9"', b'\xa9":', b"\xa9\xc3"]
_TOKENS = [*[bytes([byte]) for byte in range(256)], *(text.encode() for text in _LONGER), *_HALVES]
_INDEX = index_of(_TOKENS)
_END = len(_TOKENS)

_CLOSED = {"additionalProperties": False, "type": "object"}
_BOOLEAN, _NULL = {"type": "boolean"}, {"type": "null"}
_LEAVES = [True, False, None, "x", "xy"]


def _objects(keys: Iterable[str], leaves: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """All objects with these keys, in every order, and these values."""
    names, values = list(keys), list(leaves)
    for count in range(len(names) + 1):
        for chosen in itertools.permutations(names, count):
            for combination in itertools.product(values, repeat=count):
                yield dict(zip(chosen, combination, strict=True))


def _lists(items: Iterable[Any], longest: int) -> Iterator[list[Any]]:
    values = list(items)
    for count in range(longest + 1):
        yield from map(list, itertools.product(values, repeat=count))


def _strings(alphabet: str, longest: int) -> Iterator[str]:
    return ("".join(signs) for count in range(longest + 1) for signs in itertools.product(alphabet, repeat=count))


# A schema, and values among which are all that it allows.
FINITE: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "declared properties": (
        {**_CLOSED, "properties": {"a": {"enum": ["x", "xy"]}, "ab": _BOOLEAN, "é": _NULL}, "required": ["a"]},
        list(_objects(["a", "ab", "é"], _LEAVES)),
    ),
    "properties in another order": (
        {**_CLOSED, "properties": {"é": _NULL, "ab": _BOOLEAN, "a": {"const": "x"}}, "required": ["ab"]},
        list(_objects(["a", "ab", "é"], _LEAVES)),
    ),
    "additional properties": (
        {
            "type": "object",
            "properties": {"a": _BOOLEAN},
            "additionalProperties": {"const": "x"},
            "propertyNames": {"enum": ["a", "b", "ab"]},
        },
        list(_objects(["a", "b", "ab"], _LEAVES)),
    ),
    "patterns of names": (
        {
            "type": "object",
            "patternProperties": {"^a": _BOOLEAN, "b$": {"enum": [True, "x"]}},
            "additionalProperties": _NULL,
            "propertyNames": {"enum": ["a", "ab", "b", "c"]},
        },
        list(_objects(["a", "ab", "b", "c"], [True, False, None, "x"])),
    ),
    "numbers of properties": (
        {
            "type": "object",
            "minProperties": 2,
            "maxProperties": 2,
            "propertyNames": {"enum": ["a", "b", "ab"]},
            "additionalProperties": {"enum": ["x", True]},
        },
        list(_objects(["a", "b", "ab"], ["x", True])),
    ),
    "a number of properties and required ones": (
        {
            **_CLOSED,
            "properties": {"a": _NULL, "b": _NULL, "ab": _NULL, "c": _NULL},
            "minProperties": 3,
            "required": ["b"],
        },
        list(_objects(["a", "b", "ab", "c"], [None])),
    ),
    "dependencies": (
        {
            **_CLOSED,
            "properties": {"a": _NULL, "b": _BOOLEAN, "c": _NULL},
            "dependentRequired": {"a": ["b"]},
            "if": {"required": ["c"]},
            "then": {"required": ["a"]},
        },
        list(_objects(["a", "b", "c"], [None, True, False])),
    ),
    "alternatives": (
        {
            **_CLOSED,
            "properties": {"a": {}, "b": {}},
            "oneOf": [
                {"properties": {"a": {"const": "x"}, "b": _BOOLEAN}, "required": ["a"]},
                {"properties": {"a": {"enum": ["x", "xy"]}, "b": {"enum": [None, True]}}, "required": ["b", "a"]},
            ],
        },
        list(_objects(["a", "b"], _LEAVES)),
    ),
    "nested": (
        {
            **_CLOSED,
            "properties": {
                "a": {**_CLOSED, "properties": {"b": {"const": "}"}}, "required": ["b"]},
                "b": {"type": "array", "items": {"type": "object", "maxProperties": 0}, "maxItems": 2},
            },
        },
        list(_objects(["a", "b"], [{}, {"b": "}"}, [], [{}], [{}, {}], [{}, {}, {}]])),
    ),
    "lengths of strings": (
        {"type": "string", "minLength": 1, "maxLength": 3, "pattern": '^[aé"\\\\]*$'},
        list(_strings('aé"\\', 4)),
    ),
    "patterns of strings": ({"type": "string", "pattern": '^(a|é|"x)b{1,2}$|^x?y$'}, list(_strings('aéxyb"', 4))),
    "arrays": (
        {"type": "array", "items": {"enum": ["a", "ab", []]}, "minItems": 1, "maxItems": 3},
        list(_lists(["a", "ab", []], 4)),
    ),
    "items by their places": (
        {
            "type": "array",
            "prefixItems": [{"const": "a"}, _NULL],
            "items": _BOOLEAN,
            "maxItems": 4,
            "contains": _BOOLEAN,
        },
        list(_lists(["a", None, True, False], 4)),
    ),
    "distinct strings": (
        {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b", "ab", "é"]}, "maxItems": 3},
        list(_lists(["a", "b", "ab", "é"], 4)),
    ),
    "enumerations": (
        {"enum": ['a"b', "é", "éé", None, True, {"a": ["x", {}]}, [[], "a"], "\\", "tr", "true"]},
        ['a"b', "é", "éé", None, True, {"a": ["x", {}]}, [[], "a"], "\\", "tr", "true"],
    ),
}


def _is_ordered(value: Any, declared: list[str]) -> bool:
    """Declared names in their order, others behind them."""
    if not isinstance(value, dict):
        return True
    places = [declared.index(name) if name in declared else len(declared) for name in value]
    return places == sorted(places)


def _texts(name: str, order: str) -> list[bytes]:
    """All texts of a schema, sorted."""
    schema, candidates = FINITE[name]
    validator = jsonschema.Draft202012Validator(schema)
    declared = list(dict.fromkeys([*schema.get("properties", {}), *schema.get("propertyNames", {}).get("enum", [])]))
    valid = [value for value in candidates if validator.is_valid(value)]
    assert len(valid) < len(candidates) or name == "enumerations"
    kept = [value for value in valid if order == "any" or _is_ordered(value, declared)]
    return sorted({json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() for value in kept})


def _begins_one(texts: list[bytes], prefix: bytes) -> bool:
    place = bisect.bisect_left(texts, prefix)
    return place < len(texts) and texts[place].startswith(prefix)


_CASES = [(name, order) for name in FINITE for order in ("schema", "any")]
_CASES.remove(("patterns of names", "schema"))  # where patterns overlap, the schema has no order of its own


@pytest.mark.parametrize(("name", "order"), _CASES)
def test_masks_are_what_texts_go_on_with(name: str, order: str) -> None:
    """Of all texts of the schema, written in one way; each token, and the end."""
    texts = _texts(name, order)
    grammar = json_schema(FINITE[name][0], property_order=order, whitespace="compact", escapes="needed")
    compiled = compile_grammar(grammar, _INDEX)
    ended = set()
    for seed in range(12 * EFFORT):
        draw, matcher, text = random.Random(seed), compiled.matcher(), b""
        while not matcher.is_finished:
            expected = {t for t, token in enumerate(_TOKENS) if _begins_one(texts, text + token)}
            accepting = _begins_one(texts, text) and texts[bisect.bisect_left(texts, text)] == text
            assert mask_of(matcher) == expected | ({_END} if accepting else set()), text
            longer = [token for token in expected if len(_TOKENS[token]) > 1]
            if not expected or (accepting and draw.random() < 0.5):
                break
            token = draw.choice(sorted(longer if longer and draw.random() < 0.7 else expected))
            assert matcher.accept_token(token)
            text += _TOKENS[token]
        assert matcher.is_accepting
        ended.add(text)
    assert ended <= set(texts)
    assert len(ended) >= min(3, len(texts))


# Infinitely many texts

OPEN: dict[str, tuple[Any, list[Any]]] = {
    "anything": (True, [{"a": [1, -0.5, {"é": None}]}, 'a"\\\né😀', [[], {}, ""], 1e30]),
    "open objects": (
        {"type": "object", "properties": {"a": {"type": "string", "maxLength": 2}, "ab": {}}, "required": ["a"]},
        [{"a": ""}, {"a": 'é"', "ab": [1], "b": {}}, {"a": "x", "abc": 12, "é": "😀"}],
    ),
    "patterns": (
        {
            "type": "object",
            "patternProperties": {"^a": {"type": "integer"}, "é": {"type": "boolean"}},
            "additionalProperties": {"type": "string", "maxLength": 3},
            "minProperties": 1,
        },
        [{"a": 1}, {"ab": -12, "b": "xyz"}, {"é": True, 'x"': ""}],
    ),
    "distinct strings": (
        {"type": "array", "uniqueItems": True, "items": {"type": "string"}, "minItems": 1},
        [["a", "ab", ""], ["é", "\\", "a"], [""]],
    ),
    "recursion": (
        {
            "$ref": "#/$defs/t",
            "$defs": {"t": {"type": ["array", "integer"], "items": {"$ref": "#/$defs/t"}, "maxItems": 2}},
        },
        [[], 1, [[1, -1], []], [[[[]]], 12]],
    ),
    "numbers": (
        {"type": "array", "items": {"type": "number", "minimum": -1, "exclusiveMaximum": 12, "multipleOf": 0.5}},
        [[0.5, 1, -1, 11.5], [0]],
    ),
}


def _writings(value: Any, draw: random.Random) -> Iterator[bytes]:
    """A value, written in the ways of `json.dumps`, and with escapes that are not needed."""
    for ascii_only, indent, separators in itertools.product([True, False], [None, 2], [None, (",", ":")]):
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
        yield text.encode()
    yield json.dumps(value).replace("a", draw.choice(["\\u0061", "a"])).replace('": ', '":').encode()


def _reads(compiled: CompiledConstraint, text: bytes) -> bool:
    """Byte by byte, from the beginning."""
    fresh = compiled.matcher()
    return all(fresh.accept_text(text[i : i + 1]) for i in range(len(text)))


def _cut(text: bytes, draw: random.Random) -> Iterator[int]:
    """Random tokens that spell a text."""
    at = 0
    while at < len(text):
        token = draw.choice([t for t, token in enumerate(_TOKENS) if text.startswith(token, at)])
        yield token
        at += len(_TOKENS[token])


@pytest.mark.parametrize("name", OPEN)
def test_texts_of_instances_are_allowed_however_cut(name: str) -> None:
    """Valid instances, in whatever writing and tokens, are allowed from beginning to end; invalid ones are not."""
    schema, instances = OPEN[name]
    compiled = compile_grammar(json_schema(schema, property_order="any"), _INDEX)
    validator, draw = jsonschema.Draft202012Validator(schema), random.Random(name)
    for instance in [*instances, *(value for _, values in OPEN.values() for value in values)]:
        valid = validator.is_valid(instance)
        for text in _writings(instance, draw):
            matcher = compiled.matcher()
            assert (all(matcher.accept_token(t) for t in _cut(text, draw)) and matcher.is_accepting) or not valid, text
            assert compiled.accepts(text) == valid, text


@pytest.mark.parametrize("order", ["schema", "any"])
@pytest.mark.parametrize("name", OPEN)
def test_masks_are_what_can_be_completed(name: str, order: str) -> None:
    """A token is allowed just when its bytes are, one after the other, and then some valid instance begins so."""
    schema, _ = OPEN[name]
    compiled = compile_grammar(json_schema(schema, property_order=order, exponents=False), _INDEX)
    validator = jsonschema.Draft202012Validator(schema)
    for seed in range(2 * EFFORT):
        draw, matcher, text = random.Random(seed), compiled.matcher(), b""
        for _ in range(12):
            mask = mask_of(matcher)
            assert mask - {_END} == {t for t, token in enumerate(_TOKENS) if _reads(compiled, text + token)}
            assert (_END in mask) == compiled.accepts(text)
            if _END in mask:
                validator.validate(json.loads(text))
            for token in draw.sample(sorted(mask - {_END}), min(20, len(mask - {_END}))):
                fork = matcher.fork()
                assert fork.accept_token(token)
                validator.validate(json.loads(text + _TOKENS[token] + fork.shortest_completion()))
            longer = [token for token in mask if token < _END and len(_TOKENS[token]) > 1]
            choices = sorted(longer if longer and draw.random() < 0.7 else mask - {_END})
            if not choices:
                break
            token = draw.choice(choices)
            assert matcher.accept_token(token)
            text += _TOKENS[token]
