"""The same messages from a balanced tree of products, for devices on which depth costs more than work.

A node holds the ⊗-product of the matrices of the positions below it, (states, states): log₂ n levels of batched
products, each of O(states³).  A change at one position recomputes the nodes above it.  Messages come down the tree in
as many levels, and states along a path are drawn from the middle out: given the states at both ends of a node, that in
its middle depends on nothing else.
"""

from collections.abc import Callable

import torch

from constrain.decoders.diffusion.automaton import Automaton
from constrain.decoders.diffusion.semirings import Semiring

__all__ = ["Tree"]


class Tree:
    """Products over a batch of lattices of one automaton; arguments as for `Chain`."""

    def __init__(
        self,
        semiring: Semiring,
        automaton: Automaton,
        weights: torch.Tensor,
        start: torch.Tensor | None = None,
        final: torch.Tensor | None = None,
    ) -> None:
        self._semiring, self._automaton, self.weights = semiring, automaton, weights
        batch, self.length = weights.shape[:2]
        self._states = automaton.state_count
        self._start = (automaton.start if start is None else start).expand(batch, self._states)
        self._final = (automaton.final if final is None else final).expand(batch, self._states)
        leaves = 1
        while leaves < self.length:
            leaves *= 2
        identity = weights.new_full((self._states, self._states), -torch.inf)
        identity.fill_diagonal_(0)
        level = identity.expand(batch, leaves, -1, -1).clone()
        level[:, : self.length] = self._matrices(weights)
        self._levels = [level]  # from the leaves to the root
        while level.shape[1] > 1:
            level = semiring.product(level[:, 0::2], level[:, 1::2])
            self._levels.append(level)
        self._messages: tuple[torch.Tensor, torch.Tensor] | None = None

    def _matrices(self, weights: torch.Tensor) -> torch.Tensor:
        """Pairs (..., pairs) as matrices (..., states, states)."""
        flat = weights.new_full((*weights.shape[:-1], self._states**2), -torch.inf)
        flat[..., self._automaton.pair_sources * self._states + self._automaton.pair_targets] = weights
        return flat.reshape(*weights.shape[:-1], self._states, self._states)

    def forward(self, position: int) -> torch.Tensor:
        """Weights of the states before a position, (batch, states)."""
        return self._all_messages()[0][:, position]

    def backward(self, position: int) -> torch.Tensor:
        """Weights of the states before a position, of what comes from there on, (batch, states)."""
        return self._all_messages()[1][:, position]

    def total(self) -> torch.Tensor:
        """The sum over all paths, (batch,)."""
        through = self._semiring.reduce((self._start[:, :, None] + self._levels[-1][:, 0]).mT)
        return self._semiring.reduce(through + self._final)

    def update(self, position: int, weights: torch.Tensor) -> None:
        """Replace the weights of a position by (batch, pairs)."""
        self.weights[:, position] = weights
        self._levels[0][:, position] = self._matrices(weights)
        node = position
        for below, level in zip(self._levels, self._levels[1:], strict=False):
            node //= 2
            level[:, node] = self._semiring.product(below[:, 2 * node], below[:, 2 * node + 1])
        self._messages = None

    def _all_messages(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Forward and backward messages before each position and behind the last, (batch, length + 1, states) each."""
        if self._messages is None:
            before, behind = self._start[:, None], self._final[:, None]
            for level in reversed(self._levels[:-1]):
                left, right = level[:, 0::2], level[:, 1::2]
                passed = self._semiring.reduce((before[..., None] + left).mT)
                awaited = self._semiring.reduce(right + behind[..., None, :])
                before = torch.stack([before, passed], dim=2).flatten(1, 2)
                behind = torch.stack([awaited, behind], dim=2).flatten(1, 2)
            last = self._semiring.reduce((before[:, -1:, :, None] + self._levels[0][:, -1:]).mT)
            first = self._semiring.reduce(self._levels[0][:, :1] + behind[:, :1, None, :])
            forward = torch.cat([before, last], dim=1)[:, : self.length + 1]
            backward = torch.cat([first, behind], dim=1)[:, : self.length + 1]
            self._messages = forward, backward
        return self._messages

    def path(self, choose: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """States along a path, (batch, length + 1) int64; `choose` takes log-weights (..., states) to one of them.

        Choosing the largest weight gives a best path, sampling by weight gives an exact sample.
        """
        rows = torch.arange(len(self.weights), device=self.weights.device)
        through = self._levels[-1][:, 0]
        first = choose(self._start + self._semiring.reduce(through + self._final[:, None, :]))
        last = choose(through[rows, first] + self._final)
        ends = torch.stack([first, last], dim=1)
        for level in reversed(self._levels[:-1]):
            left, right = level[:, 0::2], level[:, 1::2]
            nodes = torch.arange(left.shape[1], device=rows.device)
            middle = choose(
                left[rows[:, None], nodes, ends[:, :-1]] + right.mT[rows[:, None], nodes, ends[:, 1:]],
            )
            ends = torch.cat([torch.stack([ends[:, :-1], middle], dim=2).flatten(1, 2), ends[:, -1:]], dim=1)
        return ends[:, : self.length + 1]
