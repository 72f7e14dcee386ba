"""Objects of declared keys, and counted lists, as small networks for charts.

An object's state is the set of the keys that it has; where keys come in a given order, the place behind the last one.
Objects with other keys, which have to be distinct, have no such networks.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

from constrain.grammars import ir
from constrain.grammars.regular import Concatenation, JsonString, Literal

__all__ = ["Arc", "items_arcs", "members_arcs"]

Arc = tuple[ir.Expression, int, int]
"""An expression that leads from a state to a state."""

_Seen = frozenset[int] | tuple[int, int]
"""Keys that an object has; or the place behind the last one, and their number as far as it counts."""


def items_arcs(items: ir.Items, here: int, there: int, state: Callable[[], int]) -> list[Arc]:
    """A counted list from one state to another; `state` makes new ones."""
    most = max(1, len(items.first), items.minimum, items.maximum or 0)
    made = [state() for _ in range(most + 1)]  # behind so many items
    found: list[Arc] = [(items.open, here, made[0])]
    for count, after in enumerate(made):
        if count >= items.minimum:
            found.append((items.close, after, there))
        rule = items.first[count] if count < len(items.first) else items.rest
        if rule is None or (items.maximum is not None and count >= items.maximum):
            continue
        target = made[min(count + 1, most)]
        item: ir.Expression = ir.Reference(rule)
        found.append((item if count == 0 else ir.Sequence((items.comma, item)), after, target))
    return found


def members_arcs(members: ir.Members, here: int, there: int, state: Callable[[], int]) -> list[Arc]:
    """An object without undeclared keys from one state to another; `state` makes new ones."""
    first: _Seen = (0, 0) if members.ordered else frozenset()
    keys: dict[tuple[int, _Seen], int] = {}  # before a key, with what is seen behind it
    after: dict[_Seen, int] = defaultdict(state)
    found: list[Arc] = [(members.open, here, after[first])]
    pending, known = [first], {first}
    while pending:
        seen = pending.pop()
        if _may_end(members, seen):
            found.append((members.close, after[seen], there))
        before = after[seen]
        if seen != first:
            before = state()
            found.append((members.comma, after[seen], before))
        for number, more in _more(members, seen):
            if (number, more) not in keys:
                keys[number, more] = state()
                found.append((_member(members, number), keys[number, more], after[more]))
            found.append((ir.Sequence(()), before, keys[number, more]))
            if more not in known:
                known.add(more)
                pending.append(more)
    return found


def _member(members: ir.Members, number: int) -> ir.Expression:
    key = members.keys[number]
    name = Concatenation((members.key_prefix, JsonString(Literal(key.name), members.any_escape)))
    value = () if key.rule is None else (members.colon, ir.Reference(key.rule))
    return ir.Sequence((ir.Terminal(name), *value))


def _count(seen: _Seen) -> int:
    return len(seen) if isinstance(seen, frozenset) else seen[1]


def _may_end(members: ir.Members, seen: _Seen) -> bool:
    required = (number for number, key in enumerate(members.keys) if key.required)
    missing = any(number not in seen if isinstance(seen, frozenset) else number >= seen[0] for number in required)
    return not missing and _count(seen) >= members.minimum


def _more(members: ir.Members, seen: _Seen) -> Iterable[tuple[int, _Seen]]:
    """The keys that may come next, with what is seen behind them."""
    if members.maximum is not None and _count(seen) >= members.maximum:
        return
    if isinstance(seen, frozenset):
        yield from ((number, seen | {number}) for number in range(len(members.keys)) if number not in seen)
        return
    most = max(1, members.minimum, members.maximum or 0)  # further ones need not be counted
    for number in range(seen[0], len(members.keys)):
        yield number, (number + 1, min(seen[1] + 1, most))
        if members.keys[number].required:
            return
