"""The same tests for every backend and device.

Without a GPU, Triton's interpreter runs its kernels; that is decided once a process, before they are defined.  With
one, ``TRITON_INTERPRET=1 pytest tests/decoders/kernels`` runs the interpreter all the same.
"""

import os

import pytest
import torch

HAS_GPU = torch.cuda.is_available()
if not HAS_GPU:
    os.environ.setdefault("TRITON_INTERPRET", "1")
INTERPRETS = os.environ.get("TRITON_INTERPRET") == "1"


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each kind of device that kernels run on."""
    if request.param == "cuda" and not HAS_GPU:
        pytest.skip("no CUDA device")
    if request.param == "cuda" and INTERPRETS:
        pytest.skip("TRITON_INTERPRET is set: kernels run on the CPU")
    return torch.device(request.param)


@pytest.fixture(params=["torch", "cpu", pytest.param("triton", marks=pytest.mark.interpreter)])
def backend(request: pytest.FixtureRequest, device: torch.device) -> str:
    """Each backend that works on the device; `torch_compile` has tests of its own, as compiling takes seconds."""
    name: str = request.param
    if name == "triton":
        pytest.importorskip("triton", reason="Triton is not installed: pip install 'constrain[gpu]'")
        if device.type == "cpu" and not INTERPRETS:
            pytest.skip("Triton's kernels run on the GPU; set TRITON_INTERPRET=1 for the interpreter")
    if name == "cpu" and device.type != "cpu":
        pytest.skip("numba's kernels run on the CPU")
    return name


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that is not written holds not-a-number, or the least integer, so that it shows."""
    plain = torch.empty

    def empty(*args: object, **options: object) -> torch.Tensor:
        made: torch.Tensor = plain(*args, **options)  # type: ignore[call-overload]
        return made.fill_(torch.nan if made.is_floating_point() else torch.iinfo(made.dtype).min)

    monkeypatch.setattr(torch, "empty", empty)
