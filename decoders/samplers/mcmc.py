"""MCMC: a text is rewritten from some place on, again and again ("Constrained Sampling for Language Models Should Be
Easy: An MCMC Perspective", Gonzalez et al. 2025).

From a text w, a place i is drawn by a law p(i | w), the tokens from i on are drawn anew by masked decoding, and the
result w' takes the place of w with probability min(1, α),

    α = P(w') q(w | w') / (P(w) q(w' | w)),     q(w' | w) = Σ p(i | w) ∏ P(w'ⱼ | w'₁…ⱼ₋₁) / m(w'₁…ⱼ₋₁), j ≥ i,

the sum over the places i up to the first token where w and w' differ.  The law of the model given the language is
invariant and satisfies detailed balance, and as the place 0 has positive probability the chain tends to it.

restart    always from the beginning
uniform    every place equally
priority   in proportion to the perplexity of the model's law there: where it was unsure

The chain starts with a draw of masked decoding.  Because the law is invariant, the weight of that draw stays the
proper weight of whatever the chain has become; without weights, samples are the better the longer the chain.
All texts share one trie, so that known prefixes cost no call of the model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from constrain.decoders.contract import Draw, LanguageModel, Progress, Sample, sample_of
from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.descents import Mode, Walk
from constrain.decoders.samplers.keys import walker_of
from constrain.decoders.samplers.languages import Language, Truncation
from constrain.decoders.samplers.scoring import Tokens, log_sum
from constrain.decoders.samplers.trie import TokenTrie
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["MCMC"]

Place = Literal["restart", "uniform", "priority"]


@dataclass(frozen=True, slots=True)
class MCMC:
    """Markov chains over texts of the language, one for each sample.

    proposal      where a text is rewritten; see the module
    steps         of each chain
    temperature, truncation, trie   as for `adaptive.MARS`
    batch         chains side by side
    """

    proposal: Place = "restart"
    steps: int = 10
    temperature: float = 1.0
    truncation: Truncation = "reject"
    batch: int = 8
    trie: TokenTrie | None = None

    def __post_init__(self) -> None:
        if self.proposal not in ("restart", "uniform", "priority"):
            raise ValueError(f"proposal is 'restart', 'uniform' or 'priority', not {self.proposal!r}")
        if self.steps < 0 or self.batch < 1:
            raise ValueError("steps must not be negative, and batch at least 1")

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
        """See `contract.Sampler`; the last text of each of `n` chains."""
        chance, trie = Chance(rng), TokenTrie() if self.trie is None else self.trie
        walker = walker_of(
            trie,
            model,
            prompt,
            constraint,
            chance,
            max_new_tokens=max_new_tokens,
            temperature=self.temperature,
            truncation=self.truncation,
        )
        samples: list[Sample] = []
        while len(samples) < n:
            starts = walker.walk(min(self.batch, n - len(samples)), Mode.MASKING)
            chains = [_Chain(start, trie, self.proposal) for start in starts]
            living = [chain for chain in chains if not chain.start.failed]
            for _ in range(self.steps if living else 0):
                prefixes = [chain.kept(chance) for chain in living]
                for chain, proposed in zip(living, walker.resume(prefixes), strict=True):
                    chain.consider(proposed, chance)
            samples += [sample_of(chain.draw(), constraint.index) for chain in chains]
            if progress is not None:
                progress(len(samples), n)
        return samples


class _State:
    """A text with what its proposals need.

    log_places   log p(i | w) for each place i, (tokens,)
    log_rest     log-probability of the tokens from i on under masked decoding, (tokens,)
    """

    def __init__(self, nodes: list[int], trie: TokenTrie, place: Place) -> None:
        self.tokens: Tokens = tuple(trie.token[node] for node in nodes[1:])
        before, after = nodes[:-1], nodes[1:]
        log_p = np.array([trie.log_p[node] for node in after])
        log_valid = np.array([trie.log_valid[node] for node in before])
        self.log_probability = math.fsum(log_p.tolist())
        self.log_rest = np.cumsum((log_p - log_valid)[::-1])[::-1]
        entropies = [trie.entropy_of(node) if place == "priority" else 0.0 for node in before]
        self.log_places = _places(place, entropies)


def _places(place: Place, entropies: list[float]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Log p(i | w): perplexity is exp(entropy)."""
    logs = np.zeros(len(entropies))
    if place == "restart":
        logs[1:] = -np.inf
    elif place == "priority":
        logs[:] = entropies
    return logs - log_sum(logs)


def _log_proposal(old: _State, new: _State) -> float:
    """Log q(new | old)."""
    shared = 0
    while shared < min(len(old.tokens), len(new.tokens)) and old.tokens[shared] == new.tokens[shared]:
        shared += 1
    places = min(shared + 1, len(old.tokens), len(new.tokens))
    return log_sum(old.log_places[:places] + new.log_rest[:places])


class _Chain:
    """One chain, at its start a draw of masked decoding."""

    def __init__(self, start: Walk, trie: TokenTrie, place: Place) -> None:
        self.start, self._trie, self._place = start, trie, place
        self.state = None if start.failed else _State(start.nodes, trie, place)

    def kept(self, chance: Chance) -> Tokens:
        """The tokens before the place that is drawn."""
        assert self.state is not None
        if not self.state.tokens:
            return ()
        return self.state.tokens[: chance.choose(np.exp(self.state.log_places).tolist())]

    def consider(self, proposed: Walk, chance: Chance) -> None:
        """Take a proposed text or leave it."""
        assert self.state is not None
        if proposed.failed:
            return
        new = _State(proposed.nodes, self._trie, self._place)
        if new.tokens == self.state.tokens:
            return
        gain = new.log_probability - self.state.log_probability
        if chance.happens(gain + _log_proposal(new, self.state) - _log_proposal(self.state, new)):
            self.state = new

    def draw(self) -> Draw:
        """The text that the chain has come to, with the weight of its start."""
        if self.state is None:
            return self.start.draw()
        return Draw(self.state.tokens, self.start.log_weight, self.state.log_probability)
