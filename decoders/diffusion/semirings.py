"""The two semirings of inference on a lattice, on logarithms: ⊗ is +, zero is -inf, one is 0.

`BEST` adds by max (Viterbi); on weights that are 0 or -inf it decides.  `TOTAL` adds by log-sum-exp, exactly for any
range of weights: every sum is taken relative to its own largest summand.
"""

from abc import ABC, abstractmethod

import torch

__all__ = ["BEST", "TOTAL", "Semiring"]

_SAFE_RANGE = 600.0  # exp of twice less than this is a normal float64
_CHUNK = 1 << 22  # numbers that a product holds at once


class Semiring(ABC):
    """How weights are added."""

    @abstractmethod
    def reduce(self, weights: torch.Tensor) -> torch.Tensor:
        """The sum along the last dimension."""

    @abstractmethod
    def scatter(self, weights: torch.Tensor, groups: torch.Tensor, count: int) -> torch.Tensor:
        """Sums of (..., n) by group: `groups` (n,) int64 below `count`; (..., count), -inf for an empty group."""

    @abstractmethod
    def product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Products of matrices (..., n, m) and (..., m, k)."""


def _slices(left: torch.Tensor, right: torch.Tensor) -> int:
    """How many of the inner dimension a product takes at once."""
    return max(1, _CHUNK // max(1, left.shape[:-1].numel() * right.shape[-1]))


class _Best(Semiring):
    def reduce(self, weights: torch.Tensor) -> torch.Tensor:
        return weights.amax(dim=-1)

    def scatter(self, weights: torch.Tensor, groups: torch.Tensor, count: int) -> torch.Tensor:
        found = weights.new_full((*weights.shape[:-1], count), -torch.inf)
        return found.scatter_reduce_(-1, groups.expand_as(weights), weights, "amax")

    def product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        found = left.new_full((*left.shape[:-1], right.shape[-1]), -torch.inf)
        step = _slices(left, right)
        for at in range(0, left.shape[-1], step):
            sums = left[..., at : at + step, None] + right[..., None, at : at + step, :]
            found = torch.maximum(found, sums.amax(dim=-2))
        return found


class _Total(Semiring):
    def reduce(self, weights: torch.Tensor) -> torch.Tensor:
        return weights.logsumexp(dim=-1)

    def scatter(self, weights: torch.Tensor, groups: torch.Tensor, count: int) -> torch.Tensor:
        largest = BEST.scatter(weights, groups, count)
        base = torch.where(largest == -torch.inf, 0.0, largest)
        sums = torch.zeros_like(base).index_add_(-1, groups, (weights - base.index_select(-1, groups)).exp())
        return base + sums.log()

    def product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if _range(left) + _range(right) < _SAFE_RANGE:
            rows, columns = _base(left, -1), _base(right, -2)
            return rows + columns + ((left - rows).exp() @ (right - columns).exp()).log()
        found = left.new_full((*left.shape[:-1], right.shape[-1]), -torch.inf)
        step = _slices(left, right)
        for at in range(0, left.shape[-1], step):
            sums = left[..., at : at + step, None] + right[..., None, at : at + step, :]
            found = torch.logaddexp(found, sums.logsumexp(dim=-2))
        return found


def _range(weights: torch.Tensor) -> float:
    """The largest difference of finite weights."""
    finite = weights[weights > -torch.inf]
    return float(finite.max() - finite.min()) if finite.numel() else 0.0


def _base(weights: torch.Tensor, dim: int) -> torch.Tensor:
    largest = weights.amax(dim=dim, keepdim=True)
    return torch.where(largest == -torch.inf, 0.0, largest)


BEST: Semiring = _Best()
TOTAL: Semiring = _Total()
