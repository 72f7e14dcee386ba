"""Loading a grammar's rules into a store, all at once or as the parser first predicts them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from constrain.grammars import ir
from constrain.grammars.analysis import Facts, parts_of
from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.json_text import ANY_ESCAPE, NEEDED_ESCAPES
from constrain.grammars.automata.loading import run_program, symbol_node, trie_of
from constrain.grammars.automata.nodes import EMPTY
from constrain.grammars.automata.programs import program_of
from constrain.grammars.errors import GrammarError, ResourceLimitError
from constrain.grammars.graphs import components
from constrain.grammars.regular import Concatenation, Regular, Union, Without
from constrain.tokenizer_index import captures, containers, tables
from constrain.tokenizer_index.followers import TERMINAL
from constrain.tokenizer_index.networks import Label, Network, network_of
from constrain.tokenizer_index.separation import is_separable
from constrain.tokenizer_index.trie import SPECIAL

__all__ = ["Loader"]

_RULE = "rule"
_BLANK_RULES = np.array([-1, 0, 0, 0] * 32, np.int32)
_FIRST_FOLLOWING = 3  # the state of a binding's rule from which on its `following` lies


def _absolute(state: int) -> int:
    """How a state of the whole table is written among those that are being added."""
    return -1 - state


class Loader:
    """Turns rules of one grammar into tables of one store.

    `special` has the id of every special token by its text.  `facts` are those of the grammar, None when its rules
    are made on demand; they then all read something, and none derives the empty text but that of the start, if no
    other refers to it.  `max_size` bounds the number of
    nodes of all rules that are loaded.
    """

    def __init__(
        self, arena: Arena, grammar: ir.Grammar, facts: Facts | None, special: Mapping[str, int], max_size: int
    ) -> None:
        self._arena, self._grammar, self._facts, self._special = arena, grammar, facts, special
        self._size, self._max_size = 0, max_size
        self._rules: dict[str, int] = {}
        self._names: list[str] = []
        self._blank_rules = 0  # rows of the table of rules: they are added many at a time
        self._single: dict[int, int] = {}  # by terminal: the first state of rules that are no more than that
        self._anonymous_rules: dict[str, ir.Expression] = {}
        self._known: dict[ir.Expression, int] = {}
        self._bindings: dict[int, ir.Binding] = {}
        self._networks: dict[int, Network] = {}
        self._beginnings: dict[int, list[tuple[int, int]]] = {}  # calls at the beginning of a rule, states after them
        self._terminals: dict[tuple[int, int], int] = {}
        self._reading: dict[int, int] = {}
        self._nodes: dict[int, int] = {}
        self._kept: list[object] = []  # keeps what is known by identity alive
        fixed = np.zeros((4, tables.WIDTH), np.int32)
        fixed[tables.END, tables.STATE_FINAL] = 1
        self.may_be_empty = facts is not None and grammar.start in facts.nullable
        fixed[tables.START, tables.STATE_COUNT] = facts is None or grammar.start in facts.reads
        start = self.rule_number(grammar.start)
        data = np.array([tables.BY_RULE, start, _absolute(tables.ACCEPT)], np.int32)
        arena.run(tables.append_states, fixed.reshape(-1), data)
        arena.memory[tables.LONGEST_MATCH] = grammar.longest_match
        self._ignored = [self._terminal(terminal, tables.IGNORE) for terminal in grammar.ignored]
        if self._ignored:
            cells = np.array([len(self._ignored), *self._ignored], np.int32)
            place = arena.run(tables.append_cells, cells)
            arena.memory[tables.IGNORED] = place
        if facts is None:
            self.load(start)
            self.may_be_empty = start in self._networks and self._networks[start].final[0]

    def rule_number(self, name: str) -> int:
        """The number of a rule, which need not be loaded."""
        number = self._rules.get(name)
        if number is None:
            number = self._rules[name] = len(self._names)
            if number == self._blank_rules:
                self._arena.run(tables.append_rules, _BLANK_RULES)
                self._blank_rules += len(_BLANK_RULES) // tables.WIDTH
            self._names.append(name)
        return number

    def is_loaded(self, number: int) -> bool:
        """Whether a rule has its tables."""
        memory = self._arena.memory
        return bool(memory[memory[tables.RULES] + tables.WIDTH * number + tables.RULE_START] >= 0)

    def load_beginning(self, number: int) -> None:
        """Make the tables of a rule that the parser needs, and of those that it will need with that one."""
        pending = [number]
        while pending:
            number = pending.pop()
            if not self.is_loaded(number):
                self.load(number)
                pending.extend(rule for rule, _ in self._beginnings.get(number, ()))

    def load(self, number: int) -> None:
        """Make the tables of a rule."""
        name = self._names[number]
        expression = self._anonymous_rules.get(name) or self._grammar.rule(name)
        if isinstance(expression, ir.Late):
            with ir.making:
                expression = expression.rule.expression()
        elif name not in self._anonymous_rules:  # those are counted with these, or come with the text, see max_memory
            self._count(expression)
        match expression:
            case ir.Terminal() if self._facts is None:
                start = self._load_terminal(expression)
            case ir.Members():
                start = self._load_members(expression)
            case ir.Items():
                start = self._load_items(expression)
            case ir.Binding():
                start = self._load_binding(expression)
            case _Loop(body, minimum, maximum):
                start = self._load_loop(body, minimum, maximum)
                self._beginnings[number] = [(body, start + 1)]
                again = (((_RULE, body), 1),)
                self._networks[number] = Network((again, again), (False, True))
            case _:
                network = network_of(expression, self._label)
                self._networks[number] = network
                start = self._load_network(network)
                calls = [(label[1], start + target) for label, target in network.transitions[0] if label[0] == _RULE]
                self._beginnings[number] = calls
        memory = self._arena.memory
        memory[memory[tables.RULES] + tables.WIDTH * number + tables.RULE_START] = start

    def _count(self, expression: ir.Expression) -> None:
        """Add the nodes of a right-hand side to those of the rules loaded before."""
        pending = [expression]
        while pending:
            one = pending.pop()
            self._size += 1
            if isinstance(one, ir.Members):
                self._size += len(one.keys) + len(one.others)
            else:
                pending.extend(parts_of(one))
            if self._size > self._max_size:
                raise ResourceLimitError("the grammar is too large", limit="max_grammar")

    def load_all(self) -> None:
        """Load every rule that can be reached, and find the left-recursive groups."""
        number = 0
        while number < len(self._names):
            self.load(number)
            number += 1
        self._group()
        if self._grammar.longest_match and not is_separable(self._arena, self._networks, self._ignored):
            self._arena.memory[tables.SEARCHES] = 1

    # Left recursion

    def _group(self) -> None:
        calls = {caller: [rule for rule, _ in beginning] for caller, beginning in self._beginnings.items()}
        for group in components(calls):
            members = set(group)
            triples = [
                (rule, caller, state) for caller in group for rule, state in self._beginnings[caller] if rule in members
            ]
            if triples:
                cells = np.array(triples, np.int32).reshape(-1)
                self._arena.run(tables.set_group, np.array(group, np.int32), cells)

    # Networks

    def _label(self, node: ir.Expression) -> tuple[Label | None, bool]:
        match node:
            case ir.Terminal(regular):
                nullable, reads = self._facts.terminals.of(regular) if self._facts else (False, True)
                return ((TERMINAL, self._reading_terminal(node, nullable)) if reads else None), nullable
            case ir.SpecialToken(token):
                return (TERMINAL, self._special_terminal(token)), False
            case ir.Reference(name):
                self._check_known(name)
                nullable = self._facts is not None and name in self._facts.nullable
                reads = self._facts is None or name in self._facts.reads
                return ((_RULE, self.rule_number(name)) if reads else None), nullable
            case ir.Repeat(part, minimum, maximum):
                return self._loop(part, minimum, maximum)
            case ir.Members() | ir.Items() | ir.Binding():
                return (_RULE, self._anonymous(node)), False
            case ir.Late():
                return (_RULE, self._rule_of(node)), False
        raise GrammarError(f"{type(node).__name__} is not supported here")

    def _check_known(self, name: str) -> None:
        """A rule that only what is made with the text refers to was not seen when the grammar was analysed."""
        if self._facts is not None and name not in self._facts.reachable:
            raise GrammarError(
                f"rule {name!r} is used by what is made with the text only: the grammar has to make it, too (make_rule)"
            )

    def _anonymous(self, node: ir.Expression) -> int:
        name = f"<{len(self._names)}>"
        self._anonymous_rules[name] = node
        return self.rule_number(name)

    def _rule_of(self, expression: ir.Expression) -> int:
        """The rule of an expression; the same for equal ones."""
        if isinstance(expression, ir.Reference):
            self._check_known(expression.name)
            return self.rule_number(expression.name)
        known = self._known.get(expression)
        if known is None:
            known = self._known[expression] = self._anonymous(expression)
        return known

    def follower(self, state: int, text: int) -> int:
        """The rule that follows a text captured in a state, both by their numbers."""
        symbols = np.empty(256, np.int32)
        count = int(self._arena.run(captures.captured_text, text, symbols))
        if count > symbols.size:
            symbols = np.empty(count, np.int32)
            self._arena.run(captures.captured_text, text, symbols)
        captured = symbols[:count][::-1]
        if count and captured.max() >= SPECIAL:
            raise GrammarError("special tokens cannot stand where what follows depends on the text")
        with ir.making:
            following = self._bindings[state].after(captured.astype(np.uint8).tobytes())
        return self._rule_of(following)

    def _loop(self, part: ir.Expression, minimum: int, maximum: int | None) -> tuple[Label | None, bool]:
        """A repetition with large bounds: a rule of its own that counts.

        Rounds that read nothing are left out, which lowers the minimum when there may be any.
        """
        network = network_of(part, self._label)
        reads, skippable = bool(network.transitions[0]), network.final[0]
        if not reads:
            return None, skippable or minimum == 0
        body = self._anonymous(part)
        loop = self._anonymous(_Loop(body, 1 if skippable else max(minimum, 1), maximum))
        return (_RULE, loop), minimum == 0 or skippable

    def _load_network(self, network: Network) -> int:
        rows = np.zeros((len(network.final), tables.WIDTH), np.int32)
        data: list[int] = []
        for state, transitions in enumerate(network.transitions):
            final = network.final[state]
            rows[state] = [tables.PLAIN, len(data), len(transitions), final]
            for (kind, number), target in transitions:
                data += [tables.BY_TERMINAL if kind == TERMINAL else tables.BY_RULE, number, target]
        return int(self._arena.run(tables.append_states, rows.reshape(-1), np.array(data, np.int32)))

    def _load_terminal(self, terminal: ir.Terminal) -> int:
        number = self._terminal(terminal)
        start = self._single.get(number)
        if start is None:
            start = self._append([tables.PLAIN, 0, 1, 0], [tables.BY_TERMINAL, number, _absolute(tables.END)])
            self._single[number] = start
        return start

    # Containers

    def _load_loop(self, body: int, minimum: int, maximum: int | None) -> int:
        descriptor = _loop_descriptor([], body, minimum, maximum, separator=-1, close=-1)
        rows = [tables.PLAIN, 0, 1, 0, tables.AFTER_ITEM, 3, 0, 0]
        return self._append(rows, [tables.BY_RULE, body, 1, *descriptor])

    def _load_items(self, items: ir.Items) -> int:
        descriptor = _loop_descriptor(
            [self.rule_number(name) for name in items.first],
            -1 if items.rest is None else self.rule_number(items.rest),
            items.minimum,
            items.maximum,
            separator=self._terminal(items.comma),
            close=self._terminal(items.close),
        )
        rows = [tables.PLAIN, 0, 1, 0]
        for kind in (tables.FIRST_ITEM, tables.NEXT_ITEM, tables.AFTER_ITEM):
            rows += [kind, 3, 0, 0]
        return self._append(rows, [tables.BY_TERMINAL, self._terminal(items.open), 1, *descriptor])

    def _load_members(self, members: ir.Members) -> int:
        keys, others = members.keys, members.others
        trie = self._key_trie(keys)
        name_offset = containers.KEY_TABLE + containers.KEY_WIDTH * len(keys) + containers.OTHER_WIDTH * len(others)
        windows = [-1] * len(keys)
        name_offset += len(windows)
        table: list[int] = []
        names: list[int] = []
        for key in keys:
            table += [key.required, self._rule_of_value(key.rule), name_offset + len(names), len(key.name)]
            names += key.name
        for other in others:
            terminal = self._other_terminal()
            table += [terminal, self._node(other.names), self._rule_of_value(other.rule), other.needed]
        counted = members.maximum is not None or members.minimum > 0
        descriptor = [
            len(keys),
            len(others),
            members.minimum,
            -1 if members.maximum is None else members.maximum,
            members.ordered,
            self._key_terminal(members),
            self._terminal(members.colon),
            self._terminal(members.comma),
            self._terminal(members.close),
            self._node(members.key_prefix),
            ANY_ESCAPE if members.any_escape else NEEDED_ESCAPES,
            trie,
            sum(key.required for key in keys),
            counted,
        ]
        rows = [tables.PLAIN, 0, 1, 0]
        for kind in (tables.FIRST_KEY, tables.NEXT_KEY, tables.AFTER_VALUE):
            rows += [kind, 3, 0, 0]
        for index in range(len(keys) + len(others)):
            rows += [tables.COLON, 3, index, 0, tables.VALUE, 3, index, 0]
        opening = [tables.BY_TERMINAL, self._terminal(members.open), 1]
        return self._append(rows, [*opening, *descriptor, *table, *windows, *names])

    def _load_binding(self, binding: ir.Binding) -> int:
        if self._grammar.longest_match or self._ignored:
            raise GrammarError("bindings are for grammars in which every split into lexemes counts")
        rows = [tables.CAPTURING, 0, 0, 0, tables.FOLLOWING, 0, 0, 0, tables.PLAIN, 0, 1, 0]
        data = [tables.BY_RULE, self._rule_of(binding.part), _absolute(tables.ACCEPT)]
        network = network_of(binding.following, self._label)
        states = [(state, tables.SUPPOSED) for state in range(len(network.final))]
        again = _FIRST_FOLLOWING
        if binding.settled:  # the first state is in doubt only where something leads back to it
            states = [(0, 0), *states[1:], (0, tables.SUPPOSED)]
            again += len(states) - 1
        for state, doubt in states:
            transitions = network.transitions[state]
            rows += [tables.PLAIN, len(data), len(transitions), network.final[state] | doubt]
            for (kind, number), target in transitions:
                place = again if target == 0 else _FIRST_FOLLOWING + target
                data += [tables.BY_TERMINAL if kind == TERMINAL else tables.BY_RULE, number, place]
        start = self._append(rows, data)
        self._bindings[start] = binding
        self._arena.memory[tables.CAPTURES] = 1
        return start

    def _rule_of_value(self, name: str | None) -> int:
        return containers.NO_VALUE if name is None else self.rule_number(name)

    def _append(self, rows: list[int], data: list[int]) -> int:
        return int(self._arena.run(tables.append_states, np.array(rows, np.int32), np.array(data, np.int32)))

    def _key_trie(self, keys: tuple[ir.Key, ...]) -> int:
        words: list[int] = []
        for name, index in sorted((key.name, index) for index, key in enumerate(keys)):
            words += [len(name), index, *name]
        return int(self._arena.run(trie_of, np.array(words, np.int32)))

    # Terminals

    def _node(self, regular: Regular) -> int:
        node = self._nodes.get(id(regular))
        if node is None:
            for part in _parts_of_large_unions(regular):
                self._node(part)
            node = int(self._arena.run(run_program, program_of(regular, self._nodes)))
            self._nodes[id(regular)] = node
            self._kept.append(regular)
        return node

    def _add_terminal(self, node: int, priority: int, flags: int) -> int:
        return int(self._arena.run(tables.append_terminals, np.array([node, priority, flags, 0], np.int32)))

    def _terminal(self, terminal: ir.Terminal, flags: int = 0) -> int:
        found = self._terminals.get((id(terminal), flags))
        if found is None:
            found = self._add_terminal(self._node(terminal.regular), terminal.priority, flags)
            self._terminals[id(terminal), flags] = found
            self._kept.append(terminal)
        return found

    def _reading_terminal(self, terminal: ir.Terminal, nullable: bool) -> int:
        """The terminal without the empty text."""
        if not nullable:
            return self._terminal(terminal)
        if id(terminal) not in self._reading:
            reading = ir.Terminal(Without(terminal.regular, (b"",)), terminal.name, terminal.priority)
            self._reading[id(terminal)] = self._terminal(reading)
            self._kept.append(terminal)
        return self._reading[id(terminal)]

    def _special_terminal(self, token: str | int) -> int:
        number = token if isinstance(token, int) else self._special.get(token)
        if number is None or number not in self._special.values():
            raise GrammarError(f"the tokenizer has no special token {token!r}")
        return self._add_terminal(int(self._arena.run(symbol_node, SPECIAL + number)), 0, 0)

    def _key_terminal(self, members: ir.Members) -> int:
        return self._add_terminal(EMPTY, 0, tables.KEYED) if members.keys else 0

    def _other_terminal(self) -> int:
        return self._add_terminal(EMPTY, 0, tables.CAPTURE)


@dataclass(frozen=True, slots=True)
class _Loop(ir.Expression):
    """A counted repetition of rule number `body`, at least once."""

    body: int
    minimum: int
    maximum: int | None


_LARGE = 16


def _parts_of_large_unions(regular: Regular) -> tuple[Regular, ...]:
    """Parts that are made into nodes by themselves, since other expressions may have most of them, too.

    Those of a large union, which may stand behind white space or in another union.
    """
    match regular:
        case Union(parts) if len(parts) >= _LARGE:
            return parts
        case Union(parts) | Concatenation(parts):
            return tuple(part for one in parts if isinstance(one, Union) for part in _parts_of_large_unions(one))
    return ()


def _loop_descriptor(
    first: list[int], rest: int, minimum: int, maximum: int | None, *, separator: int, close: int
) -> list[int]:
    distinct = max(len(first), minimum) if maximum is None else maximum
    return [len(first), minimum, -1 if maximum is None else maximum, rest, separator, close, distinct, *first]
