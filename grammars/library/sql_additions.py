"""The least that FROM must have, so that every column before it is one of its tables' (see sql_scopes.py).

An exact cover in small: with names before columns, each of which stands for one of some tables, and columns without
them, of which exactly one table must have each.  It is searched for with at most `MOST_TABLES` tables.
"""

from collections.abc import Sequence

__all__ = ["MOST_TABLES", "Additions", "Awaited", "Bare"]

MOST_TABLES = 4

Awaited = tuple[tuple[int, tuple[int, ...]], ...]
"""For each name before columns, how many bytes it takes besides that of its table, and the tables it may stand for."""

Bare = frozenset[frozenset[int]]
"""For each column without a name before it, the tables that have it."""


class Additions:
    """How many bytes the tables that must be added take, by what there is; `sizes` are those of their names."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._known: dict[tuple[tuple[int, ...], Awaited, Bare], int | None] = {}

    def least(self, tables: tuple[int, ...], awaited: Awaited, bare: Bare) -> int | None:
        """The least number of bytes, a comma before each table counted; None when no tables will do."""
        key = tables, awaited, bare
        if key not in self._known:
            self._known[key] = self._found(tables, awaited, bare)
        return self._known[key]

    def _found(self, tables: tuple[int, ...], awaited: Awaited, bare: Bare) -> int | None:
        if any(sum(table in homes for table in tables) > 1 for homes in bare):
            return None
        missing = [sorted(homes) for homes in bare if homes.isdisjoint(tables)]
        if not awaited and not missing:
            return 0
        if len(tables) >= MOST_TABLES:
            return None
        size, possible = awaited[0] if awaited else (0, tuple(min(missing)))
        found = []
        for table in possible:
            rest = self.least((*tables, table), awaited[1:], bare)
            if rest is not None:
                found.append(1 + self._sizes[table] + size + rest)
        return min(found, default=None)

    def another(self, tables: tuple[int, ...], bare: Bare, extra: Sequence[int | None]) -> int | None:
        """The least for one more table that no column needs.

        extra  by table, how many bytes it takes besides its name; None: it cannot be named
        """
        if len(tables) >= MOST_TABLES or self.least(tables, (), bare) is None:
            return None
        sizes = [
            1 + self._sizes[table] + more
            for table, more in enumerate(extra)
            if more is not None and not any(table in homes for homes in bare)
        ]
        return min(sizes, default=None)
