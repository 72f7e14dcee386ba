"""What the rows of a batch have read, told from their tokens alone.

`transformers` calls a logits processor with the ids of all rows, prompts included, and says nothing else: not where
the prompts end, not that another call of ``generate`` has begun, not that beams were reordered, dropped or doubled.
So a row is known by the tokens that it has generated, and whatever row had generated all of them but the last is the
one it goes on from.

A call goes on with the generation of the call before if it has as many rows, all longer by one token, all with the
same prompts, and each is a row of the call before with one token more.  Otherwise a generation begins, and what the
rows have is their prompts.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from constrain.decoders.budget import Budget
from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["Histories", "History"]

Ids = npt.NDArray[np.int64]
Key = tuple[int, bytes]


class History:
    """One row: a matcher that has read what the row has generated, and its budget.

    ended   an end token was read; what follows is padding
    lost    a token was read that the constraint does not allow
    """

    __slots__ = ("budget", "ended", "lost", "matcher")

    def __init__(self, constraint: CompiledConstraint | None, max_new_tokens: int | None = None) -> None:
        self.matcher = None if constraint is None else constraint.matcher()
        self.budget: Budget | None = None
        if self.matcher is not None and max_new_tokens is not None:
            self.budget = Budget(self.matcher, max_new_tokens)
        self.ended = self.lost = False

    def fork(self) -> "History":
        """A copy that goes its own way."""
        copy = History(None)
        copy.ended, copy.lost = self.ended, self.lost
        if self.matcher is not None:
            copy.matcher = self.matcher.fork()
            copy.budget = None if self.budget is None else self.budget.fork(copy.matcher)
        return copy

    def read(self, token: int) -> None:
        """Read the next token of the row, whatever it is."""
        matcher = self.matcher
        if matcher is None or self.ended or self.lost:
            return
        self.lost = not (self.budget is None or self.budget.fits(token)) or not matcher.accept_token(token)
        if self.lost:
            return
        if self.budget is not None:
            self.budget.accept(token)
        self.ended = token in matcher.constraint.end_tokens


class Histories:
    """The rows of one generation after another.

    `constraints`: one for all rows, or one for each prompt, in order; None leaves a row free.  With `prompt_length`
    the histories are a function of the ids alone, and nothing has to be guessed.
    """

    def __init__(
        self,
        constraints: Sequence[CompiledConstraint | None],
        *,
        prompt_length: int | None = None,
        max_new_tokens: int | None = None,
    ) -> None:
        self._constraints, self._max_new_tokens = list(constraints), max_new_tokens
        self._prompt_length = prompt_length
        self.reset()

    def reset(self) -> None:
        """Forget all rows: the next call begins a generation."""
        self._ids: Ids = np.zeros((0, 0), np.int64)
        self._start = 0  # where generated tokens begin
        self._known: dict[Key, History] = {}
        self.is_certain = self._prompt_length is None
        """Whether a row that does not obey its constraint is a mistake; if not, rows may be mere proposals."""

    def follow(self, ids: Ids, continues_when_ended: Callable[[], bool]) -> list[History]:
        """The histories of all rows, [rows, length].

        `continues_when_ended` decides when every row would have ended before.  Raises ConstrainError when the number
        of rows is no multiple of that of the constraints, or when it cannot be told what the rows are.
        """
        if ids.shape[0] % len(self._constraints):
            raise ConstrainError(f"{len(self._constraints)} constraints for {ids.shape[0]} rows")
        if self._prompt_length is not None:
            self._start = min(self._prompt_length, ids.shape[1])
        elif not self._goes_on(ids, continues_when_ended):
            self._refuse_proposals(ids)
            # Greedy decoding and sampling stop when all rows have ended, so that such rows are prompts, unless the
            # check was put off; then what follows will be thrown away, and need not obey.
            self.is_certain = not self._all_ended(ids)
            self._start, self._known = ids.shape[1], {}
        histories = self._read(ids)
        self._ids = ids.copy()
        return histories

    def _group(self, row: int, rows: int) -> int:
        return row * len(self._constraints) // rows

    def _keys(self, ids: Ids) -> list[Key]:
        """What each row is known by."""
        rows = ids.shape[0]
        return [(self._group(row, rows), ids[row, self._start :].tobytes()) for row in range(rows)]

    def _goes_on(self, ids: Ids, continues_when_ended: Callable[[], bool]) -> bool:
        """Whether the rows go on with those of the last call."""
        return self._are_heirs(ids) and (not self._all_ended(ids) or continues_when_ended())

    def _are_heirs(self, ids: Ids) -> bool:
        """Whether each row is one of the last call's with one token more."""
        rows, length = self._ids.shape
        if ids.shape != (rows, length + 1) or not self._same_prompts(ids):
            return False
        return all(parent in self._known for parent in self._keys(ids[:, :-1]))

    def _all_ended(self, ids: Ids) -> bool:
        """Whether the rows are those of the last call, and all have their end token."""
        return self._are_heirs(ids) and all(
            self._ends(parent, int(ids[row, -1])) for row, parent in enumerate(self._keys(ids[:, :-1]))
        )

    def _same_prompts(self, ids: Ids) -> bool:
        return bool((ids[:, : self._start] == self._ids[:, : self._start]).all())

    def _ends(self, parent: Key, token: int) -> bool:
        history = self._known[parent]
        return history.ended or (history.matcher is not None and token in history.matcher.constraint.end_tokens)

    def _refuse_proposals(self, ids: Ids) -> None:
        """Refuse rows that begin as the last call's did but are no longer.

        They come from a draft that is checked again (assisted generation), or are prompts made from a part of the
        last output; the constraint goes on in the one case and begins in the other.
        """
        rows, length = self._ids.shape
        if ids.shape[0] != rows or not self._start + 1 < ids.shape[1] <= length or not self._same_prompts(ids):
            return
        size = ids.shape[1] - 1
        before = set(self._keys(self._ids[:, :size]))
        if all(key in before for key in self._keys(ids[:, :size])):
            raise ConstrainError(
                "the rows repeat a part of what was generated last: whether they are prompts cannot be told; call "
                "reset() before each generation, or make the processor with prompt_length="
            )

    def _read(self, ids: Ids) -> list[History]:
        keys = self._keys(ids)
        parents = self._keys(ids[:, :-1]) if ids.shape[1] > self._start else [None] * len(keys)
        heirs = Counter(dict(zip(keys, parents, strict=True)).values())
        known: dict[Key, History] = {}
        for row, (key, parent) in enumerate(zip(keys, parents, strict=True)):
            if key in known:
                continue
            history = None if parent is None else self._known.get(parent)
            if history is None:
                known[key] = self._read_again(key[0], ids[row, self._start :])
                continue
            heirs[parent] -= 1
            known[key] = history.fork() if heirs[parent] else history
            known[key].read(int(ids[row, -1]))
        self._known = known
        return [known[key] for key in keys]

    def _read_again(self, group: int, tokens: Ids) -> History:
        history = History(self._constraints[group], self._max_new_tokens)
        for token in tokens.tolist():
            history.read(token)
        return history
