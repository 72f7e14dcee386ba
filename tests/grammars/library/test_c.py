"""C: texts that are programs and texts that are not, gcc's and tree-sitter's parsers, masks."""

import re
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

SAMPLE = r"""/* A list of numbers. */
#include <stdio.h>
#define MANY 16 /* at
                   most */
#if defined(MANY) && \
    MANY > 3
typedef struct node { int value; struct node *next; } node_t;
#endif

enum color { RED, GREEN = 2, BLUE, };
static const char *const names[] = { "red" "dish", [2] = "green", };
static int (*handler)(int, char **) = 0;
extern unsigned long long total(const node_t *list, size_t n);

static inline int add(node_t *list, int value)
{
    node_t fresh = { .value = value, .next = list }, *last = &fresh; // on the stack
    for (int i = 0; i < MANY && list; i++, list = list->next) {
        if (list->value == 'x' || !(list->value & 0x1FuL))
            continue;
        else if (list->value > sizeof(int) * 3 - - 1)
            goto done;
        else { last->value += ~list->value; }
    }
    switch (value) {
    case 1: case 'a': return -1;
    default: value = value ? value-- : (int)1.5e3f / *(&value);
    }
    do { printf("%d\n", add(last, value)); } while (value-- > 0);
done:
    ;
    return ((unsigned char)value << 2) ^ (node_t){ 1 }.value;
}
"""

ALLOWED = [
    "",
    "int x;",
    "int x",
    "x y;",
    "a * b;",
    "int f(void) { a * b; a (b); (a) * b; (a) b; (a)(b); }",
    "long long int unsigned x;",
    "int f(int, char *const, ...);",
    "int (*f(int x))(double) { return 0; }",
    "int f(a, b) int a; char *b; { return a; }",
    "struct s { unsigned a : 3, : 2; union { int i; float f; }; };",
    "void f() { x = a ? b : c ? d : e; }",
    "void f() { return(x); return-1; return; return'a'; }",
    "void f() { if (a) if (b) c; else d; }",
    'void f() { printf("%" PRIu64 "\\n", x); }',
    "void f() { x = a - -b + +c; x = a-- - --b; x = a / *p; }",
    "void f() { else_ = 1; int returned; }",
    "void f() { for (;;) break; while (1) { } }",
    "void f() { x = (int[]){ 1, 2 }[0]; y = (struct s){ .a = 1 }; }",
    "int x __attribute__((aligned(8))) = 1;",
    '_Static_assert(1, "x");',
    "int a[3][static 4];",
    "#if 1\nint x;\n#else\n#error no\n#endif\n",
    "#define F(x) \\\n x + 1\nint y;",
    "// only a comment",
    "/* a */ int /* b */ x /* c */ ; // d\n",
    "typedef int *(*f)(const char *restrict, int [*]);",
    'void f() { __asm__ volatile ("nop" : "=r"(x) : "r"(y) : "memory"); }',
    "void f() { x = __extension__ ({ int y = 1; y; }); }",
    "int x = sizeof x + sizeof(int) + _Alignof(int) + _Generic(x, int: 1, default: 2);",
    "int naïve;",
    "int a = b / /* c */ d;",
    "int a \\\n= 1;",
    "long double a; unsigned long long int b; double _Complex c;",
    "struct a { const int b : 3; _Alignas(8) char c; };",
    'void f(void) { asm volatile ("a" : : ); }',
    "int f(int a[static const 3]);",
    "int é;",
    "int x = __builtin_offsetof(struct a, b);",
]

REFUSED = [
    "int",
    "int x y;",
    "intx",
    "int 2x;",
    "int x = 08;",
    "int x = 1 2;",
    "int f( { }",
    "int f() { return }",
    "int f() { if a { } }",
    "int f() { a--b; }",
    "int f() { a++b; }",
    "int f() { else; }",
    "int f() { x = ; }",
    "int f() { f(a b); }",
    "int f() { f(a,); }",
    "int f() { case: ; }",
    "int f() { int if = 1; }",
    "foo bar { }",
    "int x = 'ab;",
    'char *s = "a\nb";',
    "int char x;",
    "/* int x;",
    "int x; #if 1\n",
    "#iff X\n",
    "#include stdio.h\n",
    "struct { int x }; ",
    "} int x;",
    "do_ while (1);",
    "void f() { dox(); while (1) }",
    "int a = b //* c */ d;",
    "int a\\\n1;",
    "in\\\nt a;",
    "int int a;",
    "struct a { static int b; };",
    'asm static ("a");',
    "int a = sizeof(static int);",
    "int *inline a;",
    "int —;",
    "int a _Alignas(8);",
    "enum {} a;",
]


