"""The configurations after all tokens at once: one walk of the vocabulary's trie."""

from constrain.grammars.automata._jit import Cells, kernel, memory_at, words_at
from constrain.grammars.automata.store import OK, STATUS, at, cut, height, push
from constrain.tokenizer_index.configurations import config_step
from constrain.tokenizer_index.view import NODE_WIDTH, SAME, TRIE

KERNELS = "de716cabbe365690"


@kernel
def successors(address: int, table: int, configuration: int, root: int, after: Cells) -> None:
    """Write the configuration after each token below trie node `root`; tokens that may not be read are left alone.

    `table` is the address of the index's view; `after` is (vocab_size,) int32.
    """
    m, view = memory_at(address), words_at(table)
    trie, same = memory_at(view[TRIE]), memory_at(view[SAME])
    base = height(m)
    push(m, configuration)
    outer = trie[NODE_WIDTH * root + 2]
    i, end = root + 1, root + trie[NODE_WIDTH * root + 1]
    while i < end and m[STATUS] == OK:
        cell = NODE_WIDTH * i
        size, depth = trie[cell + 1], trie[cell + 2] - outer
        here = config_step(m, at(m, base + depth - 1), trie[cell])
        if here == 0:
            i += size
            continue
        token = trie[cell + 3]
        while token >= 0:
            after[token] = here
            token = same[token]
        cut(m, base + depth)
        push(m, here)
        i += 1
    cut(m, base)
