"""Modules of Python: the grammar against `ast`, on texts that people write, on the standard library and at random."""

import ast
import random
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import constrain
from constrain.cli.example import random_text
from constrain.compilation import CompiledConstraint
from constrain.grammars import ir
from constrain.grammars.analysis import references_of
from constrain.grammars.library import grammar
from constrain.tokenizer_index.index import TokenizerIndex
from tests.grammars.library.programs import check_masks
from tests.matching import index_of

REFUSED = {"test/test_fstring", "test/test_syntax"}
"""Modules of the standard library that `ast` reads and that are not allowed: a string in three quotes within a field of
a formatted one, and an escape that Python warns of."""


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes."""
    return index_of([bytes([byte]) for byte in range(256)])


@pytest.fixture(scope="module")
def python(index: TokenizerIndex) -> CompiledConstraint:
    """The grammar, over bytes."""
    return constrain.compile(grammar("python"), index)


def reads(text: str) -> bool:
    """What `ast` says, its warnings included."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return False
    return True


STATEMENTS = [
    "x",
    "x = y = 1, *z",
    "x: int = 5; y: str",
    "a.b().c[0]: d",
    "(a): b = *c, d",
    "x += yield",
    "[a, (b, *c)], d.e = f",
    "del a, (b, c[0])",
    "assert x, 'y'",
    "global a, b",
    "raise A from b",
    "import a.b as c, d",
    "from . import (a as b, c,)",
    "from ...a.b import *",
    "return *a, b",
    "pass;",
    "if a: b\nelif c: d\nelse: e",
    "if a:\n\tb\nelse:\n\tc",
    "while (a := b):\n  c\nelse:\n d",
    "async for a, *b in c, d: e",
    "for x in*a,b:c",
    "with a as b, c: d",
    "with (a as b, c as d,): e",
    "with (a, b) as c: d",
    "async with a: b",
    "try:\n  a\nexcept B as c:\n  d\nexcept:\n  e\nelse:\n  f\nfinally:\n  g",
    "try: a\nfinally: b",
    "try: a\nexcept* B: c",
    "@a.b(c)\n@d\n# e\n\nclass F(g, h=i, *j): k",
    "class A:\n  def b(self): ...\n\n  c = 1\nd",
    "def f(a, b: int = 1, /, c=2, *d: e, f, g=3, **h) -> i: pass",
    "def f(*, a, **b,): pass",
    "def f(*a: *b): pass",
    "async def f(): return await a",
    "x = lambda: (yield)",
    "x = lambda a, *b, c=1, **d: a",
    "x = a if not b else lambda: c",
    "x = not-a**-b@~c//d",
    "x = a is not b not in c",
    "x = [a for b in c if d if e for f in g], {h: i for h in j}, {k async for k in l}",
    "x = f(a for a in b)(*c, d=e, **f)[g:h, ::i, ...][*j]",
    "x = {**a, 'b': c}, {d, *e}, (), [], {}",
    "x = 0x_ff + 0b1 - 0o7 * 1_000 / 1.5e-3 % .5 ** 1e5j",
    "x = 1..real, 1.0.real, 1 .real, 1j.imag, 0x1.real",
    "x = 'a' \"b\" '''c\n'd''' r'\\d' u'e' \"\"\"f\"\" \"\"\"",
    "x = b'\\x00' rb\"\\d\"",
    "x = '\\N{EM SPACE}a\\N{COPYRIGHT SIGN}' f'{b}\\N{EM SPACE}' '\\é\\7\\u0041'",
    "x = 'a'if b else'c'",
    "x = (a)if(b)else(c)",
    'x = "a""b" \'\'"c"',
    "x = f'a{b}c{{d}}' rf\"\\d{e!r:>{f}.{g}}\" f'''{\nh\n}\"{'i'}''' f'{j = !s:k}'",
    "x = f'{a[\"b\"]:%H:%M}' f'{ {1: 2}[1] }' f'{(lambda: a)()}' f\"{f'{x}'}\"",
    "x = f'{a!=b}' f'{*a, b}' f'{yield}' f'{a for a in b}'",
    "x = \\\n  a \\\n  + b",
    "x = (a, # b\n  c\n\n  # d\n)",
    "# a\n\n  # b\nx # c\n   # d\n",
    "\fx\n\f\ny",
    "x\r\nif y:\r\n    z\r\n",
    "match x:\n  case 1 | -2.5 | 'a' 'b' | None: pass\n  case 1 - 2j: pass",
    "match x, y:\n  case [a, *_], (b, c): pass\n  case a, *b: pass\n  case (): pass",
    "match x:\n  case {'a': b, c.d: [], **e}: pass\n  case {}: pass",
    "match x:\n  case A.b(c, d=e) as f if g: pass\n  case _: pass",
    "match(x)\nmatch = case = 1\nmatch[x]: y",
    "match(x):\n case(y):z",
    "print(*a, sep='')",
    "naïve = Ünï = 变量",
    "if a:\n if b:\n  if c:\n   d\n e\nf",
    "if a:\n        b\n        if c:\n         d",
    "   # no statement\n",
    "x\n   ",
    "__debug__",
]


