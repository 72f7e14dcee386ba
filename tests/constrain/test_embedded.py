"""The embedded model: its tasks are sound and seeded, its files load, its training is repeatable, and it answers."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import lark
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from safetensors.torch import load_file
from tokenizers import Tokenizer

import constrain
from constrain import demo
from constrain.embedded import MODEL_FOLDER, load_embedded
from constrain.embedded.muon import orthogonalised
from constrain.embedded.table_questions import Table, table_question
from constrain.embedded.tasks import TASKS, Example, examples, held_out_examples, is_held_out
from constrain.embedded.tokenizer import END, PAD
from constrain.embedded.train import Recipe, save, train
from constrain.embedded.word_problems import evaluate
from constrain.models import Model

every_task = pytest.mark.parametrize("task", TASKS)


@pytest.fixture(scope="module")
def model() -> Model:
    """The embedded model with its index."""
    return constrain.load("embedded")


@cache
def _reader(grammar: str) -> lark.Lark:
    return lark.Lark(grammar, parser="earley", lexer="dynamic_complete")


def _is_well_formed(example: Example, answer: str) -> bool:
    """What jsonschema or the Lark package say about an answer."""
    if isinstance(example.description, str):
        try:
            _reader(example.description).parse(answer)
        except lark.exceptions.LarkError:
            return False
        return True
    try:
        value = json.loads(answer)
    except ValueError:
        return False
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(example.description, format_checker=checker).is_valid(value)


# Tasks


@every_task
def test_examples_follow_from_their_seed(task: str) -> None:
    """The same seed gives the same examples, another one others."""
    first, again, other = (list(islice(examples(task, seed), 20)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@every_task
def test_held_out_examples_are_not_for_training(task: str) -> None:
    """An example is for training or held out, whatever the seed; what is held out is about one in ten."""
    stream = [TASKS[task](random) for random in [Random(0)] for _ in range(400)]
    assert 15 < sum(map(is_held_out, stream)) < 80
    assert not any(map(is_held_out, islice(examples(task, 5), 100)))
    held_out = held_out_examples(task, 5, 30)
    assert all(map(is_held_out, held_out))
    assert len({example.prompt for example in held_out}) == 30


@every_task
def test_expected_answers_obey_their_grammars(task: str, model: Model) -> None:
    """The expected answer is well formed, also when read in the model's own tokens, and is correct."""
    for example in held_out_examples(task, 1, 25):
        assert _is_well_formed(example, example.answer)
        matcher = constrain.compile(example.grammar(), model.index).matcher()
        assert all(matcher.accept_token(token) for token in model.encode(example.answer))
        assert matcher.is_accepting
        assert example.is_correct(example.answer)


@every_task
def test_grammars_tell_answers_apart(task: str, model: Model) -> None:
    """The answers to other requests obey a grammar exactly when an independent validator says so."""
    chosen = held_out_examples(task, 2, 8)
    verdicts = set()
    for example in chosen:
        answers = [other.answer for other in chosen]
        answers += [example.answer[:-1], example.answer + ",", example.answer.replace("2", "7"), example.answer * 2]
        for answer in answers:
            matcher = constrain.compile(example.grammar(), model.index).matcher()
            obeys = matcher.accept_text(answer) and matcher.is_accepting
            assert obeys == _is_well_formed(example, answer), answer
            verdicts.add(obeys)
    assert verdicts == {True, False}


@every_task
def test_other_answers_are_not_correct(task: str) -> None:
    """The answer to one request is no answer to another."""
    chosen = {example.answer: example for example in held_out_examples(task, 3, 12)}
    for example in chosen.values():
        assert [answer for answer in chosen if example.is_correct(answer)] == [example.answer]
        assert not example.is_correct("")
        assert not example.is_correct(example.answer[:-1] + "\0")


def test_tool_calls_are_compared_as_values() -> None:
    """Spaces and the order of members do not matter; types do."""
    example = next(e for e in examples("tool_call", 0) if '"quantity"' in e.answer)
    call = json.loads(example.answer)
    assert example.is_correct(json.dumps(dict(reversed(call.items())), indent=1))
    call["arguments"]["quantity"] = str(call["arguments"]["quantity"])
    assert not example.is_correct(json.dumps(call))


def _query(accept: Callable[[str], bool]) -> Example:
    random = Random(0)
    return next(e for e in iter(lambda: table_question(random), None) if accept(e.answer))


