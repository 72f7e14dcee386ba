"""Grammars put together from grammars, and texts taken apart again."""

from constrain.grammars.composition.captures import Capture, captures
from constrain.grammars.composition.joining import (
    Part,
    capture,
    concatenation,
    embedded,
    optional,
    repetition,
    special_token,
    union,
)
from constrain.grammars.composition.products import intersection
from constrain.grammars.composition.regular_languages import complement, limited, text_until, text_without
from constrain.grammars.composition.substrings import substring

__all__ = [
    "Capture",
    "Part",
    "capture",
    "captures",
    "complement",
    "concatenation",
    "embedded",
    "intersection",
    "limited",
    "optional",
    "repetition",
    "special_token",
    "substring",
    "text_until",
    "text_without",
    "union",
]
