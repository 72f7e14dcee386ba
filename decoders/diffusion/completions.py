"""The best completion of a text with holes: weights of tokens in, a token for each position out.

Tokens are taken in the classes that a grammar does not tell apart, of which the best token counts.  The search leaves
what weighs less than the best text would if stacks did not matter, by more than some slack; where the best text is not
within it, the slack grows.  So what is found is a best completion, exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from constrain.decoders.diffusion.best_paths import FULL, Layers, best_path, new_work, outlooks
from constrain.decoders.diffusion.frontiers import HOLE, LETTER, OPTIONAL, Choice, Moves
from constrain.grammars.automata._jit import Cells
from constrain.grammars.errors import ResourceLimitError

__all__ = ["Best", "best_completion"]

_SLACKS = (1.0, 4.0, 16.0, 64.0, math.inf)
_CLOSE = 5e-10  # relative: half of what a search allows for rounding
_FIRST_SIZE, _MAX_SIZE = 1 << 10, 1 << 20  # contexts


@dataclass(frozen=True, slots=True)
class Best:
    """A best completion.

    weight   its log-weight
    classes  of each position the class of its token, or its letter; -1 where it is known, left out or behind the end
    """

    weight: float
    classes: Cells


def best_completion(
    moves: Moves, kinds: Sequence[int] | Cells, weights: np.ndarray, tails: np.ndarray | None = None
) -> Best | None:
    """A completion of the largest weight; None when there is none that weighs more than -inf.

    kinds     of positions, HOLE, OPTIONAL, LETTER or those of known tokens
    weights   log-weights of the classes of tokens at the first two, (n, classes) float64; letters weigh -1 each
    tails     log-weights of ending before each position, and behind the last one, (n + 1,); None for the last only
    """
    kinds = np.array(kinds, np.int32)
    layers = _layers(moves, kinds, weights, tails)
    outlook = outlooks(layers)
    most = float(outlook[0, layers.start])
    known = -math.inf
    for slack in _SLACKS if most > -math.inf else ():
        least = max(known, most - slack)
        weight, chosen = _searched(layers, outlook, least)
        if weight >= least - _CLOSE * (1 + abs(least)) and weight > -math.inf:
            return Best(weight, _classes(moves, kinds, weights, chosen))
        known = max(known, weight)
    return None


def _layers(moves: Moves, kinds: Cells, weights: np.ndarray, tails: np.ndarray | None) -> Layers:
    tokens, letters = moves.tokens, moves.letters
    is_letter = kinds == LETTER
    free = (kinds == HOLE) | (kinds == OPTIONAL)
    layout, data = moves.tables()
    of_kind = np.where(is_letter, letters.row, np.where(free, tokens.row, kinds))
    per_edge = tokens.of_edges(weights[free]) if free.any() else np.zeros((0, 0))
    width = per_edge.shape[1]
    places = np.full(len(kinds), -1)
    places[free] = width * np.arange(len(per_edge))
    places[is_letter] = per_edge.size
    finals = np.zeros(moves.states, np.bool_)
    finals[moves.finals] = True
    if tails is None:
        tails = np.where(np.arange(len(kinds) + 1) == len(kinds), 0.0, -np.inf)
    return Layers(
        layout[of_kind].reshape(len(kinds), layout.shape[1]),
        data,
        places.astype(np.int32),
        np.concatenate([per_edge.reshape(-1), np.full(letters.count, -1.0)]),
        (kinds == OPTIONAL) | is_letter,
        tails,
        finals,
        moves.pushdown.start,
    )


def _searched(layers: Layers, outlook: np.ndarray, least: float) -> tuple[float, Cells]:
    """A search, in a larger memory if need be."""
    chosen: Cells = np.zeros(len(layers.rows), np.int32)
    nodes = int(layers.rows[:, 1].max(initial=len(layers.finals)))
    size = _FIRST_SIZE
    while size <= _MAX_SIZE:
        work = new_work(size, len(layers.finals), nodes)
        weight = float(best_path(work, layers, outlook, least, chosen))
        if not work.counts[FULL]:
            return weight, chosen
        size *= 4
    raise ResourceLimitError(f"a search with more than {_MAX_SIZE} contexts", limit="max_states")


def _classes(moves: Moves, kinds: Cells, weights: np.ndarray, chosen: Cells) -> Cells:
    """The classes or letters that were chosen, from their edges."""
    found: Cells = np.full(len(kinds), -1, np.int32)
    for place in np.flatnonzero((chosen >= 0) & ((kinds == HOLE) | (kinds == OPTIONAL) | (kinds == LETTER))):
        choice: Choice = moves.letters if kinds[place] == LETTER else moves.tokens
        options = choice.with_edge(int(chosen[place]))
        found[place] = options[0] if kinds[place] == LETTER else options[int(weights[place, options].argmax())]
    return found
