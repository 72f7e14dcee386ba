"""Refining partitions: the classes of tokens that no state tells apart, and of states that no text tells apart.

A partition is a class number for each thing.  Refining it by a column of values splits each class into those with
equal values; classes are numbered in the order in which they first occur, so that equal partitions are equal arrays.
"""

import numpy as np

from constrain.grammars.automata._jit import Cells, inner, kernel

KERNELS = "99dbd823e1a444b9"

_MIX = 0x9E3779B97F4A7C15 - (1 << 64)  # as an int64


@inner
def _refine(classes: Cells, values: Cells, table: Cells) -> int:
    """Refine a partition by a column of values; the number of classes.

    `table` (at least twice as many rows as things, a power of two; 3) is scratch: class, value, number.
    """
    for slot in range(table.shape[0]):
        table[slot, 2] = -1
    count, last = 0, table.shape[0] - 1
    for i in range(classes.size):
        old, value = classes[i], values[i]
        slot = (((np.int64(old) << 32) ^ np.int64(value)) * _MIX >> 20) & last
        while table[slot, 2] >= 0 and (table[slot, 0] != old or table[slot, 1] != value):
            slot = (slot + 1) & last
        if table[slot, 2] < 0:
            table[slot, 0], table[slot, 1], table[slot, 2] = old, value, count
            count += 1
        classes[i] = table[slot, 2]
    return count


@inner
def _scratch(size: int) -> Cells:
    rows = 4
    while rows < 2 * size:
        rows *= 2
    return np.empty((rows, 3), np.int32)


@kernel
def refine(classes: Cells, values: Cells) -> int:
    """Refine a partition by one column of values, both (n,) int32; the number of classes."""
    return _refine(classes, values, _scratch(classes.size))


@kernel
def coarsest(transitions: Cells, classes: Cells) -> int:
    """Refine a partition of states until states of one class go on to equal classes (Moore 1956); their number.

    `transitions` is (n, m) int32, flattened, with -1 for none; `classes` is (n,) int32.
    """
    states = classes.size
    columns = transitions.size // states
    table, targets = _scratch(states), np.empty(states, np.int32)
    count, before = _refine(classes, classes.copy(), table), 0
    while count > before:
        before = count
        current = classes.copy()
        for column in range(columns):
            for state in range(states):
                target = transitions[state * columns + column]
                targets[state] = current[target] if target >= 0 else -1
            count = _refine(classes, targets, table)
    return count
