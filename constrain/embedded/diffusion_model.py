"""The embedded diffusion model: a small Llama that reads in both directions, from the package's own files.

The logits at a position are those of the token behind it, as in Dream (Ye et al., 2025).  It shares the tokenizer of
the embedded autoregressive model, with one token more: the mask, which is the last.
"""

from pathlib import Path
from typing import Any

from constrain.decoders.diffusion.model import DiffusionModel, wrap_diffusion
from constrain.embedded.loading import MODEL_FOLDER

__all__ = ["DIFFUSION_FOLDER", "load_embedded_diffusion"]

DIFFUSION_FOLDER = Path(__file__).with_name("diffusion")
"""The files: ``config.json``, ``generation_config.json``, ``model.safetensors`` (float16)."""


def load_embedded_diffusion(folder: Path = DIFFUSION_FOLDER) -> DiffusionModel:
    """The embedded diffusion model with its tokenizer.

    Nothing is downloaded and PyTorch's random numbers are left as they were.
    """
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    from constrain.embedded.tokenizer import wrap_tokenizer

    config = LlamaConfig.from_json_file(folder / "config.json")
    config.dtype = torch.float32
    with torch.random.fork_rng(devices=[]):
        model: Any = LlamaForCausalLM(config)
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict(weights | {"lm_head.weight": weights["model.embed_tokens.weight"]})
    tokenizer = wrap_tokenizer(Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json")))
    return wrap_diffusion(model, tokenizer, mask_token=config.vocab_size - 1, interface="causal")
