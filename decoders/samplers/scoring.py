"""Models as samplers see them: the law of the next token after a prefix.

A `Scorer` answers for a batch of prefixes.  `scorer_of` makes one of any model: an object that is a scorer is taken as
it is, one with a method ``scorer()`` is asked for its own (`constrain.Model` keeps its key-value cache in a trie of
prefixes), and any other `LanguageModel` reads each prefix from its beginning.

`Laws` stands between scorer and sampler: it puts the prompt in front, folds the temperature in, and keeps rows, so
that a place that is visited again costs no call.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from constrain.decoders.choice import log_law
from constrain.decoders.contract import LanguageModel

__all__ = ["Laws", "Row", "Scorer", "SessionScorer", "Tokens", "log_sum", "normalised", "scorer_of"]

Row = npt.NDArray[np.float64]
Tokens = tuple[int, ...]


@runtime_checkable
class Scorer(Protocol):
    """The law of the next token after prefixes."""

    def log_probabilities(self, prefixes: Sequence[Tokens]) -> npt.NDArray[np.float64]:
        """Log-probabilities of the next token after each prefix, float64 [prefixes, V]; -inf for probability 0."""
        ...


class SessionScorer:
    """Any `LanguageModel`; it reads every prefix from its beginning."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def log_probabilities(self, prefixes: Sequence[Tokens]) -> npt.NDArray[np.float64]:
        """See `Scorer`."""
        laws = log_law(self._model.start(list(prefixes)).logits)
        return cast("npt.NDArray[np.float64]", laws.cpu().numpy())


def scorer_of(model: object) -> Scorer:
    """The scorer of a model: its own, or one that reads prefixes from the beginning."""
    if isinstance(model, Scorer):
        return model
    make = getattr(model, "scorer", None)
    if make is not None:
        return cast("Scorer", make())
    return SessionScorer(cast("LanguageModel", model))


def log_sum(row: Row) -> float:
    """Log Σ exp(row), -inf for an empty or impossible row."""
    if not len(row):
        return -math.inf
    most = float(row.max())
    if most == -math.inf:
        return most
    return most + math.log(float(np.exp(row - most).sum()))


def normalised(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows [n, V] of logits as log-probabilities."""
    most = rows.max(axis=1, keepdims=True)
    most = np.where(np.isfinite(most), most, 0.0)
    with np.errstate(divide="ignore"):
        return cast("npt.NDArray[np.float64]", rows - most - np.log(np.exp(rows - most).sum(axis=1, keepdims=True)))


class Laws:
    """The laws of a model after one prompt, at one temperature.

    Rows are kept until they take more than `max_bytes`, the oldest are forgotten first.

    rows_computed   rows that the model was asked for
    calls           calls in which it was asked
    """

    def __init__(
        self, model: object, prompt: Sequence[int], *, temperature: float = 1.0, max_bytes: int = 1 << 28
    ) -> None:
        if not temperature > 0:
            raise ValueError("temperature must be positive")
        self._scorer, self._prompt, self._temperature = scorer_of(model), tuple(prompt), temperature
        self._known: OrderedDict[Tokens, Row] = OrderedDict()
        self._bytes, self._max_bytes = 0, max_bytes
        self.rows_computed = self.calls = 0

    def row(self, tokens: Tokens) -> Row:
        """The log-probabilities of the next token after the prompt and these tokens, float64 (V,)."""
        known = self._known.get(tokens)
        return self.rows([tokens])[0] if known is None else known

    def rows(self, prefixes: Sequence[Tokens]) -> list[Row]:
        """The same for several, in one call for those that are not known."""
        missing = list(dict.fromkeys(tokens for tokens in prefixes if tokens not in self._known))
        found = dict(zip(missing, self._computed(missing), strict=True)) if missing else {}
        rows = [found[tokens] if tokens in found else self._known[tokens] for tokens in prefixes]
        for tokens, row in found.items():
            self._keep(tokens, row)
        return rows

    def _computed(self, prefixes: list[Tokens]) -> npt.NDArray[np.float64]:
        self.calls += 1
        self.rows_computed += len(prefixes)
        rows = self._scorer.log_probabilities([self._prompt + tokens for tokens in prefixes])
        return rows if self._temperature == 1 else normalised(rows / self._temperature)

    def _keep(self, tokens: Tokens, row: Row) -> None:
        row = row.copy() if row.base is not None and row.base.nbytes > row.nbytes else row
        self._known[tokens] = row
        self._bytes += row.nbytes
        while self._bytes > self._max_bytes and len(self._known) > 1:
            self._bytes -= self._known.popitem(last=False)[1].nbytes
