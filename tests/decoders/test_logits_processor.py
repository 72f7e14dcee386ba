"""The logits processor in ``generate`` of `transformers`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LogitsProcessor as Base

import constrain
from constrain.decoders.budget import Budget
from constrain.decoders.successors import keep_fitting
from constrain.errors import ConstrainError, DeadEndError
from tests.decoders.transformer import (
    END,
    PROMPTS,
    WIDTH,
    assert_all_obey,
    compiled,
    index,
    inputs,
    llama,
    outputs,
    t5,
    tokenizer,
)

LISTS = 'root ::= "[" ([0-9]{1,3} ",")* "]"'
WORDS = 'root ::= "yes" | "no" | "perhaps" | "été"'
MODES: list[dict[str, Any]] = [
    {},
    {"do_sample": True, "top_k": 0},
    {"do_sample": True, "temperature": 1.7, "top_p": 0.9},
    {"num_beams": 4},
    {"num_beams": 4, "num_return_sequences": 3, "early_stopping": True},
    {"num_beams": 3, "do_sample": True},
    {"do_sample": True, "num_return_sequences": 3, "top_k": 0},
]


def _generate(processor: Base, prompts: list[str], model: Any = None, **settings: Any) -> list[bytes]:
    model = model or llama()
    torch.manual_seed(settings.pop("seed", 0))
    given = inputs(prompts)
    start = 1 if model.config.is_encoder_decoder else given["input_ids"].shape[1]
    settings = {"max_new_tokens": 60, "do_sample": False, **settings}
    all_end = settings.pop("all_end", True)
    return outputs(model.generate(**given, logits_processor=[processor], **settings), start, all_end=all_end)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_texts_obey(mode: dict[str, Any]) -> None:
    """Batch of 8 with left padding, in every mode, with a head wider than the vocabulary."""
    processor = compiled().logits_processor()
    assert isinstance(processor, Base)
    texts = _generate(processor, PROMPTS, **mode)
    assert len(texts) == 8 * mode.get("num_return_sequences", 1)
    assert_all_obey(texts, [compiled()])
    if mode.get("do_sample"):
        assert len(set(texts)) > 1


def test_one_processor_for_many_calls() -> None:
    """Calls of all modes and sizes one after the other give what fresh processors give."""
    processor = compiled().logits_processor()
    for mode in MODES[:5]:
        for prompts in (PROMPTS[:1], PROMPTS[2:5], PROMPTS[:1], PROMPTS[:1]):
            fresh = _generate(compiled().logits_processor(), prompts, **mode)
            assert _generate(processor, prompts, **mode) == fresh


def test_generating_from_an_output() -> None:
    """A prompt that is the last call's whole output, end included, begins a text of its own."""
    processor = compiled(WORDS).logits_processor()
    given = inputs(["hello"])["input_ids"]
    for _ in range(4):
        mask = torch.ones_like(given)
        out = llama().generate(given, attention_mask=mask, logits_processor=[processor], max_new_tokens=9)
        assert_all_obey(outputs(out, given.shape[1]), [compiled(WORDS)])
        given = out


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_constraint_for_each_prompt(mode: dict[str, Any]) -> None:
    """Different languages in one batch; None leaves a row free, and it need not end."""
    constraints = [compiled(), compiled(WORDS), None, compiled(WORDS)]
    texts = _generate(constrain.LogitsProcessor(constraints), PROMPTS[:4], all_end=False, **mode)
    assert_all_obey(texts, constraints)


def test_free_rows_are_untouched() -> None:
    """The row without a constraint comes out as without a processor."""
    processor = constrain.LogitsProcessor([compiled(), None])
    settings = {"max_new_tokens": 12, "do_sample": False, "eos_token_id": None}
    bounded = llama().generate(**inputs(PROMPTS[:2]), logits_processor=[processor], **settings)
    free = llama().generate(**inputs(PROMPTS[:2]), **settings)
    assert torch.equal(bounded[1], free[1])


def test_allowed_scores_keep_their_bits() -> None:
    """The scores of a step: allowed ones as they came, in a new tensor, the rest -inf."""
    ids = inputs(["hello"])["input_ids"]
    scores = torch.randn(1, WIDTH)
    before = scores.clone()
    masked = compiled().logits_processor()(ids, scores)
    allowed = torch.zeros(WIDTH, dtype=torch.bool)
    allowed[compiled().matcher().allowed_tokens()] = True
    assert torch.equal(scores, before)
    assert torch.equal(masked, torch.where(allowed, before, -torch.inf))


