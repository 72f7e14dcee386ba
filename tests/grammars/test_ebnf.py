"""EBNF and GBNF: against grammars translated to Python's `re` and to Lark by hand, and errors with their places."""

import itertools
import random
import re

import pytest
from lark import Lark
from lark.exceptions import UnexpectedInput

from constrain.grammars import ir
from constrain.grammars.analysis import diagnostics
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import GrammarSyntaxError, UnsatisfiableConstraintError
from constrain.tokenizer_index.compiled import compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.grammars.derivations import Derivations
from tests.matching import index_of, mask_of
from tests.strategies import EFFORT

REGULAR = {
    'root ::= "a" | \'b\' "-" | ""': "a|b-|",
    "root ::= [a-c]+ [^a-y]? [-x]": "[a-c]+[^a-y]?[-x]",
    'root ::= ("a" | "b" ("c")?)* "x"{2}': "(a|bc?)*x{2}",
    'root ::= "a"{2,3} "b"{,2} "c"{1,} "x"{0}': "a{2,3}b{0,2}c+",
    'root ::= x y # comment\nx ::= "a"\n  // another\n  | "b" /* and\n one */ y ::= ["]': '[ab]"',
    'root ::= "\\x61\\u0062\\U00000063" #x2d [#x61-#x63]': "abc-[a-c]",
    'root ::= "\\"" "\\n\\t\\\\" \'"\'': '"\n\t\\\\"',
    "root ::= [\\]\\-a] . [^\\n]": r"[\]\-a](?s:.)[^\n]",
    'root ::= a-b a_2\na-b ::= "a"?\na_2 ::= "b"+ | a-b a-b': "a?(b+|a?a?)",
    'root ::= "é" [à-ê] [^a]': "é[à-ê][^a]",
    'root ::= |"a"|': "a?",
}

CONTEXT_FREE = {
    'root ::= "(" root ")" root |': ('start: "(" start ")" start |', "()x"),
    'root ::= root "+" term | term\nterm ::= term "*" atom | atom\natom ::= [ab] | "(" root ")"': (
        'start: start "+" term | term\nterm: term "*" atom | atom\natom: /[ab]/ | "(" start ")"',
        "ab+*()",
    ),
    'root ::= "a" root "a" | "b" root "b" | "c"': ('start: "a" start "a" | "b" start "b" | "c"', "abc"),
    'root ::= x{2,3}\nx ::= "a" x? "b"': ('start: x x x?\nx: "a" x? "b"', "ab"),
    'root ::= (a | b root)* "."\na ::= "x" b?\nb ::= "y" a? "z"': (
        'start: (a | b start)* "."\na: "x" b?\nb: "y" a? "z"',
        "xyz.",
    ),
    'root ::= root root | "a" | "ab"': ('start: start start | "a" | "ab"', "ab"),
}


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes."""
    return index_of([bytes([byte]) for byte in range(256)])


@pytest.mark.parametrize("source", REGULAR)
def test_regular_grammars(source: str, index: TokenizerIndex) -> None:
    """All texts of up to four characters, and longer ones of the language with mutations, as `re` decides them."""
    pattern = re.compile(REGULAR[source])
    constraint = compile_grammar(ebnf(source), index)
    alphabet = 'abcxz-"\n' if all(ord(sign) < 128 for sign in source) else "éàêa\n"
    texts = {"".join(signs) for length in range(5) for signs in itertools.product(alphabet, repeat=length)}
    draw, derivations = random.Random(0), Derivations(ebnf(source))
    for _ in range(40 * EFFORT):
        text = derivations.text(10).decode()
        at = draw.randint(0, len(text))
        texts |= {text, text[:at], text[:at] + text[at + 1 :], text[:at] + draw.choice(alphabet) + text[at:]}
    expected = {text for text in texts if pattern.fullmatch(text)}
    assert {text for text in texts if constraint.accepts(text)} == expected
    assert expected


@pytest.mark.parametrize("source", CONTEXT_FREE)
def test_context_free_grammars(source: str, index: TokenizerIndex) -> None:
    """All short texts, and longer ones of the language with mutations, as Lark's Earley parser decides them."""
    translated, alphabet = CONTEXT_FREE[source]
    parser = Lark(translated, parser="earley", lexer="dynamic_complete", ambiguity="forest")

    def reads(text: str) -> bool:
        try:
            parser.parse(text)
        except UnexpectedInput:
            return False
        return True

    constraint = compile_grammar(ebnf(source), index)
    length = 3 if len(alphabet) > 4 else 5
    texts = {"".join(signs) for n in range(length) for signs in itertools.product(alphabet, repeat=n)}
    draw, derivations = random.Random(1), Derivations(ebnf(source))
    for text in [derivations.text(10).decode() for _ in range(15 * EFFORT)]:
        at = draw.randint(0, len(text))
        texts |= {text, text[:at] + text[at + 1 :], text[:at] + draw.choice(alphabet) + text[at:], text[:at]}
    decisions = {text: reads(text) for text in sorted(texts) if len(text) <= 30}
    assert {text: constraint.accepts(text) for text in decisions} == decisions
    assert min(sum(decisions.values()), len(decisions) - sum(decisions.values())) >= 5


