"""Which schemas of MaskBench are not decided as labelled, and why: makes the list that the tests guard.

    python benchmarks/json_schema_maskbench.py DATA.jsonl.xz [--quick] [--order any] [--json FILE]

Texts are those of json.dumps, read byte by byte.  `--quick` takes the first 300 schemas by the hash of their names.
`constrain bench jsonschema` measures times, too, and over any tokenizer.
"""

import argparse
import hashlib
import json
import time
from collections import Counter
from pathlib import Path

from constrain.cli.bench_cases import Case, read_cases
from constrain.cli.bench_measure import Bench
from constrain.cli.tokenizers import byte_index


def shuffled(path: Path) -> list[Case]:
    """The cases in the order of the hashes of their names: any beginning is a sample."""
    return sorted(read_cases(path), key=lambda case: hashlib.md5(case.name.encode(), usedforsecurity=False).digest())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--order", choices=("any", "schema"), default="any")
    parser.add_argument("--quick", action="store_true", help="300 schemas")
    parser.add_argument("--json", type=Path, help="write the schemas not passed to a file")
    arguments = parser.parse_args()
    cases = shuffled(arguments.data)[: 300 if arguments.quick else None]
    engine = Bench(byte_index(), None, property_order=arguments.order, timeout=60)
    verdicts: Counter[str] = Counter()
    not_passed, slow = {}, []
    for case in cases:
        start = time.perf_counter()
        found = engine.measure(case)
        slow.append((round(time.perf_counter() - start, 2), case.name))
        verdicts[found.verdict] += 1
        if found.verdict != "pass":
            not_passed[case.name] = f"{found.verdict}: {found.reason}"
    print(f"{len(cases)} schemas, {100 * verdicts['pass'] / len(cases):.2f} % pass, {dict(verdicts)}")
    print("slowest:", ", ".join(f"{name} {seconds} s" for seconds, name in sorted(slow, reverse=True)[:12]))
    if arguments.json:
        text = json.dumps(dict(sorted(not_passed.items())), indent=1, ensure_ascii=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
