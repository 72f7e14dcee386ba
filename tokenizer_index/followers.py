"""Which terminals may follow which, in the networks of a grammar's rules.

Sets flow along edges until nothing changes; a rule is looked at again when what flows into it has grown, so that long
chains of rules cost no more than their length.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

from constrain.tokenizer_index.networks import Network

__all__ = ["TERMINAL", "followers"]

TERMINAL = "terminal"
"""The kind of a network's label that reads a terminal: (TERMINAL, number)."""


def followers(networks: Mapping[int, Network]) -> dict[int, set[int]]:
    """For each terminal that is used, those that may come next."""
    first = _first_terminals(networks)
    after: dict[int, set[int]] = {}
    after_rule: dict[int, set[int]] = {rule: set() for rule in networks}
    last_terminals: dict[int, set[int]] = defaultdict(set)  # of each rule, what may stand at its end
    last_rules: dict[int, set[int]] = defaultdict(set)
    for rule, network in networks.items():
        for row in network.transitions:
            for (kind, number), target in row:
                known = after if kind == TERMINAL else after_rule
                found = known.setdefault(number, set())
                for (next_kind, following), _ in network.transitions[target]:
                    found |= {following} if next_kind == TERMINAL else first[following]
                if network.final[target]:
                    (last_terminals if kind == TERMINAL else last_rules)[rule].add(number)
    _flow(after_rule, last_rules)
    for rule, terminals in last_terminals.items():
        for terminal in terminals:
            after[terminal] |= after_rule[rule]
    return after


def _first_terminals(networks: Mapping[int, Network]) -> dict[int, set[int]]:
    """For each rule, the terminals that it may begin with."""
    first: dict[int, set[int]] = {rule: set() for rule in networks}
    callers: dict[int, set[int]] = defaultdict(set)
    for rule, network in networks.items():
        for (kind, number), _ in network.transitions[0]:
            if kind == TERMINAL:
                first[rule].add(number)
            else:
                callers[number].add(rule)
    _flow(first, callers)
    return first


def _flow(sets: Mapping[int, set[int]], edges: Mapping[int, Iterable[int]]) -> None:
    """Add the members of each set to those of the sets that edges lead to, until nothing changes."""
    pending, waiting = deque(sets), set(sets)
    while pending:
        source = pending.popleft()
        waiting.discard(source)
        for target in edges.get(source, ()):
            if not sets[source] <= sets[target]:
                sets[target].update(sets[source])
                if target not in waiting:
                    waiting.add(target)
                    pending.append(target)
