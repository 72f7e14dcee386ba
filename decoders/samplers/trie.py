"""What sampling has found out about a language: an array trie of token prefixes.

For a prefix u write P(u) for its probability and c(u) = P(a complete text of L follows | u).  The trie keeps upper
bounds b(u) ≥ c(u) of the prefixes that were visited, and

    b(u) = Σ P(t | u) b(ut)  over the children t that were touched  +  rest(u),
    rest(u) = Σ P(t | u)     over the tokens that the mask allows and that were not touched,

so that memory grows with what was visited, not with what is allowed.  A touched child that has not been expanded has
b = 1, an end token of L 1, a dead end 0.  Bounds never rise, and b(root) falls towards Z = P(L).  ("Grammar-Aligned
Decoding", Park et al. 2024, calls them approximate expected future grammaticality.)

Everything is float64 in log space.  `rest` is always summed from the model's row, never found by subtraction, so that
no mass is lost however small it is; a sum of n terms has a relative error of at most n · 2⁻⁵³.

One trie serves one model, prompt, language, budget and temperature: `TokenTrie.belongs_to` is asked before each use.
"""

import math
from array import array
from collections.abc import Callable, Iterator

import numpy as np

from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.languages import Flags
from constrain.decoders.samplers.scoring import Laws, Row, Tokens, log_sum
from constrain.grammars.errors import ConstrainError

__all__ = ["COLUMNS", "COMPLETE", "EXPANDED", "NEW", "STALE", "TokenTrie"]

NEW, EXPANDED, STALE, COMPLETE = range(4)
"""Kinds of nodes: not expanded; expanded; expanded, but `rest` is to be summed again; a text of L ends here."""

COLUMNS = ("parent", "token", "kind", "log_p", "log_bound", "log_valid", "log_rest", "entropy")
"""The arrays, one number a node."""

_MANY = 32  # children from which on NumPy adds up faster than Python

_MAX_NOISE = 1e-3  # of log-probabilities between runs of one model on different hardware

NOWHERE = -math.inf


