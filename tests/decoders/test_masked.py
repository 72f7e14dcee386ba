"""Masked decoding draws what it says, weighs it properly, and keeps to its budget."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import constrain
from constrain.decoders import choice
from constrain.decoders.contract import BatchSampler, Draw, Sampler, StreamingSampler
from constrain.decoders.masked import MaskedDecoding
from constrain.errors import ConstrainError, TokenizerError, UnsatisfiableConstraintError
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.decoders.toys import TableModel, enumerate_chance, sequences, weighted_law
from tests.oracles import ByteGrammar
from tests.strategies import grammars, vocabularies

TOKENS = [b"a", b"b", b"ab", b"", b"bb", b"ab", b"c"]
END = 3
WIDTH = 8  # one logit more than there are tokens


def _constraint(pattern: str, tokens: list[bytes] = TOKENS, ends: tuple[int, ...] = (END,)) -> CompiledConstraint:
    index = constrain.TokenizerIndex.from_tokenizer(Vocabulary(tuple(tokens), {}, ends), end_tokens=ends, cache=False)
    return constrain.compile(constrain.regex(pattern), index)


def _draw(
    sampler: MaskedDecoding, model: TableModel, constraint: CompiledConstraint, prompt: list[int], **options
) -> Draw:  # type: ignore[no-untyped-def]
    (sample,) = sampler.draw(model, prompt, constraint, **options)
    return Draw(sample.tokens, sample.log_weight, sample.log_probability)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_contracts() -> None:
    """Masked decoding is a sampler of all three kinds."""
    sampler: Sampler = MaskedDecoding()
    assert isinstance(sampler, BatchSampler)
    assert isinstance(sampler, StreamingSampler)


@pytest.mark.parametrize(
    ("pattern", "longest", "few"),
    [
        ("ab|abb|c", None, 32),
        ("(ab|c)*", 3, 32),
        ("a(b|bb)*c?", 3, 32),
        ("|a", None, 32),
        ("abab", None, 32),
        ("c*b?", 3, 0),
        ("a(b|cc)?", 3, 0),
        ("|a", 1, 0),
    ],
)
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_draws_are_properly_weighted(
    monkeypatch: pytest.MonkeyPatch, pattern: str, longest: int | None, few: int, temperature: float
) -> None:
    """E[w · 1{x}] = P(x) for every sequence x of the language, over everything that chance can do."""
    monkeypatch.setattr(choice, "_FEW", few)
    model, constraint = TableModel(WIDTH), _constraint(pattern)
    sampler = MaskedDecoding(temperature=temperature)

    def run() -> Draw:
        draw = _draw(sampler, model, constraint, [0], max_new_tokens=longest, rng=_rng())
        assert draw.log_probability == pytest.approx(model.log_probability([0], draw.tokens))
        return draw

    law = weighted_law(enumerate_chance(monkeypatch, run))
    expected = sequences(TOKENS, END, longest or 5, constraint.accepts)
    assert law == pytest.approx({x: math.exp(model.log_probability([0], x)) for x in expected})


def test_weight_is_the_mass_of_what_is_allowed() -> None:
    """Without warpers and budget, by its formula; the law is the model's, renormalised step by step."""
    model, constraint = TableModel(WIDTH), _constraint("(ab|c)*b")
    draw = _draw(MaskedDecoding(), model, constraint, [0, 1], rng=_rng(5))
    matcher, expected = constraint.matcher(), 0.0
    for i, token in enumerate(draw.tokens):
        law = torch.softmax(model.logits([0, 1, *draw.tokens[:i]]).double(), -1)
        expected += math.log(sum(float(law[t]) for t in matcher.allowed_tokens()))
        assert matcher.accept_token(token)
    assert draw.log_weight == pytest.approx(expected)
    assert matcher.is_finished


@pytest.mark.parametrize("warp_first", [False, True])
@pytest.mark.parametrize("warpers", [{"top_k": 2}, {"top_p": 0.7}, {"min_p": 0.4, "temperature": 0.8}])
def test_warpers_cut_but_weights_hold(monkeypatch: pytest.MonkeyPatch, warp_first: bool, warpers: dict) -> None:
    """What the warpers leave has its own probability as expected weight; nothing else occurs."""
    model, constraint = TableModel(WIDTH), _constraint("(a|b){1,2}c?")
    sampler = MaskedDecoding(warp_first=warp_first, **warpers)
    law = weighted_law(enumerate_chance(monkeypatch, lambda: _draw(sampler, model, constraint, [0], rng=_rng())))
    everything = sequences(TOKENS, END, 4, constraint.accepts)
    assert set(law) < everything
    assert law == pytest.approx({x: math.exp(model.log_probability([0], x)) for x in law})


