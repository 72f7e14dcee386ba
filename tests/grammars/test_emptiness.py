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
    assert told_by_structure(regular.Complement(regular.Repetition(a, 0, None))) is None


def test_names_but_keywords() -> None:
    """All but finitely many strings of something endless are told; of something finite they are not."""
    letter, words = regular.Symbols(((97, 122),)), regular.Words((b"if", b"", b"else"))
    names = regular.Repetition(letter, 0, None)
    keywords = regular.Complement(words)
    for expression in (
        keywords,
        regular.Intersection((names, keywords)),
        regular.Intersection((keywords, names, regular.Complement(letter))),
        regular.Intersection((keywords, regular.Complement(letter))),
        regular.Intersection((keywords, regular.Epsilon())),
        regular.Without(names, (b"", b"a")),
        regular.Concatenation((letter, regular.Intersection((names, keywords)))),
    ):
        told = told_by_structure(expression)
        assert told is not None
        assert told == _decided(expression)
    once = regular.Automaton((((97, 98, 1), (99, 99, 2)), ((97, 97, 2),), ()), (True, False, True))
    again = regular.Automaton((((97, 97, 1),), ((97, 97, 2),), ((98, 98, 1),)), (False, True, False))
    loop = regular.Automaton((((97, 97, 0),),), (True,))
    for expression in (once, again, loop, *(regular.Intersection((part, keywords)) for part in (again, loop))):
        assert told_by_structure(expression) == _decided(expression)
    assert told_by_structure(regular.Intersection((once, keywords))) is None
    assert told_by_structure(regular.Intersection((words, keywords))) is None
    assert told_by_structure(regular.Intersection((names, names))) is None
