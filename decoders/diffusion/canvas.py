"""The automaton of a constraint on a canvas: texts of at most so many tokens.

On a canvas of n positions every language is finite, so its texts have an automaton over tokens even when the grammar
nests.  A finite constraint gives its own (`CompiledConstraint.token_dfa`); of another one, the configurations that
fewer than n tokens lead to are found breadth first, and those are kept from which the text can be finished in the
positions that are left.  A grammar with one kind of bracket has few of them, O(n) times its depthless states; one with
several kinds has exponentially many, and then `ResourceLimitError` says so (see `constrain.decoders.diffusion.chart`).
"""

import numpy as np
import torch

from constrain.decoders.diffusion.automaton import Automaton
from constrain.grammars.automata._jit import Cells
from constrain.grammars.errors import ConstrainError, ResourceLimitError
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.configurations import ACCEPTING
from constrain.tokenizer_index.partitions import refine
from constrain.tokenizer_index.token_dfa import TokenDFA

__all__ = ["bounded_token_dfa", "canvas_automaton"]


def canvas_automaton(
    constraint: CompiledConstraint,
    length: int,
    *,
    padding: int | None = None,
    device: torch.device | str = "cpu",
) -> Automaton:
    """The automaton of a constraint's texts of at most `length` tokens, ends and padding included.

    Raises ConstrainError when no text fits, ResourceLimitError when there are more states than the constraint's
    ``Limits.max_states``.
    """
    try:
        dfa = constraint.token_dfa()
    except ResourceLimitError:
        dfa = bounded_token_dfa(constraint, length)
    return Automaton.from_token_dfa(dfa, padding=padding, device=device)


def bounded_token_dfa(constraint: CompiledConstraint, length: int) -> TokenDFA:
    """An automaton that allows, of sequences of at most `length` tokens, those that the constraint allows.

    States that are further than `length` from the start and an end, added, are left out, longer sequences with them.
    Raises ConstrainError when no text fits, ResourceLimitError as `CompiledConstraint.token_dfa` does.
    """
    order, distances, classes = _explored(constraint, length)
    table = _table(constraint, order, classes, distances, length)
    accepting = np.array([_accepts(constraint, configuration) for configuration in order])
    kept = distances + _ways_out(table, accepting) <= length
    if not kept[0]:
        raise ConstrainError(f"no text that obeys the constraint fits into {length} tokens")
    position = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    table, accepting = position[table[kept]], accepting[kept]
    ends = list(constraint.index.end_tokens)
    if ends:
        classes, table, accepting = _with_end(classes, table, accepting, ends)
    return TokenDFA(classes.astype(np.int32), table.astype(np.int32), accepting)


def _successors(constraint: CompiledConstraint, order: list[int], place: int) -> Cells:
    states = constraint._states
    return states.start_successors() if place == 0 else states.successors(order[place])


def _accepts(constraint: CompiledConstraint, configuration: int) -> bool:
    return bool(constraint._states.engine.flags(configuration) & ACCEPTING)


def _explored(constraint: CompiledConstraint, length: int) -> tuple[list[int], np.ndarray, Cells]:
    """Configurations in the order in which they are found, their distances from the start, and classes of tokens."""
    start = constraint.start.number
    order, distances = [start], [0]
    known = set() if constraint.index.strips_space else {start}
    classes: Cells = np.zeros(constraint.index.vocab_size, np.int32)
    for place, _ in enumerate(order):  # grows meanwhile
        if distances[place] == length:
            break
        after = _successors(constraint, order, place)
        refine(classes, after)
        for target in np.unique(after[after > 0]).tolist():
            if target not in known:
                known.add(target)
                order.append(target)
                distances.append(distances[place] + 1)
        if len(order) > constraint.limits.max_states:
            message = f"texts of {length} tokens lead to more than {constraint.limits.max_states} states"
            raise ResourceLimitError(message, limit="max_states")
    return order, np.array(distances), classes


def _table(
    constraint: CompiledConstraint, order: list[int], classes: Cells, distances: np.ndarray, length: int
) -> np.ndarray:
    """Transitions (states, classes), -1 for none."""
    firsts = np.unique(classes, return_index=True)[1]
    begin = 1 if constraint.index.strips_space else 0
    names = np.full(max(order) + 1, -1, np.int64)
    names[order[begin:]] = np.arange(begin, len(order))
    table = np.full((len(order), len(firsts)), -1, np.int64)
    for place in range(len(order)):
        if distances[place] < length:
            after = _successors(constraint, order, place)[firsts]
            table[place] = np.where(after > 0, names[after], -1)
    return table


def _ways_out(table: np.ndarray, accepting: np.ndarray) -> np.ndarray:
    """The least number of tokens from each state to one where a text may end; a large number where there is none."""
    far = np.int64(1 << 40)
    found = np.where(accepting, 0, far)
    while True:
        onward = np.where(table >= 0, found[table], far).min(axis=1, initial=far)
        better = np.minimum(found, onward + 1)
        if (better == found).all():
            return found
        found = better


def _with_end(
    classes: Cells, table: np.ndarray, accepting: np.ndarray, ends: list[int]
) -> tuple[Cells, np.ndarray, np.ndarray]:
    """With end tokens as a class that leads from accepting states to a last one, and stays there."""
    ended = len(table)
    classes = classes.copy()
    classes[ends] = table.shape[1]
    table = np.pad(table, ((0, 1), (0, 1)), constant_values=-1)
    table[:-1, -1] = np.where(accepting, ended, -1)
    table[-1, -1] = ended
    return classes, table, np.append(accepting, True)
