"""constrain beside SynCode: masks of the same tokens of files, each with its own grammar of the language.

The languages are those that both have.  SynCode (Ugare et al., arXiv:2403.01632) runs in a process of its own, see
syncode_worker.py.  Its masks are those of the mode "grammar_mask", the more permissive one of two.

A file is read from its first lexeme on, comments before it left out, by so many tokens.  constrain ends it at a token
that it refuses; SynCode, whose masks are made of all that is written so far, goes on, with a mask of all tokens where
its parser fails.  Times are compared where both have written a mask, and SynCode's parser has not failed.
"""

import json
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import languages
from rival_grammars import behind_ignored

import constrain

_WORKER = Path(__file__).with_name("syncode_worker.py")
_MODE = "grammar_mask"
_LARGEST = 20_000  # characters of a file
_TOKENS = 300  # that are read of it


@dataclass(frozen=True)
class Both:
    """A language that both have: where its files are from, and which of them are read.

    corpus  its name among `languages.LANGUAGES`, where it is called otherwise
    begins  what files begin with, where SynCode has a part of the language only
    """

    corpus: str | None = None
    begins: re.Pattern[str] = field(default_factory=lambda: re.compile(""))


LANGUAGES: dict[str, Both] = {
    "c": Both(),
    "go": Both(),
    "java": Both(),
    "json": Both(),
    "python": Both(),
    "sql": Both("sql-sqlite", re.compile("SELECT ", re.IGNORECASE)),
}
"""By SynCode's names of its grammars."""


@dataclass
class Reading:
    """What an engine makes of a text.

    times    seconds, of the masks that it has written, from the first token on
    refused  the places of tokens that their masks do not have
    ended    why it did not read to the end, if it did not
    failed   the places where its parser fails, and the mask has all tokens
    open     how many other masks have all tokens
    """

    times: list[float]
    refused: list[int]
    ended: str | None
    failed: list[int] = field(default_factory=list)
    open: int = 0


# constrain


def our_reading(compiled: Any, tokens: list[int], bitmask: Any) -> Reading:
    """Mask + accept, until a token is refused."""
    matcher, done = compiled.matcher(), Reading([], [], None)
    for place, token in enumerate(tokens):
        start = time.perf_counter()
        matcher.fill_next_token_bitmask(bitmask)
        accepted = matcher.accept_token(token)
        done.times.append(time.perf_counter() - start)
        if not accepted:
            return Reading(done.times, [place], "refused")
    return done


def ours(name: str, tokenizer: Any, texts: list[list[int]]) -> tuple[dict[str, Any], list[list[Reading]]]:
    """How long a new constraint takes, and two passes over the texts."""
    both = LANGUAGES[name]
    language = languages.LANGUAGES[both.corpus or name]
    start = time.perf_counter()
    index = constrain.TokenizerIndex.from_tokenizer(tokenizer)
    found = {"index, s": time.perf_counter() - start}
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    nested = constrain.CompiledConstraint(constrain.lark('start: "[" start? "]"'), index)
    our_reading(nested, tokenizer.encode("[ [[]]", add_special_tokens=False), bitmask)  # loads the kernels
    start = time.process_time()
    compiled = constrain.CompiledConstraint(constrain.grammar(language.grammar or name, **language.options), index)
    found["made, s"] = time.process_time() - start
    start = time.perf_counter()
    compiled.matcher().fill_next_token_bitmask(bitmask)
    found["first mask, ms"] = 1e3 * (time.perf_counter() - start)
    return found, [[our_reading(compiled, tokens, bitmask) for tokens in texts] for _ in range(2)]


# SynCode


