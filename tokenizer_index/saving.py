"""Saved constraints: a grammar and its limits in one file, tied to a vocabulary.

What a file holds is data and is never run: the bytes below, integers in the order of least significance first.

    8    ``CONSTRNT``
    4    version of the format
    16   BLAKE2b digest of all that follows
    16   key of the vocabulary (`TokenizerIndex.key`)
    …    JSON in ASCII: the grammar (see `grammars.serialise`) and the limits

Automata are not stored: they are made as texts need them, and the large rows that all grammars share are kept beside
the index.  Loading needs no front-end and decodes rules that were made on demand only when a text comes to them; but a
grammar that binds names is written as what its front-end was asked for, and made by it again (see `grammars.recipes`).
"""

import contextlib
import hashlib
import json
import os
import secrets
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

from constrain.grammars import ir
from constrain.grammars.errors import CacheError
from constrain.grammars.serialise import from_data, to_data
from constrain.tokenizer_index.limits import Limits

__all__ = ["read_constraint", "write_constraint"]

_MAGIC = b"CONSTRNT"
_VERSION = 1
_HEADER = struct.Struct("<8sI16s")


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _replace(path: Path, data: bytes) -> None:
    """Write a file, or leave what was there: it never is half of one and half of the other."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_constraint(path: str | os.PathLike[str], grammar: ir.Grammar, limits: Limits, key: str) -> None:
    """Write a grammar and its limits for the vocabulary with a key; see `CompiledConstraint.save`."""
    data = {"grammar": to_data(grammar, limits.max_grammar), "limits": asdict(limits)}
    body = bytes.fromhex(key) + json.dumps(data, separators=(",", ":")).encode("ascii")
    _replace(Path(path), _HEADER.pack(_MAGIC, _VERSION, _digest(body)) + body)


def read_constraint(path: str | os.PathLike[str], key: str) -> tuple[ir.Grammar, Limits]:
    """The grammar and the limits that were saved for the vocabulary with a key; see `CompiledConstraint.load`."""
    data = Path(path).read_bytes()
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise CacheError(f"{path} is no saved constraint")
    _, version, digest = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise CacheError(f"{path} is of version {version}, and this is version {_VERSION}: save the constraint again")
    body = data[_HEADER.size :]
    if _digest(body) != digest:
        raise CacheError(f"{path} is damaged")
    vocabulary = bytes.fromhex(key)
    if not body.startswith(vocabulary):
        raise CacheError(f"{path} was saved for another vocabulary, or another size of the model's head")
    return _contents(path, body[len(vocabulary) :])


def _contents(path: str | os.PathLike[str], body: bytes) -> tuple[ir.Grammar, Limits]:
    try:
        contents: dict[str, Any] = json.loads(body)
        limits = Limits(**contents["limits"])
        if not all(type(value) is int for value in asdict(limits).values()):
            raise TypeError("a limit is not an integer")
        return from_data(contents["grammar"]), limits
    except CacheError as error:
        raise CacheError(f"{path}: {error}") from error
    except (TypeError, ValueError, LookupError, RecursionError) as error:
        raise CacheError(f"{path} cannot be read: {error}") from error
