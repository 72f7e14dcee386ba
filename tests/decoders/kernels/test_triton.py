"""Triton's compiler takes the kernels for GPUs that need not be there: the interpreter allows more than it does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed: pip install 'constrain[gpu]'")

POINTERS = {
    "logits": "*bf16",
    "words": "*i32",
    "sources": "*i32",
    "targets": "*i64",
    "temperatures": "*fp32",
    "thresholds": "*fp32",
    "sums": "*fp32",
    "figures": "*fp32",
    "top_k": "*i32",
    "top_p": "*fp32",
    "min_p": "*fp32",
    "states": "*i32",
    "failed": "*i8",
    "classes": "*i32",
    "kinds": "*i32",
    "transitions": "*i32",
    "state_masks": "*i32",
    **dict.fromkeys(("seeds", "places", "tokens", "bases"), "*i64"),
}
"""Types of arguments by their names; others are int32."""

KERNELS = {
    "_apply": [(), ("sources", "targets")],
    "_sums": [()],
    "_choose": [("words", "sources", "thresholds")],
    "_cut": [(), ("words", "sources")],
    "_advance": [()],
}
"""Arguments that may be None, for each kernel."""

SIZES = {"_apply": 128, "_sums": 4, "_choose": 32, "_cut": 4096, "_advance": 128}


def compile_all(capability: int) -> None:
    """Compile each kernel to machine code; run in a process of its own, where nothing is interpreted."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile  # noqa: A004

    from constrain.decoders.kernels import triton_backend

    for name, variants in KERNELS.items():
        function = getattr(triton_backend, name)
        for absent in variants:
            types, constants, aligned = {}, {}, {}
            for place, argument in enumerate(function.arg_names):
                if argument in {"TILE", "QUARTER", *absent} or (argument == "column_stride" and not absent):
                    size = 1 if argument == "column_stride" else SIZES[name]
                    types[argument], constants[(place,)] = "constexpr", None if argument in absent else size
                    continue
                types[argument] = POINTERS.get(argument, "i32")
                if name == "_advance" and argument == "masks":
                    types[argument] = "*i32"
                if types[argument][0] == "*":
                    aligned[(place,)] = [["tt.divisibility", 16]]
            made = compile(ASTSource(function, types, constants, aligned), target=GPUTarget("cuda", capability, 32))
            assert made.asm["cubin"]


def test_kernels_compile(tmp_path: Path) -> None:
    """For Hopper, with and without what may be left out."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    code = "from tests.decoders.kernels.test_triton import compile_all; compile_all(90)"
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
