"""What the tests of programming languages have in common: judges, mutations, random programs, masks."""

import importlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

import constrain
from constrain.cli.example import random_text
from constrain.compilation import CompiledConstraint
from constrain.embedded import MODEL_FOLDER
from constrain.grammars.library import grammar
from constrain.tokenizer_index.index import TokenizerIndex
from tests.matching import brute_force, index_of, mask_of

Judge = Callable[[str], bool]

GPT_2 = Path(__file__).resolve().parents[4] / "shared" / "tokenizers" / "gpt2"

TOY = [
    " ",
    "  ",
    "\n",
    "\n\n",
    "a",
    "if",
    " if",
    "else",
    "x1",
    " x",
    "1",
    ".",
    "0x",
    "(",
    ")",
    "();",
    "{",
    "}",
    "{}",
    "[",
    "]",
]
TOY += [
    "+",
    "++",
    "-",
    "--",
    "->",
    "=",
    "==",
    " = ",
    "<",
    ">",
    ">>",
    "/",
    "/*",
    "*/",
    "//",
    '"',
    '""',
    "'",
    "\\",
    ";",
    ",",
    ":",
    "*",
]
TOY += ["&", "return", " return", "int ", "int", "package", " class", "func", ":=", "#", "#if", "`", "${", "=> ", "é"]


def over_bytes(name: str) -> CompiledConstraint:
    """The grammar over single bytes."""
    return constrain.compile(grammar(name), index_of([bytes([byte]) for byte in range(256)]))


def over_words(name: str) -> CompiledConstraint:
    """The grammar over the byte-level BPE of the embedded model."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(MODEL_FOLDER / "tokenizer.json"))
    return constrain.compile(grammar(name), TokenizerIndex.from_tokenizer(tokenizer, cache=False))


def over_toy(name: str) -> CompiledConstraint:
    """The grammar over bytes and some tokens that join lexemes."""
    words = [word.encode() for word in TOY if len(word.encode()) > 1]
    return constrain.compile(grammar(name), index_of([bytes([byte]) for byte in range(256)] + words))


def tree_sitter(name: str) -> Judge:
    """Whether the parser of tree-sitter finds no error; skips the test where it is not installed."""
    parsers = pytest.importorskip("tree_sitter")
    language = pytest.importorskip(f"tree_sitter_{name}")
    parser = parsers.Parser(parsers.Language(importlib.import_module(language.__name__).language()))

    def reads(text: str) -> bool:
        return not parser.parse(text.encode()).root_node.has_error

    return reads


_TOKEN = re.compile(r"\w+|[ \t]+|\n|.", re.DOTALL)


def mutations(text: str, draw: random.Random) -> Iterator[str]:
    """Texts with a token or a character removed, doubled, replaced or exchanged, without end."""
    while True:
        parts = _TOKEN.findall(text) if draw.random() < 0.7 else list(text)
        first, second = draw.randrange(len(parts)), draw.randrange(len(parts))
        match draw.randrange(4):
            case 0:
                del parts[first]
            case 1:
                parts.insert(first, parts[second])
            case 2:
                parts[first] = draw.choice([*parts, *"(){}[];,.=+-*/<>\"'#@"])
            case _:
                parts[first], parts[second] = parts[second], parts[first]
        changed = "".join(parts)
        if changed != text:
            yield changed


def wrongly_allowed(compiled: CompiledConstraint, reads: Judge, text: str, count: int) -> list[str]:
    """Of `count` mutations that the judge refuses, those that the grammar allows."""
    draw, met, wrong = random.Random(0), 0, []
    for changed in mutations(text, draw):
        if reads(changed):
            continue
        met += 1
        if compiled.accepts(changed):
            wrong.append(changed)
        if met == count:
            return wrong
    raise AssertionError("mutations have no end")


def walks(compiled: CompiledConstraint, count: int, prefix: str = "", length: int = 40) -> list[str]:
    """Random texts of the grammar that begin so."""
    found = []
    for seed in range(count):
        matcher = compiled.matcher()
        assert matcher.accept_text(prefix)
        found.append(prefix + random_text(matcher, random.Random(seed), length + seed).decode())
    return found


def check_masks(compiled: CompiledConstraint, texts: Sequence[str], count: int) -> None:
    """At random places of texts, masks have the tokens that can be read one by one.

    All masks are made first: reading brings in rules, which masks have to ask for themselves.
    """
    draw, places = random.Random(1), []
    for _ in range(count):
        data, matcher = draw.choice(texts).encode(), compiled.matcher()
        assert matcher.accept_text(data[: draw.randrange(len(data) + 1)])
        places.append((matcher, mask_of(matcher)))
    for matcher, allowed in places:
        assert allowed == brute_force(matcher)
        assert allowed, "no dead ends"


def check_gpt_2(name: str, text: str, count: int) -> None:
    """The same with the vocabulary of GPT-2."""
    if not GPT_2.is_dir():
        pytest.skip(f"{GPT_2} is not there")
    from transformers import AutoTokenizer

    index = TokenizerIndex.from_tokenizer(AutoTokenizer.from_pretrained(GPT_2))
    check_masks(constrain.compile(grammar(name), index), [text], count)


def check_completions(compiled: CompiledConstraint, reads: Judge, text: str, count: int, begin: int = 0) -> None:
    """What begins a program can be completed to one, at places from `begin` on."""
    draw = random.Random(2)
    data = text.encode()
    for _ in range(count):
        matcher = compiled.matcher()
        before = data[: draw.randrange(begin, len(data))]
        assert matcher.accept_text(before)
        whole = before + matcher.shortest_completion()
        assert compiled.accepts(whole)
        assert reads(whole.decode(errors="replace")), whole