def test_greedy_is_the_argmax_of_each_step() -> None:
    """By following it with a matcher."""
    model, constraint = TableModel(WIDTH), _constraint("(ab|c)*b")
    draw = _draw(MaskedDecoding(temperature=0), model, constraint, [0], rng=_rng())
    matcher = constraint.matcher()
    for i, token in enumerate(draw.tokens):
        logits = model.logits([0, *draw.tokens[:i]])
        assert token == max(matcher.allowed_tokens(), key=lambda t: float(logits[t]))
        assert matcher.accept_token(token)
    assert draw.log_weight == draw.log_probability


def test_forced_tokens_take_no_calls() -> None:
    """A text without any choice is read by the model in one call, which weighs it."""
    tokens = [b"x", b"y", b"z", b""]
    constraint = _constraint("xyzzy(x|y)", tokens)
    model = TableModel(4)
    draw = _draw(MaskedDecoding(), model, constraint, [0], rng=_rng())
    assert model.calls == [5, 1]
    assert draw.log_probability == pytest.approx(model.log_probability([0], draw.tokens))
    long = _constraint("(xyz){40}", tokens)
    model = TableModel(4)
    draw = _draw(MaskedDecoding(), model, long, [0], rng=_rng())
    assert model.calls == [64, 56]
    assert draw.log_weight == draw.log_probability == pytest.approx(model.log_probability([0], draw.tokens))


def test_jump_ahead_reads_the_tokenizers_own_tokens() -> None:
    """Text that must come next is read as the tokenizer cuts it; without it other tokens are drawn as well."""
    tokens = [b"l", b"o", b"n", b"g", b"long", b"x", b"y", b""]

    def encode(text: str) -> list[int]:
        return [tokens.index(part.encode()) for part in text.replace("long", "|long|").split("|") if part]

    index = constrain.TokenizerIndex(Vocabulary(tuple(tokens), {"<end>": 7}, (7,), encode=encode))
    constraint = constrain.compile(constrain.regex("long[xy]"), index)
    drawn = set()
    for seed in range(40):
        drawn.add(_draw(MaskedDecoding(), TableModel(8), constraint, [0], rng=_rng(seed)).tokens)
    assert {x[:-2] for x in drawn} == {(4,), (0, 1, 2, 3)}
    for seed in range(5):
        model = TableModel(8)
        draw = _draw(MaskedDecoding(jump_ahead=True), model, constraint, [0], rng=_rng(seed))
        assert draw.tokens[:-2] == (4,)
        assert model.calls == [1, 1]
        assert draw.log_probability == pytest.approx(model.log_probability([0], draw.tokens))


@pytest.mark.parametrize("budget", [None, 6])
def test_a_batch_is_its_rows(budget: int | None) -> None:
    """Each row comes out as on its own, whatever the others are; streams give the same."""
    model = TableModel(WIDTH)
    constraints = [_constraint(p) for p in ("(ab|c)*b", "abab", "c{0,9}", "(a|b)*c")]
    prompts = [[0], [1, 2], [2], [0, 1, 2]]
    sampler = MaskedDecoding(temperature=1.5)
    batch = sampler.draw_batch(model, constraints, prompts, max_new_tokens=budget, rngs=[_rng(i) for i in range(4)])
    for i, draw in enumerate(batch):
        alone = _draw(sampler, model, constraints[i], prompts[i], max_new_tokens=budget, rng=_rng(i))
        assert alone.tokens == draw.tokens
        assert alone.log_weight == pytest.approx(draw.log_weight)
        steps = list(sampler.stream(model, constraints[i], prompts[i], max_new_tokens=budget, rng=_rng(i)))
        assert steps[-1] == alone
        assert [token for step in steps[:-1] for token in step] == list(alone.tokens)  # type: ignore[union-attr]


