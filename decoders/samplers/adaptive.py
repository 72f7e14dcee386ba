"""Masking, ASAp, CARS and MARS: samplers on a trie that learns (see `trie` and `descents`).

=========  ======================================================  ==============================================
sampler    law of its draws, weights left aside                    weight
=========  ======================================================  ==============================================
Masking    ∏ P(t | u) / m(u): every step renormalised              ∏ m(u)
ASAp       tends to the exact law as it learns; before, neither    P(x) / q(x) for its law q at that draw
           exact nor steadily better
CARS       exact for draws that do not fail, from the first on     b(root), the probability that it does not fail
MARS       the same, and fewer draws fail for reasons of chance    being Z / b(root)
=========  ======================================================  ==============================================

m(u) is the mass of the tokens allowed after u.  With their weights all are proper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from constrain.decoders.contract import LanguageModel, Progress, Sample, sample_of
from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.descents import Mode, Walker
from constrain.decoders.samplers.keys import walker_of
from constrain.decoders.samplers.languages import Language, Truncation
from constrain.decoders.samplers.trie import TokenTrie
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["CARS", "MARS", "ASAp", "Masking"]


@dataclass(frozen=True, slots=True)
class _OnTrie:
    """Settings of the samplers of this module.

    temperature   of the target: P is the softmax of logits / temperature
    truncation    what a budget does, see `languages`
    batch         walks side by side; they share calls of the model, and learn from each other once they are over
    trie          what has been learned; a new one for each call of `draw` unless given
    """

    temperature: float = 1.0
    truncation: Truncation = "reject"
    batch: int = 8
    trie: TokenTrie | None = None
    _mode: ClassVar[Mode]

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError("batch must be at least 1")
        if not self.temperature > 0:
            raise ValueError("temperature must be positive")

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
        """See `contract.Sampler`."""
        walker = self._walker(model, prompt, constraint, max_new_tokens, rng)
        samples: list[Sample] = []
        while len(samples) < n:
            walks = walker.walk(min(self.batch, n - len(samples)), self._mode)
            samples += [sample_of(walk.draw(), constraint.index) for walk in walks]
            if progress is not None:
                progress(len(samples), n)
        return samples

    def _walker(
        self,
        model: LanguageModel,
        prompt: Sequence[int],
        constraint: CompiledConstraint | Language,
        max_new_tokens: int | None,
        rng: np.random.Generator | None,
    ) -> Walker:
        return walker_of(
            TokenTrie() if self.trie is None else self.trie,
            model,
            prompt,
            constraint,
            Chance(rng),
            max_new_tokens=max_new_tokens,
            temperature=self.temperature,
            truncation=self.truncation,
        )


@dataclass(frozen=True, slots=True)
class Masking(_OnTrie):
    """Masked decoding with the weight that makes it unbiased; it learns nothing, but asks the model only once."""

    _mode: ClassVar[Mode] = Mode.MASKING


@dataclass(frozen=True, slots=True)
class ASAp(_OnTrie):
    """Adaptive sampling with approximate expected futures ("Grammar-Aligned Decoding", Park et al. 2024)."""

    _mode: ClassVar[Mode] = Mode.ASAP


@dataclass(frozen=True, slots=True)
class CARS(_OnTrie):
    """Constrained adaptive rejection sampling (2025)."""

    _mode: ClassVar[Mode] = Mode.CARS


@dataclass(frozen=True, slots=True)
class MARS(_OnTrie):
    """CARS with one coin at each new prefix in place of tokens that are thrown away."""

    _mode: ClassVar[Mode] = Mode.MARS
