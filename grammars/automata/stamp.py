"""Renews the line ``KERNELS = "…"`` of every kernel file: ``python -m constrain.grammars.automata.stamp``.

Numba keeps a compiled kernel as long as the text of its own file stays the same, although the code of other files is
compiled into it.  The line makes the text of each file depend on all of them.
"""

import hashlib
import re
from pathlib import Path

import constrain

__all__ = ["digest", "kernel_files", "renew"]

_LINE = re.compile(r'^KERNELS = "[0-9a-f]*"$', re.MULTILINE)


def kernel_files() -> list[Path]:
    """The files with kernels in them, and the one that says how kernels are compiled."""
    package = Path(constrain.__file__).parent
    folders = [package / "grammars" / "automata", package / "tokenizer_index", package / "decoders"]
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [path for path in files if path.name == "_jit.py" or _LINE.search(path.read_text("utf-8"))]


def digest() -> str:
    """The digest of all kernel files, their own digest lines left out."""
    texts = (_LINE.sub("", path.read_text("utf-8")) for path in kernel_files())
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()


def renew() -> int:
    """Write the digest into the files; how many changed."""
    line = f'KERNELS = "{digest()}"'
    changed = 0
    for path in kernel_files():
        old = path.read_text("utf-8")
        new = _LINE.sub(line, old)
        if new != old:
            path.write_text(new, "utf-8")
            changed += 1
    return changed


if __name__ == "__main__":
    renew()
