"""A table of masks gives each sequence the mask that its matcher has, whatever grows and gives way."""

import random

import numpy as np
import pytest
import torch

import constrain
from constrain.decoders.kernels.row_table import RowTable
from constrain.errors import ConstrainError
from tests.decoders.transformer import WIDTH, compiled, index

GRAMMARS = ('root ::= "[" ([0-9]{1,3} ",")* "]"', 'root ::= "yes" | "no" | "perhaps" | "été"', "root ::= [a-z ]{1,40}")


def _step(matchers: list[constrain.Matcher], rng: random.Random) -> None:
    """One random token each; a sequence that has ended begins anew."""
    for matcher in matchers:
        if not matcher.accept_token(rng.choice(matcher.allowed_tokens())) or matcher.is_finished:
            matcher.reset()


def _masks(matchers: "list[constrain.Matcher] | constrain.BatchMatcher") -> np.ndarray:
    bitmask = constrain.allocate_token_bitmask(len(matchers), index().vocab_size)
    for row, matcher in enumerate(matchers):
        matcher.fill_next_token_bitmask(bitmask, row)
    return bitmask


@pytest.mark.parametrize(("capacity", "max_rows"), [(1, 4096), (9, 9), (9, 20)])
def test_walks(capacity: int, max_rows: int, device: torch.device) -> None:
    """Several grammars in one batch, in a table that grows, is full, or both."""
    rng = random.Random(capacity)
    table = RowTable(index().vocab_size, device, capacity=capacity, max_rows=max_rows)
    matchers = [compiled(GRAMMARS[i % 3]).matcher() for i in range(9)]
    batch = constrain.BatchMatcher(matchers)
    for step in range(60):
        numbers = table.sources(batch if step % 2 else matchers)
        assert numbers.dtype == torch.int32
        assert torch.equal(table.words[numbers.long()].cpu(), torch.from_numpy(_masks(batch)))
        assert len(table) <= len(table.words) <= max_rows
        _step(matchers, rng)
    before = table.uploads
    assert before > len({id(matcher.mask_key) for matcher in matchers})
    table.rows(matchers)
    assert table.uploads - before <= len(matchers)
    again = table.uploads
    table.rows(matchers)
    assert table.uploads == again  # what was used last stays


def test_sequences_share_masks() -> None:
    """A state that many sequences stand in has one row; so has the end."""
    table = RowTable(index().vocab_size)
    matchers = [compiled(GRAMMARS[1]).matcher() for _ in range(5)]
    assert table.rows(matchers).tolist() == [0] * 5
    for matcher in matchers[:3]:
        assert matcher.accept_text("no")
        assert matcher.accept_token(index().end_tokens[0])
    assert table.rows(matchers).tolist() == [1, 1, 1, 0, 0]
    assert table.rows([None, matchers[0]]).tolist() == [-1, 1]
    assert table.uploads == 2


def test_apply(device: torch.device, backend: str) -> None:
    """Masks the logits of constrained rows, padding included, and leaves others alone."""
    table = RowTable(index().vocab_size, device)
    matchers = [compiled(grammar).matcher() for grammar in GRAMMARS]
    logits = torch.randn(4, WIDTH)
    expected = logits.clone()
    constrain.apply_token_bitmask_inplace(expected, np.pad(_masks(matchers), ((0, 1), (0, 0))), indices=[0, 1, 2])
    moved = logits.to(device)
    table.apply(moved, [*matchers, None], backend=backend)
    assert torch.equal(moved.cpu(), expected)
    with pytest.raises(ValueError, match="4 rows"):
        table.apply(moved, matchers)


def test_refusals() -> None:
    """More masks at once than there is room for, another vocabulary, sizes that make no sense."""
    table = RowTable(index().vocab_size, capacity=2, max_rows=2)
    with pytest.raises(ConstrainError, match="max_rows"):
        table.rows([compiled(grammar).matcher() for grammar in GRAMMARS])
    with pytest.raises(ValueError, match="words"):
        RowTable(32).rows([compiled().matcher()])
    with pytest.raises(ValueError, match="capacity"):
        RowTable(32, capacity=3, max_rows=2)
