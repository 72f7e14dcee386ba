"""Regular expressions over bytes as interned nodes, built by simplifying constructors.

A node denotes a set of byte strings.  The kinds and their vectors:

========  =======================  ==========================================================================
EMPTY     []                       no string
EPSILON   [payload]                the empty string; the payload says *which* of several words has ended here
SYMBOLS   [lo, hi, …]              one symbol: a byte, or a special token (256 + its number)
CHARS     [left, lo, hi, …]        one Unicode scalar value in UTF-8 (`left` = 0), or what remains of one
                                   after its first bytes: `left` continuation bytes with the given low bits
CONCAT    [head, tail]             right-associated: the head is never itself a CONCAT
UNION     [x, …]                   sorted, distinct, none of them a UNION
INTERSECT [x, …]                   likewise
NOT       [x]                      complement, relative to all byte strings
REPEAT    [x, min, max]            max = -1: no bound.  A bound is a counter, not so many copies
JSON      [x, stage, value, how]   a JSON string after its opening quote, whose decoded text is in x (see json_text)
WORDS     [trie]                   a finite set of words (see tries)
WITHOUT   [x, trie]                x minus a finite set of words
STATE     [table, state]           a state of an explicit automaton
DECIMAL, EXPONENT, MULTIPLE        numbers in decimal notation (see decimals)
========  =======================  ==========================================================================

Derivatives of regular expressions (Brzozowski 1964) keep the set of nodes reachable from one expression finite
up to the laws these constructors apply (associativity, commutativity, idempotence, units and zeros); unions of
right-associated concatenations are Antimirov's partial derivatives, so that without INTERSECT and NOT the
number of distinct members stays linear in the expression.
"""

import numpy as np

from constrain.grammars.automata._jit import Memory, inner, kernel, memory_at, service
from constrain.grammars.automata.store import (
    FLAGS,
    argument,
    at,
    cut,
    height,
    intern,
    intern_1,
    intern_2,
    intern_3,
    kind_of,
    length_of,
    memo,
    push,
    put,
    set_memo,
    sort_unique,
)

KERNELS = "de716cabbe365690"

EMPTY_KIND, EPSILON_KIND, SYMBOLS, CHARS, CONCAT, UNION, INTERSECT = 1, 2, 3, 4, 5, 6, 7
NOT, REPEAT, JSON, WORDS, WITHOUT, STATE, TABLE_KIND, TRIE, TEXT_KIND = 8, 9, 10, 11, 12, 13, 14, 15, 16
SPECIFICATION, DECIMAL, EXPONENT, MULTIPLE = 17, 18, 19, 20
FIRST_FREE_KIND = 30  # kinds from here on belong to the parser

# Flags.
MADE = 1  # the flags below are set
NULLABLE = 2  # the empty string belongs to the language
SEARCH = 4  # the language may be empty although the node is not EMPTY: a search has to tell
LIVE = 8  # known not to be empty
DEAD = 16  # known to be empty

# Objects that every store begins with.
EMPTY, EPSILON, ANY_BYTE, ALL, ANY_CHAR, TEXT, NO_WORDS, NO_TEXT = 0, 1, 2, 3, 4, 5, 6, 7

UNBOUNDED = -1


@inner
def nullable(m: Memory, node: int) -> bool:
    """Whether the empty string belongs to the language."""
    return (memo(m, node, FLAGS) & NULLABLE) != 0


@inner
def flagged(m: Memory, node: int, flags: int) -> int:
    """Set the flags of a node that has just been made; the node."""
    if memo(m, node, FLAGS) == 0:
        set_memo(m, node, FLAGS, flags | MADE)
    return node


@inner
def searched(m: Memory, node: int) -> int:
    """The SEARCH flag of a node."""
    return memo(m, node, FLAGS) & SEARCH


@inner
def payload_of(m: Memory, node: int) -> int:
    """The payload that a nullable node reports."""
    kind = kind_of(m, node)
    if kind == EPSILON_KIND:
        return argument(m, node, 0)
    if kind == WORDS:
        return argument(m, argument(m, node, 0), 0) - 1
    return 0


@inner
def epsilon(m: Memory, payload: int) -> int:
    """The empty string, ending word `payload`."""
    return flagged(m, intern_1(m, EPSILON_KIND, payload), NULLABLE)


@inner
def symbols(m: Memory, position: int) -> int:
    """One symbol from the ranges (lo, hi, …) on the stack from `position` up: sorted, disjoint."""
    if height(m) == position:
        return EMPTY
    return flagged(m, intern(m, SYMBOLS, position), 0)


@inner
def symbol_range(m: Memory, low: int, high: int) -> int:
    """One symbol between `low` and `high`."""
    return flagged(m, intern_2(m, SYMBOLS, low, high), 0)


@inner
def chars(m: Memory, position: int) -> int:
    """A CHARS node from its vector on the stack; EMPTY when there are no ranges."""
    if height(m) == position + 1:
        cut(m, position)
        return EMPTY
    return flagged(m, intern(m, CHARS, position), 0)


