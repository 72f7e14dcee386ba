"""From weights of tokens to weights of classes of tokens, the step that costs most where vocabularies are large.

Tokens that may come nowhere are never looked at.  The rest are brought into the order of their classes; a large class
is then a slice that is reduced as such, the small ones are reduced together by scattering.
"""

import torch

from constrain.decoders.diffusion.semirings import Semiring

__all__ = ["Columns"]

_LARGE = 512


class Columns:
    """Classes of tokens: `classes` (V,) int64, of which only those flagged in `live` (classes,) bool are used."""

    def __init__(self, classes: torch.Tensor, live: torch.Tensor) -> None:
        self.classes, self.count = classes, len(live)
        used = live[classes].nonzero().flatten()
        sizes = torch.bincount(classes[used], minlength=self.count)
        small = used[sizes[classes[used]] < _LARGE]
        self._small, self._small_classes = small, classes[small]
        self._large = [(c, (classes == c).nonzero().flatten()) for c in (sizes >= _LARGE).nonzero().flatten().tolist()]

    def reduce(self, semiring: Semiring, weights: torch.Tensor) -> torch.Tensor:
        """Sums of (..., V) by class, (..., classes); -inf for classes that are not used."""
        found = semiring.scatter(weights[..., self._small], self._small_classes, self.count)
        for number, tokens in self._large:
            found[..., number] = semiring.reduce(weights[..., tokens])
        return found
