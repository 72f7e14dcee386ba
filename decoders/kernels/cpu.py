"""Masks and draws on the CPU, compiled by numba.

What they compute is said in `reference`.  Logits of other types and strides are masked as they are, and copied
for draws.  The rows of a batch are shared out among threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from constrain.decoders.kernels.reference import BLOCK, COLDEST
from constrain.grammars.automata._jit import inner, kernel

__all__ = ["apply", "cut", "draw"]

_LARGEST = np.float32(np.finfo(np.float32).max)
_LOST, _COLDEST = np.float32(-np.inf), np.float32(COLDEST)
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_TINY = np.float32(-87.0)
_STEP, _BELOW_ONE = np.float32(2.0**-32), np.float32(1 - 2.0**-24)
_HALF, _ONE, _ROUNDING = np.float32(0.5), np.float32(1), np.float32(1.5 * 2**23)
_C2, _C3, _C4, _C5, _C6 = (np.float32(1 / divisor) for divisor in (2, 6, 24, 120, 720))
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_FACTOR_A, _FACTOR_C = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_STEP_LOW, _STEP_HIGH = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)

Array = npt.NDArray[Any]


@kernel
def _apply(cells: Array, words: Array, sources: Array, targets: Array, forbidden: Any) -> None:
    """Write the bits of -inf over forbidden logits, which are integers of their size here."""
    width = cells.shape[1]
    for pair in range(sources.size):
        source, target = sources[pair], targets[pair]
        if source < 0:
            continue
        line = cells[target]
        for place in range((width + 31) // 32):
            word = words[source, place] if place < words.shape[1] else 0
            part = line[32 * place : 32 * place + 32]
            if word == 0:
                part[:] = forbidden
            elif word != -1:
                for bit in range(part.size):  # without a branch, so that several are done at a time
                    part[bit] = part[bit] if (word >> np.int32(bit)) & 1 else forbidden


@inner
def _exp(x: Any) -> Any:
    """The exponential of a float32 that is not positive, as arithmetic done for several numbers at a time.

    Taylor's series on ±ln(2)/2, with the power of two added to the bits of the exponent (Cody and Waite, "Software
    Manual for the Elementary Functions", 1980).  Adding 1.5 · 2²³ rounds to an integer, which are then the last bits.
    """
    inside = x if x > _TINY else _TINY
    shifted = inside * _LOG2_E + _ROUNDING
    power = shifted - _ROUNDING
    rest = (inside - power * _LN2_HIGH) - power * _LN2_LOW
    series = _ONE + rest * (_ONE + rest * (_C2 + rest * (_C3 + rest * (_C4 + rest * (_C5 + rest * _C6)))))
    bits = np.float32(series).view(np.int32) + (np.float32(shifted).view(np.int32) << 23)
    return np.int32(bits).view(np.float32) if x > _TINY else np.float32(0)


@inner
def _load(line: Array, mask: Array, free: bool, least: Any, begin: int, values: Array, kept: Array) -> int:
    """Values of a block, made finite, and those of them that may be drawn; how many there are."""
    count = min(values.size, line.size - begin)
    for i in range(count):
        value = line[begin + i]
        value = _LOST if value != value else value
        values[i] = min(value, _LARGEST)
    if free:
        kept[:count] = values[:count]
    else:
        for first in range(0, count, 32):
            place = (begin + first) // 32
            word = mask[place] if place < mask.size else 0
            part, chosen = values[first : min(count, first + 32)], kept[first : first + 32]
            for bit in range(part.size):
                chosen[bit] = part[bit] if (word >> np.int32(bit)) & 1 else _LOST
    if least > _LOST:
        for i in range(count):
            kept[i] = kept[i] if kept[i] >= least else _LOST
    return count


@inner
def _sum(values: Array, count: int) -> Any:
    """Four sums side by side, so that none waits for another."""
    a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    whole = count - count % 4
    for i in range(0, whole, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    for i in range(whole, count):
        a += values[i]
    return (a + b) + (c + d)


@inner
def _mass(values: Array, count: int, top: Any, scale: Any, masses: Array) -> Any:
    """The sum of exp((x - top) / scale)."""
    if top == _LOST:
        return np.float32(0)
    inverse = _ONE / scale
    for i in range(count):
        masses[i] = _exp((values[i] - top) * inverse)
    return _sum(masses, count)


@inner
def _gumbel(seed: Any, place: Any, kind: Any, first: int, noise: Array) -> None:
    """See `noise.gumbel`; a whole number of groups."""
    for group in range(noise.size // 4):
        a, b = np.uint64(first // 4 + group), np.uint64(place) & _LOW
        c, d = np.uint64(place) >> _SHIFT, np.uint64(kind)
        low, high = np.uint64(seed) & _LOW, np.uint64(seed) >> _SHIFT
        for _ in range(10):
            left, right = a * _FACTOR_A, c * _FACTOR_C
            a, b = (right >> _SHIFT) ^ b ^ low, right & _LOW
            c, d = (left >> _SHIFT) ^ d ^ high, left & _LOW
            low, high = (low + _STEP_LOW) & _LOW, (high + _STEP_HIGH) & _LOW
        noise[4 * group] = _gumbel_of(a)
        noise[4 * group + 1] = _gumbel_of(b)
        noise[4 * group + 2] = _gumbel_of(c)
        noise[4 * group + 3] = _gumbel_of(d)


@inner
def _gumbel_of(word: Any) -> Any:
    fraction = min((np.float32(word) + _HALF) * _STEP, _BELOW_ONE)
    rest = _ONE - fraction
    taken = _ONE - rest
    return -np.log(fraction if taken == 0 else -np.log(rest) * (fraction / taken))


@inner
def _largest(values: Array, count: int) -> Any:
    """Four maxima side by side."""
    a, b, c, d = _LOST, _LOST, _LOST, _LOST
    whole = count - count % 4
    for i in range(0, whole, 4):
        a = a if a > values[i] else values[i]
        b = b if b > values[i + 1] else values[i + 1]
        c = c if c > values[i + 2] else values[i + 2]
        d = d if d > values[i + 3] else values[i + 3]
    for i in range(whole, count):
        a = max(a, values[i])
    return max(max(a, b), max(c, d))


@kernel
def _draw(
    logits: Array,
    words: Array,
    sources: Array,
    temperatures: Array,
    thresholds: Array,
    seeds: Array,
    places: Array,
    tokens: Array,
    figures: Array,
) -> None:
    """Draw for each row; `words` has no rows where nothing is masked."""
    width = logits.shape[1]
    blocks = (width + BLOCK - 1) // BLOCK
    values, kept = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    noise, block_noise = np.empty(BLOCK, np.float32), np.empty((blocks + 3) // 4 * 4, np.float32)
    tops, masses = np.empty(blocks, np.float32), np.empty(blocks, np.float32)
    whole_tops, wholes = np.empty(blocks, np.float32), np.empty(blocks, np.float32)
    scratch = np.empty(BLOCK, np.float32)
    for row in range(logits.shape[0]):
        line, source, least = logits[row], sources[row], thresholds[row]
        free = source < 0 or words.shape[0] == 0
        mask = words[0 if free else source] if words.shape[0] else words.reshape(-1)
        greedy = temperatures[row] <= 0
        scale = _ONE if greedy else max(temperatures[row], _COLDEST)
        for block in range(blocks):
            count = _load(line, mask, free, least, block * BLOCK, values, kept)
            tops[block] = _largest(kept, count)
            masses[block] = _mass(kept, count, tops[block], scale, scratch)
            if free and least == _LOST:
                whole_tops[block], wholes[block] = tops[block], masses[block]
            else:
                whole_tops[block] = _largest(values, count)
                wholes[block] = _mass(values, count, whole_tops[block], scale, scratch)
        top, whole_top = _largest(tops, blocks), _largest(whole_tops, blocks)
        if top == _LOST:
            tokens[row] = -1
            figures[row] = _LOST
            continue
        total, whole = np.float32(0), np.float32(0)
        for block in range(blocks):
            total += masses[block] * _exp((tops[block] - top) / scale)
            whole += wholes[block] * _exp((whole_tops[block] - whole_top) / scale)

        _gumbel(seeds[row], places[row], 1, 0, block_noise)
        chosen, best = 0, _LOST
        for block in range(blocks):
            score = tops[block]
            if not greedy and masses[block] > 0:
                score = (tops[block] - top) / scale + np.log(masses[block]) + block_noise[block]
            if score > best:
                chosen, best = block, score
        first = chosen * BLOCK
        count = _load(line, mask, free, least, first, values, kept)
        _gumbel(seeds[row], places[row], 0, first, noise)
        token, best = 0, _LOST
        for i in range(count):
            score = kept[i] if greedy else (kept[i] - tops[chosen]) / scale + noise[i]
            if score > best:
                token, best = i, score
        tokens[row] = first + token
        log_total = np.log(total)
        figures[row, 0] = (kept[token] - top) / scale - log_total
        figures[row, 1] = min(top / scale + log_total, _LARGEST)
        figures[row, 2] = min((top - whole_top) / scale + log_total - np.log(whole), np.float32(0))


@inner
def _search(orders: Array, weights: Array, count: int, needed: Any, scratch: Array) -> int:
    """The largest order such that the weights of those not below it add up to what is needed."""
    key = -(1 << 31)
    for step in range(32):
        candidate = key + (1 << (31 - step))
        for i in range(count):
            scratch[i] = weights[i] if orders[i] >= candidate else np.float32(0)
        if _sum(scratch, count) >= needed:
            key = candidate
    return key


@inner
def _value_of(order: int) -> Any:
    return np.int32(order ^ 0x7FFFFFFF if order < 0 else order).view(np.float32)


@kernel
def _cut(
    logits: Array,
    words: Array,
    sources: Array,
    temperatures: Array,
    top_k: Array,
    top_p: Array,
    min_p: Array,
    thresholds: Array,
) -> None:
    """The thresholds of rows, from the tokens that may be drawn, put side by side."""
    width = logits.shape[1]
    values, kept = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    orders, weights = np.empty(width, np.int32), np.empty(width, np.float32)
    found, scratch = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(logits.shape[0]):
        line, source = logits[row], sources[row]
        free = source < 0 or words.shape[0] == 0
        mask = words[0 if free else source] if words.shape[0] else words.reshape(-1)
        scale = _ONE if temperatures[row] <= 0 else max(temperatures[row], _COLDEST)
        size, top = 0, _LOST
        for begin in range(0, width, BLOCK):
            count = _load(line, mask, free, _LOST, begin, values, kept)
            for i in range(count):
                if kept[i] > _LOST:
                    bits = np.float32(kept[i]).view(np.int32)
                    found[size] = kept[i]
                    orders[size] = bits ^ ((bits >> 31) & 0x7FFFFFFF)
                    top = max(top, kept[i])
                    size += 1
        least = _LOST
        if top_k[row] > 0 and size:
            weights[:size] = 1
            least = _value_of(_search(orders, weights, size, np.float32(min(top_k[row], size)), scratch))
        if top_p[row] < 1 and size:
            for i in range(size):
                weights[i] = _exp((found[i] - top) / scale) if found[i] >= least else np.float32(0)
            needed = top_p[row] * _sum(weights, size)
            least = max(least, _value_of(_search(orders, weights, size, needed, scratch)))
        thresholds[row] = max(least, top + scale * np.log(min_p[row]))


# Calls

_SIZES: dict[torch.dtype, tuple[torch.dtype, int]] = {
    torch.float16: (torch.int16, -0x0400),
    torch.bfloat16: (torch.int16, -0x0080),
    torch.float32: (torch.int32, -0x00800000),
    torch.float64: (torch.int64, -0x0010000000000000),
}
"""Integers of the size of each type, and the bits of -inf."""

_SHARE = 1 << 18
"""Logits that are worth a thread."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(torch.get_num_threads(), "constrain-kernels")


