"""Warpers: what temperature, top-k, top-p and min-p make of a law over tokens.

All take and give log-probabilities up to a constant, float64 [rows, V], where -inf is a token that is out.  They are
applied in this order, as `transformers` does: temperature, top-k, top-p, min-p.
"""

from dataclasses import dataclass

import torch

__all__ = ["Warping", "keep_min_p", "keep_top_k", "keep_top_p"]


def keep_top_k(logits: torch.Tensor, k: int) -> torch.Tensor:
    """Keep the k most probable tokens, and those that are as probable as the last of them."""
    if k >= logits.shape[-1]:
        return logits
    threshold = torch.topk(logits, k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < threshold, -torch.inf)


def keep_top_p(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Keep the fewest most probable tokens that together have probability p; one at least.

    Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020.
    """
    ordered, order = torch.sort(logits, dim=-1, descending=True, stable=True)
    probabilities = torch.softmax(ordered, dim=-1)
    before = torch.cumsum(probabilities, dim=-1) - probabilities
    out = before >= p
    out[..., 0] = False
    return logits.masked_fill(torch.zeros_like(out).scatter(-1, order, out), -torch.inf)


def keep_min_p(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Keep the tokens that have at least p times the probability of the most probable one.

    Nguyen et al., "Turning Up the Heat: Min-p Sampling", 2025.
    """
    if p <= 0:
        return logits
    threshold = logits.amax(dim=-1, keepdim=True) + torch.log(torch.tensor(p, dtype=logits.dtype)).to(logits.device)
    return logits.masked_fill(logits < threshold, -torch.inf)


@dataclass(frozen=True, slots=True)
class Warping:
    """Settings of the warpers; the defaults change nothing.  Raises ValueError for settings out of range."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError("temperature must be positive")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError("top_k must be at least 1")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError("top_p must lie above 0 and not above 1")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise ValueError("min_p must lie between 0 and 1")

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits, float64 [rows, V], warped; rows that are all -inf stay so."""
        if self.temperature != 1:
            logits = logits / self.temperature
        if self.top_k is not None:
            logits = keep_top_k(logits, self.top_k)
        if self.top_p is not None and self.top_p < 1:
            logits = keep_top_p(logits, self.top_p)
        if self.min_p is not None:
            logits = keep_min_p(logits, self.min_p)
        return logits
