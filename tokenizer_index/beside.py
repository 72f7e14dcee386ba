"""The largest kernels, compiled in a process beside the first one.

Compiling takes most of a minute, half of it one kernel.  When a process finds nothing on disk, it lets another one, of
the same interpreter, compile that kernel and a few others, and takes them from the disk when it has compiled the rest.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from constrain.grammars.automata._jit import code_table

__all__ = ["load_services"]

_KERNELS = (
    ("make_mask", 5),
    ("after_token", 4),
    ("after_symbols", 4),
    ("forced_symbols", 4),
    ("first_configuration", 2),
)
"""Of `masks`, with the number of their arguments, which are integers all."""


def _kernels() -> list[tuple[Any, tuple[Any, ...]]]:
    from numba import types

    from constrain.tokenizer_index import masks

    return [(getattr(masks, name), (types.int64,) * count) for name, count in _KERNELS]


def _is_on_disk() -> bool:
    """Whether the first kernel has been compiled since its file was last changed, as far as dates tell."""
    kernel, _ = _kernels()[0]
    source = Path(kernel.py_func.__code__.co_filename).stat().st_mtime
    found = Path(kernel.stats.cache_path or "").glob(f"*.{kernel.py_func.__name__}-*.nbi")
    return any(index.stat().st_mtime >= source for index in found)


def _other_process() -> subprocess.Popen[bytes] | None:
    """A process that compiles the largest kernels; None where there is no use for one, or none can be had."""
    is_python = "python" in Path(sys.executable or "").name.lower()  # not a program that Python is embedded in
    if not is_python or (os.cpu_count() or 1) < 2 or os.environ.get("CONSTRAIN_NO_KERNEL_CACHE") or _is_on_disk():
        return None
    paths = os.pathsep.join(filter(None, sys.path))
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**os.environ, "PYTHONPATH": paths},
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
        )
    except OSError:
        return None


def load_services() -> None:
    """Compile or load what kernels call, while the largest kernels are compiled beside, if they have to be."""
    process = _other_process()
    code_table()
    if process is not None:
        process.wait()  # however it ended: what is not on disk then is compiled when it is first called


if __name__ == "__main__":
    for each, types_of_arguments in _kernels():
        each.compile(types_of_arguments)
