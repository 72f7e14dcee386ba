"""Inference on a lattice of positions under an automaton: decide, best, mass, marginals, exact samples.

A position has log-weights w of all tokens, or a fixed token.  With L the sequences of tokens that the automaton
accepts, the questions are of the law P(x) ∝ ∏ exp wᵢ(xᵢ) · 1[x ∈ L]: a most probable x (DINGO, Suresh et al., 2025),
log Σ, P(xᵢ = t), and samples x ~ P (Dang and Ermon, 2026: forward filtering, backward sampling).  What a text has
behind its end token is padding, so that a lattice holds texts of every length that fits, finished.

Weights of tokens are summed by class, those of classes by pair of states, both for all positions at once; then come
messages along the chain, or up and down a tree.  Cost, per row: O(length · (V + edges)) at once, and for the messages
O(length · pairs) in `length` steps (chain) or O(length · states³) in log₂ length steps (tree).
"""

from typing import Literal

import torch

from constrain.decoders.diffusion.automaton import Automaton
from constrain.decoders.diffusion.chain import Chain
from constrain.decoders.diffusion.semirings import BEST, TOTAL, Semiring
from constrain.decoders.diffusion.tree import Tree
from constrain.grammars.errors import UnsatisfiableConstraintError

__all__ = ["Lattice", "Marginals"]

Method = Literal["chain", "tree"]


