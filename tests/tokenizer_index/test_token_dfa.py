"""The explicit automaton over tokens allows what matchers allow, and is the smallest that does."""

import random
import time
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import ResourceLimitError, TokenizerError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.lark_syntax import lark
from constrain.grammars.regex import regex
from constrain.grammars.regular import Regular
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.limits import Limits
from constrain.tokenizer_index.token_dfa import TokenDFA
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.matching import compiled_or_none, index_of, mask_of
from tests.oracles import grammar_of
from tests.strategies import booleans, examples, vocabularies


def _check_shape(dfa: TokenDFA, index: TokenizerIndex) -> None:
    """Arrays have the types and shapes that are promised, and numbers are given in the order of first meeting."""
    assert dfa.classes.dtype == dfa.transitions.dtype == np.int32
    assert dfa.accepting.dtype == np.bool_
    assert dfa.classes.shape == (index.vocab_size,)
    assert dfa.transitions.shape == (len(dfa.accepting), dfa.class_count)
    first_met = list(dict.fromkeys(dfa.classes.tolist()))
    assert first_met == list(range(dfa.class_count))
    assert dfa.transitions.min() >= -1
    assert dfa.transitions.max() < dfa.state_count
    met = [0]
    for state in met:
        met += [t for t in dict.fromkeys(dfa.transitions[state].tolist()) if t >= 0 and t not in met]
    assert sorted(met) == list(range(dfa.state_count))
    ended = [dfa.state_count - 1] if index.end_tokens else []
    assert [state for state in met if state not in ended] == list(range(dfa.state_count - len(ended)))


def _check_minimal(dfa: TokenDFA, index: TokenizerIndex) -> None:
    """No two columns are equal, and pairs of states are told apart, by the table-filling algorithm.

    The state behind the end is kept apart from one where nothing but the end is possible.
    """
    assert len(np.unique(dfa.transitions, axis=1).T) == dfa.class_count
    size = dfa.state_count
    steps = np.where(dfa.transitions < 0, size, dfa.transitions)
    steps = np.vstack([steps, np.full(dfa.class_count, size)])
    accepting = np.append(dfa.accepting, False)
    apart = accepting[:, None] != accepting[None, :]
    if index.end_tokens:
        apart[size - 1] = apart[:, size - 1] = np.arange(size + 1) != size - 1
    while True:
        wider = apart.copy()
        for column in steps.T:
            wider |= apart[np.ix_(column, column)]
        if (wider == apart).all():
            break
        apart = wider
    assert (apart | np.eye(size + 1, dtype=bool)).all(), "the state that stands for no transition is apart, too"


def _check_walk(compiled: CompiledConstraint, dfa: TokenDFA, seed: int, steps: int = 12) -> None:
    """Along random tokens, ends included, the automaton allows what the matcher does."""
    choice, matcher, state = random.Random(seed), compiled.matcher(), 0
    for _ in range(steps):
        mask = mask_of(matcher)
        assert set(np.flatnonzero(dfa.allowed(state)).tolist()) == mask
        assert bool(dfa.accepting[state]) == matcher.is_accepting
        if not mask:
            break
        token = choice.choice(sorted(mask))
        assert matcher.accept_token(token)
        state = dfa.step(state, token)
        assert dfa.run(matcher.tokens) == state


def _check(compiled: CompiledConstraint, seeds: Iterable[int]) -> TokenDFA:
    dfa = compiled.token_dfa()
    _check_shape(dfa, compiled.index)
    if dfa.state_count <= 60:
        _check_minimal(dfa, compiled.index)
    for seed in seeds:
        _check_walk(compiled, dfa, seed)
    return dfa


