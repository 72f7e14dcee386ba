"""What the decoding loop asks of a constraint, and the answer of an automaton.

The state is the text itself, tokens and -1 where it is not known: a pure function of it, so that a text can be taken
up anywhere.  `Canvas` is the interface; `AutomatonCanvas` answers from a lattice, `chart.ChartCanvas` for context-free
grammars.
"""

from typing import Protocol

import torch

from constrain.decoders.diffusion.automaton import Automaton
from constrain.decoders.diffusion.lattice import Lattice

__all__ = ["AutomatonCanvas", "Canvas"]


class Canvas(Protocol):
    """The positions of one text under a constraint."""

    @property
    def tokens(self) -> torch.Tensor:
        """The text: (length,) int64, -1 where it is not known."""
        ...

    def allowed(self) -> torch.Tensor:
        """Which tokens some completion has at each position, (length, V) bool."""
        ...

    def commit(self, position: int, token: int) -> bool:
        """Fix a position; False, and nothing changes, when no completion of the text has that token there."""
        ...

    def commit_forced(self) -> list[tuple[int, int]]:
        """Fix the positions that are not known at which all completions have one token; these, with their tokens."""
        ...

    def is_completable(self) -> bool:
        """Whether some completion obeys the constraint."""
        ...


class AutomatonCanvas:
    """A canvas under an automaton."""

    def __init__(self, automaton: Automaton, tokens: torch.Tensor) -> None:
        self.automaton = automaton
        self._lattice = Lattice(automaton, None, tokens[None])
        classes = automaton.columns.classes
        sizes = torch.bincount(classes, minlength=automaton.columns.count)
        firsts = torch.full_like(sizes, len(classes)).scatter_reduce_(
            0, classes, torch.arange(len(classes), device=classes.device), "amin"
        )
        self._only = torch.where(sizes == 1, firsts, -1)

    @property
    def tokens(self) -> torch.Tensor:
        """The text: (length,) int64, -1 where it is not known."""
        return self._lattice.fixed[0]

    def allowed(self) -> torch.Tensor:
        """Which tokens some completion has at each position, (length, V) bool."""
        free = self._lattice.allowed()[0][:, self.automaton.columns.classes]
        known = torch.zeros_like(free).scatter_(1, self.tokens.clamp(min=0)[:, None], True)
        return torch.where((self.tokens >= 0)[:, None], known, free)

    def commit(self, position: int, token: int) -> bool:
        """Fix a position; False, and nothing changes, when no completion of the text has that token there."""
        if int(self.tokens[position]) >= 0:
            return int(self.tokens[position]) == token
        if not bool(self._lattice.allowed_at(position)[0, self.automaton.columns.classes[token]]):
            return False
        self._lattice.commit(position, torch.tensor([token], device=self.automaton.device))
        return True

    def commit_forced(self) -> list[tuple[int, int]]:
        """Fix the positions that are not known at which all completions have one token; these, with their tokens.

        The completions stay the same, so no message changes.
        """
        allowed = self._lattice.allowed()[0]
        single = (allowed.sum(dim=1) == 1) & (self.tokens < 0)
        found = [(i, int(self._only[allowed[i].int().argmax()])) for i in single.nonzero().flatten().tolist()]
        found = [(position, token) for position, token in found if token >= 0]
        for position, token in found:
            self._lattice.fixed[0, position] = token
        return found

    def is_completable(self) -> bool:
        """Whether some completion obeys the constraint."""
        return bool(self._lattice.decide())

    def lattice(self, logits: torch.Tensor) -> Lattice:
        """The lattice of the text with log-weights of tokens, (length, V)."""
        return Lattice(self.automaton, logits[None], self.tokens[None])
