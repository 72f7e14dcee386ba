"""Copying many masks into the rows of a bitmask in one call."""

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import kernel, memory_at

KERNELS = "de716cabbe365690"


@kernel
def copy_masks(sources: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], words: int) -> None:
    """Copy `words` 32-bit words from each address of `sources` to that of `targets`, both (n,) int64."""
    for i in range(sources.size):
        source, target = memory_at(sources[i]), memory_at(targets[i])
        for word in range(words):
            target[word] = source[word]
