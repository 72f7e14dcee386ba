"""Corpora and judges of programming languages, for languages.py.

Sources are looked for in folders that distributions have, and in those that environment variables name:

    C_SOURCES           headers and sources; by default /usr/include without C++
    GO_SOURCES          by default /usr/share/go-*/src, /usr/lib/go-*/src, /usr/local/go/src
    JAVA_SOURCES        an unpacked src.zip of a JDK, or any other sources
    JAVASCRIPT_SOURCES  a folder node_modules

Judges are gofmt, javac and node where they are installed, gcc beside tree-sitter for C; without them tree-sitter, and
without that a language has no files.  What a compiler says about names, and not about syntax, does not count.
"""

import atexit
import base64
import glob
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["LANGUAGES", "WALKED"]

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


_COMMENT = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def _without_directives(text: str) -> str:
    """C as the grammar means it: the lines of all branches of conditions, macros not expanded."""
    joined = re.sub(r"\\\r?\n", "", text)
    plain = _COMMENT.sub(lambda found: found[0] if found[0][0] in "\"'" else " ", joined)
    return "\n".join(line for line in plain.split("\n") if not line.lstrip().startswith("#"))


def _is_called_outside(node: Any) -> bool:
    call = node.parent
    outer = call.parent if call is not None and call.type == "call_expression" else None
    return outer is not None and outer.type == "expression_statement" and outer.parent.type == "translation_unit"


def _with_types(text: str) -> str:
    """C with the names that are types, as tree-sitter reads it, replaced by one that is declared.

    What looks like a call at the outer level is a declaration with brackets.
    """
    parser, data = _parser("c"), text.encode()
    if parser is None:
        return text
    pending, places = [parser.parse(data).root_node], []
    while pending:
        node = pending.pop()
        pending += node.children
        if node.type == "type_identifier" or (node.type == "identifier" and _is_called_outside(node)):
            places.append((node.start_byte, node.end_byte))
    for start, end in sorted(places, reverse=True):
        data = data[:start] + _TYPE + data[end:]
    return data.decode()


_TYPE_IS_MISSING = re.compile(
    "unknown type name|expected (specifier-qualifier-list|declaration specifiers.*) before"
    "|‘asm’ or ‘__attribute__’ before"  # the declarations of parameters may begin there
)
_TYPE = b"T__"
_NAME = rb"([\w$\x80-\xff]+)"
_NAMES = re.compile(_NAME)
_PERHAPS_TYPES = (
    re.compile(rb"\(\s*" + _NAME + rb"\s*\)?\s*\Z"),  # a cast, or a type that stands alone
    re.compile(_NAME + rb"\s*\(?\s*\Z"),  # what looks like a call, and is a declaration with brackets, or without
)
_NO_TYPE = frozenset(
    b"""T__ asm auto break case const continue default do else enum extern for goto if inline register restrict return
    sizeof static struct switch typedef union volatile while __asm __asm__ __attribute __attribute__ __const __const__
    __inline __inline__ __restrict __restrict__ __volatile __volatile__""".split()
)
_TRIES = 20


def _gcc_reads(text: str) -> bool:
    """Whether gcc finds no error of syntax, when names are types where it says that one is missing, or may mean it."""
    data = b"typedef int %s;" % _TYPE + text.encode().replace(b"\r", b" ")  # so that lines are counted alike
    for _ in range(_TRIES):
        every = _gcc_finds(data)
        found = [(message, place) for message, place in every if _SYNTAX.search(message)]
        if not found:
            return True
        data = _with_lengths(data, [place for message, place in every if "[*]" in message])
        places = [place for message, place in every if _TYPE_IS_MISSING.search(message)]
        names = _not_types(_NAMES.match(data, place) for place in places)
        inner = [place for _, place in found if data[:place].rstrip().endswith(b"(")]
        names = names or _not_types(_NAMES.match(data, place) for place in inner)
        names = names or _not_types(perhaps.search(data, 0, place) for _, place in found for perhaps in _PERHAPS_TYPES)
        if not names and not any("[*]" in message for message, _ in every):
            return False
        for start, end in sorted(names, reverse=True):
            data = data[:start] + _TYPE + data[end:]
    return False


def _with_lengths(data: bytes, places: list[int]) -> bytes:
    """The text with ``[1]`` for ``[*]``, behind which gcc reads on only within parameters."""
    for place in places:
        data = data[:place] + data[place:].replace(b"*", b"1", 1)
    return data


def _not_types(found: Iterable[re.Match[bytes] | None]) -> set[tuple[int, int]]:
    """Where there are names but the one that is a type already."""
    return {match.span(1) for match in found if match is not None and match[1] not in _NO_TYPE}


def _gcc_finds(data: bytes) -> list[tuple[str, int]]:
    """Errors, and where they are, counted in bytes."""
    options = ["-fsyntax-only", "-w", "-fmax-errors=0", "-fdiagnostics-format=json", "-undef", "-D__declspec(x)="]
    done = subprocess.run(["gcc", *options, "-x", "c", "-"], input=data, capture_output=True, check=False)
    reports = [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith("[")]
    starts = [0, *(place + 1 for place, byte in enumerate(data) if byte == 0x0A)]
    found = []
    for each in json.loads(reports[0]) if reports else []:
        if each["kind"].endswith("error") and each["locations"]:
            caret = each["locations"][0]["caret"]
            found.append((each["message"], starts[caret["line"] - 1] + caret["byte-column"] - 1))
    return found


