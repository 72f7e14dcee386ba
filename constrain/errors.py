"""The errors of the package; see `constrain.grammars.errors` for the tree."""

from constrain.grammars.errors import (
    CacheError,
    ConstrainError,
    DeadEndError,
    GrammarError,
    GrammarSyntaxError,
    ResourceLimitError,
    TokenizerError,
    UnsatisfiableConstraintError,
    UnsupportedSchemaError,
)

__all__ = [
    "CacheError",
    "ConstrainError",
    "DeadEndError",
    "GrammarError",
    "GrammarSyntaxError",
    "ResourceLimitError",
    "TokenizerError",
    "UnsatisfiableConstraintError",
    "UnsupportedSchemaError",
]
