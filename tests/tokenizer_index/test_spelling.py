"""Vocabularies that lack bytes: a token is allowed exactly when tokens lead from behind it to the end."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir
from constrain.grammars.ebnf import ebnf
from constrain.grammars.errors import ResourceLimitError, TokenizerError, UnsatisfiableConstraintError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.regex import regex
from constrain.grammars.regular import Regular
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.limits import Limits
from constrain.tokenizer_index.spelling import SpellingStates
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.matching import index_of, mask_of
from tests.oracles import ByteGrammar, Edges, grammar_of
from tests.strategies import ALPHABET, examples, grammars, regulars

_SEEDS = st.integers(0, 1 << 32)
_WORDS = st.lists(st.lists(st.sampled_from(list(ALPHABET)), min_size=1, max_size=3).map(bytes), min_size=1, max_size=7)


class _Spelled(ByteGrammar):
    """What can be spelled, by the construction of Bar-Hillel, Perles and Shamir: the automaton is the text, one more
    token, and behind it a loop of all tokens.
    """

    def allowed(self, text: bytes, tokens: Sequence[bytes]) -> tuple[set[int], bool]:
        """The tokens behind `text` from which tokens lead to the end, and whether the text is one of the language."""
        edges: Edges = {}
        count = 1

        def path(start: int, symbols: bytes, end: int | None) -> int:
            nonlocal count
            for i, symbol in enumerate(symbols):
                target = end if end is not None and i == len(symbols) - 1 else count
                if target == count:
                    count += 1
                edges.setdefault(symbol, {}).setdefault(start, set()).add(target)
                start = target
            return start

        end = path(0, text, None)
        loops = {}
        for number, token in enumerate(tokens):
            behind = path(end, token, None)
            loops[number] = behind
            for other in set(tokens):
                path(behind, other, behind)
        reached = self._ends(edges)
        return {number for number, loop in loops.items() if loop in reached}, end in reached


def _walk(compiled: CompiledConstraint, oracle: _Spelled, tokens: list[bytes], seed: int) -> None:
    choice, matcher, text = random.Random(seed), compiled.matcher(), b""
    (end,) = compiled.end_tokens
    for _ in range(4):
        allowed, accepting = oracle.allowed(text, tokens)
        assert mask_of(matcher) == allowed | ({end} if accepting else set())
        assert matcher.is_accepting == accepting
        assert matcher.is_finished == (accepting and not allowed)
        assert allowed or accepting, "no dead ends"
        for token in range(len(tokens) + 2):
            probe = matcher.fork()
            assert matcher.is_allowed(token) == (token in allowed or (accepting and token == end))
            assert probe.accept_token(token) == (token in allowed or (accepting and token == end))
            if token < len(tokens):
                assert matcher.fork().accept_text(tokens[token]) == (token in allowed)
        if not allowed:
            break
        token = choice.choice(sorted(allowed))
        assert matcher.accept_token(token)
        text += tokens[token]


def _check(grammar: ir.Grammar, tokens: list[bytes], seed: int) -> bool:
    """Masks along a random text are those of the oracle; whether they were found out within the limits."""
    oracle = _Spelled(grammar)
    begins, empty = oracle.allowed(b"", tokens)
    try:
        compiled = compile_grammar(grammar, index_of(tokens), Limits(max_states=300))
    except UnsatisfiableConstraintError:
        assert not oracle.viable(b"")
        return True
    except TokenizerError:
        assert not begins
        assert not empty
        return True
    except ResourceLimitError:
        return False
    assert begins or empty
    try:
        _walk(compiled, oracle, tokens, seed)
    except ResourceLimitError:
        return False
    return True


@examples(150)
@given(regulars(), _WORDS, _SEEDS)
def test_regular_languages(expression: Regular, tokens: list[bytes], seed: int) -> None:
    """Of regular languages it is always found out, and masks are exact."""
    assert _check(grammar_of(expression), tokens, seed)


@examples(150)
@given(grammars(), _WORDS, _SEEDS)
def test_context_free_languages(grammar: ir.Grammar, tokens: list[bytes], seed: int) -> None:
    """Of context-free languages, masks are exact, or the limit is named."""
    _check(grammar, tokens, seed)


def test_words() -> None:
    """A list of words: what no words can end is not begun."""
    tokens = [b"the ", b"cat", b"cats", b"dog", b" sat", b"."]
    matcher = compile_grammar(regex(r"the (cat|cats|dogs|cow)( sat)?\."), index_of(tokens)).matcher()
    assert mask_of(matcher) == {0}
    assert matcher.accept_token(0)
    assert mask_of(matcher) == {1, 2}, "dogs and cows cannot be spelled"
    assert not matcher.accept_text("dog")
    assert matcher.accept_text("cat")


def test_parity() -> None:
    """Pairs of brackets close an even number: an odd one is not begun where it can be told."""
    index = index_of([b"(", b"))", b"x"])
    compiled = compile_grammar(regex(r"\((x|\()\)\)|\(x\)"), index)
    matcher = compiled.matcher()
    assert matcher.accept_token(0)
    assert mask_of(matcher) == {0, 2}
    assert matcher.fork().accept_text("((") is False


def test_missing_bytes_are_named() -> None:
    """What a shortest text needs and no token contains."""
    with pytest.raises(TokenizerError, match=r"b'\{'"):
        compile_grammar(json_schema({"type": "object"}), index_of([b'"', b"}", b":", b"a", b"1"]))
    with pytest.raises(TokenizerError, match="b'b'"):
        compile_grammar(regex("ab"), index_of([b"a", b"bc"]))


def test_recursion_ends_at_the_limit() -> None:
    """Where brackets nest and can never be closed, the search stops, and says which bytes are missing."""
    index = index_of([b"(", b"x"])
    with pytest.raises(ResourceLimitError, match=r"b'\)'") as caught:
        compile_grammar(ebnf('root ::= "(" root ")" | "x" ")"'), index, Limits(max_states=100))
    assert caught.value.limit == "max_states"


def test_recursion_that_can_be_spelled() -> None:
    """Nesting needs no search where closing brackets are tokens, however deep it is."""
    index = index_of([b"[", b"]", b"1", b",", b"[["])
    matcher = compile_grammar(json_schema(True), index, Limits(max_states=100)).matcher()
    for _ in range(500):
        assert matcher.accept_token(4)
    assert mask_of(matcher) == {0, 1, 2, 4}


def test_complete_vocabularies_are_not_searched() -> None:
    """With all bytes among the tokens, states are the plain ones."""
    every = [bytes([byte]) for byte in range(256)]
    assert type(compile_grammar(regex("a"), index_of(every))._states) is not SpellingStates
    assert type(compile_grammar(regex("a"), index_of(every[:-1]))._states) is SpellingStates


@pytest.mark.parametrize("space", [True, False])
def test_a_stripped_space(space: bool) -> None:
    """Where a space is stripped at the beginning, the first token is looked at without it."""
    tokens = (b" ab", b" a", b"c", b" ", b" b", b"ac", b"")
    index = TokenizerIndex(Vocabulary(tokens, {"<end>": 6}, (6,), strips_space=space))
    matcher = compile_grammar(regex("abc|acd|ac| ac" if space else " abc| acd| ac"), index).matcher()
    assert mask_of(matcher) == ({0, 1, 3, 5} if space else {0, 1, 3})
    assert matcher.accept_token(1)
    assert mask_of(matcher) == {2}
    assert matcher.accept_token(2)
    assert mask_of(matcher) == {6}


def test_special_tokens_are_spelled() -> None:
    """A completion may need special tokens; end tokens are none that a grammar may ask for."""
    index = TokenizerIndex(Vocabulary((b"a", b"", b""), {"<call>": 1, "<end>": 2}, (2,)))
    call, literal = ir.SpecialToken("<call>"), regex("a").rule(regex("a").start)
    grammar = ir.Grammar("s", {"s": ir.Sequence((literal, call, literal))})
    matcher = compile_grammar(grammar, index).matcher()
    for token in (0, 1, 0, 2):
        assert mask_of(matcher) == {token}
        assert matcher.accept_token(token)
    with pytest.raises(ValueError, match="special token"):
        compile_grammar(ir.Grammar("s", {"s": ir.SpecialToken("<end>")}), index)
