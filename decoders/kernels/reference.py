"""Masks and draws in plain PyTorch: what the other backends do, on every device.

A draw takes two steps, so that noise is needed for some thousand numbers instead of one for each token.  The logits
are cut into blocks of 1,024.  A block is chosen in proportion to its mass, by the Gumbel-max trick (Maddison, Tarlow
and Minka, "A* Sampling", 2014, section 2): the largest of log-mass plus noise; then a token of the block likewise.
Noise of blocks is of kind 1, that of tokens of kind 0 (see `noise`).

Masses are sums of exp((x - m) / T) with m the largest logit of a block, in float32: infinite logits make no NaN, and
tokens of tiny probability do not vanish when they are the only ones allowed.
"""

import torch

from constrain.decoders.kernels.noise import gumbel

__all__ = ["BLOCK", "COLDEST", "advance", "allowed_tokens", "apply", "block_masses", "choose", "cut", "draw"]

BLOCK = 1024
"""Tokens of a block; part of the definition of a draw."""

COLDEST = 1e-30
"""The least positive temperature; its inverse is finite."""

_LARGEST = torch.finfo(torch.float32).max


def allowed_tokens(words: torch.Tensor, width: int) -> torch.Tensor:
    """The bits of a bitmask as booleans: int32 [rows, words] to bool [rows, width], False beyond the last word."""
    shifts = torch.arange(32, dtype=torch.int32, device=words.device)
    bits = (words.unsqueeze(-1) >> shifts).bitwise_and_(1).bool().flatten(1)
    if bits.shape[1] >= width:
        return bits[:, :width]
    return torch.nn.functional.pad(bits, (0, width - bits.shape[1]), value=False)


def _allowed(words: torch.Tensor, sources: torch.Tensor | None, width: int) -> torch.Tensor:
    """The tokens that each row may have, bool [rows, width]."""
    if sources is None:
        return allowed_tokens(words, width)
    numbers = sources.long()
    return allowed_tokens(words[numbers.clamp_min(0)], width) | (numbers < 0).unsqueeze(-1)


def apply(
    logits: torch.Tensor, words: torch.Tensor, sources: torch.Tensor | None, targets: torch.Tensor | None
) -> None:
    """See `backends`."""
    forbidden = ~_allowed(words, sources, logits.shape[1])
    if targets is None:
        logits.masked_fill_(forbidden, -torch.inf)
    else:
        rows = targets.long()
        logits[rows] = logits[rows].masked_fill_(forbidden, -torch.inf)


def _finite(logits: torch.Tensor) -> torch.Tensor:
    """Logits as float32, +inf as the largest number and not-a-number as -inf."""
    values = logits.float()
    return values.masked_fill(values.isnan(), -torch.inf).clamp_max(_LARGEST)


def _scale(temperatures: torch.Tensor) -> torch.Tensor:
    """What logits are divided by, [rows, 1]."""
    return temperatures.clamp_min(COLDEST).masked_fill(temperatures <= 0, 1).unsqueeze(-1)


