"""Arrays of distinct items: equality is that of JSON, masks are exact, and nothing gets stuck.

`jsonschema` says which texts are valid; where languages are finite, all their texts are listed by brute force.
"""

import itertools
import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import constrain
from constrain.grammars.errors import UnsatisfiableConstraintError, UnsupportedSchemaError
from tests.json_schemas import VAST, canonical, parsed, text_of, validator_of
from tests.strategies import examples

PIECES = (
    '{" "} ": ":" "," [] {} [[ ]] }, null,true 00 .5 e1 -1 ab "a" "a", 1,1 1,2 ,1] 2,3, {"a":1},{"a": "a","a" ,"b"] '
    '[1],[1] ],[ 1], },{ {"a" "b": true,false 1.0 0, 0e'
)


@cache
def index() -> constrain.TokenizerIndex:
    """Bytes, and pieces in which items begin and end."""
    pieces = [piece.encode() for piece in PIECES.split()]
    return constrain.TokenizerIndex.from_tokenizer([bytes([byte]) for byte in range(256)] + pieces, cache=False)


def compiled(schema: Any, **options: Any) -> constrain.CompiledConstraint:
    """A schema over the vocabulary."""
    return constrain.compile(constrain.json_schema(schema, **{"property_order": "any", **options}), index())


class Maker:
    """Makes schemas of distinct items, so small that what is left often runs out."""

    def __init__(self, choice: random.Random) -> None:
        self._choice = choice

    def array(self) -> dict[str, Any]:
        """A schema of an array."""
        choice, schema = self._choice, {"type": "array", "uniqueItems": True, "items": self._item(2)}
        if choice.random() < 0.25:
            schema["prefixItems"] = [self._item(1) for _ in range(choice.randint(1, 3))]
        if choice.random() < 0.5:
            schema["minItems"] = choice.randint(0, 4)
        if choice.random() < 0.3:
            schema["maxItems"] = choice.randint(max(1, schema.get("minItems", 0)), 5)
        if choice.random() < 0.15:
            schema["contains"] = self._item(1)
        return schema

    def _item(self, depth: int) -> Any:
        choice = self._choice
        makers = [self._listed, self._integers, self._strings, self._scalars]
        if depth:
            makers += [self._lists, self._tuples, self._objects, self._objects, self._either]
        return choice.choice(makers)(depth - 1)

    def _listed(self, _: int) -> Any:
        values = [1, 2, True, None, "a", "b", 1.5, [1], {"a": 1}, [], {}]
        return {"enum": self._choice.sample(values, self._choice.randint(1, 4))}

    def _integers(self, _: int) -> Any:
        return {"type": "integer", "minimum": 0, "maximum": self._choice.randint(0, 3)}

    def _strings(self, _: int) -> Any:
        keyword, value = self._choice.choice(
            [("maxLength", 0), ("maxLength", 1), ("pattern", "^a*$"), ("pattern", "^[ab]$"), ("pattern", "^(a|b.*)$")]
        )
        return {"type": "string", keyword: value}

    def _scalars(self, _: int) -> Any:
        kinds = ["integer", "number", "boolean", "string", "null"]
        return self._choice.choice([True, *({"type": kind} for kind in kinds)])

    def _lists(self, depth: int) -> Any:
        choice, schema = self._choice, {"type": "array", "items": self._item(depth)}
        if choice.random() < 0.6:
            schema["maxItems"] = choice.randint(0, 3)
        return {**schema, "uniqueItems": choice.random() < 0.5}

    def _tuples(self, depth: int) -> Any:
        choice = self._choice
        prefix = [self._item(depth) for _ in range(choice.randint(1, 2))]
        rest = {"items": choice.choice([False, False, True]), "uniqueItems": choice.random() < 0.5}
        return {"type": "array", "prefixItems": prefix, "minItems": choice.randint(0, len(prefix)), **rest}

    def _objects(self, depth: int) -> Any:
        choice = self._choice
        names = choice.sample(["a", "b", "c"], choice.randint(1, 3))
        schema: dict[str, Any] = {"type": "object", "properties": {name: self._item(depth) for name in names}}
        if choice.random() < 0.85:
            schema["additionalProperties"] = False if choice.random() < 0.8 else self._item(depth)
        if choice.random() < 0.5:
            schema["required"] = choice.sample(names, choice.randint(1, len(names)))
        if choice.random() < 0.3:
            schema["maxProperties"] = choice.randint(1, 3)
        if choice.random() < 0.2:
            schema["minProperties"] = choice.randint(1, 2)
        return schema

    def _either(self, depth: int) -> Any:
        return {"anyOf": [self._item(depth), self._item(depth)]}

    def value(self, depth: int = 2) -> Any:
        """A small value."""
        choice = self._choice
        kind = choice.randrange(9 if depth else 7)
        if kind < 7:
            return [1, 2, 0, True, None, "a", "b"][kind]
        if kind == 7:
            return [self.value(depth - 1) for _ in range(choice.randint(0, 2))]
        return {name: self.value(depth - 1) for name in choice.sample(["a", "b", "c", "d"], choice.randint(0, 3))}

    def near(self, items: list[Any], others: list[Any]) -> Iterator[list[Any]]:
        """Lists like one, most of them with two equal items."""
        choice = self._choice
        yield items
        if items:
            yield [*items, choice.choice(items)]
            replaced = list(items)
            replaced[choice.randrange(len(items))] = choice.choice(items)
            yield replaced
            yield choice.sample(items, len(items))
            yield [*items, *others]


