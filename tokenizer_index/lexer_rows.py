"""Rows of lexer states, for grammars in which the longest match counts: what tokens do, whatever the parser's state.

A reading is a parser set, a lexer state and a guard (see configurations).  As long as no lexeme ends, the parser set
stays as it is, so a row can be a function of the other two.  LEXER_ROW [lexer state, guard, trie node] is what is below
a trie node: the tokens that stay inside the lexeme, and the *exits*: the trie nodes at which it may end.  Exits at
which the same terminals end under the same guard are a *group*; what may follow them is one trie of suffixes, without
those that the guard forbids at once, as it does with letters behind the end of a name.  The parser is asked once a
group, and goes on along the suffixes (`masks`).  Behind a *wide* exit, below which very much is left, as below a space,
it goes on with another row.

A row is a record in the store: numbers of lexer states, groups, wide exits, cells of the tokens inside and suffix
nodes; the pairs of lexer state and guard that tokens inside the lexeme lead to; the pairs of ends and guard of each
group; the pairs of group and trie node of each wide exit; the tokens inside, a list or, if that would be longer, the
bits of all tokens; the suffix trie, whose nodes of depth one are the groups; and the tokens of its nodes (see `view`).
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from constrain.grammars.automata._jit import Cells, Memory, inner, int64, kernel, memory_at, words_at
from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.nodes import union_of
from constrain.grammars.automata.store import MEMO_A, OK, STATUS, WORK, argument, set_memo
from constrain.tokenizer_index.configurations import guard_after
from constrain.tokenizer_index.lexer import ends_of, lexer_step, rest_of, union_of_members
from constrain.tokenizer_index.suffix_tries import add_node, child_of, flatten_suffixes, link_tokens, with_root
from constrain.tokenizer_index.tables import append_cells
from constrain.tokenizer_index.trie import BEYOND_ASCII
from constrain.tokenizer_index.view import BELOW, DEPTH, NODE_WIDTH, SAME, SUFFIX_WIDTH, TRIE, TRIE_SIZE, WORDS, set_all

__all__ = ["load_lexer_row"]

KERNELS = "de716cabbe365690"

Numbers: TypeAlias = npt.NDArray[np.int64]

_UNKNOWN, _NONE = -2, -1


@inner
def _place(pairs: Numbers, count: int, first: int, second: int) -> int:
    """Where a pair stands among the first `count`; there are few."""
    i = count - 1
    while i >= 0 and (pairs[i, 0] != first or pairs[i, 1] != second):
        i -= 1
    return i if i >= 0 else count


@inner
def _with_room(pairs: Numbers, count: int) -> Numbers:
    if count < len(pairs):
        return pairs
    grown = np.zeros((2 * count, pairs.shape[1]), np.int64)
    grown[:count] = pairs
    return grown


@inner
def _moves_with_room(moves: Cells, count: int) -> Cells:
    if count < len(moves):
        return moves
    grown = np.full((2 * count, moves.shape[1]), _UNKNOWN, np.int32)
    grown[:count] = moves
    return grown


@inner
def _forbid(m: Memory, groups: Numbers, group: int, forbidden: Numbers) -> None:
    """Write the symbols of ASCII, as two words of bits, that the guard of a new group forbids at once."""
    guard = groups[group, 1]
    for other in range(group):
        if groups[other, 1] == guard:
            forbidden[group] = forbidden[other]
            return
    for symbol in range(BEYOND_ASCII if guard != 0 else 0):
        if guard_after(m, guard, symbol) < 0:
            forbidden[group, symbol >> 6] |= int64(1) << (symbol & 63)


@inner
def _note_loop(loops: Numbers, pair: int, symbol: int, group: int) -> None:
    """Note that a symbol leads from a pair back to it, if it ends the same group as those noted before."""
    if symbol < BEYOND_ASCII and (loops[pair, 2] == 0 or loops[pair, 2] == group + 2):
        loops[pair, symbol >> 6] |= int64(1) << (symbol & 63)
        loops[pair, 2] = group + 2


@inner
def _lies_in(below: Memory, node: int, symbols: Numbers, row: int) -> bool:
    """Whether all symbols below a trie node belong to a set."""
    return bool(below[2 * node] & ~symbols[row, 0] == 0 and below[2 * node + 1] & ~symbols[row, 1] == 0)


@kernel
def _walk_lexer(address: int, table: int, row: int, bits: int, exits: Cells) -> tuple[int, Numbers, Numbers]:
    """Write the tokens that stay inside the lexeme, and the exits: trie node, group, whether tokens stay there.

    The number of exits, the pairs that tokens lead to, and the groups.  Pairs are numbered as they are met, so that a
    step that was taken before is one look into a table.  Most of the vocabulary lies below nodes where a name goes on
    with letters: there, all symbols lead back to the pair, and the guard lets none follow the end of a lexeme, so that
    the subtree is taken as a whole.
    """
    m, view = memory_at(address), words_at(table)
    m[WORK] = 0
    trie, mask, below = memory_at(view[TRIE]), memory_at(bits), words_at(view[BELOW])
    for word in range(view[WORDS]):
        mask[word] = 0
    pairs, groups = np.empty((16, 2), np.int64), np.empty((16, 2), np.int64)
    pairs[0, 0], pairs[0, 1] = argument(m, row, 0), argument(m, row, 1)
    moves = np.full((16, 512), _UNKNOWN, np.int32)  # by symbol, the pair after it, and from 256 on, the group
    forbidden = np.zeros((16, 2), np.int64)  # by group
    loops = np.zeros((16, 3), np.int64)  # by pair, symbols that lead back to it, and the group that they end, plus two
    path = np.zeros(view[DEPTH] + 1, np.int64)
    count, group_count, exit_count = 1, 0, 0
    root = argument(m, row, 2)
    i, end, outer = root + 1, root + trie[NODE_WIDTH * root + 1], trie[NODE_WIDTH * root + 2]
    while i < end and m[STATUS] == OK:
        symbol, size, depth = trie[NODE_WIDTH * i], trie[NODE_WIDTH * i + 1], trie[NODE_WIDTH * i + 2] - outer
        here = path[depth - 1]
        inside, group = _UNKNOWN, _NONE
        if symbol < 256:
            inside, group = int64(moves[here, symbol]), int64(moves[here, 256 + symbol])
        if inside == _UNKNOWN:
            inside, group = _NONE, _NONE
            after = guard_after(m, pairs[here, 1], symbol)
            reached = lexer_step(m, pairs[here, 0], symbol) if after >= 0 else 0
            if reached > 0:
                rest = rest_of(m, reached)
                if rest > 0:
                    inside = _place(pairs, count, rest, after)
                    pairs, loops = _with_room(pairs, count), _with_room(loops, count)
                    moves = _moves_with_room(moves, count)
                    pairs[inside, 0], pairs[inside, 1] = rest, after
                    count = max(count, inside + 1)
                if ends_of(m, reached) > 0:
                    if rest > 0:
                        after = union_of(m, after, union_of_members(m, rest))
                    group = _place(groups, group_count, ends_of(m, reached), after)
                    if group == group_count:
                        groups, forbidden = _with_room(groups, group_count), _with_room(forbidden, group_count)
                        groups[group, 0], groups[group, 1] = ends_of(m, reached), after
                        _forbid(m, groups, group, forbidden)
                        group_count += 1
            if symbol < 256:
                moves[here, symbol], moves[here, 256 + symbol] = inside, group
            if inside == here:
                _note_loop(loops, here, symbol, group)
        if group >= 0 and (inside < 0 or not _lies_in(below, i, forbidden, group)):
            exits[exit_count, 0], exits[exit_count, 1], exits[exit_count, 2] = i, group, inside >= 0
            exit_count += 1
        if inside < 0:
            i += size
            continue
        set_all(mask, view, trie[NODE_WIDTH * i + 3])
        loop = loops[inside, 2] - 2
        if size > 1 and _lies_in(below, i, loops, inside) and (loop < 0 or _lies_in(below, i, forbidden, loop)):
            for j in range(i + 1, i + size):
                set_all(mask, view, trie[NODE_WIDTH * j + 3])
            i += size
            continue
        path[depth] = inside
        i += 1
    return exit_count, pairs[:count].copy(), groups[:group_count].copy()


@inner
def _known_move(moves: Cells, guard: int, symbol: int) -> int:
    """The number of the guard after a symbol, _NONE where it has matched, _UNKNOWN where that is to be found out."""
    if guard == 0:
        return 0
    return int64(moves[guard, symbol]) if symbol < 256 else _UNKNOWN


@inner
def _find_move(m: Memory, guards: Numbers, count: int, moves: Cells, guard: int, symbol: int) -> int:
    """Find it out.  A new guard is put behind the others, for which there is room."""
    after = guard_after(m, guards[guard, 0], symbol)
    found = _NONE
    if after >= 0:
        found = _place(guards, count, after, 0)
        guards[found, 0], guards[found, 1] = after, 0
    if symbol < 256:
        moves[guard, symbol] = found
    return found


@inner
def _number_guards(groups: Numbers, guards: Numbers) -> tuple[int, Numbers]:
    """Write the guards of groups, each once, behind that of no guard; their number, and the guard of each group."""
    count, first = 1, np.zeros(len(groups), np.int64)
    guards[0, 0], guards[0, 1] = 0, 0
    for group in range(len(groups)):
        place = _place(guards, count, groups[group, 1], 0)
        guards[place, 0], guards[place, 1] = groups[group, 1], 0
        count = max(count, place + 1)
        first[group] = place
    return count, first


@kernel
def _merge_exits(
    address: int, table: int, exits: Cells, groups: Numbers
) -> tuple[Cells, int, Cells, int, Numbers, int]:
    """Enter what follows the exits of each group into one trie, as far as guards allow it.

    The trie (see `suffix_tries`) with the groups below its root, the number of its nodes, the chain and the number of
    its links; wide exits, rows of group and trie node, and their number.
    """
    m, view = memory_at(address), words_at(table)
    m[WORK] = 0
    trie, same = memory_at(view[TRIE]), memory_at(view[SAME])
    nodes, chain, wide = with_root(1024), np.empty((1024, 2), np.int32), np.empty((16, 2), np.int64)
    count, links, wide_count = 1, 0, 0
    for group in range(len(groups)):
        nodes = add_node(nodes, count, 0, group)
        count += 1
    guards = np.empty((len(groups) + 16, 2), np.int64)
    guard_count, first_guards = _number_guards(groups, guards)
    moves = np.full((len(guards), 256), _UNKNOWN, np.int32)
    path, guard_path = np.zeros(view[DEPTH] + 1, np.int64), np.zeros(view[DEPTH] + 1, np.int64)
    for k in range(len(exits)):
        root, group = int64(exits[k, 0]), int64(exits[k, 1])
        path[0], guard_path[0] = 1 + group, first_guards[group]
        if not exits[k, 2]:
            chain, links = link_tokens(nodes, 1 + group, chain, links, int64(trie[NODE_WIDTH * root + 3]), same)
        outer, end = int64(trie[NODE_WIDTH * root + 2]), root + trie[NODE_WIDTH * root + 1]
        i, left, merges = root + 1, 0, False  # first, what is left below the exit is counted
        while i < end and m[STATUS] == OK:
            symbol, size, depth = (
                int64(trie[NODE_WIDTH * i]),
                trie[NODE_WIDTH * i + 1],
                trie[NODE_WIDTH * i + 2] - outer,
            )
            guard = _known_move(moves, guard_path[depth - 1], symbol)
            if guard == _UNKNOWN:
                guards, moves = _with_room(guards, guard_count), _moves_with_room(moves, guard_count)
                guard = _find_move(m, guards, guard_count, moves, guard_path[depth - 1], symbol)
                guard_count = max(guard_count, guard + 1)
            if not merges or guard < 0:
                left += size if guard >= 0 else 0
                i += size
            else:
                child = child_of(nodes, path[depth - 1], symbol)
                if child < 0:
                    child = count
                    nodes = add_node(nodes, count, path[depth - 1], symbol)
                    count += 1
                chain, links = link_tokens(nodes, child, chain, links, int64(trie[NODE_WIDTH * i + 3]), same)
                path[depth], guard_path[depth] = child, guard
                i += 1
            if i >= end and not merges and 0 < left <= _WIDE:
                i, merges = root + 1, True
        if left > _WIDE:
            wide = _with_room(wide, wide_count)
            wide[wide_count, 0], wide[wide_count, 1] = group, root
            wide_count += 1
    return nodes, count, chain, links, wide, wide_count


_WIDE = 256  # trie nodes


@kernel
def _set_row(address: int, row: int, record: int) -> None:
    set_memo(memory_at(address), row, MEMO_A, record)


def load_lexer_row(arena: Arena, table: Cells, row: int) -> None:
    """Make a LEXER_ROW, over the vocabulary of the view `table`."""
    address = table.ctypes.data
    bits = np.zeros(int(table[WORDS]), np.int32)
    exits = np.empty((int(table[TRIE_SIZE]), 3), np.int32)
    count, pairs, groups = arena.run(_walk_lexer, address, row, bits.ctypes.data, exits)
    nodes, size, chain, links, wide, wide_count = arena.run(_merge_exits, address, exits[:count], groups)
    suffixes, tokens = np.empty((max(size - 1, 1), SUFFIX_WIDTH), np.int32), np.empty(links, np.int32)
    flatten_suffixes(nodes, size, chain, suffixes, tokens)
    inside = bits
    if np.bitwise_count(bits.view(np.uint32)).sum() < len(bits):
        inside = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little").view(bool)).astype(np.int32)
    numbers = [len(pairs), len(groups), wide_count, len(inside), size - 1]
    parts = (pairs.ravel(), groups.ravel(), wide[:wide_count].ravel(), inside, suffixes[: size - 1].ravel(), tokens)
    record = arena.run(append_cells, np.concatenate((numbers, *parts)).astype(np.int32))
    arena.run(_set_row, row, record)