@pytest.mark.parametrize("text", STATEMENTS)
def test_what_is_allowed(text: str, python: CompiledConstraint) -> None:
    """One of each notation, with and without an end of the last line."""
    assert reads(text)
    assert python.accepts(text)
    assert python.accepts(text + "\n")


NO_MODULES = [
    "notx y",
    "a notin b",
    "a inb",
    "1.real",
    "01",
    "1_",
    "0xg",
    "a b",
    "x = ",
    " x",
    "if x:\ny",
    "if x:\n    y\n  z",
    "if x:\n  y\n   z",
    "if x:\n  y\n\tz",
    "if x:\n  y\n else: z",
    "if x: if y: z",
    "x; if y: z",
    "else: x",
    "try: x",
    "try: x\nexcept A: y\nexcept* B: z",
    "def f(a=1, b): pass",
    "def f(*): pass",
    "f(a=1, b)",
    "f(**a, *b)",
    "f(a for a in b, c)",
    "f() = 1",
    "a + b = c",
    "None = 1",
    "x = yield = 1",
    "(a, b): int",
    "(a)[0]: int",
    "a, b += 1",
    "del f()",
    "del *a",
    "for f() in a: b",
    "import a.b.",
    "from . import a,",
    "from a import (*)",
    "x = (*a)",
    "x = {**a for a in b}",
    "x = {a, b: c}",
    "x = 'a' b'c'",
    "x = b'é'",
    "x = '\\x4'",
    "x = '\\N{NO SUCH CHARACTER}'",
    "x = '\\d'",
    "x = 'a\nb'",
    "x = '''a'",
    'x = """a""""',
    'x = """"a"',
    "x = f'{}'",
    "x = f'{a'",
    "x = f'a}'",
    "x = f'{a!x}'",
    "x = f'{a b}'",
    "x = f'{'a'}'",
    "x = f'{\"\\n\"}'",
    "x = f'{lambda a: b}'",
    "x = f'{a # b\n}'",
    "x = f'{a:{b:{c}}}'",
    "x = (a",
    "x = a)",
    "x = \\ \na",
    "x = $",
    "x = a ? b",
    "x\x00",
    "match x:\n  pass",
    "match x:\n  case a + b: pass",
    "match x:\n  case A(b=c, d): pass",
    "match x:\n  case a as _: pass",
    "with (a as b): c d",
    "class A(: pass",
    "@a\nx = 1",
    "async x",
    "lambda: yield",
    "print x",
]


@pytest.mark.parametrize("text", NO_MODULES)
def test_what_is_refused(text: str, python: CompiledConstraint) -> None:
    """What `ast` refuses."""
    assert not reads(text)
    assert not python.accepts(text)
    assert not python.accepts(text + "\n")


