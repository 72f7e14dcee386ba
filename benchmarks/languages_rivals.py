"""Grammars that constrain and llguidance both read: masks of the same files, over the same tokens, side by side.

    python benchmarks/languages_rivals.py [NAME …] --tokenizer DIR [--quick] [--json FILE]
    … --syncode PYTHON [--stores DIR] [--seconds S] [--making S]

The grammars are those of rival_grammars.py.  For each, the time to the first mask of a new constraint in milliseconds,
and mask + accept in microseconds, token by token: of a first pass over files that all allow, and of a second one.
"library" is the library's own grammar of the language, which is exact.  llguidance is left out where it is not
installed.

With `--syncode`, constrain is compared with SynCode and not with llguidance, each with its own grammars: see
languages_syncode.py.
"""

import argparse
import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import languages
import languages_syncode
from rival_grammars import GRAMMARS, IGNORED, behind_ignored

import constrain

_CORPORA = {"sql": "sql-sqlite"}  # where the language that files are of is called otherwise

# Engines


Reader = Callable[[int], bool]
"""Writes the mask of a text, then accepts a token."""


class Ours:
    """constrain, with a grammar."""

    def __init__(self, grammar: Any, index: Any) -> None:
        self._compiled = constrain.CompiledConstraint(grammar, index)
        self._bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
        self._compiled.matcher().fill_next_token_bitmask(self._bitmask)

    def reader(self) -> Reader:
        """A new text."""
        matcher, bitmask = self._compiled.matcher(), self._bitmask

        def read(token: int) -> bool:
            matcher.fill_next_token_bitmask(bitmask)
            return matcher.accept_token(token)

        return read


class Llguidance:
    """llguidance, with a grammar in its dialect of Lark."""

    def __init__(self, text: str, table: Any) -> None:
        import llguidance
        import llguidance.numpy as masks

        self._table, self._make, self._masks = table, llguidance.LLMatcher, masks
        self._grammar = llguidance.LLMatcher.grammar_from_lark(text)
        self._bitmask = masks.allocate_token_bitmask(1, table.vocab_size)
        matcher = self._make(table, self._grammar)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        masks.fill_next_token_bitmask(matcher, self._bitmask, 0)

    def reader(self) -> Reader:
        """A new text."""
        matcher, bitmask, fill = (
            self._make(self._table, self._grammar),
            self._bitmask,
            self._masks.fill_next_token_bitmask,
        )

        def read(token: int) -> bool:
            fill(matcher, bitmask, 0)
            return bool(matcher.consume_token(token))

        return read


Engine = Ours | Llguidance


@dataclass
class Pass:
    """The times of one pass over files, and which files it allows."""

    times: list[float]
    allowed: set[int]


def one_pass(engine: Engine, encoded: dict[int, list[int]]) -> Pass:
    """Mask + accept of every token, until one is refused."""
    done = Pass([], set())
    for number, tokens in encoded.items():
        read = engine.reader()
        for token in tokens:
            start = time.perf_counter()
            accepted = read(token)
            done.times.append(time.perf_counter() - start)
            if not accepted:
                break
        else:
            done.allowed.add(number)
    return done


def engines(name: str, tokenizer: Any, index: Any) -> Iterator[tuple[str, Callable[[], Engine]]]:
    """The engines that there are, each made anew by a call."""
    text = GRAMMARS[name]()
    yield "constrain", lambda: Ours(constrain.lark(text), index)
    yield "constrain, library", lambda: Ours(constrain.grammar(name), index)
    if importlib.util.find_spec("llguidance"):
        import llguidance.hf

        table = llguidance.hf.from_tokenizer(tokenizer)
        yield "llguidance", lambda: Llguidance(text, table)


def _core(text: str) -> str:
    """A text without what is ignored before and behind it: llguidance ignores it between lexemes only."""
    text = behind_ignored(text).rstrip()
    while "\n" in text and IGNORED.fullmatch(last := text[text.rindex("\n") + 1 :]) and last:
        text = text[: text.rindex("\n")].rstrip()
    return text


