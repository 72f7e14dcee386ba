"""`constrain.compile`: a grammar joined to a tokenizer, kept for the next time it is asked for."""

import threading
from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING

from constrain.grammars import ir
from constrain.grammars.collection import hold_back_collection, let_collection_go
from constrain.tokenizer_index import compiled
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.limits import Limits

if TYPE_CHECKING:
    from constrain.decoders.logits_processor import LogitsProcessor

__all__ = ["CompiledConstraint", "compile"]


class CompiledConstraint(compiled.CompiledConstraint):
    """A grammar joined to a tokenizer: makes matchers, and logits processors for `transformers`.

    Immutable to its users, shared by threads and requests.
    """

    def logits_processor(
        self, *, prompt_length: int | None = None, max_new_tokens: int | None = None
    ) -> "LogitsProcessor":
        """A processor for ``generate`` of `transformers`; see `constrain.LogitsProcessor` for its settings."""
        from constrain.decoders.logits_processor import LogitsProcessor

        return LogitsProcessor(self, prompt_length=prompt_length, max_new_tokens=max_new_tokens)


_MAX_KEPT = 256
_MAX_BYTES = 1 << 26  # of their automata
_CHECKED = 8  # new constraints between two looks at the memory of all
_made = count(1)
_kept: OrderedDict[tuple[int, str, Limits | None], CompiledConstraint] = OrderedDict()
_lock = threading.Lock()


def compile(  # noqa: A001
    grammar: ir.Grammar, index: TokenizerIndex, *, limits: Limits | None = None
) -> CompiledConstraint:
    """Join a grammar to a tokenizer's index.

    A grammar compiled before, in this process and for the same index, is not compiled again: the same object comes
    back, with all that its sequences have found out.

    Raises GrammarError for a grammar that cannot be used, UnsatisfiableConstraintError for one that no text obeys,
    ResourceLimitError for one that is too large for `limits`.
    """
    hold_back_collection()
    try:
        if not grammar.key:
            return CompiledConstraint(grammar, index, limits)
        key = id(index), grammar.key, limits
        with _lock:
            found = _kept.get(key)
            if found is not None:
                _kept.move_to_end(key)
                return found
        made = CompiledConstraint(grammar, index, limits)
        with _lock:
            made = _kept.setdefault(key, made)
            _drop_oldest()
        return made
    finally:
        let_collection_go()


def _drop_oldest() -> None:
    while len(_kept) > _MAX_KEPT:
        _kept.popitem(last=False)
    if next(_made) % _CHECKED == 0:
        sizes = [constraint.memory_bytes() for constraint in _kept.values()]
        total = sum(sizes)
        for size in sizes[:-1]:
            if total <= _MAX_BYTES:
                break
            _kept.popitem(last=False)
            total -= size