@inner
def _pair(m: Memory, head: int, tail: int) -> int:
    node = intern_2(m, CONCAT, head, tail)
    if memo(m, node, FLAGS) == 0:
        flags = searched(m, head) | searched(m, tail)
        if nullable(m, head) and nullable(m, tail):
            flags |= NULLABLE
        flagged(m, node, flags)
    return node


@service
def concat(m: Memory, head: int, tail: int) -> int:
    """The strings of `head` followed by those of `tail`."""
    if head == EMPTY or tail == EMPTY:
        return EMPTY
    if head == EPSILON:
        return tail
    if tail == EPSILON:
        return head
    if kind_of(m, head) != CONCAT:
        return _pair(m, head, tail)
    position = height(m)
    while kind_of(m, head) == CONCAT:
        push(m, argument(m, head, 0))
        head = argument(m, head, 1)
    tail = _pair(m, head, tail)
    for i in range(height(m) - 1, position - 1, -1):
        tail = _pair(m, at(m, i), tail)
    cut(m, position)
    return tail


@inner
def _flatten(m: Memory, kind: int, position: int) -> None:
    """Replace members of `kind` on the stack by their own members; sort and drop repetitions."""
    top = height(m)
    for i in range(position, top):
        member = at(m, i)
        if kind_of(m, member) == kind:
            put(m, i, argument(m, member, 0))
            for j in range(1, length_of(m, member)):
                push(m, argument(m, member, j))
    sort_unique(m, position)


@inner
def _merge_symbols(m: Memory, position: int) -> None:
    """Replace the SYMBOLS members of a union on the stack that hold bytes only by a single one."""
    top = height(m)
    members = 0
    for i in range(position, top):
        members += _is_bytes(m, at(m, i))
    if members < 2:
        return
    kept = position
    marks = np.zeros(258, np.uint8)
    for i in range(position, top):
        member = at(m, i)
        if _is_bytes(m, member):
            for j in range(0, length_of(m, member), 2):
                for byte in range(argument(m, member, j), argument(m, member, j + 1) + 1):
                    marks[byte + 1] = 1
        else:
            put(m, kept, member)
            kept += 1
    cut(m, kept)
    for byte in range(257):
        if marks[byte] != marks[byte + 1]:
            push(m, byte - marks[byte])
    push(m, symbols(m, kept))
    sort_unique(m, position)


@inner
def _is_bytes(m: Memory, node: int) -> bool:
    return kind_of(m, node) == SYMBOLS and argument(m, node, length_of(m, node) - 1) < 256


@service
def union(m: Memory, position: int) -> int:
    """The union of the nodes on the stack from `position` up, which are popped."""
    if height(m) == position + 1:
        node = at(m, position)
        cut(m, position)
        return node
    _flatten(m, UNION, position)
    kept = position
    has_nullable, whole = False, False
    for i in range(position, height(m)):
        member = at(m, i)
        if member == ALL:
            whole = True
        if member != EMPTY:
            has_nullable = has_nullable or (member != EPSILON and nullable(m, member))
            put(m, kept, member)
            kept += 1
    cut(m, kept)
    if whole:
        cut(m, position)
        return ALL
    if has_nullable and at(m, position) == EPSILON:  # sorted: EPSILON comes first
        for i in range(position + 1, kept):
            put(m, i - 1, at(m, i))
        cut(m, kept - 1)
    _merge_symbols(m, position)
    size = height(m) - position
    if size < 2:
        node = at(m, position) if size == 1 else EMPTY
        cut(m, position)
        return node
    flags = 0
    for i in range(position, position + size):
        flags |= memo(m, at(m, i), FLAGS) & (NULLABLE | SEARCH)
    return flagged(m, intern(m, UNION, position), flags)


@inner
def union_of(m: Memory, a: int, b: int) -> int:
    """The union of two nodes."""
    if a == b or b == EMPTY:
        return a
    if a == EMPTY:
        return b
    position = height(m)
    push(m, a)
    push(m, b)
    return union(m, position)


@inner
def _is_run(m: Memory, node: int) -> bool:
    """Whether this is a repetition of whole characters."""
    if kind_of(m, node) != REPEAT:
        return False
    part = argument(m, node, 0)
    return kind_of(m, part) == CHARS and argument(m, part, 0) == 0


@inner
def _common_chars(m: Memory, a: int, b: int) -> int:
    """The characters that two CHARS nodes have in common."""
    if a == b:
        return a
    position = height(m)
    push(m, 0)
    i, j = 1, 1
    while i < length_of(m, a) and j < length_of(m, b):
        low = max(argument(m, a, i), argument(m, b, j))
        high = min(argument(m, a, i + 1), argument(m, b, j + 1))
        if low <= high:
            push(m, low)
            push(m, high)
        if argument(m, a, i + 1) < argument(m, b, j + 1):
            i += 2
        else:
            j += 2
    return chars(m, position)


@inner
def _common_run(m: Memory, a: int, b: int) -> int:
    """The intersection of two repetitions of characters."""
    part = _common_chars(m, argument(m, a, 0), argument(m, b, 0))
    minimum, maximum = max(argument(m, a, 1), argument(m, b, 1)), argument(m, a, 2)
    if maximum == UNBOUNDED or 0 <= argument(m, b, 2) < maximum:
        maximum = argument(m, b, 2)
    if maximum != UNBOUNDED and minimum > maximum:
        return EMPTY
    return repeat(m, part, minimum, maximum)


