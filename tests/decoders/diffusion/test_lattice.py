"""Best, mass, marginals and samples on a lattice are those of enumeration, along the chain and by the tree."""

import math
from collections import Counter
from typing import Literal

import pytest
import torch

from constrain.decoders.diffusion.automaton import Automaton
from constrain.decoders.diffusion.chain import Chain
from constrain.decoders.diffusion.lattice import Lattice
from constrain.decoders.diffusion.semirings import BEST, TOTAL
from constrain.decoders.diffusion.tree import Tree
from constrain.grammars.errors import ConstrainError, UnsatisfiableConstraintError
from constrain.grammars.regex import regex
from constrain.tokenizer_index.compiled import compile_grammar
from tests.decoders.diffusion.lattices import random_case
from tests.matching import index_of

Method = Literal["chain", "tree"]
both = pytest.mark.parametrize("method", ["chain", "tree"])


def _random_logits(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@both
@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
def test_enumeration(method: Method, scale: float) -> None:
    """Decision, best, mass and marginals of a hundred random lattices, with fixed positions and weights of zero."""
    solvable = 0
    for seed in range(100):
        case = random_case(seed, scale=scale)
        lattice = Lattice(case.automaton, case.logits, case.fixed, method=method)
        assert bool(lattice.decide()) == bool(case.weights)
        if not case.weights:
            assert float(lattice.log_mass()) == -math.inf
            with pytest.raises(UnsatisfiableConstraintError):
                lattice.best()
            with pytest.raises(UnsatisfiableConstraintError):
                lattice.marginals()
            continue
        solvable += 1
        tokens, weight = lattice.best()
        assert float(weight) == pytest.approx(max(case.weights.values()), abs=1e-9)
        assert case.weights[tuple(tokens[0].tolist())] == pytest.approx(float(weight), abs=1e-9)
        assert float(lattice.log_mass()) == pytest.approx(case.log_mass, abs=1e-9)
        expected, law = case.marginals(), lattice.marginals()
        torch.testing.assert_close(law.log_probabilities().exp()[0], expected, rtol=0, atol=1e-9)
        best, value = law.best()
        torch.testing.assert_close(value.exp()[0], expected.amax(-1), rtol=0, atol=1e-9)
        torch.testing.assert_close(expected.gather(-1, best[0, :, None])[:, 0], value.exp()[0], rtol=0, atol=1e-9)
        allowed = lattice.allowed()[0][:, case.automaton.columns.classes]
        known = {(i, sequence[i]) for sequence in case.weights for i in range(lattice.length)}
        for position, token in known:
            assert allowed[position, token]
        for label in lattice.allowed()[0].nonzero().tolist():
            members = (case.automaton.columns.classes == label[1]).nonzero().flatten().tolist()
            assert any((label[0], token) in known for token in members)
    assert solvable > 30


@both
def test_samples(method: Method) -> None:
    """Samples have the law that enumeration gives, by a χ² test at one in a million."""
    tested = 0
    for seed in range(40):
        case = random_case(seed, scale=1.0)
        if len(case.weights) < 2:
            continue
        tested += 1
        count = 2000
        rows = Lattice(
            case.automaton, case.logits.expand(count, -1, -1), case.fixed.expand(count, -1), method=method
        ).sample(1, torch.Generator().manual_seed(seed))[0]
        found = Counter(map(tuple, rows.tolist()))
        assert set(found) <= set(case.weights)
        expected = {x: count * math.exp(weight - case.log_mass) for x, weight in case.weights.items()}
        rare = [x for x, mean in expected.items() if mean < 5]
        cells = [(found[x], mean) for x, mean in expected.items() if mean >= 5]
        cells.append((sum(found[x] for x in rare), sum(expected[x] for x in rare)))
        statistic = sum((seen - mean) ** 2 / mean for seen, mean in cells if mean > 0)
        freedom = max(1, len(cells) - 1)
        # The Wilson-Hilferty approximation of the χ² quantile.
        quantile = freedom * (1 - 2 / (9 * freedom) + 4.75 * math.sqrt(2 / (9 * freedom))) ** 3
        assert statistic < quantile + 10
    assert tested > 10


@both
def test_commits_are_incremental(method: Method) -> None:
    """After commits in any order, a lattice answers as a new one."""
    for seed in range(60):
        case = random_case(seed)
        if not case.weights:
            continue
        lattice = Lattice(case.automaton, case.logits, torch.full_like(case.fixed, -1), method=method)
        lattice.best()
        lattice.marginals()
        fixed = torch.full_like(case.fixed, -1)
        generator = torch.Generator().manual_seed(seed)
        wanted = next(iter(case.weights))
        for position in torch.randperm(lattice.length, generator=generator).tolist():
            lattice.commit(position, torch.tensor([wanted[position]]))
            fixed[0, position] = wanted[position]
            new = Lattice(case.automaton, case.logits, fixed, method=method)
            torch.testing.assert_close(lattice.log_mass(), new.log_mass())
            torch.testing.assert_close(lattice.best()[1], new.best()[1])
            torch.testing.assert_close(
                lattice.marginals().log_probabilities().exp(), new.marginals().log_probabilities().exp()
            )
        assert tuple(lattice.best()[0][0].tolist()) == wanted


def test_messages_are_kept() -> None:
    """From left to right a commit costs one message, and messages that come out as they were end the work."""
    automaton = Automaton.from_edges(torch.tensor([0, 1]), [(0, 0, 0), (0, 1, 0)], [0], [0], 1, 2)
    lattice = Lattice(automaton, torch.zeros(1, 50, 2, dtype=torch.float64))
    chain = lattice._of(BEST)
    assert isinstance(chain, Chain)
    lattice.decide()
    assert chain.computed == 50
    for position in range(50):
        lattice.commit(position, torch.tensor([position % 2]))
        assert lattice.decide()
    assert chain.computed <= 100
    chain.forward(50)
    chain.backward(0)
    before = chain.computed
    chain.update(25, chain.weights[:, 25].clone())
    chain.forward(50)
    chain.backward(0)
    assert chain.computed == before + 2, "each direction stops at the first message that is the same"


def test_random_updates() -> None:
    """Messages after updates and questions in random order are those of a new chain, and of a new tree."""
    generator = torch.Generator().manual_seed(0)
    edges = [(0, 0, 1), (1, 0, 0), (1, 1, 1), (0, 1, 2), (2, 0, 2), (2, 1, 0)]
    automaton = Automaton.from_edges(torch.tensor([0, 1]), edges, [0], [0, 2], 3, 2)
    for semiring in (BEST, TOTAL):
        weights = torch.randn(2, 9, len(automaton.pair_sources), generator=generator, dtype=torch.float64)
        chain, tree = Chain(semiring, automaton, weights.clone()), Tree(semiring, automaton, weights.clone())
        for _ in range(200):
            position = int(torch.randint(9, (1,), generator=generator))
            kind = int(torch.randint(4, (1,), generator=generator))
            if kind == 0:
                same = int(torch.randint(2, (1,), generator=generator))
                row = weights[:, position].clone() if same else torch.randn(2, weights.shape[2], generator=generator)
                weights[:, position] = row
                chain.update(position, weights[:, position].clone())
                tree.update(position, weights[:, position].clone())
                continue
            new = Chain(semiring, automaton, weights.clone())
            for kept in (chain, tree):
                if kind == 1:
                    torch.testing.assert_close(kept.forward(position), new.forward(position))
                elif kind == 2:
                    torch.testing.assert_close(kept.backward(position), new.backward(position))
                else:
                    torch.testing.assert_close(kept.total(), new.total())


@pytest.mark.parametrize("length", [1, 2, 7, 16])
def test_batches_and_methods_agree(length: int) -> None:
    """Rows of a batch do not depend on one another, and the tree answers as the chain."""
    compiled = compile_grammar(regex("(ab|b[ac]*)+c?"), index_of([b"a", b"b", b"c", b"ab", b"cc", b"x"]))
    automaton = Automaton.from_token_dfa(compiled.token_dfa())
    logits = _random_logits((3, length, automaton.vocab_size), length)
    chain, tree = Lattice(automaton, logits), Lattice(automaton, logits, method="tree")
    torch.testing.assert_close(chain.log_mass(), tree.log_mass())
    torch.testing.assert_close(chain.marginals().outside.exp(), tree.marginals().outside.exp())
    assert chain.best()[0].tolist() == tree.best()[0].tolist()
    for row in range(3):
        alone = Lattice(automaton, logits[row : row + 1])
        torch.testing.assert_close(alone.log_mass()[0], chain.log_mass()[row])
        assert alone.best()[0][0].tolist() == chain.best()[0][row].tolist()


def test_large_classes() -> None:
    """Vocabularies whose classes are reduced as slices give what a direct sum gives."""
    tokens = 3000
    classes = torch.zeros(tokens, dtype=torch.long)
    classes[1::3], classes[2], classes[5] = 1, 2, 3
    automaton = Automaton.from_edges(classes, [(0, 0, 0), (0, 1, 1), (1, 2, 0)], [0], [0], 2, 4)
    logits = _random_logits((2, 3, tokens), 0)
    lattice = Lattice(automaton, logits)
    sums = [logits[..., classes == c].logsumexp(-1) for c in range(3)]
    expected = torch.logaddexp(
        sums[0].sum(-1),
        torch.logaddexp(sums[1][:, 0] + sums[2][:, 1] + sums[0][:, 2], sums[0][:, 0] + sums[1][:, 1] + sums[2][:, 2]),
    )
    torch.testing.assert_close(lattice.log_mass(), expected)
    best, weight = lattice.best()
    torch.testing.assert_close(logits.gather(-1, best[..., None]).sum((1, 2)), weight)


def test_ends_and_padding() -> None:
    """Texts of a lattice are finished: behind the end comes padding only, and nothing is left open."""
    index = index_of([b"a", b"b", b"ab"], unused=1)
    end, padding = 3, 4
    dfa = compile_grammar(regex("a*b"), index).token_dfa()
    logits = torch.zeros(1, 4, 5, dtype=torch.float64)
    for pad in (None, padding, end):
        automaton = Automaton.from_token_dfa(dfa, padding=pad)
        filler = padding if pad == padding else end
        rows = Lattice(automaton, logits.expand(400, -1, -1)).sample(1, torch.Generator().manual_seed(2))[0]
        for row in rows.tolist():
            text = row[: row.index(end)] if end in row else row
            joined = b"".join(index.tokens[token] for token in text)
            assert compile_grammar(regex("a*b"), index).accepts(joined)
            assert row[len(text) :] == ([end] + [filler] * 4)[: 4 - len(text)]
        assert len({tuple(row) for row in rows.tolist()}) >= 8
    with pytest.raises(ConstrainError, match="part of texts"):
        Automaton.from_token_dfa(dfa, padding=0)


def test_nondeterministic_automata() -> None:
    """An unambiguous automaton with several ways to go on gives what its deterministic one does."""
    classes = torch.tensor([0, 1])
    # Words that end in "aa" or "ab" told by a guess, and the same by remembering the last two letters.
    guess = [(0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 2), (1, 1, 2)]
    remember = [(0, 0, 1), (0, 1, 0), (1, 0, 3), (1, 1, 2), (3, 0, 3), (3, 1, 2), (2, 0, 1), (2, 1, 0)]
    logits = _random_logits((2, 6, 2), 3)
    one = Lattice(Automaton.from_edges(classes, guess, [0], [2], 3, 2), logits)
    other = Lattice(Automaton.from_edges(classes, remember, [0], [2, 3], 4, 2), logits)
    torch.testing.assert_close(one.log_mass(), other.log_mass())
    torch.testing.assert_close(one.marginals().log_probabilities(), other.marginals().log_probabilities())
    assert one.best()[0].tolist() == other.best()[0].tolist()


def test_tiny_masses() -> None:
    """Masses far below what a float64 holds are exact."""
    automaton = Automaton.from_edges(torch.tensor([0, 1]), [(0, 1, 0)], [0], [0], 1, 2)
    logits = torch.tensor([0.0, -900.0], dtype=torch.float64).expand(1, 8, 2)
    for method in ("chain", "tree"):
        lattice = Lattice(automaton, logits, method=method)
        assert float(lattice.log_mass()) == pytest.approx(-7200)
        assert lattice.sample(1).tolist() == [[[1] * 8]]
    wide = torch.tensor([[0.0, -1000.0], [-1000.0, 0.0]], dtype=torch.float64)[None]
    torch.testing.assert_close(TOTAL.product(wide, wide)[0, 0, 1], torch.tensor(-1000.0 + math.log(2)).double())


@both
def test_known_tokens_need_no_weight(method: Method) -> None:
    """A position that one row knows and another does not; what is known counts although the model rules it out."""
    automaton = Automaton.from_edges(torch.tensor([0, 1]), [(0, 0, 0), (0, 1, 0)], [0], [0], 1, 2)
    logits = torch.tensor([[0.0, -math.inf], [0.0, 0.0]], dtype=torch.float64).expand(2, 2, 2)
    lattice = Lattice(automaton, logits, torch.tensor([[1, -1], [-1, 0]]), method=method)
    for row in (lattice.best()[0], lattice.sample(1)[0], lattice.marginals().best()[0]):
        assert row[0, 0] == 1
        assert row[1].tolist() == [0, 0]
