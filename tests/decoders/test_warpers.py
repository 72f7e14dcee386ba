"""Warpers do what those of `transformers` do, and what they say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from constrain.decoders.warpers import Warping, keep_min_p, keep_top_k, keep_top_p

rows = st.integers(0, 10**6).map(
    lambda seed: torch.from_numpy(3 * np.random.default_rng(seed).standard_normal((2, 12)))
)


@settings(max_examples=60)
@given(rows, st.floats(0.2, 3), st.integers(1, 14), st.floats(0.05, 0.99), st.floats(0.01, 0.9))
def test_like_transformers(logits: torch.Tensor, temperature: float, k: int, p: float, least: float) -> None:
    """All of them one after the other, in the same order."""
    expected = logits
    for warper in (
        TemperatureLogitsWarper(temperature),
        TopKLogitsWarper(k),
        TopPLogitsWarper(p),
        MinPLogitsWarper(least),
    ):
        expected = warper(None, expected)
    warped = Warping(temperature, k, p, least)(logits)
    torch.testing.assert_close(warped, expected)


@settings(max_examples=60)
@given(rows, st.integers(1, 14), st.floats(0.05, 0.99), st.floats(0.01, 0.9))
def test_definitions(logits: torch.Tensor, k: int, p: float, least: float) -> None:
    """Each keeps what its definition says, found by sorting."""
    for row in logits:
        law = torch.softmax(row, -1).tolist()
        order = sorted(range(12), key=lambda t: -law[t])
        nucleus = next(n for n in range(1, 13) if n == 12 or sum(law[t] for t in order[:n]) >= p)
        for kept, expected in (
            (keep_top_k(row, k), set(order[:k])),
            (keep_top_p(row, p), set(order[:nucleus])),
            (keep_min_p(row, least), {t for t in range(12) if law[t] >= least * max(law)}),
        ):
            assert set(torch.isfinite(kept).nonzero().flatten().tolist()) == expected


def test_defaults_change_nothing() -> None:
    """Without settings the very same tensor comes back."""
    logits = torch.randn(2, 5, dtype=torch.float64)
    assert Warping()(logits) is logits


def test_tokens_that_are_out_stay_out() -> None:
    """-inf is never kept, and a row of it stays as it is."""
    logits = torch.tensor([[0.0, -torch.inf, 1.0], [-torch.inf] * 3], dtype=torch.float64)
    warped = Warping(0.5, 3, 0.999, 0.001)(logits)
    assert torch.equal(torch.isfinite(warped), torch.isfinite(logits))
    assert not bool(torch.isnan(warped).any())


@pytest.mark.parametrize(
    "settings_",
    [{"temperature": 0}, {"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}, {"min_p": -0.1}],
)
def test_settings_out_of_range(settings_: dict) -> None:
    """Settings that mean nothing are refused."""
    with pytest.raises(ValueError, match=next(iter(settings_))):
        Warping(**settings_)
