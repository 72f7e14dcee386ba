"""The hash-consing store: every automaton object is an interned vector of integers.

Regular expressions, word tries, lexer states, parser sets and configurations are all made the same way: a
*kind* and a vector of ``int32`` arguments, most of them ids of other objects.  Equal vectors get the same id,
so equality of arbitrarily deep structures is equality of two integers, and what was computed once for an
object is found again through its id (Ershov, "On programming of arithmetic operations", 1958).

The store is **one** ``int32`` array, the *memory*: a header of offsets and counters, then blocks, then vectors
in the order in which they were made.  One flat array is what numba compiles fastest and calls cheapest (0.3 µs
against 0.7 µs for a struct of arrays); it also makes a store position-independent data: copying it forks it,
writing it to a file saves it.

Growth.  A kernel cannot enlarge the array it was given.  When a block runs out of space, every primitive below
turns into a no-op that sets the status to `FULL`; nothing that is already in the store changes, and nothing
wrong is added to it.  The caller (`Arena`) then calls `enlarge` and the kernel again; what had been interned
before is found, not made again.  This is why memos are written through `set_memo` and `remember` only.

The memory comes zeroed, and what lies behind `FREE` has never been written.  Empty slots of the tables are zero, so
that large empty tables cost nothing: the system makes a page of memory when it is first touched.

Layout of an object row: kind, offset and length of the vector, flags, hash, three memo cells whose meaning
belongs to the kind.
"""

import numpy as np

from constrain.grammars.automata._jit import Memory, inner, int64, kernel, memory_at, service

KERNELS = "de716cabbe365690"

# Header cells.
FREE = 0  # first unused cell
STATUS = 1  # one of the values below
SIZE = 2  # number of cells of the memory
COUNT = 3  # number of objects
OBJECTS, OBJECTS_CAPACITY = 4, 5
TABLE, TABLE_CAPACITY = 6, 7  # open addressing: slot -> object id + 1, or 0
MEMO, MEMO_CAPACITY, MEMO_COUNT = 8, 9, 10  # open addressing: (a + 1, b) -> value, in triples; 0 where there is none
STACK, STACK_CAPACITY, TOP = 11, 12, 13  # scratch on which vectors are put together
WORK = 14  # objects made and states searched in this call
WORK_LIMIT = 15
STACK_IS_FULL = 61  # set when it was the stack that ran full
HEADER = 64

# Status values.
OK, FULL, OUT_OF_WORK, NEEDS_RULE, NEEDS_ROW, NEEDS_LENGTH, NEEDS_FOLLOWER, NEEDS_LEXER_ROW, NEEDS_SEVERAL = range(9)

# Columns of an object row.
KIND, OFFSET, LENGTH, FLAGS, HASH, MEMO_A, MEMO_B, MEMO_C = 0, 1, 2, 3, 4, 5, 6, 7
COLUMNS = 8

_GUARD = 64  # cells behind the stack that may be read, though not written, after it has run full

_LARGE = 1 << 19

_MIX_1 = np.uint64(0x9E3779B97F4A7C15)
_MIX_2 = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(29), np.uint64(32), np.uint64(17)
_LOW_31 = np.uint64(0x7FFFFFFF)


@kernel
def initialise(address: int, size: int) -> None:
    """Lay out an empty store in a memory of `size` (at least 16,384) cells, all zero."""
    m = memory_at(address)
    m[SIZE] = size
    m[FREE] = HEADER
    m[WORK_LIMIT] = 2_000_000_000
    scale = 32 if size >= _LARGE else 1
    _lay_out(m, 128 * scale, 256 * scale, 1024 * scale)
    m[TOP] = m[STACK]


@inner
def _lay_out(m: Memory, objects: int, memos: int, stack: int) -> None:
    """Place empty blocks of the given capacities at the end of the memory, where all is zero."""
    m[OBJECTS], m[OBJECTS_CAPACITY] = m[FREE], objects
    m[TABLE], m[TABLE_CAPACITY] = m[OBJECTS] + objects * COLUMNS, 2 * objects
    m[MEMO], m[MEMO_CAPACITY] = m[TABLE] + 2 * objects, memos
    m[STACK], m[STACK_CAPACITY] = m[MEMO] + 3 * memos, stack
    m[FREE] = m[STACK] + stack + _GUARD


@kernel
def cells_after_growth(address: int) -> int:
    """An upper bound of the cells that `enlarge` needs."""
    m = memory_at(address)
    blocks = m[OBJECTS_CAPACITY] * (COLUMNS + 2) + 3 * m[MEMO_CAPACITY] + m[STACK_CAPACITY] + _GUARD
    return m[FREE] + 2 * int64(blocks)