def test_queries_are_compared_by_what_they_find() -> None:
    """Conditions may be swapped; another condition or column is another answer."""
    example = _query(lambda answer: answer.startswith("SELECT COUNT") and " AND " in answer)
    head, conditions = example.answer.split(" WHERE ")
    first, second = conditions.split(" AND ")
    assert example.is_correct(f"{head} WHERE {second} AND {first}")
    assert not example.is_correct(f"{head} WHERE {first}")
    assert not example.is_correct(head.replace("COUNT(*)", "1"))


def test_order_counts_where_it_was_asked_for() -> None:
    """With ORDER BY the rows have to come in that order."""
    example = _query(lambda answer: answer.endswith(" DESC"))
    assert not example.is_correct(example.answer.removesuffix(" DESC"))


@pytest.mark.parametrize(
    "answer",
    [
        "ATTACH DATABASE '{folder}/made.db' AS made",
        "DELETE FROM {table}",
        "PRAGMA user_version",
        "SELECT 1; SELECT 2",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
        "SELECT COUNT(*) FROM {table} a, {table} b, {table} c, {table} d, {table} e, {table} f",
    ],
)
def test_queries_read_and_end(answer: str, tmp_path: Path) -> None:
    """An answer that is not a query that ends soon is wrong, and does nothing."""
    example = _query(lambda expected: "COUNT" in expected)
    table = example.prompt.split(":")[0]
    assert not example.is_correct(answer.format(folder=tmp_path, table=table))
    assert list(tmp_path.iterdir()) == []


def test_columns_have_types() -> None:
    """Texts are not averaged, and numbers not compared with texts."""
    grammar = _reader(Table("cars", ("brand",), ("price",)).grammar())
    grammar.parse("SELECT AVG(price) FROM cars WHERE brand = 'Alma' AND price < 10 ORDER BY price DESC LIMIT 3")
    for query in ("SELECT AVG(brand) FROM cars", "SELECT price FROM cars WHERE price = 'x'", "SELECT age FROM cars"):
        with pytest.raises(lark.exceptions.LarkError):
            grammar.parse(query)


expressions = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.builds("{} {} {}".format, inner, st.sampled_from("+-*/"), inner) | inner.map("({})".format),
    max_leaves=8,
)


@given(expressions)
@settings(max_examples=100)
def test_values_are_exact(expression: str) -> None:
    """An expression has the value that Python's own arithmetic gives it, in fractions."""
    try:
        value = eval(re.sub(r"\d+", r"F(\g<0>)", expression), {"F": Fraction})
    except ZeroDivisionError:
        with pytest.raises(ValueError, match="no value"):
            evaluate(expression)
    else:
        assert evaluate(expression) == value


@pytest.mark.parametrize(
    "text",
    ["", "a", "2 ** 9", "7 // 2", "1.5", "True", "f(1)", "(1", "1 / 0", "1 2", "()", "(" * 5000, "1+" * 50_000 + "1"],
)
def test_what_has_no_value(text: str) -> None:
    """Anything but an expression of whole numbers is refused."""
    with pytest.raises(ValueError, match=r"no value|not an arithmetic expression"):
        evaluate(text)


# Files


