"""Models that fill masks: what the decoding loop needs of one, and how models of `transformers` provide it.

Three interfaces are read.  *LLaDA* (Nie et al., 2025): ``forward(input_ids, attention_mask)``, the logits at a
position are those of its own token, ``config.mask_token_id``.  *Dream* (Ye et al., 2025): ``attention_mask`` is
"full" or (rows, 1, length, length) bool, with position ids, and the logits at a position are those of the next token.
*Causal* models that were trained to read in both directions, as the embedded one: a float mask of that shape, shifted
logits too.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import torch

from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.vocabulary import vocabulary_of

__all__ = ["DiffusionModel", "Interface", "MaskedModel", "bidirectional", "wrap_diffusion"]

Interface = Literal["llada", "dream", "causal"]


class MaskedModel(Protocol):
    """A model that tells of every position of texts with masks which token it thinks is there."""

    @property
    def index(self) -> TokenizerIndex:
        """The index of its tokenizer."""
        ...

    @property
    def mask_token(self) -> int:
        """The token that stands where the text is not known."""
        ...

    def logits(self, tokens: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of the token at each position, (rows, length, V) float.

        tokens   (rows, length) int64, masks among them
        real     (rows, length) bool, False for padding on the left; None: there is none
        """
        ...


class DiffusionModel:
    """A masked model of `transformers` with its tokenizer; see `wrap_diffusion`.

    index            the index of the tokenizer, as wide as the model's logits
    mask_token       the token that stands where the text is not known
    interface        how the model is called
    context_length   positions that the model can read; None when it says nothing of that
    """

    def __init__(
        self, hf_model: Any, hf_tokenizer: Any, index: TokenizerIndex, mask_token: int, interface: Interface
    ) -> None:
        self.hf_model, self.hf_tokenizer, self.index = hf_model, hf_tokenizer, index
        self.mask_token, self.interface = mask_token, interface
        self.context_length = _context_length(hf_model.config)

    @property
    def device(self) -> torch.device:
        """Where the model takes its input."""
        device: torch.device = next(iter(self.hf_model.parameters())).device
        return device

    def encode(self, prompt: Any) -> list[int]:
        """The tokens of a text, or of messages that the tokenizer's chat template makes a text of.

        Raises ConstrainError for messages when there is no chat template.
        """
        if isinstance(prompt, str):
            return [int(token) for token in self.hf_tokenizer(prompt)["input_ids"]]
        if getattr(self.hf_tokenizer, "chat_template", None) is None:
            raise ConstrainError("the tokenizer has no chat template; give the prompt as a text")
        text = self.hf_tokenizer.apply_chat_template(list(prompt), add_generation_prompt=True, tokenize=False)
        return [int(token) for token in self.hf_tokenizer(text, add_special_tokens=False)["input_ids"]]

    def room(self, prompt: Sequence[int]) -> int | None:
        """Positions that are left behind a prompt; None when there is no limit."""
        return None if self.context_length is None else self.context_length - len(prompt)

    @torch.no_grad()
    def logits(self, tokens: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of the token at each position; see `MaskedModel`."""
        found = self.hf_model(input_ids=tokens, **self._attention(tokens, real)).logits.float()
        if self.interface != "llada":
            found = torch.cat([found[:, :1], found[:, :-1]], dim=1)
        missing = self.index.vocab_size - found.shape[-1]
        return torch.nn.functional.pad(found, (0, missing), value=-torch.inf) if missing > 0 else found

    def _attention(self, tokens: torch.Tensor, real: torch.Tensor | None) -> dict[str, Any]:
        padded = real is not None and not bool(real.all())
        if self.interface == "llada":
            return {"attention_mask": real.long()} if padded and real is not None else {}
        if self.interface == "dream" and not padded:
            return {"attention_mask": "full"}
        flags = torch.ones_like(tokens, dtype=torch.bool) if real is None else real
        positions = (flags.long().cumsum(dim=1) - 1).clamp(min=0)
        if self.interface == "dream":
            return {"attention_mask": flags[:, None, :, None] & flags[:, None, None, :], "position_ids": positions}
        return {"attention_mask": bidirectional(flags), "position_ids": positions, "use_cache": False}

    def __repr__(self) -> str:
        return f"DiffusionModel({type(self.hf_model).__name__}, {self.interface}, {self.index!r})"


def bidirectional(real: torch.Tensor) -> torch.Tensor:
    """The attention mask with which a causal model of `transformers` reads in both directions.

    From flags (rows, length) of what is no padding to float32 (rows, 1, length, length): 0 where a position is read,
    -inf elsewhere; padding reads itself, so that its softmax is defined.
    """
    hidden = torch.zeros(real.shape, dtype=torch.float32, device=real.device).masked_fill(real == 0, -torch.inf)
    mask = hidden[:, None, None, :].expand(-1, 1, real.shape[1], -1).clone()
    mask.diagonal(dim1=2, dim2=3).zero_()
    return mask


def _context_length(config: Any) -> int | None:
    for name in ("max_sequence_length", "max_position_embeddings"):
        length = getattr(config, name, None)
        if isinstance(length, int) and length > 0:
            return length
    return None


def wrap_diffusion(
    hf_model: Any,
    hf_tokenizer: Any,
    *,
    mask_token: int | None = None,
    interface: Interface | None = None,
    end_tokens: Sequence[int | str] | None = None,
) -> DiffusionModel:
    """A masked diffusion model with its tokenizer, for `constrain.generate` and `DiffusionDecoding`.

    mask_token   unless given, that of the model's configuration, or of the tokenizer
    interface    unless given, "dream" or "llada", as the configuration names its kind
    end_tokens   ids or names; unless given, the tokenizer's own end token

    The model is put into evaluation mode.  Raises ConstrainError when there is no mask token or the kind of model is
    not known, TokenizerError when the tokenizer is not understood.
    """
    config = hf_model.config
    if mask_token is None:
        mask_token = getattr(config, "mask_token_id", None)
    if mask_token is None:
        mask_token = getattr(hf_tokenizer, "mask_token_id", None)
    if mask_token is None:
        raise ConstrainError("neither the model nor its tokenizer names a mask token; give mask_token")
    vocabulary = vocabulary_of(hf_tokenizer, end_tokens)
    known = 1 + max([len(vocabulary.tokens) - 1, *vocabulary.end_tokens, *vocabulary.special.values()])
    width = max(known, int(config.vocab_size), mask_token + 1)
    index = TokenizerIndex.from_tokenizer(vocabulary, vocab_size=width)
    hf_model.eval()
    return DiffusionModel(hf_model, hf_tokenizer, index, int(mask_token), interface or _interface(config))


def _interface(config: Any) -> Interface:
    kind = str(getattr(config, "model_type", "")).lower()
    if "llada" in kind:
        return "llada"
    if "dream" in kind:
        return "dream"
    raise ConstrainError(f"how a model of type {kind!r} reads in both directions is not known; give interface")
