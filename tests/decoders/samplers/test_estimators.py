"""What samples say: log Z, its interval, sample sizes, votes."""

import math

import numpy as np
import pytest

from constrain.decoders.contract import Sample
from constrain.decoders.samplers import CARS, SMC, ASAp, Masking, Rejection
from constrain.decoders.samplers.estimators import (
    accepted,
    effective_sample_size,
    log_partition,
    majority,
    most_probable,
    resample,
    systematic,
)
from constrain.decoders.samplers.smc import Place
from constrain.errors import ConstrainError, DeadEndError
from tests.decoders.samplers.enumeration import constraint_of, random_table, target

PROMPT, LONGEST = [0], 3
TABLE = random_table(4, 17, skew=1.2)
TOKENS = [b"a", b"b", b"ab", b""]
CONSTRAINT = constraint_of("a?b*", TOKENS)


def _sample(text: str, weight: float, probability: float = 0.5) -> Sample:
    log_weight = math.log(weight) if weight else -math.inf
    return Sample((0,), log_weight, math.log(probability), text, text if weight else None)


def test_intervals_hold_z_as_often_as_they_say() -> None:
    """Of 200 intervals of 90 %, about 180; for weights that vary, that are 0 or 1, and particles."""
    z = math.log(math.fsum(target(TABLE, PROMPT, CONSTRAINT, LONGEST).values()))
    for sampler in (Masking(), Rejection()):
        samples = sampler.draw(TABLE, PROMPT, CONSTRAINT, 8000, np.random.default_rng(1), max_new_tokens=LONGEST)
        parts = [samples[i : i + 80] for i in range(0, 8000, 80)]
        estimates = [log_partition(part, confidence=0.9) for part in parts]
        held = sum(estimate.low <= z <= estimate.high for estimate in estimates)
        assert 80 <= held <= 98, sampler
        assert abs(log_partition(samples).value - z) < 0.05
    rng = np.random.default_rng(2)
    runs = [SMC("mask", 1.0).draw(TABLE, PROMPT, CONSTRAINT, 4, rng, max_new_tokens=LONGEST) for _ in range(400)]
    estimate = log_partition(runs)
    assert estimate.low <= z <= estimate.high
    assert estimate.high - estimate.low < 0.2


def test_nothing_but_failures() -> None:
    """Z may be 0, and is probably small."""
    estimate = log_partition([_sample("x", 0)] * 100)
    assert (estimate.value, estimate.low) == (-math.inf, -math.inf)
    assert 0.02 < math.exp(estimate.high) < 0.04
    with pytest.raises(ValueError, match="samples"):
        log_partition([])


def test_one_sample_has_no_interval() -> None:
    """It says nothing of its spread."""
    estimate = log_partition([_sample("x", 0.5)])
    assert estimate.value == pytest.approx(math.log(0.5))
    assert (estimate.low, estimate.high) == (-math.inf, math.inf)


def test_effective_sample_size() -> None:
    """Equal weights count fully, failures not at all, however small all are."""
    assert effective_sample_size([_sample("x", 1e-200)] * 5) == pytest.approx(5)
    assert effective_sample_size([_sample("x", 0.1), _sample("y", 0)]) == pytest.approx(1)
    assert effective_sample_size([_sample("x", 0.3), _sample("y", 0.1)]) == pytest.approx(0.16 / 0.1)
    assert effective_sample_size([_sample("x", 0)]) == 0


@pytest.mark.parametrize("shares", [[0.5, 0.25, 0.25], [0.1, 0.0, 0.9], [1.0, 0.0], [0.34, 0.33, 0.33]])
def test_systematic_resampling_is_unbiased(shares: list[float]) -> None:
    """Over the offset, each position is chosen n times its share on average, and never off by one or more."""
    count, grid = 7, 2000
    totals = np.zeros(len(shares))
    for offset in (np.arange(grid) + 0.5) / grid:
        counts = np.bincount(systematic(np.array(shares), count, float(offset)), minlength=len(shares))
        assert (np.abs(counts - count * np.array(shares)) < 1 + 1e-9).all()
        totals += counts
    np.testing.assert_allclose(totals / grid, count * np.array(shares), atol=2e-3)


