"""Sequential Monte Carlo: weighted particles that grow token by token, the heavy ones multiplied.

Each particle is extended by a `proposals.Proposal` and multiplies its weight by that of the token.  When the effective
sample size falls below a share of the particles, they are resampled systematically: each is copied about as often as
its weight says, and all take the mean weight.  Whatever is resampled when, the mean of the weights at the end
estimates Z without bias, and E[mean(w f)] = Σ P f over L ("Sequential Monte Carlo Steering of Large Language Models",
Lew et al. 2023; Del Moral 2004).  Particles that are finished stay in the pool, or the estimate would be biased.

Copies share what the model has read (see `scoring.Laws`) and fork their matchers.

A *critic* is a factor of the target: for a finished text x it says log Φ(x), and the law becomes P · 1[L] · Φ.  A
*twist* only looks ahead: log ψ of a beginning, by which particles are chosen, and which is divided out at the end.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from constrain.decoders.contract import Draw, LanguageModel, Progress, Sample, sample_of
from constrain.decoders.samplers.chance import Chance, systematic_breaks
from constrain.decoders.samplers.estimators import systematic
from constrain.decoders.samplers.languages import Language, Position, Truncation, begin
from constrain.decoders.samplers.proposals import Adaptive, ByMask, Proposal
from constrain.decoders.samplers.scoring import Laws, Row, Tokens
from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["AWRS", "SMC", "Place", "Potential"]

_PROPOSALS: dict[str, Callable[[], Proposal]] = {"mask": ByMask, "awrs": Adaptive}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a particle is: the text so far, cut back to whole characters, its tokens, and the constraint's position."""

    text: str
    tokens: Tokens
    position: Position


Potential = Callable[[Place], float]
"""A log-factor; -inf rules a place out."""


@dataclass(frozen=True, slots=True)
class SMC:
    """Sequential Monte Carlo; the samples of one call of `draw` are its particles, and depend on each other.

    proposal        "awrs", "mask", or a `proposals.Proposal`
    ess_threshold   resample below this share of the particles; 0 never resamples
    critic          log Φ of finished texts, a factor of the target
    twist           log ψ of unfinished texts, which guides
    temperature     of the target
    truncation      see `languages`
    particles       how many `constrain.generate` uses; `draw` is told
    """

    proposal: Proposal | Literal["awrs", "mask"] = "awrs"
    ess_threshold: float = 0.5
    critic: Potential | None = None
    twist: Potential | None = None
    temperature: float = 1.0
    truncation: Truncation = "reject"
    particles: int = 16

    def __post_init__(self) -> None:
        if isinstance(self.proposal, str) and self.proposal not in _PROPOSALS:
            raise ValueError(f"there is no proposal {self.proposal!r}; choose one of {sorted(_PROPOSALS)}, or make one")
        if not 0 <= self.ess_threshold <= 1:
            raise ValueError("ess_threshold must lie between 0 and 1")
        if self.particles < 1:
            raise ValueError("particles must be at least 1")

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
        """See `contract.Sampler`; `n` particles."""
        start = begin(constraint, max_new_tokens, self.truncation)
        laws, chance = Laws(model, prompt, temperature=self.temperature), Chance(rng)
        proposal = _PROPOSALS[self.proposal]() if isinstance(self.proposal, str) else self.proposal
        particles = [_Particle(start.fork(), self.critic, self.twist) for _ in range(n)]
        while active := [particle for particle in particles if not particle.is_over]:
            for particle, row in zip(active, laws.rows([each.tokens for each in active]), strict=True):
                particle.extend(row, proposal, chance)
            if not all(particle.is_over for particle in particles):
                particles = self._resampled(particles, chance)
            if progress is not None:
                progress(sum(particle.is_over for particle in particles), n)
        return [sample_of(particle.draw(), constraint.index) for particle in particles]

    def _resampled(self, particles: list["_Particle"], chance: Chance) -> list["_Particle"]:
        """The particles, resampled if their weights are too uneven."""
        logs = np.array([particle.log_weight for particle in particles])
        most = float(logs.max())
        if most == -math.inf:
            return particles
        weights = np.exp(logs - most)
        if float(weights.sum()) ** 2 / float((weights**2).sum()) >= self.ess_threshold * len(particles):
            return particles
        shares = weights / weights.sum()
        offset = chance.offset(systematic_breaks(shares, len(particles)))
        log_weight = most + math.log(float(weights.mean()))
        return [particles[i].copy(log_weight) for i in systematic(shares, len(particles), offset)]


class _Particle:
    """A sequence and its weight."""

    __slots__ = ("_critic", "_log_twist", "_position", "_twist", "is_over", "log_probability", "log_weight", "tokens")

    def __init__(self, position: Position, critic: Potential | None, twist: Potential | None) -> None:
        self._position, self._critic, self._twist = position, critic, twist
        self.tokens: Tokens = ()
        self.log_weight = self.log_probability = self._log_twist = 0.0
        self.is_over = False
        self._weigh()

    def extend(self, row: Row, proposal: Proposal, chance: Chance) -> None:
        """Read one more token."""
        proposed = proposal.propose(row, self._position, chance)
        if proposed is None:
            self._fail()
            return
        self.tokens += (proposed.token,)
        self.log_weight += proposed.log_weight
        self.log_probability += float(row[proposed.token])
        if self._position.read(proposed.token):
            self._weigh()
        else:
            self._fail()

    def _fail(self) -> None:
        self.is_over, self.log_weight = True, -math.inf

    def _weigh(self) -> None:
        """Replace the twist by that of the new place, at the end of the text by the critic."""
        self.is_over = self._position.is_complete
        potential = self._critic if self.is_over else self._twist
        log_factor = 0.0 if potential is None else float(potential(self._place()))
        if math.isnan(log_factor) or log_factor == math.inf:
            raise ConstrainError(f"a critic or twist says {log_factor} of a text; it must be below infinity")
        if log_factor == -math.inf:
            self._fail()
            return
        self.log_weight += log_factor - self._log_twist
        self._log_twist = log_factor

    def _place(self) -> Place:
        text = self._position.text
        return Place(text.decode(errors="ignore"), self.tokens, self._position)

    def copy(self, log_weight: float) -> "_Particle":
        """A particle at the same place, with another weight."""
        copy = object.__new__(_Particle)
        copy._position, copy._critic, copy._twist = self._position.fork(), self._critic, self._twist
        copy.tokens, copy.log_weight, copy.log_probability = self.tokens, log_weight, self.log_probability
        copy._log_twist, copy.is_over = self._log_twist, self.is_over
        return copy

    def draw(self) -> Draw:
        """What the particle has become."""
        return Draw(self.tokens, self.log_weight, self.log_probability)


@dataclass(frozen=True, slots=True)
class AWRS:
    """Adaptive weighted rejection at every token, without resampling: independent weighted draws.

    estimator, checks_before_mask, max_accepts   see `proposals.Adaptive`
    temperature, truncation                      as for `SMC`
    """

    estimator: Literal["recursive", "geometric"] = "recursive"
    checks_before_mask: int | None = 8
    max_accepts: int = 2
    temperature: float = 1.0
    truncation: Truncation = "reject"

    def __post_init__(self) -> None:
        self._proposal()

    def _proposal(self) -> Adaptive:
        return Adaptive(self.estimator, self.checks_before_mask, self.max_accepts)

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
        smc = SMC(self._proposal(), 0.0, temperature=self.temperature, truncation=self.truncation)
        return smc.draw(model, prompt, constraint, n, rng, max_new_tokens=max_new_tokens, progress=progress)
