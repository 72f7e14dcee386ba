"""The strings of a finite language."""

from collections.abc import Iterator

import numpy as np

from constrain.grammars.automata.language import Language, _is_nullable, _next_symbols, _walk

__all__ = ["words_of"]


class _Walker:
    """Steps between the states of a language, which are the same number when the same strings follow."""

    def __init__(self, language: Language) -> None:
        self._arena, self.start = language._arena, language._start
        self._found = np.empty(1024, np.int32)

    def is_final(self, node: int) -> bool:
        return bool(self._arena.run(_is_nullable, node))

    def steps(self, node: int) -> Iterator[tuple[int, int]]:
        """The bytes that lead on from a state towards a string of the language, each with the state after it."""
        count = self._arena.run(_next_symbols, node, self._found)
        for symbol in self._found[:count].tolist():
            yield symbol, int(self._arena.run(_walk, node, np.array([symbol], np.int32)))


def words_of(language: Language, limit: int) -> tuple[bytes, ...] | None:
    """The strings of a language in lexicographic order; None when there are more than `limit`.

    A state met again on the way from the start, with a string still to come, means infinitely many.
    """
    if language.is_empty():
        return ()
    walker = _Walker(language)
    found = [b""] if walker.is_final(walker.start) else []
    path, prefix = {walker.start}, bytearray()
    pending = [(walker.start, walker.steps(walker.start))]
    while pending:
        node, steps = pending[-1]
        step = next(steps, None)
        if step is None:
            pending.pop()
            path.discard(node)
            del prefix[-1:]
            continue
        symbol, target = step
        if target in path:
            return None
        prefix.append(symbol)
        if walker.is_final(target):
            found.append(bytes(prefix))
            if len(found) > limit:
                return None
        path.add(target)
        pending.append((target, walker.steps(target)))
    return tuple(found)
