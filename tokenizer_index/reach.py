"""How many characters a beginning of a string may still lack, at worst, to be one.

Told by structure alone: after any beginning, a character lacks no more than itself, a sequence what its present part
lacks and the shortest strings of the parts behind it, a repetition what its part lacks and the rounds it must still
make.  Expressions with a complement, an intersection or an automaton are not told.
"""

from constrain.grammars.automata._jit import Memory, inner
from constrain.grammars.automata.nodes import CHARS, CONCAT, EPSILON_KIND, REPEAT, SYMBOLS, UNION
from constrain.grammars.automata.store import (
    OK,
    STATUS,
    argument,
    at,
    cut,
    height,
    kind_of,
    length_of,
    push,
    recall,
    remember,
)

KERNELS = "de716cabbe365690"

FAR = 1 << 24
"""More than any beginning is known to lack."""

_LEAST, _REACH = 0x7FFFFFF0, 0x7FFFFFF1  # with a node, keys that are no symbols


@inner
def _push_unknown(m: Memory, node: int) -> None:
    if recall(m, node, _REACH) < 0:
        push(m, node)


@inner
def _push_parts(m: Memory, node: int) -> None:
    kind = kind_of(m, node)
    if kind == CONCAT or kind == UNION:
        for i in range(length_of(m, node)):
            _push_unknown(m, argument(m, node, i))
    elif kind == REPEAT:
        _push_unknown(m, argument(m, node, 0))


@inner
def _is_text(m: Memory, symbols: int) -> bool:
    """Whether symbols are ASCII, so that each is a character."""
    return argument(m, symbols, length_of(m, symbols) - 1) < 0x80


@inner
def _settle(m: Memory, node: int) -> None:
    """Remember both numbers of a node whose parts have theirs."""
    kind = kind_of(m, node)
    least, reach = 0, FAR
    if kind == EPSILON_KIND:
        reach = 0
    elif kind == CHARS or (kind == SYMBOLS and _is_text(m, node)):
        least, reach = 1, 1
    elif kind == CONCAT:
        head, tail = argument(m, node, 0), argument(m, node, 1)
        least = recall(m, head, _LEAST) + recall(m, tail, _LEAST)
        reach = max(recall(m, head, _REACH) + recall(m, tail, _LEAST), recall(m, tail, _REACH))
    elif kind == UNION:
        least, reach = FAR, 0
        for i in range(length_of(m, node)):
            least = min(least, recall(m, argument(m, node, i), _LEAST))
            reach = max(reach, recall(m, argument(m, node, i), _REACH))
    elif kind == REPEAT:
        part, rounds = argument(m, node, 0), argument(m, node, 1)
        least = min(rounds, FAR) * recall(m, part, _LEAST)
        reach = recall(m, part, _REACH) + min(max(rounds - 1, 0), FAR) * recall(m, part, _LEAST)
    remember(m, node, _LEAST, min(least, FAR))
    remember(m, node, _REACH, min(reach, FAR))


@inner
def reach_of(m: Memory, node: int) -> int:
    """An upper bound of the characters that a beginning of a string of `node` lacks; FAR when there is none."""
    position = height(m)
    push(m, node)
    while height(m) > position and m[STATUS] == OK:
        top = height(m)
        last = at(m, top - 1)
        if recall(m, last, _REACH) >= 0:
            cut(m, top - 1)
            continue
        _push_parts(m, last)
        if height(m) == top:
            _settle(m, last)
    cut(m, position)
    return recall(m, node, _REACH) if m[STATUS] == OK else FAR