def test_files_are_small() -> None:
    """The model and its tokenizer are at most 8 MB in all, and all files that loading needs are there."""
    files = {path.name: path.stat().st_size for path in MODEL_FOLDER.iterdir()}
    assert set(files) == {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
    assert sum(files.values()) <= 8_000_000


def test_loading_is_quiet(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is fetched or printed, and PyTorch's random numbers go on as they were."""

    def refuse(*_: Any) -> None:
        raise AssertionError("loading reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    state = torch.random.get_rng_state()
    model, tokenizer = load_embedded()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")
    assert (type(model).__name__, model.dtype) == ("LlamaForCausalLM", torch.float32)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.padding_side) == (END, PAD, "left")
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_weights_are_those_of_the_file() -> None:
    """Loading leaves no weight as it was drawn."""
    model, _ = load_embedded()
    stored = load_file(MODEL_FOLDER / "model.safetensors")
    assert set(stored) | {"lm_head.weight"} == set(model.state_dict())
    for name, weight in stored.items():
        assert weight.dtype == torch.float16
        assert torch.equal(model.state_dict()[name], weight.float())


def test_tokenizer_is_byte_level(model: Model) -> None:
    """Any text comes back, digits stand alone, and there are about 4,000 tokens."""
    assert 3500 <= model.index.vocab_size <= 4200
    for text in ("SELECT a FROM b", "1234", " naïve 🙂\n\t", '{"x": "y"}'):
        assert model.index.decode(model.encode(text)) == text.encode()
    assert len(model.encode("1234")) == 4


# Training

_SMALL = Recipe(steps=2, batch=2, vocab_size=400, texts=20, hidden=16, inner=24, layers=1, heads=2, threads=1)


@pytest.fixture
def threads() -> Iterator[None]:
    """Puts PyTorch's number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_training_is_repeatable(tmp_path: Path) -> None:
    """Two runs of two steps write the same files, another seed other weights; what is written can be loaded."""
    folders = [tmp_path / name for name in ("first", "again", "other")]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        model, tokenizer, loss = train(replace(_SMALL, seed=seed))
        assert 0 < loss < 20
        save(model, tokenizer, folder)
    first, again, other = ((folder / "model.safetensors").read_bytes() for folder in folders)
    assert first == again
    assert first != other
    assert (folders[0] / "tokenizer.json").read_bytes() == (folders[1] / "tokenizer.json").read_bytes()
    model, tokenizer = load_embedded(folders[0])
    assert tokenizer.decode(model.generate(**tokenizer("1 + 2", return_tensors="pt"), max_new_tokens=2)[0])


@pytest.mark.usefixtures("threads")
def test_training_learns() -> None:
    """The loss falls from that of a uniform guess."""
    quick = replace(_SMALL, batch=8, rate=0.02, muon_rate=0.03)
    before = train(replace(quick, steps=1))[2]
    after = train(replace(quick, steps=60))[2]
    assert after < 0.8 * before


def test_loss_counts_answers_only() -> None:
    """Labels are the answer and the end token; prompts and padding are left out."""
    from constrain.embedded.train import _encoded, _padded

    tokenizer = Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json"))
    rows = _encoded(tokenizer, 0, 3)
    inputs, labels = _padded(rows, tokenizer.token_to_id(PAD))
    answers = [example.answer for task in TASKS for example in islice(examples(task, 0), 3)]
    for row, answer in enumerate(answers):
        counted = labels[row] != -100
        assert torch.equal(labels[row][counted], inputs[row][counted])
        assert tokenizer.decode(labels[row][counted].tolist(), skip_special_tokens=False) == answer + END


@given(st.integers(0, 1000), st.sampled_from([(4, 4), (3, 7), (7, 3)]))
@settings(max_examples=20)
def test_muon_makes_matrices_nearly_orthogonal(seed: int, shape: tuple[int, int]) -> None:
    """Singular vectors stay, singular values move close to one."""
    matrices = torch.randn((2, *shape), generator=torch.Generator().manual_seed(seed))
    u, values, v = torch.linalg.svd(matrices, full_matrices=False)
    moved = u.mT @ orthogonalised(matrices) @ v.mT
    diagonal = torch.diagonal(moved, dim1=-2, dim2=-1)
    assert torch.allclose(moved, torch.diag_embed(diagonal), atol=1e-3)
    large = values > 0.1 * values.amax(dim=-1, keepdim=True)
    assert ((diagonal[large] > 0.6) & (diagonal[large] < 1.3)).all()


# What the model does


def test_answers_improve_under_a_constraint() -> None:
    """The demonstration's figures: constrained answers are all valid, and many are right without a constraint too."""
    console = Console(record=True, width=100, file=None, quiet=False)
    with console.capture() as captured:
        figures = demo.main(12, console=console)
    assert set(figures) == set(TASKS)
    for task, sides in figures.items():
        assert sides["constrained"]["valid"] == 1.0, task
        assert sides["constrained"]["correct"] >= sides["unconstrained"]["correct"] - 0.1, task
        assert sides["constrained"]["correct"] >= 0.3, task
    assert "held-out" in captured.get()


@every_task
def test_constrained_answers_pass_independent_validators(task: str, model: Model) -> None:
    """What is counted as valid is what jsonschema and the Lark package call valid."""
    chosen = held_out_examples(task, 9, 10)
    for example, (free, constrained) in zip(chosen, demo.outcomes(model, chosen), strict=True):
        assert _is_well_formed(example, constrained.text)
        assert constrained.valid
        assert free.valid <= _is_well_formed(example, free.text)
        assert constrained.correct == example.is_correct(constrained.text)
