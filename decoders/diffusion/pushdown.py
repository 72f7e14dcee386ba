"""A context-free grammar as a pushdown automaton that never moves for long without reading.

The networks of a grammar are determinised; rules that do not nest are put in where they are called; left recursion
becomes iteration (Rosenkrantz 1967, with regular right-hand sides); and a call behind which a rule may end is a jump.
What is left is pushed only where something is nested.  So a state calls a bounded number of rules before it reads a
letter, and pops at most one return state: after a text, and before one, the stacks are finitely many.
"""

from collections import defaultdict
from dataclasses import dataclass

from constrain.decoders.diffusion.automata import Deterministic, Nondeterministic, minimised
from constrain.decoders.diffusion.networks import Networks
from constrain.grammars.errors import ResourceLimitError

__all__ = ["Pushdown", "pushdown_of"]

_MAX_INLINED = 1_000  # states that putting a rule in where it is called may add
_MAX_RULE = 4_000

Rules = dict[int, Deterministic]


@dataclass(frozen=True, slots=True)
class Pushdown:
    """A pushdown automaton; the stack holds states.

    moves   of each state, the state behind each letter
    calls   of each state: the states it may go to, with the states that are then pushed
    finals  states in which the top of the stack may be popped, to go on there, or, when it is empty, the text may end
    start   the first state
    """

    moves: list[dict[int, int]]
    calls: list[list[tuple[int, int]]]
    finals: frozenset[int]
    start: int

    def openings(self, state: int) -> list[tuple[tuple[int, ...], int]]:
        """What a state leads to without reading or popping: what is pushed, the top first, and the state."""
        found: list[tuple[tuple[int, ...], int]] = [((), state)]
        for pushed, here in found:  # grows meanwhile
            found += [((behind, *pushed), first) for first, behind in self.calls[here]]
        return found


def pushdown_of(networks: Networks) -> Pushdown:
    """The automaton of a grammar's networks.

    Raises ResourceLimitError when rules have too many states once they are deterministic.
    """
    numbers = {name: number for number, name in enumerate(networks.starts)}
    start, nullable = numbers[networks.start], _nullable(networks)
    rules = _productive(
        {number: _rule(networks, name, numbers, nullable) for name, number in numbers.items()},
    )
    rules = _inlined(rules, start)
    for group in _left_recursive(rules):
        rules |= _without_left_recursion(rules, group)
    return _assembled(rules, start, empty=networks.start in nullable)


def _nullable(networks: Networks) -> set[str]:
    """Rules that derive the empty text."""
    found: set[str] = set()
    while True:
        more = {name for name in networks.starts if name not in found and _skips_through(networks, name, found)}
        if not more:
            return found
        found |= more


def _skips_through(networks: Networks, name: str, nullable: set[str]) -> bool:
    pending = [networks.starts[name]]
    seen = set(pending)
    while pending:
        state = pending.pop()
        after = list(networks.skips.get(state, ()))
        after += [target for rule, target in networks.calls.get(state, ()) if rule in nullable]
        for target in after:
            if target not in seen:
                seen.add(target)
                pending.append(target)
    return networks.ends[name] in seen


def _rule(networks: Networks, name: str, numbers: dict[str, int], nullable: set[str]) -> Deterministic:
    """A rule's texts but the empty one."""
    made = Nondeterministic()
    places: dict[int, int] = {}
    pending = [networks.starts[name]]

    def place(state: int) -> int:
        if state not in places:
            places[state] = made.state()
            pending.append(state)
        return places[state]

    first = place(pending.pop())
    while pending:
        state = pending.pop()
        here = places[state]
        made.skips[here].update(place(after) for after in networks.skips.get(state, ()))
        for letter, targets in networks.edges.get(state, {}).items():
            made.moves[here][letter].update(map(place, targets))
        for rule, after in networks.calls.get(state, ()):
            made.moves[here][-1 - numbers[rule]].add(place(after))
            if rule in nullable:
                made.skips[here].add(place(after))
    if networks.ends[name] in places:
        made.finals.add(places[networks.ends[name]])
    found = made.determinised([[first]])
    if found.starts[0] in found.finals:
        found.moves.append(dict(found.moves[found.starts[0]]))
        found.starts = [len(found.moves) - 1]
        found = minimised(found)
    return found


def _productive(rules: Rules) -> Rules:
    """Rules without calls of those that derive no text."""
    while True:
        empty = {number for number, rule in rules.items() if not rule.finals}
        calls = {-1 - number for number in empty}
        changed = {
            number: minimised(
                Deterministic(
                    [{s: t for s, t in row.items() if s not in calls} for row in rule.moves], rule.starts, rule.finals
                )
            )
            for number, rule in rules.items()
            if any(calls & row.keys() for row in rule.moves)
        }
        rules = {number: changed.get(number, rule) for number, rule in rules.items() if number not in empty}
        if not changed:
            return rules


def _calls(rule: Deterministic) -> dict[int, int]:
    """How often a rule calls which rules."""
    found: dict[int, int] = defaultdict(int)
    for row in rule.moves:
        for symbol in row:
            if symbol < 0:
                found[-1 - symbol] += 1
    return found


# Rules that do not nest


