"""From weights of tokens to weights of classes of tokens, the step that costs most where vocabularies are large.

Gathering costs more than scattering.  So all weights are scattered as they lie, those of tokens that may come nowhere
into a group of their own; only where few tokens are used are these gathered first.
"""

import torch

from constrain.decoders.diffusion.semirings import Semiring

__all__ = ["Columns"]

_FEW = 0.25  # share of tokens in use below which gathering them first is quicker


class Columns:
    """Classes of tokens: `classes` (V,) int64, of which only those flagged in `live` (classes,) bool are used."""

    def __init__(self, classes: torch.Tensor, live: torch.Tensor) -> None:
        self.classes, self.count = classes, len(live)
        used = live[classes]
        self._groups = torch.where(used, classes, self.count)
        self._used = used.nonzero().flatten() if float(used.double().mean()) < _FEW else None

    def reduce(self, semiring: Semiring, weights: torch.Tensor) -> torch.Tensor:
        """Sums of (..., V) by class, (..., classes); -inf for classes that are not used."""
        groups = self._groups
        if self._used is not None:
            weights, groups = weights.index_select(-1, self._used), groups[self._used]
        return semiring.scatter(weights, groups, self.count + 1)[..., : self.count]
