"""From automata over characters to automata over the bytes of their UTF-8 encodings."""

from collections.abc import Iterator, Sequence

from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.graphs import leading_to
from constrain.grammars.regular import Automaton, Empty, Ranges, Regular

__all__ = ["byte_automaton", "utf8_sequences"]

_MAX_TRANSITIONS = 1_000_000

_LENGTHS = ((0x7F, 1), (0x7FF, 2), (0xFFFF, 3), (0x10FFFF, 4))


def _encode(code: int, length: int) -> list[int]:
    """The UTF-8 bytes of a code point, surrogates included."""
    if length == 1:
        return [code]
    tail = [0x80 | (code >> 6 * i & 0x3F) for i in range(length - 2, -1, -1)]
    return [(0xF00 >> length & 0xFF) | code >> 6 * (length - 1), *tail]


def _split(low: int, high: int, length: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Byte ranges whose products are the encodings of an interval of characters of one length."""
    for i in range(1, length):
        mask = (1 << 6 * i) - 1
        if low & ~mask != high & ~mask:
            if low & mask:
                yield from _split(low, low | mask, length)
                yield from _split((low | mask) + 1, high, length)
                return
            if high & mask != mask:
                yield from _split(low, (high & ~mask) - 1, length)
                yield from _split(high & ~mask, high, length)
                return
    yield tuple(zip(_encode(low, length), _encode(high, length), strict=True))


def utf8_sequences(ranges: Ranges) -> Iterator[tuple[tuple[int, int], ...]]:
    """Sequences of byte ranges that together are the UTF-8 encodings of the set, without surrogates."""
    for low, high in ranges:
        for first, last in ((low, min(high, 0xD7FF)), (max(low, 0xE000), high)):
            start = 0
            for end, length in _LENGTHS:
                if max(first, start) <= min(last, end):
                    yield from _split(max(first, start), min(last, end), length)
                start = end + 1


class _Writer:
    """Byte transitions; states in the middle of a character are shared by what they still await.

    A set of characters is split into byte ranges once, and its ways to one target are written once: a target mostly
    remembers the character before it, so that all states reach it by the same set.
    """

    def __init__(self, states: int) -> None:
        self.rows: list[list[tuple[int, int, int]]] = [[] for _ in range(states)]
        self._middle: dict[tuple[tuple[tuple[int, int], ...], int], int] = {}
        self._sequences: dict[Ranges, list[tuple[tuple[int, int], ...]]] = {}
        self._ways: dict[tuple[Ranges, int], list[tuple[int, int, int]]] = {}
        self._size = 0

    def add(self, source: int, ranges: Ranges, target: int) -> None:
        """A way from `source` to `target` by each character of the set."""
        ways = self._ways.get((ranges, target))
        if ways is None:
            if ranges not in self._sequences:
                self._sequences[ranges] = list(utf8_sequences(ranges))
            ways = [(s[0][0], s[0][1], self._after(s[1:], target)) for s in self._sequences[ranges]]
            self._ways[ranges, target] = ways
        self._count(len(ways))
        self.rows[source] += ways

    def _after(self, rest: tuple[tuple[int, int], ...], target: int) -> int:
        """The state that awaits the byte ranges `rest` on the way to `target`."""
        state = target
        for start in range(len(rest) - 1, -1, -1):
            key = rest[start:], target
            if key not in self._middle:
                self._middle[key] = len(self.rows)
                self.rows.append([(*rest[start], state)])
                self._count(1)
            state = self._middle[key]
        return state

    def _count(self, transitions: int) -> None:
        self._size += transitions
        if self._size > _MAX_TRANSITIONS:
            message = "a regular expression with assertions needs too many transitions"
            raise ResourceLimitError(message, limit="max_grammar")


def byte_automaton(initial: Sequence[int], rows: Sequence[dict[int, Ranges]], accepting: Sequence[bool]) -> Regular:
    """The language of a nondeterministic automaton over characters: per state, sets of characters by target.

    Raises ResourceLimitError when it needs too many transitions.
    """
    useful = sorted(leading_to((state for state, accepts in enumerate(accepting) if accepts), rows))
    starts = [state for state in initial if state in set(useful)]
    if not starts:
        return Empty()
    numbers = {state: i + 1 for i, state in enumerate(useful)}  # 0 is a start with the moves of all starts
    writer = _Writer(len(useful) + 1)
    for state in useful:
        for target, ranges in rows[state].items():
            if target in numbers:
                writer.add(numbers[state], ranges, numbers[target])
    writer.rows[0] = [edge for state in starts for edge in writer.rows[numbers[state]]]
    accepts = [any(accepting[state] for state in starts), *(accepting[state] for state in useful)]
    accepts += [False] * (len(writer.rows) - len(accepts))
    return Automaton(tuple(map(tuple, writer.rows)), tuple(accepts))