@kernel
def enlarge(address: int, size: int) -> None:
    """Double those blocks that are nearly full, by moving them to the end; the stack is emptied.

    The memory has `size` cells, at least `cells_after_growth`.
    """
    m = memory_at(address)
    m[SIZE] = size
    old_objects, count = int64(m[OBJECTS]), int64(m[COUNT])
    old_memo, old_capacity = int64(m[MEMO]), int64(m[MEMO_CAPACITY])
    objects, memos, stack = m[OBJECTS_CAPACITY], old_capacity, m[STACK_CAPACITY]
    if 4 * count > 3 * objects:
        objects *= 2
    if 3 * int64(m[MEMO_COUNT]) > memos:
        memos *= 2
    if m[STACK_IS_FULL]:
        stack *= 2
    m[STACK_IS_FULL] = 0
    if objects > m[OBJECTS_CAPACITY] or memos > old_capacity or stack > m[STACK_CAPACITY]:
        _lay_out(m, objects, memos, stack)
        new_objects = int64(m[OBJECTS])
        for i in range(count * COLUMNS):
            m[new_objects + i] = m[old_objects + i]
        for number in range(count):
            slot = int64(m[new_objects + COLUMNS * number + HASH])
            m[_free_slot(m, slot)] = number + 1
        for cell in range(old_memo, old_memo + 3 * old_capacity, 3):
            if m[cell] > 0:
                target = _memo_slot(m, int64(m[cell]) - 1, m[cell + 1])
                m[target], m[target + 1], m[target + 2] = m[cell], m[cell + 1], m[cell + 2]
    m[TOP] = m[STACK]


@inner
def _free_slot(m: Memory, hashed: int) -> int:
    """The cell of the hash table in which an object with this hash, known to be new, belongs."""
    table, mask = int64(m[TABLE]), int64(m[TABLE_CAPACITY]) - 1
    slot = hashed & mask
    while m[table + slot] > 0:
        slot = (slot + 1) & mask
    return table + slot


@inner
def push(m: Memory, value: int) -> None:
    """Put `value` on the stack."""
    top = int64(m[TOP])
    if top == m[STACK] + m[STACK_CAPACITY]:
        m[STATUS] = FULL
        m[STACK_IS_FULL] = 1
    else:
        m[top] = value
        m[TOP] = top + 1


@inner
def height(m: Memory) -> int:
    """Number of values on the stack; the stack may move, so positions are kept as heights."""
    return int64(m[TOP]) - int64(m[STACK])


@inner
def at(m: Memory, position: int) -> int:
    """The value at `position` of the stack, counted from its bottom."""
    return int64(m[m[STACK] + position])


@inner
def put(m: Memory, position: int, value: int) -> None:
    """Replace the value at `position` of the stack."""
    m[m[STACK] + position] = value


@inner
def cut(m: Memory, position: int) -> None:
    """Drop all of the stack from `position` up."""
    m[TOP] = m[STACK] + position


@inner
def _hash(m: Memory, kind: int, offset: int, size: int) -> int:
    mixed = np.uint64(kind) * _MIX_1
    for i in range(offset, offset + size):
        mixed = (mixed ^ np.uint64(m[i])) * _MIX_2
        mixed ^= mixed >> _SHIFT_1
    mixed ^= mixed >> _SHIFT_2
    return int64(mixed & _LOW_31)


@inner
def _find(m: Memory, kind: int, hashed: int, offset: int, size: int) -> int:
    """The object with this content, or -1."""
    table, mask = int64(m[TABLE]), int64(m[TABLE_CAPACITY]) - 1
    objects = int64(m[OBJECTS])
    slot = hashed & mask
    while m[table + slot] > 0:
        number = int64(m[table + slot]) - 1
        row = objects + COLUMNS * number
        if m[row + HASH] == hashed and m[row + KIND] == kind and m[row + LENGTH] == size:
            other = int64(m[row + OFFSET])
            i = 0
            while i < size and m[other + i] == m[offset + i]:
                i += 1
            if i == size:
                return number
        slot = (slot + 1) & mask
    return -1


@service
def intern(m: Memory, kind: int, position: int) -> int:
    """The id of the object of `kind` whose vector lies on the stack from `position` up; the vector is popped.

    A new object has flags 0 and memo cells -1.  When the call has failed, the id is 0.
    """
    offset = int64(m[STACK]) + position
    size = int64(m[TOP]) - offset
    m[TOP] = offset
    if m[STATUS] != OK:
        return 0
    hashed = _hash(m, kind, offset, size)
    number = _find(m, kind, hashed, offset, size)
    if number >= 0:
        return number
    number = int64(m[COUNT])
    vector = int64(m[FREE])
    if number == m[OBJECTS_CAPACITY] or vector + size > m[SIZE]:
        m[STATUS] = FULL
        return 0
    for i in range(size):
        m[vector + i] = m[offset + i]
    m[FREE] = vector + size
    m[_free_slot(m, hashed)] = number + 1
    row = int64(m[OBJECTS]) + COLUMNS * number
    m[row + KIND], m[row + OFFSET], m[row + LENGTH] = kind, vector, size
    m[row + FLAGS], m[row + HASH] = 0, hashed
    m[row + MEMO_A], m[row + MEMO_B], m[row + MEMO_C] = -1, -1, -1
    m[COUNT] = number + 1
    m[WORK] += 1
    return number


