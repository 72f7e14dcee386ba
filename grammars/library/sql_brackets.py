"""PostgreSQL's queries in brackets: what stands around the brackets has its place once.

A query in brackets that is joined to no other is the query itself, so that ``(SELECT 1 LIMIT 2) LIMIT 3`` has two
limits, which PostgreSQL refuses.  There is a rule for queries without each set of the clauses that may stand around
brackets: those that the brackets around have.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

from constrain.grammars import ir

__all__ = ["clauses_once"]

_WITH, _ORDER, _LIMITS = "with", "order_by", "limits"
_CLAUSES = (_WITH, _ORDER, _LIMITS)

_Clauses = frozenset[str]


def _subsets(clauses: _Clauses) -> Iterator[_Clauses]:
    for size in range(len(clauses) + 1):
        yield from map(frozenset, combinations(sorted(clauses), size))


def _around(clauses: _Clauses, inner: tuple[ir.Expression, ...]) -> Iterator[ir.Expression]:
    """The clauses around what they belong to; locks stand on either side of the limits."""
    before = (ir.Reference(_WITH),) if _WITH in clauses else ()
    order = (ir.Reference(_ORDER),) if _ORDER in clauses else ()
    limits, locks = ir.Reference(_LIMITS), ir.Reference("locking")
    behind = [(limits,), (limits, locks), (locks, limits)] if _LIMITS in clauses else [(), (locks,)]
    for each in behind:
        yield ir.Sequence((*before, *inner, *order, *each))


def _parts(production: ir.Expression) -> tuple[ir.Expression, ...]:
    match production:
        case ir.Alternation((only,)):
            return _parts(only)
        case ir.Sequence(parts):
            return parts
    raise TypeError("there is one production")


def clauses_once(rules: Mapping[str, ir.Expression]) -> dict[str, ir.Expression]:
    """The rules, with `query` for a query whose clauses come once, in whichever brackets.

    `query_itself` is what the clauses belong to, but for brackets, `query_with_ties` what has ORDER BY and limits in
    the form that needs it, and `brackets` is a query between two brackets.
    """
    opening, _, closing = _parts(rules["brackets"])
    every = frozenset(_CLAUSES)
    names = {used: " ".join(["query", *(f"-{clause}" for clause in sorted(used))]) for used in _subsets(every)}
    made = dict(rules)
    for used, name in names.items():
        ways: list[ir.Expression] = []
        for added in _subsets(every - used):
            within = ir.Reference(names[used | added])
            ways += _around(added, (ir.Reference("query_itself"),))
            ways += _around(added, (opening, within, closing))
        if not used & {_ORDER, _LIMITS}:
            ties = ir.Reference("query_with_ties")
            ways += [ties] if _WITH in used else [ties, ir.Sequence((ir.Reference(_WITH), ties))]
        made[name] = ir.Alternation(tuple(ways))
    return made
