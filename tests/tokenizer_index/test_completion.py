"""The shortest completion is one: against derivations of least length by definition, and against every next byte."""

import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir, regular
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import DeadEndError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.lark_syntax import lark
from constrain.grammars.regex import regex
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.limits import Limits
from constrain.tokenizer_index.matcher import Matcher
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.matching import compiled_or_none
from tests.oracles import ByteGrammar, grammar_of
from tests.strategies import ALPHABET, booleans, examples, grammars

_BYTES = TokenizerIndex.from_tokenizer([bytes([byte]) for byte in range(256)], cache=False)
_SEEDS = st.integers(0, 1 << 32)


def _compiled(grammar: ir.Grammar) -> CompiledConstraint:
    return compile_grammar(grammar, _BYTES)


def _next_bytes(matcher: Matcher) -> list[int]:
    return [token for token in matcher.allowed_tokens() if token < 256]


def _after(matcher: Matcher, text: bytes) -> Matcher:
    probe = matcher.fork()
    assert probe.accept_text(text)
    return probe


def _check(matcher: Matcher, following: Iterable[int]) -> bytes:
    """Lengths of shortest completions are the one solution of: 0 at the end, else one more than after the best byte.

    No byte of `following` leads to a completion that is shorter by more than one, and the first byte of the completion
    leads to the rest of it.  Where that holds everywhere, lengths are exact, by induction along any other completion.
    """
    completion = matcher.shortest_completion()
    assert (not completion) == matcher.is_accepting
    assert _after(matcher, completion).is_accepting
    if completion:
        assert _after(matcher, completion[:1]).shortest_completion() == completion[1:]
    for byte in following:
        assert len(completion) <= 1 + len(_after(matcher, bytes([byte])).shortest_completion())
    return completion


def _walk(grammar: ir.Grammar, seed: int, steps: int, looked_at: int = 8, likely: bytes = b"") -> None:
    """Check the places along a random text; bytes of `likely` come ten times as often."""
    choice, matcher = random.Random(seed), _compiled(grammar).matcher()
    for _ in range(steps):
        following = _next_bytes(matcher)
        _check(matcher, following if len(following) <= looked_at else choice.sample(following, looked_at))
        if not following:
            break
        byte = choice.choices(following, [10 if byte in likely else 1 for byte in following])[0]
        assert matcher.accept_token(byte)


class _Weights(ByteGrammar):
    """How many symbols it takes to go on, by the construction with which `ByteGrammar` decides whether one can."""

    def least(self, text: bytes) -> int | None:
        """Length of the shortest completion; None when there is none."""
        last, weights = len(text), {name: {} for name in self.productions}  # type: ignore[var-annotated]
        changed = True
        while changed:
            changed = False
            for name, alternatives in self.productions.items():
                for production in alternatives:
                    for pair, weight in self._of_production(production, text, last, weights).items():
                        if weight < weights[name].get(pair, 1 << 30):
                            weights[name][pair] = weight
                            changed = True
        found: int | None = weights[self.start].get((0, last))
        return found

    def _of_production(
        self, production: Iterable[int | str], text: bytes, last: int, weights: dict[str, dict[tuple[int, int], int]]
    ) -> dict[tuple[int, int], int]:
        here = {(i, i): 0 for i in range(last + 1)}
        for symbol in production:
            if isinstance(symbol, str):
                step = weights[symbol]
            else:
                step = {(i, i + 1): 0 for i in range(last) if text[i] == symbol}
                step[last, last] = 1
            reached: dict[tuple[int, int], int] = {}
            for (a, b), weight in here.items():
                for (c, d), more in step.items():
                    if b == c and weight + more < reached.get((a, d), 1 << 30):
                        reached[a, d] = weight + more
            here = reached
        return here


@examples(40)
@given(grammars(), _SEEDS)
def test_completions_have_the_least_length_of_derivations(grammar: ir.Grammar, seed: int) -> None:
    """On random grammars and prefixes of their texts, the completion is as long as the shortest derivation asks for."""
    compiled = compiled_or_none(grammar, _BYTES)
    oracle = _Weights(grammar)
    if compiled is None:
        assert oracle.least(b"") is None
        return
    choice, matcher, text = random.Random(seed), compiled.matcher(), b""
    for _ in range(3):
        completion = _check(matcher, [])
        assert len(completion) == oracle.least(text)
        assert oracle.accepts(text + completion)
        following = [byte for byte in _next_bytes(matcher) if byte in ALPHABET]
        if not following:
            break
        text += bytes([choice.choice(following)])
        matcher = _after(compiled.matcher(), text)


@examples(40)
@given(booleans(), _SEEDS)
def test_boolean_operations(expression: regular.Regular, seed: int) -> None:
    """Intersections, complements and differences are searched, and what is found is shortest."""
    grammar = grammar_of(expression)
    if compiled_or_none(grammar, _BYTES) is not None:
        _walk(grammar, seed, 5)


# Objects and lists


def _literal(text: str) -> ir.Terminal:
    return ir.Terminal(regular.Literal(text.encode()))


