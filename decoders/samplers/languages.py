"""Constraints as samplers see them: a language of token sequences, walked token by token.

A sequence is *complete* when an end token has been read.  A vocabulary without end tokens completes a text where
nothing may follow, or where the budget is used up; no complete sequence is then the beginning of another.

Two ways to treat a budget of N tokens; the language is that of the complete sequences of at most N either way:

reject       tokens are allowed until the budget is used up, and a sequence that is not complete then fails
condition    only tokens after which a completion is known that fits (`constrain.decoders.budget`): no sequence fails.
             Where some byte is not a token, or close to the end of the budget, a text may be left out whose tokens
             are fewer than those of a shorter one; the language is then without it.
"""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from constrain.decoders.budget import Budget
from constrain.decoders.successors import keep_fitting
from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.compiled import CompiledConstraint, allocate_token_bitmask
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.matcher import Matcher

__all__ = ["Flags", "GrammarPosition", "Language", "Position", "Truncation", "begin", "language_key"]

Flags = npt.NDArray[np.bool_]
Truncation = Literal["reject", "condition"]


class Position(Protocol):
    """A place in a text: the beginning of a sequence that has been read."""

    is_complete: bool
    """The sequence is complete, and in the language."""

    mask_is_exact: bool
    """`mask` says the same as `allows` and `read`; else it may allow tokens that these refuse."""

    def mask(self) -> Flags:
        """Which tokens may come next, bool (V,)."""
        ...

    def allows(self, token: int) -> bool:
        """Whether a token may come next; makes no mask."""
        ...

    def read(self, token: int) -> bool:
        """Read a token; False when it may not come next, and the position is of no use any more."""
        ...

    def fork(self) -> "Position":
        """A copy that goes its own way."""
        ...

    @property
    def text(self) -> bytes:
        """What has been read."""
        ...


class Language(Protocol):
    """A constraint of another kind than a grammar; see `checkers`."""

    @property
    def index(self) -> TokenizerIndex:
        """The index of the tokenizer."""
        ...

    @property
    def key(self) -> str:
        """What identifies the language for tries that are kept; empty when nothing does."""
        ...

    def begin(self, max_new_tokens: int | None, truncation: Truncation) -> Position:
        """The position before any token."""
        ...


def begin(
    constraint: "CompiledConstraint | Language", max_new_tokens: int | None, truncation: Truncation = "reject"
) -> Position:
    """The position before any token.  Raises ConstrainError when no text fits the budget."""
    if isinstance(constraint, CompiledConstraint):
        return GrammarPosition(constraint, max_new_tokens, truncation)
    return constraint.begin(max_new_tokens, truncation)


def language_key(constraint: "CompiledConstraint | Language") -> str:
    """What identifies a constraint; empty when nothing does."""
    if not isinstance(constraint, CompiledConstraint):
        return constraint.key
    return f"{constraint.grammar.key} {constraint.index.key}" if constraint.grammar.key else ""


class GrammarPosition:
    """A position in a compiled grammar."""

    __slots__ = ("_bitmask", "_budget", "_ends", "is_complete", "mask_is_exact", "matcher", "remaining")

    def __init__(self, constraint: CompiledConstraint, max_new_tokens: int | None, truncation: Truncation) -> None:
        self.matcher: Matcher = constraint.matcher()
        self._ends = constraint.end_tokens
        self._bitmask = allocate_token_bitmask(1, constraint.index.vocab_size)
        self.remaining = max_new_tokens
        self.mask_is_exact = True
        if truncation not in ("reject", "condition"):
            raise ConstrainError(f"truncation is 'reject' or 'condition', not {truncation!r}")
        fits = max_new_tokens is not None and (truncation == "condition" or max_new_tokens < 1)
        self._budget = Budget(self.matcher, max_new_tokens or 0) if fits else None
        self.is_complete = not self._ends and self._stops()

    def _stops(self) -> bool:
        """Whether a text without end tokens is complete here."""
        return self.matcher.is_accepting and (self.remaining == 0 or self.matcher.is_finished)

    def mask(self) -> Flags:
        """See `Position`."""
        width = self.matcher.constraint.index.vocab_size
        if self.is_complete or self.remaining == 0:
            return np.zeros(width, np.bool_)
        self.matcher.fill_next_token_bitmask(self._bitmask)
        if self._budget is not None:
            keep_fitting(self._budget, self.matcher, self._bitmask[0])
        flags = np.unpackbits(self._bitmask[0].view(np.uint8), bitorder="little")[:width].view(np.bool_)
        if self.remaining == 1 and self._ends:
            last = np.zeros_like(flags)
            last[list(self._ends)] = True
            flags &= last
        return flags

    def allows(self, token: int) -> bool:
        """See `Position`."""
        if self.is_complete or self.remaining == 0 or not self.matcher.is_allowed(token):
            return False
        if self.remaining == 1 and self._ends:
            return token in self._ends
        return self._budget is None or self._budget.fits(token)

    def read(self, token: int) -> bool:
        """See `Position`."""
        is_end = token in self._ends
        if self.is_complete or self.remaining == 0 or (self.remaining == 1 and self._ends and not is_end):
            return False
        if self._budget is not None and not (self.matcher.is_allowed(token) and self._budget.fits(token)):
            return False
        if not self.matcher.accept_token(token):
            return False
        if self._budget is not None:
            self._budget.accept(token)
        if self.remaining is not None:
            self.remaining -= 1
        self.is_complete = is_end or (not self._ends and self._stops())
        return True

    def fork(self) -> "GrammarPosition":
        """See `Position`."""
        copy = object.__new__(GrammarPosition)
        copy.matcher = self.matcher.fork()
        copy._ends, copy._bitmask, copy.remaining = self._ends, self._bitmask, self.remaining
        copy.is_complete, copy.mask_is_exact = self.is_complete, True
        copy._budget = None if self._budget is None else self._budget.fork(copy.matcher)
        return copy

    @property
    def text(self) -> bytes:
        """See `Position`."""
        return self.matcher.constraint.index.decode(self.matcher.tokens)
