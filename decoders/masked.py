"""Masked decoding: at each step, choose among the tokens that the constraint allows.

The draw follows the model's law renormalised step by step, which is not the model's law given the constraint: a text
that enters an unlikely dead corner is not punished for it.  The log-weight says by how much: at temperature 1 without
warpers it is Σ log(mass of the allowed tokens), and weighted draws are proper (see `contract`).

The model is called once a step.  Tokens that are the only ones allowed are read without asking the model for a
choice and handed to it together with the next ones; with `jump_ahead` so is text that the constraint leaves no
choice about, cut into tokens as the tokenizer would.  In a batch, all rows read equally many tokens in a call, so that
the key-value cache has no holes.  A finished row leaves the batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from constrain.decoders.budget import Budget
from constrain.decoders.choice import Check, Chooser, log_law
from constrain.decoders.contract import Draw, LanguageModel, Sample, Session, sample_of
from constrain.decoders.contract import Progress as ProgressReport
from constrain.decoders.kernels.backends import uses_kernels
from constrain.decoders.kernels.greedy import GreedyLaw
from constrain.decoders.kernels.reference import allowed_tokens
from constrain.decoders.warpers import Warping
from constrain.grammars.errors import DeadEndError
from constrain.tokenizer_index.compiled import CompiledConstraint, allocate_token_bitmask

__all__ = ["MaskedDecoding"]

_MAX_FEED = 64
"""Tokens that the model reads in one call at most: the laws after all of them are held, in float64."""

Progress = tuple[int, list[int]]
"""A row of the batch, and tokens it has read."""


@dataclass(frozen=True, slots=True)
class MaskedDecoding:
    """Greedy decoding (temperature 0) or sampling among allowed tokens; the defaults sample from the model's law.

    temperature, top_k, top_p, min_p    warpers, applied in this order to what the mask leaves
    warp_first     warp the model's whole law and mask afterwards; where that leaves nothing, the most probable
                   allowed token is taken
    jump_ahead     read text that must come next at once, in the tokenizer's own tokens.  Other tokens that spell the
                   same text are then never drawn.

    Draws are properly weighted over the texts that the settings can produce: all of L unless a warper cuts or
    `jump_ahead` is set.  Greedy decoding produces one.

    A budget filters what the warpers leave (see `budget`): a token is chosen only if the text can be finished after
    it.  Raises ValueError for settings out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    warp_first: bool = False
    jump_ahead: bool = False

    def __post_init__(self) -> None:
        if self.temperature != 0:
            self._warping()

    def _warping(self) -> Warping:
        return Warping(self.temperature, self.top_k, self.top_p, self.min_p)

    def _chooser(self) -> Chooser:
        return Chooser(None if self.temperature == 0 else self._warping(), warp_first=self.warp_first)

    def draw(
        self,
        model: LanguageModel,
        prompt: Sequence[int],
        constraint: CompiledConstraint,
        n: int = 1,
        rng: np.random.Generator | None = None,
        *,
        max_new_tokens: int | None = None,
        progress: ProgressReport | None = None,
    ) -> list[Sample]:
        """See `contract.Sampler`; the draws are decoded as one batch."""
        rng = np.random.default_rng() if rng is None else rng
        rngs = [rng] if n == 1 else rng.spawn(n)
        draws = self.draw_batch(model, [constraint] * n, [prompt] * n, max_new_tokens=max_new_tokens, rngs=rngs)
        if progress is not None:
            progress(n, n)
        return [sample_of(draw, constraint.index) for draw in draws]

    def draw_batch(
        self,
        model: LanguageModel,
        constraints: Sequence[CompiledConstraint],
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int | None = None,
        rngs: Sequence[np.random.Generator],
    ) -> list[Draw]:
        """See `contract.BatchSampler`."""
        batch = _Batch(constraints, rngs, max_new_tokens, self._chooser(), jump_ahead=self.jump_ahead)
        for _ in batch.run(model, prompts):
            pass
        return [row.draw() for row in batch.rows]

    def stream(
        self,
        model: LanguageModel,
        constraint: CompiledConstraint,
        prompt: Sequence[int],
        *,
        max_new_tokens: int | None = None,
        rng: np.random.Generator,
    ) -> "Iterator[list[int] | Draw]":
        """The tokens of a draw as they are chosen, then the draw itself."""
        batch = _Batch([constraint], [rng], max_new_tokens, self._chooser(), jump_ahead=self.jump_ahead)
        for _, tokens in batch.run(model, [prompt]):
            yield tokens
        yield batch.rows[0].draw()


