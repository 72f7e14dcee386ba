"""What uses kernels gives what the reference gives."""

from typing import Any

import pytest
import torch

import constrain
from constrain.decoders import choice
from constrain.decoders.kernels.backends import SWITCH, uses_kernels
from constrain.errors import DeadEndError
from tests.decoders.transformer import OBJECT, PROMPTS, WIDTH, compiled, index, inputs, llama, tokenizer

LISTS = 'root ::= "[" ([0-9]{1,3} ",")* "]"'


def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are for GPUs, unless the switch says otherwise."""
    monkeypatch.setattr("constrain.decoders.kernels.backends.find_spec", lambda name: True)
    expected = {"": [False, True], "auto": [False, True], "torch": [False, False], "cpu": [True, True]}
    for named, uses in expected.items():
        monkeypatch.setenv(SWITCH, named)
        assert [uses_kernels(torch.device(device)) for device in ("cpu", "cuda")] == uses


@pytest.mark.parametrize("mode", [{}, {"num_beams": 4}, {"do_sample": True, "top_k": 0}], ids=str)
def test_logits_processor(mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same texts with masks that stay on the device, in every call, also for free rows."""
    constraints = [compiled(), compiled(LISTS), None, compiled(LISTS)]
    processor = constrain.LogitsProcessor(constraints)
    settings = {"max_new_tokens": 40, "do_sample": False, **mode}
    outputs = []
    for named in ("torch", "cpu", "cpu"):
        monkeypatch.setenv(SWITCH, named)
        torch.manual_seed(0)
        made = llama().generate(**inputs(PROMPTS[:4]), logits_processor=[processor], **settings)
        outputs.append(made.tolist())
    assert outputs[1] == outputs[0]
    assert outputs[2] == outputs[0]


def test_logits_that_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are an error with kernels too; a budget is kept."""
    monkeypatch.setenv(SWITCH, "cpu")
    with pytest.raises(DeadEndError, match="forbid"):
        compiled().logits_processor()(inputs(["x"])["input_ids"], torch.full((1, WIDTH), -torch.inf))
    scores = torch.zeros(1, WIDTH)
    masked = compiled(LISTS).logits_processor(max_new_tokens=3)(inputs(["x"])["input_ids"], scores)
    monkeypatch.setenv(SWITCH, "torch")
    expected = compiled(LISTS).logits_processor(max_new_tokens=3)(inputs(["x"])["input_ids"], scores)
    assert torch.equal(masked, expected)


@pytest.mark.parametrize("max_new_tokens", [8, 30])
def test_greedy_decoding(max_new_tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and probabilities are those of float64, also where a budget refuses the best token."""
    model = constrain.wrap(llama(), tokenizer())
    found = []
    for named in ("torch", "cpu"):
        monkeypatch.setenv(SWITCH, named)
        grammar = [constrain.ebnf(OBJECT), constrain.ebnf(LISTS)]
        found.append(constrain.generate(model, ["a", "b"], grammar, max_new_tokens=max_new_tokens))
    for plain, fused in zip(*found, strict=True):
        assert fused.tokens == plain.tokens
        assert fused.log_probability == pytest.approx(plain.log_probability, abs=1e-3)
        assert fused.log_weight == pytest.approx(plain.log_weight, abs=1e-3)


def test_greedy_decoding_uses_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """No law is made in float64 unless a check fails."""
    monkeypatch.setenv(SWITCH, "cpu")
    monkeypatch.setattr(choice, "log_law", lambda logits: pytest.fail("the reference was used"))
    monkeypatch.setattr("constrain.decoders.masked.log_law", choice.log_law)
    model = constrain.wrap(llama(), tokenizer())
    made = constrain.generate(model, "a", constrain.ebnf(OBJECT), max_new_tokens=30)
    assert constrain.compile(constrain.ebnf(OBJECT), index()).accepts(made.text)