@dataclass(frozen=True)
class Worker:
    """Where SynCode runs, and for how long.

    python     the interpreter of an environment that has it
    tokenizer  the folder of a tokenizer
    making     the most seconds to make a grammar's parser and mask store, and to load them again
    reading    the most seconds to read all texts
    stores     where its mask stores are kept; None: they are made anew
    """

    python: str
    tokenizer: Path
    making: float
    reading: float
    stores: Path | None = None

    def answers(self, name: str, texts: list[list[int]]) -> Iterator[dict[str, Any]]:
        """What syncode_worker.py says of a grammar, as far as it comes, and an error where it does not end."""
        request = {"grammar": name, "mode": _MODE, "texts": texts, "seconds": self.reading}
        request["tokenizer"] = str(self.tokenizer.resolve())
        with tempfile.TemporaryDirectory() as folder:
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            stores = Path(folder) if self.stores is None else self.stores.resolve()
            environment["SYNCODE_CACHE"] = f"{stores}{os.sep}"  # names are put directly behind it
            errors, error = Path(folder, "errors.txt"), None
            with errors.open("wb") as stderr:
                try:
                    output = subprocess.run(
                        [self.python, str(_WORKER)],
                        input=json.dumps(request).encode(),
                        stdout=subprocess.PIPE,
                        stderr=stderr,
                        cwd=folder,
                        env=environment,
                        timeout=self.making + self.reading,
                        check=True,
                    ).stdout
                except subprocess.TimeoutExpired as over:
                    output, error = over.stdout or b"", f"not done after {self.making + self.reading:,.0f} s"
                except subprocess.CalledProcessError as failed:
                    last = errors.read_text("utf-8", errors="replace").strip().rpartition("\n")[2]
                    output, error = failed.stdout, last[-300:]
        yield from map(json.loads, output.decode().splitlines())
        if error is not None:
            yield {"error": error}

    def measure(self, name: str, texts: list[list[int]]) -> tuple[dict[str, Any], list[Reading]]:
        """How long a grammar takes, and one pass over the texts."""
        found: dict[str, Any] = {"mode": _MODE}
        readings = []
        for answer in self.answers(name, texts):
            match answer:
                case {"text": _, **reading}:
                    readings.append(Reading(**reading))
                case {"made": seconds}:
                    found["made, s"] = seconds
                case {"loaded": seconds}:
                    found["loaded, s"] = seconds
                case {"first": seconds}:
                    found["first mask, ms"] = 1e3 * seconds
                case _:
                    found |= answer
        return found, readings


# Both


def outcome(readings: list[Reading], texts: list[list[str]]) -> dict[str, Any]:
    """How many masks there are, what they refuse, and most often, how many have all tokens, and how texts end."""
    ends = Counter(reading.ended or "read" for reading in readings)
    refused = Counter(text[place] for reading, text in zip(readings, texts, strict=False) for place in reading.refused)
    return {
        "masks": sum(len(reading.times) for reading in readings),
        "refused": refused.total(),
        "refused most": dict(refused.most_common(5)),
        "all tokens": sum(reading.open for reading in readings),
        "failed": sum(len(reading.failed) for reading in readings),
        "texts": dict(ends.most_common()),
    }


def times_of_both(readings: list[Reading], others: list[Reading]) -> dict[str, float] | None:
    """The times of the masks that both have written, failures aside; None where there are none."""
    times = []
    for reading, other in zip(readings, others, strict=False):
        failed = {*reading.failed, *other.failed}
        both = enumerate(reading.times[: len(other.times)])
        times += [time for place, time in both if place not in failed]
    return languages.percentiles(times) if times else None


def measure(name: str, tokenizer: Any, worker: Worker, count: int) -> dict[str, Any]:
    """The figures of a language, of so many files."""
    both = LANGUAGES[name]
    language = languages.LANGUAGES[both.corpus or name]
    fitting = [(path, text) for path, text in language.corpus() if both.begins.match(text)]
    chosen = languages.chosen(fitting, count, _LARGEST)
    corpus = [behind_ignored(text) for _, text in chosen if language.reads(text)]
    texts = [tokenizer.encode(text, add_special_tokens=False)[:_TOKENS] for text in corpus]
    figures: dict[str, Any] = {"files": len(texts), "tokens": sum(map(len, texts))}
    if not texts:
        return figures
    made, (first, second) = ours(name, tokenizer, texts)
    their_made, their_first = worker.measure(name, texts)
    passes = {"first pass": times_of_both(first, their_first), "second pass": times_of_both(second, their_first)}
    words = [[tokenizer.decode([token]) for token in text] for text in texts]
    figures["constrain"] = {**made, **outcome(first, words), **passes}
    figures["SynCode"] = {**their_made, **outcome(their_first, words), "first pass": times_of_both(their_first, first)}
    return figures


def show(name: str, figures: dict[str, Any]) -> None:
    """Print the figures of a language."""
    print(f"{name}: {figures['files']} files, {figures['tokens']:,} tokens")
    for label in ("constrain", "SynCode"):
        found = figures.get(label, {})
        for key, value in found.items():
            if key in ("first pass", "second pass"):
                row = ", ".join(f"{percentile} {time:,.1f}" for percentile, time in (value or {}).items())
                print(f"    {key}: {row} us" if row else f"    {key}: none")
            else:
                print(f"  {label}, {key}:", f"{value:,.2f}" if isinstance(value, float) else value)
