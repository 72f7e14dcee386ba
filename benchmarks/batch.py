"""What a step of a batch costs: masks and accepted tokens, one call for each sequence or one call for all.

    python benchmarks/batch.py --tokenizer DIR [--batch 256] [--quick] [--json FILE]

Each sequence writes its own JSON text under one of four schemas, token by token, all of them in step.  Times are in
microseconds a sequence and step, of a first pass over the texts and of a second one with new matchers: the first finds
out what the second finds ready.  llguidance and xgrammar are measured on the same tokens when they are installed:
their `fill_next_token_bitmask_par` and `BatchGrammarMatcher`, and their single calls.
"""

import argparse
import importlib.util
import json
import os
import platform
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMAS: tuple[dict[str, Any], ...] = (
    {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["name", "age", "tags"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {
            "kind": {"enum": ["new", "paid", "gone"]},
            "total": {"type": "number"},
            "note": {"type": "string", "maxLength": 200},
        },
        "required": ["kind", "total", "note"],
        "additionalProperties": False,
    },
    {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
            "required": ["x", "y"],
            "additionalProperties": False,
        },
    },
    {"type": "object", "additionalProperties": {"type": "string"}},
)
WORDS = "time person year way day thing man world life hand part child eye woman place work week case point".split()


def value_of(kind: int, choice: random.Random) -> Any:
    """A random value of schema number `kind`."""

    def text(size: int) -> str:
        return " ".join(choice.choice(WORDS) for _ in range(size))

    if kind == 0:
        return {"name": text(3), "age": choice.randrange(100), "tags": [text(1) for _ in range(6)]}
    if kind == 1:
        return {
            "kind": choice.choice(("new", "paid", "gone")),
            "total": choice.randrange(10**6) / 100,
            "note": text(12),
        }
    if kind == 2:
        return [{"x": choice.randrange(1000), "y": choice.random()} for _ in range(3)]
    return {text(1) + str(i): text(3) for i in range(4)}


class Clock:
    """Adds up the time of each kind of call."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what is done inside, in seconds."""
        start = time.perf_counter()
        yield
        self.times[name] = self.times.get(name, 0.0) + time.perf_counter() - start


Pass = Callable[[list[int], list[list[int]], Clock], None]
"""Writes the texts, given as the schema and the tokens of each sequence."""


def _fitted(tokens: list[list[int]]) -> int:
    return min(map(len, tokens))


def constrain_passes(tokenizer: Any) -> dict[str, Pass]:
    """The passes of this package: in one call for the batch, and in one for each sequence."""
    import constrain

    index = constrain.TokenizerIndex.from_tokenizer(tokenizer)
    compiled = [constrain.compile(constrain.json_schema(schema), index) for schema in SCHEMAS]

    def single(kinds: list[int], tokens: list[list[int]], clock: Clock) -> None:
        matchers = [compiled[kind].matcher() for kind in kinds]
        bitmask = constrain.allocate_token_bitmask(len(matchers), index.vocab_size)
        for step in range(_fitted(tokens)):
            with clock("fill"):
                for row, matcher in enumerate(matchers):
                    matcher.fill_next_token_bitmask(bitmask, row)
            with clock("accept"):
                accepted = [matcher.accept_token(text[step]) for matcher, text in zip(matchers, tokens, strict=True)]
            assert all(accepted)

    def batched(kinds: list[int], tokens: list[list[int]], clock: Clock) -> None:
        batch = constrain.BatchMatcher([compiled[kind].matcher() for kind in kinds])
        bitmask = constrain.allocate_token_bitmask(len(batch), index.vocab_size)
        for step in range(_fitted(tokens)):
            with clock("fill"):
                batch.fill_next_token_bitmask(bitmask)
            following = [text[step] for text in tokens]
            with clock("accept"):
                accepted = batch.accept_tokens(following)
            assert accepted.all()

    return {"constrain, batch": batched, "constrain, single": single}


