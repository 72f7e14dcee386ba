"""What weighted samples say about a model under a constraint.

With weights wᵢ of n properly weighted draws: mean(w) estimates Z = P(L) without bias, Σ wᵢ f(xᵢ) / Σ wᵢ the mean of f
given the language, and (Σ w)² / Σ w² says how many draws of the exact law they are worth (Kong 1992).
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.decoders.contract import LanguageModel, Progress, Sample, Sampler
from constrain.decoders.samplers.trie import TokenTrie
from constrain.grammars.errors import DeadEndError
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = [
    "LogEstimate",
    "accepted",
    "effective_sample_size",
    "log_partition",
    "majority",
    "most_probable",
    "resample",
    "systematic",
    "weights_of",
]

Masses = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LogEstimate:
    """An estimate on the log scale, with a confidence interval; all natural logarithms."""

    value: float
    low: float
    high: float


def weights_of(samples: Sequence[Sample]) -> tuple[Masses, float]:
    """exp(log_weight - shift), float64 (n,), and the shift, which makes the largest weight 1."""
    logs = np.array([sample.log_weight for sample in samples], np.float64)
    shift = float(logs.max()) if len(logs) else -math.inf
    if shift == -math.inf:
        return np.zeros(len(logs)), shift
    return np.exp(logs - shift), shift


def log_partition(samples: Sequence[Sample] | Sequence[Sequence[Sample]], *, confidence: float = 0.95) -> LogEstimate:
    """Log Z, the log-probability of the language under the model.

    `samples` are independent draws, failed ones included; or, as a list of lists, the particles of independent runs of
    `SMC`, which depend on each other within a run.  The interval is the normal one of the mean; where every draw has
    failed, all that is known is how rarely a draw succeeds, and weights are at most 1.  Raises ValueError without
    samples.
    """
    runs = [list(run) if isinstance(run, Sequence) else [run] for run in samples]
    if not runs or not all(runs):
        raise ValueError("log Z needs samples")
    flat = [sample for run in runs for sample in run]
    weights, shift = weights_of(flat)
    if shift == -math.inf:
        return LogEstimate(-math.inf, -math.inf, math.log(-math.expm1(math.log1p(-confidence) / len(runs))))
    ends = np.cumsum([len(run) for run in runs])
    means = np.array([part.mean() for part in np.split(weights, ends[:-1])])
    mean = float(means.mean())
    error = float(means.std(ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else math.inf
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * error
    low = math.log(mean - margin) if margin < mean else -math.inf
    return LogEstimate(shift + math.log(mean), shift + low, shift + math.log(mean + margin))


def effective_sample_size(samples: Sequence[Sample]) -> float:
    """How many equally weighted draws the samples are worth: between 0 (all failed) and their number."""
    weights, _ = weights_of(samples)
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def systematic(shares: Masses, count: int, offset: float) -> list[int]:
    """Systematic resampling: position i about ``shares[i] * count`` times, for shares that sum to 1.

    The points (k + offset) / count, k < count, are looked up in the cumulated shares; with `offset` uniform on [0, 1)
    the expected number of times is exact (Carpenter, Clifford, Fearnhead 1999).
    """
    cumulated = np.cumsum(shares)
    points = (np.arange(count) + offset) / count * cumulated[-1]
    last = int(np.flatnonzero(shares)[-1])
    chosen: list[int] = np.minimum(cumulated.searchsorted(points, side="right"), last).tolist()
    return chosen


def resample(samples: Sequence[Sample], n: int, rng: np.random.Generator) -> list[Sample]:
    """`n` samples drawn in proportion to their weights, in random order, each with the mean weight.

    Raises DeadEndError when all have failed.
    """
    weights, shift = weights_of(samples)
    if shift == -math.inf:
        raise DeadEndError("all samples have failed: there is nothing to resample")
    log_weight = shift + math.log(float(weights.mean()))
    chosen = systematic(weights / weights.sum(), n, float(rng.random()))
    return [replace(samples[chosen[i]], log_weight=log_weight) for i in rng.permutation(n).tolist()]


def most_probable(samples: Sequence[Sample]) -> Sample:
    """The sample that the model gives the highest probability.  Raises DeadEndError when all have failed."""
    succeeded = [sample for sample in samples if not sample.failed]
    if not succeeded:
        raise DeadEndError("all samples have failed")
    return max(succeeded, key=lambda sample: sample.log_probability)


def majority(samples: Sequence[Sample], key: Callable[[Sample], Hashable] | None = None) -> tuple[Sample, float]:
    """A sample of what most of the weight agrees on, and the share of the weight that does.

    `key` says what agrees: the text unless given.  (Self-consistency, Wang et al. 2022, with importance weights.)
    Raises DeadEndError when all have failed.
    """
    weights, shift = weights_of(samples)
    if shift == -math.inf:
        raise DeadEndError("all samples have failed")
    votes: dict[Hashable, float] = {}
    first: dict[Hashable, Sample] = {}
    for sample, weight in zip(samples, weights.tolist(), strict=True):
        if weight > 0:
            name = sample.text if key is None else key(sample)
            votes[name] = votes.get(name, 0.0) + weight
            first.setdefault(name, sample)
    winner = max(votes, key=lambda name: votes[name])
    return first[winner], votes[winner] / float(weights.sum())


def accepted(
    sampler: Sampler,
    model: LanguageModel,
    prompt: Sequence[int],
    constraint: CompiledConstraint,
    n: int = 1,
    rng: np.random.Generator | None = None,
    *,
    max_new_tokens: int | None = None,
    progress: Progress | None = None,
    max_draws: int = 100_000,
) -> list[Sample]:
    """The first `n` draws that do not fail.

    Of `Rejection`, `CARS` and `MARS` these are independent draws of the model given the language.  What a sampler
    learns is kept from draw to draw.  As failures are left out, the weights do not estimate Z any more.  Raises
    DeadEndError when `max_draws` draws do not suffice, or the language is known to have no probability.
    """
    rng = np.random.default_rng() if rng is None else rng
    sampler = _remembering(sampler)
    found: list[Sample] = []
    draws = 0
    while len(found) < n:
        if draws >= max_draws or _is_hopeless(sampler):
            raise DeadEndError(f"{draws} draws gave {len(found)} texts that obey the constraint; {n} were asked for")
        count = min(n - len(found), max_draws - draws)
        samples = sampler.draw(model, prompt, constraint, count, rng, max_new_tokens=max_new_tokens)
        found += [sample for sample in samples if not sample.failed]
        draws += count
        if progress is not None:
            progress(len(found), n)
    return found


def _remembering(sampler: Any) -> Any:
    """A sampler that keeps what it learns, if it learns."""
    return replace(sampler, trie=TokenTrie()) if getattr(sampler, "trie", 0) is None else sampler


def _is_hopeless(sampler: Any) -> bool:
    trie = getattr(sampler, "trie", None)
    return isinstance(trie, TokenTrie) and trie.log_upper_bound == -math.inf
