"""Words that stand in some parts of a text only, such as ``await``, which belongs to functions that are ``async``.

A context-free grammar says so with two copies of the rules (the parameter [Await] of ECMA-262, 5.1.5).  The source has
one; rules that begin a part of the other sort are told by their names.
"""

from collections.abc import Collection
from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.composition.expressions import leading_to, rewritten

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
    known = leading_to(grammar.rules, words, {*without, *again})
    copied = known | set(without)

    def inside(node: ir.Expression) -> ir.Expression:
        return ir.Reference(node.name + _WITHOUT) if isinstance(node, ir.Reference) and node.name in without else node

    def outside(node: ir.Expression) -> ir.Expression:
        match node:
            case ir.Terminal(name=name) if name in words:
                return ir.Alternation(())
            case ir.Reference(name) if name in copied and name not in again:
                return ir.Reference(name + _WITHOUT)
        return node

    rules = {name: rewritten(rule, inside) for name, rule in grammar.rules.items()}
    rules |= {name + _WITHOUT: rewritten(grammar.rules[name], outside) for name in copied}
    return replace(grammar, rules=rules)