def _inlined(rules: Rules, start: int) -> Rules:
    """With rules put in where they are called, the smallest first, as long as they do not call themselves."""
    rules = {number: _straightened(rule, number) for number, rule in rules.items()}
    kept: set[int] = set()
    while True:
        uses: dict[int, int] = defaultdict(int)
        for rule in rules.values():
            for number, count in _calls(rule).items():
                uses[number] += count
        sizes = {
            number: uses[number] * len(rule.moves)
            for number, rule in rules.items()
            if number != start and number not in kept and number not in _calls(rule)
        }
        if not sizes:
            return rules
        chosen = min(sizes, key=lambda number: (sizes[number], number))
        kept.add(chosen)
        if sizes[chosen] > _MAX_INLINED and uses[chosen] > 1:
            continue
        try:
            changed = {
                number: _straightened(_with(rule, chosen, rules[chosen]), number)
                for number, rule in rules.items()
                if chosen in _calls(rule)
            }
        except ResourceLimitError:
            continue
        rules = {number: changed.get(number, rule) for number, rule in rules.items() if number != chosen}


def _with(rule: Deterministic, number: int, called: Deterministic) -> Deterministic:
    """A rule with copies of another in the place of its calls."""
    made = Nondeterministic()
    places = made.add(rule)
    for here in places:
        for there in made.moves[here].pop(-1 - number, ()):
            inner = made.add(called, final=False)
            made.skips[here].add(inner[called.starts[0]])
            for state in called.finals:
                made.skips[inner[state]].add(there)
    return made.determinised([[places[rule.starts[0]]]], _MAX_RULE)


def _straightened(rule: Deterministic, number: int) -> Deterministic:
    """Without calls of itself at its beginning and at its end."""
    if number not in _calls(rule):
        return rule
    if -1 - number in rule.moves[rule.starts[0]]:
        rule = _without_left_recursion({number: rule}, {number})[number]
    made, firsts = _jumping({number: rule})
    return made.determinised([[firsts[number]]])


# Recursion


def _left_recursive(rules: Rules) -> list[set[int]]:
    """Groups of rules that call each other before they read anything."""
    first = {
        number: {-1 - symbol for symbol in rule.moves[rule.starts[0]] if symbol < 0} for number, rule in rules.items()
    }
    reached: dict[int, set[int]] = {}
    for number in rules:
        found, pending = set(first[number]), list(first[number])
        while pending:
            for after in first[pending.pop()] - found:
                found.add(after)
                pending.append(after)
        reached[number] = found
    groups = {
        frozenset(other for other in reached[number] if number in reached[other])
        for number in rules
        if number in reached[number]
    }
    return [set(group) for group in groups]


def _without_left_recursion(rules: Rules, group: set[int]) -> Rules:
    """The rules of a group: one that does not begin with a call of the group, then what makes it one of its callers."""
    made = Nondeterministic()
    heads = {number: made.state() for number in group}
    calls = {-1 - number for number in group}
    begins = []
    for number in group:
        rule = rules[number]
        places = made.add(rule, final=False)
        for state in rule.finals:
            made.skips[places[state]].add(heads[number])
        begin = made.state()
        begins.append(begin)
        for symbol, target in rule.moves[rule.starts[0]].items():
            if symbol in calls:
                made.skips[heads[-1 - symbol]].add(places[target])
            else:
                made.moves[begin][symbol].add(places[target])
    found = {}
    for number in group:
        made.finals = {heads[number]}
        found[number] = made.determinised([begins])
    return found


def _jumping(rules: Rules) -> tuple[Nondeterministic, dict[int, int]]:
    """The rules with jumps for calls, of these rules, behind which they may end; and their first states.

    What is called otherwise returns to a state that is not final, so that something is read behind it.
    """
    made = Nondeterministic()
    places = {number: made.add(rule) for number, rule in rules.items()}
    firsts = {number: places[number][rule.starts[0]] for number, rule in rules.items()}
    variants: dict[int, int] = {}
    for state in list(made.finals):
        if made.moves[state]:
            variants[state] = made.state()
    for state, variant in variants.items():
        made.moves[variant] = defaultdict(set, {symbol: set(after) for symbol, after in made.moves[state].items()})
    for here, moves in enumerate(made.moves):
        for number, first in firsts.items():
            targets = moves.pop(-1 - number, set())
            if targets & made.finals:
                made.skips[here].add(first)
            kept = {variants.get(target, -1) if target in made.finals else target for target in targets} - {-1}
            if kept:
                moves[-1 - number] = kept
    return made, firsts


def _assembled(rules: Rules, start: int, *, empty: bool) -> Pushdown:
    """All rules as one automaton."""
    if start not in rules:
        return Pushdown([{}], [[]], frozenset([0] if empty else []), 0)
    made, firsts = _jumping(rules)
    called = sorted({number for rule in rules.values() for number in _calls(rule)} | {start})
    whole = made.determinised([[firsts[number]] for number in called])
    starts = dict(zip(called, whole.starts, strict=True))
    moves = [{symbol: target for symbol, target in row.items() if symbol >= 0} for row in whole.moves]
    calls = [
        [(starts[-1 - symbol], target) for symbol, target in sorted(row.items()) if symbol < 0] for row in whole.moves
    ]
    first, finals = starts[start], set(whole.finals)
    if empty:
        moves.append(dict(moves[first]))
        calls.append(list(calls[first]))
        first = len(moves) - 1
        finals.add(first)
    return Pushdown(moves, calls, frozenset(finals), first)
