"""`constrain.choice`: one of a list of texts.

A short list is one terminal.  A long one is a trie whose upper nodes are rules, made when a text comes to them, and
whose lower parts are terminals: only what a text touches of 100,000 options is ever built.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError, UnsatisfiableConstraintError
from constrain.grammars.regular import Literal, Words

__all__ = ["choice"]

_FEW = 64
"""Texts that are put into one terminal."""

_SHORT_LIST = 1 << 12
"""Bytes of a list that is one terminal as a whole."""


def choice(options: Iterable[str]) -> ir.Grammar:
    """Exactly the given texts.

    Texts that are given twice count once, and one may be the beginning of another.  Making and compiling a grammar of
    100,000 texts takes a fraction of a second.

    Raises UnsatisfiableConstraintError for no options, TypeError for what is not a list of texts, GrammarError for a
    text with half of a surrogate pair, which UTF-8 cannot say.
    """
    if isinstance(options, str | bytes):
        raise TypeError(f"choice takes a list of texts, not one {type(options).__name__}; write choice([...])")
    words = tuple(sorted({_encoded(number, option) for number, option in enumerate(options)}))
    if not words:
        raise UnsatisfiableConstraintError("there are no options to choose from")
    if sum(map(len, words)) <= _SHORT_LIST:
        return ir.Grammar("start", {"start": _terminal(words)}, key=_key(words))
    return _Trie(words).grammar()


def _encoded(number: int, option: object) -> bytes:
    if not isinstance(option, str):
        hint = "decode it" if isinstance(option, bytes) else "use str(...)"
        raise TypeError(f"option {number} is not a text but of type {type(option).__name__}; {hint}")
    try:
        return option.encode()
    except UnicodeEncodeError as error:
        raise GrammarError(f"option {number} cannot be written in UTF-8: {option!a}") from error


def _terminal(words: Iterable[bytes]) -> ir.Terminal:
    return ir.Terminal(Words(tuple(words)), name="choice")


def _key(words: tuple[bytes, ...]) -> str:
    """What identifies the set: a digest, as a list may be long."""
    digest = sha256()
    for word in words:
        digest.update(len(word).to_bytes(8, "big") + word)
    return f"choice {digest.hexdigest()}"


def _agreement(first: bytes, second: bytes) -> int:
    """How many bytes of two different words, of which the first is the lesser, agree from the beginning on."""
    return next(
        (place for place, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), len(first)
    )


class _Trie:
    """Sorted, distinct words as rules.

    The rule ``"low high depth"`` is for words[low:high], which agree in their first `depth` bytes and are longer: it
    derives what follows, which is never empty: rules that are made late must derive no empty text.
    """

    def __init__(self, words: tuple[bytes, ...]) -> None:
        self._words = words

    def grammar(self) -> ir.Grammar:
        first = 0 if self._words[0] else 1
        words = ir.Reference(f"{first} {len(self._words)} 0")
        start = ir.Repeat(words, 0, 1) if first else words
        return ir.Grammar("start", {"start": start}, make_rule=self._rule, key=_key(self._words))

    def _rule(self, name: str) -> ir.Expression:
        low, high, depth = map(int, name.split())
        few: list[bytes] = []
        parts: list[ir.Expression] = []
        for start, end in self._branches(low, high, depth):
            if end - start <= _FEW:
                few += [word[depth:] for word in self._words[start:end]]
                continue
            common = _agreement(self._words[start], self._words[end - 1])
            prefix = self._words[start][depth:common]
            if len(self._words[start]) == common:
                few.append(prefix)
                start += 1
            rest = ir.Reference(f"{start} {end} {common}")
            parts.append(ir.Sequence((ir.Terminal(Literal(prefix), name="choice"), rest)))
        if few:
            parts.append(_terminal(few))
        return parts[0] if len(parts) == 1 else ir.Alternation(tuple(parts))

    def _branches(self, low: int, high: int, depth: int) -> Iterator[tuple[int, int]]:
        """The words from `low` to `high` in groups of one byte at `depth`."""
        start = low
        for end in range(low + 1, high + 1):
            if end == high or self._words[end][depth] != self._words[start][depth]:
                yield start, end
                start = end