@inner
def _merge_runs(m: Memory, position: int) -> None:
    """Replace the repetitions of characters among the nodes on the stack by their intersection."""
    kept, run = position, -1
    for i in range(position, height(m)):
        member = at(m, i)
        if not _is_run(m, member):
            put(m, kept, member)
            kept += 1
        elif run < 0:
            run = member
        else:
            run = _common_run(m, run, member)
            if not _is_run(m, run):  # EMPTY, EPSILON or a single character
                put(m, kept, run)
                kept += 1
                run = -1
    cut(m, kept)
    if run >= 0:
        push(m, run)
    sort_unique(m, position)


@service
def intersect(m: Memory, position: int) -> int:
    """The intersection of the nodes on the stack from `position` up, which are popped."""
    _flatten(m, INTERSECT, position)
    _merge_runs(m, position)
    kept = position
    all_nullable, empty = True, False
    for i in range(position, height(m)):
        member = at(m, i)
        empty = empty or member == EMPTY
        if member != ALL:
            all_nullable = all_nullable and nullable(m, member)
            put(m, kept, member)
            kept += 1
    cut(m, kept)
    for i in range(position, kept):
        if kind_of(m, at(m, i)) == NOT:
            denied = argument(m, at(m, i), 0)
            for j in range(position, kept):
                empty = empty or at(m, j) == denied
    size = kept - position
    if empty or size < 2:
        node = EMPTY if empty else at(m, position) if size == 1 else ALL
        cut(m, position)
        return node
    return flagged(m, intern(m, INTERSECT, position), SEARCH | (NULLABLE if all_nullable else 0))


@inner
def complement(m: Memory, node: int) -> int:
    """All byte strings that are not in the language."""
    if node == EMPTY:
        return ALL
    if node == ALL:
        return EMPTY
    if kind_of(m, node) == NOT:
        return argument(m, node, 0)
    return flagged(m, intern_1(m, NOT, node), SEARCH | (0 if nullable(m, node) else NULLABLE))


@inner
def repeat(m: Memory, node: int, minimum: int, maximum: int) -> int:
    """From `minimum` to `maximum` (UNBOUNDED: any number) strings of the language, one after the other."""
    if nullable(m, node):
        minimum = 0
    if maximum == 0 or node == EPSILON or (node == EMPTY and minimum == 0):
        return EPSILON
    if node == EMPTY:
        return EMPTY
    if minimum == 1 and maximum == 1:
        return node
    if kind_of(m, node) == REPEAT and argument(m, node, 2) == UNBOUNDED and argument(m, node, 1) == 0:
        return node
    made = intern_3(m, REPEAT, node, minimum, maximum)
    return flagged(m, made, searched(m, node) | (NULLABLE if minimum == 0 else 0))


@inner
def json_string(m: Memory, node: int, stage: int, value: int, how: int) -> int:
    """The rest of a JSON string; see json_text."""
    if node == EMPTY:
        return EMPTY
    position = height(m)
    push(m, node)
    push(m, stage)
    push(m, value)
    push(m, how)
    return flagged(m, intern(m, JSON, position), searched(m, node))


@inner
def words(m: Memory, trie: int) -> int:
    """The words of a trie; a lone end is an EPSILON with the word's payload."""
    if trie == NO_WORDS:
        return EMPTY
    ends = argument(m, trie, 0)
    if length_of(m, trie) == 1:
        return epsilon(m, ends - 1)
    return flagged(m, intern_1(m, WORDS, trie), NULLABLE if ends > 0 else 0)


@inner
def without(m: Memory, node: int, trie: int) -> int:
    """The language minus the words of the trie."""
    if trie == NO_WORDS or node == EMPTY:
        return node
    flags = SEARCH
    if nullable(m, node) and argument(m, trie, 0) == 0:
        flags |= NULLABLE
    return flagged(m, intern_2(m, WITHOUT, node, trie), flags)


@inner
def table_state(m: Memory, table: int, state: int) -> int:
    """A state of the explicit automaton `table`: [states, accepting…, offsets…, (lo, hi, target)…]."""
    accepting = argument(m, table, 1 + state)
    return flagged(m, intern_2(m, STATE, table, state), NULLABLE if accepting else 0)


@kernel
def begin(address: int) -> None:
    """Put the objects named at the top of this module into an empty store."""
    m = memory_at(address)
    flagged(m, intern(m, EMPTY_KIND, height(m)), DEAD)
    epsilon(m, 0)
    symbol_range(m, 0, 255)
    repeat(m, ANY_BYTE, 0, UNBOUNDED)
    position = height(m)
    push(m, 0)
    push(m, 0)
    push(m, 0xD7FF)
    push(m, 0xE000)
    push(m, 0x10FFFF)
    chars(m, position)
    repeat(m, ANY_CHAR, 0, UNBOUNDED)
    intern_1(m, TRIE, 0)
    intern(m, TEXT_KIND, height(m))
