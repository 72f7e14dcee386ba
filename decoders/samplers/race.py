"""Tokens of a law in the order of draws without replacement, as many as are asked for.

The order costs one exponential over the vocabulary, no sort and no random number a token.  Masses are summed in blocks
of 64; a draw chooses a block and then a token in it, and what is taken out changes the sum of one block.  The mass that
is left is always a sum of what is left, never a difference, so that tokens of tiny probability keep their order and
their mass however much is taken out before them; and the exponentials are made anew, relative to the largest of what is
left, before any of them could be lost to the range of float64.
"""

import math

import numpy as np

from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.scoring import Row

__all__ = ["Race"]

_BLOCK = 64
_LEAST_TOTAL = 1e-30  # of masses relative to the largest, before they are made anew; float64 reaches to 1e-308


class Race:
    """The tokens of a row of log-probabilities (V,), in random order.

    is_empty   no token of positive probability is left
    """

    __slots__ = ("_blocks", "_chance", "_cumulated", "_masses", "_out", "_row", "_shift", "is_empty")

    def __init__(self, row: Row, chance: Chance) -> None:
        self._row, self._chance = row, chance
        self._out: set[int] = set()
        self._exponentiate()

    def _exponentiate(self) -> None:
        size = len(self._row)
        masses = np.zeros(-(-size // _BLOCK) * _BLOCK)
        left = masses[:size]
        left[:] = self._row
        if self._out:
            left[list(self._out)] = -np.inf
        self._shift = float(left.max())
        self.is_empty = self._shift == -math.inf
        if not self.is_empty:
            left -= self._shift
            np.exp(left, out=left)
            self._masses = masses.reshape(-1, _BLOCK)
            self._blocks = self._masses.sum(axis=1)
            self._cumulated = np.cumsum(self._blocks)

    @property
    def log_left(self) -> float:
        """The log of the mass that is left."""
        return -math.inf if self.is_empty else self._shift + math.log(float(self._cumulated[-1]))

    def draw(self) -> int:
        """A token that is left, in proportion to its probability; it stays."""
        block = self._chance.choose_cumulated(self._cumulated)
        return block * _BLOCK + self._chance.choose_one(self._masses[block])

    def take_out(self, token: int) -> None:
        """Take out a token that is left."""
        self._out.add(token)
        block, place = divmod(token, _BLOCK)
        masses = self._masses[block]
        masses[place] = 0.0
        self._blocks[block] = masses.sum()
        self._cumulated = np.cumsum(self._blocks)
        if self._cumulated[-1] < _LEAST_TOTAL:
            self._exponentiate()

    def log_probability(self, token: int) -> float:
        """The log-probability of a token."""
        return float(self._row[token])

    def without(self) -> set[int]:
        """The tokens that are out."""
        return self._out
