"""Texts of a language, without a tokenizer or a model: the shortest one, and random ones."""

import functools
import random

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.limits import Limits
from constrain.tokenizer_index.matcher import Matcher

__all__ = ["example", "sample_instances"]


@functools.cache
def _bytes() -> TokenizerIndex:
    """The index in which every byte is a token."""
    return TokenizerIndex.from_tokenizer([bytes([byte]) for byte in range(256)], cache=False)


def _compiled(grammar: ir.Grammar, limits: Limits | None) -> CompiledConstraint:
    return compile_grammar(grammar, _bytes(), limits)


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise GrammarError(f"the language has texts that are not UTF-8, such as {text[:80]!r}") from error


def example(grammar: ir.Grammar, *, limits: Limits | None = None) -> str:
    """A shortest text of the language.

    Where the longest match counts, it may be longer than needed; see `Matcher.shortest_completion`.

    Raises GrammarError for a grammar that cannot be used, one that asks for special tokens among them,
    UnsatisfiableConstraintError when no text obeys it, ResourceLimitError when the search is too large.
    """
    return _decoded(_compiled(grammar, limits).shortest_text())


def sample_instances(
    grammar: ir.Grammar, n: int, seed: int, *, length: int = 40, limits: Limits | None = None
) -> list[str]:
    """`n` random texts of the language; the same seed gives the same texts.

    A random walk, byte by byte.  Bytes that lead to the same state are one choice, and so is the end where the text
    may end; choices are equally likely.  At every byte the walk may turn to the shortest completion instead, with a
    probability that grows to 1 at twice `length` bytes, so that every text is finite.  Every text of at most `length`
    bytes, and every beginning of that length, can come up; how likely each is depends on the grammar.

    Raises what `example` raises, and ValueError for negative numbers.
    """
    if n < 0 or length < 0:
        raise ValueError("n and length must not be negative")
    compiled, choice = _compiled(grammar, limits), random.Random(seed)
    return [_decoded(_walk(compiled.matcher(), choice, length)) for _ in range(n)]


def _walk(matcher: Matcher, choice: random.Random, length: int) -> bytes:
    text = bytearray()
    while choice.random() >= (len(text) / (2 * length)) ** 3 if length else False:
        groups = _groups(matcher)
        ends = int(matcher.is_accepting)
        chosen = choice.randrange(len(groups) + ends) if groups else 0
        if chosen == len(groups):
            return bytes(text)
        byte = choice.choice(groups[chosen])
        matcher.accept_token(byte)
        text.append(byte)
    return bytes(text + matcher.shortest_completion())


def _groups(matcher: Matcher) -> list[list[int]]:
    """The bytes that may come next, those that lead to the same state together."""
    groups: dict[int, list[int]] = {}
    for byte in matcher.allowed_tokens():
        matcher.accept_token(byte)
        groups.setdefault(matcher.state_key, []).append(byte)
        matcher.rollback()
    return list(groups.values())
