"""A batch does what its matchers do one by one: masks, steps, rollback, in any rows, by any number of threads."""

import random

import numpy as np
import pytest
import torch

from constrain.grammars import ir
from constrain.grammars.json_schema import json_schema
from constrain.grammars.regex import regex
from constrain.tokenizer_index import compiled as compiled_module
from constrain.tokenizer_index.batch import BatchMatcher
from constrain.tokenizer_index.compiled import CompiledConstraint, allocate_token_bitmask, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.mask_store import MaskStore
from tests.matching import index_of

_TOKENS = [bytes([byte]) for byte in range(256)] + [b'{"', b'":', b"ab", b"true", b"}}", b"12", b'", "']
_INDEX = index_of(_TOKENS, 30)
_END = len(_TOKENS)


def _grammars() -> list[ir.Grammar]:
    return [
        regex("(ab|true)*"),
        regex(r"[^\x00]*"),
        json_schema(True),
        json_schema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
    ]


def _constraints() -> list[CompiledConstraint]:
    return [compile_grammar(grammar, _INDEX) for grammar in _grammars()]


def _walk(threads: int | None, seed: int) -> None:
    """Move a batch and its doubles together and compare them."""
    choice = random.Random(seed)
    constraints = _constraints()
    chosen = [choice.choice(constraints) for _ in range(9)]
    batch = BatchMatcher([compiled.matcher() for compiled in chosen], threads)
    doubles = [compiled.matcher() for compiled in chosen]
    for _ in range(12):
        rows = choice.sample(range(12), 9)
        bitmask, expected = allocate_token_bitmask(12, _INDEX.vocab_size), allocate_token_bitmask(12, _INDEX.vocab_size)
        forbids = batch.fill_next_token_bitmask(bitmask, rows)
        assert forbids.dtype == np.bool_
        assert forbids.tolist() == [
            d.fill_next_token_bitmask(expected, row) for d, row in zip(doubles, rows, strict=True)
        ]
        np.testing.assert_array_equal(bitmask, expected)
        tokens = [choice.choice([*d.allowed_tokens(), choice.randrange(_INDEX.vocab_size)]) for d in doubles]
        accepted = batch.accept_tokens(np.array(tokens) if choice.random() < 0.5 else tokens)
        assert accepted.tolist() == [d.accept_token(token) for d, token in zip(doubles, tokens, strict=True)]
        assert [m.state_key for m in batch] == [d.state_key for d in doubles]
        assert batch.is_accepting.tolist() == [d.is_accepting for d in doubles]
        assert batch.is_finished.tolist() == [d.is_finished for d in doubles]
        if choice.random() < 0.2:
            counts = [choice.randint(0, len(d.tokens)) for d in doubles]
            batch.rollback(counts)
            for double, count in zip(doubles, counts, strict=True):
                double.rollback(count)
            assert [m.tokens for m in batch] == [d.tokens for d in doubles]


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_a_batch_is_its_matchers(threads: int | None) -> None:
    """On random walks, refused tokens, the end and what is behind it included."""
    for seed in range(4):
        _walk(threads, seed)


def test_large_batches_are_copied_by_threads() -> None:
    """Rows enough for several threads all arrive."""
    index = TokenizerIndex.from_tokenizer([bytes([byte]) for byte in range(256)], vocab_size=100_000, cache=False)
    compiled = compile_grammar(regex("[ab]+c"), index)
    matchers = [compiled.matcher() for _ in range(400)]
    for matcher in matchers[::2]:
        assert matcher.accept_token(97)
    bitmask = allocate_token_bitmask(401, index.vocab_size)
    assert BatchMatcher(matchers, threads=4).fill_next_token_bitmask(bitmask).all()
    for i, matcher in enumerate(matchers):
        expected = np.zeros(bitmask.shape[1], np.int32)
        expected[3] = 0b1110 if i % 2 == 0 else 0b110  # tokens 97 to 99
        np.testing.assert_array_equal(bitmask[i], expected)
        assert matcher.tokens == ([97] if i % 2 == 0 else [])
    assert (bitmask[400] == -1).all()


def test_torch_and_rows_that_are_apart() -> None:
    """A tensor is written in place, and so is every other row of an array."""
    compiled = _constraints()[0]
    batch = BatchMatcher([compiled.matcher(), compiled.matcher()])
    tensor = torch.full((2, -(-_INDEX.vocab_size // 32)), -1, dtype=torch.int32)
    batch.fill_next_token_bitmask(tensor)
    wide = allocate_token_bitmask(4, _INDEX.vocab_size)
    batch.fill_next_token_bitmask(wide[::2])
    np.testing.assert_array_equal(tensor.numpy(), wide[::2])
    assert (wide[1::2] == -1).all()


def test_masks_that_were_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for a single mask, every mask is made again, and none is read after it has gone."""
    monkeypatch.setattr(compiled_module, "_masks", MaskStore(max_bytes=1))
    _walk(2, 0)


def test_the_end_forbids_the_rest() -> None:
    """Behind the end token only the end may come, even where everything was allowed before it."""
    matcher = compile_grammar(regex(r"(.|\n)*"), index_of([b"a", b"b"])).matcher()
    bitmask = allocate_token_bitmask(1, 3)
    assert not matcher.fill_next_token_bitmask(bitmask, 0)
    assert matcher.accept_token(2)
    assert matcher.fill_next_token_bitmask(bitmask, 0)
    assert bitmask[0, 0] == 0b100


def test_wrong_arguments() -> None:
    """Rows that are not there, other widths, other lengths are refused before anything changes."""
    compiled = _constraints()[0]
    batch = BatchMatcher([compiled.matcher(), compiled.matcher()])
    bitmask = allocate_token_bitmask(2, _INDEX.vocab_size)
    for rows in ([0], [0, 2], [-1, 0], [[0, 1]]):
        with pytest.raises(ValueError, match="row"):
            batch.fill_next_token_bitmask(bitmask, rows)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="words"):
        batch.fill_next_token_bitmask(allocate_token_bitmask(2, 31))
    with pytest.raises(ValueError, match="int32"):
        batch.fill_next_token_bitmask(bitmask.astype(np.int64))
    with pytest.raises(ValueError, match="tokens"):
        batch.accept_tokens([1])
    assert batch.accept_tokens([97, 97]).all()
    with pytest.raises(ValueError, match="take back"):
        batch.rollback([1, 2])
    with pytest.raises(ValueError, match="counts"):
        batch.rollback([1])
    assert [matcher.tokens for matcher in batch] == [[97], [97]]
    with pytest.raises(ValueError, match="threads"):
        BatchMatcher([], threads=0)
    other = compile_grammar(regex("a"), index_of([b"a"]))
    with pytest.raises(ValueError, match="vocabularies"):
        BatchMatcher([compiled.matcher(), other.matcher()])


def test_no_sequences() -> None:
    """An empty batch has empty results."""
    batch = BatchMatcher([])
    assert len(batch) == 0
    assert batch.fill_next_token_bitmask(allocate_token_bitmask(1, 10)).shape == (0,)
    assert batch.accept_tokens([]).shape == (0,)
    batch.rollback()
