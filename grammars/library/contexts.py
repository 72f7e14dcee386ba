"""Words that stand in some parts of a text only, such as ``await``, which belongs to functions that are ``async``.

A context-free grammar says so with two copies of the rules (the parameter [Await] of ECMA-262, 5.1.5).  The source has
one; rules that begin a part of the other sort are told by their names.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.analysis import parts_of

__all__ = ["in_contexts"]

_WITHOUT = " without"


def in_contexts(
    grammar: ir.Grammar, words: Collection[str], *, without: Collection[str], again: Collection[str]
) -> ir.Grammar:
    """The grammar, as the Lark front-end makes it, with two copies of the rules that depend on some terminals.

    words    the terminals; the start of the grammar has them
    without  the rules that do not have them, nor what they derive
    again    the rules that have them, wherever they stand
    """
    known = _known(grammar.rules, words, {*without, *again})
    copied = known | set(without)

    def changed(node: ir.Expression, inside: bool) -> ir.Expression:
        match node:
            case ir.Terminal(name=name) if name in words and not inside:
                return ir.Alternation(())
            case ir.Reference(name) if name in without or (name in known and name not in again and not inside):
                return ir.Reference(name + _WITHOUT)
            case ir.Sequence(parts):
                return ir.Sequence(tuple(changed(part, inside) for part in parts))
            case ir.Alternation(parts):
                return ir.Alternation(tuple(changed(part, inside) for part in parts))
            case ir.Repeat(part, minimum, maximum):
                return ir.Repeat(changed(part, inside), minimum, maximum)
        return node

    rules = {name: changed(rule, True) for name, rule in grammar.rules.items()}
    rules |= {name + _WITHOUT: changed(grammar.rules[name], False) for name in copied}
    return replace(grammar, rules=rules)


def _known(rules: Mapping[str, ir.Expression], words: Collection[str], borders: set[str]) -> set[str]:
    """The rules that come to one of the words without a border between: a least fixed point."""
    found = {name for name, rule in rules.items() if _names(rule) & set(words)}
    size = -1
    while size != len(found):
        size = len(found)
        inner = found - borders
        found |= {name for name, rule in rules.items() if name not in found and _names(rule) & inner}
    return found


def _names(node: ir.Expression) -> set[str]:
    """The terminals and rules that stand in an expression."""
    if isinstance(node, ir.Terminal | ir.Reference):
        return {node.name}
    return {name for part in parts_of(node) for name in _names(part)}
