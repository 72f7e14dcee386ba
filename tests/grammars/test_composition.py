"""Grammars put together from grammars: their languages and masks by definition, and named parts found again."""

import json
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.choice import choice
from constrain.grammars.composition import (
    capture,
    captures,
    complement,
    concatenation,
    embedded,
    intersection,
    limited,
    optional,
    repetition,
    special_token,
    substring,
    text_until,
    text_without,
    union,
)
from constrain.grammars.composition.reading import DEAD, reading_rules
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import GrammarError, GrammarSyntaxError, UnsatisfiableConstraintError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.lark_syntax import lark
from constrain.grammars.regex import regex
from constrain.grammars.regular import ANY_TEXT, Intersection, Literal, Regular
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from tests.matching import brute_force, compiled_or_none, index_of, mask_of
from tests.oracles import ByteGrammar
from tests.strategies import ALPHABET, examples, grammars, regulars, vocabularies

BYTES = [bytes([byte]) for byte in range(256)]
_SEEDS = st.integers(0, 1 << 32)


@pytest.fixture(scope="module")
def byte_index() -> TokenizerIndex:
    """A vocabulary of single bytes."""
    return index_of(BYTES)


def texts(size: int = 6) -> st.SearchStrategy[bytes]:
    """Short byte strings over the alphabet of random grammars."""
    return st.lists(st.sampled_from(list(ALPHABET)), max_size=size).map(bytes)


def walk(constraint: CompiledConstraint, seed: int, steps: int = 6) -> bytes:
    """A text read off a random walk through masks, each of which is compared with reading every token."""
    draw, matcher, text = random.Random(seed), constraint.matcher(), b""
    for _ in range(steps):
        mask = mask_of(matcher)
        assert mask == brute_force(matcher)
        tokens = sorted(mask - constraint.end_tokens)
        if not tokens:
            break
        token = draw.choice(tokens)
        assert matcher.accept_token(token)
        text += constraint.index.tokens[token]
    return text


# Rules that may be loaded one by one


@examples(150)
@given(grammars(), vocabularies(), st.lists(texts(), max_size=4), _SEEDS)
def test_reading_rules_are_exact(grammar: ir.Grammar, vocabulary: list[bytes], some: list[bytes], seed: int) -> None:
    """Loaded on demand, the rules have the non-empty texts of the grammar: the same masks, along a random text."""
    oracle, index = ByteGrammar(grammar), index_of(vocabulary)
    if not oracle.viable(b""):
        with pytest.raises(UnsatisfiableConstraintError):
            reading_rules(grammar)
        return
    rules, start = reading_rules(grammar)
    assert start.nullable == oracle.accepts(b"")
    if start.reads is DEAD:
        assert not any(oracle.viable(token) for token in vocabulary if token)
        return
    constraint = compile_grammar(ir.Grammar(grammar.start, {}, make_rule=rules.__getitem__), index)
    draw, matcher, text = random.Random(seed), constraint.matcher(), b""
    for one in some:
        assert constraint.accepts(one) == (one != b"" and oracle.accepts(one))
    for _ in range(4):
        viable = {token for token in oracle.viable_after(text, vocabulary) if vocabulary[token]}
        assert mask_of(matcher) - constraint.end_tokens == viable
        assert matcher.is_accepting == (text != b"" and oracle.accepts(text))
        if not viable:
            break
        token = draw.choice(sorted(viable))
        assert matcher.accept_token(token)
        text += vocabulary[token]


@pytest.mark.parametrize(
    ("source", "accepted", "refused"),
    [
        ('root ::= root "+" "a" | "a"', ["a", "a+a+a"], ["", "a+", "+a"]),
        ('root ::= list? "b"\nlist ::= list "a" | item\nitem ::= list ("," | "") | "a"', ["b", "a,aab"], [",b", "a"]),
        ('root ::= x | "a"\nx ::= root | root "b" x?', ["a", "ab", "abb"], ["b", "ba"]),
    ],
)
def test_left_recursion(source: str, accepted: list[str], refused: list[str], byte_index: TokenizerIndex) -> None:
    """Rules that begin with themselves, directly and through others, stand beside rules made on demand."""
    part = json_schema({"const": 1})
    constraint = compile_grammar(concatenation(part, ":", ebnf(source)), byte_index)
    assert [text for text in accepted + refused if constraint.accepts("1:" + text)] == accepted


# Joining


