"""`constrain.regex`: a regular expression as a grammar."""

from constrain.grammars import ir
from constrain.grammars.regex.compiler import regex_language
from constrain.grammars.regex.syntax import Dialect, Flags

__all__ = ["regex"]


def regex(pattern: str, *, flags: str = "", dialect: str = "python") -> ir.Grammar:
    r"""Texts that a regular expression matches as a whole, as ``re.fullmatch`` does.

    `dialect` is "python" (the syntax of `re`, for texts) or "ecma" (JavaScript's with the ``u`` flag); `flags` are
    letters of "aimsx", as in ``(?i)``.  Everything that denotes a regular language is understood, look-around and
    Unicode properties (``\p{L}``, ``\p{Greek}``) included; lazy quantifiers denote the same language as greedy ones.

    Raises GrammarSyntaxError, with line and column, for what is malformed or not regular (back-references, atomic
    groups).
    """
    unknown = set(flags) - set("aimsx")
    if unknown:
        raise ValueError(f"unknown flags {''.join(sorted(unknown))!r}")
    language = regex_language(pattern, Dialect(dialect), Flags().changed(flags, True))
    key = repr(("regex", pattern, flags, dialect))
    return ir.Grammar("start", {"start": ir.Terminal(language, name="regex")}, key=key, source=pattern)
