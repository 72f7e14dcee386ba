"""Whatever the mode, order, rule and model: texts obey the constraint, finished, and the loop does what it says."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

import constrain
from constrain.decoders.diffusion.canvas import bounded_token_dfa, canvas_automaton
from constrain.decoders.diffusion.chart import Chart
from constrain.decoders.diffusion.decoding import DiffusionDecoding, DiffusionDraw, Mode, Prophet
from constrain.decoders.diffusion.hooks import DreamHooks
from constrain.decoders.diffusion.lattice import Lattice
from constrain.decoders.diffusion.model import DiffusionModel, bidirectional, wrap_diffusion
from constrain.decoders.diffusion.pictures import save_steps, steps_text
from constrain.decoders.diffusion.rules import ORDERS, Factor, Schedule, Threshold, transfer_counts
from constrain.grammars.errors import ConstrainError, DeadEndError, ResourceLimitError
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.decoders.diffusion.models import FixedModel, TinyDream, TinyLLaDA

_TEXTS = (b"a", b"b", b"c", b"ab", b"bc", b"(", b")", b"", b"")
_END, _MASK = 7, 8
_INDEX = constrain.TokenizerIndex(Vocabulary(_TEXTS, {"<end>": _END, "<mask>": _MASK}, (_END,)))
_REGEX = compile_grammar(constrain.regex("(ab|c)*b?(abc)?"), _INDEX)
_NESTED = compile_grammar(constrain.ebnf('root ::= "(" root ")" root | "a"?'), _INDEX)
_CHART = compile_grammar(constrain.ebnf('root ::= "(" root ")" | "a" root "b" root "c" | "c" root "b" | "b"'), _INDEX)

modes = pytest.mark.parametrize("mode", ["best", "sample", "marginals", "masks"])


def _draw(
    decoding: DiffusionDecoding, constraint: CompiledConstraint, seed: int = 0, length: int = 8, scale: float = 2.0
) -> tuple[DiffusionDraw, FixedModel]:
    model = FixedModel(_INDEX, _MASK, seed, scale)
    rngs = [np.random.default_rng(seed)]
    (draw,) = decoding.draw_batch(model, [constraint], [[0, 1]], max_new_tokens=length, rngs=rngs)
    return draw, model


def _check(draw: DiffusionDraw, constraint: CompiledConstraint, length: int) -> None:
    text = draw.tokens[:-1] if draw.tokens[-1] == _END else draw.tokens
    assert constraint.accepts(_INDEX.decode(text))
    assert _END not in text
    assert draw.canvas == (*text, *[_END] * (length - len(text)))
    assert len(draw.steps) == len(draw.forced) == length
    assert all(step < draw.calls for step in draw.steps)


@modes
@pytest.mark.parametrize("block", [None, 3])
@pytest.mark.parametrize("rule", [Schedule(), Threshold(0.5), Factor(1.0)])
def test_texts_obey(mode: Mode, block: int | None, rule: Schedule | Threshold | Factor) -> None:
    """A text comes out of every mode, block and rule, for regular and nested constraints."""
    for seed in range(2):
        for constraint in (_REGEX, _NESTED):
            draw, model = _draw(DiffusionDecoding(mode, block=block, rule=rule, steps=4), constraint, seed)
            _check(draw, constraint, 8)
            assert draw.calls == model.calls


@pytest.mark.parametrize("order", ORDERS)
def test_orders(order: str) -> None:
    """Every order leads to a text; blocks are filled from left to right."""
    for seed in range(3):
        draw, _ = _draw(DiffusionDecoding("marginals", order=order, block=2), _REGEX, seed)
        _check(draw, _REGEX, 8)
        chosen = [(step, i // 2) for i, step in enumerate(draw.steps) if not draw.forced[i]]
        assert [block for _, block in sorted(chosen)] == sorted(block for _, block in chosen)


def test_forced_tokens_cost_nothing() -> None:
    """A constraint with one text needs no call of the model; one choice needs one."""
    alone = compile_grammar(constrain.regex("\\(ac\\)"), _INDEX)
    draw, model = _draw(DiffusionDecoding("best"), alone)
    assert (model.calls, draw.calls, set(draw.steps)) == (0, 0, {-1})
    assert all(draw.forced)
    choice = compile_grammar(constrain.regex("\\((aa|cc)\\)"), _INDEX)
    draw, model = _draw(DiffusionDecoding("best"), choice)
    assert model.calls == 1
    assert sum(not forced for forced in draw.forced) == 1


def test_the_first_step_is_the_best_completion() -> None:
    """With one step, the mode "best" writes the best completion of the model's first law."""
    for seed in range(5):
        draw, model = _draw(DiffusionDecoding("best", steps=1), _REGEX, seed)
        tokens = torch.tensor([[0, 1, *[_MASK] * 8]])
        law = model.logits(tokens)[:, 2:].double()
        law[..., _MASK] = -math.inf
        law = law.log_softmax(-1)
        expected = Lattice(canvas_automaton(_REGEX, 8), law).best()[0][0].tolist()
        assert list(draw.canvas) == expected
        assert draw.log_probability == pytest.approx(
            sum(float(law[0, i, t]) for i, t in enumerate(expected) if draw.steps[i] == 0 and not draw.forced[i])
        )


