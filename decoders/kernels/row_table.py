"""Masks that stay on the device: a step sends one number for each sequence instead of a mask.

Sequences come back to the same few states: inside a string, behind a comma.  Each mask is uploaded when it is first
needed and has a number from then on.  When the table is full it grows, and when it may not, the mask that has not
been used for longest gives way.

On a GPU, uploads go through pinned memory on a stream of their own, beside what the model computes.  Only where a row
is used again or the table moves do they wait for the kernels that may still read it.
"""

from collections import OrderedDict
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from constrain.decoders.kernels.backends import backend_for
from constrain.decoders.kernels.bitmask import check_fit
from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.batch import BatchMatcher
from constrain.tokenizer_index.matcher import Matcher

__all__ = ["RowTable"]


class RowTable:
    """The masks of any number of constraints over one vocabulary, on a device.

    words   int32 [capacity, ceil(V/32)]; replaced when the table grows, so that a CUDA graph needs ``max_rows`` from
            the beginning: ``RowTable(…, capacity=n, max_rows=n)``

    A table is used by one thread at a time.  Raises ValueError for sizes that are not positive.
    """

    def __init__(
        self, vocab_size: int, device: torch.device | str = "cpu", *, capacity: int = 256, max_rows: int = 16384
    ) -> None:
        if not 0 < capacity <= max_rows:
            raise ValueError("capacity must be positive and at most max_rows")
        self._max_rows = max_rows
        self._device = torch.device(device)
        self.words = torch.zeros((capacity, -(-vocab_size // 32)), dtype=torch.int32, device=self._device)
        self._numbers: OrderedDict[int, tuple[int, object]] = OrderedDict()  # by the key's identity; used last, last
        self._used = 0  # numbers that have been given out
        self._stream: torch.cuda.Stream | None = None
        if self._device.type == "cuda":
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            self._follow_the_device(self._stream)
        self.uploads = 0
        """Masks that have been uploaded so far."""

    def __len__(self) -> int:
        return len(self._numbers)

    def rows(self, matchers: "BatchMatcher | Iterable[Matcher | None]") -> npt.NDArray[np.int32]:
        """The numbers of the masks of the next tokens, (n,) int32, -1 for None; those that are missing are uploaded.

        Call it as soon as the last tokens have been read: the masks are made and uploaded while the model computes.
        Numbers hold until the next call.  Raises ConstrainError when the sequences need more masks than the table may
        hold, ValueError for a mask of another vocabulary.
        """
        each = list(matchers)
        keys = [None if matcher is None else matcher.mask_key for matcher in each]
        missing: dict[int, int] = {}
        for place, key in enumerate(keys):
            if id(key) in self._numbers:
                self._numbers.move_to_end(id(key))
            elif key is not None:
                missing[id(key)] = place
        if missing:
            self._check_room(len({id(key) for key in keys if key is not None}))
            places = list(missing.values())
            if isinstance(matchers, BatchMatcher):
                sources = matchers.mask_sources()  # made by its threads
                masks = [sources[place][0] for place in places]
            else:
                masks = [cast("Matcher", each[place]).mask_source()[0] for place in places]
            self._upload([keys[place] for place in places], np.stack(masks))
        return np.array([-1 if key is None else self._numbers[id(key)][0] for key in keys], np.int32)

    def sources(self, matchers: "BatchMatcher | Iterable[Matcher | None]") -> torch.Tensor:
        """`rows` on the device, int32 [n], as kernels want them."""
        return self._sent(self.rows(matchers))

    def apply(
        self, logits: torch.Tensor, matchers: "BatchMatcher | Iterable[Matcher | None]", *, backend: str = "auto"
    ) -> None:
        """Mask logits, floating-point [n, width], in place; rows of None are left alone.

        Raises ValueError for logits that do not fit, and what `rows` raises.
        """
        check_fit(logits, self.words)
        sources = self.sources(matchers)
        if len(sources) != logits.shape[0]:
            raise ValueError(f"{logits.shape[0]} rows of logits for {len(sources)} sequences")
        backend_for(backend, logits.device).apply(logits, self.words, sources, None)

    # Uploads

    def _sent(self, array: npt.NDArray[Any]) -> torch.Tensor:
        """An array on the device; PyTorch keeps pinned memory until the copy has been made."""
        tensor = torch.from_numpy(array)
        return tensor if self._stream is None else tensor.pin_memory().to(self._device, non_blocking=True)

    def _check_room(self, needed: int) -> None:
        if needed > self._max_rows:
            raise ConstrainError(f"the sequences need {needed} masks; raise max_rows={self._max_rows}")

    def _upload(self, keys: list[object], masks: npt.NDArray[np.int32]) -> None:
        """Give masks, int32 [n, words], numbers by their keys, and upload them."""
        if masks.shape[1] != self.words.shape[1]:
            raise ValueError(f"the masks have {masks.shape[1]} words, those of the table {self.words.shape[1]}")
        again = self._make_room(len(keys))
        places = []
        for key in keys:
            if self._used < len(self.words):
                number, self._used = self._used, self._used + 1
            else:
                _, (number, _) = self._numbers.popitem(last=False)
                again = True
            self._numbers[id(key)] = number, key
            places.append(number)
        self.uploads += len(places)
        stream = self._stream
        if stream is not None and again:
            self._follow_the_device(stream)
        with nullcontext() if stream is None else torch.cuda.stream(stream):
            self.words.index_copy_(0, self._sent(np.array(places)), self._sent(masks))
        if stream is not None:
            torch.cuda.current_stream(self._device).wait_stream(stream)

    def _make_room(self, count: int) -> bool:
        """Grow, at least to twice the size, if masks have no place otherwise; whether the table has moved."""
        wanted, size = self._used + count, len(self.words)
        if wanted <= size or size == self._max_rows:
            return False
        old = self.words
        self.words = old.new_zeros((min(self._max_rows, max(wanted, 2 * size)), old.shape[1]))
        self.words[:size].copy_(old)
        return True

    def _follow_the_device(self, stream: torch.cuda.Stream) -> None:
        """Let uploads wait for what the device has yet to do with the table, and the table's memory for uploads."""
        stream.wait_stream(torch.cuda.current_stream(self._device))
        self.words.record_stream(stream)
