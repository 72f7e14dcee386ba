"""Finite constraints on the device: a step needs nothing of the host.

What `CompiledConstraint.token_dfa` makes is packed for all constraints of a batch together: the states get numbers
one after the other, each with the place where its transitions begin, one for each class of tokens, and the number of
its mask.  States with equal masks share one, so that masking reads a bit for each token, as with masks of the host.

State 0 is that of sequences without a constraint: it has no mask and is never left.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from constrain.decoders.kernels import reference
from constrain.decoders.kernels.backends import backend_for, backend_name
from constrain.decoders.kernels.sampling import Draws, Setting, draw_tokens
from constrain.grammars.errors import ConstrainError, DeadEndError
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.token_dfa import TokenDFA

__all__ = ["DeviceAutomaton", "DeviceSequences"]

_CHUNK = 64
"""Masks that are spread out to a byte for each token at a time."""


class DeviceAutomaton:
    """Finite constraints over one vocabulary, on a device.

    words        masks, int32 [masks, ceil(V/32)]
    classes      class of each token under each constraint, int32 [constraints + 1, V]
    transitions  states after tokens of each class, -1 where they may not come next, int32 [all states' classes]
    bases        where the transitions of each state begin, int64 [states]
    kinds        the row of `classes` of each state, int32 [states]
    masks        the mask of each state, -1 for none, int32 [states]
    finished     where nothing but the end is possible, bool [states]

    Raises ResourceLimitError for a constraint that is not finite (see `CompiledConstraint.token_dfa`), ConstrainError
    when the vocabularies differ in size or the masks take more than `max_bytes`.
    """

    def __init__(
        self,
        constraints: Sequence[CompiledConstraint],
        device: torch.device | str = "cpu",
        *,
        max_bytes: int = 1 << 31,
    ) -> None:
        sizes = {constraint.index.vocab_size for constraint in constraints}
        if len(sizes) != 1:
            raise ConstrainError("the constraints of a device automaton must be some, over vocabularies of one size")
        self._width = sizes.pop()
        self.device = torch.device(device)
        parts = [_Part(constraint) for constraint in constraints]
        firsts = np.cumsum([1, *[part.size for part in parts]])
        self._starts = firsts[:-1].tolist()
        masks: dict[bytes, int] = {}
        rows: list[npt.NDArray[np.int32]] = []
        numbers = [np.array([-1], np.int32)]
        for part in parts:
            numbers.append(part.numbers(masks, rows))
            if 4 * len(rows) * -(-self._width // 32) > max_bytes:
                raise ConstrainError(f"the masks of all states take more than max_bytes={max_bytes} bytes")
        tables = [part.dfa.transitions for part in parts]
        moved = [np.where(t < 0, -1, t + first).ravel() for t, first in zip(tables, self._starts, strict=True)]
        counts = [np.array([1]), *[np.full(part.size, part.dfa.class_count) for part in parts]]
        ends = np.cumsum(np.concatenate(counts))
        self.words = self._sent(np.stack(rows))
        self.classes = self._sent(np.stack([np.zeros(self._width, np.int32), *[part.dfa.classes for part in parts]]))
        self.transitions = self._sent(np.concatenate([[0], *moved]).astype(np.int32))
        self.bases = self._sent(np.concatenate([[0], ends[:-1]]))
        self.kinds = self._sent(np.repeat(np.arange(len(parts) + 1), np.diff([0, *firsts])).astype(np.int32))
        self.masks = self._sent(np.concatenate(numbers))
        self.finished = self._sent(np.concatenate([[False], *[part.finished for part in parts]]))

    def _sent(self, array: npt.NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    @property
    def state_count(self) -> int:
        """The states of all constraints."""
        return len(self.bases)

    def sequences(
        self, constraints: Sequence[int | None], *, seed: int = 0, backend: str = "auto"
    ) -> "DeviceSequences":
        """Sequences at their beginnings, each under the constraint of that number; None for a free one."""
        return DeviceSequences(self, constraints, seed=seed, backend=backend)

    def start(self, constraint: int | None) -> int:
        """The state before any token."""
        return 0 if constraint is None else self._starts[constraint]


class _Part:
    """One constraint's automaton, before it is packed."""

    def __init__(self, constraint: CompiledConstraint) -> None:
        self.dfa: TokenDFA = constraint.token_dfa()
        self.size = self.dfa.state_count
        is_end = np.zeros(self.dfa.class_count, np.bool_)
        is_end[self.dfa.classes[list(constraint.end_tokens)]] = True
        goes_on = (self.dfa.transitions >= 0) & ~is_end
        self.finished = self.dfa.accepting & ~goes_on.any(axis=1)

    def numbers(self, known: dict[bytes, int], rows: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
        """The number of each state's mask; masks that are not known are appended to `rows`."""
        columns, which = np.unique(self.dfa.transitions >= 0, axis=0, return_inverse=True)
        found = []
        for begin in range(0, len(columns), _CHUNK):
            bits = columns[begin : begin + _CHUNK][:, self.dfa.classes]
            padded = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 32)))
            packed = np.ascontiguousarray(np.packbits(padded, axis=1, bitorder="little"))
            for mask in packed.view(np.int32):
                number = known.setdefault(mask.tobytes(), len(rows))
                if number == len(rows):
                    rows.append(mask)
                found.append(number)
        return np.array(found, np.int32)[which.reshape(-1)]


