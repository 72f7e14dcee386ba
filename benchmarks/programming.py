"""Corpora and judges of programming languages, for languages.py.

Sources are looked for in folders that distributions have, and in those that environment variables name:

    C_SOURCES           headers and sources; by default /usr/include without C++
    GO_SOURCES          by default /usr/share/go-*/src, /usr/lib/go-*/src, /usr/local/go/src
    JAVA_SOURCES        an unpacked src.zip of a JDK, or any other sources
    JAVASCRIPT_SOURCES  a folder node_modules

Judges are gofmt and node where they are installed, gcc beside tree-sitter for C, and tree-sitter for the rest.  Without
them a language has no files.
"""

import glob
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["LANGUAGES"]

Corpus = Callable[[], Iterator[tuple[str, str]]]
Judge = Callable[[str], bool]

_LARGEST = 400_000  # bytes of a file


def _sources(variable: str, patterns: tuple[str, ...], endings: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    named = os.environ.get(variable)
    folders = named.split(os.pathsep) if named else [found for pattern in patterns for found in glob.glob(pattern)]
    for folder in map(Path, folders):
        for path in sorted(folder.rglob("*")):
            if path.suffix not in endings or not path.is_file() or not 0 < path.stat().st_size <= _LARGEST:
                continue
            try:
                yield str(path.relative_to(folder)), path.read_bytes().decode()
            except (UnicodeDecodeError, OSError):
                continue


@cache
def _parser(name: str) -> Any:
    """The parser of tree-sitter; None where it is not installed."""
    if not importlib.util.find_spec("tree_sitter") or not importlib.util.find_spec(f"tree_sitter_{name}"):
        return None
    parsers, language = importlib.import_module("tree_sitter"), importlib.import_module(f"tree_sitter_{name}")
    return parsers.Parser(parsers.Language(language.language()))


def _tree_sitter(name: str) -> Judge:
    def reads(text: str) -> bool:
        parser = _parser(name)
        return parser is not None and not parser.parse(text.encode()).root_node.has_error

    return reads


def _c_sources() -> Iterator[tuple[str, str]]:
    """Files that tree-sitter reads as they are, before the preprocessor: its macros make C into another language."""
    reads = _tree_sitter("c")
    for name, text in _sources("C_SOURCES", ("/usr/include",), (".h", ".c")):
        if not name.startswith(("c++", "llvm")) and reads(text):
            yield name, text


_SYNTAX = re.compile(
    "expected|stray|missing terminating|unterminated|invalid suffix|invalid digit|two or more data types"
)


def _reads_c(text: str) -> bool:
    """Whether tree-sitter or gcc reads a text: each refuses some declarations that the standard allows."""
    if _tree_sitter("c")(text) or shutil.which("gcc") is None:
        return True
    command = ["gcc", "-fsyntax-only", "-w", "-fmax-errors=0", "-x", "c", "-"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    return not _SYNTAX.search(done.stderr.decode(errors="replace"))


def _go_sources() -> Iterator[tuple[str, str]]:
    folders = ("/usr/share/go-*/src", "/usr/lib/go-*/src", "/usr/local/go/src")
    for name, text in _sources("GO_SOURCES", folders, (".go",)):
        if "testdata" not in name:
            yield name, text


def _reads_go(text: str) -> bool:
    if shutil.which("gofmt") is None:
        return _tree_sitter("go")(text)
    return subprocess.run(["gofmt", "-e"], input=text.encode(), capture_output=True, check=False).returncode == 0


def _java_sources() -> Iterator[tuple[str, str]]:
    for name, text in _sources("JAVA_SOURCES", (), (".java",)):
        if Path(name).name != "module-info.java":
            yield name, text


def _javascript_sources() -> Iterator[tuple[str, str]]:
    for name, text in _sources("JAVASCRIPT_SOURCES", (), (".js", ".mjs", ".cjs")):
        if not re.search(r"\.min\.|(^|/)(umd|dist)/", name):
            yield name, text


_NODE = """
const vm = require('vm');
const ok = text => {
  const rest = text.replace(/^#!/, '//');
  try { new vm.SourceTextModule(rest); return 1 } catch { }
  try { new vm.Script('(function () {' + rest + '\\n})'); return 1 } catch { }
  return 0;
};
require('readline').createInterface({ input: process.stdin }).on('line', line => console.log(ok(JSON.parse(line))));
"""


@cache
def _node() -> "subprocess.Popen[str]":
    command = ["node", "--no-warnings", "--experimental-vm-modules", "-e", _NODE]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def _reads_javascript(text: str) -> bool:
    """Whether node reads a text as a module, or as a file of its own module system."""
    if shutil.which("node") is None:
        return _tree_sitter("javascript")(text)
    process = _node()
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps(text), file=process.stdin, flush=True)
    return process.stdout.readline().strip() == "1"


LANGUAGES: dict[str, tuple[Corpus, Judge]] = {
    "c": (_c_sources, _reads_c),
    "go": (_go_sources, _reads_go),
    "java": (_java_sources, _tree_sitter("java")),
    "javascript": (_javascript_sources, _reads_javascript),
}
