"""A finite constraint as one explicit automaton over tokens, for algorithms that need all of it at once.

Diffusion decoding asks for best, total and sampled completions over all states (Suresh et al., "DINGO", 2025), and a
device cannot call back for what is made on demand.  The automaton reads tokens in classes: tokens that no state tells
apart share a column, so that a vocabulary of 128,000 becomes tens or hundreds of columns.

The configurations that tokens lead to are found breadth first, one walk of the vocabulary's trie each.  States that
no continuation tells apart are merged (Moore 1956, looking again only at states whose successors were split, the
larger part of a split keeping its name, as in Hopcroft 1971), and then columns that have become equal.  States and
classes are numbered in the order in which they are first met, from the start and from token 0, so that constraints
that allow the same sequences have equal automata.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from constrain.grammars import ir
from constrain.grammars.analysis import references_of
from constrain.grammars.automata._jit import Cells
from constrain.grammars.errors import ResourceLimitError, UnsatisfiableConstraintError
from constrain.tokenizer_index.configurations import ACCEPTING
from constrain.tokenizer_index.limits import Limits
from constrain.tokenizer_index.partitions import refine
from constrain.tokenizer_index.states import States

__all__ = ["TokenDFA", "token_dfa"]

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TokenDFA:
    """A deterministic automaton over tokens; state 0 is the start.

    classes      class of each token, (vocab_size,) int32
    transitions  state after a token of each class, or -1 where it may not come next, (states, classes) int32
    accepting    whether the text may end, (states,) bool

    Every state leads to an accepting one.  An end token may come next in accepting states and leads to a state of its
    own, the last one, where only end tokens may follow; a vocabulary without end tokens has no such state.  That is
    what `Matcher` allows, token for token.
    """

    classes: Cells
    transitions: Cells
    accepting: Flags

    @property
    def state_count(self) -> int:
        """The number of states."""
        return len(self.accepting)

    @property
    def class_count(self) -> int:
        """The number of classes of tokens."""
        return int(self.transitions.shape[1])

    def step(self, state: int, token: int) -> int:
        """The state after a token; -1 when it may not come next."""
        return int(self.transitions[state, self.classes[token]])

    def run(self, tokens: Iterable[int]) -> int:
        """The state after tokens from the start; -1 when they are not allowed."""
        state = 0
        for token in tokens:
            state = self.step(state, token)
            if state < 0:
                break
        return state

    def allowed(self, state: int) -> Flags:
        """Whether each token may come next in a state, (vocab_size,) bool."""
        allowed: Flags = (self.transitions[state] >= 0)[self.classes]
        return allowed


def token_dfa(states: States, limits: Limits) -> TokenDFA:
    """The automaton of a constraint; see `CompiledConstraint.token_dfa`."""
    graph = _Graph(states, limits)
    classes, table, accepting = graph.explored()
    if states.engine.index.missing_bytes:
        table, accepting = _reachable(_without_dead_ends(table, accepting), accepting)
    table, accepting = _merged(table, accepting)
    distinct, columns = _distinct_columns(table)
    return _numbered(columns[classes], distinct, accepting, states.engine.index.end_tokens)


# Exploration


class _Graph:
    """The states that tokens lead to, in the order in which they are found."""

    def __init__(self, states: States, limits: Limits) -> None:
        self._states, self._limits = states, limits
        self._classes: Cells = np.zeros(states.engine.index.vocab_size, np.int32)
        self._first_tokens: Cells = np.zeros(1, np.int32)
        self._rows: list[Cells] = []  # per state, the configurations after the classes that there were then
        self._epochs: list[int] = []  # per state, how many refinements there had been
        self._parents: list[Cells] = []  # per refinement, the former class of each class

    def explored(self) -> tuple[Cells, Cells, Flags]:
        """Classes of tokens (V,), transitions (states, classes) and which states accept; the start is state 0."""
        start = self._states.start.number
        # Where one space is stripped at the beginning, the start differs from its configuration met again later.
        order = [start]
        numbers = {} if self._states.engine.index.strips_space else {start: 0}
        for place, configuration in enumerate(order):  # grows meanwhile
            after = self._states.start_successors() if place == 0 else self._states.successors(configuration)
            self._refine(after)
            row = after[self._first_tokens]
            self._rows.append(row)
            self._epochs.append(len(self._parents))
            for target in np.unique(row[row > 0]).tolist():
                if target not in numbers:
                    numbers[target] = len(order)
                    order.append(target)
            self._check(len(order))
        accepting = np.array([bool(self._states.engine.flags(one) & ACCEPTING) for one in order])
        return self._classes, self._table(numbers), accepting

    def _refine(self, after: Cells) -> None:
        """Split classes whose tokens lead to different configurations."""
        before, old = len(self._first_tokens), self._classes.copy()
        count = int(refine(self._classes, after))
        if count > before:
            tokens = np.arange(len(after), dtype=np.int32)
            self._first_tokens = np.empty(count, np.int32)
            self._first_tokens[self._classes[::-1]] = tokens[::-1]  # of equal places, the last one is written
            self._parents.append(old[self._first_tokens])

    def _check(self, found: int) -> None:
        if found > self._limits.max_states:
            raise ResourceLimitError(_too_many(self._states.engine.grammar, self._limits), limit="max_states")
        if 4 * found * len(self._first_tokens) > self._limits.max_memory:
            raise ResourceLimitError("the token automaton needs too much memory", limit="max_memory")

    def _table(self, numbers: dict[int, int]) -> Cells:
        table = np.empty((len(self._rows), len(self._first_tokens)), np.int32)
        former = np.arange(len(self._first_tokens), dtype=np.int32)
        names = np.full(max([0, *numbers]) + 1, -1, np.int32)
        names[list(numbers)] = list(numbers.values())
        names[0] = -1
        epoch = len(self._parents)
        for state in range(len(self._rows) - 1, -1, -1):
            while epoch > self._epochs[state]:
                epoch -= 1
                former = self._parents[epoch][former]
            table[state] = names[self._rows[state][former]]
        return table


def _too_many(grammar: ir.Grammar, limits: Limits) -> str:
    recursive = _recursive_rule(grammar)
    why = "" if recursive is None else f"; rule {recursive!r} contains itself, so there may be infinitely many"
    return f"the constraint has more than {limits.max_states} states over tokens{why}"


def _recursive_rule(grammar: ir.Grammar) -> str | None:
    """A rule that is reached from itself, among those that are near the start; None when none was found."""
    ranks: dict[str, int] = {}
    pending: list[tuple[str, bool]] = [(grammar.start, False)]
    open_rules: set[str] = set()
    while pending and len(ranks) < 10_000:
        name, done = pending.pop()
        if done:
            open_rules.discard(name)
        elif name in open_rules:
            return name
        elif name not in ranks:
            ranks[name] = len(ranks)
            open_rules.add(name)
            pending.append((name, True))
            pending.extend((other, False) for other in references_of(grammar.rule(name)))
    return None


# Transformations of (states, classes) tables with -1 for none


def _edges(table: Cells) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sources in the order of their targets, and for each state where those that lead to it begin; (n + 1,)."""
    size = len(table)
    found = [np.unique(row[row >= 0]).astype(np.int64) for row in table]
    targets = np.concatenate([*found, np.empty(0, np.int64)])
    sources = np.repeat(np.arange(size), [len(row) for row in found])
    order = np.argsort(targets, kind="stable")
    return sources[order], np.searchsorted(targets[order], np.arange(size + 1))


