"""Java: texts that are programs and texts that are not, tree-sitter's parser, masks."""

import pytest

from constrain.compilation import CompiledConstraint
from tests.grammars.library.programs import (
    check_gpt_2,
    check_masks,
    over_bytes,
    over_toy,
    over_words,
    tree_sitter,
    walks,
    wrongly_allowed,
)

SAMPLE = r'''// Some classes.
package shapes.flat;

import java.util.*;
import static java.lang.Math.max;

/** A shape. */
@Deprecated(since = "1", forRemoval = true)
public abstract sealed class Shape<T extends Comparable<? super T> & Cloneable> implements java.io.Serializable
        permits Circle {
    private static final int[] SIZES[] = {{1, 2}, new int[] {3}, new int[4]}, none;
    @Override public String toString() { return "a\"\u00e9" + 'x' + 0x1FL + 1e3f + """
        text "block"
        """; }

    protected Shape(final int size, List<Map<String, int[]>>... rest) throws Exception {
        super(size);
        this.<String>size((byte) size >>> 2, (Shape) rest[0], (Runnable) () -> {}, Shape::new, int[]::new);
    }

    static { outer: for (int i = 0, j = 1; i < 10 && j > - -1; i++, --j) { if (i == 3) continue outer; else break; } }

    <E> void loop(Collection<E> all) {
        for (final var e : all) synchronized (this) { assert e != null : "no"; }
        do { all.clear(); } while (!all.isEmpty());
        try (var in = open(); in) { throw new IllegalStateException(); }
        catch (IllegalStateException | Error e) { return; } finally { ; }
        Comparator<E> c = (a, b) -> a instanceof String s && s.isEmpty() ? 1 : -1;
        int n = switch (all.size()) { case 1, 2 -> 3; default -> { yield 4; } };
        switch (n) { case 1: n += 2; break; default: }
        new Object() { int x = n; }.hashCode();
        Class<?> k = String[].class;
    }

    enum Color { RED, GREEN("g") { void f() {} }; Color(String... s) {} }
    record Point(int x, @NonNull int y) { Point { x = 1; } }
    @interface Note { int value() default 1; }
    interface Area { double area(); default int two() { return 2; } }
}
'''

ALLOWED = [
    "class A { void f() { for (final @B int a[] : c) ; for (@B final int[] a : c) ; for (d.e<f> a : c) ; } }",
    "",
    ";",
    "enum A { B; A() {} }",
    "enum A { B, C,; int x; A(int x) {} @D A() {} private A(long x) {} }",
    "enum A { ; enum B { C; B() {} } A() {} class D { D() {} } }",
    "class A {\n  enum Ä\n implements B { ;Ä () {} } enum Ö { ; Ö() {} } }",
    "class A{}",
    "class A extends B<C<D>>{}",
    "class A\nextends B{}",
    "interface A { int X = 1; void f(); }",
    "class A { int f() { return(1); } }",
    "class A { void f() { a = b >> c >>> d; } }",
    "class A { void f() { a = (b) - c; a = (int) - c; a = (B) c; } }",
    "class A { void f() { a.b().c++; ++a; new A(); a.new B(); } }",
    "class A { List<String>[] x, y[]; }",
    "class A { int[]x; List<B>y; }",
    "class A { void f() { a = b -> c -> b + c; } }",
    "class A { void f(int a[], String... b) {} }",
    "class A { void f() { var x = a < b ? c : d > e; } }",
    "class A { /* a */ } // b",
    "import a.b;\nimport static a.B.*;\n",
    "class É { char ñ = 'é'; }",
    "class A { int x = a / /* b */ c; }",
    "sealed interface A permits B, c.D {}",
    "record A(int x) { static int y; A { } }",
    "interface A { int X = 1, Y = 2; default void f() {} }",
    "class A { <T extends @B C> void f() { this.<T>g(); } }",
    "class A { void f(@B final int... x) {} }",
    "class A { public @B int x; @B public int y; }",
    "class A { Object f = new B<>(1) { }; }",
]

REFUSED = [
    "class A { void f() { static class B { } } }",
    "class A { void f() { for (int a = b : c) ; } }",
    "class A { void f() { for (int a, b : c) ; } }",
    "class",
    "classA {}",
    "class A { int x }",
    "class A { intx y z; }",
    "class A { void f() { a + b; } }",
    "class A { void f() { a; } }",
    "class A { void f() { int x = 1 2; } }",
    "class A { void f() { if a { } } }",
    "class A { void f() { else { } } }",
    "class A { void f() { f(a,); } }",
    "class A { void f() { x = a > > b; } }",
    "class A { void f() { x = a--b; } }",
    "class A { void f() { int class = 1; } }",
    "class A { void f() { return 'ab'; } }",
    'class A { String s = "a\nb"; }',
    "class A { void f() { try { } } }",
    "class A { void f() { case 1: } }",
    "class A { int x = 08; }",
    "class A extends B, C { }",
    "class A { public int; }",
    "class A { } }",
    "import a.b\nclass A {}",
    "/* class A {}",
    "class A { int x = a //* b */ c; }",
    "interface A permits B {}",
    "record A(int x) { int y; }",
    "record A(int x[]) {}",
    "interface A { int X; }",
    "interface A { A() {} }",
    "interface A { { } }",
    "class A { public static public int x; }",
    "class A { public; }",
    "import a;",
    "class record {}",
    "enum A { B; C() {} }",
    "enum A { B; AB() {} }",
    "enum AB { B; A() {} }",
    "enum A { ; enum B { C; A() {} } }",
    "enum A { ; enum B { C; } B() {} }",
    "class A<@BC> {}",
    "class A { B<> x; }",
    "class A { void f() { x()(); } }",
    "class A { void f() { this.<T>g; } }",
    "class A { void f(int... x, int y) {} }",
    "class A { Object f = super; }",
    "// a \r class",
]


@pytest.fixture(scope="module")
def java() -> CompiledConstraint:
    """The grammar, over bytes."""
    return over_bytes("java")


@pytest.mark.parametrize("text", ALLOWED)
def test_programs(text: str, java: CompiledConstraint) -> None:
    """One of each notation."""
    assert java.accepts(text)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_program(text: str, java: CompiledConstraint) -> None:
    """Errors of syntax."""
    assert not java.accepts(text)


def test_the_sample(java: CompiledConstraint) -> None:
    """A file with a bit of everything."""
    assert java.accepts(SAMPLE)
    assert java.accepts(SAMPLE.replace("    ", "\t"))
    assert java.accepts(SAMPLE.replace("\n", "\r\n"))


def test_mutations_that_the_parser_refuses(java: CompiledConstraint) -> None:
    """At least 99 of 100 are refused."""
    reads = tree_sitter("java")
    assert reads(SAMPLE)
    wrong = wrongly_allowed(java, reads, SAMPLE, 200)
    assert len(wrong) <= 2, wrong


def test_random_programs_can_be_ended(java: CompiledConstraint) -> None:
    """They are texts of the grammar."""
    for text in walks(java, 10, "class A { void f() {"):
        assert java.accepts(text)


def test_masks_are_exact() -> None:
    """Over the embedded model's vocabulary and over tokens made up of several lexemes."""
    check_masks(over_words("java"), [SAMPLE], 25)
    check_masks(over_toy("java"), [SAMPLE], 60)


@pytest.mark.shared
def test_masks_over_gpt_2() -> None:
    """Over a vocabulary of 50,257 tokens."""
    check_gpt_2("java", SAMPLE, 3)
