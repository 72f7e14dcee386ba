"""Token masks: which tokens may come next in a configuration.

The plain way is `walk`: go through the vocabulary's trie from the configuration, one symbol at a time, and leave a
subtree where the text leaves the language.  It is exact and serves every case, but inside a JSON string it visits a
quarter of a million nodes.  A mask is put together from rows instead: when every split into lexemes counts, from those
of the terminals that are being read (`rows`), when the longest match counts, from those of lexer states
(`lexer_rows`); behind the exits of a row the parser decides, and `walk` or the like goes on from there.

Tokens that rows cannot decide, because what follows depends on a text that they do not know, are in doubt
(`row_masks`): each is read once more from the beginning.
"""

from constrain.grammars.automata._jit import Memory, inner, kernel, memory_at, words_at
from constrain.grammars.automata.expand import transitions
from constrain.grammars.automata.store import (
    MEMO_B,
    OK,
    STATUS,
    WORK,
    argument,
    height,
    intern_3,
    length_of,
    memo,
)
from constrain.tokenizer_index.configurations import ACCEPTING, config_step, flags_of, is_live
from constrain.tokenizer_index.lexer_masks import add_lexer_rows
from constrain.tokenizer_index.parser import (
    CONFIGURATION,
    first_lexer,
    push_item,
    set_of,
)
from constrain.tokenizer_index.row_masks import add_rows
from constrain.tokenizer_index.tables import (
    ACCEPT,
    LONGEST_MATCH,
    SEARCHES,
    START,
)
from constrain.tokenizer_index.view import (
    END_COUNT,
    END_TOKENS,
    LAST_WORD,
    NODE_WIDTH,
    TOKEN_OFFSETS,
    TOKEN_SYMBOLS,
    TRIE,
    WORDS,
    set_bit,
)
from constrain.tokenizer_index.walks import fail_for_lack, nothing_lacks, put_off, walk

KERNELS = "de716cabbe365690"

# Result of `make_mask`, besides ACCEPTING.
SOME_TOKEN, EVERY_TOKEN = 8, 16


@inner
def read_token(m: Memory, configuration: int, view: Memory, token: int) -> int:
    """The configuration after a token, 0 when it may not come next."""
    offsets, symbols = memory_at(view[TOKEN_OFFSETS]), memory_at(view[TOKEN_SYMBOLS])
    if offsets[token] == offsets[token + 1]:
        return 0
    for i in range(offsets[token], offsets[token + 1]):
        configuration = config_step(m, configuration, symbols[i])
        if configuration == 0:
            break
    return configuration


@inner
def _decide_doubts(m: Memory, configuration: int, view: Memory, mask: Memory, doubts: Memory) -> None:
    kept = height(m)
    for word in range(view[WORDS]):
        bits = doubts[word]
        doubts[word] = 0
        for i in range(32):
            if (bits >> i) & 1:
                after = read_token(m, configuration, view, 32 * word + i)
                if m[STATUS] != OK and put_off(m, view, kept):
                    continue
                if after != 0:
                    set_bit(mask, 32 * word + i)
    doubts[view[WORDS]] = 0


@kernel
def make_mask(address: int, table: int, configuration: int, mask_address: int, doubts_address: int) -> int:
    """Write the mask of a configuration.

    `table` is the address of the index's view; the mask has ceil(V/32) words, `doubts` one more, all zero before
    and after.  The result says ACCEPTING, SOME_TOKEN (besides the end), EVERY_TOKEN; it is -1 when the call has failed.
    """
    m, view = memory_at(address), words_at(table)
    m[WORK] = 0
    mask, doubts = memory_at(mask_address), memory_at(doubts_address)
    words = view[WORDS]
    nothing_lacks(view)
    for word in range(words):
        mask[word] = 0
    if m[LONGEST_MATCH]:
        add_lexer_rows(m, configuration, view, mask, doubts)
    else:
        add_rows(m, configuration, view, mask, doubts)
    if doubts[words]:
        _decide_doubts(m, configuration, view, mask, doubts)
    fail_for_lack(m, view)
    result = flags_of(m, configuration) & ACCEPTING
    word = 0
    while word < words and mask[word] == 0:
        word += 1
    if word < words:
        result |= SOME_TOKEN
    if result & ACCEPTING:
        ends = memory_at(view[END_TOKENS])
        for i in range(view[END_COUNT]):
            set_bit(mask, ends[i])
    word = 0
    while word < words - 1 and mask[word] == -1:
        word += 1
    if word == words - 1 and mask[word] & view[LAST_WORD] == view[LAST_WORD]:
        result |= EVERY_TOKEN
    return result if m[STATUS] == OK else -1


