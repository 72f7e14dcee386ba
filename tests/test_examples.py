"""Every example runs, with the embedded model, as its reader would run it."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def test_there_are_examples() -> None:
    """One for each way of saying what is wanted."""
    names = {path.stem for path in EXAMPLES}
    assert names >= {
        "json_extraction",
        "own_grammar",
        "regular_expression",
        "sql_query",
        "tool_call",
        "transformers_generate",
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends without an error or a warning, and prints something."""
    spec = importlib.util.spec_from_file_location(f"examples_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()
    assert capsys.readouterr().out.strip()
