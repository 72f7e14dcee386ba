"""How long a process takes to its first mask: the first one ever, and later ones.

    python benchmarks/start.py [--tokenizer DIR] [--quick] [--json FILE]

The first process finds an empty cache of compiled kernels (NUMBA_CACHE_DIR) and an empty cache of indexes
(CONSTRAIN_CACHE_DIR), both temporary; the later ones find what it left.  Each compiles a JSON Schema over the
tokenizer and fills one mask.  Times are those of the whole process, interpreter included, and of its stages;
the smallest and the median of the later processes are shown, five of them or, with ``--quick``, one.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 80},
        "email": {"type": "string", "format": "email"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["new", "paid", "gone"]}, "uniqueItems": True},
    },
    "required": ["name", "email"],
}
STAGES = ("import", "tokenizer", "index", "compile", "first mask")


def tokenizer_of(name: str) -> tuple[Any, str | None]:
    """What an index can be made from, and the name of its end token."""
    if name == "embedded":
        from constrain.embedded import load_tokenizer

        return load_tokenizer(), None
    from tokenizers import Tokenizer

    folder = Path(name)
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    end = settings.get("eos_token")
    return Tokenizer.from_file(str(folder / "tokenizer.json")), end["content"] if isinstance(end, dict) else end


def one_process(tokenizer_name: str) -> dict[str, float]:
    """The stages of this process, in seconds."""
    times = [time.perf_counter()]

    def done() -> None:
        times.append(time.perf_counter())

    import constrain

    make_index = constrain.TokenizerIndex.from_tokenizer
    done()
    tokenizer, end = tokenizer_of(tokenizer_name)
    done()
    index = make_index(tokenizer, end_tokens=end)
    done()
    matcher = constrain.compile(constrain.json_schema(SCHEMA), index).matcher()
    done()
    matcher.fill_next_token_bitmask(constrain.allocate_token_bitmask(1, index.vocab_size))
    done()
    return {stage: after - before for stage, before, after in zip(STAGES, times, times[1:], strict=False)}


def measured(tokenizer_name: str, caches: Path) -> dict[str, float]:
    """The stages of a new process, and its total."""
    folders = {"NUMBA_CACHE_DIR": str(caches / "kernels"), "CONSTRAIN_CACHE_DIR": str(caches / "indexes")}
    command = [sys.executable, __file__, "--tokenizer", tokenizer_name, "--one-process"]
    start = time.perf_counter()
    run = subprocess.run(command, env={**os.environ, **folders}, stdout=subprocess.PIPE, text=True, check=True)
    return {"total": time.perf_counter() - start, **json.loads(run.stdout)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tokenizer", default="embedded", metavar="DIR", help="a tokenizer's folder, or 'embedded'")
    parser.add_argument("--quick", action="store_true", help="one later process instead of five")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--one-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_process:
        print(json.dumps(one_process(options.tokenizer)))
        return
    with tempfile.TemporaryDirectory() as caches:
        first = measured(options.tokenizer, Path(caches))
        later = [measured(options.tokenizer, Path(caches)) for _ in range(1 if options.quick else 5)]
    print(f"{'seconds':<12}{'first':>10}{'later, min':>12}{'median':>10}")
    for name in first:
        times = [run[name] for run in later]
        print(f"{name:<12}{first[name]:>10.2f}{min(times):>12.2f}{statistics.median(times):>10.2f}")
    if options.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        figures = {"tokenizer": Path(options.tokenizer).name, "machine": machine, "first": first, "later": later}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