@kernel
def plain_mask(address: int, table: int, configuration: int, root: int, mask_address: int, doubts_address: int) -> None:
    """Add the tokens below trie node `root` to a mask, the plain way."""
    m, view = memory_at(address), words_at(table)
    doubts = memory_at(doubts_address)
    nothing_lacks(view)
    walk(m, configuration, root, view, memory_at(mask_address), doubts)
    fail_for_lack(m, view)
    for word in range(view[WORDS] + 1):
        doubts[word] = 0


@kernel
def after_token(address: int, table: int, configuration: int, token: int) -> int:
    """Twice the configuration after a token, and 1 when the text may end there; 0 when the token may not come next.

    -1 when the call has failed.
    """
    m = memory_at(address)
    m[WORK] = 0
    after = read_token(m, configuration, words_at(table), token)
    if m[STATUS] != OK:
        return -1
    return 2 * after + (1 if after > 0 and flags_of(m, after) & ACCEPTING else 0)


@kernel
def after_symbols(address: int, configuration: int, symbols: int, count: int) -> int:
    """The configuration after `count` symbols at an address, 0 when the text leaves the language."""
    m, text = memory_at(address), memory_at(symbols)
    for i in range(count):
        configuration = config_step(m, configuration, text[i])
        if configuration == 0:
            break
    return configuration


@kernel
def first_configuration(address: int, may_be_empty: int) -> int:
    """The configuration before any text, 0 when the language is empty; `may_be_empty`: the empty text belongs to it."""
    m = memory_at(address)
    position = height(m)
    push_item(m, START, 0, 0)
    if may_be_empty:
        push_item(m, ACCEPT, 0, 0)
    first = intern_3(m, CONFIGURATION, set_of(m, position), 0, 0)
    if m[SEARCHES] and not is_live(m, first):
        return 0
    return first


@kernel
def configuration_flags(address: int, configuration: int) -> int:
    """Whether the text may end in a configuration."""
    return flags_of(memory_at(address), configuration)


@inner
def _only_symbol(m: Memory, configuration: int) -> int:
    """The symbol that must come next; -1 when there is none, or more than one."""
    only = -1
    for i in range(0, length_of(m, configuration), 3):
        lexer = argument(m, configuration, i + 1)
        if lexer == 0:
            lexer = first_lexer(m, argument(m, configuration, i))
        for j in range(1, length_of(m, lexer), 3):
            node = argument(m, lexer, j)
            start = transitions(m, node)
            for k in range(start, start + 3 * memo(m, node, MEMO_B), 3):
                for symbol in range(m[k], m[k + 1] + 1):
                    if symbol != only and config_step(m, configuration, symbol) != 0:
                        if only >= 0 or m[STATUS] != OK:
                            return -1
                        only = symbol
    return only


@kernel
def forced_symbols(address: int, configuration: int, symbols: int, limit: int) -> int:
    """Write the symbols that must come next, at most `limit`, until the text may end; their number."""
    m, out = memory_at(address), memory_at(symbols)
    count = 0
    while count < limit and not flags_of(m, configuration) & ACCEPTING:
        symbol = _only_symbol(m, configuration)
        if symbol < 0:
            break
        out[count] = symbol
        count += 1
        configuration = config_step(m, configuration, symbol)
    return count


@kernel
def may_extend(address: int, table: int, configuration: int, text: int, size: int) -> int:
    """Whether some token begins with a text and goes on as `configuration`, which follows the text, allows."""
    m, view, symbols = memory_at(address), words_at(table), memory_at(text)
    trie = memory_at(view[TRIE])
    node, read = 0, 0
    while read < size:
        child, end = node + 1, node + trie[NODE_WIDTH * node + 1]
        while child < end and trie[NODE_WIDTH * child] != symbols[read]:
            child += trie[NODE_WIDTH * child + 1]
        if child >= end:
            return 0
        node = child
        read += 1
    child, end = node + 1, node + trie[NODE_WIDTH * node + 1]
    while child < end:
        if config_step(m, configuration, trie[NODE_WIDTH * child]) != 0:
            return 1
        child += trie[NODE_WIDTH * child + 1]
    return 0
