"""Masks and draws as Triton kernels, for GPUs; with TRITON_INTERPRET=1 they run on the CPU, in Python, for tests.

What they compute is said in `reference`.  A program of the pass over the logits takes a tile of whole blocks, so that
few rows occupy a GPU as well as many; what is left to do for a row is of the size of a block, and another kernel.
"""

# Kernels are not annotated: Triton reads annotations, and knows no types but its own.
# mypy: allow-untyped-defs, allow-incomplete-defs

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import triton
import triton.language as tl

from constrain.decoders.kernels.reference import BLOCK, COLDEST

__all__ = ["advance", "apply", "cut", "draw"]

_LARGEST = tl.constexpr(torch.finfo(torch.float32).max)
_COLDEST = tl.constexpr(COLDEST)
_BLOCK = tl.constexpr(BLOCK)
_GROUPS = tl.constexpr(BLOCK // 4)
_WORDS = tl.constexpr(BLOCK // 32)
_BELOW_ONE = tl.constexpr(1 - 2.0**-24)
_STEP = tl.constexpr(2.0**-32)

_INTERPRETED = triton.knobs.runtime.interpret
_TILE = 8 if _INTERPRETED else 4  # blocks; programs are costly to the interpreter, large tiles are not
_APPLY_TILE = 256 if _INTERPRETED else 128  # words
_SEARCH = 8192 if _INTERPRETED else 4096  # logits that a search looks at together


def _kernel(function: Callable[..., Any]) -> Any:
    """`triton.jit`, without types."""
    return triton.jit(function)


@_kernel
def _apply(
    logits,
    words,
    sources,
    targets,
    width,
    masks,
    word_count,
    row_stride,
    column_stride,
    mask_stride,
    TILE: tl.constexpr,  # noqa: N803  words
):
    """Words of a tile, [TILE], are spread over its logits, [TILE, 32]; only forbidden ones are written."""
    pair = tl.program_id(0)
    source = pair.to(tl.int64)
    target = pair.to(tl.int64)
    if sources is not None:
        source = tl.load(sources + pair).to(tl.int64)
    if targets is not None:
        target = tl.load(targets + pair).to(tl.int64)
    if source >= 0:
        place = tl.program_id(1) * TILE + tl.arange(0, TILE)
        word = tl.load(words + source * mask_stride + place, mask=(place < word_count) & (source < masks), other=0)
        bit = tl.arange(0, 32)[None, :]
        token = place[:, None] * 32 + bit
        addresses = logits + target * row_stride + token.to(tl.int64) * column_stride
        if tl.max((word != 0).to(tl.int32), 0) == 0:  # the most frequent case, and the one that writes most
            tl.store(addresses, -float("inf"), mask=token < width)
        else:
            forbidden = ((word[:, None] >> bit) & 1) == 0
            tl.store(addresses, -float("inf"), mask=forbidden & (token < width))


@_kernel
def _finite(values):
    """See `reference._finite`."""
    values = values.to(tl.float32)
    return tl.minimum(tl.where(values == values, values, -float("inf")), _LARGEST)


@_kernel
def _scale(temperatures, row):
    temperature = tl.load(temperatures + row)
    return tl.where(temperature > 0, tl.maximum(temperature, _COLDEST), 1.0)


@_kernel
def _above(values, top):
    """See `reference._above`."""
    return values - tl.where(top == -float("inf"), 0.0, top)


@_kernel
def _exponential(word):
    fraction = tl.minimum((word.to(tl.float32) + 0.5) * _STEP, _BELOW_ONE)
    rest = 1.0 - fraction
    taken = 1.0 - rest
    return tl.where(taken == 0, fraction, -tl.log(rest) * (fraction / tl.where(taken == 0, 1.0, taken)))


@_kernel
def _gumbel(seed, place, kind, first, GROUPS: tl.constexpr):  # noqa: N803
    """See `noise.gumbel`; [4 GROUPS] numbers."""
    group = first // 4 + tl.arange(0, GROUPS)
    low = group * 0 + place.to(tl.int32)
    high = group * 0 + (place >> 32).to(tl.int32)
    a, b, c, d = tl.philox(seed, group, low, high, group * 0 + kind)
    word = tl.interleave(tl.interleave(a, c), tl.interleave(b, d))
    return -tl.log(_exponential(word))


@_kernel
def _mask(words, sources, row, masks, word_count, mask_stride):
    """Where the mask of a row begins, how many words it has, and whether the row is free instead."""
    source = row
    if sources is not None:
        source = tl.load(sources + row).to(tl.int64)
    return words + tl.maximum(source, 0) * mask_stride, tl.where(source < masks, word_count, 0), source < 0


@_kernel
def _values(line, column_stride, token, width):
    return _finite(tl.load(line + token.to(tl.int64) * column_stride, mask=token < width, other=-float("inf")))


@_kernel
def _allowed(mask, limit, free, place, bit):
    """Bits of the words at some places, which are loaded once for all bits that they are spread over."""
    word = tl.load(mask + place, mask=place < limit, other=0)
    return (((word >> bit) & 1) != 0) | free


@_kernel
def _sums(
    logits,
    words,
    sources,
    temperatures,
    thresholds,
    sums,
    width,
    masks,
    word_count,
    blocks,
    row_stride,
    column_stride,
    mask_stride,
    TILE: tl.constexpr,  # noqa: N803
):
    """The largest value and the mass of each block: of tokens that may be drawn, and of all; [rows, 4, blocks]."""
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1) * TILE + tl.arange(0, TILE)
    place = block[:, None, None] * _WORDS + tl.arange(0, 32)[None, :, None]
    bit = tl.arange(0, 32)[None, None, :]
    values = _values(logits + row * row_stride, column_stride, place * 32 + bit, width)
    kept = values
    if words is not None:
        mask, limit, free = _mask(words, sources, row, masks, word_count, mask_stride)
        kept = tl.where(_allowed(mask, limit, free, place, bit), kept, -float("inf"))
    if thresholds is not None:
        kept = tl.where(kept >= tl.load(thresholds + row), kept, -float("inf"))
    inverse = 1.0 / _scale(temperatures, row)
    top = tl.max(tl.max(kept, 2), 1)
    mass = tl.sum(tl.sum(tl.exp(_above(kept, top[:, None, None]) * inverse), 2), 1)
    whole_top = tl.max(tl.max(values, 2), 1)
    whole = tl.sum(tl.sum(tl.exp(_above(values, whole_top[:, None, None]) * inverse), 2), 1)
    out = sums + row * 4 * blocks + block
    inside = block < blocks
    tl.store(out, top, mask=inside)
    tl.store(out + blocks, mass, mask=inside)
    tl.store(out + 2 * blocks, whole_top, mask=inside)
    tl.store(out + 3 * blocks, whole, mask=inside)


@_kernel
def _choose(
    logits,
    words,
    sources,
    temperatures,
    thresholds,
    seeds,
    places,
    sums,
    tokens,
    figures,
    rows,
    width,
    masks,
    word_count,
    blocks,
    row_stride,
    column_stride,
    mask_stride,
    QUARTER: tl.constexpr,  # noqa: N803  of the number of blocks, rounded up to a power of two
):
    """Choose a block of a row, then a token of the block."""
    row = tl.program_id(0).to(tl.int64)
    greedy = tl.load(temperatures + row) <= 0
    scale = _scale(temperatures, row)
    seed = tl.load(seeds + row)
    place = tl.load(places + row)

    block = tl.arange(0, 4 * QUARTER)
    inside = block < blocks
    stored = sums + row * 4 * blocks + block
    tops = tl.load(stored, mask=inside, other=-float("inf"))
    masses = tl.load(stored + blocks, mask=inside, other=0.0)
    whole_tops = tl.load(stored + 2 * blocks, mask=inside, other=-float("inf"))
    wholes = tl.load(stored + 3 * blocks, mask=inside, other=0.0)
    top = tl.max(tops, 0)
    above = _above(tops, top) / scale
    total = tl.sum(masses * tl.exp(above), 0)
    whole_top = tl.max(whole_tops, 0)
    whole = tl.sum(wholes * tl.exp(_above(whole_tops, whole_top) / scale), 0)
    scores = tl.where(masses > 0, above + tl.log(tl.where(masses > 0, masses, 1.0)), -float("inf"))
    scores += _gumbel(seed, place, 1, 0, QUARTER)
    chosen = tl.argmax(tl.where(greedy, tops, scores), 0)

    offset = tl.arange(0, _BLOCK)
    token = chosen * _BLOCK + offset
    kept = _values(logits + row * row_stride, column_stride, token, width)
    if words is not None:
        mask, limit, free = _mask(words, sources, row, masks, word_count, mask_stride)
        kept = tl.where(_allowed(mask, limit, free, token // 32, token % 32), kept, -float("inf"))
    if thresholds is not None:
        kept = tl.where(kept >= tl.load(thresholds + row), kept, -float("inf"))
    noise = _gumbel(seed, place, 0, chosen * _BLOCK, _GROUPS)
    best = tl.argmax(tl.where(greedy, kept, _above(kept, tl.max(kept, 0)) / scale + noise), 0)
    value = tl.max(tl.where(offset == best, kept, -float("inf")), 0)

    dead = top == -float("inf")
    lost = -float("inf")
    log_total = tl.log(tl.where(dead, 1.0, total))
    log_mass = _above(top, whole_top) / scale + log_total - tl.log(tl.where(dead, 1.0, whole))
    tl.store(tokens + row, tl.where(dead, -1, (chosen * _BLOCK + best).to(tl.int64)))
    tl.store(figures + row, tl.where(dead, lost, _above(value, top) / scale - log_total))
    tl.store(figures + rows + row, tl.where(dead, lost, tl.minimum(top / scale + log_total, _LARGEST)))
    tl.store(figures + 2 * rows + row, tl.where(dead, lost, tl.minimum(log_mass, 0.0)))


@_kernel
def _weights(
    line,
    column_stride,
    mask,
    limit,
    free,
    token,
    width,
    least,
    top,
    scale,
    BY_MASS: tl.constexpr,  # noqa: N803
):
    """Logits as integers of the same order, and what each counts: 1, or its mass if it reaches `least`."""
    kept = _values(line, column_stride, token, width)
    if mask is not None:
        kept = tl.where(_allowed(mask, limit, free, token // 32, token % 32), kept, -float("inf"))
    bits = kept.to(tl.int32, bitcast=True)
    order = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).to(tl.int64)
    if BY_MASS:
        return order, tl.where(kept >= least, tl.exp(_above(kept, top) / scale), 0.0)
    return order, (kept > -float("inf")).to(tl.float32)


@_kernel
def _search(
    line,
    column_stride,
    mask,
    limit,
    free,
    width,
    least,
    top,
    scale,
    wanted,
    BY_MASS: tl.constexpr,  # noqa: N803
    TILE: tl.constexpr,  # noqa: N803
):
    """The largest logit such that those not below it count enough: `wanted`, or that share of all mass.

    Each pass over the row, which stays in the cache, finds two bits.  Sums of one order never decrease when numbers
    that are not negative join, in floating point too; so the value found is one of the row.
    """
    offset = tl.arange(0, TILE)
    sums = tl.zeros((TILE,), tl.float32)
    for begin in range(0, width, TILE):
        _, weight = _weights(line, column_stride, mask, limit, free, begin + offset, width, least, top, scale, BY_MASS)
        sums += weight
    total = tl.sum(sums, 0)
    needed = wanted * total if BY_MASS else tl.minimum(wanted, total)
    key = tl.full((), -2147483648, tl.int64)
    unit = tl.full((), 1073741824, tl.int64)
    for _ in range(16):
        first = tl.zeros((TILE,), tl.float32)
        second = tl.zeros((TILE,), tl.float32)
        third = tl.zeros((TILE,), tl.float32)
        for begin in range(0, width, TILE):
            order, weight = _weights(
                line, column_stride, mask, limit, free, begin + offset, width, least, top, scale, BY_MASS
            )
            first += tl.where(order >= key + unit, weight, 0.0)
            second += tl.where(order >= key + 2 * unit, weight, 0.0)
            third += tl.where(order >= key + 3 * unit, weight, 0.0)
        passed = (tl.sum(first, 0) >= needed).to(tl.int64) + (tl.sum(second, 0) >= needed).to(tl.int64)
        key += unit * (passed + (tl.sum(third, 0) >= needed).to(tl.int64))
        unit = unit >> 2
    found = key.to(tl.int32)
    return (found ^ ((found >> 31) & 0x7FFFFFFF)).to(tl.float32, bitcast=True)


@_kernel
def _cut(
    logits,
    words,
    sources,
    temperatures,
    top_k,
    top_p,
    min_p,
    thresholds,
    width,
    masks,
    word_count,
    row_stride,
    column_stride,
    mask_stride,
    TILE: tl.constexpr,  # noqa: N803
):
    """The threshold of a row: by count, then by the mass of what that keeps, then by the share of the largest."""
    row = tl.program_id(0).to(tl.int64)
    line = logits + row * row_stride
    scale = _scale(temperatures, row)
    mask, limit, free = words, 0, True
    if words is not None:
        mask, limit, free = _mask(words, sources, row, masks, word_count, mask_stride)
    offset = tl.arange(0, TILE)
    tops = tl.full((TILE,), -float("inf"), tl.float32)
    for begin in range(0, width, TILE):
        token = begin + offset
        kept = _values(line, column_stride, token, width)
        if words is not None:
            kept = tl.where(_allowed(mask, limit, free, token // 32, token % 32), kept, -float("inf"))
        tops = tl.maximum(tops, kept)
    top = tl.max(tops, 0)
    k = tl.load(top_k + row)
    p = tl.load(top_p + row)
    least = tl.full((), -float("inf"), tl.float32)
    if (k > 0) & (top > -float("inf")):
        wanted = k.to(tl.float32)
        least = _search(line, column_stride, mask, limit, free, width, least, top, scale, wanted, False, TILE)
    if (p < 1) & (top > -float("inf")):
        by_mass = _search(line, column_stride, mask, limit, free, width, least, top, scale, p, True, TILE)
        least = tl.maximum(least, by_mass)
    share = tl.load(min_p + row)
    if share > 0:
        least = tl.maximum(least, top + scale * tl.log(share))
    tl.store(thresholds + row, least)


@_kernel
def _advance(
    states,
    masks,
    failed,
    tokens,
    classes,
    bases,
    kinds,
    transitions,
    state_masks,
    rows,
    width,
    class_stride,
    TILE: tl.constexpr,  # noqa: N803
):
    """See `reference.advance`."""
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    inside = row < rows
    state = tl.load(states + row, mask=inside, other=0)
    token = tl.load(tokens + row, mask=inside, other=-1)
    known = inside & (token >= 0) & (token < width)
    kind = tl.load(kinds + state, mask=known, other=0).to(tl.int64)
    of_token = tl.load(classes + kind * class_stride + token, mask=known, other=0)
    after = tl.load(transitions + tl.load(bases + state, mask=known, other=0) + of_token, mask=known, other=-1)
    after = tl.where((state == 0) & (token >= 0), 0, after)
    state = tl.where(after >= 0, after, state)
    tl.store(states + row, state, mask=inside)
    tl.store(masks + row, tl.load(state_masks + state, mask=inside, other=0), mask=inside)
    tl.store(failed + row, tl.full((TILE,), 1, tl.int8), mask=inside & (after < 0))


# Launchers


def _mask_arguments(words: torch.Tensor | None) -> tuple[int, int, int]:
    """How many masks, words of a mask, and what lies between masks."""
    if words is None:
        return 0, 0, 0
    return words.shape[0], words.shape[1], words.stride(0)


def _dense(words: torch.Tensor | None) -> torch.Tensor | None:
    """Masks with the words of each side by side."""
    return words if words is None or words.stride(1) == 1 else words.contiguous()


def _device(tensor: torch.Tensor) -> Any:
    """Launches go to the current device."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def apply(
    logits: torch.Tensor, words: torch.Tensor, sources: torch.Tensor | None, targets: torch.Tensor | None
) -> None:
    """See `backends`."""
    words = words if words.stride(1) == 1 else words.contiguous()
    masks, word_count, mask_stride = _mask_arguments(words)
    rows = next((len(each) for each in (targets, sources) if each is not None), logits.shape[0])
    width = logits.shape[1]
    grid = (rows, triton.cdiv(width, 32 * _APPLY_TILE))
    with _device(logits):
        _apply[grid](
            logits,
            words,
            sources,
            targets,
            width,
            masks,
            word_count,
            logits.stride(0),
            logits.stride(1),
            mask_stride,
            TILE=_APPLY_TILE,
        )


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
    words = _dense(words)
    mask_arguments = _mask_arguments(words)
    rows, width = logits.shape
    blocks = triton.cdiv(width, BLOCK)
    sums = torch.empty((rows, 4, blocks), dtype=torch.float32, device=logits.device)
    tokens = torch.empty(rows, dtype=torch.int64, device=logits.device)
    figures = torch.empty((3, rows), dtype=torch.float32, device=logits.device)
    masks, word_count, mask_stride = mask_arguments
    strides = logits.stride(0), logits.stride(1), mask_stride
    with _device(logits):
        _sums[(rows, triton.cdiv(blocks, _TILE))](
            logits,
            words,
            sources,
            temperatures,
            thresholds,
            sums,
            width,
            masks,
            word_count,
            blocks,
            *strides,
            TILE=_TILE,
        )
        _choose[(rows,)](
            logits,
            words,
            sources,
            temperatures,
            thresholds,
            seeds,
            places,
            sums,
            tokens,
            figures,
            rows,
            width,
            masks,
            word_count,
            blocks,
            *strides,
            QUARTER=triton.next_power_of_2(triton.cdiv(blocks, 4)),
        )
    return tokens, figures


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
    words = _dense(words)
    masks, word_count, mask_stride = _mask_arguments(words)
    rows, width = logits.shape
    thresholds = torch.empty(rows, dtype=torch.float32, device=logits.device)
    with _device(logits):
        _cut[(rows,)](
            logits,
            words,
            sources,
            temperatures,
            top_k,
            top_p,
            min_p,
            thresholds,
            width,
            masks,
            word_count,
            logits.stride(0),
            logits.stride(1),
            mask_stride,
            TILE=_SEARCH,
            num_warps=8,
        )
    return thresholds


def advance(
    states: torch.Tensor,
    masks: torch.Tensor,
    failed: torch.Tensor,
    tokens: torch.Tensor,
    classes: torch.Tensor,
    bases: torch.Tensor,
    kinds: torch.Tensor,
    transitions: torch.Tensor,
    state_masks: torch.Tensor,
) -> None:
    """See `reference.advance`."""
    rows = len(states)
    with _device(states):
        _advance[(triton.cdiv(rows, 128),)](
            states,
            masks,
            failed,
            tokens,
            classes,
            bases,
            kinds,
            transitions,
            state_masks,
            rows,
            classes.shape[1],
            classes.stride(0),
            TILE=128,
        )
