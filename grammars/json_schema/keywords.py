"""What each keyword asks for: one function a keyword, named as the keyword.

A function gets the keyword's value and the schema it stands in, and returns a set of values or a formula, or None
when it asks for nothing.  Keywords that are read together with others (`additionalProperties` with `properties`,
`then` with `if`) are read by the function of the first of them.  A value that the standard does not allow is an
UnsupportedSchemaError with its place.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from constrain.grammars.automata.programs import keep_program
from constrain.grammars.errors import GrammarSyntaxError, UnsupportedSchemaError
from constrain.grammars.json_schema import numbers, strings
from constrain.grammars.json_schema import values as sets
from constrain.grammars.json_schema.formats import format_language, format_superset
from constrain.grammars.json_schema.formulas import FALSE, TRUE, Formula
from constrain.grammars.json_schema.names import NAMES_OF_MEMBERS, strings_of
from constrain.grammars.json_schema.shapes import Arrays, Contains, KeyClass, Objects
from constrain.grammars.json_schema.values import Values
from constrain.grammars.regex import Dialect, search_language
from constrain.grammars.regular import Regular

if TYPE_CHECKING:
    from constrain.grammars.json_schema.normal_forms import NormalForms, Part
    from constrain.grammars.json_schema.references import Schema

__all__ = ["KEYWORDS", "Keyword", "malformed", "pattern_language"]

Keyword = Callable[[Any, "Schema", "NormalForms"], "Part | None"]


def malformed(schema: "Schema", keyword: str, expected: str) -> UnsupportedSchemaError:
    """The error for a keyword whose value the standard does not allow."""
    return UnsupportedSchemaError(f"{keyword!r} must be {expected}", pointer=schema.pointer, keyword=keyword)


def _number(value: Any, schema: "Schema", keyword: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise malformed(schema, keyword, "a number")
    return Fraction(value)


def _count(value: Any, schema: "Schema", keyword: str) -> int:
    number = _number(value, schema, keyword)
    if number < 0 or number.denominator != 1:
        raise malformed(schema, keyword, "a whole number that is not negative")
    return int(number)


def _list(value: Any, schema: "Schema", keyword: str) -> list[Any]:
    if not isinstance(value, list):
        raise malformed(schema, keyword, "an array")
    return value


def _map(value: Any, schema: "Schema", keyword: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise malformed(schema, keyword, "an object")
    return value


def _names(value: Any, schema: "Schema", keyword: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise malformed(schema, keyword, "an array of strings")
    return value


def _branches(value: Any, schema: "Schema", forms: "NormalForms", keyword: str) -> list[Formula]:
    return [forms.schema(schema, one, keyword, i) for i, one in enumerate(_list(value, schema, keyword))]


# Any type


_TYPES: dict[str, Values] = {
    "null": sets.only(null=True),
    "boolean": sets.only(booleans=(False, True)),
    "number": sets.only(number=numbers.ALL),
    "integer": sets.only(number=numbers.INTEGERS),
    "string": sets.only(string=strings.ANY),
    "array": sets.only(arrays=sets.ANY.arrays),
    "object": sets.only(objects=sets.ANY.objects),
}
_PLAIN_INTEGER = sets.only(number=numbers.PLAIN_INTEGERS)


def type(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: A001, ARG001
    """One of the six types, or "integer", or a list of them."""
    result = sets.NOTHING
    for name in value if isinstance(value, list) else [value]:
        if not isinstance(name, str) or name not in _TYPES:
            raise malformed(schema, "type", f"one of {', '.join(_TYPES)}, or an array of them")
        plain = name == "integer" and schema.scope.draft.plain_integers
        result = sets.union(result, _PLAIN_INTEGER if plain else _TYPES[name])
    return result


def enum(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """One of a list of values."""
    options = _list(value, schema, "enum")
    texts = [option for option in options if isinstance(option, str)]
    points = [Fraction(one) for one in options if isinstance(one, int | Decimal) and not isinstance(one, bool)]
    result = sets.only(string=strings.words(texts), number=numbers.among(points))
    for option in options:
        if isinstance(option, bool) or not isinstance(option, str | int | Decimal):
            result = sets.union(result, forms.equal_to(option))
    return result


def const(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """One value."""
    return forms.equal_to(value)


# Combinators


def allOf(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """All of the schemas."""
    return forms.formulas.conjunction(_branches(value, schema, forms, "allOf"))


def anyOf(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """Any of the schemas."""
    return forms.formulas.disjunction(_branches(value, schema, forms, "anyOf"))


def oneOf(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """Exactly one of the schemas."""
    branches = _branches(value, schema, forms, "oneOf")
    if len(branches) == 1:
        return branches[0]
    return forms.postponed(lambda: _exactly_one(branches, schema, forms), "oneOf", (id(value), *branches))


def _exactly_one(branches: list[Formula], schema: "Schema", forms: "NormalForms") -> Formula:
    """Each branch without those siblings that it has values in common with.

    Only values that the keywords beside `oneOf` allow count: branches are often told apart by a member that is required
    there.  For other values the formula and its negation mean nothing, and need not: it is only used beside those.
    """
    conjunction, disjunction, negation = (
        forms.formulas.conjunction,
        forms.formulas.disjunction,
        forms.formulas.negation,
    )
    beside = forms.formula_beside(schema, "oneOf")

    def overlap(first: Formula, second: Formula) -> bool:
        return forms.may_be_inhabited(conjunction((first, second))) and (
            beside == TRUE or forms.may_be_inhabited(conjunction((beside, first, second)))
        )

    overlaps = [(i, j) for i in range(len(branches)) for j in range(i) if overlap(branches[i], branches[j])]
    siblings: dict[int, list[int]] = {i: [] for i in range(len(branches))}
    for i, j in overlaps:
        siblings[i].append(j)
        siblings[j].append(i)
    cases = []
    for i, branch in enumerate(branches):
        within = beside if siblings[i] else TRUE  # first, so that cases that it excludes are never made
        cases.append(conjunction((within, branch, *(negation(branches[j]) for j in sorted(siblings[i])))))
    none = conjunction(map(negation, branches))
    several = (conjunction((branches[i], branches[j])) for i, j in overlaps)
    return forms.formulas.declare_complements(disjunction(cases), disjunction((none, *several)))


def not_(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """Not the schema."""
    return forms.formulas.negation(forms.schema(schema, value, "not"))


def if_(value: Any, schema: "Schema", forms: "NormalForms") -> "Part | None":
    """`then` where the schema holds, `else` where it does not."""
    branches = [
        forms.schema(schema, schema.contents[keyword], keyword) if keyword in schema.contents else TRUE
        for keyword in ("then", "else")
    ]
    if branches == [TRUE, TRUE]:
        return None
    conjunction, disjunction, negation = (
        forms.formulas.conjunction,
        forms.formulas.disjunction,
        forms.formulas.negation,
    )
    condition = forms.schema(schema, value, "if")
    cases = condition, negation(condition)
    holds = disjunction(conjunction(pair) for pair in zip(cases, branches, strict=True))
    fails = disjunction(conjunction((case, negation(one))) for case, one in zip(cases, branches, strict=True))
    return forms.formulas.declare_complements(holds, fails)


# References


def ref(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """The schema that a URI reference names."""
    if not isinstance(value, str):
        raise malformed(schema, "$ref", "a string")
    return _target(forms.references.referred(schema, value), schema, forms)


def dynamicRef(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """The schema that a URI reference names, or its stand-in in an outer resource."""
    if not isinstance(value, str):
        raise malformed(schema, "$dynamicRef", "a string")
    return _target(forms.references.dynamically_referred(schema, value), schema, forms)


def recursiveRef(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """The resource's root, or its stand-in in an outer resource."""
    if value != "#":
        raise malformed(schema, "$recursiveRef", "'#'")
    return _target(forms.references.recursively_referred(schema, value), schema, forms)


