"""Finite sets of words as interned, persistent tries.

A trie node is an object ``TRIE [end, symbol, child, symbol, child, …]``: `end` is 0, or one more than the payload
of the word that ends here; symbols ascend.  Tries with the same words and payloads are the same object.  Adding
or removing a word copies the nodes along its path and shares the rest, so that "the keys that this object has not
seen yet" is one integer, and each step from one such set to the next costs the length of a word.
"""

from constrain.grammars.automata._jit import Memory, inner, service
from constrain.grammars.automata.nodes import NO_WORDS, TRIE
from constrain.grammars.automata.store import (
    OK,
    STATUS,
    argument,
    at,
    cut,
    height,
    intern,
    length_of,
    push,
    put,
    vector_of,
)

KERNELS = "de716cabbe365690"


@inner
def child_of(m: Memory, trie: int, symbol: int) -> int:
    """The child under `symbol`, or -1."""
    vector = vector_of(m, trie)
    low, high = 0, (length_of(m, trie) - 1) // 2
    while low < high:
        middle = (low + high) // 2
        if m[vector + 1 + 2 * middle] < symbol:
            low = middle + 1
        else:
            high = middle
    if 2 * low + 1 < length_of(m, trie) and m[vector + 1 + 2 * low] == symbol:
        return m[vector + 2 + 2 * low]
    return -1


@inner
def _rebuilt(m: Memory, node: int, symbol: int, child: int) -> int:
    """`node` with the child under `symbol` replaced, added, or (child = NO_WORDS) removed."""
    position = height(m)
    push(m, argument(m, node, 0))
    placed = child == NO_WORDS
    for i in range(1, length_of(m, node), 2):
        other = argument(m, node, i)
        if not placed and symbol <= other:
            push(m, symbol)
            push(m, child)
            placed = True
        if other != symbol:
            push(m, other)
            push(m, argument(m, node, i + 1))
    if not placed:
        push(m, symbol)
        push(m, child)
    return intern(m, TRIE, position)


@service
def with_end(m: Memory, trie: int, position: int, end: int) -> int:
    """The trie in which the word on the stack from `position` up has the given `end`; the word is popped.

    `end` 0 removes the word, which need not be there; payload + 1 adds it or changes its payload.
    """
    size = height(m) - position
    node = trie
    for i in range(size):  # the path, above the word
        push(m, node)
        node = child_of(m, node, at(m, position + i)) if node >= 0 else -1
    rebuild = height(m)
    push(m, end)
    if node >= 0:
        for i in range(1, length_of(m, node)):
            push(m, argument(m, node, i))
    made = intern(m, TRIE, rebuild)
    for i in range(size - 1, -1, -1):
        parent = at(m, position + size + i)
        made = _rebuilt(m, NO_WORDS if parent < 0 else parent, at(m, position + i), made)
    cut(m, position)
    return made


@inner
def end_of(m: Memory, trie: int, position: int) -> int:
    """The `end` of the word on the stack from `position` up (0: not in the trie); the word stays."""
    node = trie
    for i in range(position, height(m)):
        node = child_of(m, node, at(m, i))
        if node < 0:
            return 0
    return argument(m, node, 0)


@inner
def _close(m: Memory, opened: int, symbol: int) -> None:
    """Intern the node whose vector is on the stack from `opened` up, and enter it in its parent."""
    node = intern(m, TRIE, opened)
    push(m, symbol)
    push(m, node)


@service
def build_trie(m: Memory, position: int) -> int:
    """The trie of the words on the stack from `position` up, which are popped.

    They are sorted and distinct, each given as its length, its payload and its symbols.  Depth-first along the
    sorted words: the vectors of the open nodes lie on the stack one above the other, and a node is interned
    when the next word leaves it.
    """
    base = height(m)
    longest, i = 0, position
    while i < base:
        longest = max(longest, at(m, i))
        i += 2 + at(m, i)
    for _ in range(longest + 1):  # where the vector of the open node at each depth begins
        push(m, 0)
    if m[STATUS] != OK:
        return NO_WORDS
    put(m, base, height(m))
    push(m, 0)
    depth, previous, word = 0, 0, position
    while word < base and m[STATUS] == OK:
        size, symbols = at(m, word), word + 2
        common = 0
        while common < depth and common < size and at(m, previous + common) == at(m, symbols + common):
            common += 1
        while depth > common:
            depth -= 1
            _close(m, at(m, base + depth + 1), at(m, previous + depth))
        while depth < size:
            depth += 1
            put(m, base + depth, height(m))
            push(m, 0)
        put(m, at(m, base + depth), at(m, word + 1) + 1)
        previous = symbols
        word = symbols + size
    while depth > 0:
        depth -= 1
        _close(m, at(m, base + depth + 1), at(m, previous + depth))
    trie = intern(m, TRIE, at(m, base))
    cut(m, position)
    return trie
