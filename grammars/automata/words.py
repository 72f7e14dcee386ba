"""The strings of a finite language."""

from constrain.grammars.automata.language import Language
from constrain.grammars.automata.states import States

__all__ = ["words_of"]


def words_of(language: Language, limit: int) -> tuple[bytes, ...] | None:
    """The strings of a language in lexicographic order; None when there are more than `limit`.

    A state met again on the way from the start, with a string still to come, means infinitely many.
    """
    states = States(language)
    if states.start is None:
        return ()
    found = [b""] if states.is_final(states.start) else []
    path, prefix = {states.start}, bytearray()
    pending = [(states.start, states.steps(states.start))]
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
        if states.is_final(target):
            found.append(bytes(prefix))
            if len(found) > limit:
                return None
        path.add(target)
        pending.append((target, states.steps(target)))
    return tuple(found)