class DeviceSequences:
    """Sequences that are masked, drawn and moved on the device, without waiting for it.

    states   int32 [n]
    masks    the mask of each state, int32 [n], as `draw_tokens` wants them
    failed   int8 [n]: 1 where a token was not allowed or there was none; such a sequence stays where it is

    All are changed in place, so that a CUDA graph can capture a step, once one has been taken.
    """

    def __init__(
        self, automaton: DeviceAutomaton, constraints: Sequence[int | None], *, seed: int = 0, backend: str = "auto"
    ) -> None:
        self._automaton, self._backend = automaton, backend
        device, count = automaton.device, len(constraints)
        starts = np.array([automaton.start(constraint) for constraint in constraints], np.int32)
        self.states = torch.from_numpy(starts).to(device)
        self.masks = automaton.masks[self.states.long()]
        self.failed = torch.zeros(count, dtype=torch.int8, device=device)
        self._seeds = torch.full((count,), seed, dtype=torch.int64, device=device)
        self._places = torch.arange(count, device=device) << 32
        self._first = self.states.clone(), self.masks.clone(), self._places.clone()

    def reset(self) -> None:
        """Go back to the beginning, in place."""
        for now, first in zip((self.states, self.masks, self._places), self._first, strict=True):
            now.copy_(first)
        self.failed.zero_()

    def draw(
        self,
        logits: torch.Tensor,
        *,
        temperature: Setting = 1.0,
        top_k: Setting = 0,
        top_p: Setting = 1.0,
        min_p: Setting = 0.0,
    ) -> Draws:
        """Mask, draw and move: the tokens that the sequences go on with; see `sample_tokens`.

        Step s draws as ``sample_tokens(…, seed=seed, step=s)`` does.  Call `check` when the host waits anyway.
        """
        draws = draw_tokens(
            logits,
            self._automaton.words,
            self.masks,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            seeds=self._seeds,
            places=self._places,
            backend=self._backend,
        )
        self.accept(draws.tokens)
        self._places += 1
        return draws

    def accept(self, tokens: torch.Tensor) -> None:
        """Read one token in each sequence, int64 [n] on the device."""
        a, device = self._automaton, self._automaton.device
        module = backend_for(self._backend, device) if backend_name(self._backend, device) == "triton" else reference
        module.advance(
            self.states, self.masks, self.failed, tokens, a.classes, a.bases, a.kinds, a.transitions, a.masks
        )

    @property
    def finished(self) -> torch.Tensor:
        """Where nothing but the end is possible, or the end has been read; bool [n] on the device."""
        return self._automaton.finished[self.states.long()]

    def check(self) -> None:
        """Raise DeadEndError if a sequence was given a token that is not allowed, or had none; waits for the device."""
        failed = self.failed.nonzero().flatten().tolist()
        if failed:
            raise DeadEndError(f"sequence {failed[0]} had no token to go on with, or one that is not allowed")
