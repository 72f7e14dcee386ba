"""Figures of docs/trie.md and docs/rows.md: tries of vocabularies, and the rows of JSON strings over them.

python benchmarks/vocabulary.py DIR …        folders of tokenizers, each with a tokenizer.json
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import constrain
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


def measure(folder: Path) -> None:
    """Print the figures of one tokenizer."""
    from tokenizers import Tokenizer

    vocabulary = vocabulary_of(Tokenizer.from_file(str(folder / "tokenizer.json")))
    masked({"type": "string"}, '"', TokenizerIndex(vocabulary))  # loads the kernels
    index = TokenizerIndex(vocabulary)
    build = shortest(lambda: build_trie(index.tokens, index._special, index.symbols, index.offsets))
    print(f"{folder.name}: {index.vocab_size:,} tokens, {index.offsets[-1]:,} symbols, {len(index.trie):,} trie nodes")
    print(f"  trie built in {build:.1f} ms")
    new, again = masked({"type": "string"}, '"', index)
    ((_, row),) = index.pool().rows()
    inside = int(np.unpackbits(row.bits.view(np.uint8)).sum())
    print(f"  inside a JSON string: {inside:,} tokens stay, {row.tokens.size:,} close it and go on,")
    print(f"  the texts behind the quote are {len(row.suffixes):,} trie nodes")
    print(f"  mask in a string: {new:.2f} ms for the first grammar, {again * 1e3:.2f} µs again")
    schema = {"properties": {f"name{i}": {} for i in range(40)}, "additionalProperties": {"type": "integer"}}
    shared, _ = masked(schema, '{"', index)
    print(f"  mask before 40 names or any other: {shared * 1e3:.0f} µs with the row of strings known")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        measure(Path(name))
