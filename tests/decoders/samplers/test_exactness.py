"""Every sampler is properly weighted, and exact where it says so: by enumeration of all that chance can do."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from constrain.decoders.contract import Sampler
from constrain.decoders.samplers import AWRS, CARS, MARS, MCMC, SMC, ASAp, Masking, Rejection, Table, TokenTrie
from tests.decoders.samplers.enumeration import (
    END,
    TOKENS,
    Enumeration,
    assert_same,
    conditioned,
    constraint_of,
    laws_of,
    random_table,
    target,
)

WIDTH = len(TOKENS)
PROMPT = [0]
LONGEST = 3

SAMPLERS: dict[str, Any] = {
    "rejection": Rejection(),
    "rejection, late": Rejection(early_stop=False),
    "masking": Masking(),
    "asap": ASAp(),
    "cars": CARS(),
    "mars": MARS(),
    "restart": MCMC("restart", steps=1),
    "uniform": MCMC("uniform", steps=1),
    "priority": MCMC("priority", steps=1),
    "awrs": AWRS(checks_before_mask=None),
    "awrs, mask after 1": AWRS(checks_before_mask=1),
    "smc, mask": SMC("mask"),
}
EXACT = ("rejection", "rejection, late", "cars", "mars")


def _longest(name: str) -> int:
    """Orders of visits are many: fewer tokens where all of them are enumerated."""
    return 2 if name == "awrs" else LONGEST


LANGUAGES = ["(a|b)*", "ab|ba?", "", "ab(ab)?|c"]


@pytest.mark.parametrize("pattern", LANGUAGES)
@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_are_properly_weighted(monkeypatch: pytest.MonkeyPatch, name: str, pattern: str) -> None:
    """E[w · 1{x}] = P(x) for every x of L, with zeros in the law, two tokens alike, L = {ε} among the languages."""
    sampler, constraint = SAMPLERS[name], constraint_of(pattern)
    table = random_table(WIDTH, 7, sparse=True)
    expected = target(table, PROMPT, constraint, _longest(name))
    outcomes = Enumeration(monkeypatch).outcomes(
        lambda: sampler.draw(table, PROMPT, constraint, max_new_tokens=_longest(name))
    )
    weighted, plain = laws_of(outcomes)
    assert_same(weighted, expected)
    if name in EXACT:
        assert_same(plain, conditioned(expected))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_temperature_is_the_targets(monkeypatch: pytest.MonkeyPatch, name: str, temperature: float) -> None:
    """The same with P the softmax of logits / T."""
    sampler, constraint = replace(SAMPLERS[name], temperature=temperature), constraint_of("ab|ba?", TOKENS[:4])
    table = random_table(4, 3)
    expected = target(table, PROMPT, constraint, _longest(name), temperature)
    draw = sampler.draw
    weighted, plain = laws_of(
        Enumeration(monkeypatch).outcomes(lambda: draw(table, PROMPT, constraint, max_new_tokens=_longest(name)))
    )
    assert_same(weighted, expected)
    if name in EXACT:
        assert_same(plain, conditioned(expected))


@pytest.mark.parametrize("pattern", ["(a|b)*", "ab|ba?", "c"])
@pytest.mark.parametrize("name", ["asap", "cars", "mars", "masking", "restart"])
def test_exact_at_every_state_of_the_trie(monkeypatch: pytest.MonkeyPatch, name: str, pattern: str) -> None:
    """After any number of draws, the next one is properly weighted; those of CARS and MARS have the exact law."""
    constraint, table = constraint_of(pattern), random_table(WIDTH, 11, skew=1.5)
    expected = target(table, PROMPT, constraint, LONGEST)
    for draws in (1, 4, 15):
        learned, sampler = TokenTrie(), SAMPLERS[name]
        teacher = MARS(trie=learned)
        teacher.draw(table, PROMPT, constraint, draws, np.random.default_rng(draws), max_new_tokens=LONGEST)

        def run(sampler: Any = sampler, learned: TokenTrie = learned) -> Any:
            knowing = replace(sampler, trie=learned.copy())
            return knowing.draw(table, PROMPT, constraint, max_new_tokens=LONGEST)

        with monkeypatch.context() as patch:
            weighted, plain = laws_of(Enumeration(patch).outcomes(run))
        assert_same(weighted, expected)
        if name in EXACT:
            assert_same(plain, conditioned(expected))


@pytest.mark.parametrize("name", ["asap", "cars", "mars", "masking"])
def test_side_by_side_is_exact_too(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Two walks that change the trie under each other: both are proper, and each is exact where one alone is."""
    constraint, table = constraint_of("a|ba?"), random_table(WIDTH, 5)
    expected = target(table, PROMPT, constraint, 2)
    sampler = replace(SAMPLERS[name], batch=2)
    joint: dict[Any, float] = {}
    weighted: dict[Any, float] = {}
    for probability, samples in Enumeration(monkeypatch).outcomes(
        lambda: sampler.draw(table, PROMPT, constraint, 2, max_new_tokens=2)
    ):
        pair = tuple(None if sample.failed else sample.tokens for sample in samples)
        joint[pair] = joint.get(pair, 0) + probability
        if None not in pair:
            weight = math.exp(sum(sample.log_weight for sample in samples))
            weighted[pair] = weighted.get(pair, 0) + probability * weight
    product = {(x, y): p * q for x, p in expected.items() for y, q in expected.items()}
    assert_same(weighted, product)
    if name in EXACT:
        both = {pair: p for pair, p in joint.items() if None not in pair}
        assert_same(conditioned(both), conditioned(product))
        second = {pair[1]: p for pair, p in joint.items() if pair[0] is None and pair[1] is not None}
        assert_same(conditioned(second), conditioned(expected))


