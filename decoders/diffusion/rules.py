"""Which positions a step of decoding commits: orders, and rules for how many.

An *order* scores the masked positions from the law of the token at each, given the constraint: by the probability of
the candidate (LLaDA's low-confidence remasking), by its margin over the runner-up, by entropy (Dream), by position
discounted confidence (PC-Sampler), or by anything a user writes.  A *rule* takes the scores and gives the positions:
LLaDA's transfer schedule, or as many as are confident enough (Fast-dLLM, Wu et al., 2025).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

__all__ = ["ORDERS", "Factor", "Order", "Rule", "Schedule", "Threshold", "View", "transfer_counts"]


@dataclass(frozen=True, slots=True)
class View:
    """What an order sees: of the masked positions, ascending, their places and candidates, and the law at each.

    positions   (n,) int64
    tokens      candidates, (n,) int64
    confidence  log-probabilities of the candidates, (n,) float64
    law         log-probabilities of all tokens, (n, V) float64, made when it is called
    """

    positions: torch.Tensor
    tokens: torch.Tensor
    confidence: torch.Tensor
    law: Callable[[], torch.Tensor]


Order = Callable[[View], torch.Tensor]
"""Scores of positions, (n,) float64; the largest are committed first."""


def _confidence(view: View) -> torch.Tensor:
    return view.confidence


def _margin(view: View) -> torch.Tensor:
    two = view.law().topk(2, dim=-1).values.exp()
    return two[:, 0] - two[:, 1]


def _entropy(view: View) -> torch.Tensor:
    law = view.law()
    return torch.where(law > -math.inf, law.exp() * law, 0.0).sum(dim=-1)


def _positional(view: View) -> torch.Tensor:
    return view.confidence.exp() * torch.exp(-0.25 * (view.positions - view.positions[0]).double())


ORDERS: dict[str, Order] = {
    "confidence": _confidence,
    "margin": _margin,
    "entropy": _entropy,
    "position": _positional,
}
"""Orders that have names."""


def transfer_counts(masks: int, steps: int) -> list[int]:
    """LLaDA's schedule: how many of so many masks each step commits, the remainder first."""
    base, more = divmod(masks, steps)
    return [base + (step < more) for step in range(steps)]


class Rule(Protocol):
    """How many positions a step commits."""

    def select(self, scores: torch.Tensor, confidence: torch.Tensor, step: int, steps: int) -> torch.Tensor:
        """Places in `scores` (n,) to commit, best first; at least one.

        `confidence` (n,) are log-probabilities; it is step `step` of the `steps` of a block.
        """
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """Equally many positions each step, so that the block takes the steps that were asked for."""

    def select(self, scores: torch.Tensor, confidence: torch.Tensor, step: int, steps: int) -> torch.Tensor:  # noqa: ARG002
        """The best of what is left, divided by the steps that are left, rounded up."""
        count = -(-len(scores) // max(1, steps - step))
        return scores.argsort(descending=True, stable=True)[:count]


@dataclass(frozen=True, slots=True)
class Threshold:
    """All positions of at least a probability, and the best one whatever its own."""

    probability: float = 0.9

    def select(self, scores: torch.Tensor, confidence: torch.Tensor, step: int, steps: int) -> torch.Tensor:  # noqa: ARG002
        """The positions, best first."""
        order = scores.argsort(descending=True, stable=True)
        enough = confidence[order] >= math.log(self.probability)
        enough[0] = True
        return order[enough]


@dataclass(frozen=True, slots=True)
class Factor:
    """The n most confident positions for the largest n with (n + 1)(1 - pₙ) < factor, and one at least."""

    factor: float = 1.0

    def select(self, scores: torch.Tensor, confidence: torch.Tensor, step: int, steps: int) -> torch.Tensor:  # noqa: ARG002
        """The positions, best first."""
        order = scores.argsort(descending=True, stable=True)
        doubts = 1 - confidence[order].sort(descending=True).values.exp()
        numbers = torch.arange(2, len(order) + 2, device=order.device)
        fits = (numbers * doubts < self.factor).nonzero().flatten()
        return order[: int(fits[-1]) + 1 if len(fits) else 1]
