"""Saved constraints are the constraints that were saved, or an error."""

import os
import random
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from constrain.grammars import ir
from constrain.grammars.composition import concatenation
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import CacheError, GrammarError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.lark_syntax import lark
from constrain.grammars.library import grammar
from constrain.grammars.regex import regex
from constrain.tokenizer_index import saving
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.limits import Limits
from tests.matching import index_of, mask_of

_VOCABULARY = [
    *[bytes([byte]) for byte in range(256)],
    b"ab",
    b'":',
    b'{"',
    b" 1",
    b"select ",
    b"))",
    b"\\u00",
    b"true",
]
_INDEX = index_of(_VOCABULARY)

_SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": -3, "multipleOf": 7},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^a+b?$"}, "maxItems": 3},
        "next": {"$ref": "#"},
        "not x": {"type": "string", "not": {"enum": ["x", "yy"]}},
        "parts": {"contains": {"const": 1}, "maxContains": 2},
        "set": {"items": {"enum": ["p", "q", 3]}, "uniqueItems": True},
    },
    "required": ["id"],
}

_GRAMMARS: dict[str, Callable[[], ir.Grammar]] = {
    "regex": lambda: regex(r"(?i)(?=..+)\w{2,}(?<!é)@[^x]*|\d+"),
    "lark": lambda: lark(
        'start: "select " names ("where" sum)?\nnames: NAME ("," NAME)*\nsum: sum "+" atom | atom\n'
        'atom: NAME | "(" sum ")"\nNAME: /[a-z]+/\n%ignore " "'
    ),
    "ebnf": lambda: ebnf('root ::= "(" root ")" root | [ab]{0,3} | root "+" root'),
    "schema": lambda: json_schema(_SCHEMA),
    "schema in any order": lambda: json_schema(_SCHEMA, property_order="any", whitespace="compact"),
    "any JSON": lambda: json_schema(True),
    "bound tags": lambda: grammar("xml"),
    "bound variables": lambda: grammar("fol", notation="ascii", predicates={"P": 1}, variables=["x"], closed=True),
    "bound items": lambda: json_schema(
        {"items": {"type": "array", "items": {"type": "integer"}}, "uniqueItems": True}, draft=7, whitespace="compact"
    ),
}


def _walk(one: CompiledConstraint, other: CompiledConstraint, seed: int) -> None:
    """Both have the same masks along a random text."""
    choice, first, second = random.Random(seed), one.matcher(), other.matcher()
    for _ in range(25):
        mask = mask_of(first)
        assert mask == mask_of(second)
        assert first.is_accepting == second.is_accepting
        tokens = sorted(mask - one.end_tokens)
        if not tokens:
            break
        likely = [token for token in tokens if _VOCABULARY[token] in b'",:{}[]ab01()+ ' or token > 255]
        token = choice.choice(likely or tokens)
        assert first.accept_token(token)
        assert second.accept_token(token)


@pytest.mark.parametrize("name", _GRAMMARS)
def test_masks_are_the_same(name: str, tmp_path: Path) -> None:
    """A constraint that was saved and loaded allows what the first one does, and so does one saved a second time."""
    compiled = compile_grammar(_GRAMMARS[name](), _INDEX, Limits(max_work=3_000_000))
    compiled.save(tmp_path / "one")
    loaded = CompiledConstraint.load(tmp_path / "one", _INDEX)
    loaded.save(str(tmp_path / "two"))
    assert loaded.limits == compiled.limits
    assert loaded.grammar.key == compiled.grammar.key
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    for seed in range(4):
        _walk(compiled, loaded, seed)


def test_what_was_bound_is_made_by_the_same_code_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a grammar is saved as its name and options."""
    compile_grammar(grammar("xml", tags=["a"]), _INDEX).save(tmp_path / "saved")
    monkeypatch.setattr("constrain.grammars.recipes.code_digest", lambda: "another")
    with pytest.raises(CacheError, match="other code"):
        CompiledConstraint.load(tmp_path / "saved", _INDEX)


def test_what_is_bound_in_a_part_cannot_be_saved(tmp_path: Path) -> None:
    """What a grammar was put together from is not known."""
    with pytest.raises(GrammarError, match="Binding cannot be saved"):
        compile_grammar(concatenation("<", grammar("xml")), _INDEX).save(tmp_path / "saved")
    assert not list(tmp_path.iterdir())


def test_no_front_end_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading makes no rule by a front-end: the schema's printer has no part in it."""
    compile_grammar(json_schema(_SCHEMA), _INDEX).save(tmp_path / "saved")
    monkeypatch.delattr("constrain.grammars.json_schema.printing.Printer.rule")
    loaded = CompiledConstraint.load(tmp_path / "saved", _INDEX)
    assert loaded.accepts('{"id": 7, "next": {"id": 0}}')
    assert not loaded.accepts('{"id": 8}')


