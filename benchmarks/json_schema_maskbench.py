"""Which schemas of MaskBench are not decided as labelled, and why: makes the list that the tests guard.

    python benchmarks/json_schema_maskbench.py DATA.jsonl.xz [--quick] [--order any] [--json FILE] [--record FILE]

Texts are those of json.dumps, read byte by byte.  `--quick` takes the first 300 schemas by the hash of their names.
`--record` writes the schemas not passed with their reasons.  `constrain bench jsonschema` measures times, too, and
over any tokenizer.
"""

import argparse
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import constrain
from constrain.cli.bench_cases import Case, read_cases
from constrain.cli.bench_measure import Bench, Measured


def shuffled(path: Path) -> list[Case]:
    """The cases in the order of the hashes of their names: any beginning is a sample."""
    return sorted(read_cases(path), key=lambda case: hashlib.md5(case.name.encode(), usedforsecurity=False).digest())


def measured(cases: Iterable[Case], order: str = "any", timeout: float = 60) -> Iterator[Measured]:
    """What becomes of the cases."""
    engine = Bench(constrain.TokenizerIndex.of_bytes(), None, property_order=order, timeout=timeout)
    return map(engine.measure, cases)


def not_passed(found: Iterable[Measured]) -> dict[str, str]:
    """The names of the cases not passed, with verdicts and reasons."""
    return {one.name: f"{one.verdict}: {one.reason}" for one in found if one.verdict != "pass"}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--order", choices=("any", "schema"), default="any")
    parser.add_argument("--quick", action="store_true", help="300 schemas")
    parser.add_argument("--json", type=Path, help="write all figures to a file")
    parser.add_argument("--record", type=Path, help="write the schemas not passed to a file")
    arguments = parser.parse_args()
    cases = shuffled(arguments.data)[: 300 if arguments.quick else None]
    found, times, start = [], {}, time.perf_counter()
    for one in measured(cases, arguments.order):
        now = time.perf_counter()
        times[one.name], start = now - start, now
        found.append(one)
    verdicts = Counter(one.verdict for one in found)
    print(f"{len(cases)} schemas, {100 * verdicts['pass'] / len(cases):.2f} % pass, {dict(verdicts)}")
    slowest = sorted(times, key=times.__getitem__, reverse=True)[:12]
    print("slowest:", ", ".join(f"{name} {times[name]:.1f} s" for name in slowest))
    wrong = dict(sorted(not_passed(found).items()))
    if arguments.json:
        figures = {"schemas": len(cases), "verdicts": verdicts, "seconds": times, "not_passed": wrong}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if arguments.record:
        arguments.record.write_text(json.dumps(wrong, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
