"""Going through the vocabulary's trie from a configuration, one symbol at a time: the plain way to make a mask.

A subtree is left where the text leaves the language.  This is exact and serves every case, but inside a JSON string it
visits a quarter of a million nodes; `masks` puts masks together from rows instead, and walks behind their exits.

Where tokens lead to rules that have not been made, or to what follows a text and is not known yet, a walk does not give
up at the first: it notes what is lacking and goes on with the other tokens.  The call fails at its end, all is made at
once, and few calls are needed instead of one for each rule.
"""

import numpy as np

from constrain.grammars.automata._jit import Memory, inner, int64, memory_at
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.store import (
    MEMO_A,
    MEMO_B,
    NEEDS_FOLLOWER,
    NEEDS_RULE,
    NEEDS_SEVERAL,
    OK,
    STATUS,
    argument,
    at,
    cut,
    height,
    length_of,
    memo,
    push,
    put,
    recall,
    remember,
    store_stack,
)
from constrain.tokenizer_index.configurations import DOUBTFUL, UNSURE, config_step, flags_of
from constrain.tokenizer_index.parser import (
    first_lexer,
)
from constrain.tokenizer_index.tables import NEEDED_RULE, NEEDED_STATE, NEEDED_TEXT
from constrain.tokenizer_index.view import (
    CHILD_OFFSETS,
    CHILDREN,
    LACKING,
    NODE_WIDTH,
    TRIE,
    WORDS,
    set_all,
)

__all__ = [
    "LACKING_SIZE",
    "NOTED",
    "begins_with",
    "fail_for_lack",
    "first_bytes_of",
    "nothing_lacks",
    "put_off",
    "times_put_off",
    "walk",
]

KERNELS = "de716cabbe365690"

_FEW = 8  # children that are tried one by one

LACKING_SIZE = 256
"""At most so many different things that are lacking are noted."""

NOTED = 2
"""So many int32 cells: how much is noted, how often something was put off; then three of each: status, what, text."""


@inner
def times_put_off(view: Memory) -> int:
    """How often this call has gone on without something: what is worked out meanwhile may be kept if it stays the same.

    Not the number of things noted: what was noted before, and is lacking again, is not noted twice.
    """
    return int64(memory_at(view[LACKING])[1])


@inner
def put_off(m: Memory, view: Memory, kept: int) -> bool:
    """After a failure for want of a rule or of what follows a text: note it, and let the call go on, if there is room.

    What was being read then counts as refused; nothing that depends on that may be remembered.  `kept` is the height
    of the stack before.
    """
    status, cells = int64(m[STATUS]), memory_at(view[LACKING])
    if status != NEEDS_RULE and status != NEEDS_FOLLOWER:
        return False
    one = int64(m[NEEDED_RULE] if status == NEEDS_RULE else m[NEEDED_STATE])
    text = int64(m[NEEDED_TEXT] if status == NEEDS_FOLLOWER else 0)
    cell, end = NOTED, NOTED + 3 * cells[0]
    while cell < end and (cells[cell] != status or cells[cell + 1] != one or cells[cell + 2] != text):
        cell += 3
    if cell == end:
        if cells[0] == LACKING_SIZE:
            return False
        cells[cell], cells[cell + 1], cells[cell + 2] = status, one, text
        cells[0] += 1
    cells[1] += 1
    m[STATUS] = OK
    cut(m, kept)
    return True


@inner
def nothing_lacks(view: Memory) -> None:
    """At the beginning of a call."""
    cells = memory_at(view[LACKING])
    cells[0], cells[1] = 0, 0


@inner
def fail_for_lack(m: Memory, view: Memory) -> None:
    """Let the call fail now, if anything was lacking."""
    if m[STATUS] == OK and times_put_off(view) > 0:
        m[STATUS] = NEEDS_SEVERAL


_FIRST_BYTES = 3 << 27  # with a lexer state or a configuration, this number stands for the place of its first bytes