def _reads_c(text: str) -> bool:
    """Whether tree-sitter or gcc reads a text: each refuses some declarations that the standard allows."""
    if _tree_sitter("c")(text) or shutil.which("gcc") is None:
        return True
    plain = _without_directives(text)
    return _gcc_reads(plain) or _gcc_reads(_with_types(plain))


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


class _Process:
    """A judge that runs beside us: a line goes in, a line comes out."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __call__(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()


_JAVAC = """
import com.sun.source.util.JavacTask;
import java.io.*;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.*;
import javax.tools.*;

class Judge {
  public static void main(String[] none) throws Exception {
    var compiler = ToolProvider.getSystemJavaCompiler();
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = lines.readLine()) != null; ) {
      var text = new String(Base64.getDecoder().decode(line), StandardCharsets.UTF_8);
      var found = new DiagnosticCollector<JavaFileObject>();
      var file = new SimpleJavaFileObject(URI.create("string:///A.java"), JavaFileObject.Kind.SOURCE) {
        public CharSequence getCharContent(boolean ignore) { return text; }
      };
      ((JavacTask) compiler.getTask(null, null, found, List.of(), null, List.of(file))).parse();
      var codes = new StringJoiner(" ");
      for (var one : found.getDiagnostics()) if (one.getKind() == Diagnostic.Kind.ERROR) codes.add(one.getCode());
      System.out.println(codes);
    }
  }
}
"""
_NOT_SYNTAX_OF_JAVA = {
    "compiler.err.invalid.meth.decl.ret.type.req",  # a constructor that is not called as its class
    "compiler.err.enum.constant.not.expected",  # the same
    "compiler.err.int.number.too.large",
}


@cache
def _javac() -> _Process:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = Path(folder, "Judge.java")
    path.write_text(_JAVAC, "utf-8")
    return _Process(["java", str(path)])


def _reads_java(text: str) -> bool:
    """Whether the parser of javac reads a text."""
    if shutil.which("javac") is None:
        return _tree_sitter("java")(text)
    return _NOT_SYNTAX_OF_JAVA.issuperset(_javac()(base64.b64encode(text.encode()).decode()).split())


_NODE = r"""
const vm = require('vm');
const loop = (labels, text) => `${labels} for (;;) {${text}\n}`;
const kinds = [
  (text, fields, labels) => new vm.SourceTextModule(text),
  (text, fields, labels) => new vm.SourceTextModule(loop(labels, text)),
  (text, fields, labels) => new vm.Script(`(function () { ${loop(labels, text)} })`),
  (text, fields, labels) => new vm.Script(`({ async *m() { ${loop(labels, text)} } })`),
  (text, fields, labels) => new vm.Script(`(class extends A { ${fields} async *m() { ${loop(labels, text)} } })`),
  (text, fields, labels) => new vm.Script(`(class extends A { ${fields} constructor() { ${loop(labels, text)} } })`),
];
const plain = (text, name) => {
  const spelled = name.replaceAll('$', '\\$');
  const places = new RegExp(`(?<=\\.\\s*)${spelled}(?![\\w$])|${spelled}(?=\\s+in\\b)`, 'g');
  return text.replace(places, () => name.replace('#', '_'));
};
const verdict = (kind, text) => {
  let labels = '', fields = '';
  for (;;) {
    try { kind(text, fields, labels); return '' } catch (error) {
      const label = /Undefined label '(.*)'/.exec(error.message);
      const field = /Private field '(.*)' must/.exec(error.message);
      if (label && !labels.includes(` ${label[1]}: `)) labels += ` ${label[1]}: `;
      else if (field && !fields.includes(` ${field[1]}; `)) fields += ` ${field[1]}; `;
      else if (field && plain(text, field[1]) !== text) text = plain(text, field[1]);
      else return error.message;
    }
  }
};
const verdicts = text => {
  const found = kinds.map(kind => verdict(kind, text.replace(/^#!/, '//')));
  return found.includes('') ? [] : found;
};
const lines = require('readline').createInterface({ input: process.stdin });
lines.on('line', line => console.log(JSON.stringify(verdicts(JSON.parse(line)))));
"""
_EARLY = re.compile(
    "Undefined label|Illegal (break|continue|return statement)|already been declared|declared in an enclosing class"
    "|super' keyword|[Ss]trict mode|Invalid regular expression:|new.target|[Dd]uplicate|Illegal 'use strict'"
    "|private field|constructor|is not defined in module|disallowed as a lexically bound name|deleted"
)


@cache
def _node() -> _Process:
    return _Process(["node", "--no-warnings", "--experimental-vm-modules", "-e", _NODE])


def _reads_javascript(text: str) -> bool:
    """Whether node reads a text as a module, or within a loop of one, of a function, a method or a constructor.

    The labels and private names that it misses are declared; where that cannot be, private names of members, and before
    ``in``, are made plain ones.  Of a text with other early errors tree-sitter is asked.
    """
    if shutil.which("node") is None:
        return _tree_sitter("javascript")(text)
    errors = json.loads(_node()(json.dumps(text)))
    lines = text.replace("\r\n", "\n").replace("\r", "\n")  # tree-sitter knows no other ends of lines
    return not errors or (any(map(_EARLY.search, errors)) and _tree_sitter("javascript")(lines))


WALKED: dict[str, dict[str, Any]] = {"c": {"preprocessor": False}}
"""Options of grammars for random walks: macros are another language."""

LANGUAGES: dict[str, tuple[Corpus, Judge]] = {
    "c": (_c_sources, _reads_c),
    "go": (_go_sources, _reads_go),
    "java": (_java_sources, _reads_java),
    "javascript": (_javascript_sources, _reads_javascript),
}
