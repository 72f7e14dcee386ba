"""Grammars in Lark's syntax mean what they mean in the `lark` package, in both readings; errors have their places."""

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from lark import Lark
from lark.exceptions import UnexpectedInput

from constrain.grammars import ir
from constrain.grammars.analysis import diagnostics
from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarSyntaxError, UnsatisfiableConstraintError
from constrain.grammars.lark_syntax import lark
from constrain.grammars.regex.lazy import lexeme_language
from constrain.grammars.regex.syntax import Flags
from constrain.tokenizer_index.compiled import compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from tests.grammars.derivations import Derivations
from tests.matching import index_of
from tests.strategies import EFFORT

SCANNERLESS: dict[str, Any] = {"parser": "earley", "lexer": "dynamic_complete", "ambiguity": "forest"}
CONTEXTUAL: dict[str, Any] = {"parser": "lalr", "lexer": "contextual"}
BASIC: dict[str, Any] = {"parser": "earley", "lexer": "basic", "ambiguity": "forest"}  # for what is not LALR


@dataclass(frozen=True)
class Case:
    """A grammar, how Lark reads it, texts that are in its language, and texts that are not."""

    options: dict[str, Any]
    source: str
    texts: tuple[str, ...]
    others: tuple[str, ...]


CASES = {
    "left recursion": Case(
        SCANNERLESS,
        'start: start "+" term | term\nterm: term "*" /[ab]/ | /[ab]/ | "(" start ")"',
        ("a", "a+b*a", "(a+b)", "a*b*a+(b)"),
        ("", "a+", "(a", "a(b)", "b*(a)"),
    ),
    "indirect left recursion": Case(
        SCANNERLESS, 'start: x "a" | "c"\nx: y "b"\ny: start | "d"', ("c", "cba", "dba", "cbaba"), ("", "ca", "dbab")
    ),
    "ambiguity": Case(
        SCANNERLESS, 'start: start start | "a" | "ab" | "ba"', ("a", "abab", "aba", "baab"), ("", "b", "abb", "bb")
    ),
    "ambiguous lexemes": Case(
        SCANNERLESS, "start: (WORD | NUMBER)+\nWORD: /[a-c]+/\nNUMBER: /[0-2c]+/", ("a", "ac0c", "012"), ("", "d", "a-")
    ),
    "nullable rules": Case(
        SCANNERLESS,
        'start: a b a "x" a\na: b b | "y"\nb: | "z"',
        ("x", "zzx", "yzyxy", "zzzzzxzz", "yxzz"),
        ("", "y", "yyyx", "xyy"),
    ),
    "palindromes": Case(
        SCANNERLESS, 'start: "a" start "a" | "b" start "b" | "c"', ("c", "abcba", "aacaa"), ("", "ab", "abcab")
    ),
    "operators": Case(
        SCANNERLESS,
        'start: "a"? ("b" | "c")* [";"] "d"+ "e"~2 ("f" "g")~1..3\n',
        ("deefg", "abcb;ddeefgfg", "cdeefg"),
        ("", "aadeefg", "deefgfgfgfg", "def"),
    ),
    "flags": Case(
        SCANNERLESS,
        'start: A B C\nA: "select"i\nB: / [a-z]+ \\. /xi\nC: /x.y/s',
        ("SELECTab.x\ny", "selectA.xzy", "sElEcTq.x.y"),
        ("", "selecta.XzY", "select.xzy", "selecta .xzy"),
    ),
    "templates and aliases": Case(
        SCANNERLESS,
        'start: list{number, ","} -> numbers | "[" list{pair{number}, ";"} "]" -> pairs\n'
        'list{item, mark}: item (mark item)*\npair{x}: x ":" x\nnumber: /[01]+/',
        ("1", "0,1,10", "[1:0;0:1]", "[10:1]"),
        ("", ",", "1;0", "[1:0,0:1]", "1:0"),
    ),
    "characters beyond ASCII": Case(
        SCANNERLESS, 'start: /[à-é]+/ "→" /[^a]/ | "日本" start', ("é→é", "日本à→x", "éà→→"), ("", "日→", "ê→x", "à→a")
    ),
    "ignored space": Case(
        SCANNERLESS,
        'start: start "-" NAME | NAME\nNAME: /[ab]+/\n%ignore " "',
        ("a-b", " a - b ", "ab -a-b"),
        ("", "-", "a-", "a b -"),
    ),
    "arithmetic": Case(
        CONTEXTUAL,
        "?start: sum\n"
        '?sum: product | sum "+" product -> add | sum "-" product -> sub\n'
        '?product: atom | product "*" atom -> mul | product "/" atom -> div\n'
        '?atom: NUMBER -> number | "-" atom -> neg | NAME -> var | "(" sum ")"\n'
        "%import common.CNAME -> NAME\n%import common.NUMBER\n%import common.WS_INLINE\n%ignore WS_INLINE",
        ("1", "-x*(2.5+y_1)", "1e3 / 2 - -a", "1.5"),
        ("", "1 2", "x y", "1.5.5", "(1", "1 . 5"),
    ),
    "JSON": Case(
        CONTEXTUAL,
        "?start: value\n"
        '?value: object | array | ESCAPED_STRING | SIGNED_NUMBER | "true" | "false" | "null"\n'
        'array: "[" [value ("," value)*] "]"\nobject: "{" [pair ("," pair)*] "}"\npair: ESCAPED_STRING ":" value\n'
        "%import common.ESCAPED_STRING\n%import common.SIGNED_NUMBER\n%import common.WS\n%ignore WS",
        ("{}", '{"a" : [1, -2.5, true]}', '["\\"", null, {"b": {}}]', "1"),
        ("", "{a}", "[1,]", '{"a"}', "truefalse", '"'),
    ),
    "keywords and names": Case(
        CONTEXTUAL,
        'start: statement+\nstatement: "let" NAME "=" value ";" | NAME "=" value ";" | "if" value statement\n'
        "value: NAME | INT\nNAME: /[a-z]+/\nINT: /[0-9]+/\n%ignore /[ \\n]+/",
        ("let a = 1;", "lets=letter;", "if a b=1; c = iff;", "if 1 let i=2;"),
        ("", "let let = ;", "leta 1;", "if=1;", "a=1"),
    ),
    "lexemes by context": Case(
        CONTEXTUAL,
        'start: "name" ":" TEXT ";" | "count" ":" HEX ";"\nTEXT: /[a-z]+/\nHEX: /[0-9a-f]+/',
        ("name:abc;", "count:abc;", "name:count;", "count:12;", "name:name;"),
        ("", "name:12;", "count:xyz;", "name:;"),
    ),
    "priorities": Case(
        CONTEXTUAL,
        'start: (HEX "x" | NAME "y" | UPPER "z")+\nHEX.2: /[a-f]{2}/\nNAME: /[a-c]{2}|[k-m]{2}/\nUPPER.-1: /[k-p]{2}/',
        ("abx", "kly", "npz", "abxkly"),
        ("", "aby", "klz", "kmz", "npx"),
    ),
    "longest match": Case(
        CONTEXTUAL,
        'start: (A | AB | ABC | "-")+\nA: "a"\nAB: "ab"\nABC: "abcc"',
        ("a", "ab", "abcc", "a-abcca"),
        ("", "b", "abc", "abca", "abccc"),
    ),
    "comments": Case(
        CONTEXTUAL,
        'start: item*\nitem: NAME ["(" [NAME ("," NAME)*] ")"]\nNAME: /[a-z]+/\nNOTE: "/*" /(.|\\n)*?\\*\\//\n'
        "%ignore NOTE\n%ignore /[ \\n]+/",
        ("", "f(a, b) g", "f/* x */(a)", "/**/ a b c"),
        ("f(", "/*", "f(a b)", "f/ (a)"),
    ),
    "ambiguity behind a lexer": Case(
        BASIC,
        'start: expr\nexpr: expr expr | expr OP expr | NAME\nNAME: /[a-z]/\nOP: "+" | "++"\n%ignore " "',
        ("a", "a+b c", "a ++ b+c", "ab"),
        ("", "+", "a+", "a+++b"),
    ),
    "nullable rules behind a lexer": Case(
        BASIC,
        'start: pre? word post\npre: "<"*\npost: word* ">"? | \nword: WORD | "(" start ")"\nWORD: /[a-z]+/\n'
        '%ignore " "',
        ("a", "<<a b>", "(<a>) c", "((a))"),
        ("", "<", "a>>", "(a"),
    ),
}