def _share_out(rows: int, size: int, work: Callable[[slice], None]) -> None:
    """Do the work of rows, `size` logits altogether, in threads where that is worth it."""
    parts = min(rows, torch.get_num_threads(), max(1, size // _SHARE))
    if parts < 2:
        work(slice(0, rows))
        return
    bounds = [rows * part // parts for part in range(parts + 1)]
    pending = [_pool().submit(work, slice(*pair)) for pair in pairwise(bounds)]
    for done in pending:
        done.result()


def _numbers(rows: torch.Tensor | None, count: int) -> Array:
    return np.arange(count) if rows is None else rows.numpy().astype(np.int64)


def apply(
    logits: torch.Tensor, words: torch.Tensor, sources: torch.Tensor | None, targets: torch.Tensor | None
) -> None:
    """See `backends`."""
    kind, forbidden = _SIZES[logits.dtype]
    cells, masks = logits.detach().view(kind).numpy(), words.contiguous().numpy()
    count = next((len(each) for each in (targets, sources) if each is not None), logits.shape[0])
    from_, to = _numbers(sources, count), _numbers(targets, count)
    _share_out(count, count * logits.shape[1], lambda part: _apply(cells, masks, from_[part], to[part], forbidden))


def _arrays(
    logits: torch.Tensor, words: torch.Tensor | None, sources: torch.Tensor | None
) -> tuple[Array, Array, Array]:
    masks = np.empty((0, 0), np.int32) if words is None else words.contiguous().numpy()
    return logits.detach().float().contiguous().numpy(), masks, _numbers(sources, len(logits))


def draw(
    logits: torch.Tensor,
    words: torch.Tensor | None,
    sources: torch.Tensor | None,
    temperatures: torch.Tensor,
    thresholds: torch.Tensor | None,
    seeds: torch.Tensor,
    places: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `backends`."""
    values, masks, numbers = _arrays(logits, words, sources)
    rows = len(values)
    least = np.full(rows, -np.inf, np.float32) if thresholds is None else thresholds.numpy()
    settings = temperatures.numpy(), least, seeds.numpy(), places.numpy()
    tokens, figures = np.empty(rows, np.int64), np.empty((rows, 3), np.float32)

    def work(part: slice) -> None:
        temperature, threshold, seed, place = (each[part] for each in settings)
        line = values[part], masks, numbers[part], temperature, threshold, seed, place
        _draw(*line, tokens[part], figures[part])

    _share_out(rows, values.size, work)
    return torch.from_numpy(tokens), torch.from_numpy(figures).t()


def cut(
    logits: torch.Tensor,
    words: torch.Tensor | None,
    sources: torch.Tensor | None,
    temperatures: torch.Tensor,
    top_k: torch.Tensor,
    top_p: torch.Tensor,
    min_p: torch.Tensor,
) -> torch.Tensor:
    """See `backends`."""
    values, masks, numbers = _arrays(logits, words, sources)
    settings = tuple(each.numpy() for each in (temperatures, top_k, top_p, min_p))
    thresholds = np.empty(len(values), np.float32)

    def work(part: slice) -> None:
        temperature, k, p, share = (each[part] for each in settings)
        _cut(values[part], masks, numbers[part], temperature, k, p, share, thresholds[part])

    _share_out(len(values), values.size, work)
    return torch.from_numpy(thresholds)