def test_special_tokens() -> None:
    """They are single tokens, by name or by number, and no text."""
    tokens = (b"a", b"<", b"|x|>", b"", b"", b"")
    index = TokenizerIndex(Vocabulary(tokens, {"<|x|>": 3, "<call>": 4, "<end>": 5}, (5,)))
    matcher = compile_grammar(ebnf('root ::= <|x|> "a" <[4]> | "<" '), index).matcher()
    assert mask_of(matcher) == {1, 3}
    for token in (3, 0, 4, 5):
        assert matcher.accept_token(token)
        assert mask_of(matcher) == ({0} if token == 3 else {4} if token == 0 else {5})
    assert matcher.is_finished


def test_other_start_rules(index: TokenizerIndex) -> None:
    """Any rule may be the first one; the key tells which."""
    source = 'root ::= "a"\nother ::= "b" root'
    assert compile_grammar(ebnf(source, start="other"), index).accepts("ba")
    assert ebnf(source).key != ebnf(source, start="other").key


# Errors and diagnostics

ERRORS = [
    ('root ::= "a" missing', (1, 14), "'missing' is not defined"),
    ('root ::= "a"\n\nx ::= "b" |\n  missing\n', (4, 3), "'missing' is not defined"),
    ('other ::= "a"', (1, 1), "start rule 'root'"),
    ("", (1, 1), "start rule 'root'"),
    ('root ::= "a"\n root ::= "b"', (2, 2), "twice"),
    ('"a"', (1, 1), "begins with its name"),
    ('root "a"', (1, 1), "begins with its name"),
    ('root = "a"', (1, 6), "unexpected '='"),
    ("root ::= @", (1, 10), "unexpected '@'"),
    ('root ::= "a" ("b" | ("c")', (1, 14), "not closed"),
    ('root ::= "a" )', (1, 14), "without"),
    ('root ::= * "a"', (1, 10), "nothing to repeat"),
    ('root ::= "a" | + "b"', (1, 16), "nothing to repeat"),
    ('root ::= "a" {}', (1, 14), "needs a number"),
    ('root ::= "a"{3,1}', (1, 13), "out of order"),
    ('root ::= "a"{99999999999}', (1, 13), "too large"),
    ('root ::= "a"{' + "9" * 5000 + "}", (1, 13), "too large"),
    ("root ::= <[" + "9" * 5000 + "]>", (1, 10), "too large"),
    ('root ::= "a\nx ::= "b"', (1, 10), "unexpected"),
    ("root ::= [z-a]", (1, 10), "out of order"),
    ("root ::= [a", (1, 10), "unexpected"),
    ("root ::= #x110000", (1, 10), "not a character"),
    ('root ::= "ab\\ud800"', (1, 13), "not a character"),
    ("root ::= [^ab\\U00110000]", (1, 14), "not a character"),
    ("root ::= 'a\\q'", (1, 12), r"unknown escape '\\\\q'"),
    ('root ::=\n  "a\\x4"', (2, 5), r"unknown escape '\\\\x'"),
    ("root ::= [^a\\d]", (1, 13), r"unknown escape '\\\\d'"),
    ("root ::= " + "(" * 300, (1, 210), "nested"),
]


@pytest.mark.parametrize(("source", "place", "message"), ERRORS)
def test_errors_have_a_place(source: str, place: tuple[int, int], message: str) -> None:
    """Line and column are those of what is wrong."""
    with pytest.raises(GrammarSyntaxError, match=message) as caught:
        ebnf(source)
    assert (caught.value.line, caught.value.column) == place
    assert caught.value.source == source


def test_rules_of_no_use_have_a_place() -> None:
    """Unreachable and unproductive rules are reported."""
    grammar = ebnf('root ::= "a" | loop\n  lost ::= "b"\nloop ::= "x" loop # for ever')
    assert {(d.message, d.rule, d.position) for d in diagnostics(grammar)} == {
        ("cannot be reached from the start", "lost", ir.Position(2, 3)),
        ("derives no text", "loop", ir.Position(3, 1)),
    }


@pytest.mark.parametrize(
    "source", ["root ::= root", 'root ::= "a" root', "root ::= []", "root ::= [^\\x00-\\U0010ffff]"]
)
def test_grammars_without_texts(source: str, index: TokenizerIndex) -> None:
    """A start rule that derives nothing is an error."""
    with pytest.raises(UnsatisfiableConstraintError, match="'root'"):
        compile_grammar(ebnf(source), index)
