"""Figures of docs/trie.md and docs/rows.md: tries of vocabularies, and the rows of JSON strings over them.

    python benchmarks/vocabulary.py [DIR …] [--quick] [--json FILE]

Each folder has a tokenizer.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import constrain
from constrain.embedded import MODEL_FOLDER
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.trie import build_trie
from constrain.tokenizer_index.vocabulary import vocabulary_of


def shortest(function: Callable[[], Any], times: int = 5) -> float:
    """The shortest time of several, in milliseconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return 1e3 * min(found)


def masked(schema: Any, text: str, index: TokenizerIndex) -> tuple[float, float]:
    """Milliseconds of the first mask after a text in a new constraint, and of the same mask again."""
    grammar = constrain.json_schema(schema)
    matcher = constrain.CompiledConstraint(grammar, index).matcher()
    matcher.accept_text(text)
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    first = shortest(lambda: matcher.fill_next_token_bitmask(bitmask), times=1)
    return first, shortest(lambda: matcher.fill_next_token_bitmask(bitmask), times=1000)


def measure(folder: Path) -> dict[str, float]:
    """The figures of one tokenizer; times in milliseconds."""
    from tokenizers import Tokenizer

    vocabulary = vocabulary_of(Tokenizer.from_file(str(folder / "tokenizer.json")))
    masked({"type": "string"}, '"', TokenizerIndex(vocabulary))  # loads the kernels
    index = TokenizerIndex(vocabulary)
    build = shortest(lambda: build_trie(index.tokens, index._special, index.symbols, index.offsets))
    new, again = masked({"type": "string"}, '"', index)
    ((_, row),) = index.pool().first_rows()
    schema = {"properties": {f"name{i}": {} for i in range(40)}, "additionalProperties": {"type": "integer"}}
    shared, _ = masked(schema, '{"', index)
    return {
        "tokens": index.vocab_size,
        "symbols": int(index.offsets[-1]),
        "trie nodes": len(index.trie),
        "trie built in": build,
        "tokens that stay in a JSON string": int(np.unpackbits(row.bits.view(np.uint8)).sum()),
        "tokens that close it and go on": row.tokens.size,
        "nodes of the texts behind the quote": len(row.suffixes),
        "mask in a string, first grammar": new,
        "the same mask again": again,
        "mask before 40 names or any other, the row of strings known": shared,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="*", metavar="DIR", help="tokenizers; the embedded one if none")
    parser.add_argument("--quick", action="store_true", help="the first tokenizer only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    folders = options.folders or [MODEL_FOLDER]
    figures = {}
    for folder in folders[:1] if options.quick else folders:
        figures[folder.name] = found = measure(folder)
        print(folder.name)
        for name, value in found.items():
            print(f"  {name}: {value:,.4f} ms" if isinstance(value, float) else f"  {name}: {value:,}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