@pytest.mark.parametrize("threshold", [0.5, 1.0])
@pytest.mark.parametrize("proposal", ["mask", "awrs"])
def test_particles_are_proper_together(monkeypatch: pytest.MonkeyPatch, proposal: str, threshold: float) -> None:
    """E[mean(w · 1{x})] = P(x) for two particles, whenever they are resampled."""
    constraint, table = constraint_of("a|b?", [b"a", b"b"], (2,)), random_table(3, 2)
    texts = [(2,), (0, 2), (1, 2)]
    expected = {x: math.exp(sum(table.log_probabilities([(0, *x[:i])])[0][t] for i, t in enumerate(x))) for x in texts}
    sampler = SMC(proposal, threshold)  # type: ignore[arg-type]
    outcomes = Enumeration(monkeypatch).outcomes(lambda: sampler.draw(table, PROMPT, constraint, 2, max_new_tokens=2))
    assert_same(laws_of(outcomes)[0], expected)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if not name.startswith("rejection")])
@pytest.mark.parametrize("z", [1e-3, 1e-12, 1e-200])
def test_tiny_languages(monkeypatch: pytest.MonkeyPatch, name: str, z: float) -> None:
    """Z of any size is found, relatively to 1e-12: the language is where the model almost never goes."""
    constraint = constraint_of("a{2}|c", [b"a", b"b", b"c"], (END,))
    law = [z, 0.7 - 2 * z, z, 0.3]
    table = Table({}, law)
    law_of_texts = {(0, 0, END): z * z * 0.3, (2, END): z * 0.3}
    expected = {x: p for x, p in law_of_texts.items() if p > 0 and len(x) <= _longest(name)}
    outcomes = Enumeration(monkeypatch).outcomes(
        lambda: SAMPLERS[name].draw(table, PROMPT, constraint, max_new_tokens=_longest(name))
    )
    weighted, _ = laws_of(outcomes)
    assert_same({x: p for x, p in weighted.items() if p > 0}, expected)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_language_without_probability(name: str) -> None:
    """Where the model rules out every text, all draws fail, with weight 0."""
    constraint = constraint_of("ac", [b"a", b"b", b"c"], (3,))
    table = Table({}, [0.5, 0.2, 0.0, 0.3])
    samples = SAMPLERS[name].draw(table, PROMPT, constraint, 5, np.random.default_rng(0), max_new_tokens=4)
    assert len(samples) == 5
    assert all(sample.failed and sample.value is None for sample in samples)


@pytest.mark.parametrize("name", SAMPLERS)
def test_vocabulary_without_an_end(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Texts are complete where nothing can follow, or where the budget ends."""
    tokens = [b"a", b"b", b"ab"]
    table, constraint = random_table(3, 1), constraint_of("(ab)*|b", tokens, ())
    texts = [(1,), (2, 2), (0, 1), (0,), (2,)]
    expected = {}
    for x in texts:
        if constraint.accepts(b"".join(tokens[t] for t in x)) and (x == (1,) or len(x) == 2):
            expected[x] = math.exp(sum(table.log_probabilities([(0, *x[:i])])[0][t] for i, t in enumerate(x)))
    outcomes = Enumeration(monkeypatch).outcomes(
        lambda: SAMPLERS[name].draw(table, PROMPT, constraint, max_new_tokens=2)
    )
    assert_same(laws_of(outcomes)[0], expected)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if not name.startswith("rejection")])
def test_a_conditioned_budget_has_the_same_target(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With all bytes at hand and texts in one token each way, truncation changes weights, not what they estimate."""
    constraint = constraint_of("(a|b){0,3}", [b"a", b"b"], (2,))
    table = random_table(3, 4)
    expected = {
        x: math.exp(sum(table.log_probabilities([(0, *x[:i])])[0][t] for i, t in enumerate(x)))
        for x in [(2,), (0, 2), (1, 2)]
    }
    sampler = replace(SAMPLERS[name], truncation="condition")
    outcomes = Enumeration(monkeypatch).outcomes(lambda: sampler.draw(table, PROMPT, constraint, max_new_tokens=2))
    weighted, plain = laws_of(outcomes)
    assert_same(weighted, expected)
    if name in EXACT:
        assert_same(plain, conditioned(expected))


@pytest.mark.parametrize("name", SAMPLERS)
def test_same_seed_same_draws(name: str) -> None:
    """Also of several samples; and the sampler is of the contract."""
    sampler: Sampler = SAMPLERS[name]
    constraint, table = constraint_of("(a|b)*"), random_table(WIDTH, 9)
    first, again, other = (
        sampler.draw(table, PROMPT, constraint, 6, np.random.default_rng(seed), max_new_tokens=6)  # type: ignore[arg-type]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
