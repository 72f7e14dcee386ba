"""Texts with holes are completable, and tokens allowed, exactly when enumeration finds a completion."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constrain.decoders.diffusion.chart import Chart, ChartCanvas
from constrain.decoders.diffusion.saturation import Saturation
from constrain.decoders.diffusion.vertices import Hole, Part, vertices_of
from constrain.grammars import ir
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import ConstrainError, UnsatisfiableConstraintError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.lark_syntax import lark
from constrain.tokenizer_index.compiled import compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from tests.matching import compiled_or_none, index_of
from tests.strategies import examples, grammars

_TOKENS = [b"a", b"b", b"(", b",", b"\xc3", b"\xa9", b"ab", "é".encode(), b"a("]
_INDEX = index_of(_TOKENS)
_END = len(_TOKENS)

_GRAMMARS = {
    "brackets": ebnf('root ::= "(" root "," root ")" | "a" | "é" "b"*'.replace('")"', '"b"')),
    "ambiguous": ebnf('root ::= root root | "a" | "ab" | "(" root? ","'),
    "lexemes": lark('start: (WORD | KEY)+ ","\nWORD: /[ab]+/\nKEY: "ab" | "é"', lexer="dynamic_complete"),
    "spaces": lark('start: "(" start "b" | "a"\n%ignore ","', lexer="dynamic_complete"),
}


class _Truth:
    """Membership, remembered.  Matchers are tested against oracles elsewhere; charts share nothing with them."""

    def __init__(self, grammar: ir.Grammar) -> None:
        self._constraint, self._known = compile_grammar(grammar, _INDEX), dict[bytes, bool]()

    def __call__(self, text: bytes) -> bool:
        if text not in self._known:
            self._known[text] = self._constraint.accepts(text)
        return self._known[text]


def _fillings(parts: Sequence[Part], longest: int, index: TokenizerIndex) -> Iterator[bytes]:
    """Texts with the holes filled, each with at most `longest` tokens."""
    tokens = [token for token in index.tokens if token]
    options = []
    for part in parts:
        if isinstance(part, Hole):
            most = longest if part.maximum is None else part.maximum
            sizes = range(part.minimum, most + 1)
            options.append([b"".join(words) for n in sizes for words in itertools.product(tokens, repeat=n)])
        else:
            options.append([part if isinstance(part, bytes) else index.tokens[part]])
    return map(b"".join, itertools.product(*options))


_HOLES = [Hole(0, 0), Hole(1, 1), Hole(2, 2), Hole(0, 1), Hole(0, 2), Hole(1, 2)]


def _random_parts(choice: random.Random) -> list[Part]:
    """Known tokens and at most two holes of a bounded size."""
    parts: list[Part] = [choice.choice([b"a", b"b", b"(", b"ab", b"\xc3", 8, 3]) for _ in range(choice.randint(0, 3))]
    for _ in range(choice.randint(1, 2)):
        parts.insert(choice.randint(0, len(parts)), choice.choice(_HOLES))
    return parts


def _check_holes(grammar: ir.Grammar, chart: Chart, truth: _Truth, parts: Sequence[Part]) -> None:
    found = {text for text in _fillings(parts, 2, chart.index) if truth(text)}
    assert chart.is_completable(parts) == bool(found)
    if not found:
        with pytest.raises(UnsatisfiableConstraintError):
            chart.complete(parts)
        return
    filled = chart.complete(parts)
    assert b"".join(filled) in found
    for part, text in zip(parts, filled, strict=True):
        if isinstance(part, bytes):
            assert text == part


@pytest.mark.parametrize("name", _GRAMMARS)
def test_holes_by_enumeration(name: str) -> None:
    """Holes of exactly and of at most so many tokens, ambiguous lexemes and split characters among them."""
    grammar = _GRAMMARS[name]
    chart, truth = Chart(grammar, _INDEX), _Truth(grammar)
    choice = random.Random(name)
    for _ in range(25):
        _check_holes(grammar, chart, truth, _random_parts(choice))


@examples(40)
@given(grammars(), st.integers(0, 1 << 32))
def test_random_grammars(grammar: ir.Grammar, seed: int) -> None:
    """The same with random grammars."""
    if compiled_or_none(grammar, _INDEX) is None:
        return
    chart, truth = Chart(grammar, _INDEX), _Truth(grammar)
    choice = random.Random(seed)
    for _ in range(2):
        _check_holes(grammar, chart, truth, _random_parts(choice))


@pytest.mark.parametrize("name", _GRAMMARS)
def test_holes_of_any_length(name: str) -> None:
    """What a hole of few tokens can do, one of any length can; its witness is in the language."""
    grammar = _GRAMMARS[name]
    chart, truth, choice = Chart(grammar, _INDEX), _Truth(grammar), random.Random(name)
    some = 0
    for _ in range(25):
        bounded = _random_parts(choice)
        parts: list[Part] = [Hole() if isinstance(part, Hole) else part for part in bounded]
        if any(truth(text) for text in _fillings(bounded, 2, _INDEX)):
            assert chart.is_completable(parts)
        if chart.is_completable(parts):
            some += 1
            assert truth(b"".join(chart.complete(parts)))
        else:
            assert not any(truth(text) for text in _fillings(parts, 1, _INDEX))
    assert some > 3


def test_vocabularies_that_lack_bytes() -> None:
    """A hole of any length holds what tokens spell, and nothing else."""
    index = index_of([b"a", b"bc"])
    chart = Chart(ebnf('root ::= "a" root "c" | "b"'), index)
    assert chart.complete([b"a", Hole()]) == [b"a", b"bc"]
    assert chart.is_completable([b"aa", Hole(), b"c"])
    assert not chart.is_completable([b"aa", Hole()]), "no token is a c alone"


def _sequences(truth: _Truth, index: TokenizerIndex, length: int) -> set[tuple[int, ...]]:
    """All canvases: texts of the language, then end tokens."""
    end = index.end_tokens[0]
    texts = [token for token in range(index.vocab_size) if index.tokens[token]]
    return {
        (*path, *[end] * (length - size))
        for size in range(length + 1)
        for path in itertools.product(texts, repeat=size)
        if truth(b"".join(index.tokens[token] for token in path))
    }


@pytest.mark.parametrize("name", _GRAMMARS)
def test_masks_by_enumeration(name: str) -> None:
    """On a canvas, a token is allowed at a position exactly if some completion has it; what is forced is."""
    grammar = _GRAMMARS[name]
    chart, truth = Chart(grammar, _INDEX), _Truth(grammar)
    choice = random.Random(name)
    length = 4
    everything = _sequences(truth, _INDEX, length)
    assert everything
    for _ in range(12):
        tokens = torch.full((length,), -1)
        left = everything
        canvas = ChartCanvas(chart, tokens)
        while True:
            expected = torch.zeros((length, _INDEX.vocab_size), dtype=torch.bool)
            for sequence in left:
                expected[range(length), list(sequence)] = True
            assert torch.equal(canvas.allowed(), expected)
            assert canvas.is_completable() == bool(left)
            free = (canvas.tokens < 0).nonzero().flatten().tolist()
            if not free:
                break
            for position, token in canvas.commit_forced():
                assert {sequence[position] for sequence in left} == {token}
            free = (canvas.tokens < 0).nonzero().flatten().tolist()
            if not free:
                continue
            position, token = choice.choice(free), choice.randrange(_INDEX.vocab_size)
            assert canvas.commit(position, token) == bool(expected[position, token])
            if expected[position, token]:
                left = {sequence for sequence in left if sequence[position] == token}


@pytest.mark.parametrize("name", _GRAMMARS)
def test_best_completions(name: str) -> None:
    """The best completion of a canvas has the largest weight of all; a canvas that has none is said to have none."""
    chart, truth = Chart(_GRAMMARS[name], _INDEX), _Truth(_GRAMMARS[name])
    everything = _sequences(truth, _INDEX, 4)
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        law = torch.randn((4, _INDEX.vocab_size), generator=generator, dtype=torch.float64).log_softmax(-1)
        canvas = ChartCanvas(chart, torch.full((4,), -1))
        best = canvas.best(law).tolist()
        assert tuple(best) in everything
        values = [float(law[range(4), list(sequence)].sum()) for sequence in everything]
        assert float(law[range(4), best].sum()) == pytest.approx(max(values))
    hopeless = ChartCanvas(chart, torch.tensor([_END, 0, -1, -1]))
    assert not hopeless.is_completable()
    with pytest.raises(UnsatisfiableConstraintError):
        hopeless.best(law)


@pytest.mark.parametrize("name", _GRAMMARS)
def test_known_beginnings(name: str) -> None:
    """The matcher's answer about a known beginning is that of the chart, in any order of asking."""
    chart, choice = Chart(_GRAMMARS[name], _INDEX), random.Random(name)
    answers = set()
    for _ in range(60):
        text = b"".join(choice.choice(_TOKENS) for _ in range(choice.randint(0, 3)))
        parts: list[Part] = [text, Hole()]
        slow = Saturation(chart.networks, vertices_of(parts, chart.networks, _INDEX, chart.words)).is_completable
        assert chart.is_completable(parts) == slow
        answers.add(slow)
    assert answers == {True, False}