class Spaced(Derivations):
    """Texts of a grammar with something between lexemes; whether they are in the language is another question."""

    def __init__(self, grammar: ir.Grammar, seed: int) -> None:
        super().__init__(grammar, seed)
        self._gaps = ["", " "] if grammar.ignored else [""]

    def _write(self, terminal: ir.Terminal, free: bool) -> bytes:
        return super()._write(terminal, free) + self._random.choice(self._gaps).encode()


def mutations(text: str, alphabet: str, draw: random.Random) -> Iterator[str]:
    """The text with a character deleted, inserted, replaced, and cut."""
    for at in draw.sample(range(len(text) + 1), min(3, len(text) + 1)):
        yield text[:at] + text[at + 1 :]
        yield text[:at] + draw.choice(alphabet) + text[at:]
        yield text[:at] + draw.choice(alphabet) + text[at + 1 :]
        yield text[:at]


def texts_of(case: Case, grammar: ir.Grammar, count: int, seed: int) -> set[str]:
    """The texts of a case, derived ones, and mutations of both."""
    derivations, draw = Spaced(grammar, seed), random.Random(seed)
    derived = {derivations.text(8).decode(errors="ignore") for _ in range(count)}
    texts = {*case.texts, *case.others, *(text for text in derived if len(text) <= 40)}
    alphabet = "".join(sorted(set("".join(case.texts + case.others)))) + "a0 ~"
    return texts | {changed for text in sorted(texts) for changed in mutations(text, alphabet, draw)}