@examples(20)
@given(grammars(), grammars(), st.lists(texts(), min_size=1, max_size=5), st.booleans())
def test_joining_is_exact(first: ir.Grammar, second: ir.Grammar, some: list[bytes], on_demand: bool) -> None:
    """Unions and concatenations have the texts that they should, whether or not rules are made on demand."""
    oracles = ByteGrammar(first), ByteGrammar(second)
    if not all(oracle.viable(b"") for oracle in oracles):
        return
    lazy = replace(choice(["$$"]), rules={}, make_rule=choice(["$$"]).rule) if on_demand else choice(["$$"])
    index = index_of([bytes([byte]) for byte in [*ALPHABET, ord("$")]])
    joined = compile_grammar(concatenation(lazy, first, second), index)
    either = compile_grammar(concatenation(lazy, union(first, optional(second))), index)
    for text in some:
        cuts = range(len(text) + 1)
        pairs = any(oracles[0].accepts(text[:cut]) and oracles[1].accepts(text[cut:]) for cut in cuts)
        assert joined.accepts(b"$$" + text) == pairs
        assert either.accepts(b"$$" + text) == (not text or oracles[0].accepts(text) or oracles[1].accepts(text))


@examples(40)
@given(regulars(3), st.integers(0, 3), st.one_of(st.none(), st.integers(0, 3)), st.lists(texts(), max_size=5))
def test_repetition(part: Regular, minimum: int, more: int | None, some: list[bytes]) -> None:
    """A repetition is that of the expression, with separators."""
    maximum = None if more is None else minimum + more
    grammar = ir.Grammar("s", {"s": ir.Terminal(part)})
    constraint = compiled_or_none(repetition(grammar, minimum, maximum, separator=","), index_of(BYTES))
    one = ir.Reference("s")
    rounds = range(minimum, (minimum + 7 if maximum is None else maximum) + 1)
    ways = tuple(
        ir.Sequence(tuple(ir.Terminal(Literal(b",")) if i % 2 else one for i in range(max(2 * count - 1, 0))))
        for count in rounds
    )
    oracle = ByteGrammar(ir.Grammar("t", {**grammar.rules, "t": ir.Alternation(ways)}))
    for text in some:
        assert (constraint is not None and constraint.accepts(text)) == oracle.accepts(text)


def test_rules_stay_on_demand(byte_index: TokenizerIndex) -> None:
    """A part whose rules are made on demand makes only those that a text comes to."""
    made: list[str] = []

    def rule(name: str) -> ir.Expression:
        made.append(name)
        return ir.Sequence((choice([name]).rule("start"), ir.Repeat(ir.Reference(name + "x"), 0, 1)))

    def part(name: str) -> ir.Grammar:
        return ir.Grammar(name, {}, make_rule=rule)

    grammar = union(concatenation("1", optional(part("a"))), concatenation("2", part("b")))
    matcher = compile_grammar(grammar, byte_index).matcher()
    assert matcher.accept_text("1aaxaxx")
    assert not matcher.accept_text("b")
    assert set(made) <= {"a", "ax", "axx", "axxx"}
    assert made


def test_a_whole_that_may_be_empty(byte_index: TokenizerIndex) -> None:
    """Also where rules are made on demand, which by themselves derive no empty text."""
    part = optional(json_schema({"const": 1}))
    for whole in (part, optional(part), union(part, "2"), repetition(part, maximum=1)):
        constraint = compile_grammar(whole, byte_index)
        assert constraint.accepts("")
        assert constraint.accepts("1")
        assert not constraint.accepts("11")
        assert constraint.matcher().is_accepting
    constraint = compile_grammar(concatenation(part, ";", part), byte_index)
    assert all(constraint.accepts(text) for text in ("1;1", ";1", "1;", ";"))
    assert not constraint.accepts("")
    long = choice(["", *(f"option {number}" for number in range(1000))])
    constraint = compile_grammar(concatenation(long, ";", long), byte_index)
    assert all(constraint.accepts(text) for text in (";", "option 7;", ";option 999"))
    assert not constraint.accepts("")


def test_longest_lexemes_are_refused() -> None:
    """What follows a grammar with a lexer would change how it is read."""
    with pytest.raises(GrammarError, match="dynamic_complete"):
        union("a", lark('start: "a"'))
    with pytest.raises(TypeError):
        union(3)  # type: ignore[arg-type]


def _refusal(part: ir.Grammar) -> str:
    """Why a part cannot be made optional; empty when it can."""
    try:
        optional(part)
    except GrammarError as error:
        return str(error)
    return ""


