"""The next token of a sequence: masked, warped, drawn, and weighted.

Everything is computed in float64.  With P the model's law of the next token and b the law it is drawn from (masked,
warped, normalised), a token drawn without further ado has the weight P(t) / b(t): the mass of the allowed tokens when
nothing is warped.

Under a budget, only tokens that pass a *check* may be drawn, and checking all of them would cost too much.  Few
candidates are all checked.  Many are visited in the order of draws without replacement until one passes, x; that is a
draw from b restricted to what passes.  Its normaliser is not known, but a proper estimate is: with R the mass of what
was rejected and y the next visit after x,

    w = (1 - R) · (1 if y passes, or nothing is left to visit, else b(x) / (1 - R))

has E[w · 1{x = t}] = b(t) for every t that passes ("Fast Controlled Generation from Language Models with Adaptive
Weighted Rejection Sampling", Lipkin et al. 2025).  It is 1 when everything visited passes.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from constrain.decoders.warpers import Warping
from constrain.grammars.errors import DeadEndError

__all__ = ["Check", "Choice", "Chooser", "log_law"]

Check = Callable[[int], bool]

_FEW = 32
"""So many candidates are all checked."""

_CHUNK = 64


class Choice(NamedTuple):
    """A token, its log-probability under the model, and its log-weight."""

    token: int
    log_probability: float
    log_weight: float


def log_law(logits: torch.Tensor) -> torch.Tensor:
    """The model's law: log-probabilities, float64, of logits [..., V]."""
    if logits.device.type == "mps":  # has no float64
        logits = logits.cpu()
    return torch.log_softmax(logits.double(), dim=-1)


class Chooser:
    """How tokens are chosen: the most probable one when `warping` is None, else by drawing from the warped law.

    The mask comes before the warpers, or with `warp_first` after them.  Where the warpers then leave no allowed
    token, the most probable allowed one is taken.  Checks come last; where none of what is left passes, the most
    probable allowed token that does is taken.
    """

    def __init__(self, warping: Warping | None, *, warp_first: bool = False) -> None:
        self._warping, self._warp_first = warping, warp_first

    @property
    def is_greedy(self) -> bool:
        """Whether nothing is left to chance."""
        return self._warping is None

    def choose(
        self,
        law: torch.Tensor,
        allowed: torch.Tensor,
        rngs: list[np.random.Generator],
        checks: list[Check | None],
    ) -> list[Choice]:
        """A token for each row.

        `law`: see `log_law`, [rows, V].  `allowed`: bool [rows, V].  A check tells of an allowed token whether it may
        be chosen.  Raises DeadEndError when the model gives no allowed token a probability, or none passes.
        """
        masked = law.masked_fill(~allowed, -torch.inf)
        if not bool((masked.amax(dim=-1) > -torch.inf).all()):
            raise DeadEndError("the model gives probability 0 to every token that the constraint allows")
        if self._warping is None:
            return [_most_probable(row, check) for row, check in zip(masked, checks, strict=True)]
        proposals = torch.softmax(self._warped(law, masked, allowed), dim=-1)
        counts = (proposals > 0).sum(dim=-1).tolist()
        return [
            _draw(masked[row], proposals[row], counts[row], rngs[row], checks[row]) for row in range(masked.shape[0])
        ]

    def _warped(self, law: torch.Tensor, masked: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        assert self._warping is not None
        if not self._warp_first:
            return self._warping(masked)
        warped = self._warping(law).masked_fill(~allowed, -torch.inf)
        best = masked.argmax(dim=-1, keepdim=True)
        only = torch.full_like(masked, -torch.inf).scatter_(-1, best, 0.0)
        lost = (warped.amax(dim=-1, keepdim=True) == -torch.inf).expand_as(warped)
        return torch.where(lost, only, warped)


def _most_probable(masked: torch.Tensor, check: Check | None) -> Choice:
    """The most probable allowed token that passes."""
    if check is None:
        token = int(masked.argmax())
        return _certain(masked, token)
    for token in _descending(masked):
        if check(token):
            return _certain(masked, token)
    raise DeadEndError("the model gives probability 0 to every token from which the text could still be finished")


def _certain(masked: torch.Tensor, token: int) -> Choice:
    """A choice that was not left to chance."""
    probability = float(masked[token])
    return Choice(token, probability, probability)


def _descending(masked: torch.Tensor) -> Iterator[int]:
    """Tokens of positive probability, most probable first; few are sorted before more are asked for."""
    done, size = 0, _CHUNK
    while done < masked.shape[0]:
        size = min(size, masked.shape[0])
        values, tokens = torch.topk(masked, size)
        for value, token in zip(values[done:].tolist(), tokens[done:].tolist(), strict=True):
            if value == -math.inf:
                return
            yield token
        done, size = size, 16 * size


def _draw(
    masked: torch.Tensor, proposal: torch.Tensor, count: int, rng: np.random.Generator, check: Check | None
) -> Choice:
    """Draw from a row of proposal probabilities, `count` of them positive."""
    log_estimate = 0.0
    if check is None:
        token, mass, total = _pick(proposal, rng)
    elif count <= _FEW:
        passing = [t for t in proposal.nonzero().flatten().tolist() if check(t)]
        if not passing:
            return _most_probable(masked, check)
        only = torch.zeros_like(proposal)
        only[passing] = proposal[passing]
        token, mass, total = _pick(only, rng)
    else:
        found = _first_passing(proposal.clone(), rng, check)
        if found is None:
            return _most_probable(masked, check)
        (token, mass, total), log_estimate = found
    probability = float(masked[token])
    return Choice(token, probability, probability - math.log(mass / total) + log_estimate)


def _first_passing(
    proposal: torch.Tensor, rng: np.random.Generator, check: Check
) -> tuple[tuple[int, float, float], float] | None:
    """The first visited token that passes, with its mass and the total, and the log of its weight in addition.

    None when none passes.  Tokens that have been visited are taken out of `proposal`.
    """
    visits = _visits(proposal, rng)
    whole: float | None = None
    for token, mass, left in visits:
        whole = left if whole is None else whole
        if check(token):
            following = next(visits, None)
            share = 1.0 if following is None or check(following[0]) else mass / left
            return (token, mass, whole), math.log(left / whole * share)
    return None


def _visits(proposal: torch.Tensor, rng: np.random.Generator) -> Iterator[tuple[int, float, float]]:
    """Draws without replacement: the token, its mass, and the mass of all that had not been visited before it."""
    while bool(proposal.any()):
        token, mass, left = _pick(proposal, rng)
        yield token, mass, left
        proposal[token] = 0.0


def _pick(proposal: torch.Tensor, rng: np.random.Generator) -> tuple[int, float, float]:
    """A token drawn in proportion to its mass, by inversion; the mass, and the total."""
    cumulated = torch.cumsum(proposal, dim=0)
    total = float(cumulated[-1])
    at = torch.tensor(rng.random() * total, dtype=cumulated.dtype, device=cumulated.device)
    token = min(int(torch.searchsorted(cumulated, at, right=True)), proposal.shape[0] - 1)
    mass = float(proposal[token])
    if mass == 0.0:  # rounding has put the point at the very end
        token = int(proposal.nonzero()[-1])
        mass = float(proposal[token])
    return token, mass, total
