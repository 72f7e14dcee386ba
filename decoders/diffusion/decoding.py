"""Decoding with masked diffusion models under a constraint, position by position in any order.

A step lets the model read the text with its masks, asks the constraint for candidates at the masked positions, and
commits those that a rule selects.  How the constraint takes part is the *mode*:

- "best"      candidates are a most probable completion that obeys the constraint (DINGO, Suresh et al., 2025)
- "sample"    candidates are an exact sample of the completions, by the model's law (Dang and Ermon, 2026)
- "marginals" candidates are the most probable tokens given the constraint, each on its own
- "masks"     candidates are the model's most probable ones among the tokens that some completion has

The model's law is masked before anything is drawn from it, confidence is that of the constrained law, and what a step
commits together is completable together: parts of one completion are, and candidates that were found on their own are
committed one after the other, each only if the text stays completable.  Tokens that the constraint leaves no choice
about are committed at once and cost no step.  Blocks, orders and rules are those of LLaDA, Dream and Fast-dLLM; when
the answer is plain early (Prophet, Li et al., 2025), the rest is the best completion, not the most probable tokens.

A context-free grammar whose texts on the canvas have too many states is decided by a `chart.Chart`, which knows the
modes "masks" and "best"; there, confidence is that of the law of the tokens that some completion has.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from constrain.decoders.contract import Draw
from constrain.decoders.diffusion.automaton import Automaton
from constrain.decoders.diffusion.canvas import canvas_automaton
from constrain.decoders.diffusion.chart import Chart, ChartCanvas
from constrain.decoders.diffusion.constraints import AutomatonCanvas, Canvas
from constrain.decoders.diffusion.model import MaskedModel
from constrain.decoders.diffusion.rules import ORDERS, Order, Rule, Schedule, View
from constrain.grammars.errors import ConstrainError, DeadEndError, ResourceLimitError, UnsatisfiableConstraintError
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["DiffusionDecoding", "DiffusionDraw", "Mode", "Prophet"]

Mode = Literal["best", "sample", "marginals", "masks"]

_MODES = ("best", "sample", "marginals", "masks")
_CHART_MODES = ("best", "masks")


@dataclass(frozen=True, slots=True)
class Prophet:
    """Exit when the mean gap of the two largest logits, of allowed tokens, is at least that of the progress made.

    gaps   before a third of the positions is known, before two thirds, and after
    """

    gaps: tuple[float, float, float] = (7.5, 5.0, 2.5)

    def is_settled(self, logits: torch.Tensor, progress: float) -> bool:
        """Whether the rest may be filled: `logits` (n, V) of what is masked, `progress` from 0 to 1."""
        two = logits.topk(2, dim=-1).values
        gap = torch.where(two[:, 1] > -math.inf, two[:, 0] - two[:, 1], self.gaps[0])
        return float(gap.clamp(max=2 * self.gaps[0]).mean()) >= self.gaps[min(2, int(3 * progress))]


@dataclass(frozen=True, slots=True)
class DiffusionDraw(Draw):
    """A text, and how it came about.

    canvas   all positions, padding behind the end included
    steps    for each position the step that committed it, counted from 0; -1 for what was known before the first
    forced   for each position whether the constraint left no choice
    calls    how often the model was called
    """

    canvas: tuple[int, ...]
    steps: tuple[int, ...]
    forced: tuple[bool, ...]
    calls: int


@dataclass(slots=True)
class _Text:
    """A text in the making: what was committed when, and the log-probability of what was chosen."""

    canvas: Canvas | None
    tokens: torch.Tensor
    steps: list[int]
    forced: list[bool]
    calls: int = 0
    log_probability: float = 0.0
    prompt: list[int] = field(default_factory=list)

    def commit(self, position: int, token: int) -> bool:
        """Fix a position, if the text stays completable."""
        if self.canvas is not None and not self.canvas.commit(position, token):
            return False
        self._record(position, token, forced=False)
        return True

    def commit_forced(self) -> None:
        """Commit what is forced."""
        for position, token in [] if self.canvas is None else self.canvas.commit_forced():
            self._record(position, token, forced=True)

    def _record(self, position: int, token: int, *, forced: bool) -> None:
        self.tokens[position], self.forced[position] = token, forced
        self.steps[position] = self.calls - 1


@dataclass(frozen=True, slots=True)
class DiffusionDecoding:
    """Draws texts from a masked diffusion model; see the module for what it does.

    mode          how the constraint takes part
    length        positions of the canvas, the end token included, unless `max_new_tokens` says otherwise
    block         positions of a block; blocks are filled from left to right.  None: one block
    steps         calls of the model for a whole canvas; None: as many as there are positions.  Only for `Schedule`
    order, rule   which positions are committed first, and how many at a time
    temperature   of candidates in modes "marginals" and "masks" (Gumbel noise, on allowed tokens only); in the mode
                  "sample", of the law.  0 takes the most probable ones
    padding       the token behind the end token; None: end tokens
    early_exit    when to fill in the rest at once; None: never
    transform     what happens to the logits before the constraint sees them: (step, tokens, logits) to logits
    """

    mode: Mode = "best"
    length: int = 64
    block: int | None = None
    steps: int | None = None
    order: str | Order = "confidence"
    rule: Rule = field(default_factory=Schedule)
    temperature: float | None = None
    padding: int | None = None
    early_exit: Prophet | None = None
    transform: Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor] | None = None

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise ConstrainError(f"there is no mode {self.mode!r}; choose one of {', '.join(_MODES)}")
        if isinstance(self.order, str) and self.order not in ORDERS:
            raise ConstrainError(f"there is no order {self.order!r}; choose one of {sorted(ORDERS)}")
        if any(size is not None and size < 1 for size in (self.length, self.block, self.steps)):
            raise ConstrainError("length, block and steps are at least 1")

    def draw_batch(
        self,
        model: MaskedModel,
        constraints: Sequence[CompiledConstraint | Chart],
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int | None = None,
        rngs: Sequence[np.random.Generator],
    ) -> list[DiffusionDraw]:
        """One text for each prompt under its constraint; row i depends on ``rngs[i]`` only.

        A `Chart` decides for its grammar, in the modes "masks" and "best", without an automaton being looked for.
        Raises ConstrainError when no text fits the canvas, DeadEndError when the model rules out everything that the
        constraint allows.
        """
        length = self.length if max_new_tokens is None else max_new_tokens
        automata: dict[int, Automaton | Chart] = {}
        drawn = []
        for constraint, prompt, rng in zip(constraints, prompts, rngs, strict=True):
            if id(constraint) not in automata:
                automata[id(constraint)] = self._automaton(constraint, length)
            drawn.append(self._draw(model, automata[id(constraint)], prompt, length, rng))
        return drawn

    def draw_free(
        self, model: MaskedModel, prompt: Sequence[int], *, length: int | None = None, rng: np.random.Generator
    ) -> DiffusionDraw:
        """A text without any constraint, for comparison."""
        return self._draw(model, None, prompt, self.length if length is None else length, rng)

    def _automaton(self, constraint: CompiledConstraint | Chart, length: int) -> Automaton | Chart:
        if isinstance(constraint, Chart):
            if self.mode not in _CHART_MODES:
                raise ConstrainError(f"charts know the modes {' and '.join(_CHART_MODES)}, not {self.mode!r}")
            return constraint
        try:
            return canvas_automaton(constraint, length, padding=self.padding)
        except ResourceLimitError:
            if self.mode not in _CHART_MODES:
                raise
            return Chart(constraint.grammar, constraint.index)

    def _canvas(self, known: Automaton | Chart | None, tokens: torch.Tensor) -> Canvas | None:
        if known is None:
            return None
        return AutomatonCanvas(known, tokens) if isinstance(known, Automaton) else ChartCanvas(known, tokens)

    def _draw(
        self,
        model: MaskedModel,
        known: Automaton | Chart | None,
        prompt: Sequence[int],
        length: int,
        rng: np.random.Generator,
    ) -> DiffusionDraw:
        tokens = torch.full((length,), -1)
        text = _Text(self._canvas(known, tokens), tokens, [-1] * length, [False] * length, prompt=list(prompt))
        if text.canvas is not None and not text.canvas.is_completable():
            raise ConstrainError(f"no text that obeys the constraint fits into {length} tokens")
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        text.commit_forced()
        size = self.block or length
        for begin in range(0, length, size):
            self._fill(model, text, begin, min(begin + size, length), generator)
        return _finished(text, model)

    def _fill(self, model: MaskedModel, text: _Text, begin: int, end: int, generator: torch.Generator) -> None:
        """Fill one block."""
        total = max(1, round((self.steps or len(text.tokens)) * (end - begin) / len(text.tokens)))
        step = 0
        while bool((text.tokens[begin:end] < 0).any()):
            logits = self._logits(model, text)
            if self._exits(text, logits):
                self._fill_rest(text, logits)
                return
            self._step(text, logits, begin, end, (step, total), generator)
            text.commit_forced()
            step += 1

    def _logits(self, model: MaskedModel, text: _Text) -> torch.Tensor:
        """Log-probabilities of tokens at each position of the canvas, (length, V) float64; masks are never written."""
        tokens = torch.cat([torch.tensor(text.prompt, dtype=torch.long), text.tokens])
        tokens[tokens < 0] = model.mask_token
        device = getattr(model, "device", torch.device("cpu"))
        logits = model.logits(tokens[None].to(device))[0, len(text.prompt) :].double().cpu()
        if self.transform is not None:
            logits = self.transform(text.calls, tokens, logits)
        text.calls += 1
        logits[:, model.mask_token] = -math.inf
        if self.mode == "sample" and self.temperature not in (None, 0):
            logits = logits / self.temperature
        return logits.log_softmax(dim=-1)

    # Steps

    def _step(
        self,
        text: _Text,
        logits: torch.Tensor,
        begin: int,
        end: int,
        progress: tuple[int, int],
        generator: torch.Generator,
    ) -> None:
        tokens, confidence, law = self._candidates(text, logits, generator)
        positions = begin + (text.tokens[begin:end] < 0).nonzero().flatten()
        view = View(positions, tokens[positions], confidence[positions], lambda: law()[positions])
        order = ORDERS[self.order] if isinstance(self.order, str) else self.order
        chosen = self.rule.select(order(view), view.confidence, *progress)
        committed = 0
        for place in chosen.tolist():
            position, token = int(positions[place]), int(view.tokens[place])
            if text.tokens[position] < 0 and text.commit(position, token):
                text.log_probability += float(logits[position, token])
                committed += 1
        if committed == 0:
            raise DeadEndError("no candidate can be committed")

    def _candidates(
        self, text: _Text, logits: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, Callable[[], torch.Tensor]]:
        """A token for each position with its log-probability under the law that is left, and that law."""
        canvas = text.canvas
        if self.mode == "masks" or not isinstance(canvas, AutomatonCanvas):
            law = logits if canvas is None else _renormalised(logits.masked_fill(~canvas.allowed(), -math.inf))
            if isinstance(canvas, ChartCanvas) and self.mode == "best":
                tokens = _best(canvas, logits)
            else:
                tokens = self._noisy(law, generator).argmax(dim=-1)
            return tokens, law.gather(1, tokens[:, None])[:, 0], lambda: law
        lattice = canvas.lattice(logits)
        if not bool(lattice.decide()):
            raise DeadEndError("the model gives no completion that obeys the constraint a probability above zero")
        marginals = lattice.marginals()
        if self.mode == "marginals" and not self.temperature:
            tokens, values = (found[0] for found in marginals.best())
            return tokens, values, lambda: marginals.log_probabilities()[0]
        if self.mode == "marginals":
            law = marginals.log_probabilities()[0]
            tokens = self._noisy(law, generator).argmax(dim=-1)
            return tokens, law.gather(1, tokens[:, None])[:, 0], lambda: law
        tokens = lattice.sample(1, generator)[0, 0] if self.mode == "sample" else lattice.best()[0][0]
        values = logits.gather(1, tokens[:, None])[:, 0] + _outside(lattice.automaton, marginals.outside[0], tokens)
        return tokens, values, lambda: marginals.log_probabilities()[0]

    def _noisy(self, law: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The law with Gumbel noise; tokens that are not allowed stay so."""
        if not self.temperature:
            return law
        noise = -torch.log(-torch.log(torch.rand(law.shape, generator=generator, dtype=torch.float64)))
        return law / self.temperature + noise

    # Early exit

    def _exits(self, text: _Text, logits: torch.Tensor) -> bool:
        if self.early_exit is None:
            return False
        masked = text.tokens < 0
        allowed = logits if text.canvas is None else logits.masked_fill(~text.canvas.allowed(), -math.inf)
        return self.early_exit.is_settled(allowed[masked], 1 - float(masked.double().mean()))

    def _fill_rest(self, text: _Text, logits: torch.Tensor) -> None:
        """Fill all masks: with a best completion, or one after the other by probability, allowed ones only."""
        if isinstance(text.canvas, AutomatonCanvas | ChartCanvas):
            best = _best(text.canvas, logits)
            for position in (text.tokens < 0).nonzero().flatten().tolist():
                text.commit(position, int(best[position]))
                text.log_probability += float(logits[position, best[position]])
            return
        while bool((text.tokens < 0).any()):
            law = logits if text.canvas is None else logits.masked_fill(~text.canvas.allowed(), -math.inf)
            values, tokens = torch.where((text.tokens < 0)[:, None], law, -math.inf).max(dim=-1)
            position = int(values.argmax())
            if values[position] == -math.inf or not text.commit(position, int(tokens[position])):
                raise DeadEndError("the model rules out everything that the constraint allows")
            text.log_probability += float(values[position])


def _best(canvas: AutomatonCanvas | ChartCanvas, logits: torch.Tensor) -> torch.Tensor:
    """A most probable completion, (length,) int64."""
    if isinstance(canvas, AutomatonCanvas):
        return canvas.lattice(logits).best()[0][0]
    try:
        return canvas.best(logits)
    except UnsatisfiableConstraintError as error:
        message = "the model gives no completion that obeys the constraint a probability above zero"
        raise DeadEndError(message) from error


def _renormalised(logits: torch.Tensor) -> torch.Tensor:
    if bool((logits.amax(dim=-1) == -math.inf).any()):
        raise DeadEndError("the model rules out everything that the constraint allows")
    return logits.log_softmax(dim=-1)


def _outside(automaton: Automaton, outside: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return outside.gather(1, automaton.columns.classes[tokens][:, None])[:, 0]


def _finished(text: _Text, model: MaskedModel) -> DiffusionDraw:
    canvas = tuple(text.tokens.tolist())
    ends = [place for place, token in enumerate(canvas) if token in model.index.end_tokens]
    tokens = canvas[: ends[0] + 1] if ends else canvas
    return DiffusionDraw(tokens, 0.0, text.log_probability, canvas, tuple(text.steps), tuple(text.forced), text.calls)
