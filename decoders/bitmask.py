"""Token bitmasks, applied to logits.

A bitmask is int32 [batch, ceil(V / 32)]: bit t % 32 of word t // 32 is set when token t is allowed.  A backend is a
module with a function ``apply(logits, bitmask, rows)``; it is imported when first used.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch

from constrain.grammars.errors import ConstrainError

__all__ = ["BACKENDS", "apply_token_bitmask_inplace"]

Backend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], None]

BACKENDS = {"torch": "constrain.decoders.bitmask_torch"}
"""Modules by the names of the backends."""


def _automatic(logits: torch.Tensor) -> str:
    """The backend for a tensor when none is named."""
    return "triton" if logits.is_cuda and "triton" in BACKENDS else "torch"


def _backend(name: str, logits: torch.Tensor) -> Backend:
    module = BACKENDS.get(_automatic(logits) if name == "auto" else name)
    if module is None:
        raise ConstrainError(f"there is no backend {name!r}; choose 'auto' or one of {sorted(BACKENDS)}")
    apply: Backend = import_module(module).apply
    return apply


def _words(bitmask: Any, device: torch.device) -> torch.Tensor:
    words = torch.from_numpy(bitmask) if isinstance(bitmask, np.ndarray) else torch.as_tensor(bitmask)
    if words.dtype != torch.int32:
        raise ValueError(f"a token bitmask is int32, not {words.dtype}")
    return words.to(device, non_blocking=True)


def apply_token_bitmask_inplace(
    logits: torch.Tensor, bitmask: Any, *, indices: Sequence[int] | torch.Tensor | None = None, backend: str = "auto"
) -> None:
    """Set the logits of all tokens that a bitmask forbids to -inf; the others keep their bits.

    `logits`: floating-point [batch, width], or [width] for one sequence.  `bitmask`: int32 [batch, words] or [words],
    NumPy or PyTorch on any device.  Row i of the one belongs to row i of the other; with `indices` only these rows
    are masked, and only they need be in the bitmask.  Logits beyond the last word are set to -inf: models often have
    more logits than their tokenizers have tokens.  `backend`: "auto", or a name of `BACKENDS`.

    Raises ValueError for shapes that do not fit, among them logits too few for the bitmask; ConstrainError for a
    backend that does not exist.
    """
    apply = _backend(backend, logits)
    words = _words(bitmask, logits.device)
    if logits.dim() == 1:
        logits = logits.unsqueeze(0)
    if words.dim() == 1:
        words = words.unsqueeze(0)
    if logits.dim() != 2 or words.dim() != 2 or not logits.is_floating_point():
        raise ValueError("logits are floating-point [batch, width], a token bitmask is int32 [batch, words]")
    if -(-logits.shape[1] // 32) < words.shape[1]:
        raise ValueError(f"{logits.shape[1]} logits are too few for a bitmask of {words.shape[1]} words")
    rows = None if indices is None else torch.as_tensor(indices, dtype=torch.long, device=logits.device)
    _check_rows(rows, logits.shape[0], words.shape[0])
    if rows is None or rows.numel():
        apply(logits, words, rows)


def _check_rows(rows: torch.Tensor | None, logits: int, words: int) -> None:
    if rows is None:
        if logits != words:
            raise ValueError(f"{logits} rows of logits, but {words} of the bitmask")
    elif rows.numel() and not (int(rows.min()) >= 0 and int(rows.max()) < min(logits, words)):
        raise ValueError(f"indices must lie below {min(logits, words)}")
