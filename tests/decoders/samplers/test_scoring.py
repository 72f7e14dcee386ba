"""Laws of models: those of a transformer with shared prefixes, of tables, and of products."""

import math

import numpy as np
import pytest
import torch

import constrain
from constrain.decoders.samplers import CARS, Masking, Product, Table
from constrain.decoders.samplers.scoring import Laws, SessionScorer, scorer_of
from constrain.errors import ConstrainError
from constrain.prefix_scorer import PrefixScorer
from tests.decoders import transformer
from tests.decoders.samplers.enumeration import constraint_of, random_table
from tests.decoders.toys import TableModel


def _random_prefixes(count: int, seed: int) -> list[tuple[int, ...]]:
    """Prefixes that share beginnings."""
    rng = np.random.default_rng(seed)
    known: list[tuple[int, ...]] = [(0,), (5, 6, 7, 8)]
    for _ in range(count):
        base = known[int(rng.integers(len(known)))]
        cut = int(rng.integers(1, len(base) + 1))
        known.append((*base[:cut], *rng.integers(0, 300, int(rng.integers(0, 5))).tolist()))
    return known


@pytest.mark.parametrize("max_tokens", [1 << 16, 16])
def test_shared_prefixes_give_the_models_laws(monkeypatch: pytest.MonkeyPatch, max_tokens: int) -> None:
    """In batches of any lengths, asked again, and after much has been forgotten."""
    monkeypatch.setattr("constrain.prefix_scorer._FIRST_SLOTS", 8)
    model = transformer.llama()
    scorer = PrefixScorer(model, transformer.WIDTH + 3, max_tokens=max_tokens)
    prefixes = _random_prefixes(40, 1)
    for start in [*range(0, 40, 4), 0, 8]:
        batch = prefixes[start : start + 4]
        rows = scorer.log_probabilities(batch)
        for prefix, row in zip(batch, rows, strict=True):
            with torch.no_grad():
                logits = model(torch.tensor([prefix])).logits[0, -1]
            np.testing.assert_allclose(row[:-3], torch.log_softmax(logits.double(), -1).numpy(), atol=2e-4)
            assert (row[-3:] == -np.inf).all()
    if max_tokens > 40 * 10:
        assert scorer.tokens_read < sum(map(len, prefixes))


def test_a_prompt_is_read_once() -> None:
    """Many samples of one prompt read it in the first call only."""
    model = constrain.wrap(transformer.llama(), transformer.tokenizer())
    constraint = constrain.compile(constrain.regex("[abc]{3}"), model.index)
    prompt = model.encode("a rather long prompt, read once and for all")
    scorer = model.scorer()
    assert isinstance(scorer, PrefixScorer)
    CARS().draw(scorer, prompt, constraint, 20, np.random.default_rng(0), max_new_tokens=6)  # type: ignore[arg-type]
    assert scorer.tokens_read < 2 * len(prompt) + 20 * 6


def test_models_without_a_shareable_cache_are_read_from_the_beginning() -> None:
    """An encoder-decoder model gives the same laws as its session."""
    model = constrain.wrap(transformer.t5(), transformer.tokenizer())
    assert isinstance(model.scorer(), SessionScorer)
    row = model.scorer().log_probabilities([(5, 6)])[0]
    np.testing.assert_allclose(row, torch.log_softmax(model.start([[5, 6]]).logits[0].double(), -1).numpy())


def test_any_session_is_a_model() -> None:
    """A model of the older protocol is read through its sessions."""
    model = TableModel(6)
    row = scorer_of(model).log_probabilities([(1, 2), (3,)])[1]
    np.testing.assert_allclose(row, torch.log_softmax(model.logits([3]).double(), -1).numpy())


def test_rows_are_kept_and_forgotten() -> None:
    """A known prefix costs no call; beyond the bound the oldest are computed again, and are the same."""
    table = random_table(4)
    laws = Laws(table, [0], max_bytes=2 * 4 * 8)
    first = laws.rows([(1,), (2,), (1,)])
    assert (first[0] == first[2]).all()
    assert table.rows_computed == laws.rows_computed == 2
    laws.rows([(1,), (2,)])
    assert (table.rows_computed, laws.calls) == (2, 1)
    laws.row((3,))
    np.testing.assert_array_equal(laws.row((1,)), first[0])
    assert table.rows_computed == 4


def test_products() -> None:
    """P₁^w P₂^v, normalised; tokens without probability are out whatever the sign of the weight."""
    one, two = Table({}, [0.5, 0.25, 0.25, 0.0]), Table({}, [0.1, 0.2, 0.3, 0.4])
    row = np.exp(Product([one, two], [2.0, -1.0]).log_probabilities([(0,)])[0])
    raw = np.array([0.5**2 / 0.1, 0.25**2 / 0.2, 0.25**2 / 0.3, 0])
    np.testing.assert_allclose(row, raw / raw.sum())
    with pytest.raises(ConstrainError, match="probability 0"):
        Product([Table({}, [1.0, 0.0]), Table({}, [0.0, 1.0])]).log_probabilities([(0,)])
    with pytest.raises(ConstrainError, match="tokens"):
        Product([one, Table({}, [1.0])]).log_probabilities([(0,)])
    mean = Product([one, one])
    np.testing.assert_allclose(np.exp(mean.log_probabilities([(0,)])[0]), [0.5, 0.25, 0.25, 0.0])


def test_a_product_can_be_sampled() -> None:
    """It is a model like any other."""
    model = Product([random_table(6, 1), random_table(6, 2)])
    samples = Masking().draw(model, [0], constraint_of("(a|b){1,2}"), 5, np.random.default_rng(0), max_new_tokens=5)
    assert all(math.isfinite(sample.log_weight) for sample in samples)


def test_tables_are_checked() -> None:
    """A missing law, or probabilities that are none, are errors."""
    with pytest.raises(ConstrainError, match="no law"):
        Table({(0,): [1.0]}).log_probabilities([(1,)])
    with pytest.raises(ConstrainError, match="sum to 1"):
        Table({}, [0.5, 0.4]).log_probabilities([(1,)])
