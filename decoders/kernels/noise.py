"""Random numbers that depend on a seed and a place alone, the same on every backend.

Philox 4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011): a bijection of 128-bit counters
for each 64-bit key.  The key is the seed of a row; the counter is a group of four numbers, 32 bits, a place, 64 bits,
such as the step of a sequence, and a kind, 32 bits.  Each of the four words makes one number.

Standard Gumbel noise is -log(E) with E exponential.  E is taken as -log(1 - w) with w the word as a fraction, so that
small E, which make large noise, are resolved to 2⁻³³; -log(1 - w) is computed as Kahan did, so that the rounding of
1 - w cancels.
"""

import torch

__all__ = ["gumbel", "philox"]

_ROUNDS = 10
_LOW = 0xFFFFFFFF
_FACTORS = 0xD2511F53, 0xCD9E8D57
_STEPS = 0x9E3779B9, 0xBB67AE85
_BELOW_ONE = 1 - 2.0**-24


def philox(seeds: torch.Tensor, groups: torch.Tensor, places: torch.Tensor, kind: int) -> torch.Tensor:
    """Four words, from 0 to 2³² - 1, of int64 tensors that broadcast: int64 [..., 4]."""
    zero = (seeds + groups + places) * 0  # of the shape of all
    keys = [seeds & _LOW, (seeds >> 32) & _LOW]
    a, b, c, d = (zero + groups) & _LOW, (zero + places) & _LOW, (zero + (places >> 32)) & _LOW, zero + kind
    for _ in range(_ROUNDS):
        first, second = a * _FACTORS[0], c * _FACTORS[1]  # 64 bits, the highest of which is taken for a sign
        a, b = ((second >> 32) & _LOW) ^ b ^ keys[0], second & _LOW
        c, d = ((first >> 32) & _LOW) ^ d ^ keys[1], first & _LOW
        keys = [(key + step) & _LOW for key, step in zip(keys, _STEPS, strict=True)]
    return torch.stack([a, b, c, d], dim=-1)


def gumbel(seeds: torch.Tensor, places: torch.Tensor, kind: int, first: torch.Tensor, count: int) -> torch.Tensor:
    """Gumbel noise, float32 [rows, count], of the numbers from `first` on, a multiple of four; all int64 [rows]."""
    groups = first.unsqueeze(-1) // 4 + torch.arange(-(-count // 4), device=seeds.device)
    words = philox(seeds.unsqueeze(-1), groups, places.unsqueeze(-1), kind).flatten(1)[:, :count]
    fractions = ((words.float() + 0.5) * 2.0**-32).clamp_max(_BELOW_ONE)
    rest = 1 - fractions
    taken = 1 - rest
    exponential = torch.where(taken == 0, fractions, -torch.log(rest) * (fractions / taken))
    return -torch.log(exponential)
