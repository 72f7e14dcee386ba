"""The updates of a training run: matrices inside the layers by Muon, embeddings and norms by AdamW.

Both follow a rate that rises for a moment and then falls in a line to zero.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from random import Random
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from constrain.embedded.muon import Muon

__all__ = ["in_batches", "optimizers", "update"]

_Row = TypeVar("_Row")
_Batch = TypeVar("_Batch")


def in_batches(pool: list[_Row], size: int, length: Callable[[_Row], int], random: Random) -> Iterator[list[_Row]]:
    """A pool of examples in batches whose rows have about the same length, so that little is padding."""
    random.shuffle(pool)
    pool.sort(key=length)
    batches = [pool[i : i + size] for i in range(0, len(pool), size)]
    random.shuffle(batches)
    yield from batches


def optimizers(model: Any, rate: float, muon_rate: float) -> list[torch.optim.Optimizer]:
    """Muon at `muon_rate` for the matrices inside the layers, AdamW at `rate` for all other parameters."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    inside = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in inside]
    return [Muon(matrices, muon_rate), torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)]


def _share(steps: int, step: int) -> float:
    """The share of the full rate: up within fifty steps, then down to zero."""
    return min((step + 1) / 50, 1 - step / steps)


def update(
    model: Any,
    chosen: list[torch.optim.Optimizer],
    batches: Iterable[_Batch],
    loss_of: Callable[[_Batch], torch.Tensor],
    *,
    steps: int,
    seconds: float | None,
    memory: float,
) -> float:
    """Update the model on `steps` batches, or until `seconds` have passed; a running mean of the loss.

    `memory` is the weight of what the mean was before.
    """
    rates = [LambdaLR(optimizer, partial(_share, steps)) for optimizer in chosen]
    began, mean = time.monotonic(), float("nan")
    progress = tqdm(islice(batches, steps), total=steps, unit="step", mininterval=1)
    for step, batch in enumerate(progress):
        loss = loss_of(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, rate in zip(chosen, rates, strict=True):
            optimizer.step()
            rate.step()
            optimizer.zero_grad()
        mean = loss.item() if step == 0 else memory * mean + (1 - memory) * loss.item()
        progress.set_postfix(loss=f"{mean:.4f}", refresh=False)
        if seconds is not None and time.monotonic() - began > seconds:
            break
    return mean
