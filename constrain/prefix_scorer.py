"""Laws of a model of `transformers` after many prefixes that share their beginnings.

Keys and values of all tokens that were read lie in one pool of slots; a trie of prefixes says which slot belongs to
which token after which others.  A batch of prefixes gathers the slots of its longest known beginnings, and the model
reads only what is new, so that a thousand samples of one prompt read the prompt once.

Beginnings of different lengths are padded on the left and masked, and positions are given to the model, so that a key
is the same wherever its row happens to be padded.
"""

from collections.abc import Sequence
from inspect import signature
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from constrain.decoders.choice import log_law

__all__ = ["PrefixScorer", "shares_prefixes"]

_FIRST_SLOTS = 1024


def shares_prefixes(model: Any) -> bool:
    """Whether a model's key-value cache can be taken apart token by token: plain attention, explicit positions."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    parameters = signature(model.forward).parameters
    return (
        not model.config.is_encoder_decoder
        and kinds == {"full_attention"}
        and not getattr(config, "sliding_window", None)
        and {"position_ids", "past_key_values", "attention_mask"} <= set(parameters)
        and getattr(model, "_is_stateful", False) is False
    )


class _Node:
    """A token after a prefix."""

    __slots__ = ("children", "slot", "used")

    def __init__(self, slot: int) -> None:
        self.slot, self.used = slot, 0
        self.children: dict[int, _Node] = {}


class PrefixScorer:
    """See the module; a `decoders.samplers.scoring.Scorer`.  `vocab_size` is the width of the rows.

    When more than `max_tokens` tokens are kept, the half that was used least recently is forgotten.

    tokens_read   tokens that the model has read
    calls         calls of the model
    """

    def __init__(self, model: Any, vocab_size: int, *, max_tokens: int = 1 << 16) -> None:
        self._model, self._vocab_size, self._max_tokens = model, vocab_size, max_tokens
        self._parameters = signature(model.forward).parameters
        self._root = _Node(0)
        self._pools: list[tuple[torch.Tensor, torch.Tensor]] = []  # keys, values of a layer: [slots, heads, size]
        self._free: list[int] = []
        self._clock = self.tokens_read = self.calls = 0

    def log_probabilities(self, prefixes: Sequence[tuple[int, ...]]) -> npt.NDArray[np.float64]:
        """See `Scorer`: float64 [prefixes, V].  A prefix has one token at least."""
        self._clock += 1
        paths = [self._known(prefix) for prefix in prefixes]
        news = [list(prefix[len(path) :]) for prefix, path in zip(prefixes, paths, strict=True)]
        output = self._read(paths, news)
        self._keep(prefixes, paths, news, output.past_key_values)
        logits = output.logits[:, -1].float()
        missing = self._vocab_size - logits.shape[-1]
        if missing > 0:
            logits = torch.nn.functional.pad(logits, (0, missing), value=-torch.inf)
        return cast("npt.NDArray[np.float64]", log_law(logits).cpu().numpy())

    def _known(self, prefix: Sequence[int]) -> list[int]:
        """The slots of the longest known beginning, without the last token, whose logits are wanted."""
        node, slots = self._root, []
        for token in prefix[:-1]:
            child = node.children.get(token)
            if child is None:
                break
            node = child
            node.used = self._clock
            slots.append(node.slot)
        return slots

    @torch.no_grad()
    def _read(self, paths: list[list[int]], news: list[list[int]]) -> Any:
        device = self._model.device
        past, width = max(map(len, paths)), max(map(len, news))
        ids = torch.tensor([[0] * (width - len(new)) + new for new in news], device=device)
        is_new = torch.tensor([[0] * (width - len(new)) + [1] * len(new) for new in news], device=device)
        slots = torch.tensor([[0] * (past - len(path)) + path for path in paths], dtype=torch.long, device=device)
        lengths = torch.tensor([[len(path)] for path in paths], device=device)
        attention = torch.cat([(slots > 0).long(), is_new], dim=1)
        inputs: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": attention,
            "position_ids": (lengths + is_new.cumsum(dim=1) - 1).clamp(min=0),
            "past_key_values": self._gathered(slots),
        }
        if "logits_to_keep" in self._parameters:
            inputs["logits_to_keep"] = 1
        self.calls += 1
        self.tokens_read += int(is_new.sum())
        return self._model(**inputs, use_cache=True, return_dict=True)

    def _gathered(self, slots: torch.Tensor) -> Any:
        """A cache with the keys and values of slots [rows, past]."""
        from transformers import DynamicCache

        cache = DynamicCache()
        if slots.shape[1]:
            for layer, (keys, values) in enumerate(self._pools):
                cache.update(keys[slots].transpose(1, 2), values[slots].transpose(1, 2), layer)
        return cache

    # What is kept

    def _keep(
        self, prefixes: Sequence[Sequence[int]], paths: list[list[int]], news: list[list[int]], cache: Any
    ) -> None:
        """Put the keys and values of the new tokens into slots."""
        width = max(map(len, news))
        layers = [(layer.keys[:, :, -width:], layer.values[:, :, -width:]) for layer in cache.layers]
        self._make_room(sum(map(len, news)), layers)
        rows, places, slots = [], [], []
        for row, (prefix, path, new) in enumerate(zip(prefixes, paths, news, strict=True)):
            node = self._root
            for at, token in enumerate(prefix):
                child = node.children.get(token)
                if child is None:
                    child = node.children[token] = _Node(self._free.pop())
                    rows.append(row)
                    places.append(width - len(new) + at - len(path))
                    slots.append(child.slot)
                child.used = self._clock
                node = child
        for (keys, values), (all_keys, all_values) in zip(layers, self._pools, strict=True):
            all_keys[slots] = keys[rows, :, places]
            all_values[slots] = values[rows, :, places]

    def _make_room(self, count: int, layers: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        size = self._pools[0][0].shape[0] if self._pools else 0
        if len(self._free) < count and size > self._max_tokens:
            self._forget()
        if len(self._free) >= count:
            return
        more = max(_FIRST_SLOTS, size, count + 1)
        self._free += range(size + more - 1, max(size, 1) - 1, -1)  # slot 0 is padding
        grown = []
        for i, (keys, values) in enumerate(layers):
            old = self._pools[i] if self._pools else (None, None)
            grown.append((_grown(old[0], keys, more), _grown(old[1], values, more)))
        self._pools = grown

    def _forget(self) -> None:
        """Forget what was used least recently; a prefix was used at the latest when its extensions were."""
        stamps: list[int] = []
        stack = list(self._root.children.values())
        while stack:
            node = stack.pop()
            stamps.append(node.used)
            stack += node.children.values()
        limit = min(sorted(stamps)[len(stamps) // 2], self._clock - 1)
        stack = [self._root]
        while stack:
            node = stack.pop()
            for token, child in list(node.children.items()):
                if child.used <= limit:
                    self._release(node.children.pop(token))
                else:
                    stack.append(child)

    def _release(self, node: _Node) -> None:
        stack = [node]
        while stack:
            gone = stack.pop()
            self._free.append(gone.slot)
            stack += gone.children.values()


def _grown(pool: torch.Tensor | None, like: torch.Tensor, more: int) -> torch.Tensor:
    """A pool with more slots, for keys or values [rows, heads, tokens, size]."""
    new = like.new_zeros(more, like.shape[1], like.shape[3])
    return new if pool is None else torch.cat([pool, new])