def test_nesting_is_bounded(byte_index: TokenizerIndex) -> None:
    """Grammars within grammars: some dozens are fine, too many are an error, not a crash."""
    part = json_schema({"type": "null"})
    for _ in range(50):
        part = concatenation("(", part, ")")
    assert compile_grammar(part, byte_index).accepts("(" * 50 + "null" + ")" * 50)
    while "deep" not in (message := _refusal(part)):
        part = optional(part)
    assert "100 deep" in message


def test_keys_tell_grammars_apart() -> None:
    """Equal grammars have equal keys, others do not; a part without a key leaves none."""
    made = [
        concatenation("a", "b"),
        concatenation("ab"),
        union("a", "b"),
        optional("a"),
        repetition("a", 1),
        repetition("a", 1, 2),
        capture("x", "a"),
        capture("y", "a"),
        text_without("a"),
        text_until("a"),
        limited("a", max_bytes=1),
        limited("a", max_characters=1),
        complement("a"),
        substring("a"),
        substring("a", unit="words"),
        special_token("a"),
    ]
    keys = [grammar.key for grammar in made]
    assert "" not in keys
    assert len(set(keys)) == len(keys)
    assert concatenation("a", "b").key == keys[0]
    assert concatenation("a", replace(choice(["b"]), key="")).key == ""


def test_schema_in_tags_in_free_text() -> None:
    """JSON of a schema within XML tags within free text, with masks by brute force and the values found again."""
    tags = ebnf('root ::= "<data>" data ("," data)* "</data>" | "<none/>"\ndata ::= "."')
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    free = text_without("<data>", "<none/>")
    grammar = concatenation(
        capture("before", free), embedded(tags, {"data": capture("value", json_schema(schema))}), free
    )
    index = index_of(
        [*BYTES, b"<da", b"ta>", b'{"', b'a":', b'"a"', b'"}', b"},{", b"</", b"</data>", b'"}</', b"<data>{", b" x"]
    )
    constraint = compile_grammar(grammar, index)
    values = [{"a": "</data> <data>"}, {"a": "é", "b": [1, {"a": 2}]}]
    text = "see <dat: <data>" + ",".join(map(json.dumps, values)) + "</data> done </data>"
    matcher = constraint.matcher()
    for end in range(0, len(text), 7):
        assert mask_of(matcher) == brute_force(matcher)
        assert matcher.accept_text(text[end : end + 7])
    assert matcher.is_accepting
    found = captures(grammar, text)
    assert [one.name for one in found] == ["before", "value", "value"]
    assert found[0].text == "see <dat: "
    assert [json.loads(one.text) for one in found[1:]] == values
    assert all(text[one.start : one.end] == one.text for one in found)
    for wrong in ("", "x", "<data></data>", '<data>{"a":1}</data>', text + "<data>"):
        assert not constraint.accepts(wrong)
        with pytest.raises(GrammarSyntaxError):
            captures(grammar, wrong)


def test_embedding_needs_a_place() -> None:
    """A part that the host has no place for is an error."""
    with pytest.raises(GrammarError, match="'b'"):
        embedded(ebnf('root ::= a\na ::= "x"'), {"a": "y", "b": "z"})


# Regular languages


@examples(60)
@given(regulars(), st.lists(texts(), min_size=1, max_size=5), st.integers(0, 4))
def test_complement_and_budgets(part: Regular, some: list[bytes], limit: int) -> None:
    """Complements and budgets are what they should be, on texts of the alphabet."""
    grammar = ir.Grammar("s", {"s": ir.Terminal(part)})
    oracle, index = ByteGrammar(grammar), index_of(BYTES)
    others = compiled_or_none(complement(grammar), index)
    short = compiled_or_none(limited(grammar, max_bytes=limit), index)
    brief = compiled_or_none(limited(grammar, max_characters=limit), index)
    for text in some:
        try:
            characters = len(text.decode())
        except UnicodeDecodeError:
            continue
        assert (others is not None and others.accepts(text)) != oracle.accepts(text)
        assert (short is not None and short.accepts(text)) == (oracle.accepts(text) and len(text) <= limit)
        assert (brief is not None and brief.accepts(text)) == (oracle.accepts(text) and characters <= limit)


@pytest.mark.parametrize("use", [complement, lambda part: limited(part, max_bytes=3)])
def test_only_regular_parts(use: object) -> None:
    """What needs a regular part says so."""
    for part in (ebnf('root ::= "(" root ")" | "x"'), json_schema({"type": "object"})):
        with pytest.raises(GrammarError, match="a regular one"):
            use(part)  # type: ignore[operator]


_MARKERS = st.lists(st.text("ab<", min_size=1, max_size=3), min_size=1, max_size=3)


