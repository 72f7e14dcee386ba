"""Ratchets: the files of fixed versions that grammars do not allow are those that are written down.

A file that is not allowed and not in the list is a step back.  One that is in the list and is allowed has to come out:

    python benchmarks/languages_ratchet.py --record tests/grammars/library/corpora_not_allowed.json
"""

import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.strategies import EFFORT

HERE = Path(__file__).resolve().parent
RECORDED: dict[str, dict[str, Any]] = json.loads((HERE / "corpora_not_allowed.json").read_text("utf-8"))
_SAMPLE = 25  # files of a corpus, besides those of the list, unless there is time for all
_LARGEST = 20_000


@pytest.fixture
def ratchet(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that makes the list."""
    monkeypatch.syspath_prepend(str(HERE.parents[2] / "benchmarks"))
    return importlib.import_module("languages_ratchet")


@pytest.mark.parametrize("name", RECORDED)
def test_corpora(name: str, ratchet: Any) -> None:
    """Every file that the language's parser reads is allowed, but for the list."""
    known, corpus = RECORDED[name], ratchet.CORPORA[name]
    if corpus.version() != known["version"]:
        pytest.skip(f"the list is of version {known['version']}, here is {corpus.version()}")
    texts = dict(corpus.texts())
    if not texts:
        pytest.skip("the files are not there")
    assert len(texts) == known["files"]
    listed = set(known["not allowed"])
    others = sorted(
        texts.keys() - listed - set(known["not read either"]), key=lambda path: hashlib.sha256(path.encode()).digest()
    )
    small = [path for path in others if len(texts[path]) <= _LARGEST][:_SAMPLE]
    constraint = ratchet.compiled(name)
    allowed = {path: constraint.accepts(texts[path]) for path in [*(others if EFFORT > 1 else small), *sorted(listed)]}
    assert not [path for path in allowed if not allowed[path] and path not in listed], "worse"
    assert not [path for path in listed if allowed[path]], "better, to be recorded"