def llguidance_passes(tokenizer: Any) -> dict[str, Pass]:
    """llguidance: the mask functions for NumPy."""
    import llguidance
    import llguidance.hf
    import llguidance.numpy as masks

    table = llguidance.hf.from_tokenizer(tokenizer)
    grammars = [llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema)) for schema in SCHEMAS]
    executor = llguidance.LLExecutor()

    def start(kinds: list[int]) -> tuple[list[Any], Any]:
        matchers = [llguidance.LLMatcher(table, grammars[kind]) for kind in kinds]
        return matchers, masks.allocate_token_bitmask(len(matchers), table.vocab_size)

    def single(kinds: list[int], tokens: list[list[int]], clock: Clock) -> None:
        matchers, bitmask = start(kinds)
        for step in range(_fitted(tokens)):
            with clock("fill"):
                for row, matcher in enumerate(matchers):
                    masks.fill_next_token_bitmask(matcher, bitmask, row)
            with clock("accept"):
                accepted = [matcher.consume_token(text[step]) for matcher, text in zip(matchers, tokens, strict=True)]
            assert all(accepted)

    def batched(kinds: list[int], tokens: list[list[int]], clock: Clock) -> None:
        matchers, bitmask = start(kinds)
        rows = list(zip(matchers, range(len(matchers)), strict=True))
        for step in range(_fitted(tokens)):
            with clock("fill"):
                masks.fill_next_token_bitmask_par(executor, rows, bitmask)
            following = [(matcher, text[step]) for matcher, text in zip(matchers, tokens, strict=True)]
            with clock("accept"):
                masks.consume_token_par(executor, following)

    return {"llguidance, batch": batched, "llguidance, single": single}


def xgrammar_passes(tokenizer: Any) -> dict[str, Pass]:
    """xgrammar: masks for PyTorch."""
    import xgrammar

    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer)
    compiler = xgrammar.GrammarCompiler(info)
    compiled = [compiler.compile_json_schema(json.dumps(schema), strict_mode=False) for schema in SCHEMAS]
    batch = xgrammar.BatchGrammarMatcher()

    def start(kinds: list[int]) -> tuple[list[Any], Any]:
        matchers = [xgrammar.GrammarMatcher(compiled[kind]) for kind in kinds]
        return matchers, xgrammar.allocate_token_bitmask(len(matchers), info.vocab_size)

    def single(kinds: list[int], tokens: list[list[int]], clock: Clock) -> None:
        matchers, bitmask = start(kinds)
        for step in range(_fitted(tokens)):
            with clock("fill"):
                for row, matcher in enumerate(matchers):
                    matcher.fill_next_token_bitmask(bitmask, row)
            with clock("accept"):
                accepted = [matcher.accept_token(text[step]) for matcher, text in zip(matchers, tokens, strict=True)]
            assert all(accepted)

    def batched(kinds: list[int], tokens: list[list[int]], clock: Clock) -> None:
        matchers, bitmask = start(kinds)
        for step in range(_fitted(tokens)):
            with clock("fill"):
                batch.batch_fill_next_token_bitmask(matchers, bitmask)
            following = [text[step] for text in tokens]
            with clock("accept"):
                accepted = batch.batch_accept_token(matchers, following)
            assert all(accepted)

    return {"xgrammar, batch": batched, "xgrammar, single": single}


ENGINES = {"constrain": constrain_passes, "llguidance": llguidance_passes, "xgrammar": xgrammar_passes}


def measured(run: Pass, kinds: list[int], tokens: list[list[int]], passes: int) -> dict[str, float]:
    """Microseconds a sequence and step: of the first pass, and the least of the later ones."""
    scale = 1e6 / (len(kinds) * _fitted(tokens))
    clocks = [Clock() for _ in range(passes)]
    for clock in clocks:
        run(kinds, tokens, clock)
    figures = {}
    for call in ("fill", "accept"):
        figures[f"{call}, first"] = scale * clocks[0].times[call]
        figures[f"{call}, later"] = scale * min(clock.times[call] for clock in clocks[1:])
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="DIR", help="the folder of a tokenizer")
    parser.add_argument("--batch", type=int, default=256, help="sequences")
    parser.add_argument("--quick", action="store_true", help="a batch of 32, one later pass instead of five")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    batch = 32 if options.quick else options.batch
    choice = random.Random(0)
    kinds = [i % len(SCHEMAS) for i in range(batch)]
    texts = [json.dumps(value_of(kind, choice), separators=(", ", ": ")) for kind in kinds]
    tokens = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    figures = {}
    print(f"{batch} sequences, {_fitted(tokens)} steps; microseconds a sequence and step")
    print(f"{'':<20}{'fill, first':>14}{'later':>9}{'accept, first':>16}{'later':>9}")
    for package, make in ENGINES.items():
        if importlib.util.find_spec(package) is None:
            print(f"{package:<20}not installed")
            continue
        for name, run in make(tokenizer).items():
            figures[name] = found = measured(run, kinds, tokens, 2 if options.quick else 6)
            first, later, accept, accept_later = found.values()
            print(f"{name:<20}{first:>14.2f}{later:>9.2f}{accept:>16.2f}{accept_later:>9.2f}")
    if options.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        report = {"tokenizer": options.tokenizer.name, "batch": batch, "machine": machine, "microseconds": figures}
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
