"""Several models as one: a weighted product of their laws, normalised at each token.

With weights that sum to 1 this is the geometric mean ("Ensembles of language models as products of experts"); a
negative weight pushes away from a model (contrastive decoding).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from constrain.decoders.samplers.scoring import Tokens, normalised, scorer_of
from constrain.grammars.errors import ConstrainError

__all__ = ["Product"]


class Product:
    """The law P(t) ∝ ∏ Pᵢ(t)^wᵢ of models with one vocabulary.

    A token to which a model of positive weight gives probability 0 is out; one to which a model of negative weight
    does is out as well, as its law would be infinite.  Raises ConstrainError when nothing is left, or the models'
    vocabularies differ in size.
    """

    def __init__(self, models: Sequence[object], weights: Sequence[float] | None = None) -> None:
        self._scorers = [scorer_of(model) for model in models]
        self._weights = [1.0 / len(models)] * len(models) if weights is None else [float(weight) for weight in weights]
        if len(self._weights) != len(self._scorers) or not all(map(math.isfinite, self._weights)):
            raise ConstrainError(f"{len(self._weights)} weights for {len(self._scorers)} models")

    def log_probabilities(self, prefixes: Sequence[Tokens]) -> npt.NDArray[np.float64]:
        """See `scoring.Scorer`."""
        total: npt.NDArray[np.float64] | None = None
        for scorer, weight in zip(self._scorers, self._weights, strict=True):
            if weight == 0.0:
                continue
            rows = scorer.log_probabilities(prefixes)
            if total is not None and rows.shape != total.shape:
                raise ConstrainError(f"the models have {total.shape[1]} and {rows.shape[1]} tokens")
            part = np.where(np.isneginf(rows), -np.inf, weight * rows)
            total = part if total is None else total + part
        if total is None or not (total.max(axis=1) > -np.inf).all():
            raise ConstrainError("the product of the models gives probability 0 to every token")
        return normalised(total)