def test_samples_of_one_step_have_the_law() -> None:
    """With one step, the mode "sample" draws from the model's law given the constraint."""
    decoding, count = DiffusionDecoding("sample", steps=1), 300
    constraint = compile_grammar(constrain.regex("(a|b)(b|c)"), _INDEX)
    model = FixedModel(_INDEX, _MASK, 3, 1.0)
    draws = decoding.draw_batch(
        model,
        [constraint] * count,
        [[0]] * count,
        max_new_tokens=3,
        rngs=list(map(np.random.default_rng, range(count))),
    )
    law = model.logits(torch.tensor([[0, _MASK, _MASK, _END]]))[0, 1:].double().exp()
    weights = {
        canvas: float(law[range(3), list(canvas)].prod())
        for canvas in [(0, 1, 7), (0, 2, 7), (1, 1, 7), (1, 2, 7), (3, 7, 7), (4, 7, 7)]
    }
    total, found = sum(weights.values()), Counter(draw.canvas for draw in draws)
    assert set(found) <= set(weights)
    expected = {canvas: count * weight / total for canvas, weight in weights.items()}
    assert sum((found[c] - mean) ** 2 / mean for c, mean in expected.items()) < 40


@modes
def test_seeds(mode: Mode) -> None:
    """The same seed gives the same text, and a row does not depend on the others."""
    decoding = DiffusionDecoding(mode, temperature=0.8)
    model = FixedModel(_INDEX, _MASK)
    rngs = [np.random.default_rng(seed) for seed in (1, 2, 3)]
    several = decoding.draw_batch(model, [_REGEX] * 3, [[0], [1], [2]], max_new_tokens=6, rngs=rngs)
    (alone,) = decoding.draw_batch(model, [_REGEX], [[2]], max_new_tokens=6, rngs=[np.random.default_rng(3)])
    assert alone == several[2]


@pytest.mark.parametrize("mode", ["best", "masks"])
def test_charts_in_the_loop(mode: Mode) -> None:
    """A grammar with too many states is decided by its chart, in two modes; others say that they cannot."""
    limited = compile_grammar(_CHART.grammar, _INDEX, constrain.Limits(max_states=10))
    for seed in range(3):
        draw, _ = _draw(DiffusionDecoding(mode), limited, seed, length=6)
        _check(draw, limited, 6)
    eager, model = _draw(DiffusionDecoding(mode, early_exit=Prophet((0.0, 0.0, 0.0))), limited, length=6)
    _check(eager, limited, 6)
    assert model.calls == 1
    with pytest.raises(ResourceLimitError):
        _draw(DiffusionDecoding("sample"), limited)


def test_given_charts() -> None:
    """A chart may be given; its best completions are those of the automaton."""
    chart, model = Chart(_CHART.grammar, _INDEX), FixedModel(_INDEX, _MASK)
    early = DiffusionDecoding("best", early_exit=Prophet((0.0, 0.0, 0.0)))  # the whole is one best completion
    for length in (3, 6):
        draws = [
            early.draw_batch(model, [known], [[0]], max_new_tokens=length, rngs=[np.random.default_rng(0)])[0]
            for known in (chart, _CHART)
        ]
        assert draws[0].log_probability == pytest.approx(draws[1].log_probability)
    with pytest.raises(ConstrainError, match="charts"):
        DiffusionDecoding("sample").draw_batch(model, [chart], [[0]], rngs=[np.random.default_rng(0)])


def test_early_exit() -> None:
    """Confident models are believed early, and what fills the rest obeys the constraint."""
    eager = DiffusionDecoding("best", early_exit=Prophet((0.0, 0.0, 0.0)))
    for constraint in (_REGEX, _NESTED):
        draw, model = _draw(eager, constraint)
        _check(draw, constraint, 8)
        assert model.calls == 1
    never = replace(eager, early_exit=Prophet((1e9, 1e9, 1e9)))
    assert _draw(never, _REGEX)[1].calls > 1


