"""Any checker as a constraint: predicates in Python, combined with a grammar.

A predicate on finished texts may be anything: a compiler accepts the text, a test passes, a database runs the query.
A predicate on prefixes must be *monotone*: where it is false of a text, it is false of every longer one.  It is asked
each time a token has been read, about text that may end inside a character (it is then cut back to whole characters).

The grammar's masks allow more than the predicates do; a token that a predicate refuses is found out when it is tried,
and all samplers treat it as what it is, a text of the grammar that is not of the language.  Adaptive samplers
(`adaptive`) learn it and do not try it again.
"""

import codecs
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from constrain.decoders.samplers.languages import Flags, Language, Position, Truncation, begin, language_key
from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["Checked"]

Predicate = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Checked:
    """The texts of a grammar of which predicates hold.

    constraint   a compiled grammar, or again a language like this one
    final        asked about finished texts
    prefix       asked about beginnings of texts, and monotone
    name         what identifies the predicates, when a trie is to be kept; the caller answers for it that the same
                 name means the same predicates

    Results are remembered for the last 4,096 texts, so that a predicate should depend on the text alone.  An
    exception in a predicate is passed on: a checker that fails has not checked.
    """

    constraint: CompiledConstraint | Language
    final: Predicate | None = None
    prefix: Predicate | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.final is None and self.prefix is None:
            raise ConstrainError("a checked constraint needs a predicate")
        object.__setattr__(self, "final", None if self.final is None else _Remembered(self.final))
        object.__setattr__(self, "prefix", None if self.prefix is None else _Remembered(self.prefix))

    @property
    def index(self) -> TokenizerIndex:
        """The index of the tokenizer."""
        return self.constraint.index

    @property
    def key(self) -> str:
        """See `languages.Language`."""
        inner = language_key(self.constraint)
        return f"{inner} checked {self.name}" if inner and self.name else ""

    def begin(self, max_new_tokens: int | None, truncation: Truncation) -> Position:
        """See `languages.Language`."""
        return _CheckedPosition(self, begin(self.constraint, max_new_tokens, truncation))


class _Remembered:
    """A predicate with its last results."""

    _MOST = 4096

    def __init__(self, predicate: Predicate) -> None:
        self._predicate = predicate
        self._known: dict[str, bool] = {}

    def __call__(self, text: str) -> bool:
        known = self._known.get(text)
        if known is None:
            known = bool(self._predicate(text))
            if len(self._known) >= self._MOST:
                del self._known[next(iter(self._known))]
            self._known[text] = known
        return known


def _whole(text: bytes) -> str:
    """The text without a last character that is not whole."""
    return codecs.getincrementaldecoder("utf-8")(errors="replace").decode(text)


class _CheckedPosition:
    __slots__ = ("_checked", "_inner", "is_complete", "mask_is_exact")

    def __init__(self, checked: Checked, inner: Position) -> None:
        self._checked, self._inner = checked, inner
        self.mask_is_exact = False
        self.is_complete = inner.is_complete and self._passes()

    def _passes(self) -> bool:
        checked = self._checked
        text = self._inner.text
        if checked.prefix is not None and not checked.prefix(_whole(text)):
            return False
        if self._inner.is_complete and checked.final is not None:
            return checked.final(text.decode(errors="replace"))
        return True

    def mask(self) -> Flags:
        if self._inner.is_complete:
            return np.zeros(self._checked.index.vocab_size, np.bool_)
        return self._inner.mask()

    def allows(self, token: int) -> bool:
        if not self._inner.allows(token):
            return False
        return self.fork().read(token)

    def read(self, token: int) -> bool:
        if not self._inner.read(token) or not self._passes():
            return False
        self.is_complete = self._inner.is_complete
        return True

    def fork(self) -> "_CheckedPosition":
        copy = object.__new__(_CheckedPosition)
        copy._checked, copy._inner = self._checked, self._inner.fork()
        copy.is_complete, copy.mask_is_exact = self.is_complete, False
        return copy

    @property
    def text(self) -> bytes:
        return self._inner.text
