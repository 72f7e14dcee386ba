"""The state of one sequence within a constraint."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from constrain.grammars.errors import DeadEndError, ResourceLimitError
from constrain.tokenizer_index import ending, forced
from constrain.tokenizer_index.states import Source, State

if TYPE_CHECKING:
    from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["Matcher", "rows_of"]


def rows_of(bitmask: Any) -> npt.NDArray[np.int32]:
    """A bitmask, NumPy or PyTorch on the CPU, as an array that shares its memory.

    Raises ValueError unless it is int32 and two-dimensional.
    """
    rows = bitmask if isinstance(bitmask, np.ndarray) else np.asarray(bitmask)
    if rows.dtype != np.int32 or rows.ndim != 2:
        raise ValueError("a token bitmask is int32 [batch, ceil(vocab_size / 32)]")
    return rows


class Matcher:
    """Reads a sequence token by token and tells which token may come next.

    Made by `CompiledConstraint.matcher`.  Cheap to make, fork and roll back: it holds a list of states that all
    matchers of the constraint share.  One matcher is used by one thread at a time.
    """

    __slots__ = ("_before", "_bitmask", "_compiled", "_ended", "_rows", "_state", "_steps")

    def __init__(self, compiled: "CompiledConstraint") -> None:
        self._compiled: Final = compiled
        self._state: State = compiled.start
        # The state before each step, and the step: not in pairs, so that reading a token makes no object that Python's
        # collector would count, and could start with.
        self._before: list[State] = []
        self._steps: list[int | bytes] = []
        self._ended = False
        self._bitmask: Any = None
        self._rows: npt.NDArray[np.int32] | None = None

    @property
    def constraint(self) -> "CompiledConstraint":
        """The constraint that the matcher belongs to."""
        return self._compiled

    # Masks

    def fill_next_token_bitmask(self, bitmask: Any, row: int = 0) -> bool:
        """Write the mask of the next token into a row: bit t % 32 of word t // 32 is set when token t is allowed.

        `bitmask`: int32 [batch, ceil(V/32)], NumPy or PyTorch on the CPU.  Returns whether anything is forbidden;
        if not, applying the mask can be skipped.  After the end token nothing but the end token is allowed.
        """
        if bitmask is not self._bitmask:
            self._rows = rows_of(bitmask)
            self._bitmask = bitmask
        state = self._state
        mask = state.mask
        if mask is None or self._ended:
            mask = self._mask()
        self._rows[row] = mask  # type: ignore[index]
        return state.masks or self._ended

    def _mask(self) -> npt.NDArray[np.int32]:
        if self._ended:
            return self._compiled.end_mask
        try:
            return self._state.make_mask()
        except ResourceLimitError as error:
            self._start_afresh(error)
            return self._state.make_mask()

    def mask_source(self) -> Source:
        """The mask of the next token, made if need be, with its address."""
        if self._ended:
            return self._compiled.end_source
        mask = self._mask()
        source = self._state.source  # None when the mask has been forgotten in the meantime
        return (mask, mask.ctypes.data, self._state.masks) if source is None else source

    @property
    def mask_key(self) -> object:
        """What stands for the mask of the next token: as long as it lives, whoever has the same has the same mask."""
        return self._compiled.end_mask if self._ended else self._state

    def allowed_tokens(self) -> list[int]:
        """The ids of all tokens that may come next, the end included."""
        bits = np.unpackbits(self._mask().view(np.uint8), bitorder="little")
        allowed: list[int] = np.flatnonzero(bits[: self._compiled.index.vocab_size]).tolist()
        return allowed

    def is_allowed(self, token_id: int) -> bool:
        """Whether a token may come next; without making a mask."""
        if token_id in self._compiled.end_tokens:
            return self._ended or self._state.accepting
        return not self._ended and self._read(token_id) is not None

    # Steps

    def _read(self, token_id: int) -> State | None:
        try:
            return self._state.read(token_id)
        except ResourceLimitError as error:
            self._start_afresh(error)
            return self._state.read(token_id)

    def accept_token(self, token_id: int) -> bool:
        """Read a token; False, with nothing changed, when it may not come next."""
        after = self._state.after.get(token_id)
        if after is None or self._ended:
            if token_id in self._compiled.end_tokens:
                return self._accept_end(token_id)
            if self._ended:
                return False
            after = self._read(token_id)
            if after is None:
                return False
        self._before.append(self._state)
        self._steps.append(token_id)
        self._state = after
        return True

    def _accept_end(self, token_id: int) -> bool:
        if not (self._ended or self._state.accepting):
            return False
        self._before.append(self._state)
        self._steps.append(token_id)
        self._ended = True
        return True

    def accept_text(self, text: str | bytes) -> bool:
        """Read a text, whatever its tokens; False, with nothing changed, when it may not come next.

        For `rollback` this is one step.
        """
        data = text.encode() if isinstance(text, str) else bytes(text)
        if self._ended:
            return not data
        try:
            after = self._state.states.read_text(self._state, data)
        except ResourceLimitError as error:
            self._start_afresh(error)
            after = self._state.states.read_text(self._state, data)
        if after is None:
            return False
        self._before.append(self._state)
        self._steps.append(data)
        self._state = after
        return True

    def rollback(self, count: int = 1) -> None:
        """Take back the last `count` steps.  Raises ValueError when there are not so many."""
        if not 0 <= count <= len(self._steps):
            raise ValueError(f"cannot take back {count} of {len(self._steps)} steps")
        for _ in range(count):
            self._state, step = self._before.pop(), self._steps.pop()
            if isinstance(step, int) and step in self._compiled.end_tokens:
                self._ended = self._ends_before()

    def _ends_before(self) -> bool:
        if not self._steps:
            return False
        step = self._steps[-1]
        return isinstance(step, int) and step in self._compiled.end_tokens

    def reset(self) -> None:
        """Go back to the beginning."""
        self._before.clear()
        self._steps.clear()
        self._state = self._compiled.start
        self._ended = False

    def fork(self) -> "Matcher":
        """An independent matcher at the same place."""
        copy = Matcher(self._compiled)
        copy._state, copy._ended = self._state, self._ended
        copy._before, copy._steps = self._before.copy(), self._steps.copy()
        return copy

    # What is known of the place

    @property
    def is_accepting(self) -> bool:
        """Whether the text may end here."""
        return self._ended or self._state.accepting

    @property
    def is_finished(self) -> bool:
        """Whether nothing but the end is possible, or the end token has been read."""
        if self._ended:
            return True
        if not self._state.accepting:
            return False
        self._mask()
        return not self._state.is_open

    @property
    def tokens(self) -> list[int]:
        """The tokens read so far."""
        return [step for step in self._steps if isinstance(step, int)]

    @property
    def state_key(self) -> int:
        """A number that two matchers of one constraint share when they are in the same configuration."""
        return -1 if self._ended else self._state.number

    # Looking ahead

    def forced_tokens(self) -> list[int]:
        """The tokens about which the constraint leaves no choice, as the tokenizer itself would cut them.

        Tokens at the end of the forced text that a longer token could yet replace are held back.  Empty when the
        next byte is free, or the text may end here.  The matcher does not move.
        """
        if self._ended:
            return []
        return forced.forced_tokens(self._state, self.tokens)

    def forced_text(self) -> bytes:
        """The bytes that must come next."""
        return b"" if self._ended else forced.forced_text(self._state)

    def shortest_completion(self) -> bytes:
        """A shortest text that leads to the end of the language; empty when the text may end here.

        Behind its first byte, its rest is the shortest completion.  Where the longest match counts and the grammar is
        of a kind that makes the search for a shortest one too large, it may be longer than needed; it is always valid.
        Raises DeadEndError when only special tokens lead to the end.
        """
        if self._ended:
            return b""
        try:
            return ending.ending_text(self._state)
        except ResourceLimitError as error:
            self._start_afresh(error)
            return ending.ending_text(self._state)

    def shortest_completion_parts(self) -> list[bytes | int]:
        """A shortest way to the end of the language as texts and ids of special tokens in turn.

        It has as few special tokens as possible, and then as few bytes.
        """
        if self._ended:
            return []
        try:
            return ending.ending_parts(self._state)
        except ResourceLimitError as error:
            self._start_afresh(error)
            return ending.ending_parts(self._state)

    def valid_prefix_length(self, tokens: Sequence[int]) -> int:
        """How many of the tokens, from the first on, could be read one after the other; the matcher does not move."""
        read = 0
        probe = self.fork()
        for token in tokens:
            if not probe.accept_token(int(token)):
                break
            read += 1
        return read

    def fill_draft_tree_bitmask(self, parents: Sequence[int], tokens: Sequence[int], bitmask: Any) -> None:
        """Write, for each node of a tree of draft tokens, the mask of the token that follows it.

        Node i reads ``tokens[i]`` after node ``parents[i]``, which comes before it, or after the matcher's own place
        when that is -1.  The row of a node that cannot be read is all zero.  The matcher does not move.
        """
        rows = rows_of(bitmask)
        probes: list[Matcher | None] = []
        for node, (parent, token) in enumerate(zip(parents, tokens, strict=True)):
            if not -1 <= parent < node:
                raise ValueError(f"the parent of node {node} must come before it, or be -1")
            origin = self if parent < 0 else probes[parent]
            probe = None if origin is None else origin.fork()
            if probe is not None and not probe.accept_token(int(token)):
                probe = None
            probes.append(probe)
            rows[node] = 0 if probe is None else probe._mask()

    # Starting afresh

    def _start_afresh(self, error: ResourceLimitError) -> None:
        """Go on in a new engine, when this one has grown to its limit; raise any other error again.

        If it is this sequence that is large, the new engine will raise the error again.
        """
        if error.limit != "max_memory":
            raise error
        self._compiled.start_afresh(self._state.states)
        before, state = [], self._compiled.start
        for step in self._steps:
            before.append(state)
            if isinstance(step, bytes):
                after = state.states.read_text(state, step)
            elif step in self._compiled.end_tokens:
                after = state
            else:
                after = state.read(step)
            if after is None:
                raise DeadEndError("a sequence could not be read again")
            state = after
        self._before, self._state = before, state
