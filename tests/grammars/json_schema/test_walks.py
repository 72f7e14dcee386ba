"""Random walks: texts of random allowed tokens under real schemas parse and validate, and never get stuck.

``TEST_EFFORT=10 pytest tests/grammars/json_schema/test_walks.py`` walks 20 times under each of 300 schemas.
"""

import hashlib
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import constrain
from constrain.cli.bench_cases import Case, read_cases
from tests.json_schemas import VAST, parsed, plain_validator_of
from tests.strategies import EFFORT

MASKBENCH = Path(__file__).resolve().parents[4] / "shared" / "data" / "maskbench-dev.jsonl.xz"
SCHEMAS, WALKS = 30 * min(EFFORT, 10), 5 if EFFORT == 1 else 20
BUDGET = 80

SMALL: list[Any] = [
    {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"enum": ["x", 1, None]}}, "required": ["b"]},
    {"type": "array", "items": {"type": "number", "multipleOf": 0.25, "maximum": 9}, "minItems": 2, "maxItems": 4},
    {"propertyNames": {"pattern": "^[ab]{1,2}$"}, "minProperties": 4, "type": "object"},
    {"type": "array", "contains": {"type": "null"}, "maxContains": 2, "items": {"type": ["null", "boolean"]}},
    {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True, "minItems": 3},
    {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "additionalProperties": {"type": "null"}},
    {"type": "string", "format": "date-time"},
]


@cache
def index() -> constrain.TokenizerIndex:
    """Bytes and pieces of JSON that are longer than what a lexeme is."""
    pieces = ('{"', '"}', '": ', '":"', '", "', '","', "[]", "{}", "[[", "]]", "},", " }", "true", "null", "00", ".5")
    pieces += ("e1", "-1", "ab", "the", 'a"', '\\"', "\\u00", "é", "2020-", ":00", "://", ', "', '"a', "\n  ")
    tokens = [bytes([byte]) for byte in range(256)] + [piece.encode() for piece in pieces]
    return constrain.TokenizerIndex.from_tokenizer(tokens, cache=False)


def walked(matcher: Any, choice: random.Random) -> bytes:
    """A text of random tokens, finished by the shortest completion when the budget is spent."""
    text, tokens = bytearray(), index().vocabulary.tokens
    for _ in range(choice.randrange(BUDGET)):
        allowed = matcher.allowed_tokens()
        assert len(allowed) or matcher.is_accepting, f"a dead end after {bytes(text)!r}"
        if not len(allowed) or (matcher.is_accepting and choice.random() < 0.3):
            return bytes(text)
        token = int(choice.choice(allowed))
        assert matcher.accept_token(token), (bytes(text), token)
        text += tokens[token]
    return bytes(text + matcher.shortest_completion())


def texts(schema: Any, seed: str, count: int, order: str) -> Iterator[str]:
    """Texts of walks under a schema."""
    compiled = constrain.compile(constrain.json_schema(schema, property_order=order), index())
    for number in range(count):
        yield walked(compiled.matcher(), random.Random(f"{seed} {number}")).decode()


def sample() -> list[Case]:
    """Schemas by the hash of their names."""
    cases = read_cases(MASKBENCH)
    return sorted(cases, key=lambda case: hashlib.sha256(case.name.encode()).digest())[:SCHEMAS]


@pytest.mark.parametrize("order", ["schema", "any"])
@pytest.mark.parametrize("schema", SMALL, ids=range(len(SMALL)))
def test_walks_under_small_schemas(schema: Any, order: str) -> None:
    """Every text validates."""
    validator = plain_validator_of(schema)
    for text in texts(schema, "small", 20 * EFFORT, order):
        assert VAST.search(text) or validator.is_valid(parsed(text)), text


@pytest.mark.shared
@pytest.mark.skipif(not MASKBENCH.exists(), reason="MaskBench's development half is not beside the project")
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")  # Python's reading of some patterns
def test_walks_under_real_schemas() -> None:
    """Every text validates; a few schemas are refused."""
    refused, wrong = [], []
    for case in sample():
        try:
            found = list(texts(case.schema, case.name, WALKS, "schema"))
        except constrain.errors.ConstrainError as error:
            refused.append((case.name, str(error)))
            continue
        validator = plain_validator_of(case.schema)
        wrong += [(case.name, text) for text in found if not (VAST.search(text) or validator.is_valid(parsed(text)))]
    assert not wrong, wrong
    assert len(refused) <= 1 + 0.02 * SCHEMAS, refused
