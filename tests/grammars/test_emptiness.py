"""What structure tells of a regular language is what its automaton tells."""

from hypothesis import given

from constrain.grammars import regular
from constrain.grammars.automata.language import Language
from constrain.grammars.emptiness import told_by_structure
from constrain.grammars.regular import Regular
from tests.strategies import booleans, examples, regulars


def _decided(expression: Regular) -> tuple[bool, bool]:
    return b"" in Language(expression), not Language(regular.Without(expression, (b"",))).is_empty()


@examples(300)
@given(regulars())
def test_expressions_without_boolean_operations(expression: Regular) -> None:
    """All of them are told."""
    assert told_by_structure(expression) == _decided(expression)


@examples(150)
@given(booleans())
def test_expressions_with_boolean_operations(expression: Regular) -> None:
    """What is told is right."""
    told = told_by_structure(expression)
    assert told in (None, _decided(expression))


def test_edges() -> None:
    """Languages without strings, in their disguises."""
    empty, a = regular.Empty(), regular.Literal(b"a")
    lone = regular.Characters(((0xD800, 0xDFFF),))
    for expression in (
        empty,
        lone,
        regular.Concatenation((a, empty)),
        regular.Concatenation((regular.Epsilon(), lone)),
        regular.Repetition(empty, 1, None),
        regular.Repetition(empty, 0, None),
        regular.Repetition(a, 0, 0),
        regular.JsonString(empty),
        regular.JsonString(regular.Epsilon()),
        regular.Words(()),
        regular.Words((b"",)),
        regular.Without(regular.Repetition(a, 0, None), (b"",)),
        regular.Without(regular.Epsilon(), (b"",)),
    ):
        assert told_by_structure(expression) == _decided(expression)
    assert told_by_structure(regular.Complement(a)) is None
