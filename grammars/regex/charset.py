"""Sets of Unicode code points as sorted, disjoint, inclusive ranges."""

from bisect import bisect_right
from collections.abc import Iterable

from constrain.grammars.regular import MAX_CODE_POINT, Ranges

__all__ = ["EVERYTHING", "complement", "contains", "difference", "intersection", "normalise", "of_characters", "union"]

EVERYTHING: Ranges = ((0, MAX_CODE_POINT),)


def normalise(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same set with ranges sorted and joined."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            if high > joined[-1][1]:
                joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return tuple(joined)


def of_characters(characters: str) -> Ranges:
    """The set of the characters of a string."""
    return normalise((ord(char), ord(char)) for char in characters)


def contains(ranges: Ranges, code: int) -> bool:
    """Whether a code point is in the set."""
    i = bisect_right(ranges, (code, MAX_CODE_POINT))
    return i > 0 and code <= ranges[i - 1][1]


def union(*sets: Ranges) -> Ranges:
    """Code points in any of the sets."""
    return normalise(pair for ranges in sets for pair in ranges)


def complement(ranges: Ranges) -> Ranges:
    """Code points not in the set."""
    gaps = []
    start = 0
    for low, high in ranges:
        if start < low:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= MAX_CODE_POINT:
        gaps.append((start, MAX_CODE_POINT))
    return tuple(gaps)


def intersection(a: Ranges, b: Ranges) -> Ranges:
    """Code points in both sets."""
    common = []
    i = j = 0
    while i < len(a) and j < len(b):
        low, high = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if low <= high:
            common.append((low, high))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(common)


def difference(a: Ranges, b: Ranges) -> Ranges:
    """Code points of `a` not in `b`."""
    return intersection(a, complement(b))
