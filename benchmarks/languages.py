"""Grammars of the library against real files and the languages' own parsers, and what they cost.

    python benchmarks/languages.py [NAME …] [--tokenizer DIR] [--parts PART …] [--quick] [--seconds S] [--json FILE]

For each language of `LANGUAGES`, on the files of its corpus that its own parser reads:

- acceptance: how many files the grammar allows, read byte by byte, the names of the others, and the speed;
- refusal: of mutated files that the parser refuses, how many the grammar refuses, too;
- walks: of texts drawn at random from the grammar, how many the parser reads; with a tokenizer token by token, each
  within a budget of tokens (see token_walks);
- with a tokenizer: how many masks at random places of files are what reading every token on its own gives; the time to
  the first mask of a new constraint, and the times of mask + accept, token by token, of a first pass over the files and
  of a second one, when the constraint has read them before.

With `--seconds`, walks and masks end after so long each, and their counts say how many there were.

llguidance is measured on the same tokens where it is installed and the language gives it a Lark grammar.
"""

import argparse
import ast
import csv
import importlib.util
import io
import json
import os
import platform
import random
import re
import sysconfig
import time
import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import formal
import numpy as np
import programming
import sql_corpora
import token_walks

import constrain
from constrain.cli.example import random_text

# Languages


@dataclass(frozen=True)
class Language:
    """A grammar of the library, and what it is measured against.

    corpus      the files: pairs of a name and a text; it may yield nothing on a machine that has none
    reads       what the language's own parser says of a text
    options     of the grammar
    in_tokens   the options over tokens, where they are others
    walked      the options for random walks, where they are others
    grammar     its name, where it is not the language's
    llguidance  an equivalent grammar in llguidance's dialect of Lark
    """

    corpus: Callable[[], Iterable[tuple[str, str]]]
    reads: Callable[[str], bool]
    options: dict[str, Any] = field(default_factory=dict)
    in_tokens: dict[str, Any] | None = None
    walked: dict[str, Any] | None = None
    grammar: str | None = None
    llguidance: str | None = None