@inner
def intern_1(m: Memory, kind: int, a: int) -> int:
    """The id of the object `kind` [a]."""
    position = height(m)
    push(m, a)
    return intern(m, kind, position)


@inner
def intern_2(m: Memory, kind: int, a: int, b: int) -> int:
    """The id of the object `kind` [a, b]."""
    position = height(m)
    push(m, a)
    push(m, b)
    return intern(m, kind, position)


@inner
def intern_3(m: Memory, kind: int, a: int, b: int, c: int) -> int:
    """The id of the object `kind` [a, b, c]."""
    position = height(m)
    push(m, a)
    push(m, b)
    push(m, c)
    return intern(m, kind, position)


@inner
def row_of(m: Memory, number: int) -> int:
    """Offset of the row of an object."""
    return int64(m[OBJECTS]) + COLUMNS * number


@inner
def kind_of(m: Memory, number: int) -> int:
    """Kind of an object."""
    return int64(m[m[OBJECTS] + COLUMNS * number + KIND])


@inner
def vector_of(m: Memory, number: int) -> int:
    """Offset of the vector of an object."""
    return int64(m[m[OBJECTS] + COLUMNS * number + OFFSET])


@inner
def length_of(m: Memory, number: int) -> int:
    """Length of the vector of an object."""
    return int64(m[m[OBJECTS] + COLUMNS * number + LENGTH])


@inner
def argument(m: Memory, number: int, i: int) -> int:
    """Cell `i` of the vector of an object."""
    return int64(m[m[m[OBJECTS] + COLUMNS * number + OFFSET] + i])


@inner
def memo(m: Memory, number: int, column: int) -> int:
    """A memo cell or the flags of an object."""
    return int64(m[m[OBJECTS] + COLUMNS * number + column])


@inner
def set_memo(m: Memory, number: int, column: int, value: int) -> None:
    """Write a memo cell or the flags of an object, unless the present call has failed."""
    if m[STATUS] == OK:
        m[m[OBJECTS] + COLUMNS * number + column] = value


@inner
def store_stack(m: Memory, position: int) -> int:
    """Move the stack from `position` up into cells of its own; their offset (0 when the call has failed)."""
    source = int64(m[STACK]) + position
    size = int64(m[TOP]) - source
    m[TOP] = source
    offset = int64(m[FREE])
    if offset + size > m[SIZE]:
        m[STATUS] = FULL
    if m[STATUS] != OK:
        return 0
    for i in range(size):
        m[offset + i] = m[source + i]
    m[FREE] = offset + size
    return offset


@service
def sort_unique(m: Memory, position: int) -> int:
    """Sort the stack from `position` up and drop repetitions (Shell 1959, gaps of Ciura's kind)."""
    start, end = int64(m[STACK]) + position, int64(m[TOP])
    gap = 1
    while 9 * gap < 4 * (end - start):
        gap = 9 * gap // 4 + 1
    while gap > 0:
        for i in range(start + gap, end):
            value = m[i]
            j = i
            while j - gap >= start and m[j - gap] > value:
                m[j] = m[j - gap]
                j -= gap
            m[j] = value
        gap = 4 * gap // 9
    kept = min(start + 1, end)
    for i in range(start + 1, end):
        if m[i] != m[i - 1]:
            m[kept] = m[i]
            kept += 1
    m[TOP] = kept
    return 0


@inner
def _memo_slot(m: Memory, a: int, b: int) -> int:
    mixed = (np.uint64(a) << _SHIFT_2 ^ np.uint64(b)) * _MIX_2
    mixed ^= mixed >> _SHIFT_3
    mixed *= _MIX_1
    mixed ^= mixed >> _SHIFT_2
    table, mask = int64(m[MEMO]), int64(m[MEMO_CAPACITY]) - 1
    slot = int64(mixed & _LOW_31) & mask
    while True:
        cell = table + 3 * slot
        if m[cell] == 0 or (m[cell] == a + 1 and m[cell + 1] == b):
            return cell
        slot = (slot + 1) & mask


@inner
def recall(m: Memory, a: int, b: int) -> int:
    """What was remembered for the pair (a, b), or -1."""
    cell = _memo_slot(m, a, b)
    return int64(m[cell + 2]) if m[cell] > 0 else -1


@inner
def remember(m: Memory, a: int, b: int, value: int) -> None:
    """Remember `value` for the pair (a, b), both at least 0, unless the present call has failed."""
    if m[STATUS] != OK:
        return
    cell = _memo_slot(m, a, b)
    if m[cell] == 0:
        if 2 * int64(m[MEMO_COUNT]) >= m[MEMO_CAPACITY]:
            m[STATUS] = FULL
            return
        m[MEMO_COUNT] += 1
        m[cell], m[cell + 1] = a + 1, b
    m[cell + 2] = value
