"""Draws are those of the restricted law, with its probabilities, on every backend alike."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from constrain.decoders.kernels.bitmask import apply_token_bitmask_inplace
from constrain.decoders.kernels.noise import gumbel, philox
from constrain.decoders.kernels.reference import allowed_tokens
from constrain.decoders.kernels.sampling import Draws, draw_tokens, sample_tokens
from constrain.decoders.warpers import Warping
from constrain.errors import ConstrainError, DeadEndError

pytestmark = pytest.mark.usefixtures("poisoned")

SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"temperature": 0.3},
    {"temperature": 0.7, "top_k": 20, "top_p": 0.9, "min_p": 0.02},
]
CLOSE = {"rtol": 0.0, "atol": 2e-5}


def _logits(rows: int, width: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return (4 * torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))).to(dtype)


def _mask(rows: int, width: int, seed: int = 0) -> np.ndarray:
    """Masks that allow some token each: of half of all tokens, and of few."""
    rng = np.random.default_rng(seed)
    bits = rng.random((rows, width)) < np.array([0.5, 3 / width, 1.0])[np.arange(rows) % 3, None]
    bits[np.arange(rows), rng.integers(0, width, rows)] = True
    packed = np.packbits(np.pad(bits, ((0, 0), (0, -width % 32))), axis=1, bitorder="little")
    return packed.view(np.int32)


def _cut(allowed: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
    """The logits that are kept, float64, by the definition of the warpers."""
    temperature = options.get("temperature") or 1.0
    cuts = {name: value for name, value in options.items() if name in {"top_k", "top_p", "min_p"}}
    return allowed.masked_fill(Warping(temperature, **cuts)(allowed) == -torch.inf, -torch.inf)


def _assert_figures(draws: Draws, logits: torch.Tensor, kept: torch.Tensor, temperature: float) -> None:
    """The figures are those of the law, in float64."""
    scale = temperature or 1.0
    whole = torch.logsumexp(logits.double() / scale, -1)
    normaliser = torch.logsumexp(kept / scale, -1)
    chosen = kept.gather(1, draws.tokens.cpu().unsqueeze(-1)).squeeze(-1) / scale
    torch.testing.assert_close(draws.log_normalisers.cpu().double(), normaliser, rtol=2e-6, atol=1e-5)
    torch.testing.assert_close(draws.log_masses.cpu().double(), normaliser - whole, **CLOSE)
    torch.testing.assert_close(draws.log_probabilities.cpu().double(), chosen - normaliser, **CLOSE)


@pytest.mark.parametrize(
    ("width", "rows"), [(1, 2), (31, 3), (32, 2), (33, 6), (1024, 2), (1025, 2), (50257, 1), (151936, 1)]
)
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_laws(width: int, rows: int, options: dict[str, Any], device: torch.device, backend: str) -> None:
    """Token, log-probability, log-normaliser and allowed mass, against the definition in float64."""
    if backend == "triton" and device.type == "cpu" and "top_k" in options:
        if width == 50257:
            options = options | {"top_p": 1.0}  # a search for the interpreter to do, instead of two
        elif width != 1025:
            pytest.skip("searches take the interpreter long")
    logits, mask = _logits(rows, width), _mask(rows, width)
    found = sample_tokens(logits.to(device), mask, seed=3, step=5, backend=backend, **options)
    allowed = logits.double().masked_fill(~allowed_tokens(torch.from_numpy(mask), width), -torch.inf)
    kept = _cut(allowed, options)
    _assert_figures(found, logits, kept, options.get("temperature", 1.0))
    if options.get("temperature") == 0:
        assert found.tokens.cpu().tolist() == kept.argmax(-1).tolist()
    same = sample_tokens(logits, mask, seed=3, step=5, backend="torch", **options)
    assert found.tokens.cpu().tolist() == same.tokens.tolist()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types(dtype: torch.dtype, device: torch.device, backend: str) -> None:
    """Other types are widened or narrowed to float32; strides do not matter, nor do masks that are shared."""
    logits, table = _logits(4, 3 * 1100, dtype=dtype), torch.from_numpy(_mask(2, 1090))
    view = logits[:, ::3]
    numbers = [1, -1, 0, 1]
    found = sample_tokens(view.to(device), table, rows=numbers, seed=1, backend=backend)
    kept = view.double().clone()
    for row, number in enumerate(numbers):
        if number >= 0:
            kept[row, ~allowed_tokens(table, 1100)[number]] = -torch.inf
    _assert_figures(found, view, kept, 1.0)
    strided = sample_tokens(logits.to(device)[:, ::3], table, rows=numbers, seed=1, backend=backend)
    assert torch.equal(strided.tokens, found.tokens)


def test_many_rows(device: torch.device, backend: str) -> None:
    """Settings of their own for many rows; a row's draw depends on its own seed and step alone."""
    rows = 3 if backend == "triton" and device.type == "cpu" else 512
    logits, mask = _logits(rows, 40).to(device), torch.from_numpy(_mask(rows, 40)).to(device)
    generator = torch.Generator().manual_seed(2)
    options: dict[str, torch.Tensor] = {
        "temperature": torch.randint(0, 3, (rows,), generator=generator) / 2,
        "top_k": torch.randint(0, 6, (rows,), generator=generator),
        "top_p": 0.5 + torch.rand(rows, generator=generator).clamp_max(0.5),
        "min_p": torch.rand(rows, generator=generator) / 10,
        "seed": torch.randint(-(2**62), 2**62, (rows,), generator=generator),
        "step": torch.randint(0, 2**31, (rows,), generator=generator),
    }
    found = sample_tokens(logits, mask, backend=backend, **{n: v.to(device) for n, v in options.items()})
    same = sample_tokens(logits.cpu(), mask.cpu(), backend="torch", **options)
    assert torch.equal(found.tokens.cpu(), same.tokens)
    torch.testing.assert_close(found.log_probabilities.cpu(), same.log_probabilities, **CLOSE)
    part = torch.arange(rows - 3, rows)
    some = {name: value[part].to(device) for name, value in options.items()}
    again = sample_tokens(logits[part], mask[part], backend=backend, **some)
    assert torch.equal(again.tokens, found.tokens[part])


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # NumPy's, in the interpreter
def test_infinities(device: torch.device, backend: str) -> None:
    """+inf is the largest number, not-a-number is -inf; the figures stay numbers."""
    inf, nan = torch.inf, torch.nan
    logits = torch.tensor([[inf, 0.0, inf, 1.0], [nan, 0.0, -inf, nan], [-inf, -inf, -3e38, nan], [inf, 3e38, 0, 0]])
    for temperature in (0.0, 1e-40, 0.5):
        found = sample_tokens(logits.to(device), temperature=temperature, backend=backend)
        assert found.tokens[0] in (0, 2)
        assert found.tokens[1:].tolist() == [1, 2, 0]
        expected = torch.tensor([-math.log(2), 0.0, 0.0, 0.0])
        torch.testing.assert_close(found.log_probabilities.cpu(), expected)
        torch.testing.assert_close(found.log_masses.cpu(), torch.zeros(4))
        assert not found.log_normalisers.isnan().any()
    masked = sample_tokens(logits.to(device), np.full((4, 1), 0b1010, np.int32), rows=[0, 1, -1, -1], backend=backend)
    assert masked.tokens.tolist() == [3, 1, 2, 0] or masked.tokens.tolist() == [1, 1, 2, 0]
    assert masked.log_masses[0] < -1e38  # beside +inf, what else there is has no mass
    assert not masked.log_probabilities.isnan().any()


