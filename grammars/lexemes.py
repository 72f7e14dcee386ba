"""Merging regular parts of a context-free grammar into terminals, when every split into lexemes counts.

Where no lexeme has to be the longest one, lexemes are a matter of representation: ``"a" [0-9]+`` may be two
terminals or one.  One is better: the parser acts once a terminal, and a terminal's token mask is made from its
automaton alone.  So rules that are regular, because they refer to no rule that contains itself, are substituted
where they are used, and maximal regular parts become single terminals.  What may be ignored between lexemes becomes
part of them first: each terminal takes what is ignored behind it.
"""

import itertools
from dataclasses import replace

from constrain.grammars import ir, regular
from constrain.grammars.analysis import parts_of, references_of

__all__ = ["merge_terminals"]

_MAX_SIZE = 2_000  # a rule whose expression has more nodes than this is not substituted


def _union(parts: list[regular.Regular]) -> regular.Regular:
    words = [part.text for part in parts if isinstance(part, regular.Literal)]
    if len(words) > 8:
        others = [part for part in parts if not isinstance(part, regular.Literal)]
        parts = [*others, regular.Words(tuple(sorted(set(words))))]
    return parts[0] if len(parts) == 1 else regular.Union(tuple(parts))


class _Merger:
    def __init__(self, grammar: ir.Grammar) -> None:
        self._grammar = grammar
        self._regular: dict[str, tuple[regular.Regular, int] | None] = {}
        ignored = [terminal.regular for terminal in grammar.ignored]
        self.gap = regular.Repetition(_union(ignored), 0, None) if ignored else None

    def _merge(self, expression: ir.Expression) -> tuple[ir.Expression, int]:
        """The expression with its regular parts merged, and its size; iterative, in postorder."""
        results: dict[int, tuple[ir.Expression, int]] = {}
        pending = [(expression, False)]
        while pending:
            node, parts_done = pending.pop()
            if isinstance(node, ir.Members | ir.Items | ir.Binding) or not parts_of(node):
                results[id(node)] = self._leaf(node)
            elif not parts_done:
                pending.append((node, True))
                pending.extend((part, False) for part in parts_of(node))
            else:
                merged = [results[id(part)] for part in parts_of(node)]
                results[id(node)] = (_combine(node, [part for part, _ in merged]), 1 + sum(s for _, s in merged))
        return results[id(expression)]

    def _leaf(self, node: ir.Expression) -> tuple[ir.Expression, int]:
        if isinstance(node, ir.Reference):
            known = self._regular.get(node.name)
            if known is not None and known[1] <= _MAX_SIZE:
                return ir.Terminal(known[0]), known[1]
        if isinstance(node, ir.Sequence):
            return ir.Terminal(regular.Epsilon()), 1
        if isinstance(node, ir.Alternation):
            return ir.Terminal(regular.Empty()), 1
        if self.gap is not None and isinstance(node, ir.Terminal):
            return ir.Terminal(regular.Concatenation((node.regular, self.gap))), 1
        if self.gap is not None and isinstance(node, ir.SpecialToken):
            return ir.Sequence((node, ir.Terminal(self.gap))), 2
        return node, 1

    def run(self) -> dict[str, ir.Expression]:
        """All rules with merged right-hand sides; rules are dealt with after those they refer to."""
        rules = self._grammar.rules
        merged: dict[str, ir.Expression] = {}
        for name in _callees_first(self._grammar):
            expression, size = self._merge(rules[name])
            merged[name] = expression
            if isinstance(expression, ir.Terminal):
                self._regular[name] = (expression.regular, size)
        return merged


def _callees_first(grammar: ir.Grammar) -> list[str]:
    order: list[str] = []
    state: dict[str, int] = {}
    pending = [(grammar.start, False)]
    while pending:
        name, done = pending.pop()
        if done:
            order.append(name)
        elif name not in state and name in grammar.rules:
            state[name] = 1
            pending.append((name, True))
            pending.extend((other, False) for other in references_of(grammar.rules[name]))
    return order


def _combine(node: ir.Expression, parts: list[ir.Expression]) -> ir.Expression:
    match node:
        case ir.Sequence():
            return _sequence(parts)
        case ir.Alternation():
            regulars = [part.regular for part in parts if isinstance(part, ir.Terminal)]
            others = [part for part in parts if not isinstance(part, ir.Terminal)]
            if regulars:
                others.append(ir.Terminal(_union(regulars)))
            return others[0] if len(others) == 1 else ir.Alternation(tuple(others))
        case ir.Repeat(_, minimum, maximum):
            (part,) = parts
            if isinstance(part, ir.Terminal):
                return ir.Terminal(regular.Repetition(part.regular, minimum, maximum))
            return ir.Repeat(part, minimum, maximum)
        case ir.Budget(_, max_bytes):
            (part,) = parts
            if isinstance(part, ir.Terminal):
                any_byte = regular.Symbols(((0, 255),))
                short = regular.Repetition(any_byte, 0, max_bytes)
                return ir.Terminal(regular.Intersection((part.regular, short)))
            return ir.Budget(part, max_bytes)
    raise TypeError(f"unexpected expression {node!r}")


def _sequence(parts: list[ir.Expression]) -> ir.Expression:
    merged: list[ir.Expression] = []
    run: list[regular.Regular] = []
    for part in [*parts, None]:
        if isinstance(part, ir.Terminal):
            run.append(part.regular)
            continue
        if run:
            merged.append(ir.Terminal(run[0] if len(run) == 1 else regular.Concatenation(tuple(run))))
            run = []
        if part is not None:
            merged.extend(part.parts if isinstance(part, ir.Sequence) else [part])
    return merged[0] if len(merged) == 1 else ir.Sequence(tuple(merged))


def _has_containers(grammar: ir.Grammar) -> bool:
    pending = list(grammar.rules.values())
    while pending:
        node = pending.pop()
        if isinstance(node, ir.Members | ir.Items | ir.Binding):
            return True
        pending.extend(parts_of(node))
    return False


def merge_terminals(grammar: ir.Grammar) -> ir.Grammar:
    """An equivalent grammar with fewer, larger terminals; the same one when the longest match counts."""
    if grammar.longest_match or grammar.make_rule is not None or (grammar.ignored and _has_containers(grammar)):
        return grammar
    merger = _Merger(grammar)
    rules = merger.run()
    if merger.gap is None or grammar.start not in rules:
        return replace(grammar, rules=rules)
    start = next(name for i in itertools.count(1) if (name := grammar.start + "'" * i) not in rules)
    first = rules[grammar.start]
    body = first if isinstance(first, ir.Terminal) else ir.Reference(grammar.start)
    rules[start] = _sequence([ir.Terminal(merger.gap), body])
    return replace(grammar, start=start, rules=rules, ignored=())
