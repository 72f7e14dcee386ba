"""The best way of a pushdown automaton through a text whose tokens have weights.  Compiled.

A *context* is what happens above one symbol of the stack, begun at one position: the best weight of each state above
it depends on neither the symbols below nor on what came before.  So stacks are edges from a context to the one below,
with the symbol between them and the best weight at which it was pushed (a graph-structured stack, Tomita 1987), and a
step of the text is made once for each context.  Time is O(contexts · positions) and, where much is popped,
O(edges · positions), cubic in the length at worst.

Tokens are spines and edges, as `frontiers.Moves` lays them out.  What a token pushes beyond one symbol makes contexts
between these symbols, in which nothing is read.

Ways that cannot weigh `least` any more are left: if stacks did not matter, what follows would weigh at most the
`outlook`, which is known from behind.  So a least weight just below the best one leaves few contexts.
"""

from typing import NamedTuple

import numpy as np

from constrain.grammars.automata._jit import Cells, inner, int64, kernel

__all__ = ["FULL", "Layers", "Work", "best_path", "new_work", "outlooks"]

CONTEXTS, EDGES, RECORDS, FULL = range(4)
_NONE = -np.inf
_CLOSE = 1e-9  # relative: sums of the same weights in another order


class Layers(NamedTuple):
    """A text, position by position.

    rows      where `data` has the tokens of each position, as `frontiers.Moves` lays them out, (n, 8)
    data      these tokens
    places    where the weights of the edges of each position begin, (n,); -1 where all are 0
    weights   log-weights of edges
    optional  whether a position may be left out, at weight 0, (n,)
    tails     log-weight of ending before each position, and behind the last one, (n + 1,)
    finals    whether a text may end in a state, (Q,)
    start     the first state
    """

    rows: Cells
    data: Cells
    places: Cells
    weights: np.ndarray
    optional: np.ndarray
    tails: np.ndarray
    finals: np.ndarray
    start: int


class Work(NamedTuple):
    """Memory of a search; `new_work` says how large each part is.

    counts    how many contexts, edges and records there are, and whether something was full
    best      of each context, the best weight at which it is begun
    lowest    of each context, its first edge
    edge      of each edge: the next one, symbol, context below, record from which it was pushed, and by which edge of a
              token at which position; -1 for both where a token pushes another symbol below
    pushed    weights of edges
    record    how something was reached: (record before, edge of a token, position), or (edge popped, record above, -1)
    slot      of each context, its row at this position, -1 for none
    values    of each row, weights of the nodes that are taken off, with two numbers each of how they are reached
    owners    of each row, its context
    later     of each row of the next position, weights of states, with their records and the context
    """

    counts: np.ndarray
    best: np.ndarray
    lowest: Cells
    edge: np.ndarray
    pushed: np.ndarray
    record: np.ndarray
    slot: Cells
    values: np.ndarray
    sources: np.ndarray
    later: np.ndarray
    records: np.ndarray
    owners: Cells


class Token(NamedTuple):
    """What one position reads, ready for use.

    ways     of node i of what is taken off, (symbol or -1, node) from steps[2 · ways[i]] on
    edges    of node i, the edges from edges[i] on, in `targets`
    parents  of each pushed node: what is left without its lowest symbol, and that symbol; -1 for states
    """

    ways: Cells
    steps: Cells
    edges: Cells
    targets: Cells
    parents: Cells
    weights: np.ndarray
    over: np.ndarray
    under: np.ndarray