def files(folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """The files below a folder that are UTF-8, by their paths from there."""
    for path in sorted(folder.rglob(pattern)):
        try:
            yield str(path.relative_to(folder)), path.read_bytes().decode("utf-8-sig")
        except (UnicodeDecodeError, OSError):
            continue


def installed(pattern: str) -> Callable[[], Iterator[tuple[str, str]]]:
    """Files of the installed packages and of Python itself."""

    def found() -> Iterator[tuple[str, str]]:
        for name in ("stdlib", "purelib"):
            yield from files(Path(sysconfig.get_path(name)), pattern)

    return found


def standard_library() -> Iterator[tuple[str, str]]:
    """The modules of Python's standard library, its tests among them."""
    for name, text in files(Path(sysconfig.get_path("stdlib")), "*.py"):
        if not name.startswith("site-packages"):
            yield name, text


def reads_python(text: str) -> bool:
    """Whether `ast` reads a module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return False
    return True


def reads_json(text: str) -> bool:
    """Whether Python's json reads a text, without its NaN and Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


def reads_toml(text: str) -> bool:
    """Whether Python's tomllib reads a document; that a key is defined twice, or behind a table, does not count."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return bool(re.search("overwrite|twice|immutable namespace|Duplicate inline|Cannot declare", str(error)))
    except (ValueError, RecursionError):
        return False
    return True


def reads_csv(text: str) -> bool:
    """Whether Python's csv reads a file in strict mode."""
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return False
    return True


LANGUAGES: dict[str, Language] = {
    "csv": Language(installed("*.csv"), reads_csv),
    "json": Language(installed("*.json"), reads_json),
    "python": Language(standard_library, reads_python),
    "toml": Language(installed("*.toml"), reads_toml),
    **{
        name: Language(corpus, reads, walked=programming.WALKED.get(name))
        for name, (corpus, reads) in programming.LANGUAGES.items()
    },
    **{
        name: Language(corpus, reads, options, formal.IN_TOKENS.get(name), formal.WALKED.get(name))
        for name, (corpus, reads, options) in formal.LANGUAGES.items()
    },
    **{
        f"sql-{dialect}": Language(
            corpus, reads, {"dialect": dialect, "statements": "script", "comments": True}, grammar="sql"
        )
        for dialect, (corpus, reads) in sql_corpora.LANGUAGES.items()
    },
}

# Mutations

_TOKEN = re.compile(r"\w+|[ \t]+|\n|.", re.DOTALL)
_SIGNS = " \n\t()[]{}<>.,:;'\"\\0ae_-+*/=#@"


def _characters(text: str, draw: random.Random) -> str:
    at, count = draw.randrange(len(text) + 1), draw.randrange(3)
    return text[:at] + draw.choice(["", draw.choice(_SIGNS), draw.choice(text)]) + text[at + count :]


def _tokens(text: str, draw: random.Random) -> str:
    parts = _TOKEN.findall(text)
    first, second = draw.randrange(len(parts)), draw.randrange(len(parts))
    match draw.randrange(4):
        case 0:
            del parts[first]
        case 1:
            parts.insert(first, parts[second])
        case 2:
            parts[first] = parts[second]
        case _:
            parts[first], parts[second] = parts[second], parts[first]
    return "".join(parts)


def _indentation(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    at = draw.randrange(len(lines))
    line = lines[at]
    space = line[: len(line) - len(line.lstrip(" \t"))]
    lines[at] = draw.choice(["", space[1:], space + " ", space + "    ", "\t" + space]) + line[len(space) :]
    return "".join(lines)


def mutations(text: str, draw: random.Random) -> Iterator[str]:
    """Texts with characters, tokens or an indentation changed, without end."""
    while text:
        changed = draw.choice([_characters, _tokens, _tokens, _indentation])(text, draw)
        if changed != text:
            yield changed


# What is measured


def acceptance(allowed: Callable[[str], bool], texts: list[tuple[str, str]]) -> dict[str, Any]:
    """Files that are allowed, and megabytes a second."""
    refused = []
    start = time.perf_counter()
    for name, text in texts:
        if not allowed(text):
            refused.append(name)
    elapsed = time.perf_counter() - start
    size = sum(len(text.encode()) for _, text in texts)
    return {
        "files": len(texts),
        "bytes": size,
        "accepted, %": 100 * (1 - len(refused) / len(texts)),
        "refused": refused,
        "MB/s": size / elapsed / 1e6,
    }


def refusal(
    allowed: Callable[[str], bool], reads: Callable[[str], bool], texts: list[tuple[str, str]], count: int
) -> dict[str, Any]:
    """How many of `count` mutated files that the parser refuses the grammar refuses, with the first that it allows."""
    draw, wrong, met = random.Random(0), [], 0
    while met < count:
        name, text = draw.choice(texts)
        changed = next(mutations(text, draw), None)
        if changed is None or reads(changed):
            continue
        met += 1
        if allowed(changed):
            place = next((i for i, (a, b) in enumerate(zip(text, changed, strict=False)) if a != b), len(text))
            wrong.append([name, text[max(0, place - 30) : place + 30], changed[max(0, place - 30) : place + 30]])
    return {"mutated files": met, "refused, %": 100 * (1 - len(wrong) / met), "allowed": wrong[:20]}


def within(seconds: float, items: Iterable[Any]) -> Iterator[Any]:
    """The items that are begun within so many seconds."""
    end = time.monotonic() + seconds
    for item in items:
        yield item
        if time.monotonic() >= end:
            return


def walks(texts: Iterable[str], reads: Callable[[str], bool]) -> dict[str, Any]:
    """How many texts, drawn at random from the grammar, the parser reads, with the first that it does not."""
    drawn = list(texts)
    wrong = [text for text in drawn if not reads(text)]
    return {
        "texts": len(drawn),
        "characters, average": sum(map(len, drawn)) / len(drawn),
        "read, %": 100 * (1 - len(wrong) / len(drawn)),
        "not read": wrong[:20],
    }


def byte_walks(compiled: Any, count: int) -> Iterator[str]:
    """Texts drawn byte by byte."""
    for seed in range(count):
        yield random_text(compiled.matcher(), random.Random(seed), 10 + seed % 200).decode()


def exactness(compiled: Any, texts: list[tuple[str, str]], count: int, seconds: float = float("inf")) -> dict[str, Any]:
    """At `count` random places of files, whether the mask has the tokens that can be read one by one, and no others.

    All masks are made before any token is read: reading brings in rules that a mask has to ask for itself.
    """
    index, draw = compiled.index, random.Random(2)
    bitmasks = constrain.allocate_token_bitmask(count, index.vocab_size)
    made = []
    for row in range(count):
        name, text = draw.choice(texts)
        data = text.encode()
        place = draw.randrange(len(data) + 1)
        matcher = compiled.matcher()
        accepted = matcher.accept_text(data[:place])
        matcher.fill_next_token_bitmask(bitmasks, row)
        made.append((name, place, matcher, accepted))
    wrong, places = [], 0
    for row, (name, place, matcher, accepted) in zip(within(seconds, range(count)), made, strict=False):
        masked = np.flatnonzero(np.unpackbits(bitmasks[row].view(np.uint8), bitorder="little")[: index.vocab_size])
        engine, number = matcher._state.states.engine, matcher._state.number
        read = {token for token in range(index.vocab_size) if engine.after_token(number, token)}
        places += 1
        if not accepted or set(masked.tolist()) != read | (set(index.end_tokens) if matcher.is_accepting else set()):
            wrong.append([name, place])
    return {"places": places, "equal, %": 100 * (1 - len(wrong) / places), "other": wrong}


def percentiles(times: list[float]) -> dict[str, float]:
    """In microseconds."""
    ordered = sorted(times)
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
    found = {name: 1e6 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] for name, share in at.items()}
    return {**found, "average": 1e6 * sum(ordered) / len(ordered)}


def speed(name: str, options: dict[str, Any], index: Any, encoded: list[list[int]]) -> dict[str, Any]:
    """Time to the first mask in milliseconds, mask + accept in microseconds."""
    grammar = constrain.grammar(name, **options)
    constrain.CompiledConstraint(grammar, index).matcher().allowed_tokens()  # loads the kernels
    start = time.perf_counter()
    compiled = constrain.CompiledConstraint(grammar, index)
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    compiled.matcher().fill_next_token_bitmask(bitmask)
    found: dict[str, Any] = {"first mask, ms": 1e3 * (time.perf_counter() - start)}
    for label in ("first pass", "second pass"):
        times = []
        for tokens in encoded:
            matcher = compiled.matcher()
            for token in tokens:
                start = time.perf_counter()
                matcher.fill_next_token_bitmask(bitmask)
                accepted = matcher.accept_token(token)
                times.append(time.perf_counter() - start)
                if not accepted:
                    break
        found[label] = {"tokens": len(times), **percentiles(times)}
    return found


def speed_of_llguidance(grammar: str, tokenizer: Any, encoded: list[list[int]]) -> dict[str, Any]:
    """The same of llguidance."""
    import llguidance
    import llguidance.hf
    import llguidance.numpy as masks

    table = llguidance.hf.from_tokenizer(tokenizer)
    start = time.perf_counter()
    matcher = llguidance.LLMatcher(table, llguidance.LLMatcher.grammar_from_lark(grammar))
    bitmask = masks.allocate_token_bitmask(1, table.vocab_size)
    masks.fill_next_token_bitmask(matcher, bitmask, 0)
    found: dict[str, Any] = {"first mask, ms": 1e3 * (time.perf_counter() - start)}
    times = []
    for tokens in encoded:
        matcher = llguidance.LLMatcher(table, llguidance.LLMatcher.grammar_from_lark(grammar))
        for token in tokens:
            start = time.perf_counter()
            masks.fill_next_token_bitmask(matcher, bitmask, 0)
            accepted = matcher.consume_token(token)
            times.append(time.perf_counter() - start)
            if not accepted:
                break
    return {**found, "first pass": {"tokens": len(times), **percentiles(times)}}


def chosen(texts: list[tuple[str, str]], count: int, largest: int) -> list[tuple[str, str]]:
    """At most `count` of the files that are at most so many characters long, evenly spread."""
    small = [pair for pair in texts if 0 < len(pair[1]) <= largest]
    return small[:: max(1, -(-len(small) // count))]


def words_of(name: str) -> str:
    """The text of a grammar of the library that is written in Lark's syntax, for the words of its language."""
    path = Path(__file__).resolve().parents[1] / "grammars" / "library" / f"{name}.lark"
    return path.read_text("utf-8") if path.exists() else ""


PARTS = ("acceptance", "refusal", "walks", "masks", "speed")


def measure(name: str, tokenizer: Any, parts: Sequence[str], quick: bool, seconds: float) -> dict[str, Any]:
    """The figures of a language that are asked for; those of masks and speed need a tokenizer."""
    language = LANGUAGES[name]
    corpus = list(language.corpus()) if set(parts) - {"walks"} else []
    if quick:
        corpus = chosen(corpus, 60, 20_000)
    elif "acceptance" not in parts:
        corpus = chosen(corpus, 400, 20_000)
    texts = [(path, text) for path, text in corpus if language.reads(text)]
    grammar = language.grammar or name
    figures: dict[str, Any] = {}
    if texts and {"acceptance", "refusal"}.intersection(parts):
        compiled = constrain.compile(
            constrain.grammar(grammar, **language.options), constrain.TokenizerIndex.of_bytes()
        )
        if "acceptance" in parts:
            figures["acceptance"] = acceptance(compiled.accepts, texts)
        if "refusal" in parts:
            few = chosen(texts, 200, 10_000)
            figures["refusal"] = refusal(compiled.accepts, language.reads, few, 100 if quick else 2_000)
    in_tokens = language.options if language.in_tokens is None else language.in_tokens
    index = (
        constrain.TokenizerIndex.of_bytes() if tokenizer is None else constrain.TokenizerIndex.from_tokenizer(tokenizer)
    )
    if "walks" in parts:
        walked = constrain.grammar(grammar, **(in_tokens if language.walked is None else language.walked))
        compiled, count = constrain.compile(walked, index), 50 if quick else 1_000
        drawn = (
            byte_walks(compiled, count) if tokenizer is None else token_walks.walks(compiled, words_of(grammar), count)
        )
        figures["walks"] = walks(within(seconds, drawn), language.reads)
    if texts and tokenizer is not None and {"masks", "speed"}.intersection(parts):
        read_singly = constrain.Limits(max_memory=4 << 30)  # every token leads to a state of its own
        compiled = constrain.compile(constrain.grammar(grammar, **in_tokens), index, limits=read_singly)
        allowed = [pair for pair in chosen(texts, 10 if quick else 60, 20_000) if compiled.accepts(pair[1])]
        if "masks" in parts:
            figures["masks"] = exactness(compiled, allowed, 20 if quick else 500, seconds)
        if "speed" in parts:
            encoded = [tokenizer.encode(text, add_special_tokens=False) for _, text in allowed]
            figures["speed"] = speed(grammar, in_tokens, index, encoded)
            if language.llguidance and importlib.util.find_spec("llguidance"):
                figures["speed of llguidance"] = speed_of_llguidance(language.llguidance, tokenizer, encoded)
    return figures


def show(name: str, figures: dict[str, Any]) -> None:
    """Print the figures of a language."""
    print(name)
    for part, values in figures.items():
        print(f"  {part}")
        for key, value in values.items():
            if isinstance(value, dict):
                row = ", ".join(f"{inner} {number:,.1f}" for inner, number in value.items())
                print(f"    {key}: {row}")
            elif isinstance(value, list):
                print(f"    {key}: {len(value)}", *(f"\n      {entry!r}" for entry in value[:10]), sep="")
            else:
                print(f"    {key}: {value:,.2f}" if isinstance(value, float) else f"    {key}: {value:,}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(LANGUAGES)}; by default all")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="the folder of a tokenizer")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured; by default all")
    parser.add_argument("--quick", action="store_true", help="60 small files, 100 mutations, 50 walks")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), metavar="S", help="the most for walks, and for masks"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    unknown = set(options.names) - set(LANGUAGES)
    if unknown:
        parser.error(f"no language is called {', '.join(sorted(unknown))}")
    tokenizer = None
    if options.tokenizer is not None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    figures = {}
    for name in options.names or LANGUAGES:
        figures[name] = measure(name, tokenizer, options.parts, options.quick, options.seconds)
        show(name, figures[name])
    if options.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        report = {
            "tokenizer": options.tokenizer and options.tokenizer.name,
            "machine": machine,
            "languages": figures,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
