"""`constrain.lark`: grammars in the syntax of the Lark parsing toolkit.

The text is read by the `lark` package itself, so that templates, imports, EBNF operators and terminals mean what they
mean there; what comes out, terminals with Python regular expressions and plain productions, is turned into the IR.

Two readings of terminals, named as in Lark:

contextual         (default) a lexeme is the longest that any terminal allowed at its place matches; among equally long
                   ones the higher priority wins, then a literal string over a pattern.  Lark's own contextual lexer
                   looks at priority before length; grammars that do not rely on that read the same.
dynamic_complete   every way of cutting the text into lexemes counts, as in Lark's Earley parser of that name.

A terminal is matched on its own: look-around in it does not see the text around the lexeme.  With lazy quantifiers it
matches what `re.match` would take, ``".*?"`` up to the first quotation mark; see `regex.lazy`.
"""

import functools
import importlib
import os
import re
import threading
from collections.abc import Sequence
from typing import Any

from constrain.grammars import ir
from constrain.grammars.errors import GrammarSyntaxError
from constrain.grammars.lark_templates import TemplateError, check_templates
from constrain.grammars.regex.lazy import lexeme_language
from constrain.grammars.regex.syntax import Flags
from constrain.grammars.regular import Literal, Regular

__all__ = ["lark"]

_MAX_LENGTH = 2_000_000
_UNBOUNDED = 1 << 40
_PROPERTY = re.compile(r"\\[pP]\{[^}]*\}")
_DEFINITION = r"^[ \t]*[?!]*({})(?:\{{[^}}]*\}})?(?:\.-?\d+)?\s*:"
_ABOUT_DEFINITIONS = [
    re.compile(r"'(?P<name>\w+)' (?P<again>defined more than once)"),
    re.compile(r"Recursion in terminal '(?P<name>\w+)'"),
    re.compile(r"Terminals cannot be empty \((?P<name>\w+)\)"),
    re.compile(r"Rule (?P<name>\w+) is marked for expansion"),
]
_ABOUT_USAGES = [
    re.compile(r"NonTerminal\('(?P<name>\w+)'\) in \w+\)"),
    re.compile(r"arguments used for (?P<name>\w+) "),
    re.compile(r"\((?P<name>-?\d+\.\.-?\d+) isn't allowed\)"),
    re.compile(r"Empty terminals are not allowed \((?P<name>.*)\)"),
    re.compile(r"(?:(?<=[\s{(])|^)'(?P<name>[^']+)'"),
    re.compile(r": (?P<name>\w+)"),
]


def _syntax_error(message: str, source: str) -> GrammarSyntaxError:
    """An error of the `lark` package with the place it speaks of."""
    place = re.search(r"line (\d+),? column (\d+)", message)
    summary = message.split("\n", 1)[0]
    if place:
        return GrammarSyntaxError(summary, source=source, line=int(place[1]), column=int(place[2]))
    at = _place(summary, source)
    return GrammarSyntaxError(summary, source=source, line=at.line, column=at.column)


def _place(summary: str, source: str) -> ir.Position:
    """The place that a message of the `lark` package without one is about, as far as its words tell."""
    for form in _ABOUT_DEFINITIONS:
        if found := form.search(summary):
            return _definition(found["name"], source, found.groupdict().get("again") is not None)
    within = re.search(r"in (?:rule |template )?(\w+)\)$", summary)
    begin = _defined_at(within[1], source) if within else None
    for form in _ABOUT_USAGES:
        if (found := form.search(summary)) and (at := _find(found["name"], source, begin or 0)):
            return at
    return ir.Position(1, 1) if begin is None else _position(begin, source)


def _find(name: str, source: str, begin: int = 0) -> ir.Position | None:
    """The first place, from `begin` on, where a name stands in the grammar."""
    found = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)").search(source, begin)
    return None if found is None else _position(found.start(), source)


def _position(at: int, source: str) -> ir.Position:
    return ir.Position(source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at))


def _defined_at(name: str, source: str, again: bool = False) -> int | None:
    """Where the definition of a rule or terminal begins, the second one with `again`; None when there is none."""
    found = [at.start(1) for at in re.finditer(_DEFINITION.format(re.escape(name)), source, re.MULTILINE)]
    return found[min(again, len(found) - 1)] if found else None


def _definition(name: str, source: str, again: bool = False) -> ir.Position:
    """Where a rule or terminal is defined; failing that, where it is named."""
    at = _defined_at(name, source, again)
    return _find(name, source) or ir.Position(1, 1) if at is None else _position(at, source)


def _language(terminal: Any, source: str) -> Regular:
    """The language of a terminal's pattern."""
    pattern = terminal.pattern
    is_string = type(pattern).__name__ == "PatternStr"
    if is_string and "i" not in pattern.flags:
        return Literal(pattern.value.encode())
    text = re.escape(pattern.value) if is_string else pattern.value
    try:
        flags = Flags().changed("".join(flag for flag in pattern.flags if flag in "imsx"), True)
        return lexeme_language(text, flags)
    except GrammarSyntaxError as error:
        written = source.find(pattern.raw or "\0")  # a pattern in a rule has no definition of its own
        at = _definition(terminal.name, source) if written < 0 else _position(written, source)
        message = f"terminal {terminal.name}: {error.reason} in {text!r}"
        raise GrammarSyntaxError(message, source=source, line=at.line, column=at.column) from error


