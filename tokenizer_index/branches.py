"""What the row of a JSON string is put together from, so that few rows serve many states of a string.

The states inside a string with a pattern or a length are many: `maxLength` counts, and a pattern that may begin
anywhere is in several of its places at once.  Most of them share their rows:

- A union has the union of its members' rows.  A pattern has as many unions as subsets, but few members.
- No token has more than `DEPTH` symbols, so behind a repetition that may still go round so often, tokens find what
  they find behind one without a bound.
"""

from constrain.grammars.automata._jit import Memory, inner
from constrain.grammars.automata.liveness import is_alive
from constrain.grammars.automata.nodes import (
    ANY_CHAR,
    CHARS,
    CONCAT,
    EMPTY,
    INTERSECT,
    JSON,
    REPEAT,
    SYMBOLS,
    UNBOUNDED,
    UNION,
    concat,
    intersect,
    json_string,
    repeat,
    union,
)
from constrain.grammars.automata.store import OK, STATUS, argument, at, cut, height, kind_of, length_of, push, put
from constrain.tokenizer_index.reach import FAR, reach_of
from constrain.tokenizer_index.view import DEPTH

KERNELS = "de716cabbe365690"

_LARGE_CLASS = 20


@inner
def _is_large(m: Memory, node: int) -> bool:
    if kind_of(m, node) == CHARS:
        return True
    members = 0
    if kind_of(m, node) == SYMBOLS:
        for i in range(0, length_of(m, node), 2):
            members += 1 + argument(m, node, i + 1) - argument(m, node, i)
    return members >= _LARGE_CLASS


@inner
def runs_long(m: Memory, node: int) -> bool:
    """Whether this is a repetition of characters from a large class."""
    if kind_of(m, node) != REPEAT:
        return False
    part = argument(m, node, 0)
    if kind_of(m, part) != UNION:
        return _is_large(m, part)
    for i in range(length_of(m, part)):
        if _is_large(m, argument(m, part, i)):
            return True
    return False


@inner
def _begins_long(m: Memory, node: int) -> bool:
    return runs_long(m, argument(m, node, 0) if kind_of(m, node) == CONCAT else node)


@inner
def without_far_bound(m: Memory, node: int, depth: int) -> int:
    """A repetition that no token can bring to its bound, without that bound; another node as it is."""
    if kind_of(m, node) != REPEAT or argument(m, node, 2) < depth:
        return node
    return repeat(m, argument(m, node, 0), argument(m, node, 1), UNBOUNDED)


@inner
def _widened(m: Memory, text: int, depth: int) -> int:
    """What begins, as far as tokens reach, with the same symbols as `text`, and ends where it ends."""
    position = height(m)
    while kind_of(m, text) == CONCAT:
        push(m, without_far_bound(m, argument(m, text, 0), depth))
        text = argument(m, text, 1)
    text = without_far_bound(m, text, depth)
    for i in range(height(m) - 1, position - 1, -1):
        text = concat(m, at(m, i), text)
    cut(m, position)
    return text


@inner
def bound_of(m: Memory, text: int) -> int:
    """The place of the member of a text that bounds its length, as in P ∧ .{0,n}; -1 when there is none."""
    if kind_of(m, text) == INTERSECT and length_of(m, text) == 2:
        for i in range(2):
            member = argument(m, text, i)
            if kind_of(m, member) == REPEAT and argument(m, member, 0) == ANY_CHAR and argument(m, member, 1) == 0:
                return i
    return -1


@inner
def _row_text(m: Memory, text: int, depth: int) -> int:
    """`_widened`; and a bound of the length that does not matter to tokens is left out."""
    place = bound_of(m, text)
    if place >= 0:
        maximum, free = argument(m, argument(m, text, place), 2), argument(m, text, 1 - place)
        reach = reach_of(m, free)
        if reach < FAR and (maximum == UNBOUNDED or maximum >= depth + reach):
            text = free
    return _widened(m, text, depth)


@inner
def _push_members(m: Memory, text: int) -> bool:
    """Put the members of a union, or of an intersection with one, on the stack; whether it was such a thing."""
    if kind_of(m, text) == UNION:
        for i in range(length_of(m, text)):
            push(m, argument(m, text, i))
        return True
    if kind_of(m, text) != INTERSECT:
        return False
    parted = -1
    for i in range(length_of(m, text)):
        if kind_of(m, argument(m, text, i)) == UNION:
            parted = i
    if parted < 0:
        return False
    whole = argument(m, text, parted)
    for k in range(length_of(m, whole)):
        position = height(m)
        push(m, argument(m, whole, k))
        for i in range(length_of(m, text)):
            if i != parted:
                push(m, argument(m, text, i))
        if m[STATUS] != OK:
            return False
        push(m, intersect(m, position))
    return True


@inner
def push_branches(m: Memory, node: int, view: Memory) -> None:
    """Put regular expressions on the stack whose rows make up that of a JSON string.

    Members that do not run long stay together: they make one small row.
    """
    if kind_of(m, node) != JSON or argument(m, node, 1) > 0:
        push(m, node)
        return
    text, how = argument(m, node, 0), argument(m, node, 3)
    position = height(m)
    if not _push_members(m, text):
        push(m, json_string(m, _row_text(m, text, view[DEPTH]), 0, 0, how))
        return
    count, kept = height(m) - position, position
    for i in range(count):
        member = at(m, position + i)
        if not _begins_long(m, member):
            push(m, member)
        elif is_alive(m, member):
            put(m, kept, json_string(m, _row_text(m, member, view[DEPTH]), 0, 0, how))
            kept += 1
    rest = EMPTY
    if m[STATUS] == OK and height(m) > position + count:
        rest = union(m, position + count)
    cut(m, kept)
    if kept == position:
        push(m, node)
    elif rest != EMPTY and is_alive(m, rest):
        push(m, json_string(m, rest, 0, 0, how))
