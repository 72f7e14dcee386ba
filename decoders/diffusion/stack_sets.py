"""Sets of stacks, as minimal automata that share their states, and what tokens do to them.  Compiled.

A *node* is a set of stacks, read from the top: whether the empty stack is in it, and for each symbol the node of what
may be below.  Equal nodes have one number, so taking a symbol off is a look-up, comparing is free, and unions are
remembered.  0 is the empty set, 1 has the empty stack only; then come *tails*, one for each symbol, of what may ever be
below it.

Stacks have at most `state[LIMIT]` symbols.  Higher ones are left out, so that there are too few, or, if
`state[TOO_MUCH]`, tails are put in the place of what is too deep, so that there are too many; `state[CUT]` says that it
happened.

Every kernel takes a `Memory` first.  When a part of it is full, `state[FULL]` is set and what was written is void.
"""

from typing import NamedTuple

import numpy as np

from constrain.grammars.automata._jit import Cells, inner, int64, kernel

__all__ = [
    "ANY",
    "CUT",
    "END",
    "FULL",
    "HOLE",
    "NEVER",
    "OPTIONAL",
    "Memory",
    "Texts",
    "allowed_classes",
    "backwards",
    "forwards",
    "is_new",
    "meets",
    "new_memory",
]

HOLE, OPTIONAL, ANY, END, NEVER = 0, -1, -2, -3, -4  # kinds: a token, one at most, any text, the end, no token at all

NODES, CELLS, FULL, TOP, LIMIT, TOO_MUCH, CUT, TAILS, ROWS = range(9)
_ROWS = 1 << 12  # rows that are remembered
_NODE = 4  # cells of a node: place of its arcs, their number, whether the empty stack is in it, height


class Texts(NamedTuple):
    """What texts of any length do.

    starts, reached   states to which one leads from state i and leaves the stack as it is, reached[starts[i]] …
    calls             (state, first state of what it calls, state that is pushed), flat
    symbols           states that are pushed
    leaves            of each state, whether a text leads to one that pops
    below             whether a symbol (column) may be right below another (row), (Q, Q) bool
    bottom            whether a symbol may be the lowest, (Q,) bool
    """

    starts: Cells
    reached: Cells
    calls: Cells
    symbols: Cells
    leaves: Cells
    below: np.ndarray
    bottom: np.ndarray


class Memory(NamedTuple):
    """The memory of sets of stacks; `new_memory` says how large each part is."""

    state: np.ndarray
    nodes: Cells
    cells: Cells
    table: Cells
    union_keys: np.ndarray
    union_values: Cells
    pair_keys: np.ndarray
    pair_values: Cells
    scratch: Cells
    tails: Cells
    rows: np.ndarray
    row_table: Cells
    step_keys: np.ndarray
    step_values: Cells


def new_memory(size: int, limit: int, texts: Texts, *, too_much: bool) -> Memory:
    """Memory for `size` nodes, a power of two, with stacks of at most `limit` symbols."""
    tails = np.zeros(len(texts.leaves), np.int32)
    tails[texts.symbols] = np.arange(2, 2 + len(texts.symbols))
    made = Memory(
        state=np.zeros(9, np.int64),
        nodes=np.zeros(_NODE * size, np.int32),
        cells=np.zeros(8 * size, np.int32),
        table=np.zeros(2 * size, np.int32),
        union_keys=np.zeros(4 * size, np.int64),
        union_values=np.zeros(4 * size, np.int32),
        pair_keys=np.zeros(4 * size, np.int64),
        pair_values=np.zeros(4 * size, np.int32),
        scratch=np.zeros(8 * size, np.int32),
        tails=tails,
        rows=np.zeros((_ROWS, len(texts.leaves)), np.int32),
        row_table=np.zeros(2 * _ROWS, np.int32),
        step_keys=np.zeros(4 * _ROWS, np.int64),
        step_values=np.zeros(4 * _ROWS, np.int32),
    )
    made.nodes[_NODE + 2] = 1
    used, used_tails = 0, len(texts.symbols)
    for symbol in texts.symbols.tolist():
        below = [int(other) for other in texts.symbols if texts.below[symbol, other]]
        made.nodes[_NODE * tails[symbol] : _NODE * (tails[symbol] + 1)] = used, len(below), texts.bottom[symbol], 1
        made.cells[used : used + 2 * len(below)] = np.stack([below, tails[below]], axis=1).reshape(-1)
        used += 2 * len(below)
    made.state[[NODES, CELLS, LIMIT, TOO_MUCH, TAILS]] = 2 + used_tails, used, limit, too_much, used_tails
    return made


