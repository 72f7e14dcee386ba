"""Ratchets: the tests of published suites that are not passed are those that are written down, with a reason each.

A test that fails and is not in the list is a step back.  One that is in the list and passes has to be taken out of it:

    python benchmarks/json_schema_suite.py ../shared/data/json-schema-test-suite --record FILE
    python benchmarks/json_schema_maskbench.py ../shared/data/maskbench-dev.jsonl.xz --record FILE

with the file in this folder; reasons of tests that stay in it are kept.
"""

import importlib.util
import json
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import constrain
from tests.strategies import EFFORT

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DATA = ROOT.parent / "shared" / "data"
SUITES, MASKBENCH = DATA / "json-schema-test-suite", DATA / "maskbench-dev.jsonl.xz"
SAMPLE = 300


@cache
def script(name: str) -> ModuleType:
    """A script of the folder of benchmarks as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def differences(recorded: dict[str, str], found: dict[str, str]) -> str:
    """What is worse than the list, what is better, and what fails in another way."""
    lines = [f"worse: {name}: {reason}" for name, reason in found.items() if name not in recorded]
    lines += [f"better, to be recorded: {name}" for name in recorded if name not in found]
    kinds = ((name, recorded[name], reason) for name, reason in found.items() if name in recorded)
    lines += [f"other: {name}: {new}" for name, old, new in kinds if old.split(":")[0] != new.split(":")[0]]
    return "\n".join(lines)


def test_differences() -> None:
    """The comparison sees what is new, what is gone and what has changed."""
    assert not differences({"a": "refused: x"}, {"a": "refused: y"})
    found = differences({"a": "refused: x", "b": "unsound"}, {"a": "unsound", "c": "overstrict"})
    assert found.split("\n") == ["worse: c: overstrict", "better, to be recorded: b", "other: a: unsound"]


@pytest.mark.shared
@pytest.mark.skipif(not SUITES.exists(), reason="the official test suites are not beside the project")
@pytest.mark.parametrize("draft", ["2020-12", "7"])
def test_official_suite(draft: str) -> None:
    """Required and optional tests of a draft."""
    suite = script("json_schema_suite")
    registry = suite.remotes(SUITES / "remotes.json", draft)
    found = list(
        suite.outcomes(
            suite.read_groups(SUITES / f"draft{draft}.jsonl"), draft, registry, constrain.TokenizerIndex.of_bytes()
        )
    )
    assert len(found) > 1500
    recorded = json.loads((HERE / "suites_not_passed.json").read_text("utf-8"))[draft]
    difference = differences(recorded, suite.not_passed(found))
    assert not difference, difference


@pytest.mark.shared
@pytest.mark.skipif(not MASKBENCH.exists(), reason="MaskBench's development half is not beside the project")
def test_maskbench() -> None:
    """A sample of the schemas, or with TEST_EFFORT all of them."""
    bench = script("json_schema_maskbench")
    cases = bench.shuffled(MASKBENCH)
    assert len(cases) == 5685
    cases = cases if EFFORT > 1 else cases[:SAMPLE]
    recorded = json.loads((HERE / "maskbench_not_passed.json").read_text("utf-8"))
    names = {case.name for case in cases}
    found = bench.not_passed(bench.measured(cases))
    difference = differences({name: reason for name, reason in recorded.items() if name in names}, found)
    assert not difference, difference
