"""Make a language model's output obey a grammar.

The names below are the public interface.  They are loaded when first used, so that importing the package takes
milliseconds and loads neither PyTorch nor compiled kernels.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constrain import errors
    from constrain.compilation import CompiledConstraint, compile  # noqa: A004
    from constrain.decoders.diffusion.decoding import DiffusionDecoding
    from constrain.decoders.diffusion.infilling import Hole, complete
    from constrain.decoders.diffusion.model import wrap_diffusion
    from constrain.decoders.kernels.automaton import DeviceAutomaton
    from constrain.decoders.kernels.bitmask import apply_token_bitmask_inplace
    from constrain.decoders.kernels.row_table import RowTable
    from constrain.decoders.kernels.sampling import sample_tokens
    from constrain.decoders.logits_processor import LogitsProcessor
    from constrain.decoders.masked import MaskedDecoding
    from constrain.decoders.samplers import (
        AWRS,
        CARS,
        MARS,
        MCMC,
        SMC,
        ASAp,
        Checked,
        Masking,
        Rejection,
        TokenTrie,
    )
    from constrain.explanation import explain
    from constrain.generation import Generation, generate, pressure, stream
    from constrain.grammars.analysis import diagnostics
    from constrain.grammars.choice import choice
    from constrain.grammars.composition import (
        capture,
        captures,
        complement,
        concatenation,
        embedded,
        intersection,
        limited,
        optional,
        repetition,
        special_token,
        substring,
        text_until,
        text_without,
        union,
    )
    from constrain.grammars.ebnf import ebnf
    from constrain.grammars.ir import Grammar
    from constrain.grammars.json_schema import json_schema, support_report
    from constrain.grammars.lark_syntax import lark
    from constrain.grammars.library import grammar
    from constrain.grammars.python_types import python_type
    from constrain.grammars.regex import regex
    from constrain.grammars.tool_calls import (
        Tool,
        ToolCall,
        ToolMessage,
        parse_tool_calls,
        tool_calls,
        write_tool_calls,
    )
    from constrain.models import Model, load, wrap
    from constrain.tokenizer_index.batch import BatchMatcher
    from constrain.tokenizer_index.compiled import allocate_token_bitmask
    from constrain.tokenizer_index.index import TokenizerIndex
    from constrain.tokenizer_index.instances import example, sample_instances
    from constrain.tokenizer_index.limits import Limits
    from constrain.tokenizer_index.matcher import Matcher

__version__ = "0.1.0"

_HOMES = {
    "ASAp": "constrain.decoders.samplers",
    "AWRS": "constrain.decoders.samplers",
    "BatchMatcher": "constrain.tokenizer_index.batch",
    "CARS": "constrain.decoders.samplers",
    "Checked": "constrain.decoders.samplers",
    "CompiledConstraint": "constrain.compilation",
    "DeviceAutomaton": "constrain.decoders.kernels.automaton",
    "DiffusionDecoding": "constrain.decoders.diffusion.decoding",
    "Generation": "constrain.generation",
    "Grammar": "constrain.grammars.ir",
    "Hole": "constrain.decoders.diffusion.infilling",
    "Limits": "constrain.tokenizer_index.limits",
    "LogitsProcessor": "constrain.decoders.logits_processor",
    "MARS": "constrain.decoders.samplers",
    "MCMC": "constrain.decoders.samplers",
    "MaskedDecoding": "constrain.decoders.masked",
    "Masking": "constrain.decoders.samplers",
    "Matcher": "constrain.tokenizer_index.matcher",
    "Model": "constrain.models",
    "Rejection": "constrain.decoders.samplers",
    "RowTable": "constrain.decoders.kernels.row_table",
    "SMC": "constrain.decoders.samplers",
    "TokenTrie": "constrain.decoders.samplers",
    "TokenizerIndex": "constrain.tokenizer_index.index",
    "Tool": "constrain.grammars.tool_calls",
    "ToolCall": "constrain.grammars.tool_calls",
    "ToolMessage": "constrain.grammars.tool_calls",
    "allocate_token_bitmask": "constrain.tokenizer_index.compiled",
    "apply_token_bitmask_inplace": "constrain.decoders.kernels.bitmask",
    "capture": "constrain.grammars.composition",
    "captures": "constrain.grammars.composition",
    "choice": "constrain.grammars.choice",
    "compile": "constrain.compilation",
    "complement": "constrain.grammars.composition",
    "complete": "constrain.decoders.diffusion.infilling",
    "concatenation": "constrain.grammars.composition",
    "diagnostics": "constrain.grammars.analysis",
    "ebnf": "constrain.grammars.ebnf",
    "embedded": "constrain.grammars.composition",
    "errors": "constrain.errors",
    "example": "constrain.tokenizer_index.instances",
    "explain": "constrain.explanation",
    "generate": "constrain.generation",
    "grammar": "constrain.grammars.library",
    "intersection": "constrain.grammars.composition",
    "json_schema": "constrain.grammars.json_schema",
    "lark": "constrain.grammars.lark_syntax",
    "limited": "constrain.grammars.composition",
    "load": "constrain.models",
    "optional": "constrain.grammars.composition",
    "parse_tool_calls": "constrain.grammars.tool_calls",
    "pressure": "constrain.generation",
    "python_type": "constrain.grammars.python_types",
    "regex": "constrain.grammars.regex",
    "repetition": "constrain.grammars.composition",
    "sample_instances": "constrain.tokenizer_index.instances",
    "sample_tokens": "constrain.decoders.kernels.sampling",
    "special_token": "constrain.grammars.composition",
    "stream": "constrain.generation",
    "substring": "constrain.grammars.composition",
    "support_report": "constrain.grammars.json_schema",
    "text_until": "constrain.grammars.composition",
    "text_without": "constrain.grammars.composition",
    "tool_calls": "constrain.grammars.tool_calls",
    "union": "constrain.grammars.composition",
    "wrap": "constrain.models",
    "wrap_diffusion": "constrain.decoders.diffusion.model",
    "write_tool_calls": "constrain.grammars.tool_calls",
}

__all__ = [  # noqa: RUF022  in the order of sorted(), as _HOMES
    "ASAp",
    "AWRS",
    "BatchMatcher",
    "CARS",
    "Checked",
    "CompiledConstraint",
    "DeviceAutomaton",
    "DiffusionDecoding",
    "Generation",
    "Grammar",
    "Hole",
    "Limits",
    "LogitsProcessor",
    "MARS",
    "MCMC",
    "MaskedDecoding",
    "Masking",
    "Matcher",
    "Model",
    "Rejection",
    "RowTable",
    "SMC",
    "TokenTrie",
    "TokenizerIndex",
    "Tool",
    "ToolCall",
    "ToolMessage",
    "allocate_token_bitmask",
    "apply_token_bitmask_inplace",
    "capture",
    "captures",
    "choice",
    "compile",
    "complement",
    "complete",
    "concatenation",
    "diagnostics",
    "ebnf",
    "embedded",
    "errors",
    "example",
    "explain",
    "generate",
    "grammar",
    "intersection",
    "json_schema",
    "lark",
    "limited",
    "load",
    "optional",
    "parse_tool_calls",
    "pressure",
    "python_type",
    "regex",
    "repetition",
    "sample_instances",
    "sample_tokens",
    "special_token",
    "stream",
    "substring",
    "support_report",
    "text_until",
    "text_without",
    "tool_calls",
    "union",
    "wrap",
    "wrap_diffusion",
    "write_tool_calls",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'constrain' has no attribute {name!r}")
    module = import_module(home)
    value = module if home == f"constrain.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
