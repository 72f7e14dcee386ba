"""Applying a bitmask is `torch.where(allowed, logits, -inf)`."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import constrain
from constrain.errors import ConstrainError


def _bits(bitmask: np.ndarray, width: int) -> torch.Tensor:
    """Naive: bit by bit."""
    allowed = torch.zeros(bitmask.shape[0], width, dtype=torch.bool)
    for row in range(bitmask.shape[0]):
        for token in range(min(width, 32 * bitmask.shape[1])):
            allowed[row, token] = bool(int(bitmask[row, token // 32]) >> (token % 32) & 1)
    return allowed


def _random(batch: int, words: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-(2**31), 2**31, (batch, words), dtype=np.int64).astype(np.int32)


@settings(max_examples=60)
@given(
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(0, 70),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    st.booleans(),
    st.integers(0, 9),
)
def test_equals_where(batch: int, words: int, extra: int, dtype: torch.dtype, tensor: bool, seed: int) -> None:
    """Every width from the last word's first bit to far beyond it, every type, both array libraries."""
    bitmask = _random(batch, words, seed)
    width = 32 * (words - 1) + 1 + extra
    logits = torch.randn(batch, width, generator=torch.Generator().manual_seed(seed)).to(dtype)
    expected = torch.where(_bits(bitmask, width), logits, -torch.inf)
    constrain.apply_token_bitmask_inplace(logits, torch.from_numpy(bitmask) if tensor else bitmask)
    assert torch.equal(logits, expected)


@pytest.mark.parametrize("indices", [[0, 2], [3], [], torch.tensor([1, 3]), [2, 0]])
def test_indices(indices: "list[int] | torch.Tensor") -> None:
    """Only the rows named are masked, each by its own row of the bitmask."""
    bitmask = _random(4, 2)
    logits = torch.randn(4, 50)
    named = torch.as_tensor(indices, dtype=torch.long)
    expected = logits.clone()
    expected[named] = torch.where(_bits(bitmask, 50), logits, -torch.inf)[named]
    constrain.apply_token_bitmask_inplace(logits, bitmask, indices=indices)
    assert torch.equal(logits, expected)


def test_in_place_through_a_view() -> None:
    """A strided view is written through; one row may come without its batch dimension."""
    whole = torch.zeros(3, 2, 40)
    bitmask = _random(3, 2)
    constrain.apply_token_bitmask_inplace(whole[:, 1], bitmask, backend="torch")
    assert torch.equal(whole[:, 1] == 0, _bits(bitmask, 40))
    assert bool((whole[:, 0] == 0).all())
    constrain.apply_token_bitmask_inplace(whole[0, 0], bitmask[0])
    assert torch.equal(whole[0, 0] == 0, _bits(bitmask, 40)[0])


def test_allowed_logits_keep_their_bits() -> None:
    """Negative zero, infinity and not-a-number pass through when allowed."""
    logits = torch.tensor([[-0.0, torch.inf, torch.nan, 1.0]])
    before = logits.view(torch.int32).clone()
    constrain.apply_token_bitmask_inplace(logits, np.array([[0b0111]], np.int32))
    assert torch.equal(logits.view(torch.int32)[:, :3], before[:, :3])
    assert logits[0, 3] == -torch.inf


@pytest.mark.parametrize(
    ("logits", "bitmask", "options", "error"),
    [
        (torch.zeros(1, 32), np.zeros((1, 2), np.int32), {}, ValueError),
        (torch.zeros(2, 32), np.zeros((1, 1), np.int32), {}, ValueError),
        (torch.zeros(2, 32), np.zeros((1, 1), np.int32), {"indices": [1]}, ValueError),
        (torch.zeros(1, 32), np.zeros((1, 1), np.int32), {"indices": [-1]}, ValueError),
        (torch.zeros(1, 32), np.zeros((1, 1), np.int64), {}, ValueError),
        (torch.zeros(1, 32, dtype=torch.int32), np.zeros((1, 1), np.int32), {}, ValueError),
        (torch.zeros(1, 1, 32), np.zeros((1, 1), np.int32), {}, ValueError),
        (torch.zeros(1, 32), np.zeros((1, 1), np.int32), {"backend": "abacus"}, ConstrainError),
    ],
)
def test_refusals(logits: torch.Tensor, bitmask: np.ndarray, options: dict, error: type[Exception]) -> None:
    """What does not fit is an error and leaves the logits alone."""
    with pytest.raises(error):
        constrain.apply_token_bitmask_inplace(logits, bitmask, **options)
    assert bool((logits == 0).all())
