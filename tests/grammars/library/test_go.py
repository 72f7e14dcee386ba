"""Go: texts that are programs and texts that are not, gofmt's and tree-sitter's parsers, masks."""

import shutil
import subprocess

import pytest

from constrain.compilation import CompiledConstraint
from tests.grammars.library.programs import (
    Judge,
    check_completions,
    check_gpt_2,
    check_masks,
    over_bytes,
    over_toy,
    over_words,
    tree_sitter,
    walks,
    wrongly_allowed,
)

SAMPLE = r"""// Package shapes has some shapes.
package shapes

import (
	"fmt"
	m "math" // renamed
)

const (
	A = iota
	B
	C int = 1 << 3
)

type Number interface {
	~int | ~float64
	String() string
}

type Stack[T any] struct {
	items []T `json:"items"`
	*Base
	a, b map[string][]chan<- int
}

var global, other = &Stack[int]{items: []int{1, 2}}, func(a, b int, rest ...string) (n int, err error) { return }

func (s *Stack[T]) Push(x T) bool {
	if n := len(s.items); n > 0 && s.items[n-1] == x {
		return false
	} else if x == nil {
		return !true
	}
	for i := 0; i < 10; i++ {
		s.items = append(s.items[:i], x)
	}
outer:
	for _, v := range s.items {
		switch y := v.(type) {
		case int, []byte:
			fmt.Println(y, 'a', `raw
text`, "\u00e9", 0x1p-2, -1+ +2)
			continue outer
		case nil:
			fallthrough
		default:
		}
	}
	select {
	case c <- 1:
	case v, ok := <-c:
		go func() { defer f(v, ok) }()
	}
	p := struct{ X, Y int }{1, 2}
	for p.X < -1 {
	}
	a[i], *q = *q, a[i]
	return (p == struct{ X, Y int }{})
}
"""

ALLOWED = [
    "package a",
    "package a\n",
    'package a; import "b"; var x int',
    "package a\nfunc f()\n",
    "package a\nfunc f() { a\nb\n}",
    "package a\nfunc f() { a; b }",
    "package a\nfunc f() { x := a < -b; y = a - -b; z = a &^ b; w = a & ^b }",
    "package a\nfunc f() { if x == (T{}) { } }",
    "package a\nfunc f() { if f(T{1}) { } }",
    "package a\nfunc f() { return /* a */ }",
    "package a\nfunc f() { return // a\n}",
    "package a\nfunc f() {\n\tx.\n\t\ty().\n\t\tz()\n}",
    "package a\nfunc f() { g(a,\n\tb,\n) }",
    "package a\nvar x = []int{1, 2,\n}",
    "package a\nvar f = func(int, ...string) (a, b int) { return 1, 2 }",
    "package a\nfunc f[K comparable, V int | string](m map[K]V) {}",
    "package a\nvar _ = (<-chan int)(nil)",
    "package a\nvar x = a[1:2:3][:]",
    "package a\ntype A = b.C\ntype F func(a, b int, c ...string)",
    "package é\nvar ñ = 'é'",
    "package a\nfunc f() { L: for { break L } }",
    "package a\n\n/* a\nb */ func f() {} /* c */ // d",
    "package a\nvar x = f[int, []string](y)",
    "package a\nvar x = a / /* b */ c",
    "package a\nvar x = (interface{})(y)",
    'package a\nimport "é/b"',
    "package a\nvar x = T(y,)",
]

REFUSED = [
    "",
    "packagea",
    "package a b",
    "package a\nimport b",
    "package a\nfunc f()\n{\n}",
    "package a\nfunc f() { a b }",
    "package a\nfunc f() { if x\n{ } }",
    "package a\nfunc f() { if x { }\nelse { } }",
    "package a\nfunc f() { g(a,\n\tb\n) }",
    "package a\nvar x = []int{1, 2\n}",
    "package a\nfunc f() { x := a--b }",
    "package a\nfunc f() { x++ + 1 }",
    "package a\nfunc f() { x = y++ }",
    "package a\nfunc f() { if x == T{} { } }",
    "package a\nfunc f() { a.b := 1 }",
    "package a\nfunc f() { for i := 0; i < 3 { } }",
    "package a\nfunc f(a int, string) {}",
    "package a\nvar x = 08",
    "package a\nvar x = 'ab'",
    'package a\nvar x = "a\nb"',
    "package a\nvar x int y",
    "package a\nvar func = 1",
    "package a\nx := 1",
    "package a\nfunc f() { return return }",
    "package a\nvar x = f[int, y + 1]",
    "package a\nvar x = (interface{})",
    'package a\nimport "a\u200bb"',
    "package a\nvar x = (y,)",
]


@pytest.fixture(scope="module")
def go() -> CompiledConstraint:
    """The grammar, over bytes."""
    return over_bytes("go")


def gofmt(text: str) -> bool:
    """Whether gofmt finds no error of syntax."""
    done = subprocess.run(["gofmt", "-e"], input=text.encode(), capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module")
def reads() -> Judge:
    """What gofmt reads."""
    if shutil.which("gofmt") is None:
        pytest.skip("there is no gofmt")
    return gofmt


@pytest.mark.parametrize("text", ALLOWED)
def test_programs(text: str, go: CompiledConstraint) -> None:
    """One of each notation."""
    assert go.accepts(text)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_program(text: str, go: CompiledConstraint) -> None:
    """Errors of syntax, those of ends of lines among them."""
    assert not go.accepts(text)


def test_the_sample(go: CompiledConstraint) -> None:
    """A file with a bit of everything."""
    assert go.accepts(SAMPLE)
    assert go.accepts(SAMPLE.replace("\t", "  "))
    assert go.accepts(SAMPLE.replace("\n", "\r\n"))
    assert go.accepts(SAMPLE.replace("\n", " // note\n").replace("raw // note", "raw"))


def test_mutations_that_the_parser_refuses(go: CompiledConstraint) -> None:
    """At least 99 of 100 are refused."""
    reads = gofmt if shutil.which("gofmt") else tree_sitter("go")
    assert reads(SAMPLE)
    wrong = wrongly_allowed(go, reads, SAMPLE, 200)
    assert len(wrong) <= 2, wrong


def test_random_programs(go: CompiledConstraint, reads: Judge) -> None:
    """They are read by the parser."""
    texts = walks(go, 12) + walks(go, 13, "package a\nfunc f() {")
    assert [text for text in texts if not reads(text)] == []


def test_completions(go: CompiledConstraint, reads: Judge) -> None:
    """Of beginnings of the sample."""
    check_completions(go, reads, SAMPLE, 20)


def test_masks_are_exact() -> None:
    """Over the embedded model's vocabulary and over tokens made up of several lexemes."""
    check_masks(over_words("go"), [SAMPLE], 25)
    check_masks(over_toy("go"), [SAMPLE], 60)


@pytest.mark.shared
def test_masks_over_gpt_2() -> None:
    """Over a vocabulary of 50,257 tokens."""
    check_gpt_2("go", SAMPLE, 3)
