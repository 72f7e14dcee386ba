"""JavaScript: texts that are programs and texts that are not, node's and tree-sitter's parsers, masks."""

import json
import random
import shutil
import subprocess

import pytest

from constrain.compilation import CompiledConstraint
from tests.grammars.library.programs import (
    check_gpt_2,
    check_masks,
    mutations,
    over_bytes,
    over_toy,
    over_words,
    walks,
)

SAMPLE = r"""#!/usr/bin/env node
'use strict';

import fs, { readFile as read } from "fs";
import * as path from 'path'

export const a = 1, [b, , ...c] = [2, 3, 4], { d, e: { f = 5 }, ...g } = h;
export default async function* generate(x = 1, { y }, ...rest) {
    for await (const z of rest) yield* z
    return await x
}

/* A class. */
class Shape extends Base.of(1) {
    static #count = 0
    [name] = 'x'; static { this.#count++; }
    constructor(...args) { super(...args); this.#count = new.target ?? null }
    get area() { return this.w * this.h / 2 }
    async *steps() {}
}

const half = (a, b) => a / b / 2, wrap = x => ({ x, [x]: 1, 'y': 2, get z() { return 3 }, m() {}, ...x })
let text = `one ${wrap(`two ${b}`)} three \${`, pattern = /[/\]]+(?:a|b){2,}?\/$/gu.test(text)
if (typeof a === 'number' && !(b in c) || a instanceof Shape) { a++ } else do { --b } while (a --> 0)
label: for (var i = 0, n = a?.b?.[c]?.(d); i < n; i++) {
    switch (i % 3) { case 1: continue label; case 0x1F: break
        default: i **= 2; }
}
for (const key in object) delete object[key]
try { throw new Error("no\x41\u{1F600}") } catch { debugger } finally { void 0 }
function outer() { return function inner() { return } }
a = b ? c : d => e, f ||= async () => { await g }, 1_000n, .5e-3
"""

ALLOWED = [
    "",
    "a",
    "a\nb",
    "a;b",
    "{ a }",
    "{ a; b }",
    "if (a) b; else c",
    "if (a) b\nelse c",
    "function f() { return\n1 }",
    "x = a / b / c",
    "x = /a/g",
    "x = a / /b/",
    "x = a - -b + +c",
    "x = a--\n-b",
    "(function () {})()",
    "(() => {})()",
    "async () => await x",
    "for (;;) ;",
    "for (a of b) c",
    "var { a = 1 } = b",
    "[a, b] = [b, a]",
    "({ a, b: c } = d)",
    "new A().b",
    "new a.B(c)",
    "a\n++b",
    "a // b",
    "/* a */ b /* c\n d */ e",
    "`a${b}c${`d`}`",
    "export { a as b, c } from 'd'",
    "x = {}",
    "é = ñ",
    "a?.5:1",
    "do a; while (b) c",
    "class A { 'constructor'() {} static async *[x]() {} }",
    "a = b / /* c */ d",
    "for await (a of b) c",
    "a = b ?? (c || d)",
    "a = (-b) ** 2",
    "a = b ** -c",
    "[a.b, ...c] = d",
    "({a, b: c.d = 1} = e)",
    "a\n++b",
    "a\n!b",
    "x = a\n/b/c",
    "if (a < !--b) c",
    "let [a] = b, {c, ...d} = e",
    "a = `\\u0041${b}`",
    "super_ = a?.b.c()",
    "// a\rb",
    "return_\rb",
    "/a/gi",
    "({ get a() { return 1 }, set a(b) {} })",
]

REFUSED = [
    "a b",
    "a b c",
    "{ a b }",
    "if a b",
    "if (a) else b",
    "vara b",
    "var a b",
    "const a",
    "function () {}",
    "x = 1 2",
    "x = a--b",
    "f(a b)",
    "f(a,,b)",
    "a + = b",
    "a + b = c",
    "1 = a",
    "x = 'a\nb'",
    "x = /a",
    "x = /(a/",
    "x = /*/",
    "for (a; b) c",
    "class A { a b }",
    "class { }",
    "x = `a${b`",
    "return_ x",
    "var if = 1",
    "case 1:",
    "a => { ",
    "import a from b",
    "#a",
    "for await (;;) a",
    "a = b ?? c || d",
    "a = b && c ?? d",
    "a = -b ** 2",
    "a = typeof b ** 2",
    "[a + b] = c",
    "({a: 1} = b)",
    "({a = 1})",
    "a\n++",
    "a\n(b",
    "++a++",
    "--(a + b)",
    "a?.b = c",
    "a?.b`c`",
    "super",
    "a = `\\u00`",
    "/a/gg",
    "let {a ...b} = c",
    "({ get a(b) {} })",
    "a = b\n=> c",
    "x = a\n/b/",
]

