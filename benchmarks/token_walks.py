"""Texts drawn at random, token by token, each within a budget of tokens, for languages.py.

A token is drawn by its sort: words of the language, other letters, digits, signs, white space, the rest.  Often it is
the next one of a shortest completion instead, above all where nearly everything is allowed; so texts leave comments
and strings soon, and have much syntax.  The law is none in particular: it is to come to many places of a grammar.
"""

import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

import constrain
from constrain.decoders.budget import Budget

__all__ = ["walks"]

Numbers = npt.NDArray[np.intp]

_END_SHARE = 0.03  # how often a text ends where it may
_ONWARD, _OUTWARD = 0.1, 0.6  # how often the next token completes the text: at most places, and where most is allowed
_SIGNS = 3
_TRIES = 20  # tokens that are drawn before the planned one is taken
_SHARES = (0.3, 0.12, 0.08, 0.4, 0.08, 0.02)  # words of the language, letters, digits, signs, white space, the rest
_LONGER = 0.1  # how often a word goes on with a token that begins with a letter or digit
_WORD = re.compile(r'"([A-Za-z_]{2,})"')
_COMMENT = re.compile(r"//|/\*|#|--|(.)\1\1\1")


class _Sorts:
    """What tokens begin with.

    sorts    (vocab_size,) int8: as in `_SHARES`, by the first byte, or the second behind a blank
    heads    (vocab_size,) int16: that byte
    joining  (vocab_size,) bool: whether the token begins with a letter or digit, without a blank
    """

    def __init__(self, tokens: Sequence[bytes], words: frozenset[str]) -> None:
        texts = [token.decode("latin-1") for token in tokens]
        plain = [text[1:] if text.startswith(" ") and len(text) > 1 else text for text in texts]
        self.sorts = np.array([_sort(text, words) for text in plain], np.int8)
        self.heads = np.array([ord(text[0]) if text else 0 for text in plain], np.int16)
        self.joining = np.array([_is_word(text[:1]) for text in texts], np.bool_)

    def drawn(self, allowed: Numbers, draw: random.Random) -> Iterator[int]:
        """Tokens, one after the other: first the sort, of signs the first one, then one of these."""
        members = [allowed[self.sorts[allowed] == sort] for sort in range(len(_SHARES))]
        shares = [share if len(found) else 0.0 for share, found in zip(_SHARES, members, strict=True)]
        while sum(shares):
            ((sort, among),) = draw.choices(list(enumerate(members)), shares)
            if sort == _SIGNS:
                among = among[self.heads[among] == draw.choice(np.unique(self.heads[among]).tolist())]
            yield int(among[draw.randrange(len(among))])


def _is_word(text: str) -> bool:
    return text.isalnum() or text == "_"


def _sort(text: str, words: frozenset[str]) -> int:
    first = text[:1]
    if text in words:
        return 0
    if not "!" <= first <= "~":
        return 4 if first and first in " \t\n\r" else 5
    if not _is_word(first):
        return 5 if _COMMENT.search(text) else _SIGNS
    return 2 if first.isdigit() else 1


def _allowed(matcher: Any, bitmask: Any) -> Numbers:
    """The allowed tokens but the end."""
    index = matcher.constraint.index
    matcher.fill_next_token_bitmask(bitmask)
    allowed = np.flatnonzero(np.unpackbits(bitmask.view(np.uint8), bitorder="little")[: index.vocab_size])
    return allowed[~np.isin(allowed, index.end_tokens)]


def _chosen(matcher: Any, budget: Budget, allowed: Numbers, sorts: _Sorts, draw: random.Random) -> int:
    """A token that fits the budget."""
    index = matcher.constraint.index
    onward = _OUTWARD if 2 * len(allowed) > index.vocab_size else _ONWARD
    if draw.random() < onward and (text := matcher.shortest_completion()):
        first = [
            token
            for token in allowed[sorts.heads[allowed] == (text[1] if text[0] == 32 and len(text) > 1 else text[0])]
            if text.startswith(index.tokens[token])
        ]
        token = int(max(first, key=lambda token: len(index.tokens[token]), default=-1))
        if token >= 0 and budget.fits(token):
            return token
    for token in islice(sorts.drawn(allowed, draw), _TRIES):
        if budget.fits(token):
            return token
    if budget.planned is not None:
        return budget.planned
    return next(token for token in matcher.allowed_tokens() if budget.fits(token))


def walk(matcher: Any, sorts: _Sorts, draw: random.Random, size: int) -> bytes:
    """A text of at most `size` tokens, its end included."""
    index, budget, text = matcher.constraint.index, Budget(matcher, size), bytearray()
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    while not matcher.is_finished and budget.remaining > 1:
        allowed = _allowed(matcher, bitmask)
        if matcher.is_accepting and (draw.random() < _END_SHARE or not any(map(budget.fits, allowed.tolist()))):
            break
        apart = allowed[~sorts.joining[allowed]]
        if len(apart) and _is_word(text[-1:].decode("latin-1")) and draw.random() >= _LONGER:
            allowed = apart
        token = _chosen(matcher, budget, allowed, sorts, draw)
        text += index.tokens[token]
        if not matcher.accept_token(token):
            raise AssertionError(f"token {token} is in the mask, but is refused")
        budget.accept(token)
    if not matcher.is_accepting:
        raise AssertionError(f"the budget is spent, and the text is not finished: {bytes(text)!r}")
    return bytes(text)


def walks(compiled: Any, source: str, count: int, smallest: int = 8, largest: int = 120) -> Iterator[str]:
    """So many texts; the budget of each is between `smallest` and `largest` tokens above what the language needs.

    `source` is the text of the grammar, whose words in double quotes are words of the language.
    """
    words = frozenset(_WORD.findall(source))
    sorts = _Sorts(compiled.index.tokens, words)
    needed = len(compiled.shortest_text()) + 1
    for seed in range(count):
        draw = random.Random(seed)
        size = needed + draw.randint(smallest, largest)
        yield walk(compiled.matcher(), sorts, draw, size).decode()