def is_new(m: Memory) -> bool:
    """Whether nothing has been made in a memory yet."""
    return bool(m.state[NODES] == 2 + m.state[TAILS])


# Nodes


@inner
def _mixed(a: int, b: int) -> int:
    h = int64(a) * 0x9E3779B97F4A7C1 + int64(b) * 0x2545F4914F6CDD1
    h ^= h >> 29
    h *= 0x1B873593CC9E2D51
    return h ^ (h >> 32)


@inner
def _arcs(m: Memory, node: int) -> tuple[int, int]:
    """Where the arcs (symbol, node) of a node begin and end."""
    start = int64(m.nodes[_NODE * node])
    return start, start + 2 * int64(m.nodes[_NODE * node + 1])


@inner
def _flag(m: Memory, node: int) -> int:
    """Whether the empty stack is in a set, 0 or 1."""
    return int64(m.nodes[_NODE * node + 2])


@inner
def _height(m: Memory, node: int) -> int:
    """The height of the highest stack of a set; that of a tail of any stacks counts one."""
    return int64(m.nodes[_NODE * node + 3])


@inner
def _is_at(m: Memory, node: int, flag: int, begin: int, count: int) -> bool:
    low, high = _arcs(m, node)
    if _flag(m, node) != flag or high - low != count:
        return False
    for i in range(count):
        if m.cells[low + i] != m.scratch[begin + i]:
            return False
    return True


@inner
def _interned(m: Memory, flag: int, begin: int) -> int:
    """The node with a flag and the arcs in `scratch` from a cell on, sorted by symbol; they are taken away there."""
    count = m.state[TOP] - begin
    m.state[TOP] = begin
    if count == 0:
        return int64(flag)
    mask = len(m.table) - 1
    h, height = int64(flag), int64(0)
    for i in range(count):
        h = _mixed(h, m.scratch[begin + i])
    slot = h & mask
    while m.table[slot] > 0:
        if _is_at(m, m.table[slot], flag, begin, count):
            return int64(m.table[slot])
        slot = (slot + 1) & mask
    node, start = m.state[NODES], m.state[CELLS]
    if _NODE * (node + 2) > len(m.nodes) or start + count > len(m.cells):
        m.state[FULL] = 1
        return 0
    for i in range(count):
        m.cells[start + i] = m.scratch[begin + i]
        if i % 2:
            height = max(height, 1 + _height(m, int64(m.scratch[begin + i])))
    m.table[slot] = node
    m.state[NODES], m.state[CELLS] = node + 1, start + count
    place = _NODE * node
    m.nodes[place], m.nodes[place + 1], m.nodes[place + 2], m.nodes[place + 3] = start, count // 2, flag, height
    return int64(node)


@inner
def _append(m: Memory, symbol: int, node: int) -> None:
    top = m.state[TOP]
    if top + 2 > len(m.scratch):
        m.state[FULL] = 1
    elif node != 0:
        m.scratch[top], m.scratch[top + 1] = symbol, node
        m.state[TOP] = top + 2


@inner
def _child(m: Memory, node: int, symbol: int) -> int:
    """What may be below a symbol."""
    low, high = _arcs(m, node)
    for i in range(low, high, 2):
        if m.cells[i] == symbol:
            return int64(m.cells[i + 1])
    return 0


@inner
def _limited(m: Memory, node: int, height: int, above: int) -> int:
    """A set, below a symbol, without its stacks above a height or, where too much is wanted, with tails behind it."""
    if _height(m, node) <= height:
        return int64(node)
    m.state[CUT] = 1
    if height <= 0:
        return int64(m.tails[above]) if m.state[TOO_MUCH] != 0 else _flag(m, node)
    key = int64(node) << 32 | int64(height) << 1 | 1
    slot = _mixed(node, -height) & (len(m.union_keys) - 1)
    if m.union_keys[slot] == key:
        return int64(m.union_values[slot])
    begin = m.state[TOP]
    low, high = _arcs(m, node)
    for i in range(low, high, 2):
        below = _limited(m, int64(m.cells[i + 1]), height - 1, int64(m.cells[i]))
        _append(m, m.cells[i], below)
    found = _interned(m, _flag(m, node), begin)
    m.union_keys[slot], m.union_values[slot] = key, found
    return found


