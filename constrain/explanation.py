"""`constrain.explain`: where a text leaves the language of a grammar, and what would have been allowed there."""

from dataclasses import dataclass

from constrain.grammars import ir

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of a text.

    accepted    whether it is of the language
    valid       how much of it, in bytes of UTF-8, begins some text of the language
    line, column  the place of the first byte that does not; both count from 1, columns in characters
    expected    the characters that may come there, and ranges of them, for people to read
    terminals   the names of the terminals that may be begun or continued there, in grammars that have a lexer
    may_end     whether the text might end there
    excerpt     the line in question, and a caret under the place
    """

    accepted: bool
    valid: int
    line: int
    column: int
    expected: tuple[str, ...]
    terminals: tuple[str, ...]
    may_end: bool
    excerpt: str

    def __str__(self) -> str:
        if self.accepted:
            return "the text is of the language"
        expected = [*self.expected, *(["the end"] if self.may_end else [])]
        reading = f" (in {', '.join(self.terminals)})" if self.terminals else ""
        return (
            f"the text leaves the language at line {self.line}, column {self.column}\n{self.excerpt}\n"
            f"  expected {', '.join(expected)}{reading}"
        )


def explain(grammar: ir.Grammar, text: str | bytes) -> Explanation:
    """Where a text leaves the language of a grammar, and what would have been allowed there.

    A text that only lacks its end leaves the language behind its last character.  Raises what `compile` raises.
    """
    from constrain.tokenizer_index.awaited import awaited_terminals
    from constrain.verdicts import describe_bytes, verdict_on

    verdict, matcher = verdict_on(grammar, text.encode() if isinstance(text, str) else text)
    line, column = verdict.place
    return Explanation(
        accepted=verdict.accepted,
        valid=verdict.valid,
        line=line,
        column=column,
        expected=tuple(describe_bytes(verdict.following)),
        terminals=tuple(awaited_terminals(matcher)),
        may_end=verdict.may_end,
        excerpt=verdict.excerpt(),
    )
