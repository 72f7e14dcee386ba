"""Walks from the root of a trie to the end of a text, several side by side.

At a node u, with μ = Σ P(t) b(ut) over its children as they are now and β the bound that u had when its parent was
left, a walk goes on to a child in proportion to P(t) b(ut).  What it does about μ ≤ β makes the sampler:

MARS     it survives with probability μ / β
CARS     at a node that nobody has expanded before (β = 1), a token is drawn from the model's whole law, and the walk
         fails if the mask forbids it; elsewhere as MARS
ASAP     it goes on, and its weight takes the factor μ / β
MASKING  all b are 1: the weight takes the mass of the allowed tokens

The product of the steps telescopes: with MARS and CARS a walk reaches the text x with probability P(x) / b(root)
whatever the trie knows, b(root) being what it was at the start.  That holds with stale bounds too, and so for walks
side by side that change the trie under each other.  Survivors have exactly the law of the model given the language
("CARS", 2025; the coin instead of a token that is thrown away is a Rao-Blackwellisation of it).

The root is expanded before b(root) is read, so that the first walk profits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from constrain.decoders.contract import Draw
from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.languages import Position
from constrain.decoders.samplers.scoring import Laws, Row, Tokens
from constrain.decoders.samplers.trie import COMPLETE, NEW, NOWHERE, STALE, TokenTrie

__all__ = ["Mode", "Walk", "Walker"]


class Mode(Enum):
    """How a walk treats bounds; see the module."""

    MARS = "mars"
    CARS = "cars"
    ASAP = "asap"
    MASKING = "masking"


@dataclass(slots=True)
class Walk:
    """One walk: where it is, and how it got there.

    nodes    from the root on
    """

    position: Position
    nodes: list[int]
    tokens: Tokens = ()
    log_weight: float = 0.0
    log_probability: float = 0.0
    log_bound: float = 0.0  # of the last node when its parent was left
    is_over: bool = False
    failed: bool = False
    row: Row | None = field(default=None, repr=False)

    def fail(self) -> None:
        """End without a text."""
        self.is_over = self.failed = True
        self.log_weight = NOWHERE

    def draw(self) -> Draw:
        """What the walk has drawn."""
        return Draw(self.tokens, self.log_weight, self.log_probability)


class Walker:
    """Walks in one trie.  `beginning` makes the position before any token."""

    def __init__(self, trie: TokenTrie, laws: Laws, beginning: Callable[[], Position], chance: Chance) -> None:
        self.trie, self._laws, self._beginning, self._chance = trie, laws, beginning, chance

    def walk(self, count: int, mode: Mode) -> list[Walk]:
        """So many walks from the root, side by side."""
        self._prepare_root()
        start = 0.0 if mode is Mode.MASKING else self.trie.log_bound[0]
        walks = [Walk(self._beginning(), [0], log_weight=start, log_bound=start) for _ in range(count)]
        self._run(walks, mode)
        return walks

    def resume(self, prefixes: Sequence[Tokens]) -> list[Walk]:
        """Walks of masked decoding that go on from prefixes in the trie, side by side; they weigh what they add."""
        walks = []
        for tokens in prefixes:
            walk = Walk(self._beginning(), [0])
            for token in tokens:
                self._enter(walk, self.trie.child(walk.nodes[-1], token))
            walks.append(walk)
        self._run(walks, Mode.MASKING)
        return walks

    def _prepare_root(self) -> None:
        trie = self.trie
        if trie.kind[0] not in (NEW, STALE):
            return
        position = self._beginning()
        if position.is_complete:
            trie.close(0, is_complete=True)
            return
        trie.expand(0, self._laws.row(()), position.mask())
        trie.propagate(0)

    def _run(self, walks: list[Walk], mode: Mode) -> None:
        for walk in walks:
            self._stop_at_leaf(walk)
        active = [walk for walk in walks if not walk.is_over]
        while active:
            self._read_laws(active)
            for walk in active:
                self._step(walk, mode)
                if walk.is_over:
                    self.trie.propagate(walk.nodes[-1])
            active = [walk for walk in active if not walk.is_over]

    def _read_laws(self, walks: list[Walk]) -> None:
        """Ask the model, in one call, about the nodes that have to be expanded."""
        trie = self.trie
        asking = [walk for walk in walks if trie.kind[walk.nodes[-1]] in (NEW, STALE)]
        if asking:
            for walk, row in zip(asking, self._laws.rows([walk.tokens for walk in asking]), strict=True):
                walk.row = row

    # A step

    def _step(self, walk: Walk, mode: Mode) -> None:
        trie, node = self.trie, walk.nodes[-1]
        is_new = trie.kind[node] == NEW
        if trie.kind[node] in (NEW, STALE):
            assert walk.row is not None
            trie.expand(node, walk.row, walk.position.mask())
        if mode is Mode.CARS and is_new and node > 0 and walk.log_bound == 0.0:
            self._step_unmasked(walk)
        else:
            self._step_masked(walk, mode)
        walk.row = None

    def _step_unmasked(self, walk: Walk) -> None:
        """Draw from the model's whole law at a node that has just been expanded."""
        trie, node, row = self.trie, walk.nodes[-1], walk.row
        assert row is not None
        mask = walk.position.mask()
        token = self._chance.choose_one(np.exp(row))
        if token < len(mask) and mask[token]:
            self._enter(walk, trie.touch(node, token, row, mask))
        else:
            walk.fail()

    def _step_masked(self, walk: Walk, mode: Mode) -> None:
        trie, node = self.trie, walk.nodes[-1]
        masses, shift = trie.masses(node, bounded=mode is not Mode.MASKING)
        total = math.fsum(masses)
        if total == 0.0:
            walk.fail()
            return
        log_mass = shift + math.log(total)
        if mode is Mode.MASKING:
            walk.log_weight += log_mass
        elif mode is Mode.ASAP:
            walk.log_weight += log_mass - walk.log_bound
        elif not self._chance.happens(log_mass - walk.log_bound):
            walk.fail()
            return
        self._enter(walk, self._chosen(walk, masses))

    def _chosen(self, walk: Walk, masses: list[float]) -> int:
        """The child drawn in proportion to its mass; the last mass is that of the untouched tokens."""
        trie, node = self.trie, walk.nodes[-1]
        children = trie.children[node]
        at = self._chance.choose(masses) if len(masses) > 1 else 0
        if children is not None and at < len(children):
            return children[at]
        row = self._laws.row(walk.tokens) if walk.row is None else walk.row
        return trie.take_untouched(node, row, walk.position.mask(), self._chance)

    def _enter(self, walk: Walk, child: int) -> None:
        """Go to a child, which the mask allows."""
        trie = self.trie
        walk.log_bound = trie.log_bound[child]
        walk.log_probability += trie.log_p[child]
        walk.nodes.append(child)
        walk.tokens += (trie.token[child],)
        if not walk.position.read(trie.token[child]):  # a predicate refuses what the mask allows
            trie.close(child, is_complete=False)
            walk.fail()
            return
        if walk.position.is_complete:
            trie.close(child, is_complete=True)
        self._stop_at_leaf(walk)

    def _stop_at_leaf(self, walk: Walk) -> None:
        if not walk.failed and self.trie.kind[walk.nodes[-1]] == COMPLETE:
            walk.is_over = True
