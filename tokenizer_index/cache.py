"""A directory of files that can be made again: bounded in size, written atomically, checked when read.

Files are safetensors: named arrays and a flat dictionary of strings, no code.  A digest of both is kept with them
and compared on reading; whatever is missing, damaged or of another version counts as absent.  A directory that
cannot be written is used for reading only, and one that cannot be read not at all: a cache never raises.
"""

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DiskCache", "default_directory"]

_log = logging.getLogger(__name__)

Arrays = dict[str, npt.NDArray[Any]]

_DEFAULT_BYTES = 1 << 30


def default_directory() -> Path:
    """``CONSTRAIN_CACHE_DIR``, or ``constrain`` in the user's cache directory."""
    named = os.environ.get("CONSTRAIN_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "constrain"


def _digest(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr(sorted(metadata.items())).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class DiskCache:
    """Files below one directory, at most `max_bytes` in all (``CONSTRAIN_CACHE_BYTES``; 1 GiB unless told)."""

    def __init__(self, directory: Path | None = None, max_bytes: int | None = None) -> None:
        self.directory = default_directory() if directory is None else directory
        if max_bytes is None:
            max_bytes = int(os.environ.get("CONSTRAIN_CACHE_BYTES", _DEFAULT_BYTES))
        self.max_bytes = max_bytes

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.safetensors"

    def load(self, name: str) -> tuple[Arrays, dict[str, str]] | None:
        """The arrays and the dictionary stored under a name, or None."""
        from safetensors import SafetensorError, safe_open

        path = self._path(name)
        try:
            with safe_open(path, framework="np") as file:
                metadata = dict(file.metadata() or {})
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dict)
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError) as error:
            _log.warning("ignoring the damaged cache file %s: %s", path, error)
            return None
        if metadata.pop("digest", None) != _digest(arrays, metadata):
            _log.warning("ignoring the damaged cache file %s", path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # recently used files are removed last
        return arrays, metadata

    def store(self, name: str, arrays: Arrays, metadata: Mapping[str, str]) -> bool:
        """Write a file, replacing what was there at once; whether that was possible."""
        from safetensors.numpy import save

        data = save(arrays, metadata={**metadata, "digest": _digest(arrays, metadata)})
        if len(data) > self.max_bytes:
            return False
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.directory, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(temporary, self._path(name))
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            _log.info("the cache directory %s cannot be written: %s", self.directory, error)
            return False
        self._prune()
        return True

    def files(self) -> list[tuple[Path, int, float]]:
        """Path, size in bytes and time of last use of each file, the one used longest ago first."""
        found = []
        with contextlib.suppress(OSError):
            for path in self.directory.glob("*.safetensors"):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    found.append((path, status.st_size, status.st_mtime))
        return sorted(found, key=lambda entry: entry[2])

    def _prune(self) -> None:
        files = self.files()
        total = sum(size for _, size, _ in files)
        for path, size, _ in files:
            if total <= self.max_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size

    def clear(self) -> int:
        """Remove all files; how many bytes that freed."""
        freed = 0
        for path, size, _ in self.files():
            with contextlib.suppress(OSError):
                path.unlink()
                freed += size
        return freed
