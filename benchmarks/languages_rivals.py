"""Grammars that constrain and llguidance both read: masks of the same files, over the same tokens, side by side.

    python benchmarks/languages_rivals.py [NAME …] --tokenizer DIR [--quick] [--json FILE]

The grammars are in Lark's syntax with ``%ignore``: JSON, TOML, and the library's Java and C with white space taken
out, and with it what the library says beyond that syntax (each modifier once, words kept apart).  For each, the time to
the first mask of a new constraint in milliseconds, and mask + accept in microseconds, token by token: of a first pass
over files that all allow, and of a second one.  "library" is the library's own grammar of the language, which is exact.
llguidance is left out where it is not installed.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import languages

import constrain

LIBRARY = Path(__file__).resolve().parents[1] / "grammars" / "library"
_SPACES = r"/[ \t\f\r\n]+/"
_COMMENTS = r"/\/\/[^\n]*/", r"/\/\*([^*]|\*+[^*\/])*\*+\//"
_WHITE_SPACE = {
    "SEP_",
    "BLANK__",
    "NEWLINE_",
    "CONTINUED_",
    "LAST_BLANKS__",
    "LAST_COMMENT_",
    "LINE_COMMENT_",
    "COMMENT_",
}
_WHITE_SPACE |= {"BLOCK_COMMENT_", "DIRECTIVE_", "REST_OF_LINE__", "_ONCE", "_within", "_end_of_line", "_directive"}
_WHITE_SPACE |= {"space", "space_behind_slash", "gap", "line", "last"}
_OPERATORS = '(OPERATOR | "+" | "-" | "/")'

# Grammars


def definitions(text: str) -> dict[str, str]:
    """The rules and terminals of a grammar by their names; comments are left out."""
    lines = [line for line in text.splitlines() if line and not line.startswith("//")]
    joined = re.sub(r"\n\s+", " ", "\n".join(lines))
    return dict(re.findall(r"^[?]?(\w+): *(.*)$", joined, re.MULTILINE))


def without_white_space(name: str, ignored: tuple[str, ...], changed: dict[str, str]) -> str:
    """A grammar of the library with its white space ignored, and some definitions changed."""
    found = {**definitions((LIBRARY / f"{name}.lark").read_text("utf-8")), **changed}
    rules = []
    for defined, body in found.items():
        if defined in _WHITE_SPACE - changed.keys():
            continue
        body = re.sub(r"\b(SEP_IN_LINE_|SEP_|_ONCE|gap|last\?|line)(?!\w) ?", "", body)
        body = re.sub(
            r"/\[ [^\]]*\]\(?([\w|]+)\)?/", lambda word: " | ".join(f'"{one}"' for one in word[1].split("|")), body
        )
        rules.append(f"{defined}: {body.strip()}")
    return "\n".join([*rules, *(f"%ignore {pattern}" for pattern in ignored)]) + "\n"


def json_text() -> str:
    """JSON as it is."""
    return (LIBRARY / "json.lark").read_text("utf-8")


def toml_text() -> str:
    """TOML; of a date only its shape."""
    moment = r"/[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?/"
    found = {**definitions((LIBRARY / "toml.lark").read_text("utf-8")), "MOMENT": moment}
    return "\n".join(f"{name}: {body}" for name, body in found.items()) + "\n"


def java_text() -> str:
    """Java with any modifiers, each a lexeme."""
    start = 'package? import* (type_declaration | ";")*'
    modifier = '_MODIFIER | "sealed" | "non-sealed"'
    changed = {"start": start, "binary": f"{_OPERATORS} PREFIX*", "MODIFIERS_": modifier}
    text = without_white_space("java", (_SPACES, *_COMMENTS), changed)
    kept = [
        line
        for line in text.splitlines()
        if not re.match(r"(\w+_MODIFIERS_|_SPACES|_TYPE_MODIFIER|_LOCAL_MODIFIER):", line)
    ]
    return re.sub(r"(?<!^)\b(\w+_)?MODIFIERS_\b", "MODIFIERS_+", "\n".join(kept), flags=re.MULTILINE) + "\n"


def c_text() -> str:
    """C with directives as white space."""
    directives = r"/#([^\n\\]|\\\r?\n|\\)*/"
    changed = {"start": "external*", "operation": f"{_OPERATORS} unary", "NAME_": "/[A-Za-z_$][A-Za-z0-9_$]*/"}
    return without_white_space("c", (_SPACES, r"/\\\r?\n/", *_COMMENTS, directives), changed)


def sql_text() -> str:
    """Queries in SQL; a word that a rule names is that one and no name, as in any lexer."""
    found = definitions((LIBRARY / "sql.lark").read_text("utf-8"))
    changed = {**found, "WORD": "/[A-Za-z_][A-Za-z0-9_]*/"}
    return "\n".join(f"{name}: {body}" for name, body in changed.items()) + "\n%ignore /[ \\t\\n]+/\n"


GRAMMARS: dict[str, Callable[[], str]] = {
    "c": c_text,
    "java": java_text,
    "json": json_text,
    "sql": sql_text,
    "toml": toml_text,
}
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


_OUTER = re.compile(r"/\*([^*]|\*+[^*/])*\*+/|//[^\n]*|#([^\n\\]|\\\r?\n|\\)*|\s+")


def _core(text: str) -> str:
    """A text without what is ignored before and behind it: llguidance ignores it between lexemes only."""
    start = 0
    while found := _OUTER.match(text, start):
        start = found.end()
    text = text[start:].rstrip()
    while "\n" in text and _OUTER.fullmatch(last := text[text.rindex("\n") + 1 :]) and last:
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
    parser.add_argument("--quick", action="store_true", help="20 files of each language")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    unknown = set(options.names) - set(GRAMMARS)
    if unknown:
        parser.error(f"no grammar is called {', '.join(sorted(unknown))}")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    figures = {}
    for name in options.names or GRAMMARS:
        figures[name] = measure(name, tokenizer, options.quick)
        show(name, figures[name])
    if options.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        report = {"tokenizer": options.tokenizer.name, "machine": machine, "grammars": figures}
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