def measure(name: str, tokenizer: Any, quick: bool) -> dict[str, Any]:
    """The figures of all engines on files that all of them allow."""
    language = languages.LANGUAGES[_CORPORA.get(name, name)]
    corpus = languages.chosen(list(language.corpus()), 20 if quick else 120, 20_000)
    texts = [_core(text) for _, text in corpus if language.reads(text)]
    encoded = {i: tokenizer.encode(text, add_special_tokens=False) for i, text in enumerate(texts)}
    index = constrain.TokenizerIndex.from_tokenizer(tokenizer)
    made = dict(engines(name, tokenizer, index))
    figures: dict[str, Any] = {"files": len(texts), "allowed": {}}
    allowed: dict[str, set[int]] = {}
    for label, make in list(made.items()):
        try:
            allowed[label] = one_pass(make(), encoded).allowed
        except constrain.errors.ConstrainError as error:
            figures[label] = {"error": str(error)}
            del made[label]
        else:
            figures["allowed"][label] = len(allowed[label])
    most = max(map(len, allowed.values()), default=0)
    for label in [label for label, found in allowed.items() if 2 * len(found) < most]:  # reads another language
        del made[label], allowed[label]
    common = {i: encoded[i] for i in sorted(set.intersection(*allowed.values()))}
    figures["tokens"] = sum(map(len, common.values()))
    if not common:
        return figures
    for label, make in made.items():
        start = time.perf_counter()
        engine = make()
        first = 1e3 * (time.perf_counter() - start)
        passes = [languages.percentiles(one_pass(engine, common).times) for _ in range(2)]
        figures[label] = {"first mask, ms": first, "first pass": passes[0], "second pass": passes[1]}
    return figures


def show(name: str, figures: dict[str, Any]) -> None:
    """Print the figures of a grammar."""
    print(
        f"{name}: {figures['files']} files, {figures['tokens']:,} tokens in those that all allow;", figures["allowed"]
    )
    for label, found in figures.items():
        if isinstance(found, dict) and "error" in found:
            print(f"  {label}: {found['error']}")
        elif isinstance(found, dict) and "first pass" in found:
            print(f"  {label}: first mask {found['first mask, ms']:,.1f} ms")
            for part in ("first pass", "second pass"):
                print(f"    {part}:", ", ".join(f"{key} {value:,.1f}" for key, value in found[part].items()), "us")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(GRAMMARS)}; by default all")
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="DIR", help="the folder of a tokenizer")
    parser.add_argument("--quick", action="store_true", help="20 files of each language; beside SynCode 5")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    of_syncode = parser.add_argument_group(f"beside SynCode, of {', '.join(languages_syncode.LANGUAGES)}")
    of_syncode.add_argument("--syncode", metavar="PYTHON", help="the interpreter of an environment that has it")
    of_syncode.add_argument("--seconds", type=float, default=300, metavar="S", help="the most to read a language")
    of_syncode.add_argument("--stores", type=Path, metavar="DIR", help="where its mask stores are kept, if at all")
    of_syncode.add_argument("--making", type=float, default=3_600, metavar="S", help="the most to make a grammar")
    options = parser.parse_args()
    known: Iterable[str] = languages_syncode.LANGUAGES if options.syncode else GRAMMARS
    unknown = set(options.names).difference(known)
    if unknown:
        parser.error(f"no grammar is called {', '.join(sorted(unknown))}")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    figures = {}
    for name in options.names or known:
        if options.syncode:
            limits = options.making, options.seconds
            worker = languages_syncode.Worker(options.syncode, options.tokenizer, *limits, options.stores)
            figures[name] = languages_syncode.measure(name, tokenizer, worker, 5 if options.quick else 20)
            languages_syncode.show(name, figures[name])
        else:
            figures[name] = measure(name, tokenizer, options.quick)
            show(name, figures[name])
    if options.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        report = {"tokenizer": options.tokenizer.name, "machine": machine, "grammars": figures}
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
