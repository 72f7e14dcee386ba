"""`constrain bench jsonschema` on a small file and a folder of its own."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from constrain.cli.app import run

CASES: list[dict[str, Any]] = [
    {"id": "good", "schema": {"type": "integer"}, "tests": [{"data": 1, "valid": True}, {"data": "é", "valid": False}]},
    {"id": "lax", "schema": {"type": "integer"}, "tests": [{"data": 1, "valid": False}]},
    {"id": "strict", "schema": {"minimum": 5}, "tests": [{"data": 4, "valid": True}, {"data": 6, "valid": True}]},
    {"id": "refused", "schema": {"pattern": "("}, "tests": [{"data": "", "valid": True}]},
]


def lines(path: Path, cases: list[dict[str, Any]]) -> Path:
    """A file of lines."""
    text = "".join(json.dumps(case) + "\n" for case in cases)
    path.write_bytes(lzma.compress(text.encode()) if path.suffix == ".xz" else text.encode())
    return path


def result(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> dict[str, Any]:
    """What the command prints as JSON."""
    assert run(["bench", "jsonschema", *map(str, arguments), "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.xz"])
@pytest.mark.parametrize("masks", ["--masks", "--no-masks"])
def test_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, masks: str) -> None:
    """Each case has the verdict that its labels make it have; an unsound one is exit code 1."""
    found = result(capsys, lines(tmp_path / f"cases{suffix}", CASES), masks, code=1)
    assert found["verdicts"] == {"pass": 1, "unsound": 1, "overstrict": 1, "error": 1}
    assert (found["pass_percent"], found["compiled_percent"]) == (25, 75)
    assert found["not_passed"]["lax"] == "unsound: instance 0"
    assert found["not_passed"]["refused"].startswith("error: ")
    assert (found["masks"] is not None) == (masks == "--masks")


def test_folders_have_cases_and_schemas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file a case, with tests or without."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.json").write_text(json.dumps({key: CASES[0][key] for key in ("schema", "tests")}))
    (tmp_path / "b.json").write_text('{"type": "array", "uniqueItems": "no"}')
    found = result(capsys, tmp_path, "--property-order", "any")
    assert found["schemas"] == 2
    assert list(found["not_passed"]) == ["b"]


def test_measurements_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Schemas that were measured are not measured again, and a line that was cut off is."""
    data, out = lines(tmp_path / "cases.jsonl", CASES[:1]), tmp_path / "out"
    result(capsys, data, "--out", out)
    first = out.read_text()
    result(capsys, data, "--out", out)
    assert out.read_text() == first
    out.write_text(first[:20] + "\n")
    result(capsys, data, "--out", out)
    assert json.loads(out.read_text().split("\n")[1])["verdict"] == "pass"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a bell rung within a finalizer
def test_a_time_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What takes longer is a timeout."""
    nested: Any = {"enum": [[number, [number]] for number in range(20_000)]}
    case = {"id": "slow", "schema": nested, "tests": []}
    found = result(capsys, lines(tmp_path / "slow.jsonl", [case]), "--timeout", 0.01)
    assert found["not_passed"] == {"slow": "timeout: more than 0.01 s"}


@pytest.mark.parametrize(
    ("text", "code"), [("[1]", 2), ("{", 2), ('{"schema": {}, "tests": [1]}', 2), (None, 4)], ids=str
)
def test_what_cannot_be_read(tmp_path: Path, text: str | None, code: int) -> None:
    """Typed errors with their exit codes."""
    path = tmp_path / "cases.jsonl"
    if text is not None:
        path.write_text(text)
    assert run(["bench", "jsonschema", str(path)]) == code


def test_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the figures are a table."""
    assert run(["bench", "jsonschema", str(lines(tmp_path / "cases.jsonl", CASES[:1]))]) == 0
    assert "100.0 %" in capsys.readouterr().out
