"""Grammars as data: what is written is read back, and nothing else is read."""

import copy
import inspect
import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir, regular
from constrain.grammars.errors import CacheError, GrammarError, ResourceLimitError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.lark_syntax import lark
from constrain.grammars.serialise import _FIELDS, from_data, to_data
from tests.strategies import booleans, examples, grammars

_SIZE = 1_000_000


def _again(grammar: ir.Grammar) -> ir.Grammar:
    return from_data(json.loads(json.dumps(to_data(grammar, _SIZE))))


def _terminal(text: bytes) -> ir.Terminal:
    return ir.Terminal(regular.Literal(text), name="T", priority=-3)


_LITERAL = regular.Literal(bytes(range(256)))
_EVERY_EXPRESSION: list[ir.Expression | regular.Regular] = [
    ir.Terminal(regular.Empty()),
    ir.SpecialToken("<é>"),
    ir.SpecialToken(5),
    ir.Reference("s"),
    ir.Sequence((_terminal(b"a"), ir.Alternation(()))),
    ir.Repeat(_terminal(b"a"), 1, None),
    ir.Repeat(_terminal(b"a"), 0, 1 << 70),
    ir.Budget(_terminal(b"\xff"), 3),
    ir.Items(("s",), None, 0, 3, _terminal(b"["), _terminal(b"]"), _terminal(b",")),
    ir.Members(
        (ir.Key(b"\xc3\xa9", "s", required=True), ir.Key(b"", None)),
        (ir.OtherKeys(regular.ANY_TEXT, "s", needed=True),),
        1,
        None,
        False,
        *map(_terminal, (b"{", b"}", b",", b":")),
        _LITERAL,
    ),
    regular.Epsilon(),
    _LITERAL,
    regular.Symbols(((0, 3), (9, 255))),
    regular.ANY_CHARACTER,
    regular.Concatenation((_LITERAL, _LITERAL)),
    regular.Union((regular.ANY_TEXT, regular.Intersection((_LITERAL, regular.Complement(regular.Empty()))))),
    regular.Repetition(_LITERAL, 2, 5),
    regular.Words((b"", b"a\x00")),
    regular.Without(regular.ANY_TEXT, (b"x",)),
    regular.JsonString(regular.ANY_TEXT, any_escape=False),
    regular.Decimals(low=Decimal("1e-30"), high=Decimal(10) ** 5000, strict_low=True, grain=-30, exponent=False),
    regular.Multiples(10**6000 + 1, 3, fraction=False),
    regular.Automaton((((0, 255, 1),), ()), (False, True)),
]


def _everything() -> ir.Grammar:
    sides = [
        expression if isinstance(expression, ir.Expression) else ir.Terminal(expression)
        for expression in _EVERY_EXPRESSION
    ]
    return ir.Grammar(
        "s",
        {"s": ir.Sequence(tuple(sides)), "ü\ud800": ir.Alternation(tuple(sides))},
        ignored=(_terminal(b" "),),
        longest_match=True,
        key="key",
        source="source\n\ud800",
        positions={"s": ir.Position(3, 4)},
        relaxed=(ir.Relaxation("/a~1", "format", "why"),),
    )


def test_every_class_is_written_and_read() -> None:
    """Each class of expressions comes back equal, with all that belongs to a grammar."""
    met: set[type] = set()

    def meet(value: Any) -> None:
        met.add(type(value))
        for field in _FIELDS[type(value)]:
            part = getattr(value, field.name)
            for one in [part] if field.is_part else part if field.are_parts else ():
                meet(one)

    grammar = _everything()
    for rule in grammar.rules.values():
        meet(rule)
    assert met == set(_FIELDS)
    assert _again(grammar) == grammar


def test_every_class_is_known() -> None:
    """Whatever the two modules define as an expression can be written, but for what holds functions."""
    for module, base in ((ir, ir.Expression), (regular, regular.Regular)):
        classes = {c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, base) and c is not base}
        assert classes - {ir.Binding, ir.Late} <= set(_FIELDS)


@examples(100)
@given(grammars())
def test_random_grammars(grammar: ir.Grammar) -> None:
    """Random grammars come back equal."""
    assert _again(grammar) == grammar


@examples(100)
@given(booleans())
def test_random_regular_expressions(expression: regular.Regular) -> None:
    """So do regular expressions with boolean operations."""
    grammar = ir.Grammar("s", {"s": ir.Terminal(expression)})
    assert _again(grammar) == grammar


