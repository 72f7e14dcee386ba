"""Where a JSON text may have white space.

White space stands in front of a lexeme, never in front of the whole text nor behind it.  It is bounded, because a
model that is allowed endless white space will sometimes write nothing else.
"""

from dataclasses import dataclass

from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarSyntaxError
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import (
    Complement,
    Concatenation,
    Epsilon,
    Intersection,
    Literal,
    Regular,
    Repetition,
    Symbols,
    Union,
)

__all__ = ["POLICIES", "Whitespace", "whitespace_of"]


@dataclass(frozen=True, slots=True)
class Whitespace:
    """`gap`: what may stand before any lexeme but the first; `after_comma`, `after_colon`: what must stand there."""

    gap: Regular
    after_comma: bytes = b""
    after_colon: bytes = b""


_INDENTATION = 64
_FLEXIBLE = Union(
    (
        Epsilon(),
        Literal(b" "),
        Concatenation(
            (Union((Literal(b"\n"), Literal(b"\r\n"))), Repetition(Symbols(((9, 9), (32, 32))), 0, _INDENTATION))
        ),
    )
)
POLICIES = {
    "flexible": Whitespace(_FLEXIBLE),
    "compact": Whitespace(Epsilon()),
    "json.dumps": Whitespace(Epsilon(), after_comma=b" ", after_colon=b" "),
}
_BLANK = Repetition(Symbols(((9, 10), (13, 13), (32, 32))), 0, None)


def whitespace_of(policy: str) -> Whitespace:
    """The policy of a name, or of a regular expression for what may stand before a lexeme.

    "flexible": nothing, a space, or a line break and up to 64 blanks; "compact": nothing; "json.dumps": one space
    behind commas and colons.  A regular expression must match only JSON's white space, and the empty text.
    Raises GrammarSyntaxError for another one.
    """
    if policy in POLICIES:
        return POLICIES[policy]
    gap = regex_language(policy)
    if b"" not in Language(gap):
        raise GrammarSyntaxError("white space must be allowed to be absent", source=policy)
    if not Language(Intersection((gap, Complement(_BLANK)))).is_empty():
        raise GrammarSyntaxError("white space may be made of spaces, tabs and line breaks only", source=policy)
    return Whitespace(gap)
