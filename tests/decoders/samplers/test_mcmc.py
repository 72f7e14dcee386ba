"""The chains of MCMC: invariant law, detailed balance, and convergence, by their transition matrices."""

import itertools
import math

import numpy as np
import pytest

from constrain.decoders.samplers import MCMC
from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.descents import Mode, Walk, Walker
from constrain.decoders.samplers.keys import walker_of
from constrain.decoders.samplers.languages import Position, begin
from constrain.decoders.samplers.mcmc import Place, _Chain
from constrain.decoders.samplers.trie import NEW, TokenTrie
from tests.decoders.samplers.enumeration import TOKENS, Enumeration, constraint_of, random_table, target

PROMPT, LONGEST = [0], 3
TABLE = random_table(len(TOKENS), 31, skew=1.5, sparse=True)
CONSTRAINT = constraint_of("(a|b)*c?")


def _explore(trie: TokenTrie, walker: Walker) -> None:
    """Touch everything, so that the trie is the same in every run."""
    walker.walk(1, Mode.MASKING)
    stack: list[tuple[int, Position]] = [(0, begin(CONSTRAINT, LONGEST))]
    while stack:
        node, position = stack.pop()
        row, mask = TABLE.log_probabilities([(*PROMPT, *trie.prefix(node))])[0], position.mask()
        if trie.kind[node] == NEW:
            trie.expand(node, row, mask)
        for token in np.flatnonzero(mask & (row > -np.inf)).tolist():
            after = position.fork()
            assert after.read(token)
            child = trie.touch(node, token, row, mask)
            if after.is_complete:
                trie.close(child, is_complete=True)
            else:
                stack.append((child, after))


def _matrix(monkeypatch: pytest.MonkeyPatch, place: Place) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transition matrix over the texts, the law that it should keep, and that of the chain's start."""
    law = target(TABLE, PROMPT, CONSTRAINT, LONGEST)
    texts = sorted(law)
    enumeration = Enumeration(monkeypatch)
    matrix, start = np.zeros((len(texts), len(texts))), np.zeros(len(texts))
    trie = TokenTrie()
    options = {"max_new_tokens": LONGEST, "temperature": 1.0, "truncation": "reject"}
    walker = walker_of(trie, TABLE, PROMPT, CONSTRAINT, Chance(None), **options)  # type: ignore[arg-type]
    _explore(trie, walker)
    walks: dict[tuple[int, ...], Walk] = {}

    def starts() -> list[Walk]:
        return walker.walk(1, Mode.MASKING)

    for probability, (walk,) in enumeration.outcomes(starts):  # type: ignore[arg-type, assignment]
        walks[walk.tokens] = walk
        start[texts.index(walk.tokens)] += probability
    chance = Chance(None)
    for i, text in enumerate(texts):

        def step(text: tuple[int, ...] = text) -> list[tuple[int, ...]]:
            chain = _Chain(walks[text], trie, place)
            chain.consider(walker.resume([chain.kept(chance)])[0], chance)
            assert chain.state is not None
            return [chain.state.tokens]

        for probability, (result,) in enumeration.outcomes(step):  # type: ignore[arg-type, assignment]
            matrix[i, texts.index(result)] += probability
    pi = np.array([law[text] for text in texts])
    return matrix, pi / pi.sum(), start


@pytest.mark.parametrize("place", ["restart", "uniform", "priority"])
def test_the_law_is_invariant(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    """πT = π, detailed balance, and every step brings any law nearer to π; masked decoding alone is not there."""
    matrix, pi, law = _matrix(monkeypatch, place)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(pi @ matrix, pi, atol=1e-12)
    flow = pi[:, None] * matrix
    np.testing.assert_allclose(flow, flow.T, atol=1e-12)
    distances = []
    for _ in range(40):
        distances.append(0.5 * np.abs(law - pi).sum())
        law = law @ matrix
    assert distances[0] > 0.05
    assert all(after <= before + 1e-12 for before, after in itertools.pairwise(distances))
    assert distances[-1] < 0.1 * distances[0]


def test_chains_know_what_the_others_found() -> None:
    """Chains that rewrite the same prefixes ask the model about each only once."""
    table = random_table(len(TOKENS), 31)
    MCMC("uniform", steps=50).draw(
        table, PROMPT, constraint_of("ab|ba"), 20, np.random.default_rng(0), max_new_tokens=3
    )
    assert table.rows_computed <= 9  # prefixes of ab and ba in any tokens


def test_settings_are_checked() -> None:
    """Unknown proposals and negative lengths are refused."""
    with pytest.raises(ValueError, match="proposal"):
        MCMC("elsewhere")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="steps"):
        MCMC(steps=-1)


def test_a_longer_chain_is_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sampler applies the chain: its plain law after one step is that of the matrix."""
    _, pi, start = _matrix(monkeypatch, "restart")
    texts = sorted(target(TABLE, PROMPT, CONSTRAINT, LONGEST))
    found = np.zeros(len(texts))
    for probability, (sample,) in Enumeration(monkeypatch).outcomes(
        lambda: MCMC("restart", steps=1).draw(TABLE, PROMPT, CONSTRAINT, max_new_tokens=LONGEST)
    ):
        found[texts.index(sample.tokens)] += probability
    matrix, _, _ = _matrix(monkeypatch, "restart")
    np.testing.assert_allclose(found, start @ matrix, atol=1e-12)
    assert math.isclose(found.sum(), 1)
    assert np.abs(found - pi).sum() < np.abs(start - pi).sum()