class TokenTrie:
    """Prefixes and bounds; empty when made.  Give one to several draws, so that the later ones know what the first did.

    One trie is used by one thread at a time.
    """

    def __init__(self) -> None:
        self.key: str | None = None  # what identifies prompt, language, budget and temperature
        self._model: object = None
        self._constraint: object = None  # kept, so that its id, which may be part of the key, stays its own
        self._laws: Laws | None = None
        self.parent, self.token, self.kind = array("q"), array("q"), array("b")
        self.log_p, self.log_bound = array("d"), array("d")  # of the edge from the parent; of the node
        self.log_valid, self.log_rest = array("d"), array("d")  # mass of all allowed tokens; of the untouched ones
        self.entropy = array("d")  # of the model's law, nats; nan until it is asked for
        self.children: list[list[int] | None] = []
        self._child: dict[tuple[int, int], int] = {}
        self.add(-1, -1, 0.0)

    def __len__(self) -> int:
        """How many prefixes it has."""
        return len(self.parent)

    @property
    def log_upper_bound(self) -> float:
        """An upper bound of log Z, the log-probability of the language under the model."""
        return self.log_bound[0]

    def copy(self) -> "TokenTrie":
        """A trie of its own that knows the same."""
        copy = TokenTrie()
        copy.key, copy._model, copy._constraint, copy._laws = self.key, self._model, self._constraint, self._laws
        for name in COLUMNS:
            setattr(copy, name, getattr(self, name)[:])
        copy.children = [None if children is None else children.copy() for children in self.children]
        copy._child = self._child.copy()
        return copy

    # Whose it is

    def belongs_to(self, model: object, key: str, constraint: object, laws: Callable[[], Laws]) -> Laws:
        """Bind the trie to a model and a key, or check that it is bound to them; the laws of the model.

        A trie that was read from a file is bound to the first model whose law at the root is the one it was made
        with.  Raises ConstrainError when it was made with another model, prompt, constraint, budget or temperature.
        """
        if self._laws is not None and self._model is model and self.key == key:
            return self._laws
        if self._laws is not None or self.key not in (None, key):
            raise ConstrainError(
                "the trie belongs to another model, prompt, constraint, budget or temperature; make a new one"
            )
        made = laws()
        self._check_root(made)
        self.key, self._model, self._constraint, self._laws = key, model, constraint, made
        return made

    def knows_the_same_model_as(self, other: "TokenTrie") -> bool:
        """Whether both have the same key, and are not bound to different models."""
        bound = self._laws is not None and other._laws is not None
        return self.key is not None and self.key == other.key and not (bound and self._model is not other._model)

    def _check_root(self, laws: Laws) -> None:
        """Whether a model's law at the root is the one that the trie was made with, within the model's own noise."""
        for child in self.children[0] or ():
            if abs(float(laws.row(())[self.token[child]]) - self.log_p[child]) > _MAX_NOISE:
                raise ConstrainError("the trie was made with another model")

    # Nodes

    def add(self, parent: int, token: int, log_p: float) -> int:
        """A new node, not expanded."""
        node = len(self.parent)
        for column, value in ((self.parent, parent), (self.token, token), (self.kind, NEW)):
            column.append(value)
        for numbers, number in (
            (self.log_p, log_p),
            (self.log_bound, 0.0),
            (self.log_valid, 0.0),
            (self.log_rest, NOWHERE),
            (self.entropy, math.nan),
        ):
            numbers.append(number)
        self.children.append(None)
        if parent >= 0:
            self.link(node)
        return node

    def link(self, node: int) -> None:
        """Make a node, whose columns are filled, a child of its parent."""
        parent = self.parent[node]
        self._child[parent, self.token[node]] = node
        siblings = self.children[parent]
        if siblings is None:
            self.children[parent] = [node]
        else:
            siblings.append(node)

    def child(self, node: int, token: int) -> int:
        """The child at a token; -1 when it was never touched."""
        return self._child.get((node, token), -1)

    def prefix(self, node: int) -> Tokens:
        """The tokens from the root to a node."""
        tokens = []
        while node > 0:
            tokens.append(self.token[node])
            node = self.parent[node]
        return tuple(reversed(tokens))

    def expand(self, node: int, row: Row, mask: Flags) -> None:
        """Sum up what the mask allows of the model's row, (≥ V,), without what was touched."""
        if self.kind[node] == NEW:
            self.log_valid[node] = log_sum(row[np.flatnonzero(mask)])
        touched = self.children[node]
        if touched:
            mask = mask.copy()
            mask[[self.token[child] for child in touched]] = False
        if touched or self.kind[node] != NEW:
            self.log_rest[node] = log_sum(row[np.flatnonzero(mask)])
        else:
            self.log_rest[node] = self.log_valid[node]
        self.kind[node] = EXPANDED

    def entropy_of(self, node: int) -> float:
        """The entropy of the model's law after a prefix, nats."""
        if math.isnan(self.entropy[node]):
            assert self._laws is not None
            self.entropy[node] = _entropy(self._laws.row(self.prefix(node)))
        return self.entropy[node]

    def close(self, node: int, *, is_complete: bool) -> None:
        """Note that a text of L ends at a node, or that none goes on from it."""
        self.kind[node] = COMPLETE if is_complete else EXPANDED
        self.log_bound[node] = 0.0 if is_complete else NOWHERE
        self.log_rest[node] = NOWHERE

    # Masses

    def masses(self, node: int, *, bounded: bool) -> tuple[list[float], float]:
        """exp(mass - shift) of each touched child and, last, of the untouched tokens together; and the shift.

        Masses are P(t) b(t), or without `bounded` P(t).
        """
        children = self.children[node] or ()
        log_p, log_bound = self.log_p, self.log_bound
        logs = [log_p[child] + log_bound[child] for child in children] if bounded else [log_p[c] for c in children]
        logs.append(self.log_rest[node])
        most = max(logs)
        if most == NOWHERE:
            return [0.0] * len(logs), NOWHERE
        if len(logs) >= _MANY:
            return np.exp(np.array(logs) - most).tolist(), most
        exp = math.exp
        return [exp(value - most) for value in logs], most

    def mass(self, node: int) -> float:
        """The bound of an expanded node as its children have it, in log space."""
        masses, shift = self.masses(node, bounded=True)
        total = math.fsum(masses)
        return shift + math.log(total) if total > 0 else NOWHERE

    def take_untouched(self, node: int, row: Row, mask: Flags, chance: Chance) -> int:
        """Touch one of the untouched tokens, drawn in proportion to its probability; the new child."""
        touched = self.children[node]
        if touched:
            mask = mask.copy()
            mask[[self.token[child] for child in touched]] = False
        untouched = np.flatnonzero(mask)
        logs = row[untouched]
        most = float(logs.max(initial=NOWHERE))
        if most == NOWHERE:
            raise ConstrainError("the model's law at a known prefix has changed")
        place = chance.choose_one(np.exp(logs - most))
        child = self.add(node, int(untouched[place]), float(logs[place]))
        logs[place] = NOWHERE
        self.log_rest[node] = log_sum(logs)
        return child

    def touch(self, node: int, token: int, row: Row, mask: Flags) -> int:
        """The child at an allowed token, made if it was not touched."""
        child = self.child(node, token)
        if child < 0:
            child = self.add(node, token, float(row[token]))
            self.expand(node, row, mask)
        return child

    def propagate(self, node: int) -> None:
        """Lower the bounds from a node, whose children or kind have changed, up to the root."""
        while node >= 0:
            if self.kind[node] in (EXPANDED, STALE):
                self.log_bound[node] = min(self.log_bound[node], self.mass(node))
            node = self.parent[node]

    def nodes(self) -> Iterator[int]:
        """All nodes, parents before their children."""
        return iter(range(len(self)))


def _entropy(row: Row) -> float:
    """The entropy of a law, nats."""
    probabilities = np.exp(row)
    positive = probabilities > 0
    return -float((probabilities[positive] * row[positive]).sum())
