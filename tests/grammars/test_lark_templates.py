"""Templates of Lark grammars: those that end are expanded by Lark, those that do not are refused."""

import re

import pytest
from lark.load_grammar import load_grammar

from constrain import compile as compile_grammar
from constrain.grammars.errors import GrammarSyntaxError
from constrain.grammars.lark_syntax import lark
from constrain.grammars.lark_templates import check_templates
from tests.matching import index_of

ENDING = {
    "plain": ('start: t{"a"} t{"b"}\nt{x}: x "," x', ["a,ab,b"], ["a,bb,b", "a,a"]),
    "nested": ('start: t{t{"a"}}\nt{x}: x "," x', ["a,a,a,a"], ["a,a"]),
    "itself": ('start: t{"a", "b"}\nt{x, y}: x t{y, x} | y', ["b", "aa", "abb"], ["a", "ab"]),
    "template as argument": ('start: apply{twice, "a"}\napply{f, x}: f{x}\ntwice{x}: x x', ["aa"], ["a", "aaa"]),
    "unused": ('start: "a"\nt{x}: t{t{x}} | x', ["a"], ["b"]),
}
ENDLESS = {
    "itself": ('start: t{"a"}\nt{x}: t{t{x}} | x', 2, 1),
    "two": ('start: s{"a"}\n\ns{x}: u{x, x} | x\n  u{x, y}: s{pair{x, y}}\npair{x, y}: x y', None, None),
    "template as argument": ('start: apply{grow, "a"}\ngrow{x}: x\napply{f, x}: apply{f, f{x}} | x', None, None),
    "many": ('start: t{"a"}\nt{x}: t{p{q{x}}} t{q{p{x}}} | x\np{x}: x\nq{x}: x', None, None),
}


@pytest.mark.parametrize("name", ENDING)
def test_templates_that_end(name: str) -> None:
    """They mean what they mean in Lark."""
    source, texts, others = ENDING[name]
    index = index_of([b"a", b"b", b","])
    constraint = compile_grammar(lark(source), index)
    assert [text for text in [*texts, *others] if constraint.accepts(text)] == texts


@pytest.mark.parametrize("name", ENDLESS)
def test_templates_that_do_not_end(name: str) -> None:
    """They are refused with the place of a template that is to blame, in no time."""
    source, line, column = ENDLESS[name]
    with pytest.raises(GrammarSyntaxError, match="applied to more than") as caught:
        lark(source)
    shown = source.splitlines()[caught.value.line - 1][caught.value.column - 1 :]
    assert re.match(r"\w+\{", shown), "the place is that of a template"
    if line is not None:
        assert (caught.value.line, caught.value.column) == (line, column)


def test_copies_are_counted_once() -> None:
    """Many usages of few arguments are few copies; many arguments are many."""
    used = " ".join(['t{"a"}'] * 20_000)
    many, _ = load_grammar(f"start: {used}\nt{{x}}: x", "<grammar>", [], False)
    check_templates(many.rule_defs)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('start: apply{t{"a"}, "b"}\napply{f, x}: f{x}\nt{x}: x', "template 'f' stands for what is no template"),
        ('start: apply{t, "b"}\napply{f, x}: f{x}\nt{x, y}: x y', "template 't' is applied to 1 arguments"),
        ('start: "a"{"b"}', "line 1, column"),
    ],
)
def test_templates_of_templates(source: str, message: str) -> None:
    """A template that is an argument has to be one, and to take the arguments that it gets."""
    with pytest.raises(GrammarSyntaxError, match=message):
        lark(source)
