"""A model that is written down: the law of the next token after every prefix that occurs."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from constrain.decoders.samplers.scoring import Tokens
from constrain.grammars.errors import ConstrainError

__all__ = ["Table"]

Probabilities = Sequence[float]


class Table:
    """Probabilities of the next token, by the whole prefix, prompt included.

    `laws` is a mapping, or a function, from the prefix to V probabilities that sum to 1; `default` stands for prefixes
    that the mapping lacks.  Raises ConstrainError for a prefix without a law, or what is not one.
    """

    def __init__(
        self,
        laws: Mapping[Tokens, Probabilities] | Callable[[Tokens], Probabilities],
        default: Probabilities | None = None,
    ) -> None:
        self._laws, self._default = laws, default
        self.rows_computed = 0

    def log_probabilities(self, prefixes: Sequence[Tokens]) -> npt.NDArray[np.float64]:
        """See `scoring.Scorer`."""
        self.rows_computed += len(prefixes)
        with np.errstate(divide="ignore"):
            return np.log(np.array([self._law(tuple(prefix)) for prefix in prefixes], np.float64))

    def _law(self, prefix: Tokens) -> Probabilities:
        law = self._laws(prefix) if callable(self._laws) else self._laws.get(prefix, self._default)
        if law is None:
            raise ConstrainError(f"the table has no law after {list(prefix)}")
        if min(law) < 0 or not math.isclose(math.fsum(law), 1.0, rel_tol=1e-9):
            raise ConstrainError(f"the probabilities after {list(prefix)} do not sum to 1")
        return law
