"""Tokens of a law in the order of draws without replacement, as many as are asked for.

The order costs one exponential and one running sum over the vocabulary, no sort and no random number a token: a token
is drawn by inversion, and again if it has been taken out.  When half of the mass is out, the running sum is made anew
from what is left, relative to its largest member; so the mass that is left is never a difference of nearly equal
numbers, and tokens of tiny probability keep their order and their mass however much is taken out before them.
"""

import math

import numpy as np

from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.scoring import Row

__all__ = ["Race"]

_MOST_GONE = 0.5  # of the mass, before the running sum is made anew


class Race:
    """The tokens of a row of log-probabilities (V,), in random order.

    is_empty   no token of positive probability is left
    """

    __slots__ = ("_chance", "_cumulated", "_gone", "_left", "_out", "_row", "_shift", "is_empty")

    def __init__(self, row: Row, chance: Chance) -> None:
        self._row, self._chance = row, chance
        self._out: set[int] = set()
        self._sum_up()

    def _sum_up(self) -> None:
        left = self._row
        if self._out:
            left = left.copy()
            left[list(self._out)] = -np.inf
        shift = float(left.max())
        self.is_empty = shift == -math.inf
        self._shift, self._gone = shift, 0.0
        if not self.is_empty:
            self._cumulated = np.cumsum(np.exp(left - shift))
            self._left = float(self._cumulated[-1])

    @property
    def log_left(self) -> float:
        """The log of the mass that is left."""
        return -math.inf if self.is_empty else self._shift + math.log(self._left - self._gone)

    def draw(self) -> int:
        """A token that is left, in proportion to its probability; it stays."""
        while True:
            token = self._chance.choose_cumulated(self._cumulated)
            if token not in self._out:
                return token

    def take_out(self, token: int) -> None:
        """Take out a token that is left."""
        self._out.add(token)
        self._gone += math.exp(float(self._row[token]) - self._shift)
        if self._gone > _MOST_GONE * self._left:
            self._sum_up()

    def log_probability(self, token: int) -> float:
        """The log-probability of a token."""
        return float(self._row[token])

    def without(self) -> set[int]:
        """The tokens that are out."""
        return self._out