def test_same_seed_same_draw() -> None:
    """And other seeds give other draws."""
    model, constraint = TableModel(WIDTH), _constraint("[abc]{6}")
    draws = [_draw(MaskedDecoding(), model, constraint, [0], rng=_rng(seed)) for seed in (1, 1, 2, 3)]
    assert draws[0] == draws[1]
    assert len({draw.tokens for draw in draws}) > 1


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_vocabulary_without_an_end(temperature: float) -> None:
    """The text stops where nothing can follow, or where the budget does."""
    tokens = [b"a", b"b", b"ab"]
    finite, endless = _constraint("ab|b", tokens, ()), _constraint("(ab)*", tokens, ())
    sampler = MaskedDecoding(temperature=temperature)
    draw = _draw(sampler, TableModel(3), finite, [0], rng=_rng())
    assert finite.accepts(b"".join(tokens[t] for t in draw.tokens))
    draw = _draw(sampler, TableModel(3), endless, [0], max_new_tokens=5, rng=_rng())
    assert len(draw.tokens) <= 5
    assert endless.accepts(b"".join(tokens[t] for t in draw.tokens))
    assert draw.log_probability == pytest.approx(TableModel(3).log_probability([0], draw.tokens))


def test_a_vocabulary_that_cannot_spell_the_language() -> None:
    """It is an error, not another text."""
    with pytest.raises(TokenizerError):
        _constraint("ab", [b"a", b"c", b""], (2,))


def test_a_budget_too_small_names_what_is_needed() -> None:
    """With the end token."""
    with pytest.raises(ConstrainError, match="needs 4 tokens"):
        _draw(MaskedDecoding(), TableModel(WIDTH), _constraint("cab(c|ab)+"), [0], max_new_tokens=3, rng=_rng())


def _fewest_tokens(grammar: ByteGrammar, tokens: list[bytes], most: int) -> int | None:
    """Tokens of the shortest text in tokens, the end included; None when more than `most`."""
    here = {b""}
    for count in range(1, most + 1):
        if any(grammar.accepts(text) for text in here):
            return count
        here = {text + token for text in here for token in tokens if token}
        here = {text for text in here if grammar.viable(text)}
    return None


@settings(max_examples=60)
@given(grammars(), vocabularies(), st.integers(1, 6), st.sampled_from([0.0, 1.0, 3.0]), st.integers(0, 99))
def test_budgets_are_met_with_finished_texts(  # type: ignore[no-untyped-def]
    grammar, tokens: list[bytes], budget: int, temperature: float, seed: int
) -> None:
    """Whatever the grammar: a text of the language within the budget, or an error when there is none."""
    end = len(tokens)
    index = constrain.TokenizerIndex.from_tokenizer(
        Vocabulary((*tokens, b""), {}, (end,)), end_tokens=[end], cache=False
    )
    sampler, model = MaskedDecoding(temperature=temperature), TableModel(end + 1, seed)
    try:
        constraint = constrain.compile(grammar, index)
    except UnsatisfiableConstraintError:
        return
    oracle = ByteGrammar(grammar)
    try:
        draw = _draw(sampler, model, constraint, [0], max_new_tokens=budget, rng=_rng(seed))
    except ConstrainError:
        assert _fewest_tokens(oracle, tokens, min(budget, 4)) is None
        return
    assert len(draw.tokens) <= budget
    assert draw.tokens[-1] == end
    assert oracle.accepts(b"".join(tokens[t] for t in draw.tokens[:-1]))


def test_a_long_completion_is_begun_only_when_it_fits() -> None:
    """One token commits to 50 more: it is chosen by a budget that allows that, and by no other."""
    tokens = [bytes([byte]) for byte in range(256)] + [b"", b"((("]
    constraint = _constraint(r"x+|\({3}y{50}", tokens, (256,))
    started = {
        budget: {
            257
            in _draw(MaskedDecoding(), TableModel(258, seed), constraint, [0], max_new_tokens=budget, rng=_rng()).tokens
            for seed in range(12)
        }
        for budget in (51, 52)
    }
    assert started[51] == {False}
    assert True in started[52]


def test_a_text_of_fewer_tokens_may_be_longer() -> None:
    """A budget that only a longer text meets is met."""
    tokens = [b"a", b"b", b"c", b" international", b""]
    constraint = _constraint("abc| international", tokens, (4,))
    for seed in range(8):
        draw = _draw(MaskedDecoding(), TableModel(5, seed), constraint, [0], max_new_tokens=2, rng=_rng(seed))
        assert draw.tokens == (3, 4)


def test_the_embedded_settings_are_checked() -> None:
    """Settings out of range are refused when the sampler is made."""
    with pytest.raises(ValueError, match="top_k"):
        MaskedDecoding(top_k=0)