def new_work(size: int, states: int, nodes: int) -> Work:
    """Memory for `size` contexts, of an automaton of so many states and tokens of so many nodes."""
    rows = max(256, size // 4)
    return Work(
        counts=np.zeros(4, np.int64),
        best=np.zeros(size),
        lowest=np.zeros(size, np.int32),
        edge=np.zeros((16 * size, 6), np.int32),
        pushed=np.zeros(16 * size),
        record=np.zeros((32 * size, 3), np.int32),
        slot=np.full(size, -1, np.int32),
        values=np.zeros((rows, nodes)),
        sources=np.zeros((rows, nodes, 2), np.int32),
        later=np.zeros((rows, states)),
        records=np.zeros((rows, states), np.int32),
        owners=np.zeros(rows, np.int32),
    )


@inner
def _token(layers: Layers, place: int) -> Token:
    row, data, states = layers.rows[place], layers.data, int64(len(layers.finals))
    nodes, second = int64(row[1]), int64(row[2])
    others, third, count = int64(row[3]), int64(row[4]), int64(row[5])
    ways = data[row[6] : row[6] + nodes + 1]
    edges, targets = np.zeros(nodes + 1, np.int32), np.zeros(count, np.int32)
    for i in range(count):
        edges[data[third + 2 * i] + 1] += 1
        targets[i] = data[third + 2 * i + 1]
    for i in range(nodes):
        edges[i + 1] += edges[i]
    parents = np.full(2 * others, -1, np.int32)
    for node in range(states, others):
        at = int64(data[second + node])
        parents[2 * node], parents[2 * node + 1] = data[2 * at], data[2 * at + 1]
    weights = np.zeros(count)
    if layers.places[place] >= 0:
        weights[:] = layers.weights[layers.places[place] : layers.places[place] + count]
    return Token(ways, data, edges, targets, parents, weights, np.zeros(nodes), np.zeros(others))


@inner
def _look(token: Token, behind: np.ndarray) -> None:
    """Write what may follow each node, whatever the stack: `over` of what is taken off, `under` of what is pushed."""
    over, under = token.over, token.under
    for node in range(len(under)):
        parent = token.parents[2 * node]
        under[node] = behind[node] if parent < 0 else under[parent]
    for node in range(len(over) - 1, -1, -1):
        best = _NONE
        for i in range(token.edges[node], token.edges[node + 1]):
            best = max(best, token.weights[i] + under[token.targets[i]])
        for i in range(token.ways[node], token.ways[node + 1]):
            best = max(best, over[token.steps[2 * i + 1]])
        over[node] = best


@kernel
def outlooks(layers: Layers) -> np.ndarray:
    """At most what may follow in each state at each position, (n + 1, Q): stacks are not looked at."""
    length, states = len(layers.rows), len(layers.finals)
    found = np.full((length + 1, states), _NONE)
    for place in range(length, -1, -1):
        if place < length:
            token = _token(layers, place)
            _look(token, found[place + 1])
            found[place] = token.over[:states]
            if layers.optional[place]:
                found[place] = np.maximum(found[place], found[place + 1])
        for state in range(states):
            if layers.finals[state]:
                found[place, state] = max(found[place, state], layers.tails[place])
    return found


# The search


@inner
def _counted(w: Work, what: int, capacity: int) -> int:
    """A new number; 0 when there is none left."""
    number = int64(w.counts[what])
    if number >= capacity:
        w.counts[FULL] = 1
        return 0
    w.counts[what] = number + 1
    return number


@inner
def _recorded(w: Work, first: int, second: int, place: int) -> int:
    number = _counted(w, RECORDS, len(w.record))
    w.record[number, 0], w.record[number, 1], w.record[number, 2] = first, second, place
    return number


@inner
def _row(w: Work, context: int, rows: int) -> int:
    """Begin a row for a context at this position; how many there are then."""
    if rows >= len(w.values):
        w.counts[FULL] = 1
        w.slot[context] = 0
        return rows
    w.slot[context] = rows
    w.owners[rows] = context
    w.values[rows], w.later[rows] = _NONE, _NONE
    return rows + 1


@inner
def _taken_off(w: Work, token: Token, context: int, node: int, least: float, rows: int) -> int:
    """Go on from a node, the weight of which is final, to those below; how many rows there are then."""
    row = int64(w.slot[context])
    value, record = w.values[row, node], int64(w.sources[row, node, 0])
    for i in range(token.ways[node], token.ways[node + 1]):
        symbol, below = token.steps[2 * i], int64(token.steps[2 * i + 1])
        if symbol < 0:
            if value > w.values[row, below]:
                w.values[row, below] = value
                w.sources[row, below, 0], w.sources[row, below, 1] = record, -1
            continue
        edge = int64(w.lowest[context])
        while edge >= 0:
            if w.edge[edge, 1] == symbol:
                lower = int64(w.edge[edge, 2])
                total = value + w.pushed[edge]
                if w.best[lower] + total + token.over[below] >= least:
                    if w.slot[lower] < 0:
                        rows = _row(w, lower, rows)
                    other = int64(w.slot[lower])
                    if total > w.values[other, below]:
                        w.values[other, below] = total
                        w.sources[other, below, 0], w.sources[other, below, 1] = edge, record
            edge = int64(w.edge[edge, 0])
    return rows


@inner
def _reached(w: Work, row: int, node: int) -> None:
    """Make the record of a node that was reached by popping."""
    above = int64(w.sources[row, node, 1])
    if above >= 0:
        w.sources[row, node, 0] = _recorded(w, int64(w.sources[row, node, 0]), above, -1)
        w.sources[row, node, 1] = -1


@inner
def _advance(w: Work, token: Token, place: int, context: int, least: float, rows: int, heads: Cells) -> int:
    """Read a token in a context; pushes are written behind `heads`, and to `under`; how many rows there are then."""
    row, count = int64(w.slot[context]), len(token.under)
    base = w.best[context]
    after, via, source = np.full(count, _NONE), np.zeros(count, np.int32), np.zeros(count, np.int32)
    for node in range(len(token.over)):
        value = w.values[row, node]
        if value == _NONE or base + value + token.over[node] < least:
            continue
        _reached(w, row, node)
        rows = _taken_off(w, token, context, node, least, rows)
        for i in range(token.edges[node], token.edges[node + 1]):
            target = token.targets[i]
            total = value + token.weights[i]
            if total > after[target] and base + total + token.under[target] >= least:
                after[target], via[target], source[target] = total, i, w.sources[row, node, 0]
    states = w.later.shape[1]
    for node in range(count):
        if after[node] == _NONE:
            continue
        if node < states:
            if after[node] > w.later[row, node]:
                w.later[row, node] = after[node]
                w.records[row, node] = _recorded(w, int64(source[node]), int64(via[node]), place)
        else:
            _push(w, heads, int64(node), context, after[node], int64(source[node]), int64(via[node]), place)
    return rows


@inner
def _push(w: Work, heads: Cells, node: int, lower: int, weight: float, source: int, via: int, place: int) -> None:
    """Add an edge to the list of a node of pushed symbols."""
    edge = _counted(w, EDGES, len(w.edge))
    w.edge[edge, 0], w.edge[edge, 2], w.edge[edge, 3] = heads[node], lower, source
    w.edge[edge, 4], w.edge[edge, 5] = via, place
    w.pushed[edge] = weight
    heads[node] = edge


@inner
def _numbered(w: Work, token: Token, heads: Cells, states: int) -> Cells:
    """New contexts above what was pushed, those below first; of each pushed node its context, -1 for none."""
    numbers = np.full(len(heads), -1, np.int32)
    for node in range(len(heads) - 1, -1, -1):  # a node's parent comes before it
        if numbers[node] != -1:
            context = _counted(w, CONTEXTS, len(w.best))
            numbers[node] = context
            w.best[context], w.lowest[context] = _NONE, -1
            if node >= states:  # between two symbols of one token
                _push(w, heads, node, context, 0.0, 0, -1, -1)
        if node >= states and heads[node] >= 0 and numbers[token.parents[2 * node]] == -1:
            numbers[token.parents[2 * node]] = -2
    return numbers


@inner
def _opened(w: Work, token: Token, heads: Cells, rows: int, states: int) -> int:
    """Begin the contexts above what was pushed; how many rows of the next position there are then."""
    numbers = _numbered(w, token, heads, states)
    if w.counts[FULL] != 0:
        return 0
    for node in range(len(heads) - 1, states - 1, -1):
        edge, context = int64(heads[node]), int64(numbers[token.parents[2 * node]])
        while edge >= 0:
            following = int64(w.edge[edge, 0])
            w.edge[edge, 0], w.edge[edge, 1] = w.lowest[context], token.parents[2 * node + 1]
            w.lowest[context] = edge
            w.best[context] = max(w.best[context], w.best[w.edge[edge, 2]] + w.pushed[edge])
            edge = following
    for state in range(states):
        if numbers[state] >= 0:
            if rows >= len(w.values):
                w.counts[FULL] = 1
                return 0
            w.later[rows] = _NONE
            w.later[rows, state], w.records[rows, state], w.owners[rows] = 0.0, 0, numbers[state]
            rows += 1
    return rows


@inner
def _started(w: Work, layers: Layers) -> None:
    w.counts[:] = 0
    w.counts[CONTEXTS] = w.counts[RECORDS] = 1  # the whole text, and the beginning of any context
    w.best[0], w.lowest[0], w.owners[0] = 0.0, -1, 0
    w.later[0] = _NONE
    w.later[0, layers.start], w.records[0, layers.start] = 0.0, 0


@inner
def _laid_out(w: Work, states: int, rows: int) -> None:
    """The rows of the next position become those of this one."""
    for row in range(rows):
        w.slot[w.owners[row]] = row
        w.values[row] = _NONE
        w.values[row, :states] = w.later[row]
        w.sources[row, :states, 0] = w.records[row]
        w.sources[row, :states, 1] = -1


@inner
def _step(w: Work, layers: Layers, place: int, behind: np.ndarray, least: float, rows: int) -> int:
    """Read one position; how many rows of the next one there are."""
    states = int64(len(layers.finals))
    token = _token(layers, place)
    _look(token, behind)
    _laid_out(w, states, rows)
    if not layers.optional[place]:
        w.later[:rows] = _NONE
    heads = np.full(len(token.under), -1, np.int32)
    for context in range(w.counts[CONTEXTS] - 1, -1, -1):  # those above first
        if w.slot[context] >= 0:
            rows = _advance(w, token, place, context, least, rows, heads)
            if w.counts[FULL] != 0:
                return 0
    kept = 0
    for row in range(rows):
        context = int64(w.owners[row])
        w.slot[context] = -1
        alive = False
        for state in range(states):
            alive |= w.later[row, state] != _NONE
        if alive:
            w.later[kept], w.records[kept], w.owners[kept] = w.later[row], w.records[row], context
            kept += 1
    return _opened(w, token, heads, kept, states)


@kernel
def best_path(w: Work, layers: Layers, outlook: np.ndarray, least: float, chosen: Cells) -> float:
    """The weight of a best completion, and which edge it reads at each position.

    layers    the text
    outlook   what `outlooks` says of it
    least     completions that weigh less need not be found
    chosen    (n,) int32, written: numbers of edges; -1 where nothing is read

    -inf when there is none; when a part of the memory is full, `counts[FULL]` is set.
    """
    length, states = len(layers.rows), len(layers.finals)
    best, last, rows = _NONE, int64(-1), int64(1)
    _started(w, layers)
    for place in range(length + 1):
        for row in range(rows):
            if w.owners[row] == 0:
                for state in range(states):
                    total = w.later[row, state] + layers.tails[place]
                    if layers.finals[state] and total > best:
                        best, last = total, int64(w.records[row, state])
        if place < length:
            bound = max(least, best)
            bound -= _CLOSE * (1 + abs(bound)) if bound != _NONE else 0.0
            rows = _step(w, layers, place, outlook[place + 1], bound, rows)
            if w.counts[FULL] != 0:
                w.slot[:] = -1
                return _NONE
    chosen[:] = -1
    _traced(w, last, chosen)
    return best


@inner
def _traced(w: Work, last: int, chosen: Cells) -> None:
    """Write the edges of tokens on the way to a record."""
    pending = np.zeros(2 * len(chosen) + 2, np.int32)
    pending[0], count = last, int64(last >= 0)
    while count > 0:
        if count + 2 > len(pending):
            pending = np.append(pending, np.zeros_like(pending))
        count -= 1
        record = int64(pending[count])
        if record == 0:
            continue
        first, second, place = w.record[record]
        if place >= 0:
            chosen[place] = second
            pending[count] = first
            count += 1
            continue
        pending[count] = second
        count += 1
        if w.edge[first, 5] >= 0:
            chosen[w.edge[first, 5]] = w.edge[first, 4]
            pending[count] = w.edge[first, 3]
            count += 1
