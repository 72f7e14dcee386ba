"""Where a constraint fights the model: what it forbids at each token of a text.

With m(u) the model's mass of the tokens allowed after u, log m(u) is what masking changes there: 0 where the model
would have obeyed anyway, very negative where it wanted something else.  The sum over the text is the *distortion*, the
log-weight of the text under masked decoding: by how much masking favours it over the model given the language.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from constrain.decoders.contract import LanguageModel
from constrain.decoders.samplers.languages import Flags, Language, begin
from constrain.decoders.samplers.scoring import Laws, Row, log_sum
from constrain.grammars.errors import DeadEndError
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["Pressure", "pressure_of"]


@dataclass(frozen=True, slots=True)
class Pressure:
    """One token of a text.  Logarithms and entropies are natural.

    token, text          the token, its bytes
    log_probability      under the model
    allowed              how many tokens were allowed
    log_mass             log m(u), the model's mass of these
    entropy              of the model's law
    allowed_entropy      of its law renormalised to what was allowed
    distortion           Σ log m up to this token
    wanted               the model's most probable token
    """

    token: int
    text: bytes
    log_probability: float
    allowed: int
    log_mass: float
    entropy: float
    allowed_entropy: float
    distortion: float
    wanted: int

    @property
    def is_forced(self) -> bool:
        """Whether nothing else was allowed."""
        return self.allowed == 1


def pressure_of(
    model: LanguageModel,
    prompt: Sequence[int],
    constraint: CompiledConstraint | Language,
    tokens: Sequence[int],
    *,
    temperature: float = 1.0,
) -> list[Pressure]:
    """The pressure at each token of a text, which may be unfinished.

    Raises DeadEndError when the constraint does not allow a token.
    """
    laws, position = Laws(model, prompt, temperature=temperature), begin(constraint, None)
    found: list[Pressure] = []
    distortion = 0.0
    for place, token in enumerate(tokens):
        row, mask = laws.row(tuple(tokens[:place])), position.mask()
        if not position.read(token):
            raise DeadEndError(f"the constraint does not allow token {token} at place {place}")
        step = _pressure(row, mask, token, constraint.index.tokens[token], distortion)
        distortion = step.distortion
        found.append(step)
    return found


def _pressure(row: Row, mask: Flags, token: int, text: bytes, distortion: float) -> Pressure:
    masked = np.where(mask, row[: len(mask)], -np.inf)
    log_mass = log_sum(masked)
    return Pressure(
        token=token,
        text=text,
        log_probability=float(row[token]),
        allowed=int(mask.sum()),
        log_mass=min(log_mass, 0.0),
        entropy=_entropy(row),
        allowed_entropy=_entropy(masked - log_mass) if log_mass > -math.inf else 0.0,
        distortion=distortion + min(log_mass, 0.0),
        wanted=int(row.argmax()),
    )


def _entropy(row: Row) -> float:
    possible = row[row > -np.inf]
    return max(0.0, -float((np.exp(possible) * possible).sum()))