def made(seed: int) -> tuple[random.Random, Maker, Any]:
    """A source of chance, a maker, and a schema."""
    choice = random.Random(seed)
    maker = Maker(choice)
    return choice, maker, maker.array()


@examples(80)
@given(st.integers(0, 1 << 30))
def test_agreement(seed: int) -> None:
    """Texts are allowed exactly if `jsonschema` finds their values valid; samples and the shortest text are valid."""
    choice, maker, schema = made(seed)
    validator = validator_of(schema, 2020)
    try:
        grammar = constrain.json_schema(schema, property_order="any")
        constraint = constrain.compile(grammar, index())
    except UnsupportedSchemaError:
        assert "contains" in schema
        return
    except UnsatisfiableConstraintError:
        values = [[maker.value() for _ in range(choice.randint(0, 3))] for _ in range(20)]
        assert not any(map(validator.is_valid, values))
        return
    samples = [text for text in constrain.sample_instances(grammar, 3, seed, length=25) if not VAST.search(text)]
    for text in (*samples, constrain.example(grammar)):
        assert validator.is_valid(parsed(text)), (json.dumps(schema), text)
    lists = [json.loads(text) for text in samples if "e" not in text.lower() or "[" not in text]
    lists = [items for items in lists if len(items) < 20]
    lists += [[maker.value() for _ in range(choice.randint(0, 4))] for _ in range(4)]
    for items in lists:
        for values in maker.near(items, choice.choice(lists)):
            text = text_of(values, choice)
            assert constraint.accepts(text) == validator.is_valid(parsed(text)), (json.dumps(schema), text)


@examples(50)
@given(st.integers(0, 1 << 30))
def test_masks(seed: int) -> None:
    """On random walks, masks allow the tokens whose bytes can be read, some token always, and valid ends only."""
    choice, _, schema = made(seed)
    space = choice.choice(["flexible", "compact", "json.dumps"])
    try:
        constraint = compiled(schema, property_order=choice.choice(["any", "schema"]), whitespace=space)
    except (UnsatisfiableConstraintError, UnsupportedSchemaError):
        return
    validator, tokens = validator_of(schema, 2020), index().vocabulary.tokens
    tried = [token for token in range(len(tokens)) if len(tokens[token]) > 1 or tokens[token] in b'{}[]",:0123.-e abnt']
    matcher, text = constraint.matcher(), b""
    for _ in range(14):
        everything = set(matcher.allowed_tokens())
        assert everything or matcher.is_accepting, (json.dumps(schema), text)
        allowed = [token for token in tried if token in everything]
        assert allowed == [token for token in tried if matcher.fork().accept_text(tokens[token])], (schema, text)
        pieces = [token for token in allowed if len(tokens[token]) > 1]
        chosen = choice.choice([pieces or allowed, allowed])
        if not chosen:
            break
        token = choice.choice(chosen)
        assert matcher.accept_token(token)
        text += tokens[token]
    text += matcher.shortest_completion()
    if not VAST.search(text.decode()):
        assert validator.is_valid(parsed(text.decode())), (json.dumps(schema), text)


# Finite languages, by brute force