def _without_dead_ends(table: Cells, accepting: Flags) -> Cells:
    """The table without transitions to states from which tokens lead to no accepting one."""
    sources, begins = _edges(table)
    live = accepting.copy()
    pending = np.flatnonzero(live).tolist()
    while pending:
        state = pending.pop()
        for source in sources[begins[state] : begins[state + 1]].tolist():
            if not live[source]:
                live[source] = True
                pending.append(source)
    if not live[0]:
        raise UnsatisfiableConstraintError("no sequence of tokens spells a text that obeys the constraint")
    return np.where((table >= 0) & live[table], table, -1).astype(np.int32)


def _reachable(table: Cells, accepting: Flags) -> tuple[Cells, Flags]:
    """The automaton without the states that the start does not lead to."""
    reached = np.zeros(len(table) + 1, np.bool_)
    reached[0] = True
    pending = [0]
    for state in pending:
        targets = np.unique(table[state])
        fresh = targets[(targets >= 0) & ~reached[targets]]
        reached[fresh] = True
        pending.extend(fresh.tolist())
    position = np.cumsum(reached, dtype=np.int32) - 1
    position[-1] = -1
    kept = reached[:-1]
    return position[table[kept]], accepting[kept]


def _merged(table: Cells, accepting: Flags) -> tuple[Cells, Flags]:
    """The automaton with states merged that no continuation tells apart; state 0 is among the first class."""
    sources, begins = _edges(table)
    names = np.append(accepting.astype(np.int32), np.int32(-1))  # the last is what -1 leads to
    members = {int(flag): set(np.flatnonzero(accepting == flag).tolist()) for flag in np.unique(accepting)}
    count = 2
    dirty = set(range(len(table)))
    while dirty:
        split: list[int] = []
        groups: dict[int, set[int]] = defaultdict(set)
        for state in dirty:
            groups[int(names[state])].add(state)
        renamed: list[tuple[set[int], int]] = []
        for name, moved in groups.items():
            parts: dict[bytes, set[int]] = defaultdict(set)
            for state in moved:
                parts[names[table[state]].tobytes()].add(state)
            rest = members[name] - moved
            if rest:  # these still agree with one another
                parts[names[table[next(iter(rest))]].tobytes()] |= rest
            if len(parts) > 1:
                kept, *others = sorted(parts.values(), key=lambda part: (-len(part), min(part)))
                members[name] = kept
                for other in others:
                    members[count] = other
                    renamed.append((other, count))
                    split.extend(other)
                    count += 1
        for part, name in renamed:
            names[list(part)] = name
        dirty = {source for state in split for source in sources[begins[state] : begins[state + 1]].tolist()}
    kept_names, firsts, classes = np.unique(names[:-1], return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    rank = np.empty(len(kept_names) + 1, np.int32)
    rank[order] = np.arange(len(kept_names))
    rank[-1] = -1
    position = np.append(rank[classes], np.int32(-1))
    chosen = firsts[order]
    return position[table[chosen]].astype(np.int32), accepting[chosen]


def _distinct_columns(table: Cells) -> tuple[Cells, Cells]:
    """The distinct columns, and which of them each column is."""
    known: dict[bytes, int] = {}
    which = np.array([known.setdefault(column.tobytes(), len(known)) for column in np.ascontiguousarray(table.T)])
    firsts = np.unique(which, return_index=True)[1]
    return np.ascontiguousarray(table[:, firsts]), which.astype(np.int32)


def _numbered(classes: Cells, table: Cells, accepting: Flags, ends: tuple[int, ...]) -> TokenDFA:
    """With end tokens as a class of their own, and states and classes in the order in which they are met."""
    if ends:
        classes = classes.copy()
        classes[list(ends)] = table.shape[1]
        ended = len(table)
        table = np.pad(table, ((0, 1), (0, 1)), constant_values=-1)
        table[:-1, -1] = np.where(accepting, ended, -1)
        table[-1, -1] = ended
        accepting = np.append(accepting, True)
    used, firsts, which = np.unique(classes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    rank = np.empty(len(used), np.int32)
    rank[order] = np.arange(len(used))
    table = table[:, used[order]]
    met, pending = {0: 0}, [0]
    for state in pending:
        targets = table[state]
        for target in targets[targets >= 0].tolist():
            if target not in met and not (ends and target == ended):
                met[target] = len(met)
                pending.append(target)
    if ends:
        met[ended] = len(met)
        pending.append(ended)
    position = np.full(len(table) + 1, -1, np.int32)
    position[pending] = np.arange(len(pending))
    return TokenDFA(rank[which].astype(np.int32), position[table[pending]].astype(np.int32), accepting[pending])
