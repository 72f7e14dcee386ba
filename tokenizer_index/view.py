"""What kernels see of an index: a table of addresses and sizes.

Passing a dozen arrays to a kernel costs a tenth of a microsecond each; passing the address of this table costs
once.  Whoever holds a view keeps the arrays alive.
"""

from constrain.grammars.automata._jit import Memory, inner, memory_at

KERNELS = "de716cabbe365690"

# Words of the table: addresses of arrays of int32, unless it says otherwise.
TRIE = 0  # rows of symbol, subtree size, depth, token or -1; preorder, the root first
TRIE_SIZE = 1  # number of nodes
DEPTH = 2  # length of the longest token
SAME = 3  # per token, the next token with the same bytes, or -1
TOKEN_OFFSETS = 4  # per token, where its symbols begin; one more at the end
TOKEN_SYMBOLS = 5
END_TOKENS = 6
END_COUNT = 7
WORDS = 8  # 32-bit words of a mask
POOL = 9  # int64 rows of the fields below
CHILD_OFFSETS = 10  # per trie node, where its children begin; one more at the end
CHILDREN = 11  # rows of symbol, trie node; those of one node by increasing symbols
LAST_WORD = 12  # the last word of a mask that allows everything
TWINS = 13  # whether some tokens have the same bytes; if not, nobody needs to look at SAME
HEIGHTS = 14  # per trie node, how many symbols the longest token below it has from there on
BELOW = 15  # per trie node, two words of int64: the symbols that occur below it, see `trie.symbols_below`
LACKING = 16  # of an engine: what a walk has done without, see `walks.put_off`
VIEW_SIZE = 17

# Fields of a pooled row: addresses of its bits, its suffix trie, the tokens of that, and its wide exits; numbers of
# suffix nodes, of wide exits, and of all exits.
POOL_BITS, POOL_SUFFIXES, POOL_TOKENS, POOL_WIDE, POOL_COUNT, POOL_WIDE_COUNT, POOL_EXITS = 0, 1, 2, 3, 4, 5, 6
POOL_WIDTH = 7

# Cells of a trie node, and of a suffix trie node: symbol, subtree size, depth, then token, or first token and count.
NODE_WIDTH = 4
SUFFIX_WIDTH = 5


@inner
def child_from(children: Memory, first: int, last: int, symbol: int) -> int:
    """The first of the children `first` to `last` - 1 whose symbol is at least `symbol`; `last` if there is none."""
    while first < last:
        middle = (first + last) // 2
        if children[2 * middle] < symbol:
            first = middle + 1
        else:
            last = middle
    return first


@inner
def is_letter(symbol: int) -> bool:
    """Whether a byte is a letter, a digit, an underscore, or part of a character beyond ASCII."""
    return (
        0x30 <= symbol <= 0x39
        or 0x41 <= symbol <= 0x5A
        or symbol == 0x5F
        or 0x61 <= symbol <= 0x7A
        or 0x80 <= symbol <= 0xFF
    )


@inner
def set_bit(mask: Memory, token: int) -> None:
    """Allow a token."""
    mask[token >> 5] = mask[token >> 5] | (1 << (token & 31))


@inner
def clear_bit(mask: Memory, token: int) -> None:
    """Forbid a token."""
    mask[token >> 5] = mask[token >> 5] & ~(1 << (token & 31))


@inner
def has_bit(mask: Memory, token: int) -> bool:
    """Whether a token is allowed."""
    return (mask[token >> 5] >> (token & 31)) & 1 != 0


@inner
def twin_of(view: Memory, token: int) -> int:
    """The next token with the same bytes, or -1."""
    return memory_at(view[SAME])[token] if view[TWINS] else -1


@inner
def set_all(mask: Memory, view: Memory, token: int) -> None:
    """Allow a token and all others with the same bytes; nothing for -1."""
    while token >= 0:
        set_bit(mask, token)
        token = twin_of(view, token)
