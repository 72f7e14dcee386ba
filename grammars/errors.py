"""Every error that the package raises on purpose.

ConstrainError
├── GrammarError
│   ├── GrammarSyntaxError          a grammar, regex or schema is not well-formed; line, column, excerpt
│   ├── UnsupportedSchemaError      a JSON Schema keyword that is not enforced; JSON Pointer and keyword
│   └── UnsatisfiableConstraintError  no text obeys the constraint
├── ResourceLimitError              a limit of `Limits` was reached; which, and how to raise it
├── TokenizerError                  a tokenizer's vocabulary could not be read
├── DeadEndError                    a sequence cannot be continued within its constraint
└── CacheError                      a saved constraint is damaged or belongs to something else
"""

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


class ConstrainError(Exception):
    """Base of all errors of this package."""


class GrammarError(ConstrainError, ValueError):
    """A grammar cannot be used; the message says where and why."""


class GrammarSyntaxError(GrammarError):
    """A grammar is not well-formed.

    `line` and `column` count from 1; `source` is the text they refer to.
    """

    def __init__(self, message: str, *, source: str = "", line: int = 1, column: int = 1) -> None:
        self.reason, self.source, self.line, self.column = message, source, line, column
        super().__init__(self._formatted())

    def _formatted(self) -> str:
        lines = self.source.splitlines()
        if not 1 <= self.line <= len(lines):
            return f"{self.reason} (line {self.line}, column {self.column})"
        shown = lines[self.line - 1]
        start = max(0, self.column - 60)
        excerpt = shown[start : start + 100]
        caret = " " * (self.column - 1 - start) + "^"
        return f"{self.reason} (line {self.line}, column {self.column})\n  {excerpt}\n  {caret}"


class UnsupportedSchemaError(GrammarError):
    """A JSON Schema asks for something that is not enforced.

    `pointer` is the JSON Pointer (RFC 6901) of the place, `keyword` the keyword there.
    """

    def __init__(self, reason: str, *, pointer: str = "", keyword: str = "") -> None:
        self.reason, self.pointer, self.keyword = reason, pointer, keyword
        place = f"at {pointer or '(root)'}" + (f", keyword {keyword!r}" if keyword else "")
        super().__init__(f"{reason} ({place})")


class UnsatisfiableConstraintError(GrammarError):
    """No text obeys the constraint; `pointer` names the place for a JSON Schema."""

    def __init__(self, reason: str, *, pointer: str | None = None) -> None:
        self.reason, self.pointer = reason, pointer
        place = "" if pointer is None else f" (at {pointer or '(root)'})"
        super().__init__(reason + place)


class ResourceLimitError(ConstrainError):
    """A limit was reached; `limit` is the name of the field of `Limits` that would raise it."""

    def __init__(self, reason: str, *, limit: str) -> None:
        self.reason, self.limit = reason, limit
        super().__init__(f"{reason} (raise it with Limits({limit}=…))")


class TokenizerError(ConstrainError, ValueError):
    """A tokenizer's vocabulary could not be read."""


class DeadEndError(ConstrainError, RuntimeError):
    """A sequence cannot be continued within its constraint."""


class CacheError(ConstrainError, ValueError):
    """A saved constraint or index is damaged, or was made from something else."""