class Lattice:
    """A batch of lattices over one automaton.

    logits   log-weights of tokens, (batch, length, V) float; they need not be normalised, and may be -inf; None: all
             tokens weigh the same, 1
    fixed    tokens that are known, (batch, length) int64, -1 where a position is free; None: all are free, which
             takes logits
    start    log-weights of states before the first position, (states,) or (batch, states) float64
    final    the same behind the last one; unless given, texts may have ended there, with or without an end token
    method   "chain" or "tree"
    """

    def __init__(
        self,
        automaton: Automaton,
        logits: torch.Tensor | None,
        fixed: torch.Tensor | None = None,
        *,
        start: torch.Tensor | None = None,
        final: torch.Tensor | None = None,
        method: Method = "chain",
    ) -> None:
        if fixed is None:
            if logits is None:
                raise TypeError("a lattice needs logits or fixed tokens")
            fixed = torch.full(logits.shape[:2], -1, device=logits.device)
        self.automaton, self.logits = automaton, logits
        self.batch, self.length = fixed.shape
        self.fixed = fixed.clone()
        self._ends, self._method = (start, final), method
        self._messages: dict[Semiring, Chain | Tree] = {}
        self._labels: dict[Semiring, torch.Tensor] = {}

    # Weights of classes, pairs and messages

    def _class_weights(self, semiring: Semiring) -> torch.Tensor:
        """Log-weights of classes, (batch, length, classes) float64."""
        if semiring not in self._labels:
            columns = self.automaton.columns
            logits = self._position_logits() if self.logits is None else self.logits
            weights = columns.reduce(semiring, logits)
            if self.logits is None:
                weights = weights.expand(self.batch, self.length, -1)
            known = self.fixed >= 0
            only = torch.full_like(weights, -torch.inf)
            only.scatter_(-1, columns.classes[self.fixed.clamp(min=0)][..., None], 0.0)
            self._labels[semiring] = torch.where(known[..., None], only, weights).double()
        return self._labels[semiring]

    def _position_logits(self, position: int | None = None) -> torch.Tensor:
        """Log-weights of tokens at a position, (batch, V); without one, where all are the same, (1, 1, V)."""
        if self.logits is not None:
            return self.logits[:, position]
        shape = (1, 1) if position is None else (self.batch,)
        return torch.zeros((*shape, self.automaton.vocab_size), dtype=torch.float64, device=self.automaton.device)

    def _pair_weights(self, semiring: Semiring, classes: torch.Tensor) -> torch.Tensor:
        automaton = self.automaton
        return semiring.scatter(classes[..., automaton.labels], automaton.pairs, len(automaton.pair_sources))

    def _of(self, semiring: Semiring) -> Chain | Tree:
        if semiring not in self._messages:
            kind = Chain if self._method == "chain" else Tree
            weights = self._pair_weights(semiring, self._class_weights(semiring))
            self._messages[semiring] = kind(semiring, self.automaton, weights, *self._ends)
        return self._messages[semiring]

    def commit(self, position: int, tokens: torch.Tensor) -> None:
        """Fix a position to tokens (batch,) int64; -1 leaves a row as it is.  Only messages it changes are redone."""
        rows = tokens >= 0
        self.fixed[rows, position] = tokens[rows]
        for semiring, weights in self._labels.items():
            only = torch.full_like(weights[:, position], -torch.inf)
            only.scatter_(-1, self.automaton.columns.classes[tokens.clamp(min=0)][:, None], 0.0)
            weights[:, position] = torch.where(rows[:, None], only, weights[:, position])
            if semiring in self._messages:
                self._messages[semiring].update(position, self._pair_weights(semiring, weights[:, position]))

    # The questions

    def decide(self) -> torch.Tensor:
        """Whether some sequence obeys the constraint and has a weight above zero, (batch,) bool."""
        return self._of(BEST).total() > -torch.inf

    def log_mass(self) -> torch.Tensor:
        """The logarithm of the sum of the weights of all sequences that obey the constraint, (batch,) float64."""
        return self._of(TOTAL).total()

    def best(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A sequence of largest weight, (batch, length) int64, and its log-weight, (batch,) float64.

        Raises UnsatisfiableConstraintError when a row has none.
        """
        value = self._of(BEST).total()
        self._check(value)
        states = self._path(BEST, None)
        return self._tokens(BEST, states, None), value

    def sample(self, count: int = 1, generator: torch.Generator | None = None) -> torch.Tensor:
        """Independent exact samples, (count, batch, length) int64.

        Raises UnsatisfiableConstraintError when no sequence of a row has a weight above zero.
        """
        self._check(self._of(TOTAL).total())
        drawn = [self._tokens(TOTAL, self._path(TOTAL, generator), generator) for _ in range(count)]
        return torch.stack(drawn)

    def marginals(self) -> "Marginals":
        """The law of the token at each position, given the constraint.

        Raises UnsatisfiableConstraintError when no sequence of a row has a weight above zero.
        """
        messages, automaton = self._of(TOTAL), self.automaton
        total = messages.total()
        self._check(total)
        around = self._around(messages, automaton.sources, automaton.targets) - total[:, None, None]
        outside = TOTAL.scatter(around, automaton.labels, automaton.columns.count)
        return Marginals(self, outside, self._class_weights(TOTAL))

    def allowed(self) -> torch.Tensor:
        """Classes of tokens that some sequence has at a position, (batch, length, classes) bool."""
        automaton = self.automaton
        around = self._around(self._of(BEST), automaton.sources, automaton.targets)
        classes = self._class_weights(BEST)
        return (BEST.scatter(around, automaton.labels, automaton.columns.count) + classes) > -torch.inf

    def allowed_at(self, position: int) -> torch.Tensor:
        """The same of one position, (batch, classes) bool; asks for messages up to there from both ends only."""
        automaton, messages = self.automaton, self._of(BEST)
        before, behind = messages.forward(position), messages.backward(position + 1)
        around = before[:, automaton.sources] + behind[:, automaton.targets]
        found = BEST.scatter(around, automaton.labels, automaton.columns.count)
        return (found + self._class_weights(BEST)[:, position]) > -torch.inf

    def _check(self, totals: torch.Tensor) -> None:
        if bool((totals == -torch.inf).any()):
            raise UnsatisfiableConstraintError("no sequence of tokens at these positions obeys the constraint")

    def _around(self, messages: Chain | Tree, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Weights of all that is not an edge's own position, (batch, length, edges) float64."""
        before = torch.stack([messages.forward(i) for i in range(self.length)], dim=1)
        behind = torch.stack([messages.backward(i + 1) for i in range(self.length)], dim=1)
        return before[..., sources] + behind[..., targets]

    # Paths, and tokens along them

    def _path(self, semiring: Semiring, generator: torch.Generator | None) -> torch.Tensor:
        """States along a path, (batch, length + 1) int64."""
        messages = self._of(semiring)
        if isinstance(messages, Tree):
            return messages.path(lambda weights: _chosen(semiring, weights, generator))
        automaton = self.automaton
        state = _chosen(semiring, messages.forward(0) + messages.backward(0), generator)
        states = [state]
        for i in range(self.length):
            onward = messages.weights[:, i] + messages.backward(i + 1)[:, automaton.pair_targets]
            here = automaton.pair_sources == state[:, None]
            pair = _chosen(semiring, torch.where(here, onward, -torch.inf), generator)
            state = automaton.pair_targets[pair]
            states.append(state)
        return torch.stack(states, dim=1)

    def _member(
        self, semiring: Semiring, position: int, labels: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """A token of each row's class (batch,) at a position: the one of largest weight, or one drawn by weight."""
        member = self.automaton.columns.classes == labels[:, None]
        logits = self._position_logits(position).double()
        logits = torch.where(self.fixed[:, position, None] >= 0, 0.0, logits)  # known, whatever the model says
        return _chosen(semiring, torch.where(member, logits, -torch.inf), generator)

    def _tokens(self, semiring: Semiring, states: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Tokens along a path, (batch, length) int64: those of largest weight, or drawn by weight."""
        automaton, classes = self.automaton, self._class_weights(semiring)
        found = self.fixed.clone()
        for i in range(self.length):
            if bool((found[:, i] >= 0).all()):
                continue
            on_path = (automaton.sources == states[:, i, None]) & (automaton.targets == states[:, i + 1, None])
            edge = _chosen(semiring, torch.where(on_path, classes[:, i, automaton.labels], -torch.inf), generator)
            label = automaton.labels[edge]
            tokens = self._member(semiring, i, label, generator)
            found[:, i] = torch.where(found[:, i] >= 0, found[:, i], tokens)
        return found


def _chosen(semiring: Semiring, weights: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """One of each row of log-weights (..., n): the first of the largest, or one drawn by weight."""
    if semiring is BEST:
        return weights.argmax(dim=-1)
    flat = weights.reshape(-1, weights.shape[-1])
    masses = (flat - flat.amax(dim=-1, keepdim=True)).exp()
    return torch.multinomial(masses, 1, generator=generator).reshape(weights.shape[:-1])


class Marginals:
    """The law of the token at each position of a lattice, given the constraint.

    A token's log-probability is its weight plus `outside` of its class: the weight of everything else that goes with
    it.  So the law of 128,000 tokens is told by some tens of numbers.

    outside     (batch, length, classes) float64, the total taken off
    classes     log-probabilities of classes, (batch, length, classes) float64
    """

    def __init__(self, lattice: Lattice, outside: torch.Tensor, weights: torch.Tensor) -> None:
        self._lattice, self.outside = lattice, outside
        self.classes = outside + weights

    def log_probabilities(self) -> torch.Tensor:
        """Log-probabilities of all tokens, (batch, length, V) float64."""
        lattice = self._lattice
        columns = lattice.automaton.columns
        free = (0.0 if lattice.logits is None else lattice.logits.double()) + self.outside[..., columns.classes]
        known = torch.full_like(free, -torch.inf).scatter_(-1, lattice.fixed.clamp(min=0)[..., None], 0.0)
        return torch.where((lattice.fixed >= 0)[..., None], known, free)

    def best(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The most probable token of each position and its log-probability, both (batch, length)."""
        lattice = self._lattice
        weights = lattice._class_weights(BEST)
        values, labels = (weights + self.outside).max(dim=-1)
        tokens = torch.stack([lattice._member(BEST, i, labels[:, i]) for i in range(lattice.length)], dim=1)
        return torch.where(lattice.fixed >= 0, lattice.fixed, tokens), values
