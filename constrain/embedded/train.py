"""Train the embedded model: ``python -m constrain.embedded.train``.

Everything follows from the seed: the examples, the tokenizer, the first weights and the order of batches.  The same
seed, number of steps, version of PyTorch, kind of processor and number of threads give the same weights.

The loss counts the answer and the end token only.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Any

import torch
import typer
from torch import nn

from constrain.embedded.tasks import TASKS, examples
from constrain.embedded.tokenizer import END, PAD, train_tokenizer
from constrain.embedded.updates import in_batches, optimizers, update

__all__ = ["Recipe", "main", "save", "train"]

_IGNORED = -100  # the label of positions that are not part of the loss


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run depends on.

    seed          of examples, weights and order
    steps         number of updates
    batch         examples an update
    vocab_size    tokens, bytes and special tokens included
    texts         examples of each task that the tokenizer is trained on
    hidden, inner, layers, heads    shape of the Llama model
    rate          of AdamW; `muon_rate` of Muon
    threads       of PyTorch
    """

    seed: int = 0
    steps: int = 1600
    batch: int = 24
    vocab_size: int = 4096
    texts: int = 10_000
    hidden: int = 192
    inner: int = 512
    layers: int = 4
    heads: int = 6
    rate: float = 3e-3
    muon_rate: float = 0.006
    threads: int = 2


_RECIPE = Recipe()

Batch = tuple[torch.Tensor, torch.Tensor]
"""Token ids and labels, both (batch, length) int64, padded on the right."""


def _corpus(recipe: Recipe) -> Iterator[str]:
    for task in TASKS:
        for example in itertools.islice(examples(task, recipe.seed), recipe.texts):
            yield example.prompt
            yield example.answer


def _encoded(tokenizer: Any, seed: int, count: int) -> list[tuple[list[int], int]]:
    """`count` examples of every task: token ids with the end token, and the length of the prompt."""
    end = tokenizer.token_to_id(END)
    found = []
    for task in TASKS:
        for example in itertools.islice(examples(task, seed), count):
            prompt, answer = (tokenizer.encode(text).ids for text in (example.prompt, example.answer))
            found.append(([*prompt, *answer, end], len(prompt)))
    return found


def _padded(rows: list[tuple[list[int], int]], padding: int) -> Batch:
    length = max(len(tokens) for tokens, _ in rows)
    inputs = torch.full((len(rows), length), padding)
    labels = torch.full((len(rows), length), _IGNORED)
    for row, (tokens, start) in enumerate(rows):
        inputs[row, : len(tokens)] = torch.tensor(tokens)
        labels[row, start : len(tokens)] = torch.tensor(tokens[start:])
    return inputs, labels


def _batches(tokenizer: Any, recipe: Recipe) -> Iterator[Batch]:
    """Batches without end."""
    random = Random(recipe.seed)
    padding = tokenizer.token_to_id(PAD)
    for part in itertools.count(1):
        pool = _encoded(tokenizer, recipe.seed + part, 16 * recipe.batch)
        for rows in in_batches(pool, recipe.batch, lambda row: len(row[0]), random):
            yield _padded(rows, padding)


def _model(tokenizer: Any, recipe: Recipe) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return LlamaForCausalLM(config)


def _loss(model: Any, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of the answers' tokens; logits are made for these only."""
    inputs, labels = batch
    hidden = model.model(input_ids=inputs[:, :-1], use_cache=False).last_hidden_state
    wanted = labels[:, 1:]
    counted = wanted != _IGNORED
    return nn.functional.cross_entropy(model.lm_head(hidden[counted]), wanted[counted])


def train(recipe: Recipe, seconds: float | None = None) -> tuple[Any, Any, float]:
    """Train a model: the model, its `tokenizers.Tokenizer`, and the last loss (a running mean, nats a token).

    `seconds` ends the training early, rates unchanged; the result then depends on the machine's speed.
    """
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    tokenizer = train_tokenizer(_corpus(recipe), recipe.vocab_size)
    model = _model(tokenizer, recipe).train()
    mean = update(
        model,
        optimizers(model, recipe.rate, recipe.muon_rate),
        _batches(tokenizer, recipe),
        partial(_loss, model),
        steps=recipe.steps,
        seconds=seconds,
        memory=0.95,
    )
    return model.eval(), tokenizer, mean


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write the model, in float16, and its tokenizer as `constrain.embedded.load_embedded` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def main(
    folder: Annotated[Path, typer.Argument(help="Where the model is written.")],
    seed: Annotated[int, typer.Option(help="Seed of examples, weights and order.")] = _RECIPE.seed,
    steps: Annotated[int, typer.Option(min=1, help="Number of updates.")] = _RECIPE.steps,
    batch: Annotated[int, typer.Option(min=1, help="Examples an update.")] = _RECIPE.batch,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = _RECIPE.threads,
    seconds: Annotated[float | None, typer.Option(help="End early; the result then depends on the machine.")] = None,
) -> None:
    """Train the embedded model and write it to a folder."""
    recipe = Recipe(seed=seed, steps=steps, batch=batch, threads=threads)
    model, tokenizer, loss = train(recipe, seconds)
    save(model, tokenizer, folder)
    typer.echo(f"loss {loss:.4f}; written to {folder}")


if __name__ == "__main__":
    typer.run(main)