def reading_of(case: Case) -> str:
    """The reading that follows Lark's."""
    return "dynamic_complete" if case.options is SCANNERLESS else "contextual"


def reads(parser: Lark, text: str) -> bool:
    """What Lark says of a text."""
    try:
        parser.parse(text)
    except UnexpectedInput:
        return False
    return True


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes."""
    return index_of([bytes([byte]) for byte in range(256)])


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_lark(name: str, index: TokenizerIndex) -> None:
    """Whether a text is in the language: examples, derivations and mutations, with many of both kinds."""
    case = CASES[name]
    parser = Lark(case.source, **case.options)
    reading = reading_of(case)
    grammar = lark(case.source, lexer=reading)
    assert grammar.longest_match == (reading == "contextual")
    constraint = compile_grammar(grammar, index)
    assert [text for text in (*case.texts, *case.others) if reads(parser, text)] == list(case.texts)
    decisions = {text: reads(parser, text) for text in sorted(texts_of(case, grammar, 12 * EFFORT, len(name)))}
    assert {text: constraint.accepts(text) for text in decisions} == decisions
    assert len(decisions) >= 40
    assert min(sum(decisions.values()), len(decisions) - sum(decisions.values())) >= 5


def test_prefixes_are_those_of_texts(index: TokenizerIndex) -> None:
    """What can be read can be completed, and the completion is a text to Lark."""
    for name, case in CASES.items():
        parser = Lark(case.source, **case.options)
        constraint = compile_grammar(lark(case.source, lexer=reading_of(case)), index)
        for text in case.texts:
            for end in range(len(text.encode())):
                matcher = constraint.matcher()
                assert matcher.accept_text(text.encode()[:end]), name
                whole = text.encode()[:end] + matcher.shortest_completion()
                assert reads(parser, whole.decode()), (name, whole)


def test_the_two_readings_differ(index: TokenizerIndex) -> None:
    """With a lexer a keyword is no name and a lexeme is as long as it can be; without one every cut counts."""
    source = 'start: "in" NAME | NAME NAME | NAME\nNAME: /[a-z]{1,3}/\n%ignore " "'
    munch = compile_grammar(lark(source), index)
    every = compile_grammar(lark(source, lexer="dynamic_complete"), index)
    texts = ["in x", "inxy", "a in", "ab cd", "abcd", "inx", "in", "abcde f"]
    assert [text for text in texts if munch.accepts(text)] == ["in x", "inxy", "a in", "ab cd", "abcd", "inx"]
    assert [text for text in texts if every.accepts(text)] == [*texts[:-1]]


def test_the_start_rule_and_folders(index: TokenizerIndex, tmp_path: Any) -> None:
    """Other start rules, and grammars imported from a folder."""
    (tmp_path / "words.lark").write_text("pair: WORD WORD\nWORD: /[a-z]/\n")
    source = '%import words.pair\n%import words (WORD)\nstart: "x"\nother: pair "!" WORD\n'
    grammar = lark(source, start="other", import_paths=[tmp_path])
    assert grammar.key == "", "what it means depends on files"
    constraint = compile_grammar(grammar, index)
    assert [text for text in ("ab!c", "x", "ab!", "ab") if constraint.accepts(text)] == ["ab!c"]


# Lazy quantifiers


LAZY = [
    r'".*?"',
    r'".*?(?<!\\)(\\\\)*?"',  # common.ESCAPED_STRING
    "a.*?b",
    "a.*?b+",
    "a.*?b+a*",
    "(?s:ab.*?ba)",
    "(a.*?b|b.*?a)",
    "a.*?b.*?a",
    "a+?",
    "a??b.*?b",
    r'[ab]?"(?!"").*?(?<!a)"',
    "a.*?(b|ab)",
    "a.{2,3}?b|b+",
    "a{1,2}?b",
]
UNDECIDED = ["a*.*?ab", "(a.*?b)+", "b?.*?b", "b.*a.*?b", "a.*?(b|bb)", "a?b??", "(a.*?)?b"]


@pytest.mark.parametrize("pattern", LAZY)
def test_lazy_quantifiers(pattern: str) -> None:
    """All short texts: those are lexemes that `re.match` takes as a whole."""
    language = Language(lexeme_language(pattern, Flags()))
    texts = ["".join(signs) for length in range(6) for signs in itertools.product('ab"\\', repeat=length)]
    expected = [text for text in texts if (found := re.match(pattern, text)) and found.end() == len(text)]
    assert [text for text in texts if text.encode() in language] == expected


@pytest.mark.parametrize("pattern", UNDECIDED)
def test_lazy_quantifiers_that_depend_on_greedy_ones(pattern: str) -> None:
    """They are refused, with their place."""
    with pytest.raises(GrammarSyntaxError, match="lazy") as caught:
        lark(f"start: A\nA: /{pattern}/")
    assert (caught.value.line, caught.value.column) == (2, 4)


# Errors and diagnostics

ERRORS = [
    ('start: "a" missing', (1, 12), "missing"),
    ('// missing\nstart: "a"\n\n  | other\nother: "b" missing\n', (5, 12), "missing"),
    ('start: A\nA: "b" B', (2, 8), "B"),
    ("start: A\n  A: /[/", (2, 6), "unterminated"),
    ("start: A\nA: /(a)\\1/", (2, 4), "back-references"),
    ('start: "b" /x(/', (1, 12), "regular expression"),
    ('start: "a" (', (1, 13), "parenthesis"),
    ('start "a"', (1, 7), "colon"),
    ('start: "a"\n start: "b"', (2, 2), "more than once"),
    ('A: "a"\nA.2: "b"\nstart: A', (2, 1), "more than once"),
    ('start: "a', (1, 8), "Unexpected input"),
    ('start: A\nA: A "b"', (2, 1), "Recursion"),
    ('start: A\nA: ""', (2, 4), "Empty"),
    ("start: B\n\nB: /x/q", (3, 7), "Rules aren't allowed"),
    ('start: "q"~3..1', (1, 12), "Bad Range"),
    ('start: "a"\n%ignore SPACE', (2, 9), "SPACE"),
    ("start: A\n%declare A", (1, 8), "declared"),
    ('start: "a"\n%import nowhere.X', (2, 9), "nowhere"),
    ("start: X\n%import common.NOTHING -> X", (1, 8), "not defined"),
    ('start: t{"a", "b"}\nt{x}: x', (1, 8), "template arguments"),
    ('start: "a" -> x y', (1, 17), "Unexpected token"),
    ('other: "a"', (1, 1), "start rule 'start'"),
    ("", (1, 1), "start rule 'start'"),
]


@pytest.mark.parametrize(("source", "place", "message"), ERRORS)
def test_errors_have_a_place(source: str, place: tuple[int, int], message: str) -> None:
    """Line and column are those of what is wrong, and the message shows the line."""
    with pytest.raises(GrammarSyntaxError, match=message) as caught:
        lark(source)
    assert (caught.value.line, caught.value.column) == place
    assert caught.value.source == source


def test_rules_of_no_use_have_a_place() -> None:
    """Unreachable and unproductive rules are reported, imported ones and templates are not."""
    source = (
        'start: "a" | loop | t{"c"}\n  ?lost.2: "b" _alone\n_alone: "d"\nt{x}: x\nunused{x}: x\n'
        'loop: "x" loop\n%import python.name\n'
    )
    found = {(d.message, d.rule, d.position) for d in diagnostics(lark(source))}
    assert found == {
        ("cannot be reached from the start", "lost", ir.Position(2, 4)),
        ("cannot be reached from the start", "_alone", ir.Position(3, 1)),
        ("derives no text", "loop", ir.Position(6, 1)),
    }


def test_grammars_without_texts(index: TokenizerIndex) -> None:
    """A start rule that derives nothing is an error."""
    with pytest.raises(UnsatisfiableConstraintError, match="'start'"):
        compile_grammar(lark('start: "x" start'), index)


def test_wrong_arguments() -> None:
    """Readings that there are not."""
    with pytest.raises(ValueError, match="lexer"):
        lark('start: "a"', lexer="basic")
