"""White space and comments between lexemes, for grammars of programming languages that are read without a lexer.

A grammar is written over lexemes; three conventions in it say what stands between them:

- Blanks (spaces and tabs) belong to the lexeme behind them, so that a mask for " name" is one row of the vocabulary
  and not a walk from every blank.
- What else may stand between lexemes, ends of lines and comments, is a rule ``gap`` of the grammar.  It follows
  every terminal, unless the terminal's name ends in ``_``.  The white space before the first lexeme is up to the
  grammar's start.  Terminals whose names end in ``__`` take no blanks before them either.
- A terminal ``SEP_`` stands for nothing, or for what keeps a word apart from another: behind it, what begins with a
  letter or digit has a blank or the rule ``space``, a gap that is not empty, before it.

Where ends of lines count, terminals may be given another gap, and there is SEP_IN_LINE_ with ``space_in_line``.

To Lark, a string in a rule is the named terminal of the same string, if there is one, and goes by its name.

The third is decided by the grammar: for each rule that may come behind SEP_, there is a second one that begins apart.
So a text has one derivation where the grammar has, and one parser state for what may follow.
"""

from collections.abc import Mapping
from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.analysis import parts_of
from constrain.grammars.automata.language import Language
from constrain.grammars.composition.expressions import rewritten
from constrain.grammars.regular import Concatenation, Intersection, Ranges, Regular, Repetition, Symbols, Union

__all__ = ["looped", "with_gaps"]

_APART = "apart "
_SEPARATORS = {"SEP_": "space", "SEP_IN_LINE_": "space_in_line"}
_NO_WORD = ((0x00, 0x23), (0x25, 0x2F), (0x3A, 0x40), (0x5B, 0x5E), (0x60, 0x60), (0x7B, 0x7F))
_WORD = frozenset(range(256)).difference(*(range(low, high + 1) for low, high in _NO_WORD))
_ANY_BYTES = Repetition(Symbols(((0, 255),)), 0, None)


class _Gaps:
    def __init__(self, grammar: ir.Grammar, blanks: Ranges, gaps: Mapping[str, str]) -> None:
        self._rules = grammar.rules
        self._blank, self._gaps = Symbols(blanks), gaps
        self._terminals: dict[tuple[int, bool], ir.Expression] = {}
        self._nullable = _nullable_rules(grammar)
        self._pending: list[str] = []
        self._made: dict[str, ir.Expression] = {}

    def run(self, start: str) -> dict[str, ir.Expression]:
        """All rules that are reached from the start; those that begin apart are called so."""
        self._ask(start)
        while self._pending:
            name = self._pending.pop()
            plain = name.removeprefix(_APART)
            body = self._rules[plain]
            self._made[name] = self._whole(body) if name == plain else self._apart(body)
        return self._made

    def _ask(self, name: str) -> ir.Expression:
        if name not in self._made:
            self._made[name] = ir.Alternation(())
            self._pending.append(name)
        return ir.Reference(name)

    def _whole(self, node: ir.Expression) -> ir.Expression:
        """The expression with its gaps."""
        match node:
            case ir.Terminal():
                return self._terminal(node, apart=False)
            case ir.Reference(name):
                return self._ask(name)
            case ir.Sequence(parts):
                return self._sequence(parts)
            case ir.Alternation(parts):
                return ir.Alternation(tuple(map(self._whole, parts)))
            case ir.Repeat(part, minimum, maximum):
                return ir.Repeat(self._whole(part), minimum, maximum)
        raise TypeError(f"{type(node).__name__} is not made by the Lark front-end")

    def _sequence(self, parts: tuple[ir.Expression, ...]) -> ir.Expression:
        done: list[ir.Expression] = []
        for i, part in enumerate(parts):
            if _is_separator(part):
                return ir.Sequence((*done, self._behind_word(part, parts[i + 1 :])))
            done.append(self._whole(part))
        return ir.Sequence(tuple(done))

    def _behind_word(self, separator: ir.Expression, parts: tuple[ir.Expression, ...]) -> ir.Expression:
        """The parts, directly behind a word."""
        space = self._ask(_SEPARATORS[separator.name] if isinstance(separator, ir.Terminal) else "")
        ways = [ir.Sequence((space, self._sequence(parts))), self._apart(ir.Sequence(parts))]
        if all(map(self._is_nullable, parts)):
            ways.append(ir.Sequence(()))
        return ir.Alternation(tuple(ways))

    def _apart(self, node: ir.Expression) -> ir.Expression:
        """The texts of the expression but the empty one, with a blank before those that begin with a word."""
        match node:
            case ir.Terminal():
                return self._terminal(node, apart=True)
            case ir.Reference(name):
                return self._ask(_APART + name)
            case ir.Alternation(parts):
                return ir.Alternation(tuple(map(self._apart, parts)))
            case ir.Repeat(part, minimum, None):
                return ir.Sequence((self._apart(part), ir.Repeat(self._whole(part), max(minimum - 1, 0))))
            case ir.Sequence(parts):
                ways = []
                for i, part in enumerate(parts):
                    if _is_separator(part):
                        ways.append(self._behind_word(part, parts[i + 1 :]))
                        break
                    ways.append(ir.Sequence((self._apart(part), self._sequence(parts[i + 1 :]))))
                    if not self._is_nullable(part):
                        break
                return ir.Alternation(tuple(ways))
        raise TypeError(f"{type(node).__name__} is not made by the Lark front-end")

    def _terminal(self, terminal: ir.Terminal, *, apart: bool) -> ir.Expression:
        key = id(terminal), apart
        if key not in self._terminals:
            regular = self._apart_from_word(terminal.regular) if apart else terminal.regular
            if not terminal.name.endswith("__"):
                regular = Concatenation((Repetition(self._blank, 0, None), regular))
            made: ir.Expression = replace(terminal, regular=regular)
            if not terminal.name.endswith("_"):
                made = ir.Sequence((made, self._ask(self._gaps.get(terminal.name, "gap"))))
            self._terminals[key] = made
        return self._terminals[key]

    def _apart_from_word(self, regular: Regular) -> Regular:
        """The regular expression with a blank before the texts that begin with a word."""
        first = Language(regular).next_bytes(b"")
        words, others = first & _WORD, first - _WORD
        ways: list[Regular] = [Concatenation((self._blank, regular))] if words else []
        if others and words:
            ways.append(Intersection((regular, Concatenation((Symbols(_NO_WORD), _ANY_BYTES)))))
        elif others:
            ways.append(regular)
        return ways[0] if len(ways) == 1 else Union(tuple(ways))

    def _is_nullable(self, node: ir.Expression) -> bool:
        return _is_empty(node, self._nullable)


