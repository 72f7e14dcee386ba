"""Many sequences in one call: masks copied together, and made side by side where they are missing."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from constrain.tokenizer_index.copies import copy_masks
from constrain.tokenizer_index.matcher import Matcher, rows_of
from constrain.tokenizer_index.states import Source

__all__ = ["BatchMatcher"]

Flags = npt.NDArray[np.bool_]
_Found = TypeVar("_Found")

_BYTES_OF_A_THREAD = 1 << 20  # a thread that copies less costs more than it saves


def _step(matcher: Matcher, token: int) -> bool:
    """Read a token that has been read at this place before; False, with nothing changed, when it has not."""
    state = matcher._state
    after = state.after.get(token)
    if after is None or matcher._ended:
        return False
    matcher._before.append(state)
    matcher._steps.append(token)
    matcher._state = after
    return True


class BatchMatcher:
    """The matchers of a batch, moved and asked together; each may have a constraint of its own.

    The matchers stay what they are, and may be used on their own between calls.  Masks that are ready are copied into
    the bitmask by one call that does not hold Python's lock.  New masks and steps are found by up to `threads`
    threads (as many as there are processors, unless told), each constraint by one of them: what belongs to one
    constraint is found in turn.  One batch is used by one thread at a time.

    Raises ValueError when the matchers' vocabularies differ in size, or `threads` is not positive.
    """

    def __init__(self, matchers: Sequence[Matcher], threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError("threads must be at least 1")
        self._matchers = list(matchers)
        sizes = {matcher.constraint.index.vocab_size for matcher in self._matchers}
        if len(sizes) > 1:
            raise ValueError(f"the matchers' vocabularies have {sorted(sizes)} tokens")
        self._words = -(-sizes.pop() // 32) if sizes else 0
        self._threads = threads or os.cpu_count() or 1
        self._pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self._matchers)

    def __getitem__(self, position: int) -> Matcher:
        return self._matchers[position]

    def __iter__(self) -> Iterator[Matcher]:
        return iter(self._matchers)

    # Masks

    def fill_next_token_bitmask(self, bitmask: Any, rows: Sequence[int] | None = None) -> Flags:
        """Write the mask of the next token of each sequence; see `Matcher.fill_next_token_bitmask`.

        `bitmask`: int32 [batch, ceil(V/32)], NumPy or PyTorch on the CPU.  Sequence i goes to row ``rows[i]``, or to
        row i; other rows are left alone.  Returns, for each sequence, whether anything is forbidden, (n,) bool.
        Raises ValueError, with nothing written, for a bitmask of another width, or rows that it does not have.
        """
        if not self._matchers:
            return np.empty(0, np.bool_)
        targets = self._targets(rows_of(bitmask), rows)
        sources = self.mask_sources()
        _, addresses, forbids = zip(*sources, strict=True)
        self._copy(np.array(addresses, np.int64), targets)
        return np.array(forbids, np.bool_)

    def mask_sources(self) -> list[Source]:
        """The masks of the next tokens, with their addresses, which are good as long as the masks are held."""
        ready = [m.constraint.end_source if m._ended else m._state.source for m in self._matchers]
        missing = [i for i, source in enumerate(ready) if source is None] if None in ready else []
        for i, source in zip(missing, self._spread(missing, lambda i: self._matchers[i].mask_source()), strict=True):
            ready[i] = source
        return cast("list[Source]", ready)

    def _targets(self, bitmask: npt.NDArray[np.int32], rows: Sequence[int] | None) -> npt.NDArray[np.int64]:
        """The addresses of the rows."""
        if bitmask.shape[1] != self._words or bitmask.strides[1] != bitmask.itemsize:
            raise ValueError(f"a bitmask of {self._words} words a row is needed, one beside the other")
        count = len(self._matchers)
        wanted = np.arange(count) if rows is None else np.asarray(rows, np.int64)
        if wanted.shape != (count,) or wanted.min() < 0 or wanted.max() >= len(bitmask):
            raise ValueError(f"{count} row(s) between 0 and {len(bitmask) - 1} are needed")
        return bitmask.ctypes.data + wanted * bitmask.strides[0]

    def _copy(self, sources: npt.NDArray[np.int64], targets: npt.NDArray[np.int64]) -> None:
        threads = min(self._threads, len(sources) * self._words * 4 // _BYTES_OF_A_THREAD)
        if threads < 2:
            copy_masks(sources, targets, self._words)
            return
        parts = zip(np.array_split(sources, threads), np.array_split(targets, threads), strict=True)
        pending = [self._submit(copy_masks, *part, self._words) for part in parts]
        for copied in pending:
            copied.result()

    # Steps

    def accept_tokens(self, tokens: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Flags:
        """Read one token in each sequence; where the result, (n,) bool, is False, it may not come next there.

        Those sequences are left as they are; the others are not.
        """
        chosen = tokens.tolist() if isinstance(tokens, np.ndarray) else [int(token) for token in tokens]
        if len(chosen) != len(self._matchers):
            raise ValueError(f"{len(chosen)} tokens for {len(self._matchers)} sequences")
        accepted = [_step(m, token) for m, token in zip(self._matchers, chosen, strict=True)]
        missing = [i for i, known in enumerate(accepted) if not known]
        for i, found in zip(missing, self._spread(missing, lambda i: self._read(i, chosen[i])), strict=True):
            accepted[i] = found
        return np.array(accepted, np.bool_)

    def _read(self, position: int, token: int) -> bool:
        return self._matchers[position].accept_token(token)

    def rollback(self, counts: int | Sequence[int] = 1) -> None:
        """Take back the last steps of each sequence: so many of all, or ``counts[i]`` of sequence i.

        Raises ValueError, with nothing changed, when some sequence has not so many.
        """
        each = [counts] * len(self._matchers) if isinstance(counts, int) else [int(count) for count in counts]
        if len(each) != len(self._matchers):
            raise ValueError(f"{len(each)} counts for {len(self._matchers)} sequences")
        for matcher, count in zip(self._matchers, each, strict=True):
            if not 0 <= count <= len(matcher._steps):
                raise ValueError(f"cannot take back {count} of {len(matcher._steps)} steps")
        for matcher, count in zip(self._matchers, each, strict=True):
            matcher.rollback(count)

    @property
    def is_accepting(self) -> Flags:
        """Where the text may end, (n,) bool."""
        return np.array([matcher.is_accepting for matcher in self._matchers], np.bool_)

    @property
    def is_finished(self) -> Flags:
        """Where nothing but the end is possible, or the end token has been read, (n,) bool."""
        return np.array([matcher.is_finished for matcher in self._matchers], np.bool_)

    # Threads

    def _spread(self, positions: list[int], find: Callable[[int], _Found]) -> list[_Found]:
        """What is found for each position; by threads, when there is more than one constraint among them."""
        groups: dict[int, list[int]] = {}
        for i in positions:
            groups.setdefault(id(self._matchers[i].constraint), []).append(i)
        if min(self._threads, len(groups)) < 2:
            return [find(i) for i in positions]
        shares: list[list[int]] = [[] for _ in range(min(self._threads, len(groups)))]
        for group in sorted(groups.values(), key=len, reverse=True):
            min(shares, key=len).extend(group)
        found: dict[int, _Found] = {}
        pending = [self._submit(lambda share: [(i, find(i)) for i in share], share) for share in shares]
        for done in pending:
            found.update(done.result())
        return [found[i] for i in positions]

    def _submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "constrain")
        return self._pool.submit(work, *arguments)
