"""`constrain.generate` and the command line with every sampler."""

import json
from pathlib import Path

import numpy as np
import pytest

import constrain
from constrain.cli.app import run
from constrain.cli.generate_pressure import pressure_rows, pressure_table
from constrain.errors import ConstrainError
from constrain.generation import SAMPLERS
from tests.decoders import transformer


@pytest.fixture(scope="module")
def model() -> constrain.Model:
    """A small random transformer."""
    return constrain.wrap(transformer.llama(), transformer.tokenizer())


GRAMMAR = constrain.regex("[a-e]{1,2}")
EASY = constrain.regex("(.|\n){0,8}")


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_has_a_name(model: constrain.Model, name: str) -> None:
    """Its texts obey, the same seed gives the same, and a batch has one for each prompt."""
    grammar = EASY if name in ("rejection", "cars", "mars") else GRAMMAR
    results = [constrain.generate(model, "ab", grammar, sampler=name, seed=3, max_new_tokens=8) for _ in range(2)]
    assert results[0] == results[1]
    constraint = constrain.compile(grammar, model.index)
    assert constraint.accepts(model.index.decode(results[0].tokens))
    batch = constrain.generate(model, ["ab", "x", "ab"], grammar, sampler=name, seed=3, max_new_tokens=8)
    assert all(constraint.accepts(model.index.decode(result.tokens)) for result in batch)


def test_equal_prompts_share_what_is_learned(model: constrain.Model) -> None:
    """Progress counts all texts, and the prompt is read once for all of them."""
    told: list[tuple[int, int]] = []
    results = constrain.generate(
        model, ["ab"] * 6, GRAMMAR, sampler="masking", seed=1, max_new_tokens=5, progress=lambda *n: told.append(n)
    )
    assert len(results) == 6
    assert told[-1] == (6, 6)


def test_values_are_typed(model: constrain.Model) -> None:
    """A sampler's text is read as the type that was asked for."""
    result = constrain.generate(model, "x", bool, sampler="masking", seed=0, max_new_tokens=10)
    assert isinstance(result.value, bool)


def test_checked_constraints(model: constrain.Model) -> None:
    """They work with samplers that can take a token back, and are refused by those that cannot."""
    checked = constrain.Checked(constrain.compile(GRAMMAR, model.index), lambda text: len(text) == 2)
    for name in ("masking", "smc", "mcmc"):
        result = constrain.generate(model, "x", checked, sampler=name, seed=2, max_new_tokens=6)
        assert len(result.text) == 2
    for name in ("greedy", "sample"):
        with pytest.raises(ConstrainError, match="another sampler"):
            constrain.generate(model, "x", checked, sampler=name)
        with pytest.raises(ConstrainError, match="another sampler"):
            constrain.stream(model, "x", checked, sampler=name)


def test_streams_of_samplers_that_settle_late(model: constrain.Model) -> None:
    """The text comes in one piece, and does not fail."""
    stream = constrain.stream(model, "x", GRAMMAR, sampler="smc", seed=1, max_new_tokens=6)
    assert "".join(stream) == stream.result.text
    assert stream.result.log_weight > -np.inf


def test_pressure_of_a_generation(model: constrain.Model) -> None:
    """Masses of what `generate` wrote; the table has a line for each token, and the rows are JSON."""
    result = constrain.generate(model, "x", GRAMMAR, sampler="masking", seed=1, max_new_tokens=6)
    steps = constrain.pressure(model, "x", GRAMMAR, result.tokens)
    assert [step.token for step in steps] == list(result.tokens)
    assert sum(step.log_probability for step in steps) == pytest.approx(result.log_probability, abs=1e-4)
    lines = pressure_table(steps, model.index).splitlines()
    assert len(lines) == 1 + len(steps)
    rows = json.loads(json.dumps(pressure_rows(steps, model.index)))
    assert [row["forced"] for row in rows] == [step.is_forced for step in steps]


def test_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Several texts, their pressure as JSON and as a table, and a picture."""
    arguments = ["generate", "--regex", "[0-9]{1,3}", "--sampler", "masking", "--max-new-tokens", "5", "Sum:\n"]
    assert run([*arguments, "-n", "2", "--pressure", "--json", "--pressure-picture", str(tmp_path / "p.png")]) == 0
    values = json.loads(capsys.readouterr().out)
    assert len(values) == 2
    assert all(len(value["pressure"]) == len(value["tokens"]) for value in values)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert run([*arguments, "--pressure"]) == 0
    assert "Σ log m" in capsys.readouterr().out
    assert run([*arguments, "--stream", "--pressure"]) == 2
    capsys.readouterr()
    assert run([*arguments[:4], "nothing", "Sum:"]) == 2
    assert "there is no sampler" in capsys.readouterr().err
