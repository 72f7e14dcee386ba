"""The automaton on the device is the matcher on the host, token for token."""

import random

import numpy as np
import pytest
import torch

import constrain
from constrain.decoders.kernels.automaton import DeviceAutomaton
from constrain.decoders.kernels.sampling import sample_tokens
from constrain.errors import ConstrainError, DeadEndError, ResourceLimitError
from tests.decoders.transformer import END, WIDTH, compiled, index

GRAMMARS = (
    'root ::= "[" ([0-9]{1,3} ",")* "]"',
    'root ::= "yes" | "no" | "perhaps" | "été"',
    "root ::= [a-c ]{1,12}",
    'root ::= ("ab" | "c")*',
)


def _constraints() -> list[constrain.CompiledConstraint]:
    return [compiled(grammar) for grammar in GRAMMARS]


def _masks(matchers: "list[constrain.Matcher | None]") -> np.ndarray:
    bitmask = constrain.allocate_token_bitmask(len(matchers), index().vocab_size)
    for row, matcher in enumerate(matchers):
        if matcher is not None:
            matcher.fill_next_token_bitmask(bitmask, row)
    return bitmask


def test_draws_of_the_host(device: torch.device, backend: str) -> None:
    """Masks, draws, moves and ends: what matchers and `sample_tokens` do, step for step, until all have ended."""
    constraints = _constraints()
    numbers: list[int | None] = [0, 1, 2, 3, None] if backend != "triton" or device.type == "cuda" else [0, 1, None]
    sequences = DeviceAutomaton(constraints, device).sequences(numbers, seed=7, backend=backend)
    matchers = [None if number is None else constraints[number].matcher() for number in numbers]
    rows = torch.tensor([-1 if number is None else row for row, number in enumerate(numbers)])
    generator = torch.Generator().manual_seed(1)
    for step in range(9):
        logits = 3 * torch.randn(len(numbers), WIDTH, generator=generator)
        logits[:, [END, index().tokens.index(b"]")]] += 4 * step  # so that texts end
        host = sample_tokens(logits, _masks(matchers), rows=rows, seed=7, step=step, backend="torch")
        found = sequences.draw(logits.to(device))
        assert found.tokens.tolist() == host.tokens.tolist()
        for matcher, token in zip(matchers, host.tokens.tolist(), strict=True):
            assert matcher is None or matcher.accept_token(token)
        finished = [matcher is not None and matcher.is_finished for matcher in matchers]
        assert sequences.finished.tolist() == finished
    assert finished == [number is not None for number in numbers]
    sequences.check()
    sequences.reset()
    assert sequences.states.tolist() == DeviceAutomaton(constraints).sequences(numbers).states.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_any_tokens(seed: int, device: torch.device, backend: str) -> None:
    """Sequences of allowed and other tokens: refused where the matcher refuses them, masks equal throughout."""
    rng = random.Random(seed)
    constraints = _constraints()
    count = 12
    automaton = DeviceAutomaton(constraints, device)
    numbers = [i % 4 for i in range(count)]
    sequences = automaton.sequences(numbers, backend=backend)
    matchers = [constraints[number].matcher() for number in numbers]
    refused = [0] * count
    for _ in range(8):
        masks = automaton.words[sequences.masks.long()].cpu()
        assert torch.equal(masks, torch.from_numpy(_masks(list(matchers))))
        allowed = [matcher.allowed_tokens() for matcher in matchers]
        tokens = [rng.choice(each) if rng.random() < 0.9 else rng.randrange(WIDTH) for each in allowed]
        sequences.accept(torch.tensor(tokens, device=device))
        for row, (matcher, token) in enumerate(zip(matchers, tokens, strict=True)):
            refused[row] |= not matcher.accept_token(token)
        assert sequences.failed.tolist() == refused
        assert sequences.finished.tolist() == [matcher.is_finished for matcher in matchers]
    assert any(refused)
    with pytest.raises(DeadEndError, match=f"sequence {refused.index(1)} "):
        sequences.check()


def test_a_model_that_allows_nothing(device: torch.device, backend: str) -> None:
    """Is noted, and an error when asked for; the sequence stays where it is."""
    automaton = DeviceAutomaton(_constraints()[1:2], device)
    sequences = automaton.sequences([0, None], backend=backend)
    logits = torch.full((2, WIDTH), -torch.inf, device=device)
    logits[:, WIDTH - 1] = 0
    drawn = sequences.draw(logits)
    assert drawn.tokens.tolist() == [-1, WIDTH - 1]  # a free sequence may have a token beyond the vocabulary
    assert sequences.states.tolist() == [1, 0]
    with pytest.raises(DeadEndError, match="sequence 0 "):
        sequences.check()


@pytest.mark.gpu
def test_a_step_in_a_cuda_graph() -> None:
    """Captured and replayed, the steps are those without a graph."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    constraints = _constraints()
    automaton = DeviceAutomaton(constraints, "cuda")
    logits = torch.randn(8, 4, WIDTH, device="cuda")
    plain = automaton.sequences([0, 1, 2, 3], seed=3)
    expected = [plain.draw(step).tokens.tolist() for step in logits]
    sequences = automaton.sequences([0, 1, 2, 3], seed=3)
    static = logits[0].clone()
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        sequences.draw(static)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        drawn = sequences.draw(static)
    sequences.reset()
    found = []
    for step in logits:
        static.copy_(step)
        graph.replay()
        found.append(drawn.tokens.tolist())
    assert found == expected


def test_vocabulary_without_ends() -> None:
    """A text that is complete has no token; it is finished."""
    tokens = [bytes([byte]) for byte in range(256)]
    small = constrain.TokenizerIndex.from_tokenizer(tokens, end_tokens=[], cache=False)
    constraint = constrain.compile(constrain.regex("a(b|c*)"), small)
    sequences = DeviceAutomaton([constraint]).sequences([0, 0])
    matchers = [constraint.matcher(), constraint.matcher()]
    for step in ("aa", "bc"):
        sequences.accept(torch.tensor(list(step.encode())))
        assert all(matcher.accept_token(ord(byte)) for matcher, byte in zip(matchers, step, strict=True))
        assert sequences.finished.tolist() == [matcher.is_finished for matcher in matchers]
    assert sequences.finished.tolist() == [True, False]


def test_refusals() -> None:
    """Constraints that are not finite, none at all, masks that take too much."""
    limits = constrain.Limits(max_states=50)
    nested = constrain.compile(constrain.ebnf('root ::= "(" root ")" | "x"'), index(), limits=limits)
    with pytest.raises(ResourceLimitError):
        DeviceAutomaton([nested])
    with pytest.raises(ConstrainError, match="some"):
        DeviceAutomaton([])
    with pytest.raises(ConstrainError, match="max_bytes"):
        DeviceAutomaton(_constraints(), max_bytes=100)
