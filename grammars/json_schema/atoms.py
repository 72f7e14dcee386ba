"""Which of null, false and true satisfy a formula.

They have nothing to do with arrays and objects.  A negation, of which very many cases would have to be told apart for
these, mostly allows null: it is then known to have values without any of that.
"""

from typing import TYPE_CHECKING, TypeAlias

from constrain.grammars.json_schema.formulas import FALSE, TRUE, Formula
from constrain.grammars.json_schema.values import Values

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms, Part

__all__ = ["Atoms"]

_Found: TypeAlias = frozenset[bool | None]

_ALL: _Found = frozenset((None, False, True))
_MAX_DEPTH = 100


class Atoms:
    """Answers for the formulas of one schema."""

    def __init__(self, forms: "NormalForms") -> None:
        self._forms = forms
        self._known: dict[Formula, _Found] = {TRUE: _ALL, FALSE: _Found()}
        self._open: set[Formula] = set()

    def satisfy(self, formula: Formula) -> bool:
        """Whether some of them satisfies a formula; false also where that is not plain."""
        return bool(self._of(formula))

    def _of(self, formula: Formula) -> _Found | None:
        """Those that satisfy a formula; None for one that is defined by itself, or nested deeply."""
        if formula in self._known:
            return self._known[formula]
        if formula in self._open or len(self._open) > _MAX_DEPTH:
            return None
        self._open.add(formula)
        try:
            result = self._compute(formula)
        finally:
            self._open.discard(formula)
        if result is not None:
            self._known[formula] = result
        return result

    def _compute(self, formula: Formula) -> _Found | None:
        kind, payload = self._forms.formulas.definition(formula)
        match kind:
            case "given":
                return _among(self._forms.given_values(payload))
            case "schema":
                return self._common(self._forms.parts(payload))
            case "and":
                return self._common(payload)
            case "or":
                found = [self._of(part) for part in payload]
                known = [part for part in found if part is not None]
                return None if len(known) < len(found) else _Found().union(*known)
            case "postponed":
                return self._of(self._forms.late(formula))
        outside = self._of(payload)
        return None if outside is None else _ALL - outside

    def _common(self, parts: "tuple[Part, ...]") -> _Found | None:
        result = _ALL
        for part in parts:
            found = _among(part) if isinstance(part, Values) else self._of(part)
            if found is None:
                return None
            result &= found
            if not result:
                break
        return result


def _among(values: Values) -> _Found:
    return values.booleans | {None} if values.null else values.booleans
