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
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["BatchSampler", "Draw", "LanguageModel", "Sampler", "Session", "StreamingSampler"]


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
        constraint: CompiledConstraint,
        prompt: Sequence[int],
        *,
        max_new_tokens: int | None = None,
        rng: np.random.Generator,
    ) -> Draw:
        """One properly weighted draw, of at most `max_new_tokens` tokens with the end.

        All randomness comes from `rng`.  Raises ConstrainError when no text fits the budget, DeadEndError when the
        constraint leaves nothing to go on with.
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