class _Row:
    """One sequence: what it has read, how much of that the model has read and has been weighed."""

    def __init__(
        self, number: int, constraint: CompiledConstraint, rng: np.random.Generator, max_new_tokens: int | None
    ) -> None:
        self.number, self.rng = number, rng
        self.matcher = constraint.matcher()
        self.budget = None if max_new_tokens is None else Budget(self.matcher, max_new_tokens)
        self.tokens: list[int] = []
        self.weighed = 0  # tokens whose probability is known; the model has read as many, or one fewer
        self.log_weight = self.log_probability = 0.0
        self.ended = False
        self.mask = allocate_token_bitmask(1, constraint.index.vocab_size)

    @property
    def check(self) -> Check | None:
        """Whether an allowed token fits the budget."""
        return None if self.budget is None else self.budget.fits

    @property
    def is_done(self) -> bool:
        return self.ended and self.weighed == len(self.tokens)

    @property
    def feedable(self) -> int:
        """Tokens that the model is to read, from the last weighed one on; the last of an ended text need not be."""
        return len(self.tokens) - self.weighed + 1 - self.ended

    def read(self, token: int) -> None:
        """Read a token that is allowed and fits."""
        if not self.matcher.accept_token(token):
            raise DeadEndError(f"token {token} was allowed but could not be read")
        if self.budget is not None:
            self.budget.accept(token)
        self.tokens.append(token)
        self.ended = token in self.matcher.constraint.end_tokens

    def weigh(self, law: torch.Tensor | GreedyLaw) -> None:
        """Weigh the next token, which was no choice, by the law of the model at its place."""
        token = self.tokens[self.weighed]
        probability = law.log_probability(token) if isinstance(law, GreedyLaw) else float(law[token])
        self.log_probability += probability
        self.log_weight += probability
        self.weighed += 1

    def choose(self, token: int, log_probability: float, log_weight: float) -> None:
        self.read(token)
        self.log_probability += log_probability
        self.log_weight += log_weight
        self.weighed += 1

    def look(self) -> int:
        """Fill the mask; the only token that is allowed, -1 if there are several or the text ends here."""
        self.matcher.fill_next_token_bitmask(self.mask)
        words: npt.NDArray[np.uint32] = self.mask[0].view(np.uint32)
        count = int(np.bitwise_count(words).sum())
        if count == 0 or self._is_full():
            if not self.matcher.is_accepting:
                raise DeadEndError("the constraint allows no token, and the text may not end")
            self.ended = True
            return -1
        if count > 1:
            return -1
        word = int(words.argmax())
        return 32 * word + int(words[word]).bit_length() - 1

    def _is_full(self) -> bool:
        """Whether a vocabulary without end tokens leaves nothing but to stop."""
        return self.budget is not None and self.budget.remaining == 0

    def read_forced(self, jump_ahead: bool) -> None:
        """Read what leaves no choice; the mask is then that of the next choice."""
        while not self.ended:
            token = self.look()
            if token >= 0:
                self.read(token)
            elif self.ended or not (jump_ahead and self._jump()):
                return

    def _jump(self) -> bool:
        """Read tokens of text that must come next, as far as they fit; whether there were any."""
        read = len(self.tokens)
        for token in self.matcher.forced_tokens():
            if self.budget is not None and not self.budget.fits(token):
                break
            self.read(token)
        return len(self.tokens) > read

    def draw(self) -> Draw:
        return Draw(tuple(self.tokens), self.log_weight, self.log_probability)


class _Batch:
    """Sequences that are decoded side by side."""

    def __init__(
        self,
        constraints: Sequence[CompiledConstraint],
        rngs: Sequence[np.random.Generator],
        max_new_tokens: int | None,
        chooser: Chooser,
        *,
        jump_ahead: bool,
    ) -> None:
        pairs = enumerate(zip(constraints, rngs, strict=True))
        self.rows = [_Row(number, constraint, rng, max_new_tokens) for number, (constraint, rng) in pairs]
        self._chooser, self._jump_ahead = chooser, jump_ahead

    def run(self, model: LanguageModel, prompts: Sequence[Sequence[int]]) -> Iterator[Progress]:
        """Decode all rows to their ends; what they read, as soon as they do."""
        if len(prompts) != len(self.rows):
            raise ValueError(f"{len(self.rows)} constraints for {len(prompts)} prompts")
        for row in self.rows:
            yield from self._read_forced(row)
        live = [row for row in self.rows if not row.is_done]
        if not live:
            return
        session = model.start([prompts[row.number] for row in live])
        law = self._law(session.logits)
        while True:
            yield from self._step(live, law)
            going_on = [i for i, row in enumerate(live) if not row.is_done]
            if not going_on:
                return
            if len(going_on) < len(live):
                live = [live[i] for i in going_on]
                session.select(going_on)
            law = self._feed(session, live)

    def _law(self, logits: torch.Tensor) -> torch.Tensor | GreedyLaw:
        """The laws of the next tokens, in the form that choices need."""
        if self._chooser.is_greedy and uses_kernels(logits.device):
            return GreedyLaw(logits)
        return log_law(logits)

    def _read_forced(self, row: _Row) -> Iterator[Progress]:
        read = len(row.tokens)
        row.read_forced(self._jump_ahead)
        if len(row.tokens) > read:
            yield row.number, row.tokens[read:]

    def _step(self, live: list[_Row], law: torch.Tensor | GreedyLaw) -> Iterator[Progress]:
        """Use the laws of the next tokens: weigh those that have been read, choose the others."""
        free = []
        for i, row in enumerate(live):
            if row.weighed < len(row.tokens):
                row.weigh(law[i])
            elif not row.ended:
                free.append(i)
        if not free:
            return
        rows = [live[i] for i in free]
        masks, checks = np.concatenate([row.mask for row in rows]), [row.check for row in rows]
        if isinstance(law, GreedyLaw):
            chosen = law.choose(free, masks, checks)
        else:
            words = torch.from_numpy(masks).to(law.device)
            chosen = self._chooser.choose(
                law[free], allowed_tokens(words, law.shape[1]), [row.rng for row in rows], checks
            )
        for row, choice in zip(rows, chosen, strict=True):
            row.choose(*choice)
            yield row.number, [choice.token]
            yield from self._read_forced(row)

    def _feed(self, session: Session, live: list[_Row]) -> torch.Tensor | GreedyLaw:
        """Hand the model what the rows have read, and weigh it; the laws of the tokens after that."""
        count = min(_MAX_FEED, *[row.feedable for row in live])
        fed = [row.tokens[row.weighed - 1 :][:count] for row in live]
        laws = self._law(session.feed(fed))
        for row, law in zip(live, laws, strict=True):
            for place in range(count - 1):
                row.weigh(law[place])
        return laws[:, -1]
