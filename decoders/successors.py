"""Every token that fits a budget, as a mask.

Where a sampler elsewhere chooses the token, as in `transformers`' ``generate``, all allowed tokens have to be tested.
Tokens that lead to the same state share the answer, and there are few states: the trie of the vocabulary is walked
level by level, all nodes of a level at once, through a table (state, byte) → state that is filled as needed.  With
128,000 tokens that takes some 20 ms for a state inside a JSON string.
"""

import threading
import weakref

import numpy as np
import numpy.typing as npt

from constrain.decoders.budget import Budget
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.matcher import Matcher
from constrain.tokenizer_index.trie import SPECIAL

__all__ = ["keep_fitting"]

_FEW = 64
"""So many tokens are tested one by one."""

Numbers = npt.NDArray[np.int64]


def keep_fitting(budget: Budget, matcher: Matcher, mask: npt.NDArray[np.int32]) -> None:
    """Clear the bits of tokens that do not fit.  `mask` is that of the matcher, (words,) int32; `budget` its budget."""
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little").view(np.bool_)
    allowed = np.flatnonzero(bits)
    index = matcher.constraint.index
    if len(allowed) <= _FEW or (index.strips_space and not matcher.tokens):
        fitting = np.array([budget.fits(token) for token in allowed.tolist()], np.bool_)
    else:
        fitting = _fitting(budget, matcher, allowed)
    bits[allowed[~fitting]] = False
    mask[:] = np.packbits(bits, bitorder="little").view(np.int32)


def _fitting(budget: Budget, matcher: Matcher, allowed: Numbers) -> npt.NDArray[np.bool_]:
    """Whether each allowed token fits, bool (tokens,)."""
    nodes = _levels_of(matcher.constraint.index)
    states = _Successors(matcher)
    place = states.place(nodes)[nodes.node_of_token[allowed]]
    fits = np.zeros(len(states.matchers), np.bool_)
    for number in np.unique(place[place >= 0]).tolist():
        fits[number] = budget.fits_after(states.matchers[number])
    fitting = (place >= 0) & fits[place]
    for i in np.flatnonzero(place < 0).tolist():  # special tokens, the end among them
        fitting[i] = budget.fits(int(allowed[i]))
    if budget.planned is not None:
        fitting |= allowed == budget.planned
    return fitting


class _Levels:
    """The trie of a vocabulary by depth.

    levels          for each depth from 1 on, nodes whose edge is a byte: the nodes, their parents, the bytes
    node_of_token   the node where a token ends, -1 for special tokens and those without bytes; (V,) int64
    """

    def __init__(self, index: TokenizerIndex) -> None:
        trie = index.trie
        self.size = len(trie)
        self.levels: list[tuple[Numbers, Numbers, Numbers]] = []
        above = np.zeros(1, np.int64)
        for depth in range(1, int(trie[:, 2].max()) + 1):
            nodes = np.flatnonzero((trie[:, 2] == depth) & (trie[:, 0] < SPECIAL))
            parents = above[np.searchsorted(above, nodes) - 1]  # in preorder, the last node above comes before
            self.levels.append((nodes, parents, trie[nodes, 0].astype(np.int64)))
            above = nodes
        self.node_of_token = np.full(index.vocab_size, -1, np.int64)
        for node in np.flatnonzero((trie[:, 3] >= 0) & (trie[:, 0] < SPECIAL)).tolist():
            for token in index.equal_tokens(trie[node : node + 1, 3]):
                self.node_of_token[token] = node


class _Successors:
    """The states after the bytes of tokens, numbered as they are found; 0 is the state of the matcher."""

    def __init__(self, matcher: Matcher) -> None:
        self.matchers = [matcher.fork()]
        self._numbers = {matcher.state_key: 0}
        self._steps: dict[int, int] = {}

    def place(self, nodes: _Levels) -> Numbers:
        """The number of the state at each node of the trie, (nodes,); -1 where the constraint does not go.

        One more entry, -1, stands behind the last node.
        """
        place = np.full(nodes.size + 1, -1, np.int64)
        place[0] = 0
        for below, above, symbols in nodes.levels:
            reached = place[above] >= 0
            if not reached.any():
                break
            edges = place[above[reached]] * 256 + symbols[reached]
            distinct, which = np.unique(edges, return_inverse=True)
            targets = np.array([self._after(edge) for edge in distinct.tolist()], np.int64)
            place[below[reached]] = targets[which]
        return place

    def _after(self, edge: int) -> int:
        known = self._steps.get(edge)
        if known is None:
            number, byte = divmod(edge, 256)
            known = self._steps[edge] = self._read(self.matchers[number], byte)
        return known

    def _read(self, matcher: Matcher, byte: int) -> int:
        if not matcher.accept_text(bytes([byte])):
            return -1
        number = self._numbers.setdefault(matcher.state_key, len(self.matchers))
        if number == len(self.matchers):
            self.matchers.append(matcher.fork())
        matcher.rollback()
        return number


_known: "weakref.WeakKeyDictionary[TokenizerIndex, _Levels]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def _levels_of(index: TokenizerIndex) -> _Levels:
    with _lock:
        levels = _known.get(index)
        if levels is None:
            levels = _known[index] = _Levels(index)
        return levels
