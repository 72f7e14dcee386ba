"""Conflicts of lexemes, and explanations of where a text leaves a language."""

import pytest
from hypothesis import given

import constrain
from constrain.grammars import ir
from constrain.grammars.conflicts import lexeme_conflicts
from constrain.grammars.regular import Regular
from tests.oracles import ByteGrammar, grammar_of
from tests.strategies import examples, regulars

_SOURCE = """
start: (stmt ";")+
stmt: "if" NAME | NAME "=" INT | "0x" HEX
NAME: /[a-z]+/
INT: /[0-9]+/
HEX.2: /[0-9a-f]+/
%ignore " "
"""


def test_conflicts_of_a_grammar() -> None:
    """Keywords win over names, priorities over both; what is always lost is said to be."""
    found = {(one.winner, one.loser): one for one in lexeme_conflicts(constrain.lark(_SOURCE))}
    assert set(found) == {("HEX", "NAME"), ("HEX", "INT"), ("IF", "NAME")}
    assert {pair for pair, one in found.items() if one.hides} == {("HEX", "INT")}
    assert found["HEX", "NAME"].example == b"a"
    assert "INT is never read where HEX is allowed" in str(found["HEX", "INT"])
    assert lexeme_conflicts(constrain.lark(_SOURCE, lexer="dynamic_complete")) == []


@examples(60)
@given(regulars(), regulars())
def test_conflicts_are_exact(first: Regular, second: Regular) -> None:
    """Two terminals conflict when they share a text; the example is one of both; hidden terminals have no others."""
    terminals = ir.Terminal(first, "A", 2), ir.Terminal(second, "B", 1)
    found = lexeme_conflicts(ir.Grammar("s", {"s": ir.Alternation(terminals)}, longest_match=True))
    oracles = [ByteGrammar(grammar_of(one)) for one in (first, second)]
    for conflict in found:
        assert (conflict.winner, conflict.loser) == ("A", "B")
        assert all(oracle.accepts(conflict.example) for oracle in oracles)
    for text in (b"", b"a", b"b", b"ab", b"aa", b"(", b","):
        in_first, in_second = (oracle.accepts(text) for oracle in oracles)
        assert found or not (in_first and in_second)
        if in_second and not in_first:
            assert not any(conflict.hides for conflict in found)


@pytest.mark.parametrize(
    ("text", "accepted", "place", "expected", "terminals"),
    [
        ("a = 1;", True, (1, 7), {'" "', '"a"…"z"', '"0"'}, None),
        ("a = 1;  b = ?", False, (1, 13), {'" "', '"0"…"9"'}, {"INT"}),
        ("a = 1", False, (1, 6), {'" "', '"0"…"9"', '";"'}, {"INT", "SEMICOLON"}),
    ],
)
def test_explanations(
    text: str, accepted: bool, place: tuple[int, int], expected: set[str], terminals: set[str] | None
) -> None:
    """The place, the characters and the terminals that would have been allowed there."""
    found = constrain.explain(constrain.lark(_SOURCE), text)
    assert (found.accepted, (found.line, found.column), set(found.expected)) == (accepted, place, expected)
    assert terminals is None or terminals <= set(found.terminals)
    assert found.may_end == accepted
    assert ("leaves the language at line" in str(found)) == (not accepted)


def test_explanation_of_a_schema() -> None:
    """Where a value is of another type, an explanation says which characters its type begins with."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    found = constrain.explain(constrain.json_schema(schema, whitespace="compact"), '{"a":\n"é"}')
    assert (found.line, found.column, found.valid) == (1, 6, 5)
    assert found.expected == ('"-"', '"0"…"9"')
