"""From programs (`programs.program_of`) to nodes: the operations, which find their operands on the store's stack."""

from constrain.grammars.automata import decimals
from constrain.grammars.automata._jit import Cells, Memory, inner, int64, kernel, memory_at
from constrain.grammars.automata.nodes import (
    EMPTY,
    EPSILON,
    SPECIFICATION,
    TABLE_KIND,
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

KERNELS = "de716cabbe365690"

EMPTY_OP, EPSILON_OP, LITERAL_OP, SYMBOLS_OP, CHARS_OP, CONCAT_OP, UNION_OP, INTERSECT_OP, NOT_OP = range(9)
REPEAT_OP, JSON_OP, WORDS_OP, WITHOUT_OP, TABLE_OP, DECIMALS_OP, MULTIPLES_OP, NODE_OP = range(9, 17)


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
    if operation == EMPTY_OP or operation == EPSILON_OP:
        push(m, EMPTY if operation == EMPTY_OP else EPSILON)
        return i + 1
    if operation == LITERAL_OP:
        push(m, _literal(m, program, i + 2, size))
        return i + 2 + size
    if operation == NODE_OP:
        push(m, size)
        return i + 2
    if operation == SYMBOLS_OP:
        _push_cells(m, program, i + 2, size)
        push(m, symbols(m, top))
        return i + 2 + size
    if operation == CHARS_OP:
        push(m, 0)
        _push_cells(m, program, i + 2, size)
        push(m, chars(m, top))
        return i + 2 + size
    if operation == CONCAT_OP:
        push(m, _fold(m, size))
        return i + 2
    if operation == UNION_OP:
        push(m, union(m, top - size))
        return i + 2
    if operation == INTERSECT_OP:
        push(m, intersect(m, top - size))
        return i + 2
    if operation == TABLE_OP:
        _push_cells(m, program, i + 2, size)
        push(m, table_state(m, intern(m, TABLE_KIND, top), 0))
        return i + 2 + size
    if operation == DECIMALS_OP:
        _push_cells(m, program, i + 2, size)
        push(m, decimals.decimal(m, intern(m, SPECIFICATION, top)))
        return i + 2 + size
    if operation == MULTIPLES_OP:
        push(m, decimals.multiple(m, size, program[i + 2], program[i + 3], decimals.START, 0, 0))
        return i + 4
    if operation == WORDS_OP:
        _push_cells(m, program, i + 2, size)
        push(m, words(m, build_trie(m, top)))
        return i + 2 + size
    node = at(m, top - 1)
    cut(m, top - 1)
    if operation == NOT_OP:
        push(m, complement(m, node))
        return i + 1
    if operation == REPEAT_OP:
        push(m, repeat(m, node, size, program[i + 2]))
        return i + 3
    if operation == JSON_OP:
        push(m, json_string(m, node, 0, 0, size))
        return i + 2
    _push_cells(m, program, i + 2, size)  # WITHOUT_OP
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


@kernel
def symbol_node(address: int, symbol: int) -> int:
    """The node of one symbol."""
    return symbol_range(memory_at(address), symbol, symbol)


@kernel
def trie_of(address: int, words: Cells) -> int:
    """The trie of words given as length, payload and symbols each, sorted."""
    m = memory_at(address)
    position = height(m)
    for cell in words:
        push(m, cell)
    trie = build_trie(m, position)
    cut(m, position)
    return trie
