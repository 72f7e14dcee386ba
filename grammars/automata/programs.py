"""From expressions to programs: an expression is flattened to integers, which one kernel call (`loading`) runs.

Building nodes one call at a time would cost a microsecond of call overhead each; a program costs that once.  The
program is in postfix order; flattening uses a worklist, so that deep expressions do not touch Python's recursion limit.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from itertools import chain
from typing import Any

import numpy as np

from constrain.grammars import regular
from constrain.grammars.automata import decimals
from constrain.grammars.automata._jit import Cells
from constrain.grammars.automata.json_text import ANY_ESCAPE, NEEDED_ESCAPES
from constrain.grammars.automata.loading import (
    CHARS_OP,
    CONCAT_OP,
    DECIMALS_OP,
    EMPTY_OP,
    EPSILON_OP,
    INTERSECT_OP,
    JSON_OP,
    LITERAL_OP,
    MULTIPLES_OP,
    NODE_OP,
    NOT_OP,
    REPEAT_OP,
    SYMBOLS_OP,
    TABLE_OP,
    UNION_OP,
    WITHOUT_OP,
    WORDS_OP,
)
from constrain.grammars.automata.nodes import UNBOUNDED

__all__ = ["keep_program", "program_of"]

Program = list[int]

Operation = tuple[Program, tuple[regular.Regular, ...]]
"""What one expression adds to a program, and the operands whose programs come before that."""


def _words(texts: tuple[bytes, ...]) -> Program:
    ordered = sorted(set(texts))
    vector = [sum(map(len, ordered)) + 2 * len(ordered)]
    for text in ordered:
        vector += (len(text), 0, *text)
    return vector


def _flat(ranges: regular.Ranges) -> Program:
    return [bound for pair in ranges for bound in pair]


def _scalar_values(ranges: regular.Ranges) -> Program:
    """The ranges without the surrogates."""
    flat = []
    for low, high in ranges:
        if low <= min(high, 0xD7FF):
            flat += [low, min(high, 0xD7FF)]
        if max(low, 0xE000) <= high:
            flat += [max(low, 0xE000), high]
    return flat


def _table(automaton: regular.Automaton) -> Program:
    states = len(automaton.transitions)
    vector = [states, *map(int, automaton.accepting)]
    offset = 2 + 2 * states
    for row in automaton.transitions:
        vector.append(offset)
        offset += 3 * len(row)
    vector.append(offset)
    vector.extend(chain.from_iterable(chain.from_iterable(automaton.transitions)))
    return vector


def _bound(number: Decimal | None) -> tuple[int, list[int]]:
    """A positive number as exponent and digits: 0.d₁d₂… · 10^exponent, without trailing zeros."""
    if number is None:
        return 0, []
    _, digits, exponent = number.normalize(_EXACT).as_tuple()
    return len(digits) + int(exponent), list(digits)


_EXACT = Context(prec=100_000)


def _settled(node: regular.Decimals) -> regular.Decimals:
    """The same numbers, with bounds that some number meets: whole ones where no others can be written, and `positive`
    false where they exclude each other.
    """
    low, high, strict_low, strict_high, grain = node.low, node.high, node.strict_low, node.strict_high, node.grain
    if not node.exponent and not node.fraction and (grain is None or grain < 0):
        grain = 0
        with localcontext(_EXACT):
            if low is not None:
                ceiling = low.to_integral_value(ROUND_CEILING)
                low, strict_low = ceiling + (strict_low and ceiling == low), False
            if high is not None:
                floor = high.to_integral_value(ROUND_FLOOR)
                high, strict_high = floor - (strict_high and floor == high), False
    positive = node.positive
    if high is not None:
        least = Decimal(0) if low is None else low
        positive = positive and (least < high or (least == high > 0 and not (strict_low or strict_high)))
    return replace(
        node,
        positive=positive,
        low=low if positive else None,
        high=high if positive else None,
        strict_low=strict_low,
        strict_high=strict_high,
        grain=grain,
    )


def _specification(node: regular.Decimals) -> Program:
    node = _settled(node)
    low_exponent, low = _bound(node.low)
    high_exponent, high = _bound(node.high)
    flags = 0
    for flag, value in (
        (decimals.HAS_LOW, node.low is not None),
        (decimals.LOW_IS_STRICT, node.strict_low),
        (decimals.HAS_HIGH, node.high is not None),
        (decimals.HIGH_IS_STRICT, node.strict_high),
        (decimals.HAS_GRAIN, node.grain is not None),
        (decimals.HAS_ZERO, node.zero),
        (decimals.HAS_POSITIVE, node.positive),
        (decimals.MAY_HAVE_EXPONENT, node.exponent),
        (decimals.MAY_HAVE_FRACTION, node.fraction),
    ):
        flags |= flag if value else 0
    return [flags, node.grain or 0, low_exponent, len(low), high_exponent, len(high), *low, *high]


def _how(node: regular.Multiples) -> int:
    return (decimals.MAY_HAVE_EXPONENT if node.exponent else 0) | (decimals.MAY_HAVE_FRACTION if node.fraction else 0)


def _counted(operation: int, vector: Program) -> Program:
    return [operation, len(vector), *vector]


_OPERATIONS: dict[type, Callable[[Any], Operation]] = {
    regular.Empty: lambda _: ([EMPTY_OP], ()),
    regular.Epsilon: lambda _: ([EPSILON_OP], ()),
    regular.Literal: lambda node: ([LITERAL_OP, len(node.text), *node.text], ()),
    regular.Symbols: lambda node: (_counted(SYMBOLS_OP, _flat(node.ranges)), ()),
    regular.Characters: lambda node: (_counted(CHARS_OP, _scalar_values(node.ranges)), ()),
    regular.Concatenation: lambda node: ([CONCAT_OP, len(node.parts)], node.parts),
    regular.Union: lambda node: ([UNION_OP, len(node.parts)], node.parts),
    regular.Intersection: lambda node: ([INTERSECT_OP, len(node.parts)], node.parts),
    regular.Complement: lambda node: ([NOT_OP], (node.part,)),
    regular.Repetition: lambda node: (
        [REPEAT_OP, node.minimum, UNBOUNDED if node.maximum is None else node.maximum],
        (node.part,),
    ),
    regular.JsonString: lambda node: ([JSON_OP, ANY_ESCAPE if node.any_escape else NEEDED_ESCAPES], (node.text,)),
    regular.Words: lambda node: ([WORDS_OP, *_words(node.words)], ()),
    regular.Without: lambda node: ([WITHOUT_OP, *_words(node.words)], (node.part,)),
    regular.Decimals: lambda node: (_counted(DECIMALS_OP, _specification(node)), ()),
    regular.Multiples: lambda node: ([MULTIPLES_OP, node.factor, node.scale, _how(node)], ()),
    regular.Automaton: lambda node: (_counted(TABLE_OP, _table(node)), ()),
}
"""By the class of an expression."""


_kept: dict[int, tuple[regular.Regular, Program]] = {}


def keep_program(expression: regular.Regular) -> None:
    """Keep the program of an expression for the life of the process: one that many grammars contain.

    It is found by the identity of the expression, which should be a constant.
    """
    if id(expression) not in _kept:
        _kept[id(expression)] = expression, program_of(expression).tolist()


def program_of(expression: regular.Regular, nodes: Mapping[int, int] | None = None) -> Cells:
    """The program that builds `expression`.

    `nodes` has parts that the store has already: their nodes, by the identity of the expression.
    """
    nodes = nodes or {}
    program: Program = []
    pending: list[Any] = [expression]  # expressions, and what comes behind their operands
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            program += node
        elif id(node) in nodes:
            program += (NODE_OP, nodes[id(node)])
        elif id(node) in _kept:
            program += _kept[id(node)][1]
        else:
            operation, operands = _OPERATIONS[type(node)](node)
            if operands:
                pending.append(operation)
                pending.extend(reversed(operands))
            else:
                program += operation
    return np.array(program, np.int32)
