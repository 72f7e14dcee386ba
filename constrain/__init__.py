"""Make a language model's output obey a grammar.

The names below are the public interface.  They are loaded when first used, so that importing the package takes
milliseconds and loads neither PyTorch nor compiled kernels.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constrain import errors
    from constrain.compilation import CompiledConstraint, compile  # noqa: A004
    from constrain.grammars.ebnf import ebnf
    from constrain.grammars.ir import Grammar
    from constrain.grammars.json_schema import json_schema
    from constrain.grammars.lark_syntax import lark
    from constrain.grammars.regex import regex
    from constrain.tokenizer_index.compiled import allocate_token_bitmask
    from constrain.tokenizer_index.index import TokenizerIndex
    from constrain.tokenizer_index.limits import Limits
    from constrain.tokenizer_index.matcher import Matcher

__version__ = "0.1.0"

_HOMES = {
    "CompiledConstraint": "constrain.compilation",
    "Grammar": "constrain.grammars.ir",
    "Limits": "constrain.tokenizer_index.limits",
    "Matcher": "constrain.tokenizer_index.matcher",
    "TokenizerIndex": "constrain.tokenizer_index.index",
    "allocate_token_bitmask": "constrain.tokenizer_index.compiled",
    "compile": "constrain.compilation",
    "ebnf": "constrain.grammars.ebnf",
    "errors": "constrain.errors",
    "json_schema": "constrain.grammars.json_schema",
    "lark": "constrain.grammars.lark_syntax",
    "regex": "constrain.grammars.regex",
}

__all__ = [
    "CompiledConstraint",
    "Grammar",
    "Limits",
    "Matcher",
    "TokenizerIndex",
    "allocate_token_bitmask",
    "compile",
    "ebnf",
    "errors",
    "json_schema",
    "lark",
    "regex",
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
