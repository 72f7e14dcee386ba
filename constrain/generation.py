"""`constrain.generate`: a text, and its value, that a model writes under a constraint."""

import codecs
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, overload

import numpy as np

from constrain.compilation import compile as compile_grammar
from constrain.decoders.contract import BatchSampler, Draw, LanguageModel, Progress, Sampler, StreamingSampler
from constrain.decoders.diffusion.decoding import DiffusionDecoding, Mode
from constrain.decoders.diffusion.model import DiffusionModel
from constrain.decoders.masked import MaskedDecoding
from constrain.decoders.samplers import AWRS, CARS, MARS, MCMC, SMC, ASAp, Checked, Masking, Rejection
from constrain.decoders.samplers.estimators import accepted, resample
from constrain.decoders.samplers.pressure import Pressure, pressure_of
from constrain.grammars import ir
from constrain.grammars.errors import ConstrainError
from constrain.models import Prompt
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.limits import Limits

__all__ = ["SAMPLERS", "Generation", "Stream", "TextModel", "generate", "pressure", "stream"]

_DEFAULT_MAX_NEW_TOKENS = 1024

SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "greedy": lambda: MaskedDecoding(temperature=0),
    "sample": MaskedDecoding,
    "masking": Masking,
    "rejection": Rejection,
    "asap": ASAp,
    "cars": CARS,
    "mars": MARS,
    "mcmc": MCMC,
    "mcmc-uniform": lambda: MCMC("uniform"),
    "mcmc-priority": lambda: MCMC("priority"),
    "awrs": AWRS,
    "smc": SMC,
}
"""Samplers that have names."""

DIFFUSION_SAMPLERS: tuple[Mode, ...] = ("best", "sample", "marginals", "masks")
"""The same for diffusion models: modes of `constrain.decoders.diffusion.decoding`."""

AnySampler = Sampler | DiffusionDecoding

Reader = Callable[[str], Any]


