"""Rejection: texts of the model, unconstrained, of which those of the language are kept.

Draws that do not fail have exactly the law of the model given the language; a share of Z succeeds.  A walk may be
stopped at the first token after which no text of the language can follow: the law is the same, and less is computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from constrain.decoders.contract import Draw, LanguageModel, Progress, Sample, sample_of
from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.languages import Language, Position, begin
from constrain.decoders.samplers.scoring import Laws, Row, Tokens
from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["Rejection"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rejection sampling; the weight is 1 for a text of the language, 0 for any other.

    early_stop    stop at the first token that the constraint does not allow; else write on until an end token or the
                  budget, and check then
    temperature   of the target
    batch         texts side by side
    """

    early_stop: bool = True
    temperature: float = 1.0
    batch: int = 8

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError("batch must be at least 1")

    def draw(
        self,
        model: LanguageModel,
        prompt: Sequence[int],
        constraint: CompiledConstraint | Language,
        n: int = 1,
        rng: np.random.Generator | None = None,
        *,
        max_new_tokens: int | None = None,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """See `contract.Sampler`.  Raises ConstrainError without a budget, unless texts stop early."""
        if max_new_tokens is None and not self.early_stop:
            raise ConstrainError("rejection without early_stop needs max_new_tokens: the model might never end")
        laws, chance = Laws(model, prompt, temperature=self.temperature), Chance(rng)
        ends = frozenset(constraint.index.end_tokens)
        samples: list[Sample] = []
        while len(samples) < n:
            texts = [
                _Text(begin(constraint, max_new_tokens), ends, max_new_tokens, early_stop=self.early_stop)
                for _ in range(min(self.batch, n - len(samples)))
            ]
            _write(texts, laws, chance)
            samples += [sample_of(text.draw(), constraint.index) for text in texts]
            if progress is not None:
                progress(len(samples), n)
        return samples


class _Text:
    """One text that is written."""

    def __init__(
        self, position: Position, ends: frozenset[int], max_new_tokens: int | None, *, early_stop: bool
    ) -> None:
        self._position, self._ends, self._early_stop = position, ends, early_stop
        self._remaining = max_new_tokens
        self.tokens: Tokens = ()
        self._log_probability = 0.0
        self._is_valid = True
        self.is_over = position.is_complete

    def read(self, token: int, row: Row) -> None:
        self.tokens += (token,)
        self._log_probability += float(row[token])
        if self._is_valid:
            self._is_valid = self._position.read(token)
        if self._remaining is not None:
            self._remaining -= 1
        stopped = not self._is_valid and (self._early_stop or token in self._ends)
        self.is_over = stopped or self._remaining == 0 or (self._is_valid and self._position.is_complete)

    def draw(self) -> Draw:
        succeeded = self._is_valid and self._position.is_complete
        return Draw(self.tokens, 0.0 if succeeded else -np.inf, self._log_probability)


def _write(texts: list[_Text], laws: Laws, chance: Chance) -> None:
    active = [text for text in texts if not text.is_over]
    while active:
        for text, row in zip(active, laws.rows([text.tokens for text in active]), strict=True):
            text.read(chance.choose_one(np.exp(row)), row)
        active = [text for text in active if not text.is_over]
