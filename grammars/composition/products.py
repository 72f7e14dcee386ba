"""The intersection of a context-free grammar with a regular language (Bar-Hillel, Perles, Shamir 1961).

Rule A becomes rules A[p, q]: the texts of A that lead a deterministic automaton of the regular language from state p to
state q.  A terminal between the states is the intersection of its own language with that of the automaton from p to
q, so lexemes stay lexemes.  The number of rules grows with the square of the number of states, which is bounded.
"""

from collections.abc import Iterable

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.automata.states import States
from constrain.grammars.composition.determinise import Table, determinised
from constrain.grammars.composition.expressions import postorder
from constrain.grammars.composition.joining import Part, key_of, part_of
from constrain.grammars.composition.regular_languages import as_regular, regular_grammar
from constrain.grammars.errors import GrammarError, ResourceLimitError, UnsatisfiableConstraintError
from constrain.grammars.lexemes import merge_terminals
from constrain.grammars.regular import Intersection, Regular

__all__ = ["intersection"]

_MAX_STATES = 500
_MAX_RULES = 50_000
_MAX_COPIES = 64

_Production = tuple[ir.Expression, ...]
"""Terminals, special tokens and references."""


class _Productions:
    """A grammar in BNF: the expressions within its rules become rules of their own."""

    def __init__(self, grammar: ir.Grammar) -> None:
        self.rules: dict[str, list[_Production]] = {}
        for name, rule in grammar.rules.items():
            self.rules[name] = [(self._of(rule),)]

    def _new(self, *productions: _Production) -> ir.Reference:
        name = f"<{len(self.rules)}>"
        self.rules[name] = list(productions)
        return ir.Reference(name)

    def _of(self, expression: ir.Expression) -> ir.Expression:
        made: dict[int, ir.Expression] = {}
        for node in postorder(expression):
            match node:
                case ir.Sequence(parts):
                    made[id(node)] = self._new(tuple(made[id(part)] for part in parts))
                case ir.Alternation(parts):
                    made[id(node)] = self._new(*((made[id(part)],) for part in parts))
                case ir.Repeat(part, minimum, maximum):
                    made[id(node)] = self._repeated(made[id(part)], minimum, maximum)
                case ir.Terminal() | ir.SpecialToken() | ir.Reference():
                    made[id(node)] = node
                case _:
                    raise GrammarError("objects and arrays of a JSON Schema cannot be intersected with a language")
        return made[id(expression)]

    def _repeated(self, part: ir.Expression, minimum: int, maximum: int | None) -> ir.Expression:
        if max(minimum, maximum or 0) > _MAX_COPIES:
            raise GrammarError(f"rules repeated more than {_MAX_COPIES} times cannot be intersected with a language")
        if maximum is not None:
            return self._new(*((part,) * count for count in range(minimum, maximum + 1)))
        again = self._new()
        self.rules[again.name] = [(), (again, part)]
        return self._new((*(part,) * minimum, again))


