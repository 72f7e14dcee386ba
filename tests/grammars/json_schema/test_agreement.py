"""Schemas allow what `jsonschema` says is valid: random schemas of all keywords and drafts, and values near to them.

``HYPOTHESIS_PROFILE=thorough TEST_EFFORT=37 pytest tests/grammars/json_schema/test_agreement.py`` makes 100,000
decisions on new schemas.
"""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given

import constrain
from tests.json_schemas import DRAFTS, parsed, schemas_with_values, validator_of
from tests.strategies import examples

INDEX = constrain.TokenizerIndex.from_tokenizer([bytes([byte]) for byte in range(256)], cache=False)

EXPLAINED = (
    "distinct items that `contains` counts, and that are not of many values, cannot be enforced",
    "arrays in which some item repeats cannot be enforced",
    "the schema refers to itself without an array or object in between",
    "a schema has more than 2000 cases after its combinators are resolved",
    "an object has too many cases",
    "the combinators of a schema have too many cases to compare",
)


def decisions(schema: Any, texts: list[str]) -> list[bool]:
    """Which texts a schema allows; none where it is refused because no value obeys it."""
    try:
        compiled = constrain.compile(constrain.json_schema(schema, property_order="any"), INDEX)
    except constrain.errors.UnsatisfiableConstraintError:
        return [False] * len(texts)
    return [compiled.accepts(text) for text in texts]


def test_agreement() -> None:
    """Every decision agrees, and few schemas are refused, for reasons that are known."""
    counts: Counter[str] = Counter()

    @examples(300)
    @given(schemas_with_values())
    def agrees(case: tuple[int, Any, list[str]]) -> None:
        draft, schema, texts = case
        validator = validator_of(schema, draft)
        counts["schemas"] += 1
        found: list[bool] | None
        reason = ""
        try:
            found = decisions(schema, texts)
        except (constrain.errors.UnsupportedSchemaError, constrain.errors.ResourceLimitError) as error:
            reason, found = error.reason, None
        if found is None:
            counts["refused"] += 1
            assert reason.startswith(EXPLAINED), (json.dumps(schema), reason)
            return
        for text, allowed in zip(texts, found, strict=True):
            valid = validator.is_valid(parsed(text))
            counts["decisions"] += 1
            counts["valid"] += valid
            assert allowed == valid, (draft, json.dumps(schema), text)

    agrees()
    print(dict(counts))
    assert counts["refused"] < 0.15 * counts["schemas"], counts
    assert 0.3 < counts["valid"] / counts["decisions"] < 0.7, counts


# Schemas that were once decided wrongly, ran out of memory, or were refused too late


@pytest.mark.parametrize(
    ("schema", "allowed", "denied"),
    [
        pytest.param(
            {
                "additionalProperties": {"contains": {"oneOf": [{"const": [1], "enum": [2]}]}},
                "enum": [False, {"b": []}],
            },
            ["false"],
            ['{"b": []}', "true", '{"b": [2]}'],
            id="contains what has no values",
        ),
        pytest.param(
            {"multipleOf": 0.75, "exclusiveMaximum": 4, "not": {"type": "integer"}},
            ["0.75", "1.5", "-0.75", "2.25"],
            ["3", "0", "4.5", "1"],
            id="multiples below a bound that are no integers",
        ),
        pytest.param(
            {"contains": {"multipleOf": 1}, "minContains": 1, "maxContains": 1},
            ["[1]", "[0.5, 1]", "[-1.5, 2]"],
            ["[-1 , 0.01e2]", "[]", "[0.5]"],
            id="exactly one integer",
        ),
        pytest.param(
            {"type": "integer", "multipleOf": 0.123456789},
            ["0", "123456789", "-123456789"],
            ["1", "0.123456789", "1e308"],
            id="integers that are multiples of a long decimal",
        ),
        pytest.param(
            {"$schema": "http://json-schema.org/draft-04/schema#", "not": {"anyOf": [{"type": "integer"}]}},
            ["1.0", "-1.0", "0.5", "1e0", "null"],
            ["1", "0", "-5"],
            id="in draft 4 whole numbers with a point are no integers",
        ),
        pytest.param(
            {"propertyNames": {"$ref": "#"}, "maxLength": 1},
            ['{"a": 1}', '"a"', '{"a": {"bb": 1}}'],
            ['{"aa": 1}', '"aa"'],
            id="names that satisfy the schema they stand in",
        ),
        pytest.param(
            {"propertyNames": {"not": {"$ref": "#"}}, "pattern": "a"},
            ['"a"', '{"b": 1}', "{}"],
            ['"b"', '{"a": 1}'],
            id="names that do not satisfy the schema they stand in",
        ),
        pytest.param(
            {"oneOf": [{"properties": {f"p{i}": {"type": "null"}}, "required": [f"p{i}"]} for i in range(50)]},
            ['{"p7": null}', '{"p7": null, "p9": 1}', '{"x": 1, "p49": null}'],
            ["{}", '{"p7": null, "p9": null}', '{"p7": 1}'],
            id="one of many members",
        ),
        pytest.param(
            {"enum": [*range(3, 2000), 2.5, 10**30, True]},
            ["3", "1999", "4e2", "2.5", "1" + "0" * 30, "true", "700.0"],
            ["2", "2000", "3.5", "1", "false"],
            id="many integers in a row",
        ),
        pytest.param(
            {"$schema": "https://json-schema.org/draft/2019-09/schema", "additionalProperties": {}}
            | {"unevaluatedProperties": False},
            ['{"a": 1}', "{}"],
            [],
            id="additional properties are evaluated in 2019-09",
        ),
        pytest.param(
            {
                "$schema": "https://json-schema.org/draft/2019-09/schema",
                "unevaluatedProperties": {"unevaluatedProperties": {"unevaluatedProperties": False}, "$ref": "#"},
            },
            ['{"": {"ba": {"ab": {"ab": "c"}}}}'],
            [],
            id="what a reference evaluates",
        ),
    ],
)
def test_regressions(schema: Any, allowed: list[str], denied: list[str]) -> None:
    """Each text is decided as it should be, by this library and by the validator."""
    draft = next((draft for draft, uri in DRAFTS.items() if uri == schema.get("$schema")), 2020)
    assert decisions(schema, allowed + denied) == [True] * len(allowed) + [False] * len(denied)
    assert all(validator_of(schema, draft).is_valid(parsed(text)) for text in allowed)
    assert not any(validator_of(schema, draft).is_valid(parsed(text)) for text in denied)
