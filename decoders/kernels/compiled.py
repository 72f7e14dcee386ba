"""The reference, compiled by ``torch.compile`` for whatever device it runs on.

What passes over all logits is compiled, when it is first called, with sizes left open; that takes seconds.  What is
left to do for a row, with its many operations on few numbers, is not.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import torch

from constrain.decoders.kernels import reference

__all__ = ["apply", "cut", "draw"]

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast("_Function", torch.compile(function, dynamic=True))


apply = _compiled(reference.apply)
cut = _compiled(reference.cut)
_block_masses = _compiled(reference.block_masses)


def draw(
    logits: torch.Tensor,
    words: torch.Tensor | None,
    sources: torch.Tensor | None,
    temperatures: torch.Tensor,
    thresholds: torch.Tensor | None,
    seeds: torch.Tensor,
    places: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `backends`."""
    masses = _block_masses(logits, words, sources, temperatures, thresholds)
    return reference.choose(logits, words, sources, temperatures, thresholds, seeds, places, masses)
