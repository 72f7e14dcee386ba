"""Tries on disk, and tries put together.

A file is a NumPy archive of arrays and one line of JSON (no pickled objects), written beside its place and moved there.
Children are not stored: parents come before children, so they follow from the column of parents.
"""

import contextlib
import json
import os
import tempfile
import zipfile
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.decoders.samplers.keys import UNNAMED
from constrain.decoders.samplers.trie import COLUMNS, COMPLETE, EXPANDED, NEW, STALE, TokenTrie
from constrain.grammars.errors import CacheError, ConstrainError

__all__ = ["load", "merge", "save"]

_FORMAT = 1


def save(trie: TokenTrie, path: str | Path) -> None:
    """Write a trie to a file.

    Raises ConstrainError for a trie that was never used, or whose constraint nothing identifies in another process (a
    grammar without a key, a `Checked` constraint without a name).
    """
    if trie.key is None or trie.key.startswith(UNNAMED):
        raise ConstrainError("only a trie of a constraint that can be identified is saved; give Checked a name")
    path = Path(path)
    arrays: dict[str, Any] = {name: np.array(getattr(trie, name)) for name in COLUMNS}
    header = np.frombuffer(json.dumps({"format": _FORMAT, "key": trie.key}).encode(), np.uint8)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, header=header, **arrays)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(path: str | Path) -> TokenTrie:
    """The trie of a file; it binds itself to the first model, prompt and constraint that its key fits.

    Raises CacheError for a file that is damaged or not one of these, OSError when it cannot be read.
    """
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                header = json.loads(archive["header"].tobytes())
                arrays = {name: archive[name] for name in COLUMNS}
            key, known = header["key"], header["format"] == _FORMAT
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise CacheError(f"{path} is not a trie: {error}") from error
    if not known or not isinstance(key, str):
        raise CacheError(f"{path} was written by another version")
    _check(arrays, path)
    return _made(arrays, key)


def _check(arrays: dict[str, npt.NDArray[np.generic]], path: str | Path) -> None:
    """Whether the arrays are a trie: sizes and types, parents before children, bounds that are probabilities."""
    empty = TokenTrie()
    size = len(arrays["parent"])
    for name, values in arrays.items():
        wanted = np.array(getattr(empty, name)).dtype
        if values.shape != (size,) or values.dtype != wanted:
            raise CacheError(f"{path} is damaged: {name}")
    parent, kind = arrays["parent"].astype(np.int64), arrays["kind"].astype(np.int64)
    edges = {(int(p), int(t)) for p, t in zip(parent[1:], arrays["token"][1:].astype(np.int64), strict=True)}
    sound = (
        size > 0
        and parent[0] == -1
        and bool((parent[1:] >= 0).all() and (parent[1:] < np.arange(1, size)).all())
        and len(edges) == size - 1
        and bool(((kind >= NEW) & (kind <= COMPLETE)).all())
        and all(bool((arrays[n].astype(np.float64) <= 1e-6).all()) for n in ("log_p", "log_bound", "log_rest"))
    )
    if not sound:
        raise CacheError(f"{path} is damaged")


def _made(arrays: dict[str, npt.NDArray[np.generic]], key: str) -> TokenTrie:
    trie = TokenTrie()
    trie.key = key
    for name, values in arrays.items():
        column = array(getattr(trie, name).typecode)
        column.frombytes(values.tobytes())
        setattr(trie, name, column)
    trie.children = [None] * len(trie.parent)
    for node in range(1, len(trie.parent)):
        trie.link(node)
    return trie


def merge(tries: list[TokenTrie]) -> TokenTrie:
    """What several tries of one key know, in a new one: all their prefixes, with the lowest of their bounds.

    The mass of untouched tokens is summed again when a prefix is visited next.  The new trie is bound to what the
    first is bound to.  Raises ConstrainError without tries, or when their keys or models differ.
    """
    if not tries or any(not trie.knows_the_same_model_as(tries[0]) for trie in tries):
        raise ConstrainError("only tries of one model, prompt, constraint, budget and temperature can be merged")
    merged = tries[0].copy()
    for trie in tries[1:]:
        _add(merged, trie)
    for node in range(len(merged) - 1, -1, -1):  # children come after their parents
        if merged.kind[node] in (EXPANDED, STALE):
            merged.log_bound[node] = min(merged.log_bound[node], merged.mass(node))
    return merged


def _add(merged: TokenTrie, trie: TokenTrie) -> None:
    """Add what one trie knows."""
    place = [0] * len(trie)
    for node in trie.nodes():
        if node:
            parent, token = place[trie.parent[node]], trie.token[node]
            child = merged.child(parent, token)
            if child < 0:
                child = merged.add(parent, token, trie.log_p[node])
                if merged.kind[parent] == EXPANDED:
                    merged.kind[parent] = STALE
            place[node] = child
        here = place[node]
        if merged.kind[here] == NEW:
            for name in ("kind", "log_bound", "log_valid", "log_rest", "entropy"):
                getattr(merged, name)[here] = getattr(trie, name)[node]
        else:
            merged.log_bound[here] = min(merged.log_bound[here], trie.log_bound[node])
            if trie.kind[node] == STALE:
                merged.kind[here] = STALE
