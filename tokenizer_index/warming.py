"""Making ready what every constraint will need, when an index is made rather than when the first mask is waited for.

The first use of a kernel loads it, from disk or by compiling it; the first string of a vocabulary walks its trie.
A small schema that has a bit of everything is compiled and read once, which does both.
"""

import threading
from typing import TYPE_CHECKING

import numpy as np

from constrain.grammars.errors import ResourceLimitError, TokenizerError
from constrain.tokenizer_index.beside import load_services

if TYPE_CHECKING:
    from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["warm_up"]

_SCHEMA = """
{"type": "object",
 "properties": {
   "text": {"type": "string"}, "short": {"type": "string", "maxLength": 9},
   "word": {"type": "string", "pattern": "^[a-z]+$"}, "day": {"type": "string", "format": "date"},
   "whole": {"type": "integer"}, "number": {"type": "number", "minimum": 0},
   "kind": {"enum": ["one", "two", 3, null]}, "list": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
   "any": {}, "either": {"oneOf": [{"type": "string"}, {"type": "array", "contains": {"type": "null"}}]}},
 "patternProperties": {"^x-": {"type": "string"}}, "required": ["text"]}
"""
_TEXT = """{"text": "a \\u00e9 b", "short":
 "c", "word": "abc", "day": "2024-02-29", "whole": -12, "number": 1.5e3, "kind": "two", "list": [true, false],
 "any": {"k": [null, 1, "s"]}, "either": [null], "x-y": "z", "free": {}}"""

_RESERVED = 1 << 24  # bytes of masks
_LARGE = 1000  # tokens from which a vocabulary's own rows are worth making early
_lock = threading.Lock()
_kernels_are_loaded = False


def warm_up(index: "TokenizerIndex") -> None:
    """Load the kernels, once in a process, and prepare masks and rows of a large vocabulary that most schemas need."""
    global _kernels_are_loaded
    with _lock:
        if _kernels_are_loaded and index.vocab_size < _LARGE:
            return
        if not _kernels_are_loaded:
            load_services()
        _kernels_are_loaded = True
    from constrain.grammars.json_schema import json_schema
    from constrain.tokenizer_index.compiled import CompiledConstraint, reserve_masks

    if index.vocab_size >= _LARGE:
        reserve_masks(index, _RESERVED)

    bitmask = np.empty((1, index.mask_words), np.int32)
    try:
        matcher = CompiledConstraint(json_schema(_SCHEMA), index).matcher()
        for character in _TEXT:
            matcher.fill_next_token_bitmask(bitmask, 0)
            matcher.accept_text(character)
    except (TokenizerError, ResourceLimitError):  # a vocabulary that lacks bytes
        return
    matcher.reset()
    for token in index.encode(_TEXT) or ():
        if not matcher.accept_token(token):
            break
