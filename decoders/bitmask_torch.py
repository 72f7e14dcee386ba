"""Token bitmasks in plain PyTorch: the reference for other backends, on every device."""

import torch

__all__ = ["allowed_tokens", "apply"]


def allowed_tokens(words: torch.Tensor, width: int) -> torch.Tensor:
    """The bits of a bitmask as booleans: int32 [rows, words] to bool [rows, width], False beyond the last word."""
    shifts = torch.arange(32, dtype=torch.int32, device=words.device)
    bits = (words.unsqueeze(-1) >> shifts).bitwise_and_(1).bool().flatten(1)
    if bits.shape[1] >= width:
        return bits[:, :width]
    return torch.nn.functional.pad(bits, (0, width - bits.shape[1]), value=False)


def apply(logits: torch.Tensor, words: torch.Tensor, rows: torch.Tensor | None) -> None:
    """Mask the rows, all of them when None, in place."""
    if rows is None:
        logits.masked_fill_(~allowed_tokens(words, logits.shape[1]), -torch.inf)
        return
    allowed = allowed_tokens(words[rows], logits.shape[1])
    logits[rows] = logits[rows].masked_fill_(~allowed, -torch.inf)
