"""What a trie knows is right: bounds, leaks, files, merging."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from constrain.decoders.samplers import CARS, MARS, ASAp, Checked, Masking, TokenTrie, trie_files
from constrain.decoders.samplers.trie import EXPANDED
from constrain.errors import CacheError, ConstrainError
from tests.decoders.samplers.enumeration import (
    TOKENS,
    Enumeration,
    assert_same,
    conditioned,
    constraint_of,
    laws_of,
    random_table,
    target,
)

WIDTH, PROMPT, LONGEST = len(TOKENS), [0], 4


def _learned(draws: int, seed: int = 0, pattern: str = "(a|b)*c?", sampler: Any = ASAp()) -> TokenTrie:  # noqa: B008
    trie = TokenTrie()
    replace(sampler, trie=trie).draw(
        TABLE, PROMPT, constraint_of(pattern), draws, np.random.default_rng(seed), max_new_tokens=LONGEST
    )
    return trie


TABLE = random_table(WIDTH, 21, skew=1.5)


@pytest.mark.parametrize("sampler", [ASAp(batch=1), CARS(batch=1), MARS(batch=4)])
def test_bounds_are_bounds_and_fall_towards_z(sampler: Any) -> None:
    """b(u) ≥ c(u) at every node after every draw; b(root) never rises, and comes to Z."""
    constraint = constraint_of("a?b(a|c)")
    law = target(TABLE, PROMPT, constraint, LONGEST)
    total = math.fsum(law.values())
    trie, rng, before = TokenTrie(), np.random.default_rng(5), 0.0
    knowing = replace(sampler, trie=trie)
    for _ in range(60):
        knowing.draw(TABLE, PROMPT, constraint, 4, rng, max_new_tokens=LONGEST)
        assert trie.log_upper_bound <= before
        before = trie.log_upper_bound
        for node in trie.nodes():
            prefix = trie.prefix(node)
            inside = math.fsum(p for x, p in law.items() if x[: len(prefix)] == prefix)
            reach = math.exp(sum(trie.log_p[n] for n in _path(trie, node)))
            assert math.exp(trie.log_bound[node]) >= inside / reach - 1e-12
            if trie.kind[node] == EXPANDED and trie.children[node]:
                assert trie.mass(node) == pytest.approx(trie.log_bound[node], abs=1e-12)
    assert total <= math.exp(before) <= 1.02 * total


def _path(trie: TokenTrie, node: int) -> list[int]:
    nodes = []
    while node > 0:
        nodes.append(node)
        node = trie.parent[node]
    return nodes


def test_known_prefixes_cost_no_calls() -> None:
    """Once everything is known, the model is not asked any more."""
    table, constraint, trie = random_table(WIDTH, 3), constraint_of("ab|ba"), TokenTrie()
    rng = np.random.default_rng(0)
    CARS(trie=trie).draw(table, PROMPT, constraint, 200, rng, max_new_tokens=3)
    asked = table.rows_computed
    samples = CARS(trie=trie).draw(table, PROMPT, constraint, 200, rng, max_new_tokens=3)
    assert table.rows_computed == asked < 30
    assert not any(sample.failed for sample in samples)


def test_a_trie_serves_one_purpose() -> None:
    """Another model, prompt, constraint, budget or temperature is refused."""
    trie = TokenTrie()
    sampler, rng = MARS(trie=trie), np.random.default_rng(0)
    constraint = constraint_of("ab|ba")
    sampler.draw(TABLE, PROMPT, constraint, 1, rng, max_new_tokens=4)
    sampler.draw(TABLE, PROMPT, constraint, 1, rng, max_new_tokens=4)
    for wrong in (
        lambda: sampler.draw(random_table(WIDTH, 21, skew=1.5), PROMPT, constraint, 1, rng, max_new_tokens=4),
        lambda: sampler.draw(TABLE, [1], constraint, 1, rng, max_new_tokens=4),
        lambda: sampler.draw(TABLE, PROMPT, constraint_of("ab|b"), 1, rng, max_new_tokens=4),
        lambda: sampler.draw(TABLE, PROMPT, constraint, 1, rng, max_new_tokens=5),
        lambda: sampler.draw(TABLE, PROMPT, Checked(constraint, lambda _: True), 1, rng, max_new_tokens=4),
        lambda: MARS(trie=trie, temperature=2).draw(TABLE, PROMPT, constraint, 1, rng, max_new_tokens=4),
        lambda: MARS(trie=trie, truncation="condition").draw(TABLE, PROMPT, constraint, 1, rng, max_new_tokens=4),
    ):
        with pytest.raises(ConstrainError, match="belongs to another"):
            wrong()
    assert MARS().trie is None


def test_samplers_without_a_trie_share_nothing() -> None:
    """The same seed gives the same draws, whatever the sampler has drawn before."""
    sampler, constraint = CARS(batch=1), constraint_of("(a|b)*")
    first = sampler.draw(TABLE, PROMPT, constraint, 5, np.random.default_rng(1), max_new_tokens=4)
    sampler.draw(TABLE, PROMPT, constraint, 50, np.random.default_rng(2), max_new_tokens=4)
    assert first == sampler.draw(TABLE, PROMPT, constraint, 5, np.random.default_rng(1), max_new_tokens=4)


def test_a_saved_trie_is_the_same(tmp_path: Path) -> None:
    """All columns and children come back, and draws go on as they would have."""
    trie = _learned(30)
    trie_files.save(trie, tmp_path / "t.npz")
    again = trie_files.load(tmp_path / "t.npz")
    assert again.key == trie.key
    assert [again.prefix(node) for node in again.nodes()] == [trie.prefix(node) for node in trie.nodes()]
    assert again.children == trie.children
    assert again.log_bound == trie.log_bound
    constraint = constraint_of("(a|b)*c?")
    draws = [
        MARS(trie=each).draw(TABLE, PROMPT, constraint, 20, np.random.default_rng(4), max_new_tokens=LONGEST)
        for each in (trie.copy(), again)
    ]
    assert draws[0] == draws[1]
    assert [path.name for path in tmp_path.iterdir()] == ["t.npz"]


def test_a_saved_trie_knows_its_model(tmp_path: Path) -> None:
    """It refuses one with another law, and another prompt."""
    trie_files.save(_learned(10), tmp_path / "t.npz")
    constraint = constraint_of("(a|b)*c?")
    for model, prompt in ((random_table(WIDTH, 22), PROMPT), (TABLE, [1])):
        with pytest.raises(ConstrainError, match="another model"):
            MARS(trie=trie_files.load(tmp_path / "t.npz")).draw(model, prompt, constraint, max_new_tokens=LONGEST)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """Cut off, of another kind, or with parents that are none."""
    path = tmp_path / "t.npz"
    trie = _learned(10)
    trie_files.save(trie, path)
    data = path.read_bytes()
    for damaged in (b"", b"nothing", data[: len(data) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(CacheError):
            trie_files.load(path)
    trie.parent[2] = 7
    trie_files.save(trie, path)
    with pytest.raises(CacheError, match="damaged"):
        trie_files.load(path)


def test_what_cannot_be_identified_is_not_saved(tmp_path: Path) -> None:
    """A predicate without a name means nothing in another process; with one it does."""
    constraint = constraint_of("(a|b)*")
    for checked, fails in ((Checked(constraint, len), True), (Checked(constraint, len, name="long"), False)):
        trie = TokenTrie()
        CARS(trie=trie).draw(TABLE, PROMPT, checked, 3, np.random.default_rng(0), max_new_tokens=3)  # type: ignore[arg-type]
        if fails:
            with pytest.raises(ConstrainError, match="identified"):
                trie_files.save(trie, tmp_path / "x")
        else:
            trie_files.save(trie, tmp_path / "x")


def test_merged_tries_know_what_both_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """All prefixes, no bound above either, and draws that are exact as before."""
    constraint = constraint_of("(a|b)*c?")
    one, two = _learned(12, 1), _learned(12, 2, sampler=Masking())
    merged = trie_files.merge([one, two])
    names = {trie: {trie.prefix(node): node for node in trie.nodes()} for trie in (one, two, merged)}
    assert set(names[merged]) == set(names[one]) | set(names[two])
    for trie in (one, two):
        for prefix, node in names[trie].items():
            assert merged.log_bound[names[merged][prefix]] <= trie.log_bound[node] + 1e-12
    expected = target(TABLE, PROMPT, constraint, LONGEST)
    assert math.exp(merged.log_upper_bound) >= math.fsum(expected.values()) - 1e-12
    outcomes = Enumeration(monkeypatch).outcomes(
        lambda: CARS(trie=merged.copy()).draw(TABLE, PROMPT, constraint, max_new_tokens=LONGEST)
    )
    weighted, plain = laws_of(outcomes)
    assert_same(weighted, expected)
    assert_same(plain, conditioned(expected))


def test_only_tries_of_one_kind_are_merged() -> None:
    """Those of another constraint, or none, are refused."""
    for tries in ([], [TokenTrie(), TokenTrie()], [_learned(1), _learned(1, pattern="ab")]):
        with pytest.raises(ConstrainError, match="merged"):
            trie_files.merge(tries)


def test_large_nodes_add_up_as_small_ones() -> None:
    """Children beyond the number from which NumPy adds up."""
    width = 200
    table = random_table(width, 1)
    tokens = [bytes([65 + i // 20, 65 + i % 20]) for i in range(width - 1)] + [b""]
    constraint = constraint_of("[A-J][A-T]", tokens, (width - 1,))
    trie = TokenTrie()
    CARS(trie=trie).draw(table, PROMPT, constraint, 400, np.random.default_rng(0), max_new_tokens=2)
    children = trie.children[0]
    assert children is not None
    assert len(children) > 64
    touched = math.fsum(math.exp(trie.log_p[c] + trie.log_bound[c]) for c in children)
    assert math.exp(trie.mass(0)) == pytest.approx(touched + math.exp(trie.log_rest[0]), rel=1e-13)
    row = table.log_probabilities([(0,)])[0]
    untouched = set(range(width - 1)) - {trie.token[c] for c in children}
    assert math.exp(trie.log_rest[0]) == pytest.approx(math.fsum(math.exp(row[t]) for t in untouched), rel=1e-12)
