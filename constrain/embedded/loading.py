"""The embedded model and its tokenizer, read from the package's own files."""

from pathlib import Path
from typing import Any

__all__ = ["MODEL_FOLDER", "load_embedded", "load_tokenizer"]

MODEL_FOLDER = Path(__file__).with_name("model")
"""The files: ``config.json``, ``generation_config.json``, ``model.safetensors`` (float16), ``tokenizer.json``."""


def load_tokenizer(folder: Path = MODEL_FOLDER) -> Any:
    """The model's `PreTrainedTokenizerFast`, without the model."""
    from tokenizers import Tokenizer

    from constrain.embedded.tokenizer import wrap_tokenizer

    return wrap_tokenizer(Tokenizer.from_file(str(folder / "tokenizer.json")))


def load_embedded(folder: Path = MODEL_FOLDER) -> tuple[Any, Any]:
    """A `LlamaForCausalLM` in float32 and its `PreTrainedTokenizerFast`, from a folder that training wrote.

    Nothing is downloaded and PyTorch's random numbers are left as they were.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_json_file(folder / "config.json")
    config.dtype = torch.float32
    with torch.random.fork_rng(devices=[]):
        model: Any = LlamaForCausalLM(config)
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict(weights | {"lm_head.weight": weights["model.embed_tokens.weight"]})
    model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return model.eval(), load_tokenizer(folder)