@examples(120)
@given(booleans(), vocabularies(), st.integers(0, 40), st.integers(0, 1 << 32))
def test_random_regular_languages(expression: Regular, vocabulary: list[bytes], unused: int, seed: int) -> None:
    """On random languages and vocabularies: the same tokens everywhere, in the fewest states and classes."""
    compiled = compiled_or_none(grammar_of(expression), index_of(vocabulary, unused))
    if compiled is not None:
        _check(compiled, range(seed, seed + 4))


_WORDS = [b'{"', b'":', b"ab", b"true", b"tru", b'"}', b"00", b"12", b'","', b"}]", "é".encode(), b"\xc3"]
_BYTES = [bytes([byte]) for byte in range(256)]

_SCHEMAS = {
    "object": {
        "type": "object",
        "properties": {"a": {"type": "boolean"}, "b": {"enum": ["x", "yy", None]}},
        "required": ["b"],
        "additionalProperties": False,
    },
    "list": {"type": "array", "items": {"enum": ["ab", True, [None]]}, "minItems": 1, "maxItems": 3},
    "string": {"type": "string", "pattern": "^a{1,3}é?$"},
    "distinct": {"type": "array", "items": {"enum": ["p", "q", "rr"]}, "uniqueItems": True},
    "strings": {"type": "array", "items": {"type": "string", "minLength": 2, "maxLength": 4}},
}


@pytest.mark.parametrize("name", _SCHEMAS)
def test_json_schemas(name: str) -> None:
    """Schemas of bounded depth are finite."""
    grammar = json_schema(_SCHEMAS[name], whitespace="compact", escapes="needed")
    dfa = _check(compile_grammar(grammar, index_of(_BYTES + _WORDS)), range(6))
    assert dfa.state_count < 300


def test_enumeration() -> None:
    """All sequences of up to four tokens of a small vocabulary, against texts that the matcher reads byte by byte."""
    index = index_of([b"a", b"b", b"ab", b"ba", b"bb"])
    compiled = compile_grammar(regex("(ab|ba?)*a"), index)
    dfa = _check(compiled, range(3))
    sequences: list[tuple[int, ...]] = [()]
    for sequence in sequences:
        text = index.decode(sequence)
        state, whole = dfa.run(sequence), compiled.matcher()
        assert (state >= 0) == whole.accept_text(text)
        if state >= 0:
            assert bool(dfa.accepting[state]) == whole.is_accepting
        if len(sequence) < 4:
            sequences += [(*sequence, token) for token in range(5)]


def test_longest_match() -> None:
    """Lark grammars without recursion are finite, although lexemes look ahead."""
    grammar = lark('start: A B+ C?\nA: "a"|"ab"+\nB: "b"|/ba+c/\nC: /[abc]x?/\n%ignore " "')
    _check(compile_grammar(grammar, index_of([b"a", b"b", b"c", b"x", b" ", b"ab", b" b"])), range(8))


def test_equal_constraints_have_equal_automata() -> None:
    """However a language is written."""
    index = index_of([b"a", b"b", b"ab", b"c", b"aab"])
    one = compile_grammar(regex("(a|b)*ab"), index).token_dfa()
    other = compile_grammar(ebnf('root ::= [ab] root | "a" "b"'), index).token_dfa()
    np.testing.assert_array_equal(one.classes, other.classes)
    np.testing.assert_array_equal(one.transitions, other.transitions)
    np.testing.assert_array_equal(one.accepting, other.accepting)


def test_tokens_fall_into_few_classes() -> None:
    """Tokens with equal columns share a class: digits, those that are never allowed, and the end."""
    vocabulary = [*_BYTES, *[str(number).encode() for number in range(10, 100)]]
    dfa = compile_grammar(regex("[0-9]{4}"), index_of(vocabulary)).token_dfa()
    assert dfa.state_count == 6
    assert dfa.class_count == 4
    assert len(set(dfa.classes[256:346].tolist())) == 1