def test_weighted_completions() -> None:
    """With weights, the most probable filling is taken."""
    chart = Chart(ebnf('root ::= "(" ("a" | "b")+ ","'), _INDEX)
    row = np.full(_INDEX.vocab_size, -5.0)
    row[_TOKENS.index(b"b")] = -0.1
    zero = np.zeros(_INDEX.vocab_size)
    assert b"".join(chart.complete([b"(", Hole(2, 2), b","], [zero, row, zero])) == b"(bb,"
    assert b"".join(chart.complete([b"(", Hole(0, 3), b","], [zero, row, zero])) == b"(b,"
    impossible = np.full(_INDEX.vocab_size, -math.inf)
    with pytest.raises(UnsatisfiableConstraintError):
        chart.complete([b"(", Hole(2, 2), b","], [zero, impossible, zero])


def test_json_with_holes() -> None:
    """Several holes in JSON: brackets, quotes and commas are found from both sides."""
    index = TokenizerIndex.from_tokenizer([bytes([byte]) for byte in range(256)], cache=False)
    source = files("constrain.grammars.library").joinpath("json.lark").read_text()
    chart = Chart(lark(source, lexer="dynamic_complete"), index)
    assert chart.is_completable([b'{"a": [1, ', Hole(), b'"b", ', Hole(), b"}"])
    assert not chart.is_completable([b'{"a": [1, ', Hole(1, 1), b"}"])
    assert chart.is_completable([b'{"a": [1, ', Hole(2, 2), b"}"])
    filled = b"".join(chart.complete([b'{"a": [1, ', Hole(), b"}"]))
    assert json.loads(filled)["a"][0] == 1


