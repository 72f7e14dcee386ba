"""Expressions of productions that begin alike, with the common beginning written once.

Expressions are made once: equal ones are the same object, so that beginnings are compared by identity.  A union of
sequences becomes a trie, which keeps what is derived from a grammar by case distinctions from growing.
"""

from collections.abc import Iterable

from constrain.grammars import ir

__all__ = ["Factory"]


class Factory:
    """Makes sequences, unions and repetitions; None stands for what derives nothing."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], ir.Expression] = {}
        self.empty = self._sequence(())

    def _once(self, key: tuple[object, ...], made: ir.Expression) -> ir.Expression:
        return self._made.setdefault(key, made)

    def _sequence(self, parts: tuple[ir.Expression, ...]) -> ir.Expression:
        if len(parts) == 1:
            return parts[0]
        return self._once(("sequence", *map(id, parts)), ir.Sequence(parts))

    def reference(self, name: str) -> ir.Expression:
        """The language of a rule."""
        return self._once(("reference", name), ir.Reference(name))

    def series(self, *parts: ir.Expression | None) -> ir.Expression | None:
        """The parts in turn; None where one of them derives nothing."""
        flat: list[ir.Expression] = []
        for part in parts:
            if part is None:
                return None
            flat.extend(part.parts if isinstance(part, ir.Sequence) else [part])
        return self._sequence(tuple(flat))

    def star(self, part: ir.Expression | None) -> ir.Expression:
        """Any number of times the part."""
        return self.empty if part is None else self._once(("star", id(part)), ir.Repeat(part, 0, None))

    def union(self, ways: Iterable[ir.Expression | None]) -> ir.Expression | None:
        """Any of the ways; None where there is none."""
        flat: dict[int, ir.Expression] = {}
        for way in ways:
            if way is not None:
                for one in way.parts if isinstance(way, ir.Alternation) else (way,):
                    flat[id(one)] = one
        beginnings: dict[int, list[tuple[ir.Expression, ...]]] = {}
        for one in flat.values():
            parts = one.parts if isinstance(one, ir.Sequence) else (one,)
            beginnings.setdefault(id(parts[0]) if parts else 0, []).append(parts)
        found = [self._common(group) for group in beginnings.values()]
        if not found:
            return None
        return found[0] if len(found) == 1 else self._once(("union", *map(id, found)), ir.Alternation(tuple(found)))

    def _common(self, group: list[tuple[ir.Expression, ...]]) -> ir.Expression:
        """The union of sequences that begin with the same part."""
        if len(group) == 1:
            return self._sequence(group[0])
        rest = self.union(self._sequence(parts[1:]) for parts in group)
        made = self.series(group[0][0], rest)
        assert made is not None
        return made