FLAGS: dict[str, Any] = {"enum": [True, None]}
FINITE: dict[str, Any] = {
    "objects": {
        "items": {"properties": {"a": FLAGS, "b": {"const": "x"}}, "additionalProperties": False, "type": "object"},
        "minItems": 2,
        "maxItems": 2,
    },
    "tuples": {
        "items": {"type": "array", "prefixItems": [FLAGS, FLAGS], "items": False},
        "minItems": 2,
        "maxItems": 2,
    },
    "places": {"prefixItems": [FLAGS, {"const": None}, {"enum": ["a", True]}], "items": False, "minItems": 2},
    "sets of sets": {"items": {"type": "array", "uniqueItems": True, "items": FLAGS}, "minItems": 3, "maxItems": 3},
    "one member": {
        "items": {
            "type": "object",
            "propertyNames": {"enum": ["a", "b"]},
            "maxProperties": 1,
            "additionalProperties": FLAGS,
        },
        "maxItems": 2,
    },
}


def all_values(schema: Any) -> list[Any]:
    """All values of the small schemas above that are no arrays of distinct items themselves."""
    atoms = [True, None, "a", "x"]
    pairs: list[Any] = [list(items) for size in (0, 1, 2) for items in itertools.product([True, None], repeat=size)]
    members = [(), *((name, value) for name in "ab" for value in (True, None, "x"))]
    objects = [dict(filter(None, two)) for two in itertools.product(members, members)]  # type: ignore[arg-type]
    found = {canonical(value): value for value in [*atoms, *pairs, *objects]}
    return list(found.values())


def texts_of(value: Any) -> list[str]:
    """The compact texts of a value without escapes: its members in every order."""
    if isinstance(value, list):
        return ["[" + ",".join(parts) + "]" for parts in itertools.product(*map(texts_of, value))]
    if isinstance(value, dict):
        members = [[f'"{name}":{text}' for text in texts_of(one)] for name, one in value.items()]
        orders = itertools.permutations(members)
        return ["{" + ",".join(parts) + "}" for order in orders for parts in itertools.product(*order)]
    return [json.dumps(value)]


@pytest.mark.parametrize("name", sorted(FINITE))
def test_all_beginnings(name: str) -> None:
    """Byte by byte, what can be read are the beginnings of the valid texts, all of them and no others."""
    schema = {"type": "array", "uniqueItems": True, **FINITE[name]}
    validator = validator_of(schema, 2020)
    values = [one for one in all_values(schema) if validator_of(schema.get("items") or {}, 2020).is_valid(one)]
    values = values if "prefixItems" not in schema else all_values(schema)
    arrays = [list(items) for size in range(4) for items in itertools.product(values, repeat=size)]
    texts = {text for array in arrays if validator.is_valid(array) for text in texts_of(array)}
    assert texts
    beginnings = {text[:end].encode() for text in texts for end in range(len(text) + 1)}
    found = set()
    pending = [(b"", compiled(schema, whitespace="compact", escapes="needed").matcher())]
    while pending:
        text, matcher = pending.pop()
        found.add(text)
        assert matcher.is_accepting == (text.decode() in texts), text
        for token in matcher.allowed_tokens():
            if token < 256:
                after = matcher.fork()
                after.accept_token(token)
                pending.append((text + bytes([token]), after))
    assert found == beginnings


# Equality


@pytest.mark.parametrize(
    "text",
    [
        "[1,1.0]",
        "[10,1e1]",
        "[0,-0.0]",
        "[0, 0e5]",
        "[100,10000e-2]",
        '["a","\\u0061"]',
        '[{"a":1,"b":[2]},{"b":[2.0],"\\u0061":1}]',
        "[[1,[2]],[1.0,[2e0]]]",
        "[null, 1, null]",
        "[{},{}]",
        "[1e5000,10e4999]",
        "[1e999999999,1e999999998]",
    ],
)
def test_equal(text: str) -> None:
    """Items that are equal in JSON, though written otherwise, or so large that they are not told apart."""
    assert not compiled({"uniqueItems": True}).accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "[1,true,0,false,null]",
        '["1",1]',
        "[[1],[true]]",
        '[{"a":1},{"b":1},{}]',
        "[1,1.5,15,15e1]",
        "[[],{}]",
        "[1e5000,1e5001]",
    ],
)
def test_different(text: str) -> None:
    """Items that only look alike."""
    assert compiled({"uniqueItems": True}).accepts(text)


