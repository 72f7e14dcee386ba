"""Schemas with instances, as benchmarks of JSON Schema publish them."""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constrain.grammars.errors import GrammarError

__all__ = ["Case", "read_cases"]


@dataclass(frozen=True, slots=True)
class Case:
    """A schema, and instances with whether they are valid."""

    name: str
    schema: Any
    tests: tuple[tuple[Any, bool], ...] = ()


def read_cases(path: Path) -> Iterator[Case]:
    """The cases of a file or folder, in the order of names.

    A file of lines (`.jsonl`, `.jsonl.xz`) has an object a line, `{"id", "schema", "tests": [{"data", "valid"}]}`.  A
    folder has a file `.json` a case, in sub-folders too: such an object without `id`, as MaskBench has them, or a mere
    schema, as JSONSchemaBench does.  Raises GrammarError for what is neither, OSError for what cannot be read.
    """
    if path.is_dir():
        files = [*path.rglob("*.json"), *path.rglob("*.jsonl"), *path.rglob("*.jsonl.xz")]
        for file in sorted(files):
            yield from _of_file(file, str(file.relative_to(path)))
    else:
        yield from _of_file(path, path.name)


def _of_file(path: Path, name: str) -> Iterator[Case]:
    if path.suffix == ".json":
        yield _case(_parsed(path.read_text(encoding="utf-8"), name), name.removesuffix(".json"))
        return
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                place = f"{name}:{number}"
                yield _case(_parsed(line, place), place)


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise GrammarError(f"{place} is not JSON: {error}") from error


def _case(contents: Any, place: str) -> Case:
    if not isinstance(contents, dict):
        raise GrammarError(f"{place} is neither a schema nor a schema with tests")
    if "schema" not in contents or not isinstance(contents.get("tests", []), list):
        return Case(place, contents)
    try:
        tests = tuple((test["data"], bool(test["valid"])) for test in contents.get("tests", ()))
    except (KeyError, TypeError) as error:
        raise GrammarError(f"the tests of {place} are not objects with `data` and `valid`") from error
    return Case(str(contents.get("id", place)), contents["schema"], tests)
