"""What samplers promise, and what they need of a model.

A sampler draws token sequences from a model under a constraint.  Write

    x = t₁ … tₙ        a sequence of tokens, the last of which is an end token (if the vocabulary has any)
    P(x) = ∏ P(tᵢ | prompt, t₁ … tᵢ₋₁)        the model's own law: its softmax over all its logits, temperature 1
    L        the sequences whose text obeys the constraint; under a budget of N tokens, those of at most N

A draw is *properly weighted*: for every function f,

    E[exp(log_weight) · f(x)] = Σ P(x) f(x)  over x in L,

so that the mean weight estimates P(L) without bias and weighted draws stand for the model conditioned on L.  Every
sampler says where it falls short of all of L (a warper that cuts, a way of tokenizing that is never chosen); the
equation then holds with the texts that it can produce in place of L.  One test suite, by enumeration over small
models, covers all samplers.

Samplers of `constrain.decoders.samplers` that have a temperature T take the softmax of logits / T as P throughout: in
their targets, weights and log-probabilities.  `MaskedDecoding` only proposes with its temperature; its P is that of 1.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.index import TokenizerIndex

__all__ = [
    "BatchSampler",
    "Draw",
    "LanguageModel",
    "Progress",
    "Sample",
    "Sampler",
    "Session",
    "StreamingSampler",
    "sample_of",
]

Progress = Callable[[int, int], None]
"""Called while samples are drawn, with the number that is done and the number that was asked for."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One sequence from a sampler.

    tokens            ids, the end token included when one was read
    log_weight        natural logarithm of the importance weight; -inf for a draw that failed
    log_probability   log P(tokens) under the model
    """

    tokens: tuple[int, ...]
    log_weight: float
    log_probability: float


@dataclass(frozen=True, slots=True)
class Sample(Draw):
    """A draw with its text.

    text     as the tokenizer decodes the tokens; what a draw that failed had written until then
    value    the text, or what it stands for where a type or a JSON Schema was asked for; None for a draw that failed
    """

    text: str
    value: Any

    @property
    def failed(self) -> bool:
        """Whether the weight is 0."""
        return self.log_weight == -math.inf


def sample_of(draw: Draw, index: TokenizerIndex) -> Sample:
    """A draw with its text, which is its value too."""
    text = index.decode(draw.tokens).decode(errors="replace")
    value = None if draw.log_weight == -math.inf else text
    return Sample(draw.tokens, draw.log_weight, draw.log_probability, text, value)


class Session(Protocol):
    """Sequences that a model is reading, side by side; what has been read is not computed again."""

    @property
    def logits(self) -> torch.Tensor:
        """Logits of the next token of each row: floating-point [rows, V] with V at least the size of the vocabulary."""
        ...

    def feed(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Read equally many tokens in each row, at least one; the logits after each of them, [rows, n, V]."""
        ...

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order; a row may be named more than once."""
        ...


class LanguageModel(Protocol):
    """An autoregressive model."""

    def start(self, prompts: Sequence[Sequence[int]]) -> Session:
        """Read prompts, each of at least one token, as the rows of a session."""
        ...


class Sampler(Protocol):
    """Draws sequences that obey a constraint."""

    def draw(
        self,
        model: LanguageModel,
        prompt: Sequence[int],
        constraint: CompiledConstraint,
        n: int = 1,
        rng: np.random.Generator | None = None,
        *,
        max_new_tokens: int | None = None,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """`n` properly weighted draws, each of at most `max_new_tokens` tokens with the end.

        Draws that failed are among them, with weight 0 (see `constrain.decoders.samplers.estimators.accepted`).  All
        randomness comes from `rng`; without one it is fresh.  Raises ConstrainError when no text fits the budget,
        DeadEndError when the constraint leaves nothing to go on with.
        """
        ...


@runtime_checkable
class BatchSampler(Protocol):
    """A sampler that draws for several prompts at once."""

    def draw_batch(
        self,
        model: LanguageModel,
        constraints: Sequence[CompiledConstraint],
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int | None = None,
        rngs: Sequence[np.random.Generator],
    ) -> list[Draw]:
        """One draw for each prompt under its constraint; row i depends on ``rngs[i]`` only."""
        ...


@runtime_checkable
class StreamingSampler(Protocol):
    """A sampler that settles on tokens one after the other."""

    def stream(
        self,
        model: LanguageModel,
        constraint: CompiledConstraint,
        prompt: Sequence[int],
        *,
        max_new_tokens: int | None = None,
        rng: np.random.Generator,
    ) -> Iterator[list[int] | Draw]:
        """The tokens of a draw as they are chosen, then the draw itself; see `Sampler.draw`."""
        ...