@examples(80)
@given(_MARKERS, st.text("ab<é", max_size=7), _SEEDS)
def test_text_and_markers(markers: list[str], text: str, seed: int) -> None:
    """Texts without markers, and texts up to the first one, overlapping markers included."""
    index = index_of([*BYTES, b"a<", b"<ab", b"aa", "éa".encode()])
    free, until = compile_grammar(text_without(*markers), index), compile_grammar(text_until(*markers), index)
    assert free.accepts(text) == all(marker not in text for marker in markers)
    ends = [i for i in range(len(text) + 1) if any(text[:i].endswith(marker) for marker in markers)]
    assert until.accepts(text) == (ends[:1] == [len(text)])
    walk(until, seed)


@examples(60)
@given(grammars(), regulars(4), st.lists(texts(), min_size=1, max_size=6), _SEEDS)
def test_intersection(grammar: ir.Grammar, part: Regular, some: list[bytes], seed: int) -> None:
    """The texts of both parts, and no others; the order of the parts does not matter."""
    second = ir.Grammar("s", {"s": ir.Terminal(part)})
    oracles, index = (ByteGrammar(grammar), ByteGrammar(second)), index_of(BYTES)
    both = [text for text in some if all(oracle.accepts(text) for oracle in oracles)]
    try:
        constraints = [compile_grammar(intersection(*pair), index) for pair in ((grammar, second), (second, grammar))]
    except UnsatisfiableConstraintError:
        assert both == []
        return
    for constraint in constraints:
        assert [text for text in some if constraint.accepts(text)] == both
    text = constraints[0].shortest_text()
    assert all(oracle.accepts(text) for oracle in oracles)
    walk(constraints[1], seed)


def test_intersection_that_is_not_possible() -> None:
    """Two context-free languages, and objects with a regular language, are refused."""
    nested = ebnf('root ::= "(" root ")" | "x"')
    with pytest.raises(GrammarError, match="has to be regular"):
        intersection(nested, nested)
    with pytest.raises(GrammarError, match="made on demand"):
        intersection(json_schema({"type": "object"}), regex(".*"))
    with pytest.raises(UnsatisfiableConstraintError):
        intersection(nested, regex("y"))
    with pytest.raises(UnsatisfiableConstraintError):
        intersection("x", regex("y"))


# Pieces of documents


@examples(40)
@given(st.text("ab é\n,", min_size=1, max_size=12), st.text("ab é\n,", max_size=4), _SEEDS)
def test_pieces(document: str, other: str, seed: int) -> None:
    """Pieces by characters are all substrings; masks are by brute force."""
    index = index_of([*BYTES, b"ab", b"a ", "é\n".encode(), b"\xc3", b"\xa9a"])
    constraint = compile_grammar(substring(document), index)
    pieces = {document[i:j] for i in range(len(document)) for j in range(i + 1, len(document) + 1)}
    for piece in [*sorted(pieces)[:20], other, other + document]:
        assert constraint.accepts(piece) == (piece in pieces)
    walk(constraint, seed)


@examples(40)
@given(st.text("ab \n,", min_size=1, max_size=12), st.sampled_from(["words", "lines"]), st.text("ab \n,", max_size=4))
def test_pieces_of_words_and_lines(document: str, unit: str, other: str) -> None:
    """Pieces begin and end at words and lines."""
    pattern = {"words": r"\s*\w+|\s*[^\w\s]|\s+\Z", "lines": r".*\n|.+"}[unit]
    units = re.findall(pattern, document)
    assert "".join(units) == document
    spans = ["".join(units[i:j]) for i in range(len(units)) for j in range(i + 1, len(units) + 1)]
    more = [span.lstrip() if unit == "words" else span.removesuffix("\n") for span in spans]
    pieces = {piece for piece in spans + more if piece}
    constraint = compile_grammar(substring(document, unit=unit), index_of(BYTES))
    for piece in {*sorted(pieces)[:20], other, document, document[1:], document[:-1]}:
        assert constraint.accepts(piece) == (piece in pieces), piece


def test_pieces_of_nothing() -> None:
    """An empty document has none, and units have names."""
    with pytest.raises(UnsatisfiableConstraintError):
        substring("")
    with pytest.raises(ValueError, match="unit"):
        substring("a", unit="pages")


# Named parts


