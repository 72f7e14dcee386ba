"""White space put into grammars: what stands between lexemes, and what keeps words apart."""

import random

import pytest

from constrain.grammars import ir
from constrain.grammars.lark_syntax import lark
from constrain.grammars.library.gaps import looped, with_gaps
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from tests.grammars.derivations import Derivations
from tests.matching import index_of
from tests.oracles import ByteGrammar

SOURCE = r"""
start: gap statement*
statement: RETURN_ SEP_ value? ";" | NAME "=" value ";"
value: NAME | NUMBER | MINUS value | "(" value ")" | NOT_ SEP_ value | pair
pair: mark? NAME ":" NAME
mark: AT
RETURN_: "ret"
NOT_: "not"
NAME: /[a-c]+/
NUMBER: /[0-9]+|\.[0-9]/
MINUS: "-"
AT: "@"
gap: | space
space: PIECE_ gap
PIECE_: "\n" | /#[a-c]*\n/
SEP_: " "
"""


def compiled(grammar: ir.Grammar) -> CompiledConstraint:
    """The grammar over bytes."""
    return compile_grammar(grammar, index_of([bytes([byte]) for byte in range(256)]))


@pytest.fixture(scope="module")
def spaced() -> ir.Grammar:
    """The grammar with blanks and gaps."""
    return with_gaps(looped(lark(SOURCE, lexer="dynamic_complete")), ((0x20, 0x20),))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", True),
        ("\n\n a = b ;", True),
        ("ret;", True),
        ("ret ;", True),
        ("reta;", False),
        ("ret a;", True),
        ("ret\na;", True),
        ("ret#b\na;", True),
        ("ret#b\n a ;", True),
        ("ret1;", False),
        ("ret.1;", True),
        ("ret -a;", True),
        ("ret-a;", True),
        ("ret(a);", True),
        ("ret@a:b;", True),
        ("ret @a:b;", True),
        ("ret a :b;", True),
        ("reta:b;", False),
        ("ret not not a;", True),
        ("ret notnot a;", False),
        ("ret not(a);", True),
        ("ret nota;", False),
        ("ret\t;", False),
        ("a = b; ", False),
        ("a = b;\n", True),
    ],
)
def test_words_are_apart(text: str, allowed: bool, spaced: ir.Grammar) -> None:
    """A blank or a gap stands between two words, and may stand between other lexemes."""
    assert compiled(spaced).accepts(text) == allowed


def test_texts_are_those_of_the_oracle(spaced: ir.Grammar) -> None:
    """Derivations of the written-out grammar and their mutations, by the naive recogniser of productions over bytes."""
    constraint, oracle = compiled(spaced), ByteGrammar(_without_intersections(spaced))
    derivations, draw, met = Derivations(spaced, 3), random.Random(3), {True: 0, False: 0}
    for _ in range(25):
        text = derivations.text(6)[:18]
        at = draw.randrange(len(text) + 1)
        for changed in (text, text[:at] + text[at + 1 :], text[:at] + bytes([draw.choice(b" \na#r;-")]) + text[at:]):
            expected = oracle.accepts(changed)
            met[expected] += 1
            assert constraint.accepts(changed) == expected, changed
    assert min(met.values()) > 10


def _without_intersections(grammar: ir.Grammar) -> ir.Grammar:
    """The grammar with the one terminal that is an intersection (numbers that begin with a point) written plainly."""
    from constrain.grammars.regular import Concatenation, Intersection, Literal, Regular, Symbols, Union

    def plain(regular: Regular) -> Regular:
        match regular:
            case Intersection():
                return Concatenation((Literal(b"."), Symbols(((0x30, 0x39),))))
            case Concatenation(parts):
                return Concatenation(tuple(map(plain, parts)))
            case Union(parts):
                return Union(tuple(map(plain, parts)))
        return regular

    def changed(node: ir.Expression) -> ir.Expression:
        match node:
            case ir.Terminal(regular):
                return ir.Terminal(plain(regular))
            case ir.Sequence(parts):
                return ir.Sequence(tuple(map(changed, parts)))
            case ir.Alternation(parts):
                return ir.Alternation(tuple(map(changed, parts)))
            case ir.Repeat(part, minimum, maximum):
                return ir.Repeat(changed(part), minimum, maximum)
        return node

    return ir.Grammar(grammar.start, {name: changed(rule) for name, rule in grammar.rules.items()})


def test_repetitions_become_loops() -> None:
    """No rule that Lark made for a repetition is left, and the language is the same."""
    source = 'start: ("a" | "b" start)* ("c" "d")+ list\nlist: list "x" | "x"\n'
    before = lark(source, lexer="dynamic_complete")
    after = looped(before)
    assert any(name.startswith("__") for name in before.rules)
    assert not any(name.startswith("__") for name in after.rules)
    assert isinstance(after.rules["list"], ir.Repeat)
    derivations, draw = Derivations(before, 1), random.Random(1)
    one, other = compiled(before), compiled(after)
    for _ in range(60):
        text = derivations.text(10)
        at = draw.randrange(len(text))
        assert one.accepts(text)
        assert other.accepts(text)
        for changed in (text[:at] + text[at + 1 :], text[:at] + bytes([draw.choice(b"abcdx")]) + text[at:]):
            assert one.accepts(changed) == other.accepts(changed)
