"""A logits processor for ``generate`` of `transformers`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from transformers import LogitsProcessor as Base

from constrain.decoders.histories import Histories, History
from constrain.decoders.kernels.backends import uses_kernels
from constrain.decoders.kernels.bitmask import apply_token_bitmask_inplace
from constrain.decoders.kernels.row_table import RowTable
from constrain.decoders.successors import keep_fitting
from constrain.grammars.errors import ConstrainError, DeadEndError
from constrain.tokenizer_index.compiled import CompiledConstraint, allocate_token_bitmask

__all__ = ["LogitsProcessor"]

_TABLE_ROWS = 16384
_LOG_PROBABILITIES = 1e-3  # how far the probabilities of a row may be from adding up to 1


class LogitsProcessor(Base):
    """Keeps ``generate`` within constraints: ``model.generate(…, logits_processor=[LogitsProcessor(compiled)])``.

    Works with greedy decoding, sampling and beams, any batch, left padding, models with more logits than the
    vocabulary, encoder-decoder models.  It can be used for any number of calls, one after the other.  Scores of
    allowed tokens keep their bits; where everything is allowed, the scores are returned as they came.  `transformers`
    puts it before its own warpers.

    constraints      one for all rows; or one for each prompt of the batch, where None leaves a prompt free
    prompt_length    tokens of the prompts, padding included.  Told from the first call unless given, which needs a
                     new call of ``generate`` to look like one (see `histories`).  Give it for assisted generation,
                     where rows are shortened again; a row that is no viable text may then only end, and nothing is
                     raised, since such rows are drafts.
    max_new_tokens   as given to ``generate``: only tokens are allowed after which the text can still be finished.
                     This tests all allowed tokens in each step: tens of milliseconds with a large vocabulary.

    Raises ConstrainError when no text fits into `max_new_tokens` or the rows do not fit the constraints; DeadEndError
    when a row has a token that was not allowed, or nothing is left that other processors allow.
    """

    def __init__(
        self,
        constraints: CompiledConstraint | Sequence[CompiledConstraint | None],
        *,
        prompt_length: int | None = None,
        max_new_tokens: int | None = None,
    ) -> None:
        several = [constraints] if isinstance(constraints, CompiledConstraint) else list(constraints)
        sizes = {constraint.index.vocab_size for constraint in several if constraint is not None}
        if len(sizes) != 1:
            raise ConstrainError("constraints of a batch must have one vocabulary, and one row must be constrained")
        self._vocab_size = sizes.pop()
        self._table: RowTable | None = None
        self._histories = Histories(several, prompt_length=prompt_length, max_new_tokens=max_new_tokens)

    def reset(self) -> None:
        """Begin anew: what the rows of the next call have is their prompts."""
        self._histories.reset()

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores, floating-point [rows, width], with those of forbidden tokens at -inf.

        `input_ids`: integers [rows, length], the prompts and what has been generated.
        """
        ids = np.ascontiguousarray(input_ids.detach().cpu().numpy(), np.int64)
        histories = self._histories.follow(ids, lambda: _are_log_probabilities(scores))
        self._refuse_lost(histories, scores)
        masked = self._masked_by_table(histories, scores)
        if masked is None:
            bitmask = allocate_token_bitmask(len(histories), self._vocab_size)
            rows = [row for row, history in enumerate(histories) if _fill(history, bitmask, row, scores.shape[1])]
            if not rows:
                return scores
            masked = scores.clone()
            apply_token_bitmask_inplace(masked, bitmask, indices=rows)
        if bool((masked.amax(dim=-1) == -torch.inf).any()):
            raise DeadEndError("other processors, or the model, forbid everything that the constraint allows")
        return masked

    def _masked_by_table(self, histories: list[History], scores: torch.Tensor) -> torch.Tensor | None:
        """Masked by masks that are on the device; None where they are the host's, or made for one row alone."""
        if not uses_kernels(scores.device) or any(history.lost or history.budget is not None for history in histories):
            return None
        if self._table is None or self._table.words.device != scores.device:
            self._table = RowTable(self._vocab_size, scores.device, max_rows=max(_TABLE_ROWS, len(histories)))
        masked = scores.clone()
        self._table.apply(masked, [history.matcher for history in histories])
        return masked

    def _refuse_lost(self, histories: list[History], scores: torch.Tensor) -> None:
        """Raise if a row has left its language.

        Beam search may go on with a row of probability 0 when there is nothing else; that one is left to end.
        """
        lost = [row for row, history in enumerate(histories) if history.lost]
        if lost and self._histories.is_certain and not _are_log_probabilities(scores):
            raise DeadEndError(
                f"row {lost[0]} was given a token that its constraint does not allow; another logits processor may "
                "have overridden this one"
            )


def _are_log_probabilities(scores: torch.Tensor) -> bool:
    """Whether scores look normalised: beam search gives log-probabilities to its processors, others give logits."""
    return bool((torch.logsumexp(scores.float(), dim=-1).abs() < _LOG_PROBABILITIES).all())


def _fill(history: History, bitmask: npt.NDArray[np.int32], row: int, width: int) -> bool:
    """Write a row's mask; whether it has to be applied."""
    matcher = history.matcher
    if matcher is None:
        return False
    if history.lost or history.ended:
        bitmask[row] = matcher.constraint.end_mask
    else:
        forbids = matcher.fill_next_token_bitmask(bitmask, row)
        if history.budget is not None:
            keep_fitting(history.budget, matcher, bitmask[row])
        elif not forbids and width <= matcher.constraint.index.vocab_size:
            return False
    if not bitmask[row].any():
        raise DeadEndError(f"the constraint of row {row} allows no token, and the text may not end")
    return True