def _width(pattern: Any) -> int:
    """The length of the longest text of a pattern, as Lark counts it, whether the module `regex` is there or not."""
    from lark.utils import get_regexp_width

    try:
        return min(get_regexp_width(_PROPERTY.sub("A", pattern.to_regexp()))[1], _UNBOUNDED)
    except ValueError:  # more than the module `re` understands
        return _UNBOUNDED


def _ranks(terminals: Sequence[Any]) -> dict[str, int]:
    """What decides between lexemes of equal length, as numbers: Lark's order of terminals, literals first."""

    def order(terminal: Any) -> tuple[int, bool, int, int]:
        pattern = terminal.pattern
        is_string = type(pattern).__name__ == "PatternStr"
        return terminal.priority, is_string, _width(pattern), len(pattern.value)

    return {terminal.name: rank for rank, terminal in enumerate(sorted(terminals, key=order))}


def _rules(rules: Sequence[Any], terminals: dict[str, ir.Terminal], source: str) -> dict[str, ir.Expression]:
    alternatives: dict[str, list[ir.Expression]] = {}
    for rule in rules:
        parts: list[ir.Expression] = []
        for symbol in rule.expansion:
            if not symbol.is_term:
                parts.append(ir.Reference(str(symbol.name)))
            elif symbol.name in terminals:
                parts.append(terminals[symbol.name])
            else:
                at = _find(symbol.name, source) or ir.Position(1, 1)
                message = f"terminal {symbol.name!r} is declared but not defined"
                raise GrammarSyntaxError(message, source=source, line=at.line, column=at.column)
        alternatives.setdefault(str(rule.origin.name), []).append(ir.Sequence(tuple(parts)))
    return {name: ir.Alternation(tuple(parts)) for name, parts in alternatives.items()}


def _positions(grammar: Any, source: str) -> dict[str, ir.Position]:
    """Where the rules of the source are defined; imported ones stand elsewhere."""
    places: dict[str, int] = {}
    for definition in re.finditer(_DEFINITION.format(r"\w+"), source, re.MULTILINE):
        places.setdefault(definition[1], definition.start(1))
    names = {str(name) for name, *_ in grammar.rule_defs}
    return {name: _position(at, source) for name, at in places.items() if name in names}


# Lark evaluates literals with `ast`, which in Python 3.11 may fail when several threads parse at once.
_reading = threading.Lock()


@functools.cache
def _prepare_reader() -> None:
    """Let Lark make the parser of its own syntax, but not compare the terminals of that syntax.

    Where `interegular` is installed, it does so for warnings that nobody sees, which takes longer than all the rest.
    """
    reader: Any = importlib.import_module("lark.load_grammar")
    made = reader.LexerConf
    try:
        reader.LexerConf = functools.partial(made, skip_validation=True)
        reader._get_parser()
    finally:
        reader.LexerConf = made


def lark(
    text: str,
    *,
    start: str = "start",
    lexer: str = "contextual",
    import_paths: Sequence[str | os.PathLike[str]] = (),
) -> ir.Grammar:
    """Texts of a grammar written for the Lark parsing toolkit.

    `start` is the start rule; `lexer` is "contextual" or "dynamic_complete" (see the module); `import_paths` are
    folders where ``%import`` looks for grammars, besides Lark's own.

    Raises GrammarSyntaxError, with line and column, for what Lark refuses and for terminals that are not regular.
    """
    from lark.exceptions import LarkError
    from lark.load_grammar import load_grammar

    if lexer not in ("contextual", "dynamic_complete"):
        raise ValueError(f"lexer is 'contextual' or 'dynamic_complete', not {lexer!r}")
    if len(text) > _MAX_LENGTH:
        raise GrammarSyntaxError(f"the grammar is longer than {_MAX_LENGTH} characters")
    try:
        with _reading:
            _prepare_reader()
            loaded, _ = load_grammar(text, "<grammar>", [os.fspath(path) for path in import_paths], False)
            check_templates(loaded.rule_defs)
            definitions, rules, ignored = loaded.compile([start], "*")
    except LarkError as error:
        raise _syntax_error(str(error), text) from error
    except FileNotFoundError as error:
        name = os.path.splitext(os.path.basename(str(error.filename)))[0]
        at = _find(name, text) or ir.Position(1, 1)
        message = f"there is no grammar {name!r} to import from"
        raise GrammarSyntaxError(message, source=text, line=at.line, column=at.column) from error
    except TemplateError as error:
        at = _definition(error.template, text)
        raise GrammarSyntaxError(str(error), source=text, line=at.line, column=at.column) from error
    except RecursionError as error:
        raise GrammarSyntaxError("the grammar is nested too deeply", source=text) from error
    if not any(str(rule.origin.name) == start for rule in rules):
        raise GrammarSyntaxError(f"start rule {start!r} is not defined", source=text)
    languages = {terminal.name: _language(terminal, text) for terminal in definitions}
    ranks = _ranks(definitions)
    terminals = {name: ir.Terminal(language, name, ranks[name]) for name, language in languages.items()}
    made = _rules(rules, terminals, text)
    positions = _positions(loaded, text)
    for name, parameters, *_ in loaded.rule_defs:  # rules that nothing refers to were dropped, which is worth saying
        if not parameters and str(name) in positions:
            made.setdefault(str(name), ir.Alternation(()))
    return ir.Grammar(
        start,
        made,
        ignored=tuple(terminals[name] for name in ignored if name in terminals),
        longest_match=lexer == "contextual",
        key=repr(("lark", text, start, lexer)) if not import_paths else "",
        source=text,
        positions=positions,
    )
