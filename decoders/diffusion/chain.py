"""Messages along a chain of positions, from both ends, recomputed only where something changed.

With weights w of the pairs at each position, α₀ = start, αᵢ₊₁(q') = ⊕ αᵢ(q) ⊗ wᵢ(q, q'), and β from the end likewise.
When a position changes, messages that do not depend on it are kept; those that do are recomputed when they are asked
for, and only until one comes out as it was.
"""

import torch

from constrain.decoders.diffusion.automaton import Automaton
from constrain.decoders.diffusion.semirings import Semiring

__all__ = ["Chain"]


class Chain:
    """Messages of a batch of lattices over one automaton.

    weights      of the pairs at each position, (batch, length, pairs) float64; changed with `update` only
    start, final log-weights of states before and behind the lattice, (batch, states) or (states,) float64
    """

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
        shape = (batch, automaton.state_count)
        first = (automaton.start if start is None else start).expand(shape)
        last = (automaton.final if final is None else final).expand(shape)
        self._forward: list[torch.Tensor] = [first] * (self.length + 1)
        self._backward: list[torch.Tensor] = [last] * (self.length + 1)
        # Forward messages up to `_known` are right.  Those up to `_made` were made before, and from `_changed` on each
        # still follows from the one before it; so do the backward ones, counted from the other end.
        self._known, self._made, self._changed = [0, self.length], [0, self.length], [0, self.length]
        self.computed = 0

    def forward(self, position: int) -> torch.Tensor:
        """Weights of the states before a position, (batch, states)."""
        automaton, messages = self._automaton, self._forward
        while self._known[0] < position:
            at = self._known[0] + 1
            incoming = messages[at - 1][:, automaton.pair_sources] + self.weights[:, at - 1]
            new = self._semiring.scatter(incoming, automaton.pair_targets, automaton.state_count)
            self.computed += 1
            if self._changed[0] <= at <= self._made[0] and torch.equal(new, messages[at]):
                self._known[0] = self._made[0]
            else:
                messages[at] = new
                self._known[0], self._made[0] = at, max(self._made[0], at)
        return messages[position]

    def backward(self, position: int) -> torch.Tensor:
        """Weights of the states before a position, of what comes from there on, (batch, states)."""
        automaton, messages = self._automaton, self._backward
        while self._known[1] > position:
            at = self._known[1] - 1
            outgoing = messages[at + 1][:, automaton.pair_targets] + self.weights[:, at]
            new = self._semiring.scatter(outgoing, automaton.pair_sources, automaton.state_count)
            self.computed += 1
            if self._made[1] <= at <= self._changed[1] and torch.equal(new, messages[at]):
                self._known[1] = self._made[1]
            else:
                messages[at] = new
                self._known[1], self._made[1] = at, min(self._made[1], at)
        return messages[position]

    def total(self) -> torch.Tensor:
        """The sum over all paths, (batch,); taken where the messages from both ends are known, or meet soonest."""
        cut = self._known[1]
        return self._semiring.reduce(self.forward(cut) + self.backward(cut))

    def update(self, position: int, weights: torch.Tensor) -> None:
        """Replace the weights of a position by (batch, pairs)."""
        self.weights[:, position] = weights
        (forward, backward), (first, last) = self._known, self._made
        if forward > position:
            kept = max(self._changed[0], forward + 1) if forward < first else 0
            self._known[0], self._changed[0] = position, max(kept, position + 1)
        else:
            self._changed[0] = max(self._changed[0], position + 1)
        if backward <= position:
            kept = min(self._changed[1], backward - 1) if backward > last else self.length
            self._known[1], self._changed[1] = position + 1, min(kept, position)
        else:
            self._changed[1] = min(self._changed[1], position)
