"""Worst cases of JSON Schema: seconds to compile, to the first mask, and microseconds for a byte of a valid text.

    python benchmarks/json_schema_worst.py [--data DATA.jsonl.xz] [--quick] [--json FILE]

With --data the ten largest schemas of MaskBench are measured, too.  Times are those of a vocabulary of single bytes.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import constrain
from constrain.cli.bench_cases import read_cases


def cases() -> Iterator[tuple[str, Any, Any]]:
    """Names, schemas, and a valid value of each."""
    names = [f"p{number}" for number in range(200)]
    overlapping = [
        {"properties": {f"p{number}": {"type": "integer"}}, "required": [f"p{number}"]} for number in range(50)
    ]
    yield "oneOf of 50 overlapping objects", {"type": "object", "oneOf": overlapping}, {"p7": 1}
    optional = {"properties": {name: {"type": "integer"} for name in names}, "additionalProperties": False}
    yield "200 optional properties in any order", optional, dict.fromkeys(reversed(names), 1)
    words = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    yield "uniqueItems over 1,000 strings", words, [f"item {number}" for number in range(1000)]
    listed = {"type": "array", "items": {"enum": [f"item {number}" for number in range(1000)]}, "uniqueItems": True}
    yield "uniqueItems over an enum of 1,000 strings", listed, [f"item {number}" for number in range(0, 1000, 7)]
    numbers = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    yield "uniqueItems over 1,000 integers", numbers, [number * number * 7 for number in range(1000)]
    fields = {"name": {"type": "string"}, "id": {"type": "integer"}}
    closed = {"type": "object", "properties": fields, "required": ["name", "id"], "additionalProperties": False}
    objects = {"type": "array", "items": closed, "uniqueItems": True}
    yield "uniqueItems over 1,000 closed objects", objects, [{"name": f"n{i % 10}", "id": i} for i in range(1000)]
    mixed = [f"item {i}" if i % 3 else {"id": i, "at": [i, i]} for i in range(1000)]
    yield "uniqueItems over 1,000 items of any kind", {"type": "array", "uniqueItems": True}, mixed
    yield "maxLength of 1,000,000", {"type": "string", "maxLength": 1_000_000}, "x" * 10_000
    inner = {"type": "object", "properties": {"b": {"properties": {"c": {"const": 1}}, "required": ["c"]}}}
    nested = {"type": "object", "not": {"properties": {"a": inner}, "required": ["a"]}}
    yield "not of a nested object", nested, {"a": {"b": {"c": 2}}}
    yield "enum of 100,000 integers in a row", {"enum": list(range(100_000))}, 99_999
    yield "enum of 1,000 integers", {"enum": [number * number * 37 for number in range(1000)]}, 37 * 81


def largest(path: Path) -> Iterator[tuple[str, Any, Any]]:
    """The ten largest schemas of MaskBench, each with a valid value where it has one."""
    found = sorted(read_cases(path), key=lambda case: len(json.dumps(case.schema)), reverse=True)[:10]
    for case in found:
        size = len(json.dumps(case.schema)) / 1024
        valid = next((value for value, ok in case.tests if ok), None)
        yield f"{case.name} ({size:,.0f} KiB)", case.schema, valid


def measured(schema: Any, value: Any, index: constrain.TokenizerIndex) -> dict[str, Any]:
    """The times of one schema, or why it is refused after how long."""
    start = time.perf_counter()
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    try:
        compiled = constrain.compile(constrain.json_schema(schema, property_order="any"), index)
        matcher = compiled.matcher()
        compile_seconds = time.perf_counter() - start
        matcher.fill_next_token_bitmask(bitmask)
        mask_seconds = time.perf_counter() - start
        if value is None:
            return {"compile_seconds": compile_seconds, "first_mask_seconds": mask_seconds}
        text = json.dumps(value, ensure_ascii=False).encode()
        start = time.perf_counter()
        for byte in text:
            matcher.fill_next_token_bitmask(bitmask)
            if not matcher.accept_token(byte):
                raise AssertionError("a valid text was refused")
        if not matcher.is_accepting:
            raise AssertionError("a valid text may not end")
    except constrain.errors.ConstrainError as error:
        return {"refused": str(error), "seconds": time.perf_counter() - start}
    each = (time.perf_counter() - start) / len(text) * 1e6
    return {"compile_seconds": compile_seconds, "first_mask_seconds": mask_seconds, "byte_us": each}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--quick", action="store_true", help="without the ten largest schemas")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    index = constrain.TokenizerIndex.of_bytes()
    warm = {"type": "object", "properties": {"a": {"type": ["string", "number"]}}}
    measured(warm, {"a": "b"}, index)
    chosen = list(cases())
    if arguments.data and not arguments.quick:
        chosen += largest(arguments.data)
    results = {}
    for name, schema, value in chosen:
        found = results[name] = measured(schema, value, index)
        row = ", ".join(f"{key} {one:.4g}" if isinstance(one, float) else str(one)[:90] for key, one in found.items())
        print(f"{name}: {row}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