class TextModel(LanguageModel, Protocol):
    """A model that reads prompts; `constrain.wrap` makes one."""

    @property
    def index(self) -> TokenizerIndex:
        """The index of its tokenizer."""
        ...

    def encode(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt."""
        ...

    def room(self, prompt: Sequence[int]) -> int | None:
        """Tokens that can be written after a prompt; None for no limit."""
        ...


@dataclass(frozen=True, slots=True)
class Generation:
    """What `generate` returns.

    value             the text as a value of the type or JSON Schema that was asked for; the text itself for a grammar
    text              the text, which obeys the constraint
    tokens            its ids, the end token included when there is one
    log_weight        natural logarithm of the importance weight, see `constrain.decoders.contract`
    log_probability   of the tokens under the model
    """

    value: Any
    text: str
    tokens: tuple[int, ...]
    log_weight: float
    log_probability: float


@dataclass(frozen=True, slots=True)
class _Target:
    """A constraint, and how a text of it is read."""

    constraint: CompiledConstraint | Checked
    read: Reader

    def generation(self, draw: Draw) -> Generation:
        text = self.constraint.index.decode(draw.tokens).decode(errors="replace")
        return Generation(self.read(text), text, draw.tokens, draw.log_weight, draw.log_probability)


def _target(wanted: Any, index: TokenizerIndex, limits: Limits | None) -> _Target:
    """The constraint of a grammar, a JSON Schema, a Python type, or a constraint as it is."""
    match wanted:
        case CompiledConstraint() | Checked():
            if wanted.index is not index and wanted.index.tokens[: len(index.tokens)] != index.tokens:
                raise ConstrainError("the constraint was compiled for another vocabulary than the model's")
            return _Target(wanted, str)
        case ir.Grammar():
            grammar, read = wanted, cast("Reader", str)
        case str():
            raise TypeError("a text says nothing of its notation; use constrain.regex, .lark or .ebnf")
        case Mapping():
            grammar, read = _json_schema(wanted), json.loads
        case _:
            grammar, read = _python_type(wanted)
    return _Target(compile_grammar(grammar, index, limits=limits), read)


def _json_schema(schema: Mapping[str, Any]) -> ir.Grammar:
    from constrain.grammars.json_schema import json_schema

    return json_schema(dict(schema))


def _python_type(wanted: Any) -> tuple[ir.Grammar, Reader]:
    from constrain.grammars import python_types

    return python_types.python_type(wanted), lambda text: python_types.value_of(wanted, text)


def _sampler(sampler: Sampler | str | None) -> Sampler:
    if sampler is None:
        return SAMPLERS["greedy"]()
    if not isinstance(sampler, str):
        return sampler
    if sampler not in SAMPLERS:
        raise ConstrainError(f"there is no sampler {sampler!r}; choose one of {sorted(SAMPLERS)}, or make one")
    return SAMPLERS[sampler]()


def _sampler_for(model: TextModel | DiffusionModel, sampler: AnySampler | str | None) -> Sampler:
    """The sampler that was asked for, or the one that a kind of model has unless told."""
    if isinstance(model, DiffusionModel):
        if sampler is None or isinstance(sampler, str):
            if (sampler or "best") not in DIFFUSION_SAMPLERS:
                raise ConstrainError(f"a diffusion model has no sampler {sampler!r}; choose of {DIFFUSION_SAMPLERS}")
            sampler = DiffusionDecoding(cast("Mode", sampler or "best"))
        if not isinstance(sampler, DiffusionDecoding):
            raise ConstrainError(f"a diffusion model takes a DiffusionDecoding, or of {DIFFUSION_SAMPLERS} a name")
        return cast("Sampler", sampler)
    if isinstance(sampler, DiffusionDecoding):
        raise ConstrainError("an autoregressive model fills no masks; choose another sampler")
    return _sampler(sampler)


def _room(model: TextModel | DiffusionModel, prompts: Sequence[Sequence[int]], max_new_tokens: int | None) -> int:
    """The budget: what was asked for, within what the model can still read after each prompt."""
    usual = DiffusionDecoding().length if isinstance(model, DiffusionModel) else _DEFAULT_MAX_NEW_TOKENS
    wanted = usual if max_new_tokens is None else max_new_tokens
    rooms = [model.room(prompt) for prompt in prompts]
    return min([wanted, *[room for room in rooms if room is not None]])


def _generators(seed: int | None, count: int) -> list[np.random.Generator]:
    """A source of randomness for each row; that of row i does not depend on how many there are."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)]


def _is_one(prompt: Any) -> bool:
    """Whether a prompt is one text or conversation, not several."""
    return isinstance(prompt, str) or (len(prompt) > 0 and isinstance(prompt[0], Mapping))


@overload
def generate(
    model: TextModel | DiffusionModel,
    prompt: Prompt,
    grammar_or_type: Any,
    *,
    sampler: AnySampler | str | None = None,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Generation: ...


@overload
def generate(
    model: TextModel | DiffusionModel,
    prompt: Sequence[Prompt],
    grammar_or_type: Any,
    *,
    sampler: AnySampler | str | None = None,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> list[Generation]: ...


def generate(
    model: TextModel | DiffusionModel,
    prompt: Prompt | Sequence[Prompt],
    grammar_or_type: Any,
    *,
    sampler: AnySampler | str | None = None,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Generation | list[Generation]:
    """Let a model write a text that obeys a constraint.

    model             from `constrain.wrap`, `constrain.load` or, for a diffusion model, `wrap_diffusion` (see
                      docs/diffusion.md)
    prompt            a text or a conversation (messages with "role" and "content"); or a list of these, which are
                      decoded as a batch and give a list of results
    grammar_or_type   a grammar, a compiled constraint, a Python type, or a JSON Schema as a dict; a list of these
                      holds one for each prompt of a batch.  A `Checked` constraint works with all samplers but
                      "greedy" and "sample"
    sampler           "greedy" (the default) or another of `SAMPLERS`, or a sampler such as `constrain.MaskedDecoding`;
                      docs/samplers.md helps to choose.  Of a sampler whose draws may fail, the first that does not is
                      taken; of `SMC`, one of its particles, by their weights.  Prompts that occur more than once with
                      the same constraint are drawn together, and share what is learned.  Diffusion models have
                      "best" (the default) and the other `DIFFUSION_SAMPLERS`, or a `DiffusionDecoding`
    max_new_tokens    the text is finished within so many tokens, its end included; 1024 unless given, 64 for a
                      diffusion model, and never more than the model's context leaves
    seed              the same seed gives the same texts; a row's text depends on the seed and its place in the batch
    limits            for compiling the grammar
    progress          called with how many prompts are done, and how many there are

    Raises ConstrainError when no text fits into the tokens, DeadEndError when the model rules out everything that the
    constraint allows, GrammarError for a grammar, type or schema that cannot be used.
    """
    prompts: Sequence[Prompt] = [cast("Prompt", prompt)] if _is_one(prompt) else cast("Sequence[Prompt]", prompt)
    several = grammar_or_type if isinstance(grammar_or_type, list) else [grammar_or_type] * len(prompts)
    if len(several) != len(prompts):
        raise ConstrainError(f"{len(several)} constraints for {len(prompts)} prompts")
    made_of = {id(wanted): _target(wanted, model.index, limits) for wanted in several}
    targets = [made_of[id(wanted)] for wanted in several]
    encoded = [model.encode(each) for each in prompts]
    draws = _draws(
        _sampler_for(model, sampler), model, targets, encoded, _room(model, encoded, max_new_tokens), seed, progress
    )
    made = [target.generation(draw) for target, draw in zip(targets, draws, strict=True)]
    return made[0] if _is_one(prompt) else made


def _draws(
    sampler: Sampler,
    model: TextModel | DiffusionModel,
    targets: Sequence[_Target],
    prompts: Sequence[Sequence[int]],
    room: int,
    seed: int | None,
    progress: Progress | None,
) -> list[Draw]:
    rngs = _generators(seed, len(prompts))
    if isinstance(sampler, BatchSampler):
        constraints = [_compiled(target) for target in targets]
        return sampler.draw_batch(cast("TextModel", model), constraints, prompts, max_new_tokens=room, rngs=rngs)
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for row, (target, tokens) in enumerate(zip(targets, prompts, strict=True)):
        groups.setdefault((id(target), tuple(tokens)), []).append(row)
    draws: dict[int, Draw] = {}
    for rows in groups.values():
        first = rows[0]
        report = None if progress is None else _shifted(progress, len(draws), len(prompts))
        found = _several(
            sampler, cast("TextModel", model), targets[first], prompts[first], len(rows), room, rngs[first], report
        )
        draws.update(zip(rows, found, strict=True))
    return [draws[row] for row in range(len(prompts))]


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    """Progress of a part, told as that of the whole."""
    return lambda done, _: progress(before + done, total)


def _compiled(target: _Target) -> CompiledConstraint:
    if isinstance(target.constraint, Checked):
        raise ConstrainError("masked decoding cannot take back what a predicate refuses; choose another sampler")
    return target.constraint


def _several(
    sampler: Sampler,
    model: TextModel,
    target: _Target,
    tokens: Sequence[int],
    count: int,
    room: int,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> list[Draw]:
    """Texts of one prompt: of weighted particles some by their weights, else the first draws that do not fail."""
    constraint = cast("CompiledConstraint", target.constraint)
    if isinstance(sampler, SMC):
        particles = max(count, sampler.particles)
        weighted = sampler.draw(model, tokens, constraint, particles, rng, max_new_tokens=room)
        return list(resample(weighted, count, rng))
    return list(accepted(sampler, model, tokens, constraint, count, rng, max_new_tokens=room, progress=progress))


def pressure(
    model: TextModel,
    prompt: Prompt,
    grammar_or_type: Any,
    tokens: Sequence[int],
    *,
    limits: Limits | None = None,
) -> list[Pressure]:
    """Where a constraint fights the model, at each token of a text such as `generate` returns.

    See `constrain.decoders.samplers.pressure`; `pictures.save_pressure` there draws it.  Raises DeadEndError when the
    constraint does not allow a token.
    """
    target = _target(grammar_or_type, model.index, limits)
    return pressure_of(model, model.encode(prompt), target.constraint, tokens)


class Stream(Iterator[str]):
    """Pieces of a text as it is written; joined they are the text.  A character is never split."""

    def __init__(self, steps: Iterator[list[int] | Draw], target: _Target) -> None:
        self._steps, self._target = steps, target
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._strips = target.constraint.index.strips_space
        self._result: Generation | None = None

    @property
    def result(self) -> Generation:
        """The whole; raises ConstrainError before the last piece has been taken."""
        if self._result is None:
            raise ConstrainError("the text is not finished; take all pieces first")
        return self._result

    def __next__(self) -> str:
        """The next piece, which is not empty."""
        while self._result is None:
            step = next(self._steps)
            if isinstance(step, Draw):
                self._result = self._target.generation(step)
                piece = self._decoder.decode(b"", final=True)
            else:
                piece = self._decoder.decode(self._text(step))
            if piece:
                return piece
        raise StopIteration

    def _text(self, tokens: list[int]) -> bytes:
        text = b"".join(self._target.constraint.index.tokens[token] for token in tokens)
        if self._strips and text:
            self._strips = False
            text = text.removeprefix(b" ")
        return text


def stream(
    model: TextModel,
    prompt: Prompt,
    grammar_or_type: Any,
    *,
    sampler: Sampler | str | None = None,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    limits: Limits | None = None,
) -> Stream:
    """What `generate` does, for one prompt, piece by piece; when all are taken, the stream has the `result`.

    The pieces of a sampler that settles on nothing before its end come at once.
    """
    target = _target(grammar_or_type, model.index, limits)
    tokens = model.encode(prompt)
    room, (rng,) = _room(model, [tokens], max_new_tokens), _generators(seed, 1)
    chosen = _sampler(sampler)
    if isinstance(chosen, StreamingSampler):
        steps = chosen.stream(model, _compiled(target), tokens, max_new_tokens=room, rng=rng)
    else:
        steps = _at_once(_several(chosen, model, target, tokens, 1, room, rng)[0])
    return Stream(steps, target)


def _at_once(draw: Draw) -> Iterator[list[int] | Draw]:
    yield list(draw.tokens)
    yield draw
