"""Rules that are made on demand: what begins with itself is refused, not read as nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.on_demand import leading_references
from constrain.grammars.regular import Literal
from constrain.tokenizer_index.compiled import compile_grammar
from tests.matching import index_of
from tests.strategies import examples

X, Y = ir.Terminal(Literal(b"x"), "X"), ir.Terminal(Literal(b"y"), "Y")
BYTES = [bytes([byte]) for byte in b"xy"]


def on_demand(start: str, rules: dict[str, ir.Expression]) -> ir.Grammar:
    """The grammar, made rule by rule."""
    return ir.Grammar(start, {}, make_rule=rules.__getitem__)


def call(name: str) -> ir.Reference:
    """A reference."""
    return ir.Reference(name)


BEGINNING_WITH_THEMSELVES = {
    "directly": {"a": ir.Alternation((ir.Sequence((call("a"), X)), Y))},
    "by way of another": {
        "a": ir.Sequence((call("b"), X)),
        "b": ir.Alternation((ir.Sequence((call("a"), Y)), X)),
    },
    "behind what may be empty": {"a": ir.Alternation((ir.Sequence((ir.Repeat(X, 0, 1), call("a"), X)), Y))},
    "repeated": {"a": ir.Alternation((ir.Sequence((ir.Repeat(call("a"), 2, 900), X)), Y))},
    "bound": {"a": ir.Alternation((ir.Binding(call("a"), X, lambda text: X), Y))},
}


@pytest.mark.parametrize("name", BEGINNING_WITH_THEMSELVES)
def test_what_begins_with_itself_is_refused(name: str) -> None:
    """With an error that names the rule."""
    with pytest.raises(GrammarError, match="begins with itself"):
        compile_grammar(on_demand("a", BEGINNING_WITH_THEMSELVES[name]), index_of(BYTES)).accepts("xyxy")


def test_other_recursion_is_read() -> None:
    """At the end and in the middle."""
    rules: dict[str, ir.Expression] = {
        "a": ir.Alternation((ir.Sequence((X, call("a"), Y)), ir.Sequence((Y, call("b"))))),
        "b": X,
    }
    compiled = compile_grammar(on_demand("a", rules), index_of(BYTES))
    assert compiled.accepts("xxyxyy")
    assert not compiled.accepts("xxyxy")


PARTS = st.sampled_from([X, Y, call("a"), call("b"), call("c"), ir.Repeat(X, 0, 1), ir.Repeat(call("b"), 0, None)])
RIGHT = st.lists(
    st.lists(PARTS, min_size=1, max_size=3).filter(lambda parts: X in parts or Y in parts), min_size=1, max_size=3
)


@examples(200)
@given(st.fixed_dictionaries(dict.fromkeys("abc", RIGHT)))
def test_refused_or_read_alike(right: dict[str, list[list[ir.Expression]]]) -> None:
    """A grammar is read on demand as it is read whole, or it is refused, and then some rule begins with itself."""
    rules: dict[str, ir.Expression] = {
        name: ir.Alternation(tuple(ir.Sequence(tuple(parts)) for parts in ways)) for name, ways in right.items()
    }
    index = index_of(BYTES)
    texts = ["x", "y", "xy", "yx", "xxy", "yyx", "xyxy", "yxx", "xxyyx"]
    try:
        whole = compile_grammar(ir.Grammar("a", rules), index)
    except GrammarError:  # no text at all
        return
    try:
        found = [compile_grammar(on_demand("a", rules), index).accepts(text) for text in texts]
    except GrammarError:
        assert any(_reaches(name, rules) for name in rules)
        return
    assert found == [whole.accepts(text) for text in texts]


def _reaches(name: str, rules: dict[str, ir.Expression]) -> bool:
    seen: set[str] = set()
    pending = leading_references(rules[name])
    while pending:
        one = pending.pop()
        if one not in seen:
            seen.add(one)
            pending |= leading_references(rules[one])
    return name in seen
