"""A context-free grammar as networks over letters, for charts.

A rule is a small nondeterministic automaton whose edges read a letter, call a rule, or read nothing (Woods 1970).  A
letter is a set of bytes that no edge of the grammar tells apart, or one special token.  Terminals are put in as
deterministic automata, so every way of cutting a text into lexemes counts.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from constrain.decoders.diffusion.containers import items_arcs, members_arcs
from constrain.decoders.diffusion.lexemes import Follow, is_cut_in_one_way
from constrain.grammars import ir, regular
from constrain.grammars.automata.language import Language
from constrain.grammars.automata.states import States
from constrain.grammars.errors import ConstrainError, ResourceLimitError
from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["Networks", "networks_of"]

_MAX_STATES = 200_000


@dataclass(slots=True)
class Networks:
    """The rules of a grammar as automata with common states.

    starts   first state of each rule
    ends     state of each rule in which it ends
    finals   these states
    skips    states that a state leads to without reading
    calls    of a state, the rules that may be called with the states behind them
    edges    of a state, for each letter the states behind it
    letters  the letter of each byte, -1 for bytes of no text, (256,) int64; letters of special tokens are 256 + token
    start    the first rule
    """

    start: str
    starts: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    finals: set[int] = field(default_factory=set)
    skips: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[int, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    edges: dict[int, dict[int, list[int]]] = field(default_factory=dict)
    letters: np.ndarray = field(default_factory=lambda: np.full(256, -1))


class _Builder:
    def __init__(self, grammar: ir.Grammar, index: TokenizerIndex) -> None:
        self._grammar, self._index = grammar, index
        self.networks = Networks(grammar.start)
        self._reads: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._count = 0
        self._ignored: int | None = None

    def state(self) -> int:
        self._count += 1
        if self._count > _MAX_STATES:
            raise ResourceLimitError(f"the grammar has more than {_MAX_STATES} states", limit="max_states")
        return self._count - 1

    def build(self) -> Networks:
        pending, known = [self._grammar.start], {self._grammar.start}
        while pending:
            name = pending.pop()
            begin, end = self.state(), self.state()
            self.networks.starts[name] = begin
            self.networks.ends[name] = end
            self.networks.finals.add(end)
            self._expression(self._grammar.rule(name), begin, end)
            for called in {rule for calls in self.networks.calls.values() for rule, _ in calls} - known:
                known.add(called)
                pending.append(called)
        self._classes()
        return self.networks

    def _expression(self, expression: ir.Expression, begin: int, end: int) -> None:
        """Lead from one state to another along an expression; iterative, for deep ones."""
        pending = [(expression, begin, end)]
        while pending:
            node, here, there = pending.pop()
            match node:
                case ir.Terminal():
                    self._terminal(node, here, there)
                case ir.SpecialToken(token):
                    number = token if isinstance(token, int) else self._index.special_tokens.get(token, -1)
                    self._reads[here][256 + number].append(there)
                case ir.Reference(name):
                    self.networks.calls[here].append((name, there))
                case ir.Alternation(parts):
                    pending.extend((part, here, there) for part in parts)
                case ir.Sequence(parts):
                    stops = [here, *[self.state() for _ in parts[1:]], there]
                    if not parts:
                        self.networks.skips[here].append(there)
                    pending.extend(zip(parts, stops[:-1], stops[1:], strict=False) if parts else [])
                case ir.Repeat(part, minimum, maximum):
                    pending.extend(self._repeat(part, minimum, maximum, here, there))
                case ir.Items():
                    pending.extend(items_arcs(node, here, there, self.state))
                case ir.Members() if not node.others:
                    pending.extend(members_arcs(node, here, there, self.state))
                case ir.Members():
                    raise ConstrainError("charts know no objects whose keys are not all declared: they are distinct")
                case _:
                    raise ConstrainError(f"charts know no {type(node).__name__}: write the grammar as rules")

    def _repeat(
        self, part: ir.Expression, minimum: int, maximum: int | None, here: int, there: int
    ) -> list[tuple[ir.Expression, int, int]]:
        parts = []
        for _ in range(minimum):
            after = self.state()
            parts.append((part, here, after))
            here = after
        if maximum is None:
            loop = self.state()
            self.networks.skips[here].append(loop)
            self.networks.skips[loop].append(there)
            return [*parts, (part, loop, loop)]
        for _ in range(maximum - minimum):
            self.networks.skips[here].append(there)
            after = self.state()
            parts.append((part, here, after))
            here = after
        self.networks.skips[here].append(there)
        return parts

    def _terminal(self, terminal: ir.Terminal, begin: int, end: int) -> None:
        if self._grammar.ignored:
            inner, behind = self.state(), self.state()
            self._spaces(begin, inner)
            self._automaton(terminal.regular, inner, behind)
            self._spaces(behind, end)
        else:
            self._automaton(terminal.regular, begin, end)

    def _spaces(self, begin: int, end: int) -> None:
        union = regular.Union(tuple(terminal.regular for terminal in self._grammar.ignored))
        self._automaton(regular.Repetition(union, 0, None), begin, end)

    def _automaton(self, terminal: regular.Regular, begin: int, end: int) -> None:
        states = States(Language(terminal))
        if states.start is None:
            return
        known = {states.start: self.state()}
        self.networks.skips[begin].append(known[states.start])
        pending = [states.start]
        for state in pending:
            here = known[state]
            if states.is_final(state):
                self.networks.skips[here].append(end)
            for symbol, after in states.steps(state):
                if after not in known:
                    known[after] = self.state()
                    pending.append(after)
                self._reads[here][symbol].append(known[after])

    def _classes(self) -> None:
        """Join bytes that lead the same ways everywhere into letters."""
        columns: dict[int, list[tuple[int, tuple[int, ...]]]] = defaultdict(list)
        for here, reads in self._reads.items():
            for symbol, targets in reads.items():
                columns[symbol].append((here, tuple(sorted(targets))))
        numbers: dict[tuple[tuple[int, tuple[int, ...]], ...], int] = {}
        for symbol in sorted(columns):
            if symbol < 256:
                letter = numbers.setdefault(tuple(sorted(columns[symbol])), len(numbers))
                self.networks.letters[symbol] = letter
        for here, reads in self._reads.items():
            cells: dict[int, list[int]] = {}
            for symbol, targets in reads.items():
                letter = int(self.networks.letters[symbol]) if symbol < 256 else symbol
                cells[letter] = sorted(set(targets))
            self.networks.edges[here] = cells


class _Lexemes(_Builder):
    """The rules over terminals instead of letters."""

    def __init__(self, grammar: ir.Grammar, index: TokenizerIndex) -> None:
        super().__init__(grammar, index)
        self.follow = Follow()

    def _terminal(self, terminal: ir.Terminal, begin: int, end: int) -> None:
        self.follow.reads[begin].append((terminal, end))

    def _classes(self) -> None:
        networks, follow = self.networks, self.follow
        for here, reads in self._reads.items():  # those of special tokens
            follow.reads[here] += [(None, after) for targets in reads.values() for after in targets]
        for here, skips in networks.skips.items():
            follow.skips[here] += skips
        for here, calls in networks.calls.items():
            for rule, after in calls:
                follow.skips[here].append(networks.starts[rule])
                follow.skips[networks.ends[rule]].append(after)


def networks_of(grammar: ir.Grammar, index: TokenizerIndex) -> Networks:
    """The networks of a grammar in which every way of cutting a text into lexemes counts, or there is but one way.

    Raises ConstrainError for grammars in which the longest match makes a difference (see `lexemes`), and for objects of
    keys that are not declared.
    """
    if grammar.longest_match:
        lexemes = _Lexemes(grammar, index)
        made = lexemes.build()
        if not is_cut_in_one_way(lexemes.follow, made.starts[made.start], grammar.ignored):
            raise ConstrainError(
                "charts count every way of cutting a text into lexemes, and in this grammar the longest match may make "
                'a difference; where it need not, say so: constrain.lark(…, lexer="dynamic_complete")'
            )
    return _Builder(grammar, index).build()
