"""Emptiness: whether a derivative still reaches an accepting one.

Only INTERSECT, NOT and WITHOUT can make a node empty without its being EMPTY; nodes without them are known to
be live from their flags.  For the others a breadth-first search looks for a nullable node.  What it finds holds
for more than the node asked about: the way to a live node is live, and if there is none, everything visited is
dead.  So each node is searched from at most once in the life of a store.
"""

from constrain.grammars.automata._jit import Memory, inner, service
from constrain.grammars.automata.expand import target_of, transitions
from constrain.grammars.automata.nodes import (
    CONCAT,
    DEAD,
    EMPTY,
    JSON,
    LIVE,
    NULLABLE,
    SEARCH,
    UNION,
)
from constrain.grammars.automata.store import (
    FLAGS,
    MEMO_B,
    OK,
    OUT_OF_WORK,
    STATUS,
    WORK,
    WORK_LIMIT,
    argument,
    at,
    cut,
    height,
    kind_of,
    length_of,
    memo,
    push,
    set_memo,
)

KERNELS = "de716cabbe365690"

_VISITED = 32


@inner
def _core(m: Memory, node: int) -> int:
    """A node that is live if and only if `node` is: without tails and members that are live anyway."""
    while True:
        kind = kind_of(m, node)
        if kind == CONCAT and not memo(m, argument(m, node, 1), FLAGS) & SEARCH:
            node = argument(m, node, 0)
        elif kind == JSON and argument(m, node, 1) == 0:
            node = argument(m, node, 0)
        else:
            return node


@inner
def known(m: Memory, node: int) -> int:
    """1: live, 0: dead, -1: a search has to tell."""
    if node == EMPTY:
        return 0
    flags = memo(m, node, FLAGS)
    if not flags & SEARCH or flags & (LIVE | NULLABLE):
        return 1
    if flags & DEAD:
        return 0
    if kind_of(m, node) == JSON and argument(m, node, 1) > 0:
        return 1  # made only when it is live
    if kind_of(m, node) == UNION:
        for i in range(length_of(m, node)):
            if not memo(m, argument(m, node, i), FLAGS) & SEARCH:
                return 1
    return -1


@inner
def _mark(m: Memory, node: int, flag: int) -> None:
    set_memo(m, node, FLAGS, memo(m, node, FLAGS) | flag)


@inner
def _settle(m: Memory, queue: int, found: int) -> None:
    """Forget the visits; mark the way to entry `found` live, or all entries dead when it is -1."""
    for i in range(queue, height(m), 2):
        node = at(m, i)
        flags = memo(m, node, FLAGS) & ~_VISITED
        set_memo(m, node, FLAGS, flags if found >= 0 else flags | DEAD)
    while found >= 0:
        _mark(m, at(m, found), LIVE)
        found = at(m, found + 1)
    cut(m, queue)


@service
def alive(m: Memory, node: int) -> int:
    """Whether the language is not empty, by search: 1 or 0."""
    asked = node
    node = _core(m, node)
    verdict = known(m, node)
    queue = height(m)
    if verdict < 0:
        push(m, node)
        push(m, -1)
        _mark(m, node, _VISITED)
    head, found = queue, -1
    while head < height(m) and found < 0 and m[STATUS] == OK:
        m[WORK] += 1
        if m[WORK] > m[WORK_LIMIT]:
            m[STATUS] = OUT_OF_WORK
        start = transitions(m, at(m, head))
        for i in range(start, start + 3 * memo(m, at(m, head), MEMO_B), 3):
            target = _core(m, m[i + 2])
            verdict = known(m, target)
            if verdict == 1:
                found = head
                break
            if verdict < 0 and not memo(m, target, FLAGS) & _VISITED:
                push(m, target)
                push(m, head)
                _mark(m, target, _VISITED)
            if m[STATUS] != OK:
                break
        head += 2
    if m[STATUS] != OK:
        _forget(m, queue)
        return 1
    if head > queue:
        verdict = 1 if found >= 0 else 0
    _settle(m, queue, found)
    _mark(m, asked, LIVE if verdict == 1 else DEAD)
    return verdict


@inner
def is_alive(m: Memory, node: int) -> bool:
    """Whether the language is not empty."""
    verdict = known(m, node)
    if verdict < 0:
        verdict = alive(m, node)
    return verdict == 1


@inner
def step(m: Memory, node: int, symbol: int) -> int:
    """The derivative of `node` by a symbol: EMPTY exactly when no string of the language goes on so."""
    target = target_of(m, node, symbol)
    return target if is_alive(m, target) else EMPTY


@inner
def _forget(m: Memory, queue: int) -> None:
    """Take the visits back after a failure; flags are written directly, since `set_memo` is off."""
    status = m[STATUS]
    m[STATUS] = OK
    for i in range(queue, height(m), 2):
        node = at(m, i)
        set_memo(m, node, FLAGS, memo(m, node, FLAGS) & ~_VISITED)
    m[STATUS] = status
    cut(m, queue)
