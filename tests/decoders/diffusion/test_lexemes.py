"""Where the longest match is said to make no difference, charts and matchers take the same texts."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.decoders.diffusion.chart import Chart
from constrain.decoders.diffusion.vertices import Hole
from constrain.grammars import ir
from constrain.grammars.errors import ConstrainError
from constrain.grammars.lark_syntax import lark
from constrain.tokenizer_index.compiled import compile_grammar
from tests.matching import compiled_or_none, index_of
from tests.strategies import examples, grammars

_TOKENS = [b"a", b"b", b"(", b",", b" ", b"#", b"ab", b"a ", b" (", b",,"]
_INDEX = index_of([*_TOKENS, *[bytes([byte]) for byte in range(256) if bytes([byte]) not in _TOKENS]])

_PLAIN = {
    "calls": 'start: NAME "(" [start ("," start)*] "#"\nNAME: /[ab]+/',
    "spaces": 'start: NAME ("," NAME)*\nNAME: /[ab]+/\nWS: / +/\n%ignore WS',
    "apart": 'start: ("(" WORD | "," KEY)+\nWORD: /[ab]+/\nKEY: "ab"',
    "between": 'start: NAME "<" NAME | "("\nNAME: /[ab]+/',
    "comments": 'start: (NAME ",")+\nNAME: "a" | "b"\nWS: " "\nNOTE: /#b*#/\n%ignore WS\n%ignore NOTE',
}
_MATTERS = {
    "keywords": 'start: WORD | KEY ","\nWORD: /[ab]+/\nKEY: "ab"',
    "neighbours": "start: NAME NAME\nNAME: /[ab]+/",
    "prefixes": 'start: ("(" | "((" | "a")+',
    "alternatives": 'start: "a" x | "a" y\nx: "(" "("\ny: "((" ","',
    "tails": "start: NAME /,?/ NAME\nNAME: /[ab]+/",
    "notes": 'start: NAME+\nNAME: "a" | "b"\nNOTE: /#[^,]*/\n%ignore NOTE',
    "blank": 'start: "a"+ " "?\nWS: / +/\n%ignore WS',
}


@pytest.mark.parametrize("name", _PLAIN)
def test_plain_lexemes(name: str) -> None:
    """Names, separators, white space, and keywords that are awaited where no name is."""
    grammar = lark(_PLAIN[name])
    constraint, chart, found = compile_grammar(grammar, _INDEX), Chart(grammar, _INDEX), set()
    for size in range(6):
        for letters in itertools.product(b"ab(, #<", repeat=size):
            text = bytes(letters)
            if size < 4 or sum(text) % 16 == 0:
                assert chart.is_completable([text]) == constraint.accepts(text), text
                found.add(constraint.accepts(text))
    assert found == {True, False}
    assert constraint.accepts(b"".join(chart.complete([Hole()])))


@pytest.mark.parametrize("name", _MATTERS)
def test_where_the_longest_match_matters(name: str) -> None:
    """Grammars in which a lexeme could be longer, or another one, are refused."""
    with pytest.raises(ConstrainError, match="longest match"):
        Chart(lark(_MATTERS[name]), _INDEX)


@examples(150)
@given(grammars(), st.integers(0, 1 << 32))
def test_random_grammars(grammar: ir.Grammar, seed: int) -> None:
    """Random grammars, as if the longest match counted: those that are not refused have the matcher's language."""
    grammar = replace(grammar, longest_match=True, key="")
    if compiled_or_none(grammar, _INDEX) is None:
        return
    try:
        chart = Chart(grammar, _INDEX)
    except ConstrainError:
        return
    constraint, choice = compile_grammar(grammar, _INDEX), random.Random(seed)
    texts = [b"".join(choice.choice(_TOKENS) for _ in range(choice.randint(0, 4))) for _ in range(30)]
    if chart.is_completable([Hole()]):
        texts.append(b"".join(chart.complete([Hole()])))
    for text in texts:
        assert chart.is_completable([text]) == constraint.accepts(text), text