def _is_separator(node: ir.Expression) -> bool:
    return isinstance(node, ir.Terminal) and node.name in _SEPARATORS


def _nullable_rules(grammar: ir.Grammar) -> set[str]:
    """The rules that derive the empty text, as a least fixed point; no terminal of the Lark front-end does."""
    found: set[str] = set()
    size = -1
    while size != len(found):
        size = len(found)
        found |= {name for name, rule in grammar.rules.items() if name not in found and _is_empty(rule, found)}
    return found


def _is_empty(node: ir.Expression, rules: set[str]) -> bool:
    match node:
        case ir.Terminal(name=name):
            return name in _SEPARATORS
        case ir.Reference(name):
            return name in rules
        case ir.Sequence(parts):
            return all(_is_empty(part, rules) for part in parts)
        case ir.Alternation(parts):
            return any(_is_empty(part, rules) for part in parts)
        case ir.Repeat(part, minimum, _):
            return minimum == 0 or _is_empty(part, rules)
    return False


def with_gaps(grammar: ir.Grammar, blanks: Ranges, gaps: Mapping[str, str] | None = None) -> ir.Grammar:
    """The grammar with blanks and gaps between its lexemes.

    blanks   the bytes that may stand before each lexeme
    gaps     the rules that follow terminals, by the names of the terminals, where it is not ``gap``
    """
    return replace(grammar, rules=_Gaps(grammar, blanks, gaps or {}).run(grammar.start))


def looped(grammar: ir.Grammar) -> ir.Grammar:
    """The grammar with repetitions in place of rules that do nothing but call themselves first.

    ``r: a | r a`` is one or more times ``a``; so are rules with more than one alternative each without ``r`` and
    the same ones behind it, which is what Lark makes of ``*`` and ``+``.  The rules that Lark makes are put where they
    are called, so that the network that reads a rule has them as loops, and needs neither left recursion nor a call.
    """
    loops = {name: _loop(name, expression) for name, expression in grammar.rules.items()}
    inner = {name: loop for name, loop in loops.items() if name.startswith("__") and isinstance(loop, ir.Repeat)}
    return replace(grammar, rules={name: _inlined(loop, inner) for name, loop in loops.items() if name not in inner})


def _inlined(node: ir.Expression, inner: Mapping[str, ir.Expression]) -> ir.Expression:
    def leaf(node: ir.Expression) -> ir.Expression:
        return _inlined(inner[node.name], inner) if isinstance(node, ir.Reference) and node.name in inner else node

    return rewritten(node, leaf)


def _loop(name: str, expression: ir.Expression) -> ir.Expression:
    if not isinstance(expression, ir.Alternation):
        return expression
    alternatives = [part.parts if isinstance(part, ir.Sequence) else (part,) for part in expression.parts]
    again = {parts[1:] for parts in alternatives if parts and parts[0] == ir.Reference(name)}
    once = [parts for parts in alternatives if not parts or parts[0] != ir.Reference(name)]
    if not again or again != set(once) or any(_calls(part, name) for parts in once for part in parts):
        return expression
    body = [parts[0] if len(parts) == 1 else ir.Sequence(parts) for parts in once]
    return ir.Repeat(body[0] if len(body) == 1 else ir.Alternation(tuple(body)), 1)


def _calls(expression: ir.Expression, name: str) -> bool:
    return expression == ir.Reference(name) or any(_calls(part, name) for part in parts_of(expression))