def _above(values: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
    """The values less the largest, which may be -inf."""
    return values - top.masked_fill(top == -torch.inf, 0).unsqueeze(-1)


def _largest(values: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest value of each block, and the mass of the block by that; [rows, blocks] each."""
    rows, width = values.shape
    blocks = torch.nn.functional.pad(values, (0, -width % BLOCK), value=-torch.inf).view(rows, -1, BLOCK)
    tops = blocks.amax(dim=-1)
    return tops, torch.exp(_above(blocks, tops) / scale.unsqueeze(-1)).sum(dim=-1)


def block_masses(
    logits: torch.Tensor,
    words: torch.Tensor | None,
    sources: torch.Tensor | None,
    temperatures: torch.Tensor,
    thresholds: torch.Tensor | None,
) -> torch.Tensor:
    """The largest value and the mass of each block, of tokens that may be drawn and of all: [rows, 4, blocks].

    The one pass over the logits.
    """
    values, scale = _finite(logits), _scale(temperatures)
    kept = values
    if words is not None:
        kept = kept.masked_fill(~_allowed(words, sources, kept.shape[1]), -torch.inf)
    if thresholds is not None:
        kept = kept.masked_fill(kept < thresholds.unsqueeze(-1), -torch.inf)
    return torch.stack([*_largest(kept, scale), *_largest(values, scale)], dim=1)


def _first_of_largest(scores: torch.Tensor) -> torch.Tensor:
    """The first place, int64 [rows], of the largest value in each row."""
    places = torch.arange(scores.shape[1], device=scores.device)
    return torch.where(scores == scores.amax(dim=-1, keepdim=True), places, scores.shape[1]).amin(dim=-1)


def _at(
    tokens: torch.Tensor,
    logits: torch.Tensor,
    words: torch.Tensor | None,
    sources: torch.Tensor | None,
    thresholds: torch.Tensor | None,
) -> torch.Tensor:
    """The values of some tokens of each row, int64 [rows, n], and -inf where they may not be drawn."""
    width = logits.shape[1]
    kept = _finite(logits.gather(1, tokens.clamp_max(width - 1))).masked_fill(tokens >= width, -torch.inf)
    if words is not None:
        numbers = torch.arange(len(tokens), device=tokens.device) if sources is None else sources.long()
        places = tokens // 32
        found = words[numbers.clamp_min(0).unsqueeze(-1), places.clamp_max(words.shape[1] - 1)]
        allowed = ((found >> (tokens % 32)) & 1).bool() & (places < words.shape[1])
        kept = kept.masked_fill(~(allowed | (numbers < 0).unsqueeze(-1)), -torch.inf)
    if thresholds is not None:
        kept = kept.masked_fill(kept < thresholds.unsqueeze(-1), -torch.inf)
    return kept


def choose(
    logits: torch.Tensor,
    words: torch.Tensor | None,
    sources: torch.Tensor | None,
    temperatures: torch.Tensor,
    thresholds: torch.Tensor | None,
    seeds: torch.Tensor,
    places: torch.Tensor,
    masses: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What is left to do for each row after `block_masses`: the result of `draw`."""
    tops, sums, whole_tops, whole_sums = masses.unbind(dim=1)
    greedy, scale = (temperatures <= 0).unsqueeze(-1), _scale(temperatures)
    top, whole_top = tops.amax(dim=-1), whole_tops.amax(dim=-1)
    above = _above(tops, top) / scale
    total = (sums * torch.exp(above)).sum(dim=-1)
    whole = (whole_sums * torch.exp(_above(whole_tops, whole_top) / scale)).sum(dim=-1)

    noise = gumbel(seeds, places, 1, torch.zeros_like(seeds), tops.shape[1])
    block = _first_of_largest(torch.where(greedy, tops, above + torch.log(sums) + noise))
    tokens = (block * BLOCK).unsqueeze(-1) + torch.arange(BLOCK, device=block.device)
    values = _at(tokens, logits, words, sources, thresholds)
    noise = gumbel(seeds, places, 0, block * BLOCK, BLOCK)
    scores = _above(values, values.amax(dim=-1)) / scale + noise
    chosen = _first_of_largest(torch.where(greedy, values, scores)).unsqueeze(-1)

    scale, log_total = scale.squeeze(-1), torch.log(total)
    figures = torch.stack(
        [
            _above(values.gather(1, chosen), top).squeeze(-1) / scale - log_total,
            (top / scale + log_total).clamp_max(_LARGEST),
            (_above(top.unsqueeze(-1), whole_top).squeeze(-1) / scale + log_total - torch.log(whole)).clamp_max(0),
        ]
    )
    dead = top == -torch.inf
    return tokens.gather(1, chosen).squeeze(-1).masked_fill(dead, -1), figures.masked_fill(dead, -torch.inf)


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
    masses = block_masses(logits, words, sources, temperatures, thresholds)
    return choose(logits, words, sources, temperatures, thresholds, seeds, places, masses)


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
    values, scale = _finite(logits), _scale(temperatures)
    if words is not None:
        values = values.masked_fill(~_allowed(words, sources, values.shape[1]), -torch.inf)
    ordered = values.sort(dim=-1, descending=True).values
    top = ordered[:, 0]
    last = torch.minimum(top_k.long(), (values > -torch.inf).sum(dim=-1)).clamp_min(1) - 1
    by_count = ordered.gather(1, last.unsqueeze(-1)).squeeze(-1).masked_fill(top_k <= 0, -torch.inf)
    masses = torch.exp(_above(ordered, top) / scale).masked_fill(ordered < by_count.unsqueeze(-1), 0)
    cumulated = masses.cumsum(dim=-1)
    enough = cumulated >= top_p.unsqueeze(-1) * cumulated[:, -1:]
    by_mass = ordered.gather(1, _first_of_largest(enough.int()).unsqueeze(-1)).squeeze(-1)
    by_mass = by_mass.masked_fill(top_p >= 1, -torch.inf)
    by_share = top + scale.squeeze(-1) * torch.log(min_p)
    return torch.maximum(torch.maximum(by_count, by_mass), by_share)


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
    """Move sequences by one token each, in place; see `automaton`.

    `states`, `masks`, `failed`, `tokens`: [n], of `DeviceSequences`; the others are of `DeviceAutomaton`.
    """
    before, width = states.long(), classes.shape[1]
    known = (tokens >= 0) & (tokens < width)
    column = classes[kinds[before].long(), tokens.clamp(0, width - 1)]
    after = transitions[bases[before] + column].masked_fill(~known, -1)
    after = torch.where((states == 0) & (tokens >= 0), 0, after)
    moved = torch.where(after >= 0, after, states)
    states.copy_(moved)
    masks.copy_(state_masks[moved.long()])
    failed.masked_fill_(after < 0, 1)