def test_special_tokens_and_ends() -> None:
    """A special token that the grammar names is read; any of several end tokens may follow an accepting state."""
    index = TokenizerIndex(Vocabulary((b"a", b"b", b"", b"", b""), {"<call>": 2, "<end>": 3, "<stop>": 4}, (3, 4)))
    call = ir.SpecialToken("<call>")
    grammar = ir.Grammar("s", {"s": ir.Sequence((call, ir.Repeat(call, 0, None)))})
    dfa = _check(compile_grammar(grammar, index), range(4))
    assert dfa.run([2, 2, 3, 4, 3]) == dfa.state_count - 1
    assert dfa.run([3]) == dfa.run([2, 3, 2]) == -1


def test_no_end_tokens() -> None:
    """Without end tokens there is no state behind the end."""
    dfa = compile_grammar(regex("ab"), TokenizerIndex.from_tokenizer([b"a", b"b"], cache=False)).token_dfa()
    assert dfa.state_count == 3
    assert dfa.accepting.tolist() == [False, False, True]


@pytest.mark.parametrize("pattern", [" ?[a ]*", "a( b)*", "  a|b", "", "ab|aa b|b a"])
def test_a_stripped_space(pattern: str) -> None:
    """Where one space is stripped at the beginning, the first token is read so, and later ones are not."""
    tokens = (b"a", b" ", b" a", b"  a", b"b", b" b", b"")
    index = TokenizerIndex(Vocabulary(tokens, {"<end>": 6}, (6,), strips_space=True))
    compiled = compile_grammar(regex(pattern), index)
    _check(compiled, range(10))


def test_recursion_is_an_error() -> None:
    """A grammar that nests has infinitely many states: the error says so, and names the limit."""
    index = index_of(_BYTES)
    start = time.process_time()
    for grammar in (ebnf('root ::= "(" root ")" | "x"'), json_schema(True)):
        with pytest.raises(ResourceLimitError, match="contains itself") as caught:
            compile_grammar(grammar, index).token_dfa()
        assert caught.value.limit == "max_states"
    assert time.process_time() - start < 60
    with pytest.raises(ResourceLimitError, match="max_states"):
        compile_grammar(regex("a{50}"), index, Limits(max_states=50)).token_dfa()
    assert compile_grammar(regex("a{49}"), index, Limits(max_states=50)).token_dfa().state_count == 51


def test_right_recursion_is_finite() -> None:
    """Recursion that is a loop is no nesting."""
    dfa = _check(compile_grammar(ebnf('root ::= "a" root | "b" root "" | "c"'), index_of([b"a", b"b", b"c"])), range(3))
    assert dfa.state_count == 3


def test_long_chains() -> None:
    """Three thousand states in a row are told apart in time that does not grow with their square."""
    start = time.process_time()
    dfa = compile_grammar(regex("[ab]{0,3000}"), index_of(_BYTES)).token_dfa()
    assert time.process_time() - start < 60
    assert dfa.state_count == 3002


def test_vocabularies_that_lack_bytes() -> None:
    """What no tokens can end is no state of the automaton, and the columns of tokens that lead there are empty."""
    index = index_of([b"a", b"bc", b"d", b"cd"])
    dfa = _check(compile_grammar(regex("a(bc|bd|db)*|cdd?c"), index), range(5))
    assert dfa.state_count == 3
    assert dfa.class_count == 4
    assert dfa.run([2]) == dfa.run([3, 2]) == dfa.run([0, 2]) == -1


@examples(80)
@given(booleans(), st.lists(st.sampled_from([b"a", b"ab", b"b,", b"((", b"\xc3\xa9", b"b"]), min_size=1))
def test_random_vocabularies_that_lack_bytes(expression: Regular, vocabulary: list[bytes]) -> None:
    """The automaton of all tokens, cut back, and the search from each state agree."""
    index = index_of(vocabulary)
    try:
        compiled = compiled_or_none(grammar_of(expression), index)
    except TokenizerError:
        return
    if compiled is not None:
        _check(compiled, range(3))
