"""One token within a constraint, with a proper weight: E[w · 1{x = t}] = P(t) for every t that is allowed.

*Mask* makes the mask and draws within it; w is the mass of the mask, always.

*Adaptive weighted rejection* (AWRS: "Fast Controlled Generation from Language Models with Adaptive Weighted Rejection
Sampling", Lipkin et al. 2025) asks about single tokens instead.  Let T be the mass of what has not been visited.

recursive    visit tokens without replacement.  When x is the first one allowed, look at the next, y: w = T if y is
             allowed, or nothing is left; else w = P(x).  After `checks_before_mask` refusals the mask is made, and the
             rest is drawn from what it leaves, with w the mass of that: proper as well, since the estimator is a
             recursion over what is left.
geometric    draws with replacement until k are allowed, n in all: w = (k - 1) / (n - 1), and x is the first one
             allowed.  Tokens known to be refused are not drawn, only counted, by a geometric variable.

Both are exact for any P, zeros and masses of any size included.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np

from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.languages import Flags, Position
from constrain.decoders.samplers.race import Race
from constrain.decoders.samplers.scoring import Row

__all__ = ["Adaptive", "ByMask", "Proposal", "Proposed", "geometric", "recursive"]

Allows = Callable[[int], bool]


class Proposed(NamedTuple):
    """A token and its log-weight."""

    token: int
    log_weight: float


class Proposal(Protocol):
    """Proposes the next token of a sequence."""

    def propose(self, row: Row, position: Position, chance: Chance) -> Proposed | None:
        """A token for a position, under the law `row` (≥ V,); None when none was found, which has weight 0."""
        ...


@dataclass(frozen=True, slots=True)
class ByMask:
    """A token of the mask."""

    def propose(self, row: Row, position: Position, chance: Chance) -> Proposed | None:
        """See `Proposal`."""
        return within(row, position.mask(), (), chance)


def within(row: Row, mask: Flags, without: "set[int] | tuple[int, ...]", chance: Chance) -> Proposed | None:
    """A token that the mask allows and that is not among `without`, weighted by the mass of all of these."""
    if without:
        mask = mask.copy()
        mask[[token for token in without if token < len(mask)]] = False
    allowed = np.flatnonzero(mask)  # few of many, as a rule: the exponentials are of these only
    logs = row[allowed]
    most = float(logs.max(initial=-math.inf))
    if most == -math.inf:
        return None
    masses = np.exp(logs - most)
    log_mass = most + math.log(float(masses.sum()))
    return Proposed(int(allowed[chance.choose_one(masses)]), log_mass)


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Adaptive weighted rejection.

    estimator            "recursive" or "geometric"
    checks_before_mask   refusals after which the mask is made, for the recursive estimator and constraints whose mask
                         is exact; None never makes it
    max_accepts          k of the geometric estimator, at least 2
    """

    estimator: Literal["recursive", "geometric"] = "recursive"
    checks_before_mask: int | None = 8
    max_accepts: int = 2

    def __post_init__(self) -> None:
        if self.estimator not in ("recursive", "geometric"):
            raise ValueError(f"estimator is 'recursive' or 'geometric', not {self.estimator!r}")
        if self.max_accepts < 2 or (self.checks_before_mask is not None and self.checks_before_mask < 0):
            raise ValueError("max_accepts must be at least 2, and checks_before_mask not negative")

    def propose(self, row: Row, position: Position, chance: Chance) -> Proposed | None:
        """See `Proposal`."""
        if self.estimator == "geometric":
            return geometric(Race(row, chance), position.allows, self.max_accepts, chance)
        limit = self.checks_before_mask if position.mask_is_exact else None
        return recursive(
            Race(row, chance), position.allows, limit, lambda out: within(row, position.mask(), out, chance)
        )


def recursive(
    race: Race, allows: Allows, limit: int | None, by_mask: Callable[[set[int]], Proposed | None]
) -> Proposed | None:
    """The recursive estimator; `by_mask` proposes among the tokens that were not visited, after `limit` refusals."""
    refused = 0
    while not race.is_empty:
        if refused == limit:
            return by_mask(race.without())
        log_left = race.log_left
        token = race.draw()
        log_probability = race.log_probability(token)
        race.take_out(token)
        if allows(token):
            if race.is_empty or allows(race.draw()):
                return Proposed(token, log_left)
            return Proposed(token, log_probability)
        refused += 1
    return None


def geometric(race: Race, allows: Allows, max_accepts: int, chance: Chance) -> Proposed | None:
    """The geometric estimator: inverse binomial sampling."""
    log_whole = race.log_left
    accepted: list[int] = []
    draws = 0.0
    while len(accepted) < max_accepts:
        if race.is_empty:
            return None
        draws += chance.failures(race.log_left - log_whole) + 1.0
        token = race.draw()
        if token in accepted or allows(token):
            accepted.append(token)
        else:
            race.take_out(token)
    return Proposed(accepted[0], log_whole + math.log((max_accepts - 1) / (draws - 1)))
