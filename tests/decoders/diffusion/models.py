"""Small masked models for tests: fixed laws, and random-weight doubles of LLaDA's and Dream's interfaces."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from constrain.tokenizer_index.index import TokenizerIndex


class FixedModel:
    """Logits that depend on the position and on what is known, by a seed; counts its calls."""

    def __init__(self, index: TokenizerIndex, mask_token: int, seed: int = 0, scale: float = 2.0) -> None:
        self.index, self.mask_token, self.seed, self.scale = index, mask_token, seed, scale
        self.calls = 0

    def logits(self, tokens: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
        self.calls += 1
        rows = []
        for row in tokens.tolist():
            generator = torch.Generator().manual_seed(hash((self.seed, *row)) & 0xFFFFFFFF)
            rows.append(torch.randn(len(row), self.index.vocab_size, generator=generator))
        return self.scale * torch.stack(rows)


class _Layers(nn.Module):
    """One layer of attention in both directions over positions that are read."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 16)
        self.places = nn.Embedding(64, 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, vocab_size)

    def read(self, ids: torch.Tensor, positions: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        x = self.embedding(ids) + self.places(positions)
        x = x + self.attention(x, x, x, key_padding_mask=hidden, need_weights=False)[0]
        logits: torch.Tensor = self.head(x)
        return logits


class TinyLLaDA(_Layers):
    """LLaDA's interface: a 2-D attention mask or none, logits of a position's own token."""

    def __init__(self, vocab_size: int, mask_token: int) -> None:
        super().__init__(vocab_size)
        self.config = SimpleNamespace(
            model_type="llada", mask_token_id=mask_token, vocab_size=vocab_size, max_sequence_length=64
        )

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> Any:
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        positions = (real.cumsum(1) - 1).clamp(min=0)
        return SimpleNamespace(logits=self.read(input_ids, positions, real == 0))


class TinyDream(_Layers):
    """Dream's interface: "full" or a 4-D mask with position ids, shifted logits, and its generation hooks."""

    def __init__(self, vocab_size: int, mask_token: int) -> None:
        super().__init__(vocab_size)
        self.config = SimpleNamespace(
            model_type="Dream", mask_token_id=mask_token, vocab_size=vocab_size, max_position_embeddings=64
        )

    def forward(
        self, input_ids: torch.Tensor, attention_mask: Any = "full", position_ids: torch.Tensor | None = None
    ) -> Any:
        if isinstance(attention_mask, str):
            assert attention_mask == "full"
            hidden, positions = None, torch.arange(input_ids.shape[1]).expand_as(input_ids)
        else:
            assert attention_mask.dtype == torch.bool
            assert position_ids is not None
            hidden, positions = ~attention_mask[:, 0, -1], position_ids
        return SimpleNamespace(logits=self.read(input_ids, positions, hidden))

    def diffusion_generate(
        self,
        inputs: torch.Tensor,
        *,
        max_new_tokens: int,
        steps: int,
        generation_tokens_hook_func: Callable[[Any, torch.Tensor, Any], torch.Tensor],
        generation_logits_hook_func: Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """The loop of Dream with the algorithm "maskgit_plus": the most confident positions of each step."""
        mask = self.config.mask_token_id
        x = torch.nn.functional.pad(inputs, (0, max_new_tokens), value=mask)
        x = generation_tokens_hook_func(None, x, None)
        for step in range(steps):
            masked = x == mask
            if not masked.any():
                break
            logits = self(x).logits
            logits = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
            logits = generation_logits_hook_func(step, x, logits)
            confidence, tokens = logits.softmax(-1).max(-1)
            count = -(-int(masked.sum()) // (steps - step))
            chosen = confidence.masked_fill(~masked, -1)[0].topk(count).indices
            x[0, chosen] = tokens[0, chosen]
            x = generation_tokens_hook_func(step, x, logits)
        return x
