"""A tiny random transformer with a byte-level tokenizer, made on the spot."""

from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

import constrain
from constrain.tokenizer_index.compiled import CompiledConstraint

WIDTH = 330  # logits; the tokenizer has fewer tokens
END = 1

OBJECT = r"""
root ::= "{" pair ("," pair)? "}"
pair ::= "\"" [a-zé]{1,4} "\":" ([0-9]{1,3} | "true" | "\"" [a-zé ]{0,4} "\"")
"""

PROMPTS = ["hello", "a much longer prompt than that, true", "", "x", "été", "naïve 36", "{", '"age": ']


@cache
def tokenizer() -> Any:
    """About 300 tokens: all bytes, and merges, some of which end inside a character."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>", "<pad>"]
    trainer = trainers.BpeTrainer(
        vocab_size=310, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(['{"name": "Ada", "age": 36} hello world été naïve true 12 [a, b]'] * 20, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>", padding_side="left"
    )


@cache
def llama(seed: int = 0) -> Any:
    """Two layers of random weights, large enough that its laws are far from uniform."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WIDTH,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=END,
        pad_token_id=2,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


@cache
def t5() -> Any:
    """An encoder-decoder."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=WIDTH,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=1,
        num_heads=4,
        eos_token_id=END,
        pad_token_id=2,
        decoder_start_token_id=2,
    )
    return T5ForConditionalGeneration(config).eval()


@cache
def index() -> Any:
    """As many tokens as the tokenizer has: fewer than the model has logits."""
    return constrain.TokenizerIndex.from_tokenizer(tokenizer(), cache=False)


@cache
def compiled(grammar: str = OBJECT) -> Any:
    """A constraint from EBNF."""
    return constrain.compile(constrain.ebnf(grammar), index())


def inputs(prompts: list[str]) -> Any:
    """Prompts as `transformers` wants them, padded on the left; an empty one is the first token."""
    encoded = tokenizer()([prompt or "<s>" for prompt in prompts], return_tensors="pt", padding=True)
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def outputs(tokens: torch.Tensor, start: int, *, all_end: bool = True) -> list[bytes]:
    """What the rows have generated, up to their ends; each must have one if `all_end`, else it may be without text."""
    texts = []
    for row in tokens[:, start:].tolist():
        assert END in row or not all_end, "not finished"
        text = row[: row.index(END)] if END in row else []
        texts.append(index().decode([token for token in text if token < index().vocab_size]))
    return texts


def assert_all_obey(texts: list[bytes], constraints: list[CompiledConstraint | None]) -> None:
    """Every text belongs to its language."""
    share = len(texts) // len(constraints)
    for i, text in enumerate(texts):
        constraint = constraints[i // share]
        assert constraint is None or constraint.accepts(text), text
