"""Tokens by adaptive weighted rejection: E[w · 1{t}] = P(t) on what is allowed, whatever the law."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.proposals import Proposed, geometric, recursive, within
from constrain.decoders.samplers.race import Race
from tests.decoders.samplers.enumeration import Enumeration


def _row(masses: list[float]) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.array(masses) / math.fsum(masses))


def _estimates(monkeypatch: pytest.MonkeyPatch, row: np.ndarray, allowed: set[int], limit: int | None) -> list[float]:
    """E[w · 1{t}] of the recursive estimator for each token."""
    mask = np.array([t in allowed for t in range(len(row))])
    chance = Chance(None)
    parts: list[list[float]] = [[] for _ in row]

    def run() -> list[Proposed | None]:
        race = Race(row, chance)
        return [recursive(race, allowed.__contains__, limit, lambda out: within(row, mask, out, chance))]

    with monkeypatch.context() as patch:
        for probability, (proposed,) in Enumeration(patch).outcomes(run):  # type: ignore[arg-type, assignment]
            if proposed is not None:
                parts[proposed.token].append(probability * math.exp(proposed.log_weight))
    return [math.fsum(part) for part in parts]


LAWS = [
    [0.4, 0.3, 0.2, 0.1],
    [0.25] * 4,
    [0.7, 0.0, 0.3, 0.0],
    [1.0, 0.0, 0.0, 0.0],
    [0.5, 0.5, 1e-12, 1e-13],
    [1e-300, 1.0, 1e-300, 1e-290],
]


@pytest.mark.parametrize("limit", [None, 0, 1, 2])
@pytest.mark.parametrize("masses", LAWS)
def test_the_recursive_estimator_is_exact(
    monkeypatch: pytest.MonkeyPatch, masses: list[float], limit: int | None
) -> None:
    """For every set of allowed tokens, relatively to the mass that is allowed; zeros and tiny masses included."""
    row = _row(masses)
    for size in range(5):
        for allowed in itertools.combinations(range(4), size):
            found = _estimates(monkeypatch, row, set(allowed), limit)
            expected = [math.exp(row[t]) if t in allowed else 0.0 for t in range(4)]
            assert found == pytest.approx(expected, rel=0.0, abs=1e-12 * math.fsum(expected)), allowed


@settings(max_examples=5)
@given(st.lists(st.floats(0.01, 1), min_size=6, max_size=6), st.sets(st.integers(0, 5)))
def test_six_tokens(masses: list[float], allowed: set[int]) -> None:
    """The same for random laws on six tokens."""
    row = _row(masses)
    with pytest.MonkeyPatch.context() as patch:
        found = _estimates(patch, row, allowed, 4)
    assert found == pytest.approx([math.exp(row[t]) if t in allowed else 0.0 for t in range(6)], rel=1e-11)


@pytest.mark.parametrize(("estimator", "accepts"), [("recursive", 2), ("geometric", 2), ("geometric", 4)])
@pytest.mark.parametrize("z", [0.5, 1e-3, 1e-12])
def test_means_lie_in_their_intervals(estimator: str, accepts: int, z: float) -> None:
    """Over many draws, by the real generator: the mean weight is within 4 standard errors of Z, also per token."""
    row = _row([1 - z, z / 4, 3 * z / 4, 0.0])
    allowed, chance, count = {1, 2, 3}, Chance(np.random.default_rng(1)), 4000
    weights = np.zeros((count, 4))
    for i in range(count):
        race = Race(row, chance)
        if estimator == "recursive":
            proposed = recursive(race, allowed.__contains__, None, lambda _: None)
        else:
            proposed = geometric(race, allowed.__contains__, accepts, chance)
        assert proposed is not None
        weights[i, proposed.token] = math.exp(proposed.log_weight) / z
    for found, expected in [(weights.sum(axis=1), 1.0), (weights[:, 1], 0.25), (weights[:, 2], 0.75)]:
        assert abs(found.mean() - expected) <= 4 * found.std() / math.sqrt(count) + 1e-12
    assert not weights[:, [0, 3]].any()


def test_nothing_allowed_is_no_proposal() -> None:
    """All tokens of positive probability are asked about once, and none is left."""
    row, chance = _row([0.5, 0.3, 0.2, 0.0]), Chance(np.random.default_rng(0))
    asked: list[int] = []

    def refuses(token: int) -> bool:
        asked.append(token)
        return False

    assert recursive(Race(row, chance), refuses, None, lambda _: None) is None
    assert sorted(asked) == [0, 1, 2]
    assert geometric(Race(row, chance), refuses, 2, chance) is None


def test_a_race_is_a_draw_without_replacement() -> None:
    """The law of the order is the product of the shares of what is left (chi-squared, fixed seed)."""
    masses, chance = [0.6, 0.3, 0.1], Chance(np.random.default_rng(3))
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(6000):
        race = Race(_row(masses), chance)
        order = []
        while not race.is_empty:
            token = race.draw()
            race.take_out(token)
            order.append(token)
        counts[tuple(order)] = counts.get(tuple(order), 0) + 1
    statistic = 0.0
    for order in itertools.permutations(range(3)):
        a, b, _ = (masses[t] for t in order)
        expected = 6000 * a * b / (1 - a)
        statistic += (counts.get(order, 0) - expected) ** 2 / expected
    assert statistic < 20.5  # 0.1 % of chi-squared with 5 degrees of freedom


def test_what_is_left_keeps_its_mass() -> None:
    """Behind heavy tokens that were taken out, masses of any size are right."""
    row = np.log(np.array([1.0, 1e-20, 1e-40, 2e-40]))
    race = Race(row, Chance(np.random.default_rng(0)))
    race.take_out(0)
    assert race.log_left == pytest.approx(math.log(1e-20), rel=1e-15)
    race.take_out(1)
    assert race.log_left == pytest.approx(math.log(3e-40), rel=1e-15)
    assert race.draw() in (2, 3)


def test_every_token_of_a_large_vocabulary_can_be_drawn() -> None:
    """All tokens come once, whatever block they are in, and what is left is their sum."""
    row = _row((np.arange(150) % 7 + 1).tolist())
    race = Race(row, Chance(np.random.default_rng(2)))
    seen: set[int] = set()
    while not race.is_empty:
        left = math.fsum(math.exp(row[t]) for t in range(150) if t not in seen)
        assert race.log_left == pytest.approx(math.log(left), abs=1e-12)
        token = race.draw()
        race.take_out(token)
        assert token not in seen
        seen.add(token)
    assert seen == set(range(150))


def test_few_checks() -> None:
    """Where the model mostly does what is allowed, two checks a token are enough."""
    chance, asked = Chance(np.random.default_rng(0)), 0
    row = _row([0.9, *[0.1 / 999] * 999])

    def allows(token: int) -> bool:
        nonlocal asked
        asked += 1
        return token % 3 != 1

    for _ in range(300):
        recursive(Race(row, chance), allows, None, lambda _: None)
    assert asked / 300 < 2.6
