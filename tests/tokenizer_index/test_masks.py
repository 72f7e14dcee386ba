"""A token is allowed exactly when a text of the language begins so: against context-free grammars by definition."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.lark_syntax import lark
from constrain.grammars.regex import regex, regex_language
from constrain.grammars.regular import ANY_TEXT, Regular
from constrain.tokenizer_index.compiled import allocate_token_bitmask, compile_grammar
from constrain.tokenizer_index.matcher import Matcher
from tests.matching import compiled_or_none, index_of, mask_of, plain_mask
from tests.oracles import ByteGrammar, grammar_of
from tests.strategies import booleans, examples, grammars, vocabularies

_SEEDS = st.integers(0, 1 << 32)


def _check_state(matcher: Matcher, viable: set[int], accepting: bool) -> None:
    """The mask is `viable` and, where the text may end, the end token; just the tokens of the mask are accepted."""
    index = matcher.constraint.index
    mask = mask_of(matcher)
    (end,) = index.end_tokens
    assert mask == viable | ({end} if accepting else set())
    assert plain_mask(matcher) == viable
    assert matcher.is_accepting == accepting
    assert set(matcher.allowed_tokens()) == mask
    assert matcher.is_finished == (accepting and not viable)
    for token in range(-1, index.vocab_size + 1):
        probe = matcher.fork()
        before = probe.state_key
        assert matcher.is_allowed(token) == (token in mask)
        assert probe.accept_token(token) == (token in mask)
        if token not in mask:
            assert probe.state_key == before


@examples(250)
@given(grammars(), vocabularies(), st.integers(0, 40), _SEEDS)
def test_masks_are_exact(grammar: ir.Grammar, vocabulary: list[bytes], unused: int, seed: int) -> None:
    """On random grammars, vocabularies and texts, a mask holds the tokens that texts of the language go on with."""
    oracle = ByteGrammar(grammar)
    index = index_of(vocabulary, unused)
    compiled = compiled_or_none(grammar, index)
    assert (compiled is not None) == oracle.viable(b"")
    if compiled is None:
        return
    choice, matcher, text = random.Random(seed), compiled.matcher(), b""
    for _ in range(4):
        viable = {token for token in oracle.viable_after(text, vocabulary) if vocabulary[token]}
        _check_state(matcher, viable, oracle.accepts(text))
        if not viable:
            break
        token = choice.choice(sorted(viable))
        assert matcher.accept_token(token)
        text += vocabulary[token]
    assert b"".join(vocabulary[token] for token in matcher.tokens) == text


@examples(200)
@given(booleans(), vocabularies(), _SEEDS)
def test_masks_of_regular_languages_are_exact(expression: Regular, vocabulary: list[bytes], seed: int) -> None:
    """The same of a single terminal with boolean operations, whose prefixes are those of its automaton."""
    language = Language(expression)
    compiled = compiled_or_none(grammar_of(expression), index_of(vocabulary))
    assert (compiled is None) == language.is_empty()
    if compiled is None:
        return
    choice, matcher, text = random.Random(seed), compiled.matcher(), b""
    for _ in range(4):
        viable = {t for t, token in enumerate(vocabulary) if token and language.is_prefix(text + token)}
        _check_state(matcher, viable, text in language)
        if not viable:
            break
        token = choice.choice(sorted(viable))
        assert matcher.accept_token(token)
        text += vocabulary[token]


@examples(150)
@given(grammars(), vocabularies(), _SEEDS)
def test_a_text_may_be_cut_in_any_way(grammar: ir.Grammar, vocabulary: list[bytes], seed: int) -> None:
    """Different tokens of one text, and the text read as such, lead to the same state."""
    compiled = compiled_or_none(grammar, index_of(vocabulary))
    if compiled is None:
        return
    choice, matcher = random.Random(seed), compiled.matcher()
    for _ in range(5):
        allowed = sorted(set(matcher.allowed_tokens()) - compiled.end_tokens)
        if not allowed:
            break
        matcher.accept_token(choice.choice(allowed))
    text = b"".join(vocabulary[token] for token in matcher.tokens)
    other = compiled.matcher()
    at = 0
    while at < len(text):
        beginnings = [t for t, token in enumerate(vocabulary) if token and text.startswith(token, at)]
        token = choice.choice(beginnings)
        assert other.accept_token(token)
        at += len(vocabulary[token])
    whole = compiled.matcher()
    assert whole.accept_text(text)
    assert matcher.state_key == other.state_key == whole.state_key
    assert mask_of(matcher) == mask_of(other) == mask_of(whole)


def test_vocabularies_wider_than_their_tokens() -> None:
    """Ids beyond the tokens are never allowed, and the bits of the last word beyond the ids do not matter."""
    for unused in (0, 28, 29, 30, 31, 32, 100):
        index = index_of([b"a", b"b"], unused)
        compiled = compile_grammar(ir.Grammar("s", {"s": ir.Terminal(ANY_TEXT)}), index)
        matcher = compiled.matcher()
        assert mask_of(matcher) == {0, 1, 2}
        bitmask = allocate_token_bitmask(1, index.vocab_size)
        assert bitmask.shape == (1, -(-(3 + unused) // 32))
        assert matcher.fill_next_token_bitmask(bitmask) == (unused > 0)


@pytest.mark.parametrize("pattern", ["(?:[a-z]*x(?=a)b)|0", '(?:[^"]*"(?=a)b)|0|1', "(?:a|b)(?=b)a|b"])
def test_a_way_that_ends_in_nothing_allows_nothing(pattern: str) -> None:
    """An alternative whose beginning has a row of its own, and whose end is empty, adds no tokens."""
    vocabulary = [bytes([byte]) for byte in b'abx01"']
    language = Language(regex_language(pattern))
    matcher = compile_grammar(regex(pattern), index_of(vocabulary)).matcher()
    assert mask_of(matcher) == {t for t, token in enumerate(vocabulary) if language.is_prefix(token)}


def test_memory_that_grows_within_a_search() -> None:
    """A search for a way to the end that runs out of memory, and is begun again, sees what it saw before."""
    index = index_of([b"a", b"b"])
    for length in (3, 300, 3_000):
        grammar = lark(f"start: LONG | NAME NAME\nLONG.2: /[a-z]{{{length}}}/\nNAME: /[a-z]+/\n")
        compiled = compile_grammar(grammar, index)
        assert compiled.accepts("ab" * (length // 2) + "a" * (length % 2))
        assert not compiled.accepts("a" * (length - 1))
        assert not compiled.accepts("a" * (length + 1))
