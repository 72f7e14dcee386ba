"""`constrain.complete`: texts with holes, filled by a model so that the whole obeys a context-free grammar.

A diffusion model reads all parts at once; of the completions that the grammar has, a most probable one by the model's
law at each position is found, exactly, its most confident token is committed, and the model reads again.  An
autoregressive model writes the holes from left to right; each token it chooses from leaves the rest completable, the
known parts behind included, and a hole ends where the model prefers what is known to come next.  Without a model the
shortest completion is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from constrain.decoders.diffusion.chart import Chart
from constrain.decoders.diffusion.vertices import Hole, Part
from constrain.grammars import ir
from constrain.grammars.errors import ConstrainError, UnsatisfiableConstraintError
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["Completion", "Hole", "complete"]


@dataclass(frozen=True, slots=True)
class Completion:
    """A text whose holes are filled.

    text    the whole, which obeys the grammar
    parts   its parts; those that were known are as they were given
    """

    text: str
    parts: tuple[str, ...]


def complete(
    parts: Sequence[str | bytes | Hole],
    grammar: ir.Grammar | CompiledConstraint,
    model: Any = None,
    *,
    prompt: str = "",
    longest: int = 16,
) -> Completion:
    """Fill the holes of a text so that the whole obeys a grammar.

    parts     known texts, and a `Hole` for what is not known: of so many tokens, at most or at least so many, or any
              number
    grammar   in which every way of cutting a text into lexemes counts, or there is but one (see
              `constrain.decoders.diffusion.networks`)
    model     from `constrain.wrap`, `wrap_diffusion` or `constrain.load`; a `TokenizerIndex`, or None for a
              vocabulary of single bytes: the shortest completion
    prompt    what the model reads before the text
    longest   tokens of a hole that names no maximum, when a model fills it

    Of a diffusion model's completions with fewer and with more tokens, those with fewer are more probable; give a
    minimum where that matters.  Raises UnsatisfiableConstraintError when the holes cannot be filled, ConstrainError
    for a grammar that charts do not express.
    """
    known: list[Part] = [part.encode() if isinstance(part, str) else part for part in parts]
    index = _index_of(model, grammar)
    chart = Chart(grammar.grammar if isinstance(grammar, CompiledConstraint) else grammar, index)
    if model is None or isinstance(model, TokenizerIndex):
        filled = chart.complete(known)
    else:
        bounded = [_bounded(part, longest) for part in known]
        if not chart.is_completable(bounded):
            raise UnsatisfiableConstraintError("the holes cannot be filled so that the text obeys the grammar")
        start = [int(token) for token in model.encode(prompt)] if prompt else []
        filled = (_denoised if hasattr(model, "mask_token") else _written)(chart, bounded, model, start)
    texts = tuple(text.decode(errors="replace") for text in filled)
    return Completion(b"".join(filled).decode(errors="replace"), texts)


def _index_of(model: Any, grammar: ir.Grammar | CompiledConstraint) -> TokenizerIndex:
    if isinstance(model, TokenizerIndex):
        return model
    if model is not None:
        index: TokenizerIndex = model.index
        return index
    if isinstance(grammar, CompiledConstraint):
        return grammar.index
    return TokenizerIndex.from_tokenizer([bytes([byte]) for byte in range(256)], cache=False)


def _bounded(part: Part, longest: int) -> Part:
    if isinstance(part, Hole) and part.maximum is None:
        return Hole(part.minimum, max(longest, part.minimum))
    return part


def _tokens(text: bytes, index: TokenizerIndex) -> list[int]:
    """The tokenizer's tokens of a known part, or its bytes' where it cannot spell it."""
    try:
        found = index.encode(text.decode())
    except UnicodeDecodeError:
        found = None
    if found is None or index.decode(found) != text:
        single = {token: number for number, token in reversed(list(enumerate(index.tokens))) if len(token) == 1}
        if any(text[i : i + 1] not in single for i in range(len(text))):
            raise ConstrainError(f"the vocabulary cannot spell {text!r}")
        found = [single[text[i : i + 1]] for i in range(len(text))]
    return found


# Diffusion models


def _denoised(chart: Chart, parts: Sequence[Part], model: Any, start: list[int]) -> list[bytes]:
    """Positions of holes, each optional or not at first, committed one after the other."""
    units: list[tuple[int, Part, list[int]]] = []  # part, unit, and its tokens where they are known
    for number, part in enumerate(parts):
        if isinstance(part, Hole):
            assert part.maximum is not None
            sizes = [Hole(1, 1)] * part.minimum + [Hole(0, 1)] * (part.maximum - part.minimum)
            units += [(number, size, []) for size in sizes]
        else:
            text = part if isinstance(part, bytes) else chart.index.tokens[part]
            units.append((number, part, _tokens(text, chart.index)))
    found = [b""] * len(parts)
    while any(isinstance(unit, Hole) for _, unit, _ in units):
        rows = _unit_rows(units, model, start)
        filled = chart.complete([unit for _, unit, _ in units], rows)
        units = [
            (number, Hole(1, 1) if isinstance(unit, Hole) else unit, tokens)
            for (number, unit, tokens), text in zip(units, filled, strict=True)
            if text or not isinstance(unit, Hole)
        ]
        chosen = [(row, text) for row, text in zip(rows, filled, strict=True) if text or row is None]
        scores = [
            -np.inf if row is None else max(float(row[t]) for t in _spelled(chart.index, text)) for row, text in chosen
        ]
        if scores and max(scores) > -np.inf:
            best = int(np.argmax(scores))
            row, text = chosen[best]
            assert row is not None
            token = max(_spelled(chart.index, text), key=lambda t: float(row[t]))
            units[best] = (units[best][0], token, [token])
    for number, unit, _ in units:
        found[number] += unit if isinstance(unit, bytes) else chart.index.tokens[unit] if isinstance(unit, int) else b""
    return found


def _spelled(index: TokenizerIndex, text: bytes) -> list[int]:
    return [token for token, spelling in enumerate(index.tokens) if spelling == text]


def _unit_rows(units: list[tuple[int, Part, list[int]]], model: Any, start: list[int]) -> list[np.ndarray | None]:
    """Log-probabilities of tokens for each unit that is not known."""
    tokens, places = list(start), []
    for _, unit, known in units:
        places.append(len(tokens))
        tokens += [model.mask_token] if isinstance(unit, Hole) else known
    logits = model.logits(torch.tensor([tokens]))[0].double().cpu()
    logits[:, model.mask_token] = -torch.inf
    law = logits.log_softmax(-1).numpy()
    return [law[place] if isinstance(unit, Hole) else None for (_, unit, _), place in zip(units, places, strict=True)]


# Autoregressive models


def _written(chart: Chart, parts: Sequence[Part], model: Any, start: list[int]) -> list[bytes]:
    """Holes from left to right."""
    index = chart.index
    session = model.start([start or [_first_token(index)]])
    found: list[bytes] = []
    for number, part in enumerate(parts):
        if not isinstance(part, Hole):
            text = part if isinstance(part, bytes) else index.tokens[part]
            tokens = _tokens(text, index)
            if tokens:
                session.feed([tokens])
            found.append(text)
            continue
        text, behind = b"", list(parts[number + 1 :])
        assert part.maximum is not None
        for written in range(part.maximum):
            before = b"".join(found) + text
            rest = Hole(max(0, part.minimum - written - 1), part.maximum - written - 1)
            may_end = written >= part.minimum and chart.is_completable([before, *behind])
            allowed = chart.allowed([before, Hole(1, 1), rest, *behind], 1)
            law = session.logits[0].double().cpu().numpy()
            token = max(allowed, key=lambda t: float(law[t])) if allowed else -1
            if token < 0 or (may_end and _end_score(law, behind, index) >= law[token]):
                break
            text += index.tokens[token]
            session.feed([[token]])
        found.append(text)
    return found


def _first_token(index: TokenizerIndex) -> int:
    if not index.end_tokens:
        raise ConstrainError("the model needs a prompt, or a vocabulary with an end token to begin from")
    return index.end_tokens[0]


def _end_score(law: np.ndarray, behind: Sequence[Part], index: TokenizerIndex) -> float:
    """The logit of what comes when a hole ends: the first token behind, or the end of the text."""
    for part in behind:
        if isinstance(part, Hole):
            return float(np.inf)  # the next hole goes on
        tokens = _tokens(part if isinstance(part, bytes) else index.tokens[part], index)
        if tokens:
            return float(law[tokens[0]])
    return max([float(law[token]) for token in index.end_tokens], default=-np.inf)
