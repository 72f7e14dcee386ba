"""Examples and random instances belong to the language, which others decide."""

import json
import re
import time

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark

import constrain
from constrain.errors import GrammarError, ResourceLimitError, UnsatisfiableConstraintError
from constrain.grammars import ir, regular
from tests.oracles import ByteGrammar, grammar_of
from tests.strategies import examples, grammars

_PATTERNS = [r"\d{4}-\d\d", r"(?i)[a-f]+é?|x{2,}", r"\w+@\w+\.(com|org)", "", r"(a|b)*abb", r"[^\x00-\x7f]{3}"]


@pytest.mark.parametrize("pattern", _PATTERNS)
def test_regular_expressions(pattern: str) -> None:
    """`re` matches all of them, and the example is no longer than any other."""
    shortest = constrain.example(constrain.regex(pattern))
    texts = constrain.sample_instances(constrain.regex(pattern), 30, seed=1)
    assert len(texts) == 30
    for text in [shortest, *texts]:
        assert re.fullmatch(pattern, text)
        assert len(shortest.encode()) <= len(text.encode())


_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "pattern": "^[A-Z]"},
        "size": {"type": "integer", "minimum": 10, "maximum": 99},
        "parts": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3},
        "kind": {"enum": ["x", None, 2.5]},
    },
    "required": ["name", "kind"],
}


@pytest.mark.parametrize("order", ["schema", "any"])
def test_json_schemas(order: str) -> None:
    """`jsonschema` validates all of them."""
    grammar = constrain.json_schema(_SCHEMA, property_order=order)
    assert len(constrain.example(grammar)) == len('{"name":"A0","kind":2.5}')
    validator = jsonschema.Draft202012Validator(_SCHEMA)
    for text in constrain.sample_instances(grammar, 30, seed=2):
        validator.validate(json.loads(text))


def test_lark_grammars() -> None:
    """`lark` parses all of them."""
    source = (
        'start: sum\nsum: sum "+" product | product\nproduct: product "*" atom | atom\n'
        'atom: NUMBER | NAME | "(" sum ")"\nNUMBER: /[0-9]+/\nNAME: /[a-z]+/\n%ignore " "\n'
    )
    parser = Lark(source)
    texts = constrain.sample_instances(constrain.lark(source), 40, seed=3)
    for text in [constrain.example(constrain.lark(source)), *texts]:
        parser.parse(text)
    assert any("(" in text for text in texts)
    assert any("*" in text for text in texts)


@examples(80)
@given(grammars(), st.integers(0, 1 << 32))
def test_random_grammars(grammar: ir.Grammar, seed: int) -> None:
    """Random grammars: instances are derived, and a grammar without texts says so."""
    oracle = ByteGrammar(grammar)
    try:
        shortest = constrain.example(grammar)
        texts = constrain.sample_instances(grammar, 3, seed, length=6)
    except UnsatisfiableConstraintError:
        assert not oracle.viable(b"")
        return
    for text in [shortest, *texts]:
        assert oracle.accepts(text.encode())
        assert len(shortest.encode()) <= len(text.encode())


def test_seeds() -> None:
    """A seed stands for its texts; others give others; earlier samples of a prefix stay the same."""
    grammar = constrain.json_schema(True)
    texts = constrain.sample_instances(grammar, 20, seed=5)
    assert constrain.sample_instances(grammar, 20, seed=5) == texts
    assert constrain.sample_instances(grammar, 8, seed=5) == texts[:8]
    assert constrain.sample_instances(grammar, 20, seed=6) != texts
    assert len(set(texts)) > 5
    assert {type(json.loads(text)) for text in constrain.sample_instances(grammar, 60, seed=7)} >= {dict, list, str}


def test_branching_recursion_is_finite() -> None:
    """A grammar in which every step calls for two more still ends, soon after `length` bytes."""
    grammar = constrain.ebnf('root ::= "(" root root root ")" | "x"')
    start = time.process_time()
    texts = constrain.sample_instances(grammar, 50, seed=0, length=50)
    assert time.process_time() - start < 60
    assert max(map(len, texts)) <= 500
    assert any(len(text) > 20 for text in texts)
    assert set(constrain.sample_instances(grammar, 5, seed=0, length=0)) == {"x"}


def test_every_short_text_comes_up() -> None:
    """All texts of a small language are met."""
    texts = constrain.sample_instances(constrain.regex("[ab]{0,3}c?"), 2_000, seed=0)
    assert len(set(texts)) == 30


def test_errors() -> None:
    """What has no text, or none in UTF-8, or none without special tokens, is an error."""
    with pytest.raises(UnsatisfiableConstraintError):
        constrain.example(ir.Grammar("s", {"s": ir.Alternation(())}))
    with pytest.raises(GrammarError, match="not UTF-8"):
        constrain.example(grammar_of(regular.Literal(b"\xff")))
    with pytest.raises(GrammarError, match="special token"):
        constrain.example(ir.Grammar("s", {"s": ir.SpecialToken("<call>")}))
    with pytest.raises(ResourceLimitError):
        constrain.example(constrain.lark('start: "a"'), limits=constrain.Limits(max_grammar=0))
    with pytest.raises(ValueError, match="negative"):
        constrain.sample_instances(constrain.regex("a"), -1, 0)
