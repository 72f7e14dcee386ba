"""Tokens drawn from logits in one pass: mask, temperature, top-k, top-p, min-p, the draw and its probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from constrain.decoders.kernels.backends import backend_for
from constrain.decoders.kernels.bitmask import check_fit, words_of
from constrain.grammars.errors import DeadEndError

__all__ = ["Draws", "draw_tokens", "sample_tokens"]

Setting = float | torch.Tensor
"""One number for all rows, or one for each: a tensor [rows] on the device of the logits."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Tokens and what is known of them, on the device of the logits; all [rows].

    Write y for the logits divided by the temperature (by 1 where that is 0), and K for the tokens that mask and cuts
    keep; P is the softmax of y over all logits.

    tokens               int64; -1 where K is empty or its logits are -inf
    log_probabilities    of the token in the law restricted to K, float32: y_t - log_normalisers
    log_normalisers      log Σ exp(y) over K, float32
    log_masses           log P(K), float32: the log-weight of a draw that stands for P

    Of rows without a token all figures are -inf.
    """

    tokens: torch.Tensor
    log_probabilities: torch.Tensor
    log_normalisers: torch.Tensor
    log_masses: torch.Tensor

    def check(self) -> None:
        """Raise DeadEndError if a row has no token; waits for the device."""
        dead = (self.tokens < 0).nonzero().flatten().tolist()
        if dead:
            raise DeadEndError(f"row {dead[0]} has no token that is allowed and that the model gives a probability")


def _each(value: Setting, rows: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        if value.shape != (rows,):
            raise ValueError(f"a setting is one number, or a tensor of {rows}")
        return value.to(device=device, dtype=dtype)
    return torch.full((rows,), value, dtype=dtype, device=device)


def _check(name: str, value: Setting, low: float, high: float) -> None:
    if not isinstance(value, torch.Tensor) and not low <= value <= high:
        raise ValueError(f"{name} must lie between {low} and {high}")


def draw_tokens(
    logits: torch.Tensor,
    words: torch.Tensor | None,
    sources: torch.Tensor | None = None,
    *,
    temperature: Setting = 1.0,
    top_k: Setting = 0,
    top_p: Setting = 1.0,
    min_p: Setting = 0.0,
    seeds: torch.Tensor,
    places: torch.Tensor,
    backend: str = "auto",
) -> Draws:
    """`sample_tokens` without a check, so that nothing waits for the device and a CUDA graph can capture it.

    `words`: int32 [masks, words] on the device.  `sources`: the mask of each row, integers [rows], a negative one for
    none.  `seeds`, `places`: int64 [rows]: equal ones give equal noise.
    """
    check_fit(logits, words)
    _check("temperature", temperature, 0, float("inf"))
    _check("top_k", top_k, 0, float("inf"))
    _check("top_p", top_p, 0, 1)
    _check("min_p", min_p, 0, 1)
    rows, device = logits.shape[0], logits.device
    found = backend_for(backend, device)
    temperatures = _each(temperature, rows, torch.float32, device)
    cuts = top_k, top_p, min_p
    thresholds = None
    if any(isinstance(cut, torch.Tensor) or cut != none for cut, none in zip(cuts, (0, 1, 0), strict=True)):
        types = torch.int32, torch.float32, torch.float32
        settings = [_each(cut, rows, dtype, device) for cut, dtype in zip(cuts, types, strict=True)]
        thresholds = found.cut(logits, words, sources, temperatures, *settings)
    tokens, figures = found.draw(logits, words, sources, temperatures, thresholds, seeds, places)
    return Draws(tokens, figures[0], figures[1], figures[2])


def sample_tokens(
    logits: torch.Tensor,
    bitmask: Any = None,
    *,
    rows: Sequence[int] | torch.Tensor | None = None,
    temperature: Setting = 1.0,
    top_k: Setting = 0,
    top_p: Setting = 1.0,
    min_p: Setting = 0.0,
    seed: int | torch.Tensor = 0,
    step: int | torch.Tensor = 0,
    backend: str = "auto",
) -> Draws:
    """Draw a token of each row among those that a bitmask allows; the logits stay as they are.

    logits        floating-point [batch, width]; not-a-number counts as -inf, +inf as the largest float32
    bitmask       int32 [masks, words], NumPy or PyTorch, or None where everything is allowed
    rows          the mask of each row of the logits, -1 for none; without it, row i obeys mask i
    temperature   0 takes the most probable token, the first of equals
    top_k, top_p, min_p   cuts, as in `warpers`, but tokens as probable as the last that is kept are kept too; 0, 1
                  and 0 keep everything
    seed, step    determine the noise: of row i together with i, or a seed for each row, which then does not depend on
                  its place.  One seed takes another step for each token.  Steps lie below 2³²

    Settings are numbers, or tensors [batch].  Every backend draws the same token from the same logits, unless two
    scores are closer than float32 rounds: about 1e-5.

    Raises DeadEndError when a row has no token; ValueError for what does not fit; ConstrainError for a backend that
    does not exist or cannot work here.
    """
    device, count = logits.device, logits.shape[0]
    words = None if bitmask is None else words_of(bitmask, device)
    check_fit(logits, words)
    sources = None
    if rows is not None and words is not None:
        sources = torch.as_tensor(rows, dtype=torch.long)
        if sources.shape != (count,) or (sources.device.type == "cpu" and count and int(sources.max()) >= len(words)):
            raise ValueError(f"{count} rows below {len(words)} are needed")
        sources = sources.to(device, non_blocking=True)
    elif words is not None and len(words) != count:
        raise ValueError(f"{count} rows of logits, but {len(words)} of the bitmask")
    places = _each(step, count, torch.int64, device)
    if not isinstance(seed, torch.Tensor):
        places = places + (torch.arange(count, device=device) << 32)
    draws = draw_tokens(
        logits,
        words,
        sources,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        seeds=_each(seed, count, torch.int64, device),
        places=places,
        backend=backend,
    )
    draws.check()
    return draws