def test_resampling_keeps_the_total() -> None:
    """Failures vanish, shares stay, and the weights sum to what they did for as many samples."""
    samples = [_sample("a", 0.6), _sample("b", 0.0), _sample("c", 0.2)]
    again = resample(samples, 400, np.random.default_rng(0))
    assert sum(sample.text == "a" for sample in again) == 300
    assert {sample.text for sample in again} == {"a", "c"}
    assert [math.exp(sample.log_weight) for sample in again] == pytest.approx([0.8 / 3] * 400)
    assert again[:300] != [samples[0]] * 300
    with pytest.raises(DeadEndError):
        resample([_sample("x", 0)], 3, np.random.default_rng(0))


def test_votes() -> None:
    """Most of the weight wins, not most of the samples; failures have no say."""
    samples = [_sample("x", 0.5, 0.1), _sample("y", 0.2, 0.3), _sample("y", 0.2, 0.3), _sample("z", 0.0, 0.9)]
    winner, share = majority(samples)
    assert (winner.text, share) == ("x", pytest.approx(0.5 / 0.9))
    winner, share = majority(samples, key=lambda sample: sample.text in "yz")
    assert (winner.text, share) == ("x", pytest.approx(0.5 / 0.9))
    assert most_probable(samples).text == "y"
    for function in (majority, most_probable):
        with pytest.raises(DeadEndError):
            function([_sample("x", 0)])


def test_accepted_draws_have_the_exact_law() -> None:
    """Chi-squared with a fixed seed, for draws side by side that learn from each other."""
    law = target(TABLE, PROMPT, CONSTRAINT, LONGEST)
    total, count = math.fsum(law.values()), 4000
    samples = accepted(
        CARS(),  # type: ignore[arg-type]
        TABLE,  # type: ignore[arg-type]
        PROMPT,
        CONSTRAINT,
        count,
        np.random.default_rng(3),
        max_new_tokens=LONGEST,
    )
    found: dict[tuple[int, ...], int] = {}
    for sample in samples:
        found[sample.tokens] = found.get(sample.tokens, 0) + 1
    assert set(found) <= set(law)
    statistic = sum((found.get(x, 0) - count * p / total) ** 2 / (count * p / total) for x, p in law.items())
    assert statistic < len(law) + 5 * math.sqrt(2 * len(law))


def test_progress_is_told() -> None:
    """As samples are drawn, up to all of them."""
    for sampler in (ASAp(batch=2), Rejection(batch=2), SMC()):
        told: list[tuple[int, int]] = []
        sampler.draw(
            TABLE,  # type: ignore[arg-type]
            PROMPT,
            CONSTRAINT,
            5,
            np.random.default_rng(0),
            max_new_tokens=LONGEST,
            progress=lambda *numbers, told=told: told.append(numbers),  # type: ignore[misc]
        )
        assert told[-1] == (5, 5)
        assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_critics_and_twists() -> None:
    """A critic changes the target; a twist does not, whatever it says."""
    law = target(TABLE, PROMPT, CONSTRAINT, LONGEST)

    def critic(place: Place) -> float:
        return math.log(0.2) if "a" in place.text else -math.inf

    texts = {x: b"".join(TOKENS[t] for t in x) for x in law}
    wanted = math.log(math.fsum(0.2 * p for x, p in law.items() if b"a" in texts[x]))
    rng = np.random.default_rng(5)
    for twist in (None, lambda place: -3.0 * len(place.tokens), lambda place: 1.0 if "a" in place.text else -1.0):
        sampler = SMC("mask", 0.8, critic=critic, twist=twist)
        runs = [sampler.draw(TABLE, PROMPT, CONSTRAINT, 8, rng, max_new_tokens=LONGEST) for _ in range(300)]
        estimate = log_partition(runs, confidence=0.999)
        assert estimate.low <= wanted <= estimate.high
        assert all("a" in sample.text for run in runs for sample in run if not sample.failed)
    with pytest.raises(ConstrainError, match="below infinity"):
        SMC(critic=lambda _: math.nan).draw(TABLE, PROMPT, CONSTRAINT, rng=rng, max_new_tokens=LONGEST)
