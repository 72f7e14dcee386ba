"""Train the embedded diffusion model: ``python -m constrain.embedded.diffusion_train``.

A masked diffusion model (Nie et al., "LLaDA", 2025) whose weights begin as those of the embedded autoregressive model,
read in both directions from now on, as Gong et al., "Scaling Diffusion Language Models via Adaptation from
Autoregressive Models", 2024, do: the logits at a position go on being those of the next one.  So a few hundred updates
suffice.  Everything follows from the seed, as in `constrain.embedded.train`.

An answer is followed by end tokens up to a random length, and each of its tokens is masked with a probability that
differs from row to row.  The loss counts masked positions; end tokens behind the first weigh little.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any

import torch
import typer
from torch import nn

from constrain.decoders.diffusion.model import bidirectional
from constrain.embedded.loading import load_embedded
from constrain.embedded.tasks import TASKS, examples
from constrain.embedded.updates import in_batches, optimizers, update

__all__ = ["Recipe", "main", "save", "train"]

_PADDING_WEIGHT = 0.05


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run depends on, apart from the weights of the embedded autoregressive model.

    seed          of examples, masks and order
    steps         number of updates
    batch         examples an update
    longest       positions behind the prompt, at most
    rate          of AdamW; `muon_rate` of Muon
    threads       of PyTorch
    """

    seed: int = 0
    steps: int = 900
    batch: int = 16
    longest: int = 48
    rate: float = 2e-3
    muon_rate: float = 0.003
    threads: int = 1


_RECIPE = Recipe()


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts (batch, length) int64 without masks, and the weight of each position in the loss, 0 in prompts."""

    tokens: torch.Tensor
    weights: torch.Tensor


def _padded(rows: list[tuple[list[int], list[int]]], end: int, length: int) -> Batch:
    tokens = torch.full((len(rows), length), end)
    weights = torch.zeros(len(rows), length)
    for row, (prompt, answer) in enumerate(rows):
        text = prompt + answer
        tokens[row, : len(text)] = torch.tensor(text)
        weights[row, len(prompt) : len(text) + 1] = 1
        weights[row, len(text) + 1 :] = _PADDING_WEIGHT
    return Batch(tokens, weights)


def _batches(tokenizer: Any, recipe: Recipe) -> Iterator[Batch]:
    """Batches without end."""
    random, end = Random(recipe.seed), tokenizer.eos_token_id
    for part in itertools.count(1):
        pool = []
        for task in TASKS:
            for example in itertools.islice(examples(task, recipe.seed + part), 16 * recipe.batch):
                prompt, answer = (tokenizer(text)["input_ids"] for text in (example.prompt, example.answer))
                pool.append((prompt, answer))
        for rows in in_batches(pool, recipe.batch, lambda row: len(row[0]) + len(row[1]), random):
            shortest = max(len(prompt) + len(answer) for prompt, answer in rows) + 1
            longest = min(len(prompt) for prompt, _ in rows) + recipe.longest
            yield _padded(rows, end, random.randint(shortest, max(shortest, longest)))


def _masked(batch: Batch, generator: torch.Generator) -> torch.Tensor:
    """Positions to mask, (batch, length) bool: evenly spread shares of what stands behind the prompts."""
    rows = len(batch.tokens)
    shares = (torch.arange(rows) + torch.rand(1, generator=generator)) / rows
    drawn = torch.rand(batch.tokens.shape, generator=generator) < shares[:, None].clamp(min=0.02)
    return drawn & (batch.weights > 0)


def _loss(model: Any, batch: Batch, masked: torch.Tensor, mask_token: int) -> torch.Tensor:
    """Mean cross-entropy of masked tokens; logits are made for these only."""
    inputs = batch.tokens.masked_fill(masked, mask_token)
    hidden = model.model(input_ids=inputs, attention_mask=bidirectional(torch.ones_like(inputs)), use_cache=False)
    before = hidden.last_hidden_state[:, :-1][masked[:, 1:]]
    losses = nn.functional.cross_entropy(model.lm_head(before), batch.tokens[masked], reduction="none")
    weights = batch.weights[masked]
    return (losses * weights).sum() / weights.sum()


def _with_mask_token(model: Any) -> int:
    """Add a token to the model, which begins as the mean of all others; its id."""
    old = model.get_input_embeddings().weight.detach()
    model.resize_token_embeddings(len(old) + 1, mean_resizing=False)
    with torch.no_grad():
        model.get_input_embeddings().weight[-1] = old.mean(dim=0)
    return len(old)


def train(recipe: Recipe, seconds: float | None = None) -> tuple[Any, float]:
    """Train a model: the model, and the last loss (a running mean, nats a masked token).

    `seconds` ends the training early, rates unchanged; the result then depends on the machine's speed.
    """
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model, tokenizer = load_embedded()
    mask_token = _with_mask_token(model.train())
    generator = torch.Generator().manual_seed(recipe.seed)
    mean = update(
        model,
        optimizers(model, recipe.rate, recipe.muon_rate),
        _batches(tokenizer, recipe),
        lambda batch: _loss(model, batch, _masked(batch, generator), mask_token),
        steps=recipe.steps,
        seconds=seconds,
        memory=0.98,
    )
    return model.eval(), mean


def save(model: Any, folder: Path) -> None:
    """Write the model, in float16, as `constrain.embedded.diffusion_loading` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)


def main(
    folder: Annotated[Path, typer.Argument(help="Where the model is written.")],
    seed: Annotated[int, typer.Option(help="Seed of examples, masks and order.")] = _RECIPE.seed,
    steps: Annotated[int, typer.Option(min=1, help="Number of updates.")] = _RECIPE.steps,
    batch: Annotated[int, typer.Option(min=1, help="Examples an update.")] = _RECIPE.batch,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = _RECIPE.threads,
    seconds: Annotated[float | None, typer.Option(help="End early; the result then depends on the machine.")] = None,
) -> None:
    """Train the embedded diffusion model and write it to a folder."""
    recipe = Recipe(seed=seed, steps=steps, batch=batch, threads=threads)
    model, loss = train(recipe, seconds)
    save(model, folder)
    typer.echo(f"loss {loss:.4f}; written to {folder}")


if __name__ == "__main__":
    typer.run(main)