_VALUES = {"v1": _literal("1"), "v22": _literal("22"), "v333": _literal("333")}
_NAMES = {
    "short": regular.Repetition(regular.Symbols(((0x61, 0x62),)), 0, None),
    "long": regular.Concatenation(
        (regular.Literal(b'z"z'), regular.Repetition(regular.Symbols(((0x7A, 0x7A),)), 0, None))
    ),
}


@st.composite
def _members(draw: st.DrawFn) -> ir.Grammar:
    """An object with declared keys, classes of other keys that have no name in common, and bounds that can be met."""
    rule = st.sampled_from([*_VALUES, None])
    names = draw(st.lists(st.sampled_from([b"a", b"ab", b"c", b'"', "é\n".encode()]), unique=True, max_size=4))
    keys = tuple(ir.Key(name, draw(rule), draw(st.booleans())) for name in names)
    classes = draw(st.lists(st.sampled_from(sorted(_NAMES)), unique=True, max_size=2))
    others = tuple(ir.OtherKeys(_NAMES[name], draw(rule), draw(st.booleans())) for name in classes)
    least = sum(key.required for key in keys) + sum(other.needed for other in others)
    minimum = draw(st.integers(0, 4 if others else len(keys)))
    maximum = draw(st.none() | st.integers(max(least, minimum), max(least, minimum) + 2))
    body = ir.Members(
        keys=keys,
        others=others,
        minimum=minimum,
        maximum=maximum,
        ordered=draw(st.booleans()),
        open=_literal("{"),
        close=_literal("}"),
        comma=_literal(", "),
        colon=_literal(":"),
        key_prefix=regular.Literal(draw(st.sampled_from([b'"', b' "']))),
        any_escape=draw(st.booleans()),
    )
    return ir.Grammar("start", {"start": body, **_VALUES})


@examples(50)
@given(_members(), _SEEDS)
def test_objects(grammar: ir.Grammar, seed: int) -> None:
    """Required keys, classes that need a member, bounds, any order: no place of an object has a shorter way out."""
    _walk(grammar, seed, 16, likely=b'"},:123abz\\')


@st.composite
def _lists(draw: st.DrawFn) -> ir.Grammar:
    first = tuple(draw(st.lists(st.sampled_from(sorted(_VALUES)), max_size=3)))
    rest = draw(st.none() | st.sampled_from([*_VALUES, "start"]))
    minimum = draw(st.integers(0, 5 if rest else len(first)))
    maximum = draw(st.none() | st.integers(minimum, minimum + 2))
    body = ir.Items(first, rest, minimum, maximum, _literal("["), _literal("]"), _literal(","))
    return ir.Grammar("start", {"start": ir.Alternation((body, _literal("nothing"))), **_VALUES})


@examples(40)
@given(_lists(), _SEEDS)
def test_lists(grammar: ir.Grammar, seed: int) -> None:
    """Bounds, items of their own, lists within lists."""
    _walk(grammar, seed, 24, likely=b"[],123")


