"""Refining partitions: the classes of tokens that no state tells apart.

A partition is a class number for each thing.  Refining it by a column of values splits each class into those with
equal values; classes are numbered in the order in which they first occur, so that equal partitions are equal arrays.
"""

import numpy as np

from constrain.grammars.automata._jit import Cells, int64, kernel

KERNELS = "de716cabbe365690"

_MIX = 0x9E3779B97F4A7C15 - (1 << 64)  # as an int64


@kernel
def refine(classes: Cells, values: Cells) -> int:
    """Refine a partition by one column of values, both (n,) int32; the number of classes."""
    rows = 4
    while rows < 2 * classes.size:
        rows *= 2
    table = np.empty((rows, 3), np.int32)  # class, value, number
    for slot in range(rows):
        table[slot, 2] = -1
    count, last = 0, rows - 1
    for i in range(classes.size):
        old, value = classes[i], values[i]
        slot = ((int64(old) << 32 ^ int64(value)) * _MIX >> 20) & last
        while table[slot, 2] >= 0 and (table[slot, 0] != old or table[slot, 1] != value):
            slot = (slot + 1) & last
        if table[slot, 2] < 0:
            table[slot, 0], table[slot, 1], table[slot, 2] = old, value, count
            count += 1
        classes[i] = table[slot, 2]
    return count