def test_a_row_without_tokens_is_an_error(device: torch.device, backend: str) -> None:
    """Whether the mask is empty or the model allows nothing of it; the figures are -inf, never NaN."""
    logits, mask = torch.zeros(3, 70, device=device), _mask(3, 70)
    mask[1] = 0
    with pytest.raises(DeadEndError, match="row 1"):
        sample_tokens(logits, mask, backend=backend)
    mask[1, 2] = 1
    logits[1, 64] = -torch.inf
    zeros = torch.zeros(3, dtype=torch.int64, device=device)
    words = torch.from_numpy(mask).to(device)
    for options in (SETTINGS[1], SETTINGS[3]):
        found = draw_tokens(logits, words, seeds=zeros, places=zeros, backend=backend, **options)
        assert (found.tokens < 0).tolist() == [False, True, False]
        figures = torch.stack([found.log_probabilities, found.log_normalisers, found.log_masses])
        assert bool((figures[:, 1] == -torch.inf).all())
        assert bool(figures[:, [0, 2]].isfinite().all())


def test_draws_follow_the_law(device: torch.device, backend: str) -> None:
    """A chi-squared test over two blocks, with the same noise for all backends, so that it passes always or never."""
    if backend == "triton" and device.type == "cpu":
        pytest.skip("tests of equality with the others show the same, in less time")
    logits = torch.full((1100,), -torch.inf)
    places = [0, 1, 2, 3, 500, 1023, 1024, 1099]
    logits[places] = torch.linspace(-2, 1, 8)
    count = 4000
    drawn = sample_tokens(logits.repeat(count, 1).to(device), seed=11, backend=backend).tokens.cpu()
    seen = torch.bincount(drawn, minlength=1100)[places].double()
    expected = count * torch.softmax(logits[places].double(), 0)
    assert float(((seen - expected) ** 2 / expected).sum()) < 24.3  # the 99.9th percentile of 7 degrees of freedom
    steps = [int(sample_tokens(logits[None], seed=11, step=step, backend=backend).tokens) for step in range(20)]
    assert len(set(steps)) > 2


