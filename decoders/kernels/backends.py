"""Which backend does the work on a device.

A backend is a module that is imported when first used and has these functions.  Logits are floating-point [rows, V]
with any strides, not-a-number counts as -inf and +inf as the largest float32.  Masks are int32 [masks, words]; row i
obeys mask ``sources[i]``, or i where `sources` is None, and none where that is negative.

``apply(logits, words, sources, targets)``
    Set forbidden logits to -inf in place, those of row ``targets[i]`` where `targets` is not None.
``cut(logits, words, sources, temperatures, top_k, top_p, min_p)``
    The least logit of each row that top-k, top-p and min-p keep, float32 [rows].
``draw(logits, words, sources, temperatures, thresholds, seeds, places)``
    Tokens, int64 [rows], and three figures of each, float32 [3, rows]; see `sampling.Draws`.

Settings are tensors [rows] on the device of the logits, `words` and `thresholds` may be None.  What a backend need
not check has been checked.
"""

import os
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch

from constrain.grammars.errors import ConstrainError

__all__ = ["BACKENDS", "SWITCH", "backend_for", "backend_name", "uses_kernels"]

BACKENDS = {
    "cpu": "constrain.decoders.kernels.cpu",
    "torch": "constrain.decoders.kernels.reference",
    "torch_compile": "constrain.decoders.kernels.compiled",
    "triton": "constrain.decoders.kernels.triton_backend",
}
"""Modules by the names of the backends."""

SWITCH = "CONSTRAIN_KERNELS"
"""The environment variable that says what "auto" means; "torch" forces the reference everywhere."""


def _interprets() -> bool:
    """Whether Triton runs kernels on the CPU, in Python."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def _automatic(device: torch.device) -> str:
    if device.type == "cpu":
        return "cpu"
    return "triton" if device.type == "cuda" and find_spec("triton") is not None else "torch"


def backend_name(name: str, device: torch.device) -> str:
    """The backend that a name stands for on a device.

    "auto" is what the environment variable `SWITCH` names, or else the fastest one.  Raises ConstrainError for a
    backend that does not exist, is not installed, or does not work on the device.
    """
    if name == "auto":
        name = os.environ.get(SWITCH) or "auto"
    if name == "auto":
        return _automatic(device)
    if name not in BACKENDS:
        raise ConstrainError(f"there is no backend {name!r}; choose 'auto' or one of {sorted(BACKENDS)}")
    if name == "cpu" and device.type != "cpu":
        raise ConstrainError(f"backend 'cpu' cannot be used on a {device.type} device")
    if name == "triton":
        if find_spec("triton") is None:
            raise ConstrainError("backend 'triton' is not installed: pip install 'constrain[gpu]'")
        if device.type != "cuda" and not (device.type == "cpu" and _interprets()):
            raise ConstrainError(
                f"backend 'triton' cannot be used on a {device.type} device; TRITON_INTERPRET=1, set before the first "
                "use, interprets its kernels on the CPU"
            )
    return name


def backend_for(name: str, device: torch.device) -> ModuleType:
    """The module of a backend; see `backend_name`."""
    return import_module(BACKENDS[backend_name(name, device)])


def uses_kernels(device: torch.device) -> bool:
    """Whether decoders do on a device what they would do on the host: on GPUs, and where `SWITCH` names a backend.

    With "torch" there they are references throughout: masks come from the host and everything is in float64.
    """
    named = os.environ.get(SWITCH) or "auto"
    return named != "torch" and (named != "auto" or _automatic(device) == "triton")
