"""The law of single choices, and their weights."""

import math
from collections import defaultdict

import numpy as np
import pytest
import torch

from constrain.decoders import choice
from constrain.decoders.choice import Chooser, log_law
from constrain.decoders.warpers import Warping
from constrain.errors import DeadEndError
from tests.decoders.toys import enumerate_chance

LOGITS = torch.tensor([[0.3, 2.0, -1.0, 1.2, 0.0, 1.9, -3.0, 0.7]])
LAW = log_law(LOGITS)
P = LAW.exp()[0].tolist()
ALLOWED = torch.tensor([[True, False, True, True, True, False, True, True]])


class _Fixed:
    """Gives numbers that were fixed before."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0)


def test_pick_is_inversion() -> None:
    """The fraction of points of a fine grid that fall on a token is its share; the ends are safe."""
    masses = torch.tensor([0.0, 0.2, 0.0, 0.5, 0.1, 0.0], dtype=torch.float64)
    counts = [0] * 6
    for i in range(8000):
        token, mass, total = choice._pick(masses, _Fixed(i / 8000))  # type: ignore[arg-type]
        counts[token] += 1
        assert mass == masses[token]
    assert total == pytest.approx(0.8)
    np.testing.assert_allclose(np.array(counts) / 8000, masses.numpy() / 0.8, atol=2e-4)
    assert choice._pick(masses, _Fixed(1.0))[0] == 4  # type: ignore[arg-type]


def _outcomes(monkeypatch: pytest.MonkeyPatch, chooser: Chooser, check=None) -> tuple[dict, dict]:  # type: ignore[no-untyped-def]
    """Probability of each token, and E[weight · 1{token}]."""
    law, weights = defaultdict(float), defaultdict(float)
    rng = np.random.default_rng(0)
    for probability, made in enumerate_chance(monkeypatch, lambda: chooser.choose(LAW, ALLOWED, [rng], [check])):
        assert made[0].log_probability == pytest.approx(math.log(P[made[0].token]))  # type: ignore[index]
        law[made[0].token] += probability  # type: ignore[index]
        weights[made[0].token] += probability * math.exp(made[0].log_weight)  # type: ignore[index]
    return law, weights


@pytest.mark.parametrize("few", [0, 32])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("passing", [{0}, {3}, {6}, {0, 3, 6}, {2, 4}, {0, 2, 3, 4, 6, 7}])
def test_checked_draws_are_proper(
    monkeypatch: pytest.MonkeyPatch, few: int, temperature: float, passing: set[int]
) -> None:
    """Drawn from the law restricted to what passes, with E[w · 1{t}] = P(t); all checked or lazily."""
    monkeypatch.setattr(choice, "_FEW", few)
    law, weights = _outcomes(monkeypatch, Chooser(Warping(temperature)), passing.__contains__)
    scaled = {t: P[t] ** (1 / temperature) for t in passing}
    for token in passing:
        assert law[token] == pytest.approx(scaled[token] / sum(scaled.values()))
        assert weights[token] == pytest.approx(P[token])
    assert set(law) == passing


def test_lazy_checks_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything passes, two tokens are checked."""
    monkeypatch.setattr(choice, "_FEW", 0)
    checked: list[int] = []

    def check(token: int) -> bool:
        checked.append(token)
        return True

    Chooser(Warping()).choose(LAW, ALLOWED, [np.random.default_rng(0)], [check])
    assert len(checked) == 2


def _reference(warp_first: bool, warping: Warping) -> dict[int, float]:
    """The law of the two orders, by the warpers of the package on plain rows."""
    masked = LAW.masked_fill(~ALLOWED, -torch.inf)
    if not warp_first:
        kept = warping(masked)[0]
    else:
        kept = warping(LAW).masked_fill(~ALLOWED, -torch.inf)[0]
        if not bool(torch.isfinite(kept).any()):
            return {int(masked.argmax()): 1.0}
    return {t: float(p) for t, p in enumerate(torch.softmax(kept, -1)) if p > 0}


@pytest.mark.parametrize("few", [0, 32])
@pytest.mark.parametrize("warp_first", [False, True])
@pytest.mark.parametrize(
    "warping", [Warping(), Warping(0.7, top_k=3), Warping(top_p=0.6), Warping(min_p=0.3), Warping(top_k=1)]
)
@pytest.mark.parametrize("passing", [None, {2, 4}, {0, 3, 6, 7}])
def test_orders_of_mask_and_warpers(
    monkeypatch: pytest.MonkeyPatch, few: int, warp_first: bool, warping: Warping, passing: set[int] | None
) -> None:
    """Mask first, or warpers first; checks filter what is left, and the most probable one that passes stands in."""
    monkeypatch.setattr(choice, "_FEW", few)
    check = None if passing is None else passing.__contains__
    law, weights = _outcomes(monkeypatch, Chooser(warping, warp_first=warp_first), check)
    expected = {t: p for t, p in _reference(warp_first, warping).items() if passing is None or t in passing}
    if not expected and passing is not None:
        expected = {max((t for t in passing if ALLOWED[0, t]), key=lambda t: P[t]): 1.0}
    total = sum(expected.values())
    assert dict(law) == pytest.approx({t: p / total for t, p in expected.items()})
    assert dict(weights) == pytest.approx({t: P[t] for t in expected})


def test_orders_differ() -> None:
    """The two orders are not the same law here: token 1 and 5, the most probable ones, are forbidden."""
    assert _reference(True, Warping(top_k=3)) == {3: 1.0}
    assert set(_reference(False, Warping(top_k=3))) == {0, 3, 7}


@pytest.mark.parametrize("passing", [None, {0, 4}, {6}])
def test_greedy(passing: set[int] | None) -> None:
    """The most probable allowed token that passes."""
    check = None if passing is None else passing.__contains__
    made = Chooser(None).choose(LAW, ALLOWED, [np.random.default_rng(0)], [check])[0]
    expected = max(passing or {0, 2, 3, 4, 6, 7}, key=lambda t: P[t])
    assert made.token == expected
    assert made.log_weight == made.log_probability == pytest.approx(math.log(P[expected]))


def test_greedy_searches_the_whole_vocabulary() -> None:
    """Far more tokens fail than are sorted at first."""
    law = log_law(torch.randn(1, 3000, generator=torch.Generator().manual_seed(1)))
    last = int(law.argmin())
    chooser = Chooser(None)
    rng = np.random.default_rng(0)
    assert chooser.choose(law, torch.ones(1, 3000, dtype=torch.bool), [rng], [lambda t: t == last])[0].token == last
    with pytest.raises(DeadEndError):
        chooser.choose(law, torch.ones(1, 3000, dtype=torch.bool), [rng], [lambda _: False])


@pytest.mark.parametrize("warping", [None, Warping()])
def test_no_probability_is_a_dead_end(warping: Warping | None) -> None:
    """What the model rules out entirely is not chosen."""
    law = log_law(torch.tensor([[0.0, -torch.inf]]))
    with pytest.raises(DeadEndError):
        Chooser(warping).choose(law, torch.tensor([[False, True]]), [np.random.default_rng(0)], [None])
