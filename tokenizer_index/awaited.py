"""Which terminals a configuration is reading or awaits, by name: for people who ask why a token is allowed."""

from collections.abc import Iterator

from constrain.grammars import ir
from constrain.grammars.automata.store import COLUMNS, LENGTH, MEMO_C, OBJECTS, OFFSET
from constrain.tokenizer_index.engine import Engine
from constrain.tokenizer_index.matcher import Matcher

__all__ = ["awaited_terminals"]


def _vector(engine: Engine, number: int) -> list[int]:
    """The arguments of an object of the store."""
    row = int(engine.memory[OBJECTS]) + COLUMNS * number
    offset, length = int(engine.memory[row + OFFSET]), int(engine.memory[row + LENGTH])
    return [int(cell) for cell in engine.memory[offset : offset + length]]


def _lexers(engine: Engine, configuration: int) -> Iterator[int]:
    """The lexer states of the ways in which the text can be read; at a boundary, that before the next lexeme."""
    cells = _vector(engine, configuration)
    for parser, lexer in zip(cells[::3], cells[1::3], strict=True):
        if lexer == 0:
            lexer = int(engine.memory[engine.memory[OBJECTS] + COLUMNS * parser + MEMO_C])
        if lexer > 0:
            yield lexer


def _names(engine: Engine) -> dict[int, str]:
    """The named terminals of the grammar by their numbers."""
    loader = engine._loader
    kept = {id(terminal): terminal.name for terminal in loader._kept if isinstance(terminal, ir.Terminal)}
    return {number: kept[identity] for (identity, _), number in loader._terminals.items() if kept.get(identity)}


def awaited_terminals(matcher: Matcher) -> list[str]:
    """The names of the terminals of which a lexeme has been begun or may begin, in alphabetical order.

    Terminals have names in Lark grammars.  Elsewhere, where the longest match does not count, regular parts of rules
    are merged into terminals without names, and the list is empty.
    """
    matcher.allowed_tokens()  # makes the parser sets complete
    engine = matcher._state.states.engine
    with engine.lock:
        names = _names(engine)
        found = {cell for lexer in _lexers(engine, matcher.state_key) for cell in _vector(engine, lexer)[::3]}
    return sorted(names[number] for number in found if number in names)