# By what random walks found: what neither parser reads, and beside it what is to be allowed all the same.
NEARBY = {
    "a name and asm": ('int a() = 1, basm("") = 2;', 'int a() = 1, b asm("") = 2;'),
    "a name and an attribute": ("int a() = 1, b__attribute__((x)) = 2;", "int a() = 1, b __attribute__((x)) = 2;"),
    "a length of bits and an attribute": (
        "struct { int a : 3__attribute__((x)); }; auto b;",
        "struct { int a : 3 __attribute__((x)); }; auto b;",
    ),
    "__extension__ behind a type": ("int a = (int __extension__)1; auto b;", "int a = __extension__ (int)1; auto b;"),
    "the address of an address": ("int a = 1 = &&b.c;", "int a = 1 = &b.c;"),
    "the address of a label": ("int a = 1 = &&&b;", "int a = 1 = &&b;"),
    "static without a length": (
        "void f(int *a[static]); auto b;",
        "void f(int *a[static const 3], int b[const]); auto b;",
    ),
    "operands of asm outside": ('asm("" : ); auto b;', 'asm(""); auto b;'),
    "an attribute that is a keyword": ("a __attribute__((sizeof)); auto b;", "a __attribute__((const)); auto b;"),
    "an attribute of two names": ("a __attribute__((_::a));", "a __attribute__((_));"),
    "a comment that goes on": ("int a //\\\n;", "int a //\\\n\n;"),
    "an array with a body": ("int (a)[]{} auto b;", "int (*(a)())[]{} auto b;"),
}


@pytest.fixture(scope="module")
def c() -> CompiledConstraint:
    """The grammar, over bytes."""
    return over_bytes("c")


def gcc(text: str) -> bool:
    """Whether gcc finds no error of syntax, names that it does not know aside."""
    done = subprocess.run(
        ["gcc", "-fsyntax-only", "-w", "-x", "c", "-"], input=text.encode(), capture_output=True, check=False
    )
    return not re.search("expected|stray|missing term|unterminated|invalid suffix|invalid digit", done.stderr.decode())


@pytest.fixture(scope="module")
def reads() -> Judge:
    """What either gcc or tree-sitter reads: they take declarations for expressions at different places."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc")
    parser = tree_sitter("c")
    return lambda text: parser(text) or gcc(text)


@pytest.mark.parametrize("text", ALLOWED)
def test_programs(text: str, c: CompiledConstraint) -> None:
    """One of each notation; what lacks its end is the beginning of one."""
    matcher = c.matcher()
    assert matcher.accept_text(text)
    assert matcher.is_accepting or text == "int x"


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_program(text: str, c: CompiledConstraint) -> None:
    """Errors of syntax."""
    assert not c.accepts(text)


@pytest.mark.parametrize("what", NEARBY)
def test_what_random_walks_found(what: str, c: CompiledConstraint) -> None:
    """Smallest texts, and what is beside them."""
    assert [c.accepts(text) for text in NEARBY[what]] == [False, True]


@pytest.mark.parametrize("what", NEARBY)
def test_the_parsers_on_what_random_walks_found(what: str, reads: Judge) -> None:
    """They say the same; ``auto b;`` is none to tree-sitter, so that it is gcc's word that counts."""
    assert [reads(text) for text in NEARBY[what]] == [False, True]


def test_the_sample(c: CompiledConstraint) -> None:
    """A program with a bit of everything, and without any of its lines' ends but those of directives."""
    assert c.accepts(SAMPLE)
    assert c.accepts(SAMPLE.replace("    ", "\t"))
    assert c.accepts(SAMPLE.replace("\n", "\r\n"))


def test_mutations_that_the_parsers_refuse(c: CompiledConstraint, reads: Judge) -> None:
    """At least 99 of 100 are refused."""
    assert reads(SAMPLE)
    wrong = wrongly_allowed(c, reads, SAMPLE, 100)
    assert len(wrong) <= 1, wrong


def test_random_programs(c: CompiledConstraint, reads: Judge) -> None:
    """They are read by one of the parsers, within a function: outside, calls of macros are none to both."""
    wrong = [text for text in walks(c, 12, "void f(void) {") if not reads(text)]
    assert len(wrong) <= 1, wrong


def test_completions(c: CompiledConstraint, reads: Judge) -> None:
    """Of beginnings of the sample; conditions of directives are not checked."""
    check_completions(c, reads, SAMPLE, 10, SAMPLE.index("enum"))


def test_masks_are_exact() -> None:
    """Over the embedded model's vocabulary and over tokens made up of several lexemes."""
    check_masks(over_words("c"), [SAMPLE], 25)
    check_masks(over_toy("c"), [SAMPLE], 60)


@pytest.mark.shared
def test_masks_over_gpt_2() -> None:
    """Over a vocabulary of 50,257 tokens."""
    check_gpt_2("c", SAMPLE, 3)