def test_transform() -> None:
    """Logits are transformed before the constraint sees them."""
    calls = []

    def only_c(step: int, tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        calls.append(step)
        changed = torch.full_like(logits, -50.0)
        changed[:, 2] = 0
        return changed

    draw, _ = _draw(DiffusionDecoding("best", transform=only_c), _REGEX)
    assert _INDEX.decode(draw.tokens) == b"c" * 8
    assert calls == list(range(len(calls)))

    def nothing(step: int, tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return logits.masked_fill(torch.arange(9) != 5, -math.inf)

    with pytest.raises(DeadEndError):
        _draw(DiffusionDecoding("best", transform=nothing), _REGEX)


def test_errors() -> None:
    """What cannot be is said at once."""
    with pytest.raises(ConstrainError, match="fits"):
        _draw(DiffusionDecoding(), compile_grammar(constrain.regex("a{9}"), _INDEX), length=4)
    with pytest.raises(ConstrainError, match="mode"):
        DiffusionDecoding("worst")  # type: ignore[arg-type]
    with pytest.raises(ConstrainError, match="order"):
        DiffusionDecoding(order="random")
    with pytest.raises(ConstrainError, match="at least 1"):
        DiffusionDecoding(steps=0)


def test_rules() -> None:
    """How many positions each rule takes."""
    assert transfer_counts(10, 4) == [3, 3, 2, 2]
    scores = torch.tensor([-0.01, -3.0, -0.02, -1.0], dtype=torch.float64)
    assert Schedule().select(scores, scores, 0, 2).tolist() == [0, 2]
    assert Schedule().select(scores, scores, 3, 2).tolist() == [0, 2, 3, 1]
    assert Threshold(0.9).select(scores, scores, 0, 9).tolist() == [0, 2]
    assert Threshold(0.999).select(scores, scores, 0, 9).tolist() == [0]
    assert Factor(1.0).select(scores, scores, 0, 9).tolist() == [0, 2]
    assert Factor(1e-9).select(scores, scores, 0, 9).tolist() == [0]


def test_bounded_automata() -> None:
    """Of a nested grammar, the automaton of so many tokens allows what the constraint does and can be finished."""
    dfa = bounded_token_dfa(_NESTED, 4)
    generator = np.random.default_rng(0)
    for _ in range(300):
        tokens = generator.integers(0, 7, generator.integers(0, 5)).tolist()
        state = dfa.run(tokens)
        text = _INDEX.decode(tokens)
        assert (state >= 0 and bool(dfa.accepting[state])) == _NESTED.accepts(text)
    assert dfa.run([5, 5, 5]) == -1, "three open brackets are not closed by one token"


# Models


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {text.decode(): token for token, text in enumerate(_TEXTS) if text}
    tokenizer = Tokenizer(models.BPE(vocabulary | {"<end>": _END, "<mask>": _MASK}, [("a", "b"), ("b", "c")]))
    tokenizer.add_special_tokens(["<end>", "<mask>"])
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")  # type: ignore[no-untyped-call]


def _tiny(kind: type[TinyLLaDA] | type[TinyDream]) -> DiffusionModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return wrap_diffusion(kind(9, _MASK), _tokenizer())


@pytest.mark.parametrize("kind", [TinyLLaDA, TinyDream])
@modes
def test_interfaces(kind: type[TinyLLaDA] | type[TinyDream], mode: Mode) -> None:
    """`constrain.generate` works on LLaDA's and Dream's interfaces, with every mode."""
    model = _tiny(kind)
    assert model.interface == ("llada" if kind is TinyLLaDA else "dream")
    assert (model.mask_token, model.room([1, 2])) == (_MASK, 62)
    result = constrain.generate(model, "ab", constrain.regex("(ab|c)+"), sampler=mode, max_new_tokens=7, seed=1)
    assert isinstance(result, constrain.Generation)
    assert _REGEX.accepts(result.text)


@pytest.mark.parametrize("kind", [TinyLLaDA, TinyDream])
def test_padding_on_the_left_changes_nothing(kind: type[TinyLLaDA] | type[TinyDream]) -> None:
    """Logits of a row with padding are those of the row without it, shifted where the interface is."""
    model = _tiny(kind)
    row = torch.tensor([[0, 1, _MASK, 2]])
    padded = torch.tensor([[3, 3, 0, 1, _MASK, 2]])
    real = torch.tensor([[False, False, True, True, True, True]])
    torch.testing.assert_close(model.logits(padded, real)[:, 3:], model.logits(row)[:, 1:])
    own = model.hf_model(row).logits
    if kind is TinyLLaDA:
        torch.testing.assert_close(model.logits(row), own)
    else:
        torch.testing.assert_close(model.logits(row)[:, 1:], own[:, :-1])


def test_dream_hooks() -> None:
    """Dream's own loop writes texts that obey, with the two hooks; without them it does not."""
    model = _tiny(TinyDream)
    for pattern in ("(ab|c)+", "\\(a{2,5}\\)c", "b"):
        constraint = compile_grammar(constrain.regex(pattern), model.index)
        hooks = DreamHooks(constraint, 2, 9, _MASK)
        found = model.hf_model.diffusion_generate(
            torch.tensor([[0, 1]]),
            max_new_tokens=9,
            steps=20,
            generation_tokens_hook_func=hooks.tokens,
            generation_logits_hook_func=hooks.logits,
        )[0, 2:].tolist()
        assert _MASK not in found
        text = found[: found.index(_END)] if _END in found else found
        assert constraint.accepts(model.index.decode(text))
    with pytest.raises(ConstrainError, match="fits"):
        DreamHooks(compile_grammar(constrain.regex("a{20}"), model.index), 2, 9, _MASK)


def test_wrapping_errors() -> None:
    """Models whose mask or kind is not known are refused."""
    tiny = TinyLLaDA(9, _MASK)
    tiny.config.mask_token_id = None
    with pytest.raises(ConstrainError, match="mask token"):
        wrap_diffusion(tiny, _tokenizer())
    tiny.config.mask_token_id, tiny.config.model_type = _MASK, "bert"
    with pytest.raises(ConstrainError, match="interface"):
        wrap_diffusion(tiny, _tokenizer())
    model = _tiny(TinyLLaDA)
    with pytest.raises(ConstrainError, match="sampler"):
        constrain.generate(model, "a", constrain.regex("a"), sampler="cars")
    with pytest.raises(ConstrainError, match="template"):
        model.encode([{"role": "user", "content": "a"}])


# The embedded model


@pytest.fixture(scope="module")
def embedded() -> DiffusionModel:
    """The embedded diffusion model."""
    return constrain.load("embedded-diffusion")


def test_embedded_reads_both_ways(embedded: DiffusionModel) -> None:
    """What is behind a mask changes what the model thinks is there, and padding does not."""
    prompt = embedded.encode("There are 7 boxes with 95 spoons each. How many spoons are there?\nExpression:\n")
    mask, end = embedded.mask_token, embedded.index.end_tokens[0]
    one = torch.tensor([[*prompt, mask, mask, *embedded.encode(" 95"), end]])
    other = torch.tensor([[*prompt, mask, mask, mask, mask, mask, end]])
    first, second = embedded.logits(one), embedded.logits(other)
    assert not torch.allclose(first[0, len(prompt)], second[0, len(prompt)])
    padded = torch.cat([torch.zeros((1, 3), dtype=torch.long), one], dim=1)
    real = torch.ones_like(padded, dtype=torch.bool)
    real[:, :3] = False
    torch.testing.assert_close(embedded.logits(padded, real)[:, 4:], first[:, 1:], rtol=1e-3, atol=1e-3)
    assert bidirectional(torch.tensor([[0, 1]])).tolist() == [[[[0.0, 0.0], [-math.inf, 0.0]]]]


def test_embedded_generates(embedded: DiffusionModel) -> None:
    """A JSON Schema gives a value, and the picture shows how it came about."""
    schema = {
        "type": "object",
        "properties": {"a": {"enum": ["x", "yy"]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    grammar = constrain.json_schema(schema, whitespace="compact", escapes="needed")
    result = constrain.generate(embedded, "Call:\n", grammar, max_new_tokens=16, seed=0)
    assert result.text in ('{"a":"x"}', '{"a":"yy"}')


def test_pictures(tmp_path: object) -> None:
    """The terminal shows the text; the picture is a PNG file."""
    from pathlib import Path

    draw, _ = _draw(DiffusionDecoding("best", steps=3), _REGEX, 2)
    shown = steps_text(draw, _INDEX)
    assert shown.plain.rstrip("⏹").encode() == _INDEX.decode(draw.tokens)
    pytest.importorskip("matplotlib")
    path = Path(str(tmp_path)) / "steps.png"
    save_steps(draw, _INDEX, path)
    assert path.read_bytes().startswith(b"\x89PNG")
