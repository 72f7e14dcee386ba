"""Greedy choices from logits in the pass that also normalises them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from constrain.decoders.choice import Check, Choice, Chooser, log_law
from constrain.decoders.kernels.reference import allowed_tokens
from constrain.decoders.kernels.sampling import draw_tokens

__all__ = ["GreedyLaw"]


class GreedyLaw:
    """Laws of next tokens as logits [..., V], for a decoder that takes the most probable tokens.

    Stands where `choice.log_law` would, and can be indexed like it; log-probabilities are those of float32.
    """

    def __init__(self, logits: torch.Tensor) -> None:
        self._logits = logits

    def __getitem__(self, place: int | tuple[slice, int]) -> "GreedyLaw":
        return GreedyLaw(self._logits[place])

    def __iter__(self) -> Iterator["GreedyLaw"]:
        return map(GreedyLaw, self._logits)

    def log_probability(self, token: int) -> float:
        """Of one token, when this is the law of one place."""
        return float(torch.log_softmax(self._logits.float(), dim=-1)[token])

    def choose(self, rows: list[int], masks: npt.NDArray[np.int32], checks: list[Check | None]) -> list[Choice]:
        """What `Chooser.choose` gives for some rows under masks, int32 [rows, words].

        Few choices fail their checks; the next best tokens are then found by the reference.
        """
        logits = self._logits[rows]
        words = torch.from_numpy(masks).to(logits.device, non_blocking=True)
        zeros = torch.zeros(len(rows), dtype=torch.int64, device=logits.device)
        draws = draw_tokens(logits, words, temperature=0.0, seeds=zeros, places=zeros)
        draws.check()
        chosen = []
        figures = zip(draws.tokens.tolist(), (draws.log_probabilities + draws.log_masses).tolist(), strict=True)
        for row, (token, log_probability) in enumerate(figures):
            check = checks[row]
            if check is None or check(token):
                chosen.append(Choice(token, log_probability, log_probability))
                continue
            law, allowed = log_law(logits[row : row + 1]), allowed_tokens(words[row : row + 1], logits.shape[1])
            chosen += Chooser(None).choose(law, allowed, [], [check])
        return chosen
