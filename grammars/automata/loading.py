"""From expressions to nodes: an expression is flattened to a program of integers, which one kernel call runs.

Building nodes one call at a time would cost a microsecond of call overhead each; a program costs that once.  The
program is in postfix order, with its operands on the store's stack; flattening uses a worklist, so that deep
expressions do not touch Python's recursion limit.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from typing import Any

import numpy as np

from constrain.grammars import regular
from constrain.grammars.automata import decimals
from constrain.grammars.automata._jit import Cells, Memory, inner, int64, kernel, memory_at
from constrain.grammars.automata.json_text import ANY_ESCAPE, NEEDED_ESCAPES
from constrain.grammars.automata.nodes import (
    EMPTY,
    EPSILON,
    SPECIFICATION,
    TABLE_KIND,
    UNBOUNDED,
    chars,
    complement,
    concat,
    intersect,
    json_string,
    repeat,
    symbol_range,
    symbols,
    table_state,
    union,
    without,
    words,
)
from constrain.grammars.automata.store import OK, STATUS, at, cut, height, intern, push
from constrain.grammars.automata.tries import build_trie

KERNELS = "6869471ee5466d9e"

_EMPTY, _EPSILON, _LITERAL, _SYMBOLS, _CHARS, _CONCAT, _UNION, _INTERSECT = 0, 1, 2, 3, 4, 5, 6, 7
_NOT, _REPEAT, _JSON, _WORDS, _WITHOUT, _TABLE, _DECIMALS, _MULTIPLES, _NODE = 8, 9, 10, 11, 12, 13, 14, 15, 16

Program = list[int]


def _words(program: Program, texts: tuple[bytes, ...]) -> None:
    ordered = sorted(set(texts))
    program.append(sum(map(len, ordered)) + 2 * len(ordered))
    for text in ordered:
        program += [len(text), 0, *text]


def _flat(ranges: regular.Ranges) -> list[int]:
    return [bound for pair in ranges for bound in pair]


def _scalar_values(ranges: regular.Ranges) -> list[int]:
    """The ranges without the surrogates."""
    flat = []
    for low, high in ranges:
        if low <= min(high, 0xD7FF):
            flat += [low, min(high, 0xD7FF)]
        if max(low, 0xE000) <= high:
            flat += [max(low, 0xE000), high]
    return flat


def _table(program: Program, automaton: regular.Automaton) -> None:
    states = len(automaton.transitions)
    vector = [states, *map(int, automaton.accepting)]
    offset = 2 + 2 * states
    for row in automaton.transitions:
        vector.append(offset)
        offset += 3 * len(row)
    vector.append(offset)
    for row in automaton.transitions:
        for transition in row:
            vector.extend(transition)
    program.append(len(vector))
    program.extend(vector)


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


def _specification(program: Program, node: regular.Decimals) -> None:
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
    vector = [flags, node.grain or 0, low_exponent, len(low), high_exponent, len(high), *low, *high]
    program += [_DECIMALS, len(vector), *vector]


def _how(node: regular.Multiples) -> int:
    return (decimals.MAY_HAVE_EXPONENT if node.exponent else 0) | (decimals.MAY_HAVE_FRACTION if node.fraction else 0)


def _emit(program: Program, node: Any) -> None:
    """Append the operation of one expression, whose parts have been appended already."""
    match node:
        case regular.Empty():
            program.append(_EMPTY)
        case regular.Epsilon():
            program.append(_EPSILON)
        case regular.Literal(text):
            program += [_LITERAL, len(text), *text]
        case regular.Symbols(ranges):
            program += [_SYMBOLS, 2 * len(ranges), *_flat(ranges)]
        case regular.Characters(ranges):
            flat = _scalar_values(ranges)
            program += [_CHARS, len(flat), *flat]
        case regular.Concatenation(parts):
            program += [_CONCAT, len(parts)]
        case regular.Union(parts):
            program += [_UNION, len(parts)]
        case regular.Intersection(parts):
            program += [_INTERSECT, len(parts)]
        case regular.Complement():
            program.append(_NOT)
        case regular.Repetition(_, minimum, maximum):
            program += [_REPEAT, minimum, UNBOUNDED if maximum is None else maximum]
        case regular.JsonString(_, any_escape):
            program += [_JSON, ANY_ESCAPE if any_escape else NEEDED_ESCAPES]
        case regular.Words(texts):
            program.append(_WORDS)
            _words(program, texts)
        case regular.Without(_, texts):
            program.append(_WITHOUT)
            _words(program, texts)
        case regular.Decimals():
            _specification(program, node)
        case regular.Multiples(factor, scale):
            program += [_MULTIPLES, factor, scale, _how(node)]
        case regular.Automaton():
            program.append(_TABLE)
            _table(program, node)
        case _:
            raise TypeError(f"not a regular expression: {node!r}")


def _parts(node: Any) -> tuple[Any, ...]:
    match node:
        case regular.Concatenation(parts) | regular.Union(parts) | regular.Intersection(parts):
            return parts
        case regular.Complement(part) | regular.Repetition(part, _, _) | regular.Without(part, _):
            return (part,)
        case regular.JsonString(part, _):
            return (part,)
    return ()


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
    pending: list[tuple[regular.Regular, bool]] = [(expression, False)]
    while pending:
        node, parts_done = pending.pop()
        if id(node) in nodes:
            program += [_NODE, nodes[id(node)]]
            continue
        if id(node) in _kept:
            program += _kept[id(node)][1]
            continue
        parts = () if parts_done else _parts(node)
        if parts:
            pending.append((node, True))
            pending.extend((part, False) for part in reversed(parts))
        else:
            _emit(program, node)
    return np.array(program, np.int32)


@inner
def _push_cells(m: Memory, program: Cells, start: int, size: int) -> None:
    for i in range(start, start + size):
        push(m, program[i])


@inner
def _fold(m: Memory, size: int) -> int:
    """The concatenation of the `size` nodes on top of the stack."""
    position = height(m) - size
    node = EPSILON
    for i in range(size - 1, -1, -1):
        node = concat(m, at(m, position + i), node)
    cut(m, position)
    return node


@inner
def _literal(m: Memory, program: Cells, start: int, size: int) -> int:
    node = EPSILON
    for i in range(start + size - 1, start - 1, -1):
        node = concat(m, symbol_range(m, program[i], program[i]), node)
    return node


@inner
def _run_one(m: Memory, program: Cells, i: int) -> int:
    """Run the operation at `i` on the stack; where the next one begins."""
    operation = program[i]
    size = int64(program[i + 1]) if i + 1 < program.size else 0
    top = height(m)
    if operation == _EMPTY or operation == _EPSILON:
        push(m, EMPTY if operation == _EMPTY else EPSILON)
        return i + 1
    if operation == _LITERAL:
        push(m, _literal(m, program, i + 2, size))
        return i + 2 + size
    if operation == _NODE:
        push(m, size)
        return i + 2
    if operation == _SYMBOLS:
        _push_cells(m, program, i + 2, size)
        push(m, symbols(m, top))
        return i + 2 + size
    if operation == _CHARS:
        push(m, 0)
        _push_cells(m, program, i + 2, size)
        push(m, chars(m, top))
        return i + 2 + size
    if operation == _CONCAT:
        push(m, _fold(m, size))
        return i + 2
    if operation == _UNION:
        push(m, union(m, top - size))
        return i + 2
    if operation == _INTERSECT:
        push(m, intersect(m, top - size))
        return i + 2
    if operation == _TABLE:
        _push_cells(m, program, i + 2, size)
        push(m, table_state(m, intern(m, TABLE_KIND, top), 0))
        return i + 2 + size
    if operation == _DECIMALS:
        _push_cells(m, program, i + 2, size)
        push(m, decimals.decimal(m, intern(m, SPECIFICATION, top)))
        return i + 2 + size
    if operation == _MULTIPLES:
        push(m, decimals.multiple(m, size, program[i + 2], program[i + 3], decimals.START, 0, 0))
        return i + 4
    if operation == _WORDS:
        _push_cells(m, program, i + 2, size)
        push(m, words(m, build_trie(m, top)))
        return i + 2 + size
    node = at(m, top - 1)
    cut(m, top - 1)
    if operation == _NOT:
        push(m, complement(m, node))
        return i + 1
    if operation == _REPEAT:
        push(m, repeat(m, node, size, program[i + 2]))
        return i + 3
    if operation == _JSON:
        push(m, json_string(m, node, 0, 0, size))
        return i + 2
    _push_cells(m, program, i + 2, size)  # _WITHOUT
    push(m, without(m, node, build_trie(m, top - 1)))
    return i + 2 + size


@kernel
def run_program(address: int, program: Cells) -> int:
    """Build the nodes of a program; the id of the last."""
    m = memory_at(address)
    position = height(m)
    i = 0
    while i < program.size and m[STATUS] == OK:
        i = _run_one(m, program, i)
    node = at(m, position) if m[STATUS] == OK else EMPTY
    cut(m, position)
    return node