@inner
def _first_of_lexer(m: Memory, lexer: int) -> int:
    place = recall(m, lexer, _FIRST_BYTES)
    if place >= 0:
        return place
    position = height(m)
    for _ in range(8):
        push(m, 0)
    for j in range(1, length_of(m, lexer), 3):
        node = argument(m, lexer, j)
        start = transitions(m, node) if memo(m, node, MEMO_A) < 0 else memo(m, node, MEMO_A)
        for k in range(start, start + 3 * memo(m, node, MEMO_B), 3):
            for symbol in range(m[k], min(m[k + 1], 255) + 1):
                word = position + (symbol >> 5)
                put(m, word, at(m, word) | (1 << (symbol & 31)))
    place = store_stack(m, position)
    remember(m, lexer, _FIRST_BYTES, place)
    return place


@inner
def first_bytes_of(m: Memory, configuration: int) -> int:
    """Which bytes the lexers of a configuration go on with: all that may come next, and perhaps others.

    The place of eight cells, see `begins_with`; nothing to look at when the call has failed.
    """
    if length_of(m, configuration) == 3:
        lexer = argument(m, configuration, 1)
        if lexer == 0:
            lexer = first_lexer(m, argument(m, configuration, 0))
        return _first_of_lexer(m, lexer) if m[STATUS] == OK else 0
    place = recall(m, configuration, _FIRST_BYTES)
    if place >= 0:
        return place
    position = height(m)
    for _ in range(8):
        push(m, 0)
    for i in range(0, length_of(m, configuration), 3):
        lexer = argument(m, configuration, i + 1)
        if lexer == 0:
            lexer = first_lexer(m, argument(m, configuration, i))
        if m[STATUS] != OK:
            return 0
        place = _first_of_lexer(m, lexer)
        for word in range(8):
            put(m, position + word, at(m, position + word) | m[place + word])
    place = store_stack(m, position)
    remember(m, configuration, _FIRST_BYTES, place)
    return place


@inner
def begins_with(m: Memory, first_bytes: int, symbol: int) -> bool:
    """Whether a symbol is one of the first bytes, or no byte."""
    return symbol >= 256 or (m[first_bytes + (symbol >> 5)] >> (symbol & 31)) & 1 != 0


@inner
def walk(m: Memory, start: int, root: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    """Allow the tokens below trie node `root` that may be read from configuration `start`.

    `doubts` is a mask too, of tokens that cannot be decided here; its last word says whether there are any.  Trie
    nodes that are to be visited wait in `pending`, each with the configuration there and whether it is unsure.
    """
    trie = memory_at(view[TRIE])
    offsets, children = memory_at(view[CHILD_OFFSETS]), memory_at(view[CHILDREN])
    pending = np.empty(64, np.int64)
    pending[0], pending[1], pending[2] = root, start, flags_of(m, start) & UNSURE
    top, kept = 3, height(m)
    while top > 0 and m[STATUS] == OK:
        top -= 3
        i, configuration, unsure = pending[top], pending[top + 1], pending[top + 2]
        count = offsets[i + 1] - offsets[i]
        while top + 3 * count > pending.size:
            grown = np.empty(2 * pending.size, np.int64)
            grown[: pending.size] = pending
            pending = grown
        narrowed = count > _FEW
        first_bytes = first_bytes_of(m, configuration) if narrowed else 0
        if m[STATUS] != OK:
            put_off(m, view, kept)
            continue
        for child in range(offsets[i], offsets[i + 1]):
            symbol = children[2 * child]
            if narrowed and not begins_with(m, first_bytes, symbol):
                continue
            here = config_step(m, configuration, symbol)
            if m[STATUS] != OK and put_off(m, view, kept):
                continue
            if here == 0:
                continue
            below = children[2 * child + 1]
            flags = flags_of(m, here)
            if flags & DOUBTFUL:
                for j in range(below, below + trie[NODE_WIDTH * below + 1]):
                    set_all(doubts, view, trie[NODE_WIDTH * j + 3])
                doubts[view[WORDS]] = 1
                continue
            if unsure:
                set_all(doubts, view, trie[NODE_WIDTH * below + 3])
                doubts[view[WORDS]] = 1
            else:
                set_all(mask, view, trie[NODE_WIDTH * below + 3])
            if trie[NODE_WIDTH * below + 1] > 1:
                pending[top], pending[top + 1], pending[top + 2] = below, here, unsure | (flags & UNSURE)
                top += 3
