"""Applying a bitmask is `torch.where(allowed, logits, -inf)`, on every backend."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import constrain
from constrain.decoders.kernels import backends
from constrain.decoders.kernels.backends import backend_for, backend_name
from constrain.errors import ConstrainError

CPU = torch.device("cpu")
TYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]


def _bits(bitmask: np.ndarray, width: int) -> torch.Tensor:
    """Naive: NumPy's own bits."""
    bits = np.unpackbits(np.ascontiguousarray(bitmask).view(np.uint8), axis=1, bitorder="little")[:, :width]
    return torch.from_numpy(np.pad(bits, ((0, 0), (0, width - bits.shape[1]))).astype(bool))


def _random(batch: int, words: int, seed: int = 0) -> np.ndarray:
    """Masks of all sorts of words: also of those that allow or forbid all their tokens."""
    rng = np.random.default_rng(seed)
    words_ = rng.integers(-(2**31), 2**31, (batch, words), dtype=np.int64)
    kinds = rng.integers(0, 4, (batch, words))
    return np.select([kinds == 0, kinds == 1], [0, -1], words_).astype(np.int32)


def _same_bits(found: torch.Tensor, expected: torch.Tensor) -> bool:
    kind = {2: torch.int16, 4: torch.int32, 8: torch.int64}[found.element_size()]
    return torch.equal(found.cpu().contiguous().view(kind), expected.contiguous().view(kind))


@settings(max_examples=60)
@given(
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(0, 70),
    st.sampled_from(TYPES),
    st.booleans(),
    st.sampled_from(["torch", "cpu", "auto"]),
    st.integers(0, 9),
)
def test_equals_where(
    batch: int, words: int, extra: int, dtype: torch.dtype, tensor: bool, backend: str, seed: int
) -> None:
    """Every width from the last word's first bit to far beyond it, every type, both array libraries."""
    bitmask = _random(batch, words, seed)
    width = 32 * (words - 1) + 1 + extra
    logits = torch.randn(batch, width, generator=torch.Generator().manual_seed(seed)).to(dtype)
    expected = torch.where(_bits(bitmask, width), logits, -torch.inf)
    constrain.apply_token_bitmask_inplace(logits, torch.from_numpy(bitmask) if tensor else bitmask, backend=backend)
    assert _same_bits(logits, expected)


