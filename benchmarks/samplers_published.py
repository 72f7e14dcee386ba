"""ASAp as it was published, one object for each allowed token: the baseline of `benchmarks/samplers.py`.

The procedure is that of "Grammar-Aligned Decoding" (Park et al. 2024) and of its reference implementation, written
anew: when a prefix is expanded, every allowed token becomes a child; after each insertion the parent's children are
summed again, and the change is carried to the root.
"""

import math
import time
from collections.abc import Callable

import numpy as np

from constrain.decoders.samplers.languages import Position
from constrain.decoders.samplers.scoring import Laws

__all__ = ["PublishedASAp"]


class _Node:
    """A prefix: its probability after its parent, and the estimate of its future."""

    def __init__(self, parent: "_Node | None", probability: float) -> None:
        self.parent, self.probability = parent, probability
        self.future = 1.0
        self.children: dict[int, _Node] = {}

    def insert(self, token: int, probability: float) -> None:
        """Add a child, and sum up again from here to the root."""
        self.children[token] = _Node(self, probability)
        self.update()

    def update(self) -> None:
        """Sum up again from here to the root."""
        node: _Node | None = self
        while node is not None:
            node.future = sum(child.probability * child.future for child in node.children.values())
            node = node.parent


class PublishedASAp:
    """Draws one text after the other; `update_seconds` is the time spent on the trie."""

    def __init__(self, laws: Laws, beginning: Callable[[], Position], rng: np.random.Generator) -> None:
        self._laws, self._beginning, self._rng = laws, beginning, rng
        self._root = _Node(None, 1.0)
        self.update_seconds = 0.0

    def draw(self) -> tuple[int, ...] | None:
        """The tokens of a text; None when it came to nothing."""
        node, position, tokens = self._root, self._beginning(), ()
        while not position.is_complete:
            if not node.children:
                self._expand(node, position, tokens)
            masses = [child.probability * child.future for child in node.children.values()]
            total = math.fsum(masses)
            if total == 0:
                self._close(node, 0.0)
                return None
            token = list(node.children)[int(self._rng.choice(len(masses), p=np.array(masses) / total))]
            node = node.children[token]
            tokens += (token,)
            position.read(token)
        self._close(node, 1.0)
        return tokens

    def _expand(self, node: _Node, position: Position, tokens: tuple[int, ...]) -> None:
        mask = position.mask()
        probabilities = np.exp(self._laws.row(tokens)[: len(mask)])
        allowed = np.flatnonzero(mask).tolist()
        start = time.perf_counter()
        for token in allowed:
            node.insert(token, float(probabilities[token]))
        self.update_seconds += time.perf_counter() - start

    def _close(self, node: _Node, future: float) -> None:
        start = time.perf_counter()
        node.future = future
        if node.parent is not None:
            node.parent.update()
        self.update_seconds += time.perf_counter() - start