@examples(80)
@given(grammars(), st.lists(texts(), min_size=1, max_size=4))
def test_captures_read_what_the_grammar_allows(grammar: ir.Grammar, some: list[bytes]) -> None:
    """A text is read exactly when it is of the language; the whole is found as a part of its own."""
    oracle = ByteGrammar(grammar)
    named = capture("all", grammar)
    for text in some:
        try:
            decoded = text.decode()
        except UnicodeDecodeError:
            continue
        if oracle.accepts(text):
            (found, *_) = captures(named, decoded)
            assert (found.name, found.text, found.start) == ("all", decoded, 0)
        else:
            with pytest.raises(GrammarSyntaxError):
                captures(named, decoded)


_SCHEMAS = [
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["b"], "maxProperties": 3},
    {
        "type": "object",
        "patternProperties": {"^x": {"type": "null"}},
        "minProperties": 1,
        "additionalProperties": False,
    },
    {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "boolean"}, "maxItems": 3, "minItems": 1},
    {"type": "array", "items": {"enum": ["p", "q", "r"]}, "uniqueItems": True},
    {"anyOf": [{"const": {"a": []}}, {"type": "array", "contains": {"const": 1}}]},
]
_VALUES = [
    *({"b": 1}, {"a": 1, "b": {"a": "x"}}, {"b": 0, "a": 2}, {"a": 1}, {"b": 1, "c": 2, "d": 3, "e": 4}),
    *({"xa": None, "x": None}, {"y": None}, {}, {"a": []}),
    *(["s"], ["s", True, False], ["s", True, False, True], [], ["p", "q"], ["p", "p"], [2, 1, "x"], [2]),
]


@pytest.mark.parametrize("schema", _SCHEMAS)
@pytest.mark.parametrize("order", ["schema", "any"])
def test_captures_of_schemas(schema: object, order: str, byte_index: TokenizerIndex) -> None:
    """Objects and lists are read as the engine reads them."""
    grammar = json_schema(schema, property_order=order)
    constraint = compile_grammar(grammar, byte_index)
    named = concatenation("=", capture("value", grammar))
    read = 0
    for value in _VALUES:
        for text in (json.dumps(value), json.dumps(value, indent=1), json.dumps(value).replace("a", "\\u0061")):
            if constraint.accepts(text):
                read += 1
                assert [one.text for one in captures(named, "=" + text)] == [text]
            else:
                with pytest.raises(GrammarSyntaxError):
                    captures(named, "=" + text)
    assert read > 0


def test_captures_within_captures() -> None:
    """Outer parts come before inner ones; recursion is found at every depth."""
    inner = embedded(ebnf('root ::= "(" (root | leaf)* ")"\nleaf ::= "."'), {"leaf": capture("leaf", regex("[a-z]"))})
    found = captures(capture("all", inner), "(a(b)c)")
    assert [(one.name, one.text) for one in found] == [("all", "(a(b)c)"), ("leaf", "a"), ("leaf", "b"), ("leaf", "c")]


def test_captures_are_always_the_same() -> None:
    """Where a text can be read in several ways, it is always read alike."""
    either = union(capture("x", regex("a+")), capture("y", regex("a*b?")))
    grammar = concatenation(either, either)
    assert captures(grammar, "aab") == captures(grammar, "aab")


def test_long_texts_have_captures() -> None:
    """Depth and length of a text cost no recursion."""
    depth = 3_000
    grammar = capture("all", ebnf('root ::= "(" root ")" | "x"'))
    text = "(" * depth + "x" + ")" * depth
    assert captures(grammar, text)[0].text == text


def test_place_of_a_text_that_is_not_allowed() -> None:
    """An error names the line and column where the text leaves the language."""
    grammar = concatenation(capture("a", regex("[a-z\\n]+")), ";")
    with pytest.raises(GrammarSyntaxError) as caught:
        captures(grammar, "ab\nc!;")
    assert (caught.value.line, caught.value.column) == (2, 2)


def test_special_tokens_by_name() -> None:
    """A special token is one token; in a text that is taken apart, it stands by its name."""
    index = TokenizerIndex.from_tokenizer([*BYTES, b""], end_tokens=256, cache=False)
    with pytest.raises(GrammarError, match="special token"):
        compile_grammar(concatenation(special_token("<call>"), "x"), index)
    grammar = concatenation(special_token("<call>"), capture("name", regex("[a-z]+")))
    assert [one.text for one in captures(grammar, "<call>abc")] == ["abc"]


def test_languages_of_markers() -> None:
    """A text without markers is one of Unicode; without any marker, every text."""
    assert Language(Intersection((ANY_TEXT,))).is_prefix("é".encode()[:1])
    assert captures(capture("t", text_without()), "é")[0].text == "é"