@pytest.mark.parametrize(
    ("width", "batch"), [(1, 1), (31, 5), (32, 512), (33, 3), (1025, 8), (50257, 2), (128256, 1), (151936, 2)]
)
@pytest.mark.parametrize("dtype", TYPES[:3])
def test_sizes(width: int, batch: int, dtype: torch.dtype, device: torch.device, backend: str) -> None:
    """Widths around words and those of well-known vocabularies, with padding; infinities and NaN pass through."""
    if batch == 512 and backend == "triton" and device.type == "cpu":
        batch = 64
    bitmask = _random(batch, -(-width // 32))
    logits = torch.randn(batch, width, generator=torch.Generator().manual_seed(1)).to(dtype)
    logits[:, ::7], logits[:, 3::11], logits[:, 5::13] = torch.inf, -torch.inf, torch.nan
    padded = torch.cat([logits, torch.ones(batch, 40, dtype=dtype)], dim=1)
    expected = torch.where(_bits(bitmask, width + 40), padded, -torch.inf)
    moved = padded.to(device)
    constrain.apply_token_bitmask_inplace(moved, bitmask, backend=backend)
    assert _same_bits(moved, expected)


@pytest.mark.parametrize("indices", [[0, 2], [3], [], torch.tensor([1, 3]), [2, 0]], ids=str)
def test_indices(indices: "list[int] | torch.Tensor", device: torch.device, backend: str) -> None:
    """Only the rows named are masked, each by its own row of the bitmask."""
    bitmask = _random(4, 2)
    logits = torch.randn(4, 50)
    named = torch.as_tensor(indices, dtype=torch.long)
    expected = logits.clone()
    expected[named] = torch.where(_bits(bitmask, 50), logits, -torch.inf)[named]
    moved = logits.to(device)
    constrain.apply_token_bitmask_inplace(moved, bitmask, indices=indices, backend=backend)
    assert torch.equal(moved.cpu(), expected)


def test_free_rows(device: torch.device, backend: str) -> None:
    """Rows may share masks of a table, in any order, or have none."""
    table, logits = _random(3, 3), torch.randn(5, 70)
    numbers = [2, -1, 0, 2, -1]
    expected = logits.clone()
    for row, number in enumerate(numbers):
        if number >= 0:
            expected[row] = torch.where(_bits(table[[number]], 70)[0], logits[row], -torch.inf)
    moved = logits.to(device)
    sources = torch.tensor(numbers, dtype=torch.int32, device=device)
    backend_for(backend, device).apply(moved, torch.from_numpy(table).to(device), sources, None)
    assert torch.equal(moved.cpu(), expected)


@pytest.mark.parametrize("dtype", TYPES)
def test_in_place_through_a_view(dtype: torch.dtype, device: torch.device, backend: str) -> None:
    """A view with any strides is written through; one row may come without its batch dimension."""
    whole = torch.zeros(3, 2, 40, dtype=dtype, device=device)
    bitmask = _random(3, 2)
    bits = _bits(bitmask, 40)
    constrain.apply_token_bitmask_inplace(whole[:, 1], bitmask, backend=backend)
    assert torch.equal(whole[:, 1].cpu() == 0, bits)
    assert bool((whole[:, 0] == 0).all())
    constrain.apply_token_bitmask_inplace(whole[0, 0], bitmask[0], backend=backend)
    assert torch.equal(whole[0, 0].cpu() == 0, bits[0])
    columns = torch.zeros(80, 3, dtype=dtype, device=device)
    constrain.apply_token_bitmask_inplace(columns.t()[:, ::2], np.asfortranarray(bitmask), backend=backend)
    assert torch.equal(columns[::2].t().cpu() == 0, bits)
    assert bool((columns[1::2] == 0).all())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what torch.compile imports
def test_torch_compile() -> None:
    """Compiled for the CPU, where PyTorch has a compiler for that."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        pytest.skip("torch.compile finds no C++ compiler")
    bitmask, logits = _random(3, 5), torch.randn(3, 150)
    expected = torch.where(_bits(bitmask, 150), logits, -torch.inf)
    constrain.apply_token_bitmask_inplace(logits, bitmask, backend="torch_compile")
    assert torch.equal(logits, expected)


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
def test_refusals(logits: torch.Tensor, bitmask: np.ndarray, options: dict[str, Any], error: type[Exception]) -> None:
    """What does not fit is an error and leaves the logits alone."""
    with pytest.raises(error):
        constrain.apply_token_bitmask_inplace(logits, bitmask, **options)
    assert bool((logits == 0).all())


def test_a_backend_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is used in its place."""
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    with pytest.raises(ConstrainError, match="pip install"):
        backend_name("triton", CPU)
    monkeypatch.undo()
    monkeypatch.setattr(backends, "find_spec", lambda name: sys)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ConstrainError, match="TRITON_INTERPRET"):
        backend_name("triton", CPU)
    with pytest.raises(ConstrainError, match="'cpu' cannot be used on a cuda"):
        backend_name("cpu", torch.device("cuda"))


def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable says what "auto" means; a name that is given stands."""
    monkeypatch.delenv(backends.SWITCH, raising=False)
    monkeypatch.setattr(backends, "find_spec", lambda name: sys)
    cuda = torch.device("cuda")
    assert [backend_name("auto", device) for device in (CPU, cuda, torch.device("mps"))] == ["cpu", "triton", "torch"]
    monkeypatch.setenv(backends.SWITCH, "torch")
    assert [backend_name("auto", device) for device in (CPU, cuda)] == ["torch", "torch"]
    assert backend_name("cpu", CPU) == "cpu"
    monkeypatch.setenv(backends.SWITCH, "abacus")
    with pytest.raises(ConstrainError, match="abacus"):
        backend_name("auto", CPU)
    monkeypatch.undo()
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert backend_name("auto", cuda) == "torch"
