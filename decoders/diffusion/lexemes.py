"""Whether the longest match makes no difference, so that every way of cutting a text into lexemes may count.

It makes none if, of any terminals that a parser could await together, no two match the same text, and none can go on
behind the end of another, or of itself, with the first byte of what may follow that one.  What may follow what is taken
from the rules without regard to the stack, which is more than any parser allows; so the answer may be no where the two
languages are the same, and where it is yes they are.
"""

from collections import defaultdict
from collections.abc import Iterable

from constrain.grammars import ir, regular
from constrain.grammars.automata.language import Language

__all__ = ["Follow", "is_cut_in_one_way"]

_ANYTHING = regular.Complement(regular.Empty())


class Follow:
    """The states of a grammar's rules over terminals, and what leads from one to another.

    skips   of a state, those that it leads to without reading
    reads   of a state, terminals with the states behind them; None for any special token
    """

    def __init__(self) -> None:
        self.skips: dict[int, list[int]] = defaultdict(list)
        self.reads: dict[int, list[tuple[ir.Terminal | None, int]]] = defaultdict(list)

    def awaited(self, starts: Iterable[int]) -> set[ir.Terminal]:
        """The terminals that may come next."""
        seen = set(starts)
        pending = list(seen)
        found: set[ir.Terminal] = set()
        while pending:
            state = pending.pop()
            found.update(terminal for terminal, _ in self.reads[state] if terminal is not None)
            for after in self.skips[state]:
                if after not in seen:
                    seen.add(after)
                    pending.append(after)
        return found

    def behind(self) -> dict[ir.Terminal | None, set[int]]:
        """The states behind each terminal."""
        found: dict[ir.Terminal | None, set[int]] = defaultdict(set)
        for reads in self.reads.values():
            for terminal, target in reads:
                found[terminal].add(target)
        return found


def is_cut_in_one_way(follow: Follow, start: int, ignored: Iterable[ir.Terminal]) -> bool:
    """Whether the longest match makes no difference in a grammar."""
    blank = set(ignored)
    after = {terminal: follow.awaited(states) | blank for terminal, states in follow.behind().items()}
    together = [follow.awaited([start]) | blank, *after.values()]  # as long as lexemes are plain, the last one is known
    every = set().union(*together)
    if any(_is_nullable_text(terminal) for terminal in every):
        return False
    for terminal in blank:
        after[terminal] = every - blank if _absorbs(terminal, blank) else every
    return all(
        _is_plain(terminal, set().union(*[some for some in together if terminal in some]), after[terminal])
        for terminal in every
    )


def _is_nullable_text(terminal: ir.Terminal) -> bool:
    return b"" in Language(terminal.regular)


def _absorbs(terminal: ir.Terminal, blank: Iterable[ir.Terminal]) -> bool:
    """Whether any ignored text behind a text of a terminal makes a text of that terminal."""
    both = regular.Concatenation((terminal.regular, _union(blank)))
    return Language(regular.Intersection((both, regular.Complement(terminal.regular)))).is_empty()


def _is_plain(terminal: ir.Terminal, rivals: set[ir.Terminal], after: Iterable[ir.Terminal]) -> bool:
    """Whether no other terminal that is awaited with this one matches a text of it, and none goes on behind it."""
    if not Language(regular.Intersection((terminal.regular, _union(rivals - {terminal})))).is_empty():
        return False
    first = {byte for follower in after for byte in Language(follower.regular).next_bytes(b"")}
    if not first:
        return True
    ranges = tuple((byte, byte) for byte in sorted(first))
    longer = regular.Concatenation((terminal.regular, regular.Symbols(ranges), _ANYTHING))
    return Language(regular.Intersection((_union(rivals), longer))).is_empty()


def _union(terminals: Iterable[ir.Terminal]) -> regular.Regular:
    return regular.Union(tuple(terminal.regular for terminal in terminals))
