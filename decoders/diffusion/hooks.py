"""A constraint as the two hooks of Dream's own ``diffusion_generate``.

The logits hook replaces the law of each masked position by that of the constrained text; the tokens hook looks at what
a step has committed, best first, and takes back what cannot stay with the rest.  So every text that comes out obeys
the constraint, whichever of Dream's algorithms runs.  Give it more steps than positions: a token that is taken back
needs another one.
"""

import math

import torch

from constrain.decoders.diffusion.canvas import canvas_automaton
from constrain.decoders.diffusion.constraints import AutomatonCanvas
from constrain.decoders.diffusion.lattice import Lattice
from constrain.grammars.errors import ConstrainError, DeadEndError
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["DreamHooks"]


class DreamHooks:
    """Hooks for one call of ``diffusion_generate`` with one row.

    constraint      of the new tokens
    prompt_length   tokens before them
    max_new_tokens  positions that are generated
    mask_token      the model's
    padding         the token behind the end token; None: end tokens

    Raises ConstrainError when no text fits.
    """

    def __init__(
        self,
        constraint: CompiledConstraint,
        prompt_length: int,
        max_new_tokens: int,
        mask_token: int,
        *,
        padding: int | None = None,
    ) -> None:
        self._prompt, self._mask = prompt_length, mask_token
        self._automaton = canvas_automaton(constraint, max_new_tokens, padding=padding)
        self._known = torch.full((max_new_tokens,), -1)
        if not AutomatonCanvas(self._automaton, self._known).is_completable():
            raise ConstrainError(f"no text that obeys the constraint fits into {max_new_tokens} tokens")

    def logits(self, step: int | None, x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """The logits with those of the new positions replaced by constrained log-probabilities."""
        law = logits[:, self._prompt :].double().cpu().log_softmax(-1)
        lattice = Lattice(self._automaton, law, self._known[None])
        if not bool(lattice.decide()):
            raise DeadEndError("the model gives no completion that obeys the constraint a probability above zero")
        changed = logits.clone()
        changed[:, self._prompt :] = lattice.marginals().log_probabilities().to(logits)
        return changed

    def tokens(self, step: int | None, x: torch.Tensor, logits: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG002
        """The text with masks where a committed token cannot stay, and with what is forced."""
        new = x[0, self._prompt :].cpu()
        canvas = AutomatonCanvas(self._automaton, self._known)
        fresh = ((new != self._mask) & (self._known < 0)).nonzero().flatten()
        if logits is not None and len(fresh):
            scores = logits[0, self._prompt :].cpu()[fresh, new[fresh]]
            fresh = fresh[scores.nan_to_num(nan=-math.inf).argsort(descending=True, stable=True)]
        for position in fresh.tolist():
            canvas.commit(position, int(new[position]))
        canvas.commit_forced()
        self._known = canvas.tokens.clone()
        fixed = x.clone()
        fixed[0, self._prompt :] = torch.where(self._known < 0, self._mask, self._known).to(x.device)
        return fixed