_SCHEMAS = {
    "escapes": ({"type": "string", "minLength": 2, "pattern": '^[\x00-\x1f"]'}, '"\\n0"'),
    "any value": (True, ""),
    "recursion": (
        {
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {
                        "value": {"type": "integer", "minimum": 10},
                        "left": {"$ref": "#/$defs/node"},
                        "right": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    },
                    "required": ["value", "right"],
                    "additionalProperties": False,
                }
            },
            "$ref": "#/$defs/node",
        },
        '{"value":10,"right":null}',
    ),
    "distinct items": ({"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 3}, ""),
    "contained items": ({"type": "array", "contains": {"const": "abc"}, "minContains": 2}, '["abc","abc"]'),
    "numbers": ({"type": "number", "exclusiveMinimum": 1e30}, "1e31"),
    "texts without": ({"type": "string", "not": {"pattern": "^.{0,3}$"}}, '"\\n"'),
    "dates": ({"type": "string", "format": "date-time"}, ""),
    "conditions": (
        {
            "type": "object",
            "properties": {"kind": {"enum": ["a", "bb"]}},
            "required": ["kind"],
            "if": {"properties": {"kind": {"const": "a"}}},
            "then": {"required": ["long name"]},
        },
        '{"kind":"bb"}',
    ),
}


@pytest.mark.parametrize("name", _SCHEMAS)
def test_json_schemas(name: str) -> None:
    """Grammars whose rules are made on demand; where a shortest text is known, as long as that."""
    schema, shortest = _SCHEMAS[name]
    grammar = json_schema(schema)
    text = _compiled(grammar).shortest_text()
    if shortest:
        assert len(text) == len(shortest)
    for seed in range(2):
        _walk(grammar, seed, 20, likely=b'"{}[],:\\u0123456789')


_LONGEST_MATCH: dict[str, Callable[[], ir.Grammar]] = {
    "keywords": lambda: lark(
        'start: statement+\nstatement: KEYWORD NAME NAME ";" | "if" NAME "then" statement "else" statement\n'
        'KEYWORD: "select"\nNAME: /[a-z]+/\n%ignore /[ \\n]+/'
    ),
    "left recursion": lambda: lark(
        'start: sum\nsum: sum "+" product | sum "-" product | product\nproduct: product "*" atom | atom\n'
        'atom: NUMBER | "(" sum ")" | "f(" sum ("," sum)* ")"\nNUMBER: /[0-9]{4}/\n%ignore " "'
    ),
    "lexemes that run into each other": lambda: lark('start: A B C B A\nA: "a"|"ab"+\nB: "b"|/ba+c/\nC: /[abc]x?/'),
    "no separator": lambda: lark("start: NAME NUMBER NAME\nNAME: /[a-z]+/\nNUMBER: /[a-z]?[0-9]+/\n"),
}


@pytest.mark.parametrize("name", _LONGEST_MATCH)
def test_longest_match(name: str) -> None:
    """Where lexemes have to be kept apart, the search finds a shortest way to do that."""
    grammar = _LONGEST_MATCH[name]()
    assert grammar.longest_match
    for seed in range(3):
        _walk(grammar, seed, 20, looked_at=40, likely=b"();,+ 01ab")


# Cost


def test_rules_that_do_not_matter_are_not_made() -> None:
    """Of an object of optional members, no rule of a member is made; of required ones, theirs."""
    made: list[str] = []

    def make_rule(name: str) -> ir.Expression:
        made.append(name)
        if name != "start":
            return _literal("1")
        keys = tuple(ir.Key(str(i).encode(), f"value {i}", required=i < 3) for i in range(100))
        punctuation = [_literal(mark) for mark in "{},:"]
        return ir.Members(keys, (), 0, None, True, *punctuation, regular.Literal(b'"'))

    text = _compiled(ir.Grammar("start", {}, make_rule=make_rule)).shortest_text()
    assert text == b'{"0":1,"1":1,"2":1}'
    assert sorted(made) == ["start", "value 0", "value 1", "value 2"]


def test_large_counts_cost_nothing() -> None:
    """That a string of at least a million characters is no short cut is known without a state for each of them."""
    schema = {"anyOf": [{"type": "string", "minLength": 1_000_000}, {"const": [[[[["deep"]]]]]}]}
    compiled = _compiled(json_schema(schema))
    assert compiled.shortest_text() == b'[[[[["deep"]]]]]'
    assert compiled.memory_bytes() < 4_000_000


def test_deep_nesting() -> None:
    """Three thousand open brackets are closed; nothing is recursive."""
    matcher = _compiled(ebnf('root ::= "(" root ")" | "x"')).matcher()
    assert matcher.accept_text("(" * 3000)
    assert matcher.shortest_completion() == b"x" + b")" * 3000
    matcher = _compiled(lark('start: start "+" atom | atom\natom: "(" start ")" | "x"')).matcher()
    assert matcher.accept_text("x+(" * 1000)
    assert matcher.shortest_completion() == b"x" + b")" * 1000


def test_completions_survive_a_full_engine() -> None:
    """When the memory of the automata is used up, the matcher goes on in a new engine."""
    compiled = compile_grammar(json_schema(True), _BYTES, Limits(max_memory=1 << 22))
    choice = random.Random(0)
    for _ in range(300):
        matcher = compiled.matcher()
        text = '{"' + "".join(choice.choice("abcdefgh") for _ in range(30))
        assert matcher.accept_text(text)
        assert matcher.shortest_completion() == b'":0}'


# Special tokens, and the end


def _with_special() -> TokenizerIndex:
    tokens = tuple(bytes([byte]) for byte in range(256))
    return TokenizerIndex(Vocabulary((*tokens, b"", b""), {"<call>": 256, "<end>": 257}, (257,)))


def test_special_tokens_are_avoided() -> None:
    """A text without special tokens is preferred to a shorter one; they are used where there is no other way."""
    index = _with_special()
    call = ir.SpecialToken("<call>")
    either = ir.Grammar("s", {"s": ir.Alternation((call, _literal("long enough")))})
    assert compile_grammar(either, index).shortest_text() == b"long enough"
    only = ir.Grammar("s", {"s": ir.Sequence((_literal("ab"), call, call, _literal("c")))})
    matcher = compile_grammar(only, index).matcher()
    assert matcher.shortest_completion_parts() == [b"ab", 256, 256, b"c"]
    with pytest.raises(DeadEndError):
        matcher.shortest_completion()
    assert matcher.accept_token(97)
    assert matcher.accept_token(98)
    assert matcher.accept_token(256)
    assert matcher.accept_token(256)
    assert matcher.shortest_completion() == b"c"


def test_nothing_is_left_behind_the_end() -> None:
    """Where the text may end, and behind the end token, the completion is empty."""
    matcher = compile_grammar(regex("ab*"), _with_special()).matcher()
    assert matcher.shortest_completion() == b"a"
    assert matcher.accept_token(97)
    assert matcher.shortest_completion() == b""
    assert matcher.accept_token(257)
    assert matcher.shortest_completion() == b""
    assert matcher.shortest_completion_parts() == []
