"""How time and memory grow: with the vocabulary, the schema, the text, the nesting, and the number of grammars.

    python benchmarks/growth.py [--tokenizers DIR ...] [--quick] [--json FILE]

Each row is one size: milliseconds to compile, to the first mask, microseconds a token (mask and step) when a text is
read for the first time and again, and KiB of automata held by the constraint.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import constrain
from constrain.tokenizer_index.compiled import CompiledConstraint

Row = dict[str, float]


def _index(name: str) -> Any:
    if name == "embedded":
        from constrain.embedded import load_tokenizer

        return constrain.TokenizerIndex.from_tokenizer(load_tokenizer())
    from transformers import AutoTokenizer

    return constrain.TokenizerIndex.from_tokenizer(AutoTokenizer.from_pretrained(name))


def _pass(compiled: Any, tokens: list[int], bitmask: Any) -> float:
    matcher = compiled.matcher()
    start = time.perf_counter()
    for token in tokens:
        matcher.fill_next_token_bitmask(bitmask, 0)
        if not matcher.accept_token(token):
            raise AssertionError("a token of the text was refused")
    return 1e6 * (time.perf_counter() - start) / len(tokens)


def measured(index: Any, schema: Any, value: Any, repeats: int) -> Row:
    """The figures of one schema and one of its values."""
    tokens = index.encode(json.dumps(value, ensure_ascii=False))
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    rows = []
    for _ in range(repeats):
        start = time.perf_counter()
        compiled = CompiledConstraint(constrain.json_schema(schema), index)
        made = time.perf_counter()
        compiled.matcher().fill_next_token_bitmask(bitmask, 0)
        filled = time.perf_counter()
        first, again = _pass(compiled, tokens, bitmask), _pass(compiled, tokens, bitmask)
        rows.append((1e3 * (made - start), 1e3 * (filled - start), first, again))
    compile_ms, first_mask_ms, first_us, again_us = map(statistics.median, zip(*rows, strict=True))
    return {
        "tokens": len(tokens),
        "compile_ms": compile_ms,
        "first_mask_ms": first_mask_ms,
        "first_us": first_us,
        "again_us": again_us,
        "kib": compiled.memory_bytes() / 1024,
    }


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"items": {"type": "string"}}},
    "required": ["name"],
}
ADA = {"name": "Ada Lovelace", "age": 36, "tags": ["mathematics", "poetry"]}


def _wide(count: int) -> tuple[Any, Any]:
    names = [f"property_{i}" for i in range(count)]
    properties = {name: {"type": "integer", "minimum": i} for i, name in enumerate(names)}
    return {"type": "object", "properties": properties}, {name: 5 + i for i, name in enumerate(names[:50])}


def _long(count: int) -> tuple[Any, Any]:
    return {"type": "array", "items": PERSON}, [ADA] * count


def _deep(depth: int) -> tuple[Any, Any]:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return {"$ref": "#/$defs/list", "$defs": {"list": {"type": "array", "items": {"$ref": "#/$defs/list"}}}}, value


def studies(tokenizers: list[str], quick: bool) -> Iterator[tuple[str, str, Row]]:
    """Name of the study, size, figures."""
    repeats = 1 if quick else 5
    indexes = {Path(name).name: _index(name) for name in tokenizers}
    for name, index in indexes.items():
        yield "vocabulary", f"{name} ({index.vocab_size})", measured(index, PERSON, ADA, repeats)
    index = next(iter(indexes.values()))
    for count in (1, 10, 100) if quick else (1, 10, 100, 1000, 10_000):
        yield "properties", str(count), measured(index, *_wide(count), repeats)
    for count in (1, 10, 100) if quick else (1, 10, 100, 1000, 5000):
        yield "items of a text", str(count), measured(index, *_long(count), repeats)
    for depth in (1, 10, 100) if quick else (1, 10, 100, 400):
        yield "nesting", str(depth), measured(index, *_deep(depth), repeats)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tokenizers", nargs="+", default=["embedded"], metavar="DIR", help="folders, or 'embedded'")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    print(f"{'':<40}{'tokens':>9}{'compile ms':>12}{'mask ms':>10}{'first us':>10}{'again us':>10}{'KiB':>9}")
    for study, size, row in studies(options.tokenizers, options.quick):
        found.append({"study": study, "size": size, **row})
        cells = row["tokens"], row["compile_ms"], row["first_mask_ms"], row["first_us"], row["again_us"], row["kib"]
        print(f"{study + ' ' + size:<40}{cells[0]:>9.0f}{cells[1]:>12.2f}{cells[2]:>10.2f}", end="")
        print(f"{cells[3]:>10.2f}{cells[4]:>10.2f}{cells[5]:>9.0f}")
    if options.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        options.json.write_text(json.dumps({"machine": machine, "rows": found}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
