"""A queue for best-first searches (Hart, Nilsson and Raphael 1968, "A*"), in one array that kernels can enlarge.

An entry is a thing that has been found, named by its number: how it was reached, what that cost, and its priority,
the lowest first; of equal ones the one that cost more so far, which is nearer to the goal, then the one found first.
A hash table finds the entry of a thing, a binary heap the best of those that have not been taken.

The array of int64: capacity, number of entries, size of the heap; the entries; the heap; the table.
"""

from typing import Any, TypeAlias

import numpy as np

from constrain.grammars.automata._jit import inner, int64

KERNELS = "de716cabbe365690"

Queue: TypeAlias = Any  # an array of int64

CAPACITY, ENTRIES, WAITING = 0, 1, 2

# Cells of an entry.
THING, COST, PRIORITY, PARENT, SYMBOL, PLACE = 0, 1, 2, 3, 4, 5  # PLACE: index in the heap, -1 when taken
_ENTRY = 6
_FIRST = 3


@inner
def new_queue(capacity: int) -> Queue:
    """An empty queue; `capacity` is a power of two."""
    queue = np.empty(_FIRST + capacity * (_ENTRY + 3), np.int64)
    queue[CAPACITY], queue[ENTRIES], queue[WAITING] = capacity, 0, 0
    for i in range(_FIRST + capacity * (_ENTRY + 1), queue.size):
        queue[i] = -1
    return queue


@inner
def entry_cell(queue: Queue, entry: int, cell: int) -> int:
    """A cell of an entry."""
    return int64(queue[_FIRST + _ENTRY * entry + cell])


@inner
def _slot(queue: Queue, thing: int) -> int:
    """The cell of the table that has the entry of a thing, or in which it belongs."""
    size = 2 * queue[CAPACITY]
    table = queue.size - size
    slot = (thing * 0x9E3779B1) & (size - 1)
    while queue[table + slot] >= 0 and entry_cell(queue, queue[table + slot], THING) != thing:
        slot = (slot + 1) & (size - 1)
    return int64(table + slot)


@inner
def _enlarged(queue: Queue) -> Queue:
    capacity, count = queue[CAPACITY], queue[ENTRIES]
    grown = new_queue(2 * capacity)
    grown[ENTRIES], grown[WAITING] = count, queue[WAITING]
    heap, moved = _FIRST + _ENTRY * capacity, _FIRST + 2 * _ENTRY * capacity
    for i in range(_FIRST, _FIRST + _ENTRY * count):
        grown[i] = queue[i]
    for i in range(queue[WAITING]):
        grown[moved + i] = queue[heap + i]
    for entry in range(count):
        grown[_slot(grown, entry_cell(grown, entry, THING))] = entry
    return grown


@inner
def _before(queue: Queue, a: int, b: int) -> bool:
    if entry_cell(queue, a, PRIORITY) != entry_cell(queue, b, PRIORITY):
        return entry_cell(queue, a, PRIORITY) < entry_cell(queue, b, PRIORITY)
    if entry_cell(queue, a, COST) != entry_cell(queue, b, COST):
        return entry_cell(queue, a, COST) > entry_cell(queue, b, COST)
    return a < b


@inner
def _set_place(queue: Queue, place: int, entry: int) -> None:
    queue[_FIRST + _ENTRY * queue[CAPACITY] + place] = entry
    queue[_FIRST + _ENTRY * entry + PLACE] = place


@inner
def _rise(queue: Queue, entry: int, place: int) -> None:
    heap = _FIRST + _ENTRY * queue[CAPACITY]
    while place > 0 and _before(queue, entry, queue[heap + (place - 1) // 2]):
        _set_place(queue, place, queue[heap + (place - 1) // 2])
        place = (place - 1) // 2
    _set_place(queue, place, entry)


@inner
def offer(queue: Queue, thing: int, cost: int, rest: int, parent: int, symbol: int) -> Queue:
    """Add a thing, reached at a cost from entry `parent` by a symbol, unless it is known to cost no more.

    `rest` is what is thought to be left; the priority is `cost` + `rest`.  The queue, enlarged if need be.
    """
    if queue[ENTRIES] == queue[CAPACITY]:
        queue = _enlarged(queue)
    slot = _slot(queue, thing)
    entry = queue[slot]
    if entry >= 0:
        if entry_cell(queue, entry, COST) <= cost:
            return queue
        place = entry_cell(queue, entry, PLACE)
        if place < 0:  # it was taken too early: the estimates were not consistent
            place = queue[WAITING]
            queue[WAITING] += 1
    else:
        entry = queue[ENTRIES]
        queue[ENTRIES] += 1
        queue[slot] = entry
        place = queue[WAITING]
        queue[WAITING] += 1
    cell = _FIRST + _ENTRY * entry
    queue[cell + THING], queue[cell + COST], queue[cell + PRIORITY] = thing, cost, cost + rest
    queue[cell + PARENT], queue[cell + SYMBOL] = parent, symbol
    _rise(queue, entry, place)
    return queue


@inner
def take(queue: Queue) -> int:
    """The best entry that is waiting, which waits no longer; -1 when there is none."""
    waiting = queue[WAITING]
    if waiting == 0:
        return -1
    heap = _FIRST + _ENTRY * queue[CAPACITY]
    best = queue[heap]
    queue[_FIRST + _ENTRY * best + PLACE] = -1
    queue[WAITING] = waiting - 1
    last, size = queue[heap + waiting - 1], waiting - 1
    if size > 0:
        place = 0
        while True:
            child = 2 * place + 1
            if child >= size:
                break
            if child + 1 < size and _before(queue, queue[heap + child + 1], queue[heap + child]):
                child += 1
            if not _before(queue, queue[heap + child], last):
                break
            _set_place(queue, place, queue[heap + child])
            place = child
        _set_place(queue, place, last)
    return int64(best)