def test_scores_come_back_where_everything_is_allowed() -> None:
    """The very tensor; a model with more logits than tokens has only these masked."""
    tokens = [bytes([byte]) for byte in range(256)] + [b""]
    small = constrain.TokenizerIndex.from_tokenizer(tokens, end_tokens=[256], cache=False)
    everything = constrain.compile(constrain.regex("(?s).*"), small)
    bytes_ = constrain.compile(constrain.ebnf("root ::= any*\nany ::= [#x00-#x7f]"), small)
    assert not bool(everything.matcher().fill_next_token_bitmask(np.zeros((1, 9), np.int32)) is None)
    processor = everything.logits_processor()
    scores = torch.randn(1, 257)
    allowed = set(everything.matcher().allowed_tokens())
    if len(allowed) == 257:
        assert processor(torch.tensor([[1]]), scores) is scores
    wider = torch.randn(1, 300)
    masked = bytes_.logits_processor()(torch.tensor([[1]]), wider)
    assert torch.isfinite(masked[0]).nonzero().flatten().tolist() == bytes_.matcher().allowed_tokens()


def test_encoder_decoder() -> None:
    """The decoder's start token is the prompt."""
    for mode in ({}, {"num_beams": 4}, {"do_sample": True}):
        processor = compiled().logits_processor(max_new_tokens=30)
        texts = _generate(processor, PROMPTS[:3], t5(), **{"max_new_tokens": 30, **mode})
        assert_all_obey(texts, [compiled()])


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("budget", [3, 9, 17])
def test_budget(mode: dict[str, Any], budget: int) -> None:
    """Endless lists are closed in time, also in beams."""
    processor = compiled(LISTS).logits_processor(max_new_tokens=budget)
    texts = _generate(processor, PROMPTS[:3], max_new_tokens=budget, **mode)
    assert_all_obey(texts, [compiled(LISTS)])


def test_budget_too_small() -> None:
    """Is an error in the first step, with the number."""
    with pytest.raises(ConstrainError, match="needs 3 tokens"):
        _generate(compiled(LISTS).logits_processor(max_new_tokens=2), ["x"], max_new_tokens=2)


@pytest.mark.parametrize("few", [0, 64])
@pytest.mark.parametrize("prefix", [b"", b'{"a', '{"é":"'.encode(), b'{"a":12'])
def test_fitting_tokens_by_state_and_one_by_one(monkeypatch: pytest.MonkeyPatch, few: int, prefix: bytes) -> None:
    """The walk over the trie finds what testing each token finds."""
    monkeypatch.setattr("constrain.decoders.successors._FEW", few)
    for budget in range(1, 14):
        matcher = compiled().matcher()
        try:
            bound = Budget(matcher, budget)
        except ConstrainError:
            continue
        for byte in prefix:
            token = index().tokens.index(bytes([byte]))
            if bound.remaining > 1 and bound.fits(token):
                assert matcher.accept_token(token)
                bound.accept(token)
        mask = np.zeros((1, index().mask_words), np.int32)
        matcher.fill_next_token_bitmask(mask)
        keep_fitting(bound, matcher, mask[0])
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
        assert np.flatnonzero(bits).tolist() == [t for t in matcher.allowed_tokens() if bound.fits(t)]
        assert bits.any()


def test_drafts() -> None:
    """Assisted generation, whose drafts are checked again, with the length of the prompt given."""
    given = inputs(["a b a b a b a b"])
    start = given["input_ids"].shape[1]
    plain = llama().generate(
        **given,
        logits_processor=[compiled(LISTS).logits_processor(max_new_tokens=40)],
        max_new_tokens=40,
        do_sample=False,
    )
    for assistance in ({"prompt_lookup_num_tokens": 3}, {"assistant_model": llama(1)}):
        processor = compiled(LISTS).logits_processor(prompt_length=start, max_new_tokens=40)
        out = llama().generate(**given, logits_processor=[processor], max_new_tokens=40, do_sample=False, **assistance)
        assert out.tolist() == plain.tolist()


def _call(processor: Base, rows: list[list[int]]) -> torch.Tensor:
    return processor(torch.tensor(rows), torch.randn(len(rows), WIDTH))


def _allowed(scores: torch.Tensor) -> list[list[int]]:
    return [torch.isfinite(row).nonzero().flatten().tolist() for row in scores]


def _expected(constraint: Any, tokens: list[int]) -> list[int]:
    matcher = constraint.matcher()
    assert all(matcher.accept_token(token) for token in tokens)
    return matcher.allowed_tokens()