@inner
def _cons(m: Memory, symbol: int, node: int) -> int:
    """The stacks of a node with a symbol on top."""
    below = _limited(m, node, m.state[LIMIT] - 1, symbol)
    begin = m.state[TOP]
    _append(m, symbol, below)
    return _interned(m, 0, begin)


@inner
def _union(m: Memory, x: int, y: int) -> int:
    """The union of two sets."""
    if x == y or y == 0:
        return int64(x)
    if x == 0:
        return int64(y)
    first, second = int64(min(x, y)), int64(max(x, y))
    slot, key = _mixed(first, second) & (len(m.union_keys) - 1), first << 32 | second << 1
    if m.union_keys[slot] == key:
        return int64(m.union_values[slot])
    begin = m.state[TOP]
    i, left = _arcs(m, first)
    j, right = _arcs(m, second)
    while i < left or j < right:
        a = m.cells[i] if i < left else 0x7FFFFFFF
        b = m.cells[j] if j < right else 0x7FFFFFFF
        over = int64(m.cells[i + 1]) if a <= b else int64(0)
        under = int64(m.cells[j + 1]) if b <= a else int64(0)
        symbol = int64(min(a, b))
        tail = int64(m.tails[symbol])
        _append(m, symbol, tail if over == tail or under == tail else _union(m, over, under))
        i += 2 * (a <= b)
        j += 2 * (b <= a)
    found = _interned(m, max(_flag(m, first), _flag(m, second)), begin)
    m.union_keys[slot], m.union_values[slot] = key, found
    return found


@inner
def _meet(m: Memory, x: int, y: int) -> bool:
    """Whether two sets have a stack in common."""
    if x == 0 or y == 0:
        return False
    if _flag(m, x) & _flag(m, y) or (min(x, y) >= 2 and max(x, y) < 2 + m.state[TAILS]):  # of two tails: assumed
        return True
    slot, key = _mixed(x, y) & (len(m.pair_keys) - 1), int64(x) << 32 | int64(y)
    if m.pair_keys[slot] == key:
        return bool(m.pair_values[slot] == 1)
    i, left = _arcs(m, x)
    j, right = _arcs(m, y)
    found = False
    while not found and i < left and j < right:
        a, b = m.cells[i], m.cells[j]
        if a == b:
            found = _meet(m, int64(m.cells[i + 1]), int64(m.cells[j + 1]))
        i += 2 * (a <= b)
        j += 2 * (b <= a)
    m.pair_keys[slot], m.pair_values[slot] = key, found
    return found


# Tokens


@inner
def _down(m: Memory, values: Cells, starts: Cells, atoms: Cells) -> None:
    """The nodes of a spine from its first ones, which have no atoms: what is below symbols.

    Node i has the atoms (parent, symbol) starts[i] … starts[i + 1]; symbol -1 takes nothing off.
    """
    for node in range(len(starts) - 1):
        if starts[node] < starts[node + 1]:
            found = int64(0)
            for i in range(starts[node], starts[node + 1]):
                parent, symbol = int64(values[atoms[2 * i]]), int64(atoms[2 * i + 1])
                if parent != 0:
                    found = _union(m, found, parent if symbol < 0 else _child(m, parent, symbol))
            values[node] = found


@inner
def _up(m: Memory, values: Cells, starts: Cells, ways: Cells) -> None:
    """The first nodes of a spine from the others: symbols are put on top.

    Node i has the ways (symbol, child) starts[i] … starts[i + 1], sorted by symbol; what is below one symbol is joined
    before it is put there, since small sets are joined more quickly, and more often the same ones.
    """
    for node in range(len(starts) - 2, -1, -1):
        i, end, found = int64(starts[node]), int64(starts[node + 1]), int64(values[node])
        while i < end and ways[2 * i] < 0:
            found = _union(m, found, int64(values[ways[2 * i + 1]]))
            i += 1
        begin = m.state[TOP]
        while i < end:
            symbol, below = int64(ways[2 * i]), int64(0)
            while i < end and ways[2 * i] == symbol:
                below = _union(m, below, int64(values[ways[2 * i + 1]]))
                i += 1
            if below != 0:
                _append(m, symbol, _limited(m, below, m.state[LIMIT] - 1, symbol))
        if m.state[TOP] > begin:
            found = _union(m, found, _interned(m, 0, begin))
        values[node] = found


