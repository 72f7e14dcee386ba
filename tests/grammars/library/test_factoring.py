"""Factored expressions derive what the plain ones do."""

from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir
from constrain.grammars.library.factoring import Factory
from constrain.grammars.regular import Literal

TERMINALS = [ir.Terminal(Literal(letter.encode()), letter) for letter in "abc"]
_leaves = st.sampled_from([*range(3), None])
TREES = st.recursive(
    _leaves, lambda trees: st.tuples(st.sampled_from(["series", "union"]), st.lists(trees, max_size=3))
)


def made(tree: Any, factory: Factory) -> ir.Expression | None:
    """The expression of a tree."""
    match tree:
        case int(number):
            return TERMINALS[number]
        case ("series", parts):
            return factory.series(*(made(part, factory) for part in parts))
        case ("union", parts):
            return factory.union(made(part, factory) for part in parts)
    return None


def words_of_tree(tree: Any) -> set[str]:
    """What a tree derives."""
    match tree:
        case int(number):
            return {"abc"[number]}
        case ("series", parts):
            return {"".join(words) for words in product(*map(words_of_tree, parts))}
        case ("union", parts):
            return set().union(*map(words_of_tree, parts))
    return set()


def words_of(expression: ir.Expression | None) -> set[str]:
    """What an expression derives."""
    match expression:
        case ir.Terminal(_, name):
            return {name}
        case ir.Sequence(parts):
            return {"".join(words) for words in product(*map(words_of, parts))}
        case ir.Alternation(parts):
            return set().union(*map(words_of, parts))
    return set()


@given(TREES)
def test_the_language_is_kept(tree: Any) -> None:
    """And what derives nothing is None."""
    found = made(tree, Factory())
    assert words_of(found) == words_of_tree(tree)
    assert (found is None) == (not words_of_tree(tree))


@given(TREES)
def test_beginnings_differ(tree: Any) -> None:
    """No two ways of a union begin with the same part."""
    pending = [made(tree, Factory())]
    while pending:
        node = pending.pop()
        if isinstance(node, ir.Alternation):
            parts = [part.parts[:1] if isinstance(part, ir.Sequence) else (part,) for part in node.parts]
            assert len({tuple(map(id, part)) for part in parts}) == len(parts)
        if isinstance(node, ir.Alternation | ir.Sequence):
            pending.extend(node.parts)


def test_equal_expressions_are_one() -> None:
    """Repetitions and references, too; the star of nothing is the empty text."""
    factory = Factory()
    assert factory.star(TERMINALS[0]) is factory.star(TERMINALS[0])
    assert factory.reference("x") is factory.reference("x")
    assert factory.star(None) is factory.empty