def test_files_do_not_end_in_a_joined_line(python: CompiledConstraint) -> None:
    """A backslash joins two lines, so there is a second one."""
    for end, allowed in ((" \\\n", False), (" \\\n\n", True), (" \\\n# y", True)):
        assert reads("x" + end) == python.accepts("x" + end) == allowed


@pytest.mark.parametrize(("column", "allowed"), [(" " * 16, True), (" " * 17, False), ("\t", True), (" \t", False)])
def test_policy_of_columns(column: str, allowed: bool, python: CompiledConstraint) -> None:
    """A block is deeper by at most 16 blanks, or by a tab in a block of tabs; Python reads all of these."""
    assert reads(f"if x:\n{column}y")
    assert python.accepts(f"if x:\n{column}y") == allowed


def test_deep_blocks(python: CompiledConstraint) -> None:
    """Columns up to 100 blanks."""
    lines = [" " * (5 * depth) + "if x:" for depth in range(20)]
    assert python.accepts("\n".join([*lines, " " * 100 + "y"]))
    assert not python.accepts("\n".join([*lines, " " * 101 + "y"]))


# Files


def modules(step: int) -> Iterator[tuple[str, str]]:
    """Some modules of the standard library that `ast` reads."""
    library = Path(sysconfig.get_path("stdlib"))
    found = [path for path in sorted(library.rglob("*.py")) if "site-packages" not in path.parts]
    for path in found[::step]:
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        if reads(text):
            yield path.relative_to(library).with_suffix("").as_posix(), text


def test_standard_library(python: CompiledConstraint) -> None:
    """Every twelfth module is allowed, but for those that are known not to be."""
    found = dict(modules(12))
    assert len(found) > 50
    refused = {name for name, text in found.items() if not python.accepts(text)}
    assert refused == REFUSED & found.keys()


_TOKEN = re.compile(r"\w+|[ \t]+|\n|.", re.DOTALL)


def mutated(text: str, draw: random.Random) -> str:
    """The text with a token removed, doubled or exchanged, or with an indentation changed."""
    parts = _TOKEN.findall(text)
    at, other = draw.randrange(len(parts)), draw.randrange(len(parts))
    match draw.randrange(4):
        case 0:
            del parts[at]
        case 1:
            parts.insert(at, parts[other])
        case 2:
            parts[at] = parts[other]
        case _:
            lines = text.splitlines(keepends=True)
            line = draw.randrange(len(lines))
            lines[line] = draw.choice(["", " ", "    "]) + lines[line].lstrip(" ")
            return "".join(lines)
    return "".join(parts)


def test_mutated_files_are_refused(python: CompiledConstraint) -> None:
    """What `ast` refuses of them is refused."""
    draw = random.Random(0)
    texts = [text for _, text in modules(31) if 0 < len(text) < 8_000]
    changed = [mutated(draw.choice(texts), draw) for _ in range(200)]
    wrong = [text for text in changed if text and not reads(text)]
    assert len(wrong) > 40
    assert [text for text in wrong if python.accepts(text)] == []


# At random


def test_random_modules_are_read(python: CompiledConstraint) -> None:
    """Random walks, ended as soon as may be."""
    for seed in range(20):
        text = random_text(python.matcher(), random.Random(seed), 5 * seed).decode()
        assert reads(text), text


WORDS = [
    b"\n", b"\n\n", b"\n    ", b":\n        ", b"    ", b" ", b"\t", b" \\\n", b"# x\n", b" not", b"not in", b" is",
    b"if ", b"else", b"else:\n", b"except", b"def f(", b"):", b"):\n", b"return ", b"lambda x:", b"x", b"xif", b" x",
    b"1", b".", b".5", b"1.", b"...", b"(", b")", b")(", b"[", b"]:", b"{", b"}", b"{{", b"}}", b"'", b"''", b"'''",
    b'"', b'""', b'"""', b"f'", b'f"{', b"rb'", b"!r}", b"!=", b"=", b"==", b":=", b"->", b"**", b"*", b",", b", *",
    b"\\", b"\\n", b"\\x", b"await ", b"async", b" for", b" for x in", b"match", b"case _:", b"import", b"from .",
    "é".encode(), b"\r\n", b"\f", b"@", b";", b"#", b"as ", b"yield", b"_",
]  # fmt: skip