def test_loading_is_no_slower_than_compiling(tmp_path: Path) -> None:
    """To the first mask, a large schema takes less time from its file than from the beginning."""
    schema = {
        "type": "object",
        "properties": {
            f"member {i}": {"type": "array", "items": {"type": "string", "pattern": f"^[a-z]{{{i}}}x"}, "minItems": i}
            for i in range(300)
        },
    }
    path = tmp_path / "saved"
    compile_grammar(json_schema(schema), _INDEX).save(path)

    def fastest(make: Callable[[], CompiledConstraint]) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            make().matcher().allowed_tokens()
            times.append(time.perf_counter() - start)
        return min(times)

    compiling = fastest(lambda: compile_grammar(json_schema(schema), _INDEX))
    assert fastest(lambda: CompiledConstraint.load(path, _INDEX)) < compiling


def test_limits_can_be_replaced(tmp_path: Path) -> None:
    """The limits are those of the file, unless others are given."""
    compile_grammar(regex("a"), _INDEX, Limits(max_memory=1 << 24)).save(tmp_path / "saved")
    assert CompiledConstraint.load(tmp_path / "saved", _INDEX).limits.max_memory == 1 << 24
    assert CompiledConstraint.load(tmp_path / "saved", _INDEX, limits=Limits()).limits == Limits()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a saved constraint."""
    path = tmp_path_factory.mktemp("saved") / "file"
    compile_grammar(regex("(ab)*"), _INDEX).save(path)
    return path.read_bytes()


def _error(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(CacheError) as caught:
        CompiledConstraint.load(path, _INDEX)
    return str(caught.value)


def test_truncated_files(saved: bytes, tmp_path: Path) -> None:
    """A file cut off anywhere, or with something behind it, is refused."""
    for size in range(len(saved)):
        assert "saved constraint" in (message := _error(tmp_path / "cut", saved[:size])) or "damaged" in message
    assert "damaged" in _error(tmp_path / "long", saved + b"x")


def test_flipped_bits(saved: bytes, tmp_path: Path) -> None:
    """A file with any one byte changed is refused."""
    for place in range(len(saved)):
        damaged = bytearray(saved)
        damaged[place] ^= 1 << place % 8
        _error(tmp_path / "flipped", bytes(damaged))


def test_other_files(saved: bytes, tmp_path: Path) -> None:
    """Another version is named; contents that only look sound are refused too."""
    assert "version 2" in _error(tmp_path / "version", saved[:8] + struct.pack("<I", 2) + saved[12:])
    for contents in (b"", b"[]", b"{}", b"[" * 100_000, b'{"limits":{"max_memory":"x"}}', b'{"limits":{"other":1}}'):
        body = bytes.fromhex(_INDEX.key) + contents
        _error(tmp_path / "sound", saved[:12] + saving._digest(body) + body)


def test_another_vocabulary_is_refused(saved: bytes, tmp_path: Path) -> None:
    """A file belongs to the vocabulary's contents, not to the index object."""
    path = tmp_path / "saved"
    path.write_bytes(saved)
    assert CompiledConstraint.load(path, index_of(_VOCABULARY)).accepts("abab")
    for other in (index_of(_VOCABULARY[:-1]), index_of(_VOCABULARY, unused=1)):
        with pytest.raises(CacheError, match="another vocabulary"):
            CompiledConstraint.load(path, other)


def test_writing_is_all_or_nothing(saved: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file cannot be written to its end, the old one is still there, and nothing else."""
    path = tmp_path / "saved"
    path.write_bytes(saved)

    def fail(_: int) -> None:
        raise OSError("no space is left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        compile_grammar(regex("other"), _INDEX).save(path)
    assert path.read_bytes() == saved
    assert [entry.name for entry in tmp_path.iterdir()] == ["saved"]


def test_files_have_usual_permissions(tmp_path: Path) -> None:
    """A saved file may be read by whom other new files may be read by."""
    compile_grammar(regex("a"), _INDEX).save(tmp_path / "saved")
    (tmp_path / "other").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("saved", "other")]
    assert modes[0] == modes[1]


def test_missing_files(tmp_path: Path) -> None:
    """A file that is not there, or cannot be, is an OSError."""
    with pytest.raises(FileNotFoundError):
        CompiledConstraint.load(tmp_path / "missing", _INDEX)
    with pytest.raises(FileNotFoundError):
        compile_grammar(regex("a"), _INDEX).save(tmp_path / "missing" / "file")
