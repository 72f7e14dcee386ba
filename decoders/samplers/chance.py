"""All randomness of the samplers: a few kinds of choices, so that tests can make each of them in every possible way."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Chance", "systematic_breaks"]

Masses = npt.NDArray[np.float64]


class Chance:
    """Choices that come from one generator of random numbers."""

    __slots__ = ("rng",)

    def __init__(self, rng: np.random.Generator | None) -> None:
        self.rng = np.random.default_rng() if rng is None else rng

    def choose(self, masses: Sequence[float]) -> int:
        """A position in proportion to its mass: few positions, masses ≥ 0, not all 0."""
        point = self.rng.random() * math.fsum(masses)
        last = 0
        for position, mass in enumerate(masses):
            if mass > 0.0:
                point -= mass
                last = position
                if point < 0.0:
                    break
        return last

    def choose_one(self, masses: Masses) -> int:
        """The same for many positions, float64 (n,)."""
        return self.choose_cumulated(np.cumsum(masses))

    def choose_cumulated(self, cumulated: Masses) -> int:
        """The same where the masses have been added up already; float64 (n,), not decreasing, the last above 0."""
        total = float(cumulated[-1])
        position = int(cumulated.searchsorted(self.rng.random() * total, side="right"))
        if position >= len(cumulated):  # rounding has put the point at the very end
            position = int(cumulated.searchsorted(total))
        return position

    def happens(self, log_probability: float) -> bool:
        """Whether an event of this probability occurs; certain when it is not below 0."""
        if log_probability >= 0.0:
            return True
        probability = math.exp(log_probability)
        return self.choose((1.0 - probability, probability)) == 1

    def offset(self, breaks: Masses) -> float:  # noqa: ARG002
        """A point of [0, 1), of which only the position between `breaks` (ascending, within it) matters."""
        return float(self.rng.random())

    def failures(self, log_success: float) -> float:
        """Failures before the first success, where a try succeeds with exp(log_success); a float, as it may be vast."""
        if log_success >= 0.0:
            return 0.0
        log_failure = math.log(-math.expm1(log_success))
        return math.floor(math.log1p(-self.rng.random()) / log_failure) if log_failure < 0 else 0.0


def systematic_breaks(shares: Masses, count: int) -> Masses:
    """Where the outcome of systematic resampling changes with its offset; see `smc.systematic`."""
    edges = np.cumsum(shares)[:-1] * count
    return np.unique(edges - np.floor(edges))
