"""Python: modules and expressions."""

from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.library import python_lexemes as lexemes
from constrain.grammars.library.python_layout import Layout, Spaces
from constrain.grammars.library.sources import source, space

__all__ = ["python", "python_expression"]

_BLANK_OR_TAB = ((0x09, 0x09), (0x20, 0x20))
_BLANK_TAB_LINE = ((0x09, 0x0A), (0x20, 0x20))
_MAX_STEP = 16
_MAX_BLANKS = 100
_MAX_TABS = 25


def _deeper(column: str) -> list[str]:
    """The columns of a block within one of the given column: blanks or tabs, not both."""
    blanks = range(len(column) + 1, min(len(column) + _MAX_STEP, _MAX_BLANKS) + 1)
    found = [] if "\t" in column else [" " * count for count in blanks]
    return found if " " in column or len(column) == _MAX_TABS else [*found, column + "\t"]


_SPACES = Spaces(
    line=lexemes.LINE_SPACE,
    bracket=lexemes.BLANKS,
    lines=lexemes.MORE_LINES,
    field=lexemes.BLANKS,
    fields=lexemes.TEXT_SPACE,
    deeper=_deeper,
)


def _layout(spaces: Spaces) -> Layout:
    names = {"NAME": lexemes.name(), "TARGET_NAME": lexemes.name(b"_")}
    terminals = {name: ir.Terminal(regular, name) for name, regular in names.items()}

    def named(node: ir.Expression) -> ir.Expression:
        match node:
            case ir.Terminal():
                return terminals.get(node.name, node)
            case ir.Alternation(parts):
                return ir.Alternation(tuple(map(named, parts)))
            case ir.Sequence(parts):
                return ir.Sequence(tuple(map(named, parts)))
        return node

    return Layout({name: named(rule) for name, rule in source("python").rules.items()}, spaces)


def python() -> ir.Grammar:
    """Modules that `ast.parse` reads; see docs/languages/python.md."""
    layout = _layout(_SPACES)
    start = ir.Repeat(ir.Terminal(lexemes.START_OF_FILE, "START"), 0, 1)
    end = ir.Repeat(ir.Terminal(lexemes.END_OF_FILE, "END"), 0, 1)
    statements = ir.Sequence((start, layout.first("module"), end))
    whole = ir.Alternation((ir.Terminal(lexemes.NO_STATEMENT, "NO_STATEMENT"), statements))
    rules = {"file": ir.Repeat(ir.Reference("text"), 0, 1), "text": whole}
    return ir.Grammar("file", rules, make_rule=layout.rule, source=source("python").source)


def python_expression(*, max_space: int | None = None) -> ir.Grammar:
    """Expressions that `ast.parse` reads in mode "eval", without space around them.

    With `max_space`, there are only blanks and tabs, within brackets ends of lines too, and at most so many together.
    """
    spaces = _SPACES
    if max_space is not None:
        line, bracket = space(_BLANK_OR_TAB, max_space), space(_BLANK_TAB_LINE, max_space)
        assert line is not None
        assert bracket is not None
        spaces = replace(_SPACES, line=line, bracket=bracket, lines=None, field=line, fields=bracket)
    layout = _layout(spaces)
    return ir.Grammar("expression", {"expression": layout.first("expression_list")}, make_rule=layout.rule)
