"""The official JSON Schema Test Suite through this library: which of its tests are decided as it says.

    python benchmarks/json_schema_suite.py FOLDER [--draft 2020-12] [--draft 7] [--quick] [--json FILE] [--record FILE]

FOLDER has the suite as one group a line, `draft2020-12.jsonl` and so on, and `remotes.json`, an object of the remote
documents by name.  The setting is the suite's own: schemas without `$schema` are of the draft tested, remote documents
are to be had under http://localhost:1234/, and formats are asserted in `optional/format/` only.  Texts are those of
json.dumps, read byte by byte, members in any order.

There are two countings.  "decided": a schema that is refused because no value obeys it rejects every instance, which
is what the suite asks for.  "compiled": any refused schema fails all its tests.  `--quick` takes every tenth group.
`--record` writes the tests not passed; reasons that the file has already are kept.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import referencing
import referencing.jsonschema

import constrain

REMOTE = "http://localhost:1234/"
DRAFTS = ("4", "6", "7", "2019-09", "2020-12")


@dataclass(frozen=True)
class Outcome:
    """What became of one test.

    verdict      "pass", "overstrict" (a valid instance is rejected), "unsound" (an invalid one is accepted), "refused"
    compiled     whether the schema became a grammar
    """

    file: str
    group: str
    test: str
    verdict: str
    reason: str
    compiled: bool

    @property
    def name(self) -> str:
        """The test's place in the suite."""
        return f"{self.file}: {self.group}: {self.test}"

    @property
    def part(self) -> str:
        """Whether the standard requires it or leaves it optional."""
        return "optional" if self.file.startswith("optional") else "required"


def remotes(path: Path, draft: str) -> "referencing.Registry[Any]":
    """The remote documents of the suite, by the addresses that it expects them at."""
    specification = referencing.jsonschema.specification_with(draft_uri(draft))
    documents = json.loads(path.read_text(encoding="utf-8"))
    resources = (
        (REMOTE + name, referencing.Resource.from_contents(contents, default_specification=specification))
        for name, contents in documents.items()
    )
    registry: referencing.Registry[Any] = referencing.Registry().with_resources(resources)
    return registry.crawl()


def draft_uri(draft: str) -> str:
    """The URI of a draft's meta-schema."""
    if "-" in draft:
        return f"https://json-schema.org/draft/{draft}/schema"
    return f"http://json-schema.org/draft-0{draft}/schema#"


def outcomes(
    groups: Iterable[dict[str, Any]],
    draft: str,
    registry: "referencing.Registry[Any]",
    index: constrain.TokenizerIndex,
) -> Iterator[Outcome]:
    """What becomes of the tests of some groups."""
    for group in groups:
        file, about = group["file"], group["description"]
        reason, accepts = "", None
        try:
            grammar = constrain.json_schema(
                group["schema"],
                property_order="any",
                draft=draft,
                registry=registry,
                formats=file.startswith("optional/format/"),
            )
            accepts = constrain.compile(grammar, index).accepts
        except constrain.errors.UnsatisfiableConstraintError:
            for test in group["tests"]:
                verdict = "overstrict" if test["valid"] else "pass"
                yield Outcome(file, about, test["description"], verdict, "no value obeys the schema", False)
            continue
        except constrain.errors.ConstrainError as error:
            reason = str(error)
        for test in group["tests"]:
            verdict, why = "refused", reason
            if accepts is not None:
                try:
                    found = accepts(json.dumps(test["data"], ensure_ascii=False))
                    verdict = "pass" if found == test["valid"] else "overstrict" if test["valid"] else "unsound"
                except constrain.errors.ConstrainError as error:
                    why = str(error)
            yield Outcome(file, about, test["description"], verdict, why, accepts is not None)


def read_groups(path: Path) -> list[dict[str, Any]]:
    """The groups of tests of a file of lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def percentages(found: Iterable[Outcome]) -> dict[str, dict[str, Any]]:
    """The figures of both countings, for the required and the optional part."""
    parts: dict[str, list[Outcome]] = {}
    for one in found:
        parts.setdefault(one.part, []).append(one)
    return {
        part: {
            "tests": len(some),
            "decided": 100 * sum(one.verdict == "pass" for one in some) / len(some),
            "compiled": 100 * sum(one.verdict == "pass" and one.compiled for one in some) / len(some),
            "verdicts": dict(Counter(one.verdict for one in some)),
        }
        for part, some in sorted(parts.items(), reverse=True)
    }


def not_passed(found: Iterable[Outcome]) -> dict[str, str]:
    """The names of the tests not passed, with verdicts and reasons."""
    return {one.name: f"{one.verdict}: {one.reason}".removesuffix(": ") for one in found if one.verdict != "pass"}


def record(path: Path, results: dict[str, dict[str, str]]) -> None:
    """Write the tests not passed by drafts, with the reasons that the file has for those with the same verdict."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for draft, tests in results.items():
        for name, reason in known.get(draft, {}).items():
            if name in tests and tests[name].split(":")[0] == reason.split(":")[0]:
                tests[name] = reason
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draft", action="append", choices=DRAFTS, help="2020-12 and 7 unless told")
    parser.add_argument("--quick", action="store_true", help="every tenth group")
    parser.add_argument("--json", type=Path, help="write figures and the tests not passed to a file")
    parser.add_argument("--record", type=Path, help="write the tests not passed to a file")
    arguments = parser.parse_args()
    index, results = constrain.TokenizerIndex.of_bytes(), {}
    for draft in arguments.draft or ["2020-12", "7"]:
        groups = read_groups(arguments.folder / f"draft{draft}.jsonl")[:: 10 if arguments.quick else 1]
        found = list(outcomes(groups, draft, remotes(arguments.folder / "remotes.json", draft), index))
        figures = percentages(found)
        for part, row in figures.items():
            print(
                f"{draft} {part}: {row['tests']} tests, decided {row['decided']:.1f} %, compiled"
                f" {row['compiled']:.1f} %, {row['verdicts']}",
                flush=True,
            )
        results[draft] = {"figures": figures, "not_passed": not_passed(found)}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.record:
        record(arguments.record, {draft: result["not_passed"] for draft, result in results.items()})


if __name__ == "__main__":
    main()
