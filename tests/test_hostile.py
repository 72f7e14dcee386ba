"""Hostile inputs end in a typed error or work, in bounded time and memory; see `tests.hostile` for the cases."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import GROUPS, REGEXES, SCHEMAS

_SECONDS = 20  # a case takes a fraction of a second; machines that run tests may be busy
_MIB = 1024


def _run(group: str) -> dict[str, dict[str, Any]]:
    """What came of each case of a group, in a process of its own."""
    command = [sys.executable, "-m", "tests.hostile", group]
    root = Path(__file__).parent.parent
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, timeout=300)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, (lines[-1:], run.stderr[-2000:])
    return {line["case"]: line for line in lines if "outcome" in line}


@pytest.mark.parametrize("group", GROUPS)
def test_hostile_inputs(group: str) -> None:
    """Every case ends, without any other error than the package's own."""
    results = _run(group)
    assert results
    assert {name: line for name, line in results.items() if line["outcome"].startswith("untyped")} == {}
    assert {name: line for name, line in results.items() if line["seconds"] > _SECONDS or line["mib"] > _MIB} == {}
    for name, outcome in _EXPECTED.get(group, {}).items():
        assert results[name]["outcome"] == outcome


_EXPECTED = {
    "regexes": {
        "nested stars": "works",
        "large count": "works",
        "n-th from the end": "works",
        "deep groups": "GrammarSyntaxError",
        "back-reference": "GrammarSyntaxError",
        "empty": "UnsatisfiableConstraintError",
    },
    "grammars": {
        "deep text": "works",
        "large count of a rule": "works",
        "cycle of nothing": "UnsatisfiableConstraintError",
        "undefined": "GrammarSyntaxError",
    },
    "schemas": {
        "many alternatives": "works",
        "deep text": "works",
        "cyclic references": "CircularSchemaError",
        "contradiction": "UnsatisfiableConstraintError",
        "recursion without end": "UnsatisfiableConstraintError",
    },
    "texts": {"broken characters": "works", "tokens that are none": "works"},
    "files": {"sound": "works", "half": "CacheError", "a pickle": "CacheError"},
}


def test_expectations_name_cases() -> None:
    """What is expected is expected of cases that there are."""
    assert set(_EXPECTED) == set(GROUPS)
    assert set(_EXPECTED["regexes"]) <= set(REGEXES)
    assert set(_EXPECTED["schemas"]) <= set(SCHEMAS)