def test_equal_parts_are_written_once() -> None:
    """An expression that doubles thirty times is as long as it is deep, and is read as it was."""
    doubled: regular.Regular = regular.Literal(b"ab")
    for _ in range(30):
        doubled = regular.Concatenation((doubled, doubled))
    data = to_data(ir.Grammar("s", {"s": ir.Terminal(doubled)}), _SIZE)
    assert len(data["nodes"]) == 32
    assert from_data(data).rule("s") is not None


def test_depth_is_no_recursion() -> None:
    """Twenty thousand levels are written and read."""
    expression: ir.Expression = _terminal(b"a")
    nested: regular.Regular = regular.Literal(b"ab")
    for _ in range(20_000):
        expression = ir.Repeat(expression, 1, 2)
        nested = regular.Complement(nested)
    data = to_data(ir.Grammar("s", {"s": expression, "t": ir.Terminal(nested)}), _SIZE)
    again = to_data(from_data(json.loads(json.dumps(data))), _SIZE)
    assert again == data


def test_rules_on_demand() -> None:
    """All rules that can be reached are made when they are written, and decoded one by one when they are asked for."""
    made: list[str] = []

    def make_rule(name: str) -> ir.Expression:
        made.append(name)
        following = {"a": ["b", "c"], "b": ["a", "d"], "c": ["c"], "d": []}[name]
        return ir.Sequence((_terminal(name.encode()), *map(ir.Reference, following)))

    grammar = ir.Grammar("a", {}, make_rule=make_rule, key="k")
    data = to_data(grammar, _SIZE)
    assert sorted(made) == ["a", "b", "c", "d"]
    again = from_data(data)
    assert again.rules == {}
    assert all(again.rule(name) == make_rule(name) for name in "dcba")
    with pytest.raises(GrammarError):
        again.rule("e")
    with pytest.raises(ResourceLimitError) as caught:
        to_data(grammar, 6)
    assert caught.value.limit == "max_grammar"


def test_front_ends() -> None:
    """A schema's rules and a Lark grammar come back as they were made."""
    schema = json_schema({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"multipleOf": 0.01}}})
    data = to_data(schema, _SIZE)
    again = from_data(json.loads(json.dumps(data)))
    assert all(again.rule(name) == schema.rule(name) for name in data["rules"])
    grammar = lark('start: "a" start? NAME\nNAME.2: /[a-z]+/i\n%ignore " "')
    assert _again(grammar) == grammar


def _damaged(data: Any, choice: random.Random) -> None:
    """Change one place of nested lists and dictionaries."""
    while True:
        keys = list(data) if isinstance(data, dict) else list(range(len(data)))
        key = choice.choice(keys)
        if isinstance(data[key], list | dict) and data[key] and choice.random() < 0.8:
            data = data[key]
            continue
        change = choice.randrange(3)
        if change == 0 and isinstance(data, list):
            del data[key]
        elif change == 1 and isinstance(data, list):
            data.insert(key, data[key])
        else:
            data[key] = choice.choice([None, -1, 1 << 40, "x", [], {}, True, 0.5, [0]])
        return


_SOUND = to_data(_everything(), _SIZE)


@examples(300)
@given(st.integers(0, 1 << 32))
def test_what_is_not_a_grammar_is_refused(seed: int) -> None:
    """Data that was changed is read as another grammar or raises CacheError, nothing else."""
    data = copy.deepcopy(_SOUND)
    _damaged(data, random.Random(seed))
    try:
        grammar = from_data(data)
    except CacheError:
        return
    for name in data["rules"]:
        try:
            assert isinstance(grammar.rule(name), ir.Expression)
        except CacheError:
            continue


@pytest.mark.parametrize("data", [{}, {"start": "s"}, {**_SOUND, "nodes": {}}, {**_SOUND, "rules": []}])
def test_other_data(data: dict[str, Any]) -> None:
    """Data of another shape raises CacheError."""
    with pytest.raises(CacheError):
        from_data(data)


def test_unknown_expressions_are_refused() -> None:
    """An expression of a class of somebody else's is an error, not a loss."""

    class Other(ir.Expression):
        pass

    with pytest.raises(GrammarError):
        to_data(ir.Grammar("s", {"s": Other()}), _SIZE)
