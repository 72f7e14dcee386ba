"""The disk cache: whatever is wrong with it, results are the same."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from constrain.grammars.regex import regex
from constrain.tokenizer_index import cache as cache_module
from constrain.tokenizer_index.cache import Arrays, DiskCache, default_directory
from constrain.tokenizer_index.compiled import compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.vocabulary import Vocabulary

_ARRAYS: Arrays = {"a": np.arange(12, dtype=np.int32).reshape(3, 4), "empty": np.empty((0, 5), np.int64)}


def _same(found: tuple[Arrays, dict[str, str]] | None, metadata: dict[str, str]) -> None:
    assert found is not None
    assert found[1] == metadata
    assert sorted(found[0]) == sorted(_ARRAYS)
    for name, array in _ARRAYS.items():
        np.testing.assert_array_equal(found[0][name], array)
        assert found[0][name].dtype == array.dtype


def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    """Arrays and strings come back; a missing name is None; storing again replaces."""
    cache = DiskCache(tmp_path / "new" / "folder")
    assert cache.load("x") is None
    assert cache.store("x", _ARRAYS, {"key": "one"})
    _same(cache.load("x"), {"key": "one"})
    assert cache.store("x", _ARRAYS, {"key": "two"})
    _same(cache.load("x"), {"key": "two"})
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["x.safetensors"]


def test_damaged_files_are_absent(tmp_path: Path) -> None:
    """A file cut off anywhere, or with a byte changed, counts as absent or is what was stored; never anything else."""
    cache = DiskCache(tmp_path)
    cache.store("x", _ARRAYS, {"key": "one"})
    path = tmp_path / "x.safetensors"
    data = path.read_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        assert cache.load("x") is None
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        if cache.load("x") is not None:  # white space of the header
            _same(cache.load("x"), {"key": "one"})
    for garbage in (b"", b"\x80\x04N.", bytes(1000), b"\xff" * 1000):
        path.write_bytes(garbage)
        assert cache.load("x") is None
    assert cache.store("x", _ARRAYS, {"key": "two"})
    _same(cache.load("x"), {"key": "two"})


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file cannot be renamed, the old one stays, and nothing is left beside it."""
    cache = DiskCache(tmp_path)
    cache.store("x", _ARRAYS, {"key": "one"})

    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    assert not cache.store("x", _ARRAYS, {"key": "two"})
    monkeypatch.undo()
    _same(cache.load("x"), {"key": "one"})
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_bound_holds(tmp_path: Path) -> None:
    """Beyond the bound, files that were used longest ago go; what is larger than the bound is not written."""
    arrays: Arrays = {"a": np.zeros(250, np.int32)}
    size = 1200
    cache = DiskCache(tmp_path, max_bytes=3 * size)
    for number, name in enumerate("abc"):
        assert cache.store(name, arrays, {})
        os.utime(tmp_path / f"{name}.safetensors", (number, number))
    assert cache.load("a") is not None
    assert cache.store("d", arrays, {})
    left = {path.stem for path, _, _ in cache.files()}
    assert left == {"a", "c", "d"}, "b was used longest ago"
    assert sum(size for _, size, _ in cache.files()) <= cache.max_bytes
    assert not cache.store("large", {"a": np.zeros(5000, np.int32)}, {})
    assert {path.stem for path, _, _ in cache.files()} == left
    assert cache.clear() > 0
    assert cache.files() == []


def test_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONSTRAIN_CACHE_DIR names the directory, else the user's cache directory has it; the bound can be set, too."""
    monkeypatch.setenv("CONSTRAIN_CACHE_DIR", str(tmp_path / "named"))
    monkeypatch.setenv("CONSTRAIN_CACHE_BYTES", "12345")
    assert DiskCache().directory == tmp_path / "named"
    assert DiskCache().max_bytes == 12345
    monkeypatch.delenv("CONSTRAIN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "constrain"


_TOKENS = tuple(bytes([byte]) for byte in range(256)) + tuple(b"a%d" % i for i in range(100)) + (b"",)


def _index(cache: DiskCache | None) -> TokenizerIndex:
    return TokenizerIndex(Vocabulary(_TOKENS, {"<end>": 356}, (356,)), cache=cache)


def _mask(index: TokenizerIndex) -> list[int]:
    return compile_grammar(regex('"[^"]*"|a[0-9]+'), index).matcher().allowed_tokens()


def test_an_index_from_disk_is_the_same(tmp_path: Path) -> None:
    """Trie, rows and masks of an index that was read are those of one that was made."""
    made = _index(DiskCache(tmp_path))
    mask = _mask(made)
    made.save()
    read = _index(DiskCache(tmp_path))
    np.testing.assert_array_equal(read.trie, made.trie)
    np.testing.assert_array_equal(read.same, made.same)
    assert len(read.pool()) == len(made.pool())
    assert _mask(read) == mask == _mask(_index(None))


def test_damaged_indexes_are_made_again(tmp_path: Path) -> None:
    """A damaged file is written anew."""
    mask = _mask(_index(DiskCache(tmp_path)))
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert _mask(_index(DiskCache(tmp_path))) == mask
    assert len(path.read_bytes()) == len(data)
    assert DiskCache(tmp_path).load(path.stem) is not None


def test_directories_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only directory is read, one that is no directory is passed over."""
    _index(DiskCache(tmp_path))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(cache_module.tempfile, "mkstemp", refuse)  # permissions do not bind every user
    cache = DiskCache(tmp_path)
    assert not cache.store("x", _ARRAYS, {})
    mask = _mask(_index(cache))
    monkeypatch.undo()
    (tmp_path / "file").touch()
    nowhere = DiskCache(tmp_path / "file" / "folder")
    assert nowhere.load("x") is None
    assert not nowhere.store("x", _ARRAYS, {})
    assert nowhere.files() == []
    assert _mask(_index(nowhere)) == mask


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_directory_without_permissions(tmp_path: Path) -> None:
    """The same with real permissions."""
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not DiskCache(folder).store("x", _ARRAYS, {})
    assert _mask(_index(DiskCache(folder)))


_WRITER = """
import sys
import numpy as np
from pathlib import Path
from constrain.tokenizer_index.cache import DiskCache
cache, mine = DiskCache(Path(sys.argv[1]), max_bytes=200_000), int(sys.argv[2])
seen = 0
for i in range(150):
    cache.store("shared", {"a": np.full(3000, mine, np.int32)}, {"writer": str(mine)})
    cache.store(f"{mine}-{i % 20}", {"a": np.full(1000, i, np.int32)}, {})
    found = cache.load("shared")
    if found is not None:
        seen += 1
        assert (found[0]["a"] == int(found[1]["writer"])).all(), "half of one and half of the other"
assert seen > 20
"""


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Processes that write the same names and remove each other's files never read what nobody wrote, nor fail."""
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), str(number)], stderr=subprocess.PIPE, text=True)
        for number in (1, 2)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
        assert "damaged" not in errors
    assert not list(tmp_path.glob("*.tmp"))