class _Product:
    def __init__(self, grammar: ir.Grammar, table: Table) -> None:
        self._productions, self._table = _Productions(grammar).rules, table
        self._states: dict[int, States] = {}
        self._terminal_ends: dict[tuple[int, int], frozenset[int]] = {}
        self._terminals: dict[tuple[int, int, int], ir.Terminal] = {}
        self._between: dict[tuple[int, int], Regular] = {}
        self._ends: dict[tuple[str, int], set[int]] = {}

    def run(self, start: str) -> dict[str, ir.Expression]:
        """The rules; "start" is the first.  Raises UnsatisfiableConstraintError when no text is left."""
        self._ends[start, 0] = set()
        self._find_ends()
        final = [end for end in sorted(self._ends[start, 0]) if self._table.final[end]]
        if not final:
            raise UnsatisfiableConstraintError("no text of the grammar belongs to the regular language")
        rules: dict[str, ir.Expression] = {
            "start": ir.Alternation(tuple(ir.Reference(_name(start, 0, end)) for end in final))
        }
        for (name, before), ends in self._ends.items():
            ways: dict[int, list[ir.Expression]] = {end: [] for end in ends}
            for production in self._productions[name]:
                for end, way in self._copies(production, before).items():
                    ways[end].append(way)
            for end, parts in ways.items():
                rules[_name(name, before, end)] = ir.Alternation(tuple(parts))
        return rules

    def _find_ends(self) -> None:
        """The states after each rule from each state, as a least fixed point over those that are reached."""
        size = -1
        while size != (now := sum(1 + len(ends) for ends in self._ends.values())):
            if now > _MAX_RULES:
                raise ResourceLimitError("the intersection has too many rules", limit="max_grammar")
            size = now
            for name, before in list(self._ends):
                for production in self._productions[name]:
                    reached = {before}
                    for symbol in production:
                        reached = {end for state in reached for end in self._after(symbol, state)}
                    self._ends[name, before] |= reached

    def _after(self, symbol: ir.Expression, state: int) -> Iterable[int]:
        """The states after a symbol, as far as they are known."""
        match symbol:
            case ir.Terminal():
                return self._after_terminal(symbol, state)
            case ir.Reference(name):
                return self._ends.setdefault((name, state), set())
        return (state,)

    def _after_terminal(self, terminal: ir.Terminal, state: int) -> frozenset[int]:
        key = id(terminal), state
        if key not in self._terminal_ends:
            if id(terminal) not in self._states:
                self._states[id(terminal)] = States(Language(terminal.regular))
            lexer = self._states[id(terminal)]
            pending = [] if lexer.start is None else [(lexer.start, state)]
            seen = set(pending)
            for inner, outer in pending:
                row = self._table.targets[outer]
                for byte, target in lexer.steps(inner):
                    pair = target, row.get(byte, -1)
                    if pair[1] >= 0 and pair not in seen:
                        seen.add(pair)
                        pending.append(pair)
                if len(pending) > _MAX_RULES:
                    raise ResourceLimitError("a lexeme of the intersection is too large", limit="max_grammar")
            self._terminal_ends[key] = frozenset(outer for inner, outer in seen if lexer.is_final(inner))
        return self._terminal_ends[key]

    def _copies(self, production: _Production, before: int) -> dict[int, ir.Expression]:
        """What a production becomes from a state, by the state after it."""
        reached: dict[int, tuple[ir.Expression, ...]] = {before: ()}
        for symbol in production:
            found: dict[int, list[tuple[ir.Expression, ...]]] = {}
            for state, parts in reached.items():
                for end in self._after(symbol, state):
                    found.setdefault(end, []).append((*parts, self._copy(symbol, state, end)))
            reached = {end: ways[0] if len(ways) == 1 else (_either(ways),) for end, ways in found.items()}
        return {end: ir.Sequence(parts) for end, parts in reached.items()}

    def _copy(self, symbol: ir.Expression, start: int, end: int) -> ir.Expression:
        match symbol:
            case ir.Reference(name):
                return ir.Reference(_name(name, start, end))
            case ir.Terminal(regular, name):
                key = id(symbol), start, end
                if key not in self._terminals:
                    if (start, end) not in self._between:
                        self._between[start, end] = self._table.between(start, end)
                    both = Intersection((regular, self._between[start, end]))
                    self._terminals[key] = ir.Terminal(both, name)
                return self._terminals[key]
        return symbol


def _either(ways: list[tuple[ir.Expression, ...]]) -> ir.Expression:
    return ir.Alternation(tuple(ir.Sequence(way) for way in ways))


def _name(rule: str, start: int, end: int) -> str:
    return f"{rule}[{start},{end}]"


def intersection(first: Part, second: Part) -> ir.Grammar:
    """The texts of both parts, one of which is regular.

    Raises GrammarError when neither is (the intersection of two context-free languages need not be one), and for
    objects and arrays of JSON Schemas with a language that is not regular there: schemas have `allOf`.
    Raises UnsatisfiableConstraintError when no text belongs to both.
    """
    grammars = part_of(first), part_of(second)
    regulars = [as_regular(grammar) for grammar in grammars]
    key = key_of("intersection", *(grammar.key for grammar in grammars))
    if regulars[0] is not None and regulars[1] is not None:
        both = Intersection((regulars[0], regulars[1]))
        if States(Language(both)).start is None:
            raise UnsatisfiableConstraintError("no text belongs to both parts")
        return regular_grammar(both, key)
    if regulars[0] is None and regulars[1] is None:
        raise GrammarError("one of two grammars that are intersected has to be regular")
    free, regular = (grammars[0], regulars[1]) if regulars[0] is None else (grammars[1], regulars[0])
    if free.make_rule is not None:
        raise GrammarError("a grammar whose rules are made on demand cannot be intersected with a language")
    assert regular is not None
    if States(Language(regular)).start is None:
        raise UnsatisfiableConstraintError("no text belongs to the regular language")
    merged = merge_terminals(free)
    rules = _Product(merged, determinised(regular, _MAX_STATES)).run(merged.start)
    return ir.Grammar("start", rules, key=key, relaxed=free.relaxed)