@inner
def _step(m: Memory, stacks: Cells, kind: Cells, data: Cells, backwards: int, after: Cells) -> None:
    """Write the stacks of each state after a kind of token, or, backwards, before it; (Q,) int32 each."""
    first, second, other = kind[0], kind[2], kind[4]
    edges = data[other : other + 2 * kind[5]]
    starts = data[first : first + kind[1] + 1]
    ends = data[kind[7] : kind[7] + kind[3] + 1]
    if backwards:
        starts = data[second : second + kind[3] + 1]
        ends = data[kind[6] : kind[6] + kind[1] + 1]
    over, under = np.zeros(len(starts) - 1, np.int32), np.zeros(len(ends) - 1, np.int32)
    over[: len(stacks)] = stacks
    _down(m, over, starts, data)
    for i in range(len(edges) // 2):
        value = int64(over[edges[2 * i + backwards]])
        if value != 0:
            place = edges[2 * i + 1 - backwards]
            under[place] = _union(m, under[place], value)
    _up(m, under, ends, data)
    after[:] = under[: len(after)]


@inner
def _after_any_text(m: Memory, before: Cells, texts: Texts, after: Cells) -> None:
    """Write the stacks of each state that some text leads to, (Q,) int32 each."""
    after[:] = before
    changed = True
    while changed and m.state[FULL] == 0:
        changed = False
        own = after.copy()
        for i in range(len(texts.calls) // 3):
            caller, called, pushed = texts.calls[3 * i], texts.calls[3 * i + 1], int64(texts.calls[3 * i + 2])
            own[called] = _union(m, own[called], _cons(m, pushed, after[caller]))
        for state in range(len(after)):
            if texts.leaves[state] != 0:
                for symbol in texts.symbols:
                    own[symbol] = _union(m, own[symbol], _child(m, after[state], int64(symbol)))
        for state in range(len(after)):
            for i in range(texts.starts[state], texts.starts[state + 1]):
                other = texts.reached[i]
                node = _union(m, after[other], own[state])
                changed |= node != after[other]
                after[other] = node


@inner
def _before_any_text(m: Memory, after: Cells, texts: Texts, before: Cells) -> None:
    """Write the stacks of each state from which some text leads to those behind it, (Q,) int32 each."""
    before[:] = after
    changed = True
    while changed and m.state[FULL] == 0:
        changed = False
        own = before.copy()
        for i in range(len(texts.calls) // 3):
            caller, called, pushed = texts.calls[3 * i], texts.calls[3 * i + 1], int64(texts.calls[3 * i + 2])
            own[caller] = _union(m, own[caller], _child(m, before[called], pushed))
        popped = int64(0)
        for symbol in texts.symbols:
            popped = _union(m, popped, _cons(m, int64(symbol), before[symbol]))
        for state in range(len(before)):
            node = int64(before[state])
            for i in range(texts.starts[state], texts.starts[state + 1]):
                node = _union(m, node, own[texts.reached[i]])
            if texts.leaves[state] != 0:
                node = _union(m, node, popped)
            changed |= node != before[state]
            before[state] = node


@inner
def _equal(left: Cells, right: Cells) -> bool:
    for i in range(len(left)):
        if left[i] != right[i]:
            return False
    return True


# Rows: the sets of all states at a position.  The same ones come again and again while a text changes.


@inner
def _row_number(m: Memory, row: Cells) -> int:
    """The number of a row, which is remembered; there must be room."""
    mask, h = len(m.row_table) - 1, int64(len(row))
    for i in range(len(row)):
        h = _mixed(h, int64(row[i]))
    slot = h & mask
    while m.row_table[slot] > 0:
        if _equal(m.rows[m.row_table[slot]], row):
            return int64(m.row_table[slot])
        slot = (slot + 1) & mask
    number = m.state[ROWS] + 1
    m.state[ROWS] = number
    m.rows[number] = row
    m.row_table[slot] = number
    return int64(number)


@inner
def _stepped(m: Memory, row: Cells, kind: int, layout: Cells, data: Cells, texts: Texts, back: int, new: Cells) -> None:
    """Write the row on the other side of a position."""
    if m.state[ROWS] + 3 > len(m.rows):
        m.state[ROWS] = 0
        m.row_table[:] = 0
        m.step_keys[:] = 0
    number = _row_number(m, row)
    key = number << 32 | (int64(kind) + 8) << 1 | back
    slot = _mixed(number, 2 * int64(kind) + back) & (len(m.step_keys) - 1)
    if m.step_keys[slot] == key:
        new[:] = m.rows[m.step_values[slot]]
        return
    new[:] = 0
    if kind == ANY:
        if back != 0:
            _before_any_text(m, row, texts, new)
        else:
            _after_any_text(m, row, texts, new)
    elif kind >= OPTIONAL:
        _step(m, row, layout[max(kind, 0)], data, back, new)
    if kind == OPTIONAL:
        for state in range(len(new)):
            new[state] = _union(m, new[state], row[state])
    m.step_keys[slot], m.step_values[slot] = key, _row_number(m, new)


@kernel
def forwards(
    m: Memory,
    rows: Cells,
    kinds: Cells,
    layout: Cells,
    data: Cells,
    texts: Texts,
    begin: int,
    end: int,
    steady: int,
) -> int:
    """Write rows begin + 1 … end of stacks before positions from row `begin`; the first that was so already, or -1.

    rows     (positions + 1, Q) int32
    kinds    of positions; HOLE and OPTIONAL are those of any token
    layout   where `data` has each kind, row 0 that of any token; see `frontiers.Moves`
    texts    what texts of any length do, for kind ANY
    steady   the first row that may be as it was
    """
    new = np.zeros(rows.shape[1], np.int32)
    for i in range(begin, end):
        _stepped(m, rows[i], int64(kinds[i]), layout, data, texts, 0, new)
        if i + 1 >= steady and _equal(new, rows[i + 1]):
            return i + 1
        rows[i + 1] = new
    return -1


@kernel
def backwards(
    m: Memory,
    rows: Cells,
    kinds: Cells,
    layout: Cells,
    data: Cells,
    texts: Texts,
    begin: int,
    end: int,
    steady: int,
    finals: Cells,
    may_end: int,
) -> int:
    """Write rows begin - 1 … end of stacks from which positions can be finished, from row `begin`; as in `forwards`.

    finals     states in which a text may end
    may_end    the first row at which it may do so though positions follow
    """
    new = np.zeros(rows.shape[1], np.int32)
    for i in range(begin - 1, end - 1, -1):
        _stepped(m, rows[i + 1], int64(kinds[i]), layout, data, texts, 1, new)
        if i >= may_end:
            for state in finals:
                new[state] = _union(m, new[state], 1)
        if i <= steady and _equal(new, rows[i]):
            return i
        rows[i] = new
    return -1


@kernel
def meets(m: Memory, before: Cells, after: Cells) -> bool:
    """Whether some state has a stack in both rows of nodes, (Q,) int32."""
    for state in range(len(before)):
        if _meet(m, int64(before[state]), int64(after[state])):
            return True
    return False


@kernel
def allowed_classes(
    m: Memory,
    befores: Cells,
    afters: Cells,
    places: Cells,
    kind: Cells,
    data: Cells,
    classes: Cells,
    members: Cells,
    allowed: np.ndarray,
) -> None:
    """Write which classes of tokens lead from the stacks before positions to those behind them.

    befores, afters    (positions + 1, Q) int32, as `forwards` and `backwards` write them
    places             positions
    kind               where `data` has the edges of all classes
    classes, members   of class i, numbers of its edges members[classes[i]] … [classes[i + 1]]
    allowed            (positions, classes) bool
    """
    first, second, other = kind[0], kind[2], kind[4]
    edges = data[other : other + 2 * kind[5]]
    starts, ends = data[first : first + kind[1] + 1], data[second : second + kind[3] + 1]
    over, under = np.zeros(len(starts) - 1, np.int32), np.zeros(len(ends) - 1, np.int32)
    live = np.zeros(kind[5], np.bool_)
    for place in places:
        over[: befores.shape[1]] = befores[place]
        under[: afters.shape[1]] = afters[place + 1]
        _down(m, over, starts, data)
        _down(m, under, ends, data)
        for i in range(len(live)):
            live[i] = _meet(m, int64(over[edges[2 * i]]), int64(under[edges[2 * i + 1]]))
        for i in range(allowed.shape[1]):
            allowed[place, i] = False
            for j in range(classes[i], classes[i + 1]):
                allowed[place, i] |= live[members[j]]