_PIECES = [b"{", b"}", b"[", b"]", b",", b'"a":', b'"b":', b'"c":', b"1", b"2", b"1,", b'{"b":', b'"c":1}', b'"']
_CLOSED: dict[str, object] = {
    "type": "object",
    "properties": {"a": {"const": 1}, "b": {"enum": [1, 2]}, "c": {"enum": [1, {}]}},
}
_OBJECTS: dict[str, dict[str, object]] = {
    "required": {"required": ["a", "c"]},
    "some": {"minProperties": 1, "maxProperties": 2, "required": ["b"]},
    "none": {"maxProperties": 1},
    "two": {"minProperties": 2},
}
_LISTS: dict[str, dict[str, object]] = {
    "counted": {"minItems": 2, "maxItems": 3},
    "unbounded": {
        "prefixItems": [{"const": 1}, {"type": "array", "items": {"const": 1}, "maxItems": 1}],
        "items": {"const": 2},
    },
    "least": {"minItems": 3, "items": {"enum": [1, 2]}},
}


def _check_pieces(schema: dict[str, object], order: Literal["schema", "any"]) -> None:
    """Texts of few tokens are in a chart's language exactly if a matcher takes them, which is true of some."""
    index = index_of([*_PIECES, *[bytes([byte]) for byte in range(256) if bytes([byte]) not in _PIECES]])
    grammar = json_schema(schema, property_order=order, whitespace="compact", exponents=False)
    constraint, chart = compile_grammar(grammar, index), Chart(grammar, index)
    choice, found = random.Random(str(schema)), 0
    for size in (2, 4, 6, 8, 11):
        canvas = ChartCanvas(chart, torch.full((size,), -1))
        for _ in range(5 if canvas.is_completable() else 0):
            best = canvas.best(torch.rand((size, index.vocab_size), dtype=torch.float64).log())
            spelled = b"".join(index.tokens[token] for token in best.tolist() if token not in index.end_tokens)
            assert constraint.accepts(spelled), spelled
            found += 1
    objects = ["{" + ",".join(members) + "}" for members in _MEMBERS]
    for text in [*map(str.encode, choice.sample(objects, 40)), *choice.sample(_ARRAYS, 40)]:
        assert chart.is_completable([text]) == constraint.accepts(text), text
        found += constraint.accepts(text)
    assert found > 5


_MEMBERS = [
    members
    for size in range(4)
    for members in itertools.permutations(['"a":1', '"b":2', '"c":{}', '"\\u0061":1', '"b":1'], size)
]
_ARRAYS = [
    b"[" + b",".join(items) + b"]"
    for size in range(5)
    for items in itertools.product([b"1", b"2", b"[]", b"[1]"], repeat=size)
]


@pytest.mark.parametrize("order", ["schema", "any"])
@pytest.mark.parametrize("name", _OBJECTS)
def test_objects_of_declared_keys(name: str, order: Literal["schema", "any"]) -> None:
    """Objects whose keys are all declared, in any order or that of the schema, with bounds on their number."""
    _check_pieces(_CLOSED | {"additionalProperties": False} | _OBJECTS[name], order)


@pytest.mark.parametrize("name", _LISTS)
def test_counted_lists(name: str) -> None:
    """Lists of so many items, the first ones of which may be others."""
    _check_pieces({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 2}} | _LISTS[name], "any")


def test_what_charts_do_not_express() -> None:
    """Grammars in which the longest match counts and objects of any distinct keys are refused."""
    with pytest.raises(ConstrainError, match="dynamic"):
        Chart(lark("start: NAME NAME\nNAME: /a+/"), _INDEX)
    with pytest.raises(ConstrainError, match="declared"):
        Chart(json_schema({"type": "object", "properties": {"a": {}, "b": {}}}), _INDEX)
    with pytest.raises(ValueError, match="hole"):
        Hole(3, 2)
