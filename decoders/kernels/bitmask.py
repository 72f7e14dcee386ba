"""Token bitmasks, applied to logits.

A bitmask is int32 [batch, ceil(V / 32)]: bit t % 32 of word t // 32 is set when token t is allowed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from constrain.decoders.kernels.backends import backend_for

__all__ = ["apply_token_bitmask_inplace", "check_fit", "words_of"]


def words_of(bitmask: Any, device: torch.device) -> torch.Tensor:
    """A bitmask, NumPy or PyTorch, as int32 [masks, words] on a device.  Raises ValueError for another type."""
    words = torch.from_numpy(bitmask) if isinstance(bitmask, np.ndarray) else torch.as_tensor(bitmask)
    if words.dtype != torch.int32:
        raise ValueError(f"a token bitmask is int32, not {words.dtype}")
    return words.to(device, non_blocking=True)


def check_fit(logits: torch.Tensor, words: torch.Tensor | None) -> None:
    """Raise ValueError unless logits and masks are two-dimensional and the logits no fewer than the masks need."""
    if logits.dim() != 2 or not logits.is_floating_point() or (words is not None and words.dim() != 2):
        raise ValueError("logits are floating-point [batch, width], a token bitmask is int32 [batch, words]")
    if words is not None and -(-logits.shape[1] // 32) < words.shape[1]:
        raise ValueError(f"{logits.shape[1]} logits are too few for a bitmask of {words.shape[1]} words")


def apply_token_bitmask_inplace(
    logits: torch.Tensor, bitmask: Any, *, indices: Sequence[int] | torch.Tensor | None = None, backend: str = "auto"
) -> None:
    """Set the logits of all tokens that a bitmask forbids to -inf; the others keep their bits.

    `logits`: floating-point [batch, width], or [width] for one sequence.  `bitmask`: int32 [batch, words] or [words],
    NumPy or PyTorch on any device.  Row i of the one belongs to row i of the other; with `indices` only these rows
    are masked, and only they need be in the bitmask.  Logits beyond the last word are set to -inf: models often have
    more logits than their tokenizers have tokens.  `backend`: "auto", which chooses by the device, or a name of
    `backends.BACKENDS`.

    Raises ValueError for shapes that do not fit, among them logits too few for the bitmask; ConstrainError for a
    backend that does not exist or cannot work here.  Indices on a GPU are not checked, which would have to wait for it.
    """
    apply = backend_for(backend, logits.device).apply
    words = words_of(bitmask, logits.device)
    if logits.dim() == 1:
        logits = logits.unsqueeze(0)
    if words.dim() == 1:
        words = words.unsqueeze(0)
    check_fit(logits, words)
    rows = None if indices is None else torch.as_tensor(indices, dtype=torch.long)
    _check_rows(rows, logits.shape[0], words.shape[0])
    if rows is not None:
        rows = rows.to(logits.device, non_blocking=True)
    if logits.numel() and (rows is None or rows.numel()):
        apply(logits, words, rows, rows)


def _check_rows(rows: torch.Tensor | None, logits: int, words: int) -> None:
    if rows is None:
        if logits != words:
            raise ValueError(f"{logits} rows of logits, but {words} of the bitmask")
    elif rows.device.type == "cpu" and rows.numel():
        if not (int(rows.min()) >= 0 and int(rows.max()) < min(logits, words)):
            raise ValueError(f"indices must lie below {min(logits, words)}")
