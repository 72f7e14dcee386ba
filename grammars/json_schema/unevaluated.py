"""`unevaluatedProperties` and `unevaluatedItems`: which members and items the rest of a schema has spoken of.

That depends on which branches of the combinators hold, so a schema is split into cases: formulas that exclude each
other, each with what is evaluated when it holds.  In each case the keyword is an ordinary shape.
(JSON Schema 2020-12, core, section 11; only schemas that hold evaluate anything, so `not` never does.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.json_schema import strings
from constrain.grammars.json_schema.formulas import FALSE, TRUE, Formula
from constrain.grammars.json_schema.keywords import pattern_language
from constrain.grammars.json_schema.shapes import Arrays, KeyClass, Objects
from constrain.grammars.json_schema.values import Values, only
from constrain.grammars.regular import Regular

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms, Part
    from constrain.grammars.json_schema.references import Schema

__all__ = ["unevaluated_items", "unevaluated_properties"]

_MAX_CASES = 4096


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """What has been spoken of: members by name or language, the first items, items of formulas; or everything."""

    everything: bool = False
    names: frozenset[str] = frozenset()
    languages: frozenset[Regular] = frozenset()
    first_items: int = 0
    items: frozenset[Formula] = frozenset()

    def __or__(self, other: "_Evaluated") -> "_Evaluated":
        return _Evaluated(
            self.everything or other.everything,
            self.names | other.names,
            self.languages | other.languages,
            max(self.first_items, other.first_items),
            self.items | other.items,
        )


_NOTHING = _Evaluated()
_EVERYTHING = _Evaluated(everything=True)
_Case = tuple[Formula, _Evaluated]


class _Splitter:
    """Splits schemas into cases, for members or for items."""

    def __init__(self, forms: "NormalForms", of_objects: bool) -> None:
        self._forms, self._of_objects = forms, of_objects
        self._own = self._own_members if of_objects else self._own_items
        self._keyword = "unevaluatedProperties" if of_objects else "unevaluatedItems"
        self._open: set[Formula] = set()

    def cases(self, formula: Formula) -> list[_Case]:
        """Cases of a formula, which exclude each other and together are the formula, or imply it."""
        kind, number = self._forms.formulas.definition(formula)
        if kind != "schema" or formula in self._open:
            return [(formula, _NOTHING)]
        self._open.add(formula)
        schema = self._forms.references[number]
        split = self.cases_of(schema, nested=True)
        self._open.discard(formula)
        if all(evaluated == _NOTHING for _, evaluated in split):
            return [(formula, _NOTHING)]
        return [(self._forms.formulas.conjunction((formula, case)), evaluated) for case, evaluated in split]

    def cases_of(self, schema: "Schema", *, nested: bool) -> list[_Case]:
        """Cases of a schema that is known to hold."""
        contents = schema.contents
        if schema.scope.draft.lone_ref and "$ref" in contents:
            return self._product([self._always(self._forms.parts_of_keyword(schema, "$ref"))])
        own = _EVERYTHING if nested and self._keyword in contents else self._own(schema)
        factors: list[list[_Case]] = [[(TRUE, own)]]
        references = [
            keyword
            for keyword in ("$ref", "$dynamicRef", "$recursiveRef")
            if keyword in contents and keyword in schema.scope.draft.assertions
        ]
        factors += (self._always(self._forms.parts_of_keyword(schema, keyword)) for keyword in references)
        branches = (self._forms.schema(schema, one, "allOf", i) for i, one in enumerate(contents.get("allOf", ())))
        factors += map(self._always, branches)
        for keyword in ("anyOf", "oneOf"):
            for number, one in enumerate(contents.get(keyword, ())):
                factors.append(self._perhaps(self._forms.schema(schema, one, keyword, number)))
        if "if" in contents:
            factors.append(self._conditional(schema))
        if self._of_objects:
            for name, one in contents.get("dependentSchemas", {}).items():
                factors.append(self._dependent(name, self._forms.schema(schema, one, "dependentSchemas", name)))
        return self._product(factors)

    def _product(self, factors: Iterable[list[_Case]]) -> list[_Case]:
        cases: list[_Case] = [(TRUE, _NOTHING)]
        conjunction = self._forms.formulas.conjunction
        for factor in factors:
            cases = [
                (conjunction((case, another)), evaluated | more)
                for case, evaluated in cases
                for another, more in factor
            ]
            cases = [(case, evaluated) for case, evaluated in cases if case != FALSE]
            if len(cases) > _MAX_CASES:
                raise ResourceLimitError(f"{self._keyword} depends on too many cases", limit="max_grammar")
        return cases

    def _always(self, formula: Formula) -> list[_Case]:
        """A sub-schema that must hold: nothing to decide where it evaluates nothing."""
        split = self.cases(formula)
        return [(TRUE, split[0][1])] if len(split) == 1 else split

    def _perhaps(self, formula: Formula) -> list[_Case]:
        split = self.cases(formula)
        if all(evaluated == _NOTHING for _, evaluated in split):
            return [(TRUE, _NOTHING)]
        return [*split, (self._forms.formulas.negation(formula), _NOTHING)]

    def _conditional(self, schema: "Schema") -> list[_Case]:
        contents, forms = schema.contents, self._forms
        condition = forms.schema(schema, contents["if"], "if")
        branches = [
            self._always(forms.schema(schema, contents[keyword], keyword))
            if keyword in contents
            else [(TRUE, _NOTHING)]
            for keyword in ("then", "else")
        ]
        held = self._product([self.cases(condition), branches[0]])
        failed = self._product([[(forms.formulas.negation(condition), _NOTHING)], branches[1]])
        cases = held + failed
        return cases if any(evaluated != _NOTHING for _, evaluated in cases) else [(TRUE, _NOTHING)]

    def _dependent(self, name: str, formula: Formula) -> list[_Case]:
        forms = self._forms
        present = forms.given(only(objects=(Objects({name: TRUE}, frozenset((name,))),)))
        absent = forms.formulas.negation(present)
        return [*self._product([[(present, _NOTHING)], self.cases(formula)]), (absent, _NOTHING)]

    def _own_members(self, schema: "Schema") -> _Evaluated:
        contents = schema.contents
        if "additionalProperties" in contents:
            return _EVERYTHING
        patterns = contents.get("patternProperties", {})
        languages = (pattern_language(name, schema, "patternProperties") for name in patterns)
        return _Evaluated(names=frozenset(contents.get("properties", ())), languages=frozenset(languages))

    def _own_items(self, schema: "Schema") -> _Evaluated:
        contents, places = schema.contents, schema.scope.draft.places
        if "prefixItems" not in places:
            items: Any = contents.get("items")
            if isinstance(items, list):
                return _EVERYTHING if "additionalItems" in contents else _Evaluated(first_items=len(items))
            return _EVERYTHING if "items" in contents else _NOTHING
        if "items" in contents:
            return _EVERYTHING
        found = (
            frozenset((self._forms.schema(schema, contents["contains"], "contains"),)) if "contains" in contents else ()
        )
        return _Evaluated(first_items=len(contents.get("prefixItems", ())), items=frozenset(found))


def _decided(cases: list[tuple[Formula, Values]], forms: "NormalForms") -> "Part":
    """In each case its values; the negation is, in each case, the other ones."""
    conjunction, disjunction = forms.formulas.conjunction, forms.formulas.disjunction
    given = [(case, forms.given(values)) for case, values in cases]
    holds = disjunction(conjunction(pair) for pair in given)
    fails = disjunction(conjunction((case, forms.formulas.negation(values))) for case, values in given)
    return forms.formulas.declare_complements(holds, fails)


def unevaluated_properties(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """What members satisfy that nothing else in the schema has spoken of."""
    formula = forms.schema(schema, value, "unevaluatedProperties")
    if formula == TRUE:
        return TRUE
    return forms.postponed(lambda: _members(schema, formula, forms), "unevaluatedProperties", id(schema.contents))


def _members(schema: "Schema", formula: Formula, forms: "NormalForms") -> Formula:
    cases = []
    for case, evaluated in _Splitter(forms, True).cases_of(schema, nested=False):
        if evaluated.everything:
            cases.append((case, Values()))
            continue
        rest: Regular = strings.ANY
        classes = []
        covered: Regular = strings.NONE
        for language in sorted(evaluated.languages, key=repr):
            covered = strings.union(covered, language)
        if evaluated.languages:
            classes.append(KeyClass(covered, TRUE))
            rest = strings.complement(covered)
        if formula != FALSE and not strings.is_empty(rest):
            classes.append(KeyClass(rest, formula))
        keys = dict.fromkeys(sorted(evaluated.names), TRUE)
        cases.append((case, Values(objects=(Objects(keys, classes=tuple(classes)),))))
    return forms.formula(_decided(cases, forms))


def unevaluated_items(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """What items satisfy that nothing else in the schema has spoken of."""
    formula = forms.schema(schema, value, "unevaluatedItems")
    if formula == TRUE:
        return TRUE
    return forms.postponed(lambda: _items(schema, formula, forms), "unevaluatedItems", id(schema.contents))


def _items(schema: "Schema", formula: Formula, forms: "NormalForms") -> Formula:
    cases = []
    for case, evaluated in _Splitter(forms, False).cases_of(schema, nested=False):
        if evaluated.everything:
            cases.append((case, Values()))
            continue
        rest = forms.formulas.disjunction((formula, *sorted(evaluated.items)))
        cases.append((case, Values(arrays=(Arrays((TRUE,) * evaluated.first_items, rest),))))
    return forms.formula(_decided(cases, forms))