# By what random walks found: what node does not read, and beside it what is to be allowed all the same.
NEARBY = {
    "a constant without a value": ("const a, b = () => {}\n", "let a, b = () => {}\n"),
    "a private method of an object": ("({ #a() {} })", "(class { #a() {} })"),
    "a private name in a pattern": ("const { #a: b } = c", "const { a: b } = c"),
    "a call is missing that makes an object": ("new a.b = 1", "new a().b = 1"),
    "it is missing behind an increment": ("++new a.b", "++new a().b"),
    "it is missing before an optional part": ("new a?.b", "new a()?.b"),
    "a line of the system is the first": ("\t#!node\n", "#!node\n"),
    "a new import": ("new import(a)", "new (import(a))"),
    "a statement behind an import, which node reads as attributes": ("import ''\nwith (a) b", "import ''\n{ a }"),
    "it is behind other lines": (
        "a\nimport b from ''\nexport * from ''\nwith (c) d",
        "let a\nexport { a }\nimport ''\n{ b }",
    ),
    "an operator behind one": ("import ''\n* a", "import ''\n+a"),
    "a bracket behind one": ("import ''\n) a", "import a from ''\n(b);export { a }\n[c]"),
    "a letter that no name has": ("\u2e2f = a\u2e2f", "\u01c5 = a\u02b0\u0301"),
    "await within a function that is not async": ("function f() { await x }", "async function f() { await x }"),
    "within one in one that is": ("async () => { () => await x }", "() => { async () => await x }"),
    "behind one that is": (
        "() => { async a => { await b }; await c }",
        "async () => { async a => { await b }; await c }",
    ),
    "in a method": ("({ async a() {}, b() { await c } })", "({ async a() { await b }, c() {} })"),
    "in a loop of one": ("class A { b() { for await (c of d) e } }", "class A { async b() { for await (c of d) e } }"),
    "in parameters": ("async (a = await b) => c", "async (a = async () => await b) => c"),
    "in what a setter is given": ("({ set a(b = await c) {} })", "({ set a(b = async () => await c) {} })"),
    "in a field": ("class A { b = await c }", "class A { [await b] = async () => await c }"),
    "in a static block": ("class A { static { await b } }", "class A extends (await b) { static { c } }"),
    "in what an arrow function ends with its block": ("x = () => { await a }\ny", "x = async () => { await a }\ny"),
}

BEYOND = ["f() = a", "x = 08", "a <!--b", "/a/gv"]
"""What node reads all the same, for old pages, or of a later edition."""

_NODE = """
const vm = require('vm');
const ok = text => {
  try { new vm.Script(text.replace(/^#!/, '//')); return true } catch { }
  try { new vm.SourceTextModule(text); return true } catch { return false }
};
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(texts.map(ok)));
"""


def node(texts: list[str]) -> list[bool]:
    """Whether node reads them, as scripts or as modules; skips the test where there is no node."""
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    done = subprocess.run(
        ["node", "--no-warnings", "--experimental-vm-modules", "-e", _NODE],
        input=json.dumps(texts).encode(),
        capture_output=True,
        check=True,
    )
    answers: list[bool] = json.loads(done.stdout)
    return answers


@pytest.fixture(scope="module")
def javascript() -> CompiledConstraint:
    """The grammar, over bytes."""
    return over_bytes("javascript")


@pytest.mark.parametrize("text", ALLOWED)
def test_programs(text: str, javascript: CompiledConstraint) -> None:
    """One of each notation."""
    assert javascript.accepts(text)


@pytest.mark.parametrize("text", REFUSED + BEYOND)
def test_what_is_no_program(text: str, javascript: CompiledConstraint) -> None:
    """Errors of syntax."""
    assert not javascript.accepts(text)


def test_node_agrees_on_the_lists() -> None:
    """What is allowed here, node reads; what is not, it does not."""
    assert [text for text, read in zip(ALLOWED, node(ALLOWED), strict=True) if not read] == []
    assert [text for text, read in zip(REFUSED, node(REFUSED), strict=True) if read] == []
    assert [node(list(NEARBY[what])) for what in NEARBY] == [[False, True]] * len(NEARBY)


@pytest.mark.parametrize("what", NEARBY)
def test_what_random_walks_found(what: str, javascript: CompiledConstraint) -> None:
    """Smallest texts, and what is beside them."""
    assert [javascript.accepts(text) for text in NEARBY[what]] == [False, True]


def test_the_sample(javascript: CompiledConstraint) -> None:
    """A file with a bit of everything."""
    assert javascript.accepts(SAMPLE)
    assert javascript.accepts(SAMPLE.replace("    ", "\t"))
    assert javascript.accepts(SAMPLE.replace("\n", "\r\n"))


def test_mutations_that_node_refuses(javascript: CompiledConstraint) -> None:
    """At least 97 of 100 are refused; the others are early errors."""
    drawn = mutations(SAMPLE, random.Random(0))
    texts = [SAMPLE, *(next(drawn) for _ in range(300))]
    answers = node(texts)
    assert answers[0]
    refused = [text for text, read in zip(texts, answers, strict=True) if not read]
    assert len(refused) > 100
    assert len([text for text in refused if javascript.accepts(text)]) <= 3 * len(refused) // 100


def test_random_programs_can_be_ended(javascript: CompiledConstraint) -> None:
    """They are texts of the grammar."""
    for text in walks(javascript, 10):
        assert javascript.accepts(text)


def test_masks_are_exact() -> None:
    """Over the embedded model's vocabulary and over tokens made up of several lexemes."""
    check_masks(over_words("javascript"), [SAMPLE], 25)
    check_masks(over_toy("javascript"), [SAMPLE], 60)


@pytest.mark.shared
def test_masks_over_gpt_2() -> None:
    """Over a vocabulary of 50,257 tokens."""
    check_gpt_2("javascript", SAMPLE, 3)
