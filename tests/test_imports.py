"""What `import constrain` costs, and what it takes to use a part of it."""

import subprocess
import sys
import time

import pytest

_LARGE = {"torch", "transformers", "pydantic", "numpy", "numba", "lark", "jsonschema", "typer", "tokenizers"}


def _loaded(code: str) -> set[str]:
    """Those of the large packages that a process has loaded after some code."""
    code += f"; import sys; print(*sorted({_LARGE!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_package_is_imported_at_once() -> None:
    """In less than a second more than Python itself takes, and without any large package."""

    def fastest(code: str) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - start)
        return min(times)

    assert fastest("import constrain") - fastest("pass") < 1
    assert _loaded("import constrain") == set()


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import constrain.errors", set()),
        ("import constrain; constrain.lark('start: \"a\"')", {"numpy", "numba", "lark"}),
        (
            "import constrain as c; i = c.TokenizerIndex.from_tokenizer([b'a', b''], end_tokens=1, cache=False); "
            "c.compile(c.regex('a+'), i).matcher().allowed_tokens(); "
            "c.Limits(), c.choice(['a']), c.ebnf('root ::= \"a\"'), c.json_schema({'type': 'object'})",
            {"numpy", "numba"},
        ),
        ("import constrain; constrain.python_type(int)", {"numpy", "numba", "pydantic"}),
    ],
)
def test_only_what_is_needed_is_loaded(code: str, allowed: set[str]) -> None:
    """Grammars and masks need no model library."""
    assert _loaded(code) <= allowed
