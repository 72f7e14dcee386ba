"""Rows: which tokens stay inside a lexeme, and where they may leave it.  A function of its regular expression alone.

The row of a regular expression holds the tokens that its strings can begin with, and the *exits*: the trie nodes
at which a string of it ends inside a token.  Rows come in four forms, of which the last two are made from the second
(`reduced_rows`):

SMALL    a list of tokens and exits, made on demand (`small_rows`)
POOLED   a bitmask in the index's pool, shared by all grammars and kept on disk.  Its exits are merged by what
         follows them: of Llama 3's tokens 1,312 close a JSON string, with 576 distinct continuations
REDUCED  "any string but these words", "at most n characters": the pooled row of "any string", minus some tokens
DOUBTED  "any name but these keywords": the pooled row of "any name", and tokens to be decided one by one

A row that turns out large while it is made is asked for through the status NEEDS_ROW; `pooled_rows` makes it.

Rows are of the whole vocabulary, or of what lies below a trie node, its *root*: ROW [regular expression, root].
"""

from constrain.grammars.automata._jit import Memory, inner, kernel, memory_at
from constrain.grammars.automata.nodes import (
    EMPTY,
    INTERSECT,
    WITHOUT,
)
from constrain.grammars.automata.store import (
    MEMO_C,
    NEEDS_ROW,
    OK,
    STATUS,
    argument,
    height,
    intern_2,
    kind_of,
    memo,
    push,
    recall,
    remember,
    set_memo,
    store_stack,
)
from constrain.tokenizer_index.parser import ROW
from constrain.tokenizer_index.pooled_rows import LETTERS, SHARED
from constrain.tokenizer_index.reach import reach_of
from constrain.tokenizer_index.reduced_rows import POOLED, base_of, base_without_bound, doubt, reduce
from constrain.tokenizer_index.small_rows import BUDGET, UNLIMITED, collect
from constrain.tokenizer_index.tables import NEEDED_NODE, NEEDED_PART, NEEDED_ROOT

__all__ = ["letters_of", "row_of", "set_pooled"]

KERNELS = "de716cabbe365690"


@inner
def ask_for_row(m: Memory, node: int, root: int, part: int) -> None:
    """Let the call fail for want of a part of a pooled row."""
    if m[STATUS] == OK:
        m[STATUS] = NEEDS_ROW
        m[NEEDED_NODE], m[NEEDED_ROOT], m[NEEDED_PART] = node, root, part


@inner
def _reduced_row(m: Memory, node: int, view: Memory) -> int:
    """The record of a reduced row; -1 where there is none, or the call has failed."""
    base, reach = base_of(m, node), -1
    if base == EMPTY:
        base, reach = base_without_bound(m, node), 1
        if base != EMPTY and kind_of(m, argument(m, node, 0)) == INTERSECT:
            reach = reach_of(m, argument(m, base, 0))
    if base == EMPTY or m[STATUS] != OK:
        return -1
    record = _row_of_base(m, base, base, 0, view)
    if m[STATUS] == OK and m[record] == POOLED:
        if reduce(m, node, base, reach, view):
            return memo(m, node, MEMO_C)
        ask_for_row(m, node, 0, SHARED)
    return -1


@inner
def _doubted_row(m: Memory, row: int, node: int, root: int, view: Memory) -> int:
    """The record of a row with tokens in doubt; -1 where there is none, or the call has failed."""
    base = argument(m, node, 0)
    record = _row_of_base(m, _row_at(m, base, root), base, root, view)
    if m[STATUS] == OK and m[record] == POOLED:
        if doubt(m, row, node, root, record, view):
            return memo(m, row, MEMO_C)
        ask_for_row(m, node, root, SHARED)
    return -1


@inner
def _row_at(m: Memory, node: int, root: int) -> int:
    """The object whose record is that of the row below a trie node."""
    return node if root == 0 else intern_2(m, ROW, node, root)


@inner
def _row_of_base(m: Memory, row: int, node: int, root: int, view: Memory) -> int:
    """The record of a row that is made from nothing else; -1 as `row_of` says."""
    if m[STATUS] == OK and memo(m, row, MEMO_C) < 0 and not collect(m, row, node, root, view, BUDGET):
        ask_for_row(m, node, root, SHARED)
    return memo(m, row, MEMO_C)


@inner
def row_of(m: Memory, node: int, root: int, keyed: bool, view: Memory) -> int:
    """The record of the row of a regular expression below a trie node.

    -1 when the call has failed, or a pooled row is needed.  The exits of a pooled row have no payloads, so an
    expression that is `keyed` by them gets a small one always.
    """
    row = _row_at(m, node, root)
    record = memo(m, row, MEMO_C)
    if record >= 0 or m[STATUS] != OK:
        return record
    if keyed:
        collect(m, row, node, root, view, UNLIMITED)
        return memo(m, row, MEMO_C)
    if kind_of(m, node) == WITHOUT:
        record = _doubted_row(m, row, node, root, view)
    elif root == 0:
        record = _reduced_row(m, node, view)
    if record >= 0 or m[STATUS] != OK:
        return record
    return _row_of_base(m, row, node, root, view)


@kernel
def set_pooled(address: int, node: int, root: int, part: int, number: int) -> None:
    """Say that a part of the row of `node` below trie node `root` is number `number` of the pool."""
    m = memory_at(address)
    row = _row_at(m, node, root)
    if part == LETTERS:
        remember(m, row, _LETTERS_OF, number)
        return
    position = height(m)
    push(m, POOLED)
    push(m, number)
    push(m, node)
    set_memo(m, row, MEMO_C, store_stack(m, position))


_LETTERS_OF = 1 << 28  # with a row, this number stands for its part LETTERS


@inner
def letters_of(m: Memory, node: int, root: int) -> int:
    """The number in the pool of the other part of a pooled row; -1 when it has been asked for."""
    row = _row_at(m, node, root)
    number = recall(m, row, _LETTERS_OF)
    if number < 0:
        ask_for_row(m, node, root, LETTERS)
    return number
