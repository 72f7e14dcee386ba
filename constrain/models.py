"""Models: `constrain.wrap` joins a model of `transformers` to its tokenizer, `constrain.load` brings one along."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import signature
from typing import Any, Literal, overload

import torch

from constrain.decoders.diffusion.model import DiffusionModel
from constrain.decoders.samplers.scoring import Scorer, SessionScorer
from constrain.grammars.errors import ConstrainError
from constrain.prefix_scorer import PrefixScorer, shares_prefixes
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.vocabulary import vocabulary_of

__all__ = ["Messages", "Model", "Prompt", "load", "wrap"]

Messages = Sequence[Mapping[str, Any]]
"""A conversation: messages with "role" and "content", as chat templates take them."""

Prompt = str | Messages

_EMBEDDED = {"embedded": ("constrain.embedded", "load_embedded")}
"""Names that `load` knows: module and function that gives a model and its tokenizer."""


class Model:
    """A model with its tokenizer and the tokenizer's index; see `wrap`.

    index            the index of the tokenizer, as wide as the model's logits
    context_length   tokens that the model can read in all; None when it says nothing of that
    """

    def __init__(self, hf_model: Any, hf_tokenizer: Any, index: TokenizerIndex) -> None:
        self.hf_model, self.hf_tokenizer, self.index = hf_model, hf_tokenizer, index
        self.context_length = _context_length(hf_model.config)

    @property
    def device(self) -> torch.device:
        """Where the model takes its input."""
        device: torch.device = self.hf_model.device
        return device

    def encode(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt: a text, or messages that the tokenizer's chat template makes one of.

        An empty text is the token that begins a text, or ends one where there is none for the beginning.  Raises
        ConstrainError when there is neither, or no chat template.
        """
        if isinstance(prompt, str):
            tokens = self.hf_tokenizer(prompt)["input_ids"]
        else:
            tokens = self.hf_tokenizer(self._conversation(prompt), add_special_tokens=False)["input_ids"]
        if len(tokens) == 0:
            tokens = [self._first_token()]
        return [int(token) for token in tokens]

    def _conversation(self, messages: Messages) -> str:
        if getattr(self.hf_tokenizer, "chat_template", None) is None:
            raise ConstrainError("the tokenizer has no chat template; give the prompt as a text")
        text: str = self.hf_tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        return text

    def _first_token(self) -> int:
        for token in (self.hf_tokenizer.bos_token_id, *self.index.end_tokens):
            if token is not None:
                return int(token)
        raise ConstrainError("the prompt is empty, and the tokenizer has no token that begins or ends a text")

    def room(self, prompt: Sequence[int]) -> int | None:
        """Tokens that the model can write after a prompt; None when it has no limit."""
        if self.context_length is None:
            return None
        return self.context_length - (1 if self.hf_model.config.is_encoder_decoder else len(prompt))

    def start(self, prompts: Sequence[Sequence[int]]) -> "HuggingFaceSession":
        """Read prompts as the rows of a session; see `decoders.contract.LanguageModel`."""
        return HuggingFaceSession(self.hf_model, prompts, self.index.vocab_size)

    def scorer(self) -> "Scorer":
        """Laws of the next token after many prefixes, new each time; see `decoders.samplers.scoring`.

        What has been read is kept, and read once, if the model's key-value cache can be taken apart.  A new one knows
        nothing, so that what is drawn does not depend, by rounding, on what was drawn before.
        """
        if shares_prefixes(self.hf_model):
            return PrefixScorer(self.hf_model, self.index.vocab_size)
        return SessionScorer(self)

    def __repr__(self) -> str:
        return f"Model({type(self.hf_model).__name__}, {self.index!r})"


def _context_length(config: Any) -> int | None:
    """What a configuration says about the longest input."""
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        length = getattr(config, name, None)
        if isinstance(length, int) and length > 0:
            return length
    return None


