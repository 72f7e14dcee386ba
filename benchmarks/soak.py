"""Many distinct grammars and sequences in one process: memory stays bounded, results stay the same; many threads.

    python benchmarks/soak.py [--tokenizer DIR] [--grammars N] [--sequences N] [--threads N] [--quick] [--json FILE]

Each grammar is a JSON Schema of its own.  Sequences are random texts by random allowed tokens, finished by the shortest
way.  What is compared with a fresh process, for a sample of the grammars, is a digest of all masks along the texts.
Memory is the peak of the process after each tenth of the grammars.  The last part lets threads fill and accept on one
constraint and on many, beside one thread that compiles.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SAMPLE = 20  # grammars that are compared with a fresh process
TOKENS = 40  # of a text, before it is finished
NAMES = "id name kind size note items owner color price state level tags unit date code".split()


def schema_of(number: int) -> dict[str, Any]:
    """The schema of a grammar: no two are equal."""
    choice = random.Random(number)
    kinds: list[Any] = [
        {"type": "string", "maxLength": choice.randrange(1, 60)},
        {"type": "integer", "minimum": choice.randrange(100)},
        {"type": "number", "maximum": choice.randrange(1000)},
        {"enum": choice.sample(NAMES, 4)},
        {"type": "array", "items": {"type": "boolean"}, "maxItems": choice.randrange(1, 9)},
        {"type": "string", "pattern": f"^[a-z]{{{choice.randrange(1, 9)},12}}$"},
    ]
    names = choice.sample(NAMES, 5)
    properties = {name: choice.choice(kinds) for name in names}
    return {"type": "object", "title": str(number), "properties": properties, "required": names[:2]}


def digest_of(index: Any, number: int, sequences: int) -> str:
    """A digest of all masks along random texts of a grammar."""
    import numpy as np

    import constrain

    compiled = constrain.compile(constrain.json_schema(schema_of(number)), index)
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    digest = hashlib.blake2b(digest_size=8)
    for sequence in range(sequences):
        choice = random.Random(sequence)
        matcher = compiled.matcher()
        for _ in range(TOKENS):
            matcher.fill_next_token_bitmask(bitmask, 0)
            digest.update(bitmask.data)
            allowed = np.flatnonzero(np.unpackbits(bitmask[0].view(np.uint8), bitorder="little"))
            if not matcher.accept_token(int(allowed[choice.randrange(len(allowed))])) or matcher.is_finished:
                break
        else:
            if not matcher.accept_text(matcher.shortest_completion()):
                raise AssertionError("a shortest completion was refused")
    return digest.hexdigest()


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _index(name: str) -> Any:
    import constrain

    if name == "embedded":
        from constrain.embedded import load_tokenizer

        return constrain.TokenizerIndex.from_tokenizer(load_tokenizer())
    from transformers import AutoTokenizer

    return constrain.TokenizerIndex.from_tokenizer(AutoTokenizer.from_pretrained(name))


def soak(index: Any, grammars: int, sequences: int) -> tuple[list[float], dict[int, str], float]:
    """Peak memory (MiB) after each tenth, the digests of the sample, and seconds."""
    sample = set(range(0, grammars, max(1, grammars // SAMPLE)))
    digests, memory = {}, []
    start = time.perf_counter()
    for number in range(grammars):
        digest = digest_of(index, number, sequences)
        if number in sample:
            digests[number] = digest
        if (number + 1) % max(1, grammars // 10) == 0:
            memory.append(_memory())
    return memory, digests, time.perf_counter() - start


def in_fresh_process(name: str, numbers: list[int], sequences: int) -> dict[int, str]:
    """The same digests, found by a process that does nothing else, in the opposite order."""
    command = [
        sys.executable,
        __file__,
        "--tokenizer",
        name,
        "--sequences",
        str(sequences),
        "--only",
        json.dumps(numbers),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return {int(number): digest for number, digest in json.loads(run.stdout).items()}


def with_threads(index: Any, threads: int, grammars: int, sequences: int) -> tuple[float, dict[int, str]]:
    """Seconds and digests when several threads share the work, all of them on the same constraints."""
    digests: list[dict[int, str]] = [{} for _ in range(threads)]

    def work(place: int) -> None:
        for number in range(grammars):
            digests[place][number] = digest_of(index, number, sequences)

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(found != digests[0] for found in digests):
        raise AssertionError("threads found different masks")
    return time.perf_counter() - start, digests[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tokenizer", default="embedded", metavar="DIR", help="a tokenizer's folder, or 'embedded'")
    parser.add_argument("--grammars", type=int, default=10_000)
    parser.add_argument("--sequences", type=int, default=20, help="of each grammar")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="200 grammars, 3 sequences")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.grammars, options.sequences = 200, 3
    index = _index(options.tokenizer)
    if options.only:
        numbers = reversed(json.loads(options.only))
        print(json.dumps({number: digest_of(index, number, options.sequences) for number in numbers}))
        return
    memory, digests, seconds = soak(index, options.grammars, options.sequences)
    fresh = in_fresh_process(options.tokenizer, list(digests), options.sequences)
    few = min(50, options.grammars)
    one, alone = with_threads(index, 1, few, options.sequences)
    several, together = with_threads(index, options.threads, few, options.sequences)
    print(f"{options.grammars} grammars x {options.sequences} sequences in {seconds:.1f} s")
    print("peak MiB after each tenth:", " ".join(f"{mib:.0f}" for mib in memory))
    print(f"masks as in a fresh process: {digests == fresh} ({len(fresh)} grammars)")
    print(f"{few} grammars by one thread {one:.2f} s, by each of {options.threads} at once {several:.2f} s; ", end="")
    print(f"same masks: {alone == together}")
    if options.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        figures = {
            "machine": machine,
            "grammars": options.grammars,
            "sequences": options.sequences,
            "seconds": seconds,
            "peak_mib": memory,
            "same_as_fresh": digests == fresh,
            "one_thread_s": one,
            "threads": options.threads,
            "threads_s": several,
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    if digests != fresh or alone != together:
        sys.exit(1)


if __name__ == "__main__":
    main()
