"""Which strings satisfy a formula, found without its arrays and objects.

`propertyNames` asks only for this, so that a schema may refer to itself there: what a schema says of the names of
members says nothing of strings.
"""

from typing import TYPE_CHECKING

from constrain.grammars.errors import UnsupportedSchemaError
from constrain.grammars.json_schema import strings
from constrain.grammars.json_schema.formulas import FALSE, TRUE, Formula
from constrain.grammars.json_schema.values import Values
from constrain.grammars.regular import Regular

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms, Part

__all__ = ["NAMES_OF_MEMBERS", "strings_of"]

NAMES_OF_MEMBERS = "propertyNames"
"""The kind of postponed formulas that say nothing of strings."""


def strings_of(formula: Formula, forms: "NormalForms") -> Regular:
    """The strings that satisfy a formula.

    Raises UnsupportedSchemaError for one that is defined by itself other than by way of `propertyNames`.
    """
    return _strings_of(formula, forms, frozenset())


def _strings_of(formula: Formula, forms: "NormalForms", opened: frozenset[Formula]) -> Regular:
    if formula == TRUE:
        return strings.ANY
    if formula == FALSE:
        return strings.NONE
    if formula in opened:
        raise UnsupportedSchemaError("the schema refers to itself without an array or object in between")
    opened |= {formula}
    kind, payload = forms.formulas.definition(formula)
    match kind:
        case "given":
            return forms.given_values(payload).strings
        case "schema":
            return _common(forms.parts(payload), forms, opened)
        case "and":
            return _common(payload, forms, opened)
        case "or":
            result = strings.NONE
            for part in payload:
                result = strings.union(result, _strings_of(part, forms, opened))
            return result
        case "postponed":
            if payload[0] == NAMES_OF_MEMBERS:
                return strings.ANY
            return _strings_of(forms.late(formula), forms, opened)
    return _outside(payload, forms, opened)


def _common(parts: "tuple[Part, ...]", forms: "NormalForms", opened: frozenset[Formula]) -> Regular:
    result = strings.ANY
    for part in parts:
        one = part.strings if isinstance(part, Values) else _strings_of(part, forms, opened)
        result = strings.intersection(result, one)
    return result


def _outside(formula: Formula, forms: "NormalForms", opened: frozenset[Formula]) -> Regular:
    """The strings that do not satisfy a formula, by De Morgan, because parts may have negations of their own."""
    kind, payload = forms.formulas.definition(formula)
    negation = forms.formulas.negation
    if kind == "given":
        return strings.complement(forms.given_values(payload).strings)
    if kind == "or":
        return _common(tuple(map(negation, payload)), forms, opened)
    if kind == "postponed":
        if payload[0] == NAMES_OF_MEMBERS:
            return strings.NONE
        return _strings_of(negation(forms.late(formula)), forms, opened)
    result = strings.NONE
    for part in forms.parts(payload) if kind == "schema" else payload:
        if isinstance(part, Values):
            outside = strings.complement(part.strings)
        else:
            outside = _strings_of(negation(part), forms, opened)
        result = strings.union(result, outside)
    return result