def test_masks_are_exact() -> None:
    """With a small vocabulary of tokens that cross the borders of lexemes and lines."""
    toy = constrain.compile(grammar("python"), index_of([*(bytes([byte]) for byte in range(256)), *WORDS]))
    check_masks(toy, ["\n".join(STATEMENTS[15:44]) + "\n", *(text for _, text in modules(211))], 120)


GPT2 = Path(__file__).resolve().parents[4] / "shared" / "tokenizers" / "gpt2"


@pytest.mark.shared
@pytest.mark.skipif(not GPT2.exists(), reason="the vocabulary of GPT-2 is not beside the project")
def test_masks_over_gpt2() -> None:
    """At random places of files, with a vocabulary of 50,257 tokens."""
    from transformers import AutoTokenizer

    index = TokenizerIndex.from_tokenizer(AutoTokenizer.from_pretrained(GPT2))
    python = constrain.compile(grammar("python"), index)
    check_masks(python, [text for _, text in modules(61)], 8)


def test_expressions_stand_alone(index: TokenizerIndex) -> None:
    """They are those of modules, on lines that end in brackets only; space may be bounded."""
    expression = constrain.compile(grammar("python-expression"), index)
    for text in ("await x", "(\n# a\nb)", "a \\\n+ b", "*a", "x = 1", " a", "a\n", "a, b,"):
        allowed = text in {"await x", "(\n# a\nb)", "a \\\n+ b", "a, b,"}
        assert expression.accepts(text) == allowed, text
    bounded = constrain.compile(grammar("python-expression", max_space=2), index)
    for text in ("a  + b", "(\n\na)", "a   + b", "(\n\n\na)", "a\\\n+b", "(#\na)"):
        assert bounded.accepts(text) == (text in {"a  + b", "(\n\na)"}), text
    with pytest.raises(ValueError, match="max_space"):
        grammar("python-expression", max_space=0)


def test_every_rule_derives_a_text_that_is_not_empty() -> None:
    """What grammars that are made on demand promise, but for the start; there are finitely many rules."""
    made = grammar("python")
    rules: dict[str, ir.Expression] = {}
    pending = [made.start]
    while pending:
        name = pending.pop()
        if name not in rules:
            rules[name] = made.rule(name)
            pending += references_of(rules[name])
    assert 500 < len(rules) < 2_000
    facts: dict[str, tuple[bool, bool]] = {}  # whether a rule derives a text, and the empty one
    size = -1
    while size != len(facts):
        size = len(facts)
        for name, rule in rules.items():
            if name not in facts and (found := _facts(rule, facts))[0]:
                facts[name] = found
    assert facts.keys() == rules.keys()
    assert [name for name, (_, empty) in facts.items() if empty] == [made.start]
    assert not any(made.start in references_of(rule) for rule in rules.values())


def _facts(node: ir.Expression, rules: dict[str, tuple[bool, bool]]) -> tuple[bool, bool]:
    match node:
        case ir.Reference(name):
            return rules.get(name, (False, False))
        case ir.Sequence(parts):
            every = [_facts(part, rules) for part in parts]
            return all(some for some, _ in every), all(empty for _, empty in every)
        case ir.Alternation(parts):
            every = [_facts(part, rules) for part in parts]
            return any(some for some, _ in every), any(empty for _, empty in every)
        case ir.Repeat(part, 0):
            return True, True
        case ir.Repeat(part):
            return _facts(part, rules)
    return True, False