class HuggingFaceSession:
    """Sequences that a model of `transformers` reads, with its key-value cache.

    Prompts are padded on the left and masked.  A model without a cache reads everything again each time.  The encoder
    of an encoder-decoder model reads the prompts, and its decoder begins with its start token.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], vocab_size: int) -> None:
        if not prompts or not all(prompts):
            raise ConstrainError("a prompt needs one token at least")
        self._model, self._vocab_size = model, vocab_size
        self._parameters = signature(model.forward).parameters
        self._cache: Any = None
        self._encoded: dict[str, Any] = {}
        self._ids, self._attention = self._padded(prompts)
        if model.config.is_encoder_decoder:
            self._encode()
        self._logits = self._read(self._ids.shape[1], last_only=True)[:, -1]

    @property
    def logits(self) -> torch.Tensor:
        """Logits of the next tokens, float32 [rows, V]."""
        return self._logits

    def feed(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Read equally many tokens in each row; the logits after each, float32 [rows, n, V]."""
        new = torch.tensor([list(row) for row in tokens], dtype=torch.long, device=self._ids.device)
        self._ids = torch.cat([self._ids, new], dim=1)
        self._attention = torch.cat([self._attention, torch.ones_like(new)], dim=1)
        logits = self._read(new.shape[1], last_only=False)
        self._logits = logits[:, -1]
        return logits

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows."""
        kept = torch.tensor(list(rows), dtype=torch.long, device=self._ids.device)
        self._ids, self._attention, self._logits = self._ids[kept], self._attention[kept], self._logits[kept]
        if self._cache is not None:
            self._cache.reorder_cache(kept)
        if self._encoded:
            self._encoded["attention_mask"] = self._encoded["attention_mask"][kept]
            outputs = self._encoded["encoder_outputs"]
            outputs.last_hidden_state = outputs.last_hidden_state[kept]

    def _padded(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        length = max(map(len, prompts))
        ids = torch.tensor([[0] * (length - len(prompt)) + list(prompt) for prompt in prompts], dtype=torch.long)
        attention = torch.tensor([[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        return ids.to(self._model.device), attention.to(self._model.device)

    @torch.no_grad()
    def _encode(self) -> None:
        outputs = self._model.get_encoder()(input_ids=self._ids, attention_mask=self._attention, return_dict=True)
        self._encoded = {"encoder_outputs": outputs, "attention_mask": self._attention}
        start = self._model.config.decoder_start_token_id
        if start is None:
            raise ConstrainError("the model's configuration has no decoder_start_token_id")
        self._ids = torch.full_like(self._ids[:, :1], int(start))
        self._attention = torch.ones_like(self._ids)

    @torch.no_grad()
    def _read(self, count: int, *, last_only: bool) -> torch.Tensor:
        """Let the model read the last `count` ids; logits after each, or only after the last one."""
        unread = count if self._cache is not None else self._ids.shape[1]
        if self._encoded:
            inputs = {"decoder_input_ids": self._ids[:, -unread:], **self._encoded}
        else:
            inputs = {"input_ids": self._ids[:, -unread:], "attention_mask": self._attention}
            if "position_ids" in self._parameters:
                inputs["position_ids"] = (self._attention.cumsum(dim=1) - 1).clamp(min=0)[:, -unread:]
        kept = 1 if last_only else count
        if "logits_to_keep" in self._parameters:
            inputs["logits_to_keep"] = kept
        output = self._model(**inputs, past_key_values=self._cache, use_cache=True, return_dict=True)
        self._cache = getattr(output, "past_key_values", None)
        return self._widened(output.logits[:, -kept:].float())

    def _widened(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits with -inf for ids of the tokenizer that the model does not know."""
        missing = self._vocab_size - logits.shape[-1]
        return torch.nn.functional.pad(logits, (0, missing), value=-torch.inf) if missing > 0 else logits


def wrap(hf_model: Any, hf_tokenizer: Any, *, end_tokens: Sequence[int | str] | None = None) -> Model:
    """A model of `transformers` with its tokenizer, for `constrain.generate` and all samplers.

    Texts end with the end tokens of the tokenizer and of the model's generation settings, unless `end_tokens` (ids or
    names) says otherwise.  The model may have more logits than the tokenizer has tokens, or fewer.  It is put into
    evaluation mode.

    Raises TokenizerError when the tokenizer is not understood.
    """
    ends = _end_tokens(hf_model, hf_tokenizer) if end_tokens is None else list(end_tokens)
    vocabulary = vocabulary_of(hf_tokenizer, ends)
    known = 1 + max([len(vocabulary.tokens) - 1, *vocabulary.end_tokens, *vocabulary.special.values()])
    index = TokenizerIndex.from_tokenizer(vocabulary, vocab_size=max(known, _logit_count(hf_model)))
    hf_model.eval()
    return Model(hf_model, hf_tokenizer, index)


def _end_tokens(hf_model: Any, hf_tokenizer: Any) -> list[int]:
    settings = getattr(hf_model, "generation_config", None)
    ends: list[int] = []
    for source in (hf_tokenizer, settings):
        end = getattr(source, "eos_token_id", None)
        if end is not None:
            ends += end if isinstance(end, list | tuple) else [end]
    return sorted({int(end) for end in ends})


def _logit_count(hf_model: Any) -> int:
    head = hf_model.get_output_embeddings()
    if head is not None:
        return int(head.weight.shape[0])
    return int(hf_model.config.get_text_config().vocab_size)


@overload
def load(name: Literal["embedded-diffusion"]) -> DiffusionModel: ...  # type: ignore[overload-overlap]


@overload
def load(name: str) -> Model: ...


def load(name: str) -> Model | DiffusionModel:
    """A model that comes with the package: "embedded", or "embedded-diffusion", which fills masks in any order.

    Raises ConstrainError for a name that is not known.
    """
    if name == "embedded-diffusion":
        from constrain.embedded.diffusion_model import load_embedded_diffusion

        return load_embedded_diffusion()
    if name not in _EMBEDDED:
        names = sorted([*_EMBEDDED, "embedded-diffusion"])
        raise ConstrainError(f"there is no model {name!r}; choose one of {names}, or wrap() your own")
    module, function = _EMBEDDED[name]
    hf_model, hf_tokenizer = getattr(import_module(module), function)()
    return wrap(hf_model, hf_tokenizer)