def test_states_forget_order_and_spelling() -> None:
    """The same items in another order, and otherwise written, lead to the same state; rollback and fork work."""
    schema = {"items": {"type": ["integer", "object"]}, "uniqueItems": True}
    constraint = compiled(schema, whitespace="compact")

    def state(text: str) -> int:
        matcher = constraint.matcher()
        assert matcher.accept_text(text), text
        return matcher.state_key

    assert state('[1,{"a":2},') == state('[{"\\u0061":2.0},10e-1,')
    assert state("[1,2,") != state("[1,3,")
    matcher = constraint.matcher()
    assert matcher.accept_text("[1,2,")
    before, fork = matcher.state_key, matcher.fork()
    for byte in b"10,1":
        assert matcher.accept_token(byte)
    assert not matcher.fork().accept_text(",")
    matcher.rollback(4)
    assert matcher.state_key == before == fork.state_key
    assert fork.accept_text("3]")
    assert fork.is_accepting


def test_many_items() -> None:
    """Hundreds of items; each but the last is refused once more."""
    constraint = compiled({"items": {"type": ["integer", "string", "array"]}, "uniqueItems": True, "minItems": 150})
    items = [number if number % 3 else f"{number}" if number % 2 else [number] for number in range(150)]
    text = json.dumps(items)
    assert constraint.accepts(text)
    for item in items[:149:37]:
        assert not constraint.accepts(f"{text[:-1]}, {json.dumps(item)}]")


def test_contains() -> None:
    """Counted and distinct at once, where there are always further values; refused with its place where not."""
    schema = {"items": {"type": ["integer", "string"]}, "contains": {"type": "string"}, "uniqueItems": True}
    constraint = compiled({**schema, "maxContains": 2})
    for text, valid in {'[1,"a"]': True, "[1]": False, '["a","a"]': False, '["a","b","c"]': False}.items():
        assert constraint.accepts(text) is valid
    few = {"properties": {"x": {**schema, "contains": {"const": 1}, "minContains": 1}}}
    with pytest.raises(UnsupportedSchemaError) as caught:
        constrain.json_schema(few)
    assert caught.value.pointer == "/properties/x"


def test_relaxed() -> None:
    """What is not enforced is left out on request, and listed."""
    schema = {"contains": {"const": 1}, "uniqueItems": True}
    grammar = constrain.json_schema(schema, lenient=True)
    assert [one.keyword for one in grammar.relaxed] == ["uniqueItems"]
    assert constrain.compile(grammar, index()).accepts("[1,1]")


_NO_TWO_NULLS = {"type": "array", "uniqueItems": True, "items": {"type": "null"}, "minItems": 2}


@pytest.mark.parametrize(
    ("schema", "accepted", "refused"),
    [
        pytest.param({"properties": {"a": _NO_TWO_NULLS}}, ("{}", "1"), ('{"a":[null,null]}',), id="property"),
        pytest.param(
            {"type": "array", "items": {"type": "object", "properties": {"a": _NO_TWO_NULLS}, "required": ["a"]}},
            ("[]",),
            ("[{}]", '[{"a":[null]}]'),
            id="item-with-required-member",
        ),
        pytest.param(
            {
                "additionalProperties": {
                    "oneOf": [{"minProperties": 1}, {}, {"additionalProperties": {"uniqueItems": True}}],
                }
            },
            ("1", "{}"),
            ('{"a":1}', '{"a":{}}'),
            id="no-members-but-a-witness",
        ),
        pytest.param(
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "properties": {"a": {"uniqueItems": True, "maxProperties": 0}},
                "patternProperties": {"a": {"type": "object", "not": {"enum": [{}]}}},
            },
            ("{}", "1", '{"ba":{"c":1}}'),
            ('{"a":{}}', '{"ba":{}}'),
            id="empty-object-that-is-not-empty",
        ),
    ],
)  # fmt: skip
def test_what_nothing_satisfies_is_left_out(schema: Any, accepted: tuple[str, ...], refused: tuple[str, ...]) -> None:
    """A member or item that nothing satisfies makes the schema narrower, not unsatisfiable."""
    constraint = compiled(schema, whitespace="compact")
    assert all(map(constraint.accepts, accepted))
    assert not any(map(constraint.accepts, refused))


def test_a_required_member_that_nothing_satisfies() -> None:
    """It only comes to light when rules are made; the error names it all the same."""
    with pytest.raises(UnsatisfiableConstraintError, match="at /properties/a"):
        constrain.json_schema({"type": "object", "properties": {"a": _NO_TWO_NULLS}, "required": ["a"]})