@pytest.mark.parametrize(
    ("seed", "group", "place", "kind", "words"),
    [
        (0, 0, 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (-1, 0xFFFFFFFF, -1, 0xFFFFFFFF, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (0x299F31D0A4093822, 0x243F6A88, 0x13198A2E85A308D3, 0x03707344, "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox(seed: int, group: int, place: int, kind: int, words: str) -> None:
    """The known answers of Random123's ``kat_vectors`` for philox4x32 with 10 rounds."""
    found = philox(torch.tensor(seed), torch.tensor(group), torch.tensor(place), kind)
    assert [f"{word:08x}" for word in found.tolist()] == words.split()


def test_noise_is_gumbel() -> None:
    """Mean, variance and both tails; finite for the least and the largest word."""
    rows = torch.arange(64)
    noise = gumbel(rows, rows * 0, 0, rows * 0, 1 << 14).double()
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.005)
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, abs=0.01)
    for point in (-2.0, 0.0, 5.0, 9.0):
        expected = -math.expm1(-math.exp(-point))
        error = 5 * math.sqrt(expected * (1 - expected) / noise.numel())
        assert float((noise > point).double().mean()) == pytest.approx(expected, abs=error)


def test_a_draw_is_that_of_masked_logits(device: torch.device, backend: str) -> None:
    """Masking first and drawing without a mask gives the same tokens."""
    logits, mask = _logits(6, 2100).to(device), _mask(6, 2100)
    drawn = sample_tokens(logits, mask, seed=9, backend=backend)
    masked = logits.clone()
    apply_token_bitmask_inplace(masked, mask, backend=backend)
    again = sample_tokens(masked, seed=9, backend=backend)
    assert torch.equal(drawn.tokens, again.tokens)
    torch.testing.assert_close(drawn.log_probabilities, again.log_probabilities, **CLOSE)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"temperature": -1.0}, ValueError),
        ({"temperature": math.nan}, ValueError),
        ({"top_k": -1}, ValueError),
        ({"top_p": 1.5}, ValueError),
        ({"min_p": -0.1}, ValueError),
        ({"temperature": torch.ones(3)}, ValueError),
        ({"rows": [0, 2]}, ValueError),
        ({"rows": [0]}, ValueError),
        ({"bitmask": np.zeros((1, 1), np.int32)}, ValueError),
        ({"bitmask": np.zeros((2, 2), np.int32)}, ValueError),
        ({"backend": "abacus"}, ConstrainError),
    ],
)
def test_refusals(options: dict[str, Any], error: type[Exception]) -> None:
    """What does not fit is an error."""
    with pytest.raises(error):
        sample_tokens(torch.zeros(2, 32), **({"bitmask": np.full((2, 1), -1, np.int32)} | options))