def test_rows_are_found_by_what_they_have_generated() -> None:
    """Reordered, doubled, dropped: as beams do between calls."""
    one = compiled("root ::= [a-d]+")
    a, b, c, d = (index().tokens.index(bytes([byte])) for byte in b"abcd")
    strict = compiled('root ::= "ab" | "ba" | "ccd" | "cca"')
    for constraint in (one, strict):
        processor = constraint.logits_processor()
        _call(processor, [[9, 9]] * 3)
        _call(processor, [[9, 9, a], [9, 9, b], [9, 9, c]])
        rows = [[9, 9, c, c], [9, 9, a, b], [9, 9, c, c]]
        assert _allowed(_call(processor, rows)) == [_expected(constraint, row[2:]) for row in rows]
        if constraint is one:
            rows = [[9, 9, c, c, d], [9, 9, c, c, a], [9, 9, a, b, b]]
        else:
            rows = [[9, 9, c, c, d], [9, 9, c, c, a], [9, 9, a, b, END]]
        assert _allowed(_call(processor, rows)) == [_expected(constraint, row[2:]) for row in rows]


def test_rows_that_have_ended_may_be_padded() -> None:
    """With whatever token; nothing but the end is then allowed."""
    a = index().tokens.index(b"a")
    constraint = compiled('root ::= "a" "a"*')
    processor = constraint.logits_processor()
    for rows in ([[5], [5]], [[5, a], [5, a]], [[5, a, END], [5, a, a]]):
        scores = _call(processor, rows)
    scores = _call(processor, [[5, a, END, 2], [5, a, a, a]])
    assert _allowed(scores)[0] == [END]
    scores = _call(processor, [[5, a, END, 2, 2], [5, a, a, a, a]])
    assert _allowed(scores)[0] == [END]
    assert a in _allowed(scores)[1]


def test_several_end_tokens() -> None:
    """All of them are allowed where the text may end."""
    two = constrain.TokenizerIndex.from_tokenizer(tokenizer(), end_tokens=[END, 0], cache=False)
    constraint = constrain.compile(constrain.ebnf('root ::= "a"'), two)
    a = two.tokens.index(b"a")
    processor = constraint.logits_processor()
    _call(processor, [[5]])
    assert _allowed(_call(processor, [[5, a]])) == [[0, END]]
    assert _allowed(_call(processor, [[5, a, 0]])) != []


def test_a_call_that_may_be_a_draft_is_refused() -> None:
    """Rows that are shortened to a part of what was generated: prompts or drafts?"""
    a = index().tokens.index(b"a")
    constraint = compiled("root ::= [a-d]+")
    processor = constraint.logits_processor()
    for length in range(1, 6):
        _call(processor, [[5] + [a] * (length - 1)])
    with pytest.raises(ConstrainError, match="prompt_length"):
        _call(processor, [[5, a, a, a]])
    processor.reset()
    assert _allowed(_call(processor, [[5, a, a, a]])) == [_expected(constraint, [])]
    told = constraint.logits_processor(prompt_length=1)
    for length in (1, 2, 3, 2, 4, 1):
        assert _allowed(_call(told, [[5] + [a] * (length - 1)])) == [_expected(constraint, [a] * (length - 1))]


class _Override(Base):  # type: ignore[misc]
    """Allows one token only, whatever came before."""

    def __init__(self, token: int) -> None:
        self.token = token

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        forced = torch.full_like(scores, -torch.inf)
        forced[:, self.token] = 0
        return forced


def test_a_processor_that_overrides_this_one_is_noticed() -> None:
    """A token that was not allowed is an error in the next step."""
    with pytest.raises(DeadEndError, match="row 0"):
        llama().generate(
            **inputs(["x"]),
            logits_processor=[compiled().logits_processor(), _Override(7)],
            max_new_tokens=5,
            do_sample=False,
        )


def test_processors_that_leave_nothing() -> None:
    """All scores -inf are an error, not a random token."""
    with pytest.raises(DeadEndError, match="forbid"):
        llama().generate(
            **inputs(["x"]), logits_processor=[_Override(7), compiled().logits_processor()], max_new_tokens=5
        )


@pytest.mark.parametrize(
    "make",
    [
        lambda: constrain.LogitsProcessor([]),
        lambda: constrain.LogitsProcessor([None]),
        lambda: _call(constrain.LogitsProcessor([compiled(), compiled()]), [[1], [1], [1]]),
        lambda: constrain.LogitsProcessor(
            [compiled(), constrain.compile(constrain.regex("a"), constrain.TokenizerIndex.from_tokenizer([b"a"]))]
        ),
    ],
)
def test_constraints_that_do_not_fit(make: Callable[[], object]) -> None:
    """No constraint, rows that cannot be shared out, two vocabularies."""
    with pytest.raises(ConstrainError):
        make()