def _target(number: int, schema: "Schema", forms: "NormalForms") -> Formula:
    contents = forms.references[number].contents
    if contents is True or contents is False:
        return TRUE if contents else FALSE
    if not isinstance(contents, dict):
        raise UnsupportedSchemaError("the reference leads to something that is no schema", pointer=schema.pointer)
    return forms.formulas.schema(number)


# Numbers


def multipleOf(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Multiples of a positive number."""
    factor = _number(value, schema, "multipleOf")
    if factor <= 0:
        raise malformed(schema, "multipleOf", "a positive number")
    return Values(numbers=numbers.multiples(factor))


def minimum(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Numbers that are not less; in draft 4 greater where `exclusiveMinimum` is true."""
    strict = schema.scope.draft.boolean_bounds and schema.contents.get("exclusiveMinimum") is True
    return Values(numbers=numbers.between(_number(value, schema, "minimum"), strict_low=strict))


def maximum(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Numbers that are not greater; in draft 4 less where `exclusiveMaximum` is true."""
    strict = schema.scope.draft.boolean_bounds and schema.contents.get("exclusiveMaximum") is True
    return Values(numbers=numbers.between(high=_number(value, schema, "maximum"), strict_high=strict))


def exclusiveMinimum(value: Any, schema: "Schema", forms: "NormalForms") -> "Part | None":  # noqa: ARG001
    """Numbers that are greater; in draft 4 a flag."""
    if schema.scope.draft.boolean_bounds:
        _check_flag(value, schema, "exclusiveMinimum")
        return None
    return Values(numbers=numbers.between(_number(value, schema, "exclusiveMinimum"), strict_low=True))


def exclusiveMaximum(value: Any, schema: "Schema", forms: "NormalForms") -> "Part | None":  # noqa: ARG001
    """Numbers that are less; in draft 4 a flag."""
    if schema.scope.draft.boolean_bounds:
        _check_flag(value, schema, "exclusiveMaximum")
        return None
    return Values(numbers=numbers.between(high=_number(value, schema, "exclusiveMaximum"), strict_high=True))


def _check_flag(value: Any, schema: "Schema", keyword: str) -> None:
    if not isinstance(value, bool):
        raise malformed(schema, keyword, "a boolean")


# Strings


def minLength(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Strings of so many characters or more."""
    return Values(strings=strings.length_between(_count(value, schema, "minLength"), None))


def maxLength(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Strings of so many characters or fewer."""
    return Values(strings=strings.length_between(0, _count(value, schema, "maxLength")))


def pattern_language(value: Any, schema: "Schema", keyword: str) -> Regular:
    """Strings in which an ECMA-262 pattern is found."""
    if not isinstance(value, str):
        raise malformed(schema, keyword, "a string")
    try:
        return search_language(value, Dialect.ECMA)
    except GrammarSyntaxError as error:
        reason = f"the pattern {value!r} is not understood: {error.reason}"
        raise UnsupportedSchemaError(reason, pointer=schema.pointer, keyword=keyword) from error


def pattern(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Strings in which the pattern is found."""
    return Values(strings=pattern_language(value, schema, "pattern"))


def format(value: Any, schema: "Schema", forms: "NormalForms") -> "Part | None":  # noqa: A001
    """Strings of a well-known form; unknown formats ask for nothing."""
    if not isinstance(value, str):
        raise malformed(schema, "format", "a string")
    language, superset = format_language(value), format_superset(value)
    asserted = forms.asserts_formats or schema.scope.draft.asserts_formats
    if language is None or superset is None or not asserted:
        return None
    keep_program(language)
    holds = Values(strings=language)
    if superset is language:
        return holds
    fails = sets.only(string=strings.complement(superset))
    return forms.formulas.declare_complements(forms.given(holds), forms.given(fails))


# Arrays


def prefixItems(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """What the first items satisfy in turn, and, with `items`, the others."""
    rest = schema.contents.get("items", True)
    return _array(_branches(value, schema, forms, "prefixItems"), forms.schema(schema, rest, "items"))


def items(value: Any, schema: "Schema", forms: "NormalForms") -> "Part | None":
    """What items satisfy; before 2020-12 also a list, for the first items, with `additionalItems` for the others."""
    if "prefixItems" in schema.scope.draft.places and not isinstance(value, list):
        return None if "prefixItems" in schema.contents else _array([], forms.schema(schema, value, "items"))
    if not isinstance(value, list):
        return _array([], forms.schema(schema, value, "items"))
    rest = schema.contents.get("additionalItems", True)
    return _array(_branches(value, schema, forms, "items"), forms.schema(schema, rest, "additionalItems"))


def _array(prefix: list[Formula], rest: Formula) -> "Part":
    while prefix and prefix[-1] == rest:
        prefix = prefix[:-1]
    return Values(arrays=(Arrays(tuple(prefix), rest),)) if prefix or rest != TRUE else sets.ANY


def contains(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """How many items satisfy a schema: one or more, or as `minContains` and `maxContains` say."""
    least, most = 1, None
    if "minContains" in schema.scope.draft.assertions:
        least = _count(schema.contents.get("minContains", 1), schema, "minContains")
        if "maxContains" in schema.contents:
            most = _count(schema.contents["maxContains"], schema, "maxContains")
    if least == 0 and most is None:
        return sets.ANY
    shape = Arrays(contains=(Contains(0, forms.schema(schema, value, "contains"), least, most),))
    return Values(arrays=() if shape.is_void() else (shape,))


def minItems(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Arrays of so many items or more."""
    least = _count(value, schema, "minItems")
    return Values(arrays=(Arrays(minimum=least),)) if least else sets.ANY


def maxItems(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Arrays of so many items or fewer."""
    return Values(arrays=(Arrays(maximum=_count(value, schema, "maxItems")),))


def uniqueItems(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Arrays without equal items."""
    _check_flag(value, schema, "uniqueItems")
    return Values(arrays=(Arrays(unique=True),)) if value else sets.ANY


# Objects


def _unless_any(shape: Objects) -> Values:
    return Values(objects=() if shape.is_void() else (shape,))


def properties(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """What the members of an object satisfy, by their names; with `patternProperties`, `additionalProperties`."""
    contents = schema.contents
    keys = {
        name: forms.schema(schema, one, "properties", name)
        for name, one in _map(contents.get("properties", {}), schema, "properties").items()
    }
    patterns = [
        (pattern_language(name, schema, "patternProperties"), forms.schema(schema, one, "patternProperties", name))
        for name, one in _map(contents.get("patternProperties", {}), schema, "patternProperties").items()
    ]
    others = forms.schema(schema, contents.get("additionalProperties", True), "additionalProperties")
    for language, formula in patterns:
        for name in keys:
            if strings.contains(language, name.encode("utf-8", "replace")):
                keys[name] = forms.formulas.conjunction((keys[name], formula))
    if not patterns and others == TRUE:
        return _unless_any(Objects(keys)) if keys else sets.ANY
    return _unless_any(Objects(keys, classes=tuple(_classes(patterns, others, forms))))


def _classes(patterns: list[tuple[Regular, Formula]], others: Formula, forms: "NormalForms") -> Iterable[KeyClass]:
    """Disjoint languages of names, by the patterns that they match."""
    classes: list[tuple[Regular, Formula | None]] = [(strings.ANY, None)]
    for language, formula in patterns:
        split: list[tuple[Regular, Formula | None]] = []
        for names, so_far in classes:
            inside = strings.intersection(names, language)
            outside = strings.intersection(names, strings.complement(language))
            both = formula if so_far is None else forms.formulas.conjunction((so_far, formula))
            split += [(part, one) for part, one in ((inside, both), (outside, so_far)) if not strings.is_empty(part)]
        classes = split
    for names, found in classes:
        formula = others if found is None else found
        if formula != FALSE:
            yield KeyClass(names, formula)


def patternProperties(value: Any, schema: "Schema", forms: "NormalForms") -> "Part | None":
    """Read with `properties`."""
    return None if "properties" in schema.contents else properties(value, schema, forms)


def additionalProperties(value: Any, schema: "Schema", forms: "NormalForms") -> "Part | None":
    """Read with `properties`."""
    return None if schema.contents.keys() & {"properties", "patternProperties"} else properties(value, schema, forms)


def required(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Objects with members of these names."""
    return _requiring(_names(value, schema, "required"))


def _requiring(names: list[str]) -> "Part":
    return Values(objects=(Objects(dict.fromkeys(names, TRUE), frozenset(names)),)) if names else sets.ANY


def minProperties(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Objects of so many members or more."""
    least = _count(value, schema, "minProperties")
    return Values(objects=(Objects(minimum=least),)) if least else sets.ANY


def maxProperties(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":  # noqa: ARG001
    """Objects of so many members or fewer."""
    return Values(objects=(Objects(maximum=_count(value, schema, "maxProperties")),))


def propertyNames(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """What the names of members satisfy."""
    formula = forms.schema(schema, value, "propertyNames")
    return forms.postponed(lambda: forms.given(_named(strings_of(formula, forms))), NAMES_OF_MEMBERS, formula)


def _named(names: Regular) -> Values:
    if names is strings.ANY:
        return sets.ANY
    classes = () if strings.is_empty(names) else (KeyClass(names, TRUE),)
    return Values(objects=(Objects(classes=classes),))


def _absent(name: str, forms: "NormalForms") -> Formula:
    return forms.given(Values(objects=(Objects({name: FALSE}),)))


def dependentRequired(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """Where a member is, members of these names are."""
    parts = []
    for name, names in _map(value, schema, "dependentRequired").items():
        needed = forms.formula(_requiring(_names(names, schema, "dependentRequired")))
        parts.append(forms.formulas.disjunction((_absent(name, forms), needed)))
    return forms.formulas.conjunction(parts)


def dependentSchemas(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """Where a member is, the whole object satisfies a schema."""
    parts = []
    for name, one in _map(value, schema, "dependentSchemas").items():
        formula = forms.schema(schema, one, "dependentSchemas", name)
        parts.append(forms.formulas.disjunction((_absent(name, forms), formula)))
    return forms.formulas.conjunction(parts)


def dependencies(value: Any, schema: "Schema", forms: "NormalForms") -> "Part":
    """`dependentRequired` and `dependentSchemas` of earlier drafts, which 2019-09 and later still read."""
    parts = []
    for name, one in _map(value, schema, "dependencies").items():
        if isinstance(one, list):
            formula = forms.formula(_requiring(_names(one, schema, "dependencies")))
        else:
            formula = forms.schema(schema, one, "dependencies", name)
        parts.append(forms.formulas.disjunction((_absent(name, forms), formula)))
    return forms.formulas.conjunction(parts)


KEYWORDS: dict[str, Keyword] = {
    "properties": properties,
    "patternProperties": patternProperties,
    "additionalProperties": additionalProperties,
    "$ref": ref,
    "$dynamicRef": dynamicRef,
    "$recursiveRef": recursiveRef,
    "allOf": allOf,
    "type": type,
    "enum": enum,
    "const": const,
    "multipleOf": multipleOf,
    "minimum": minimum,
    "maximum": maximum,
    "exclusiveMinimum": exclusiveMinimum,
    "exclusiveMaximum": exclusiveMaximum,
    "minLength": minLength,
    "maxLength": maxLength,
    "pattern": pattern,
    "format": format,
    "prefixItems": prefixItems,
    "items": items,
    "contains": contains,
    "minItems": minItems,
    "maxItems": maxItems,
    "uniqueItems": uniqueItems,
    "minProperties": minProperties,
    "maxProperties": maxProperties,
    "required": required,
    "propertyNames": propertyNames,
    "dependentRequired": dependentRequired,
    "anyOf": anyOf,
    "oneOf": oneOf,
    "not": not_,
    "if": if_,
    "dependentSchemas": dependentSchemas,
    "dependencies": dependencies,
}
