"""Random JSON Schemas, values that are near to them, texts of values, and an exact validator.

Names and values come from small vocabularies, so that keywords meet each other: patterns overlap, constants fall inside
and outside of bounds, members are spoken of from several sides.  Everything is made by a `random.Random`, so that tests
and long campaigns share it; `schemas_with_values` is the Hypothesis strategy.

The validator is `jsonschema` with four of its keywords made exact: it computes `multipleOf` and `type: integer` with
floats, and `uniqueItems` by sorting, for which `[1]` and `[true]` are neighbours in any order; and in draft 2019-09 it
takes the keywords of an `additionalProperties` for names of members that this evaluates.
"""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import jsonschema
from hypothesis import strategies as st
from jsonschema import validators
from jsonschema.exceptions import ValidationError

DRAFTS = {
    4: "http://json-schema.org/draft-04/schema#",
    6: "http://json-schema.org/draft-06/schema#",
    7: "http://json-schema.org/draft-07/schema#",
    2019: "https://json-schema.org/draft/2019-09/schema",
    2020: "https://json-schema.org/draft/2020-12/schema",
}
"""The drafts by short numbers, and what `$schema` calls them."""

VAST = re.compile(r"[eE][+-]?[0-9]{5}")
"""Numbers that the validator would write out, digit by digit."""

NAMES = ("a", "b", "ab", "ba", "c", "")
TEXTS = ("", "a", "b", "ab", "abc", "é", 'a"', "2020-02-29", "\x00", "𝄞")
NUMBERS = (-3, -1, 0, 1, 2, 3, 4, 6, 10, 100)
DECIMALS = (-0.5, 0.1, 0.3, 0.5, 1.5, 2.0, 2.25, 4.0, 7.5)
PATTERNS = ("a", "^a", "b$", "^(a|b)*$", "^.{1,2}$", "^[^a]", "^$", "ab|c", "\\d+", "^(?!a)", "^(?=.*b)a")
FORMATS = ("date", "ipv4", "json-pointer", "uuid", "no-such-format")
FACTORS = (1, 2, 3, 0.5, 0.1, 1.5, 0.75, 10, 100, 7)
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")


@dataclass
class _Place:
    """Where a schema is made: how deep still, and which definitions it may refer to."""

    depth: int
    first_open: int  # definitions before this one are being defined by what stands here
    guarded: bool = False  # whether an array or object stands in between

    def below(self) -> "_Place":
        """In a keyword for the same value."""
        return _Place(self.depth - 1, self.first_open, self.guarded)

    def inside(self) -> "_Place":
        """In a keyword for an item or a member."""
        return _Place(self.depth - 1, self.first_open, True)


class SchemaMaker:
    """Makes random schemas of a draft."""

    def __init__(self, choice: random.Random, draft: int = 2020) -> None:
        self._choice, self._draft = choice, draft
        self._definitions = 0
        self._groups = self._known_groups()

    def document(self, depth: int = 3) -> Any:
        """A schema with definitions, which may be recursive."""
        choice = self._choice
        self._definitions = choice.choice((0, 0, 0, 1, 2))
        schema = self._object(_Place(depth, 0))
        if self._definitions:
            place = "$defs" if self._draft >= 2019 else "definitions"
            schema[place] = {
                str(number): self._object(_Place(depth - 1, number + 1)) for number in range(self._definitions)
            }
        if self._draft != 2020 or choice.random() < 0.2:
            schema = {"$schema": DRAFTS[self._draft], **schema}
        return schema

    # Schemas

    def _schema(self, place: _Place) -> Any:
        choice = self._choice
        if choice.random() < 0.1:
            if self._draft == 4:
                return {} if choice.random() < 0.5 else {"not": {}}
            return choice.random() < 0.5
        return self._object(place)

    def _object(self, place: _Place) -> dict[str, Any]:
        choice = self._choice
        schema: dict[str, Any] = {}
        for _ in range(choice.choice((1, 1, 2, 2, 3))):
            groups = self._groups if place.depth > 0 else self._groups[: self._flat]
            weights = [weight for _, weight in groups]
            group = choice.choices([group for group, _ in groups], weights)[0]
            schema.update(group(place))
        items = list(schema.items())
        choice.shuffle(items)
        return dict(items)

    def _schemas(self, place: _Place, least: int = 1, most: int = 3) -> list[Any]:
        return [self._schema(place) for _ in range(self._choice.randint(least, most))]

    def _by_name(self, place: _Place, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
        return {name: self._schema(place) for name in self._some(names, 1, 3)}

    def _some(self, options: tuple[Any, ...], least: int, most: int) -> list[Any]:
        return self._choice.sample(options, self._choice.randint(least, most))

    def _known_groups(self) -> list[tuple[Any, float]]:
        flat = [
            (self._type, 4),
            (self._enumeration, 3),
            (self._bounds, 2),
            (self._multiple, 1.5),
            (self._lengths, 1.5),
            (self._pattern, 1.5),
            (self._format, 0.4),
            (self._sizes, 2),
            (self._required, 2),
        ]
        nested = [
            (self._properties, 5),
            (self._items, 4),
            (self._combinator, 5),
            (self._dependencies, 1.5),
            (self._reference, 1),
        ]
        if self._draft >= 6:
            nested += [(self._contains, 2), (self._property_names, 1)]
        if self._draft >= 7:
            nested.append((self._condition, 2))
        if self._draft >= 2019:
            nested.append((self._unevaluated, 3))
        if self._draft == 2019:
            # There `contains` evaluates nothing (section 9.3.1.4), but for `jsonschema` it does.
            nested.remove((self._contains, 2))
        self._flat = len(flat)
        return flat + nested

    # Keywords

    def _type(self, _: _Place) -> dict[str, Any]:
        choice = self._choice
        return {"type": choice.choice(TYPES) if choice.random() < 0.7 else self._some(TYPES, 1, 3)}

    def _enumeration(self, _: _Place) -> dict[str, Any]:
        if self._draft >= 6 and self._choice.random() < 0.5:
            return {"const": self.value()}
        values = [self.value() for _ in range(self._choice.randint(1, 4))]
        return {"enum": values}

    def _bounds(self, _: _Place) -> dict[str, Any]:
        choice = self._choice
        schema: dict[str, Any] = {}
        for name in ("Minimum", "Maximum"):
            if choice.random() < 0.6:
                strict = choice.random() < 0.3
                bound = self.number()
                if self._draft == 4:
                    schema[name.lower()] = bound
                    if strict:
                        schema["exclusive" + name] = True
                else:
                    schema["exclusive" + name if strict else name.lower()] = bound
        return schema

    def _multiple(self, _: _Place) -> dict[str, Any]:
        return {"multipleOf": self._choice.choice(FACTORS)}

    def _between(self, least: str, greatest: str, most: int) -> dict[str, Any]:
        schema = {}
        for name in (least, greatest):
            if self._choice.random() < 0.6:
                schema[name] = self._choice.randint(0, most)
        return schema

    def _lengths(self, _: _Place) -> dict[str, Any]:
        return self._between("minLength", "maxLength", 3)

    def _sizes(self, _: _Place) -> dict[str, Any]:
        schema = self._between(*self._choice.choice((("minItems", "maxItems"), ("minProperties", "maxProperties"))), 3)
        if self._choice.random() < 0.2:
            schema["uniqueItems"] = self._choice.random() < 0.9
        return schema

    def _pattern(self, _: _Place) -> dict[str, Any]:
        return {"pattern": self._choice.choice(PATTERNS)}

    def _format(self, _: _Place) -> dict[str, Any]:
        return {"format": self._choice.choice(FORMATS)}

    def _required(self, _: _Place) -> dict[str, Any]:
        return {"required": self._some(NAMES, 1, 2)}

    def _properties(self, place: _Place) -> dict[str, Any]:
        choice, inside = self._choice, place.inside()
        schema: dict[str, Any] = {}
        if choice.random() < 0.8:
            schema["properties"] = self._by_name(inside)
        if choice.random() < 0.35:
            schema["patternProperties"] = self._by_name(inside, PATTERNS)
        if choice.random() < 0.4:
            schema["additionalProperties"] = self._schema(inside)
        return schema

    def _items(self, place: _Place) -> dict[str, Any]:
        choice, inside = self._choice, place.inside()
        schema: dict[str, Any] = {}
        first, rest = ("prefixItems", "items") if self._draft >= 2020 else ("items", "additionalItems")
        if choice.random() < 0.5:
            schema[first] = self._schemas(inside)
            if choice.random() < 0.6:
                schema[rest] = self._schema(inside)
        else:
            schema["items"] = self._object(inside)  # a boolean beside `additionalItems` is too much for `jsonschema`
        if choice.random() < 0.15:
            schema["uniqueItems"] = True
        return schema

    def _contains(self, place: _Place) -> dict[str, Any]:
        schema: dict[str, Any] = {"contains": self._schema(place.inside())}
        if self._draft >= 2019:
            schema.update(self._between("minContains", "maxContains", 2))
        return schema

    def _property_names(self, place: _Place) -> dict[str, Any]:
        return {"propertyNames": self._schema(place.inside())}

    def _combinator(self, place: _Place) -> dict[str, Any]:
        keyword = self._choice.choice(("allOf", "anyOf", "oneOf", "oneOf", "not", "not"))
        below = place.below()
        return {keyword: self._schema(below) if keyword == "not" else self._schemas(below)}

    def _condition(self, place: _Place) -> dict[str, Any]:
        below = place.below()
        schema = {"if": self._schema(below)}
        for keyword in ("then", "else"):
            if self._choice.random() < 0.7:
                schema[keyword] = self._schema(below)
        return schema

    def _dependencies(self, place: _Place) -> dict[str, Any]:
        below = place.below()
        if self._draft < 2019:
            names = self._some(NAMES, 1, 2)
            # Draft 4 asks for at least one name.
            return {"dependencies": {name: self._dependency(below) for name in names}}
        if self._choice.random() < 0.5:
            return {"dependentRequired": {name: self._some(NAMES, 0, 2) for name in self._some(NAMES, 1, 2)}}
        return {"dependentSchemas": self._by_name(below)}

    def _dependency(self, place: _Place) -> Any:
        return self._some(NAMES, 1, 2) if self._choice.random() < 0.5 else self._schema(place)

    def _unevaluated(self, place: _Place) -> dict[str, Any]:
        keyword = self._choice.choice(("unevaluatedProperties", "unevaluatedProperties", "unevaluatedItems"))
        return {keyword: False if self._choice.random() < 0.6 else self._schema(place.inside())}

    def _reference(self, place: _Place) -> dict[str, Any]:
        """A reference that does not make the schema refer to itself for the same value."""
        start = 0 if place.guarded else place.first_open
        keyword = "#/$defs" if self._draft >= 2019 else "#/definitions"
        targets = [f"{keyword}/{number}" for number in range(start, self._definitions)]
        if place.guarded:
            targets.append("#")
        return {"$ref": self._choice.choice(targets)} if targets else self._type(place)

    # Values

    def number(self) -> int | float:
        """A number of the vocabulary."""
        return self._choice.choice(NUMBERS if self._choice.random() < 0.7 else DECIMALS)

    def value(self, depth: int = 2) -> Any:
        """A JSON value of the vocabulary."""
        choice = self._choice
        kind = choice.randrange(6 if depth else 4)
        match kind:
            case 0:
                return choice.choice((None, False, True))
            case 1:
                return self.number()
            case 2 | 3:
                return choice.choice(TEXTS)
            case 4:
                return [self.value(depth - 1) for _ in range(choice.choice((0, 1, 2, 2, 3)))]
        return {name: self.value(depth - 1) for name in self._some(NAMES, 0, 3)}


class ValueMaker:
    """Makes values that a schema may allow, or that differ little from such."""

    def __init__(self, choice: random.Random, document: Any) -> None:
        self._choice, self._document = choice, document
        self._makers = SchemaMaker(choice)

    def values(self, count: int) -> Iterator[Any]:
        """Values near to the schema."""
        for _ in range(count):
            value = self.near(self._document, 5)
            while self._choice.random() < 0.4:
                value = self.mutated(value)
            yield value

    def near(self, schema: Any, depth: int) -> Any:
        """A value that some keywords of a schema ask for."""
        choice = self._choice
        if not isinstance(schema, dict) or depth <= 0:
            return self._makers.value(min(max(depth, 0), 2))
        followed = ("const", "enum", "allOf", "anyOf", "oneOf", "$ref", "then", "else")
        options = [name for name in followed if name in schema]
        if options and choice.random() < 0.6:
            return self._by_keyword(schema, choice.choice(options), depth)
        match self._kind(schema):
            case "array":
                return self._array(schema, depth)
            case "object":
                return self._object(schema, depth)
            case "string":
                return choice.choice(TEXTS)
            case "number" | "integer":
                return self._number(schema)
            case "boolean":
                return choice.random() < 0.5
            case "null":
                return None
        return self._makers.value()

    def _by_keyword(self, schema: dict[str, Any], keyword: str, depth: int) -> Any:
        choice, value = self._choice, schema[keyword]
        if keyword == "const":
            return value
        if keyword == "enum":
            return choice.choice(value) if value else None
        if keyword == "$ref":
            return self.near(self._target(value), depth - 1)
        if keyword in ("then", "else"):
            return self.near(value, depth - 1)
        made = self.near(choice.choice(value), depth - 1)
        rest = {name: one for name, one in schema.items() if name != keyword}
        if isinstance(made, dict) and choice.random() < 0.6:
            made = {**self._object(rest, depth - 1), **made}
        return made

    def _target(self, reference: str) -> Any:
        node = self._document
        for name in reference.split("/")[1:]:
            node = node[name]
        return node

    def _kind(self, schema: dict[str, Any]) -> str:
        kinds = schema.get("type", [])
        kinds = list(kinds) if isinstance(kinds, list) else [kinds]
        if not kinds:
            text = " ".join(schema)
            kinds += ["object"] * ("ropert" in text or "required" in text or "depend" in text)
            kinds += ["array"] * ("tems" in text or "ontains" in text)
            kinds += ["number"] * ("imum" in text or "multipleOf" in text)
            kinds += ["string"] * ("pattern" in schema or "Length" in text or "format" in schema)
        return self._choice.choice(kinds or TYPES)

    def _number(self, schema: dict[str, Any]) -> int | float:
        base = [schema[name] for name in schema if "imum" in name and not isinstance(schema[name], bool)]
        if "multipleOf" in schema:
            factor = Fraction(str(schema["multipleOf"])) * self._choice.randint(-3, 6)
            base.append(factor.numerator if factor.denominator == 1 else float(factor))
        return self._choice.choice(base) if base and self._choice.random() < 0.6 else self._makers.number()

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        choice = self._choice
        first = schema.get("prefixItems", schema["items"] if isinstance(schema.get("items"), list) else [])
        rest = [schema[name] for name in ("items", "additionalItems", "contains", "unevaluatedItems") if name in schema]
        rest = [one for one in rest if not isinstance(one, list)]
        made = []
        for index in range(choice.choice((0, 1, 2, 2, 3, 4))):
            if index < len(first):
                made.append(self.near(first[index], depth - 1))
            else:
                made.append(self.near(choice.choice(rest) if rest else True, depth - 1))
        return made

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        choice, keys = self._choice, schema.get("properties", {})
        patterns = [*schema.get("patternProperties", {}).values()]
        patterns += [schema[name] for name in ("additionalProperties", "unevaluatedProperties") if name in schema]
        names = [*(name for name in keys if choice.random() < 0.6), *schema.get("required", [])]
        names += [name for name in NAMES if choice.random() < 0.15]
        choice.shuffle(names)
        return {
            name: self.near(keys[name] if name in keys else choice.choice(patterns or [True]), depth - 1)
            for name in names
        }

    def mutated(self, value: Any) -> Any:
        """A value that differs in one place."""
        choice = self._choice
        if isinstance(value, list) and value and choice.random() < 0.9:
            return self._mutated_list(value)
        if isinstance(value, dict) and value and choice.random() < 0.9:
            return self._mutated_object(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and choice.random() < 0.6:
            return choice.choice((value + 1, value - 1, value * 2, float(value), -value, value / 2))
        if isinstance(value, str) and choice.random() < 0.6:
            return choice.choice((value + "a", value[1:], "b" + value, value * 2))
        return self._makers.value()

    def _mutated_list(self, value: list[Any]) -> list[Any]:
        choice, index = self._choice, self._choice.randrange(len(value))
        match choice.randrange(4):
            case 0:
                return value[:index] + value[index + 1 :]
            case 1:
                return [*value, choice.choice(value)]
            case 2:
                return [*value[:index], self._makers.value(1), *value[index:]]
        return [*value[:index], self.mutated(value[index]), *value[index + 1 :]]

    def _mutated_object(self, value: dict[str, Any]) -> dict[str, Any]:
        choice, name = self._choice, self._choice.choice(list(value))
        match choice.randrange(4):
            case 0:
                return {key: one for key, one in value.items() if key != name}
            case 1:
                return {**value, choice.choice(NAMES): self._makers.value(1)}
            case 2:
                items = list(value.items())
                choice.shuffle(items)
                return dict(items)
        return {**value, name: self.mutated(value[name])}


# Texts


def text_of(value: Any, choice: random.Random, *, exponents: bool = True) -> str:
    """A JSON text of a value: any white space that is flexible, escapes and forms of numbers."""
    return _Writer(choice, exponents).write(value)


def allows_exponents(document: Any) -> bool:
    """Whether every number that a schema allows may be written with every exponent.

    Multiples of what is no power of ten are written without a negative exponent.
    """
    if isinstance(document, dict):
        if document.get("multipleOf", 1) not in (0.1, 1, 10, 100):
            return False
        return all(map(allows_exponents, document.values()))
    return not isinstance(document, list) or all(map(allows_exponents, document))


class _Writer:
    def __init__(self, choice: random.Random, exponents: bool) -> None:
        self._choice, self._exponents = choice, exponents
        self._playful = choice.random() < 0.3

    def write(self, value: Any) -> str:
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, dict):
            members = (f"{self._string(k)}{self._gap()}:{self._gap()}{self.write(v)}" for k, v in value.items())
            return self._joined("{", members, "}")
        if isinstance(value, list):
            return self._joined("[", map(self.write, value), "]")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._number(value)
        return json.dumps(value)

    def _joined(self, start: str, parts: Iterator[str], end: str) -> str:
        inner = f"{self._gap()},".join(self._gap() + part for part in parts)
        return start + inner + self._gap() + end

    def _gap(self) -> str:
        return self._choice.choice(("", "", " ", "\n", "\r\n\t ", "\n    ")) if self._playful else ""

    def _string(self, text: str) -> str:
        if not self._playful:
            return json.dumps(text, ensure_ascii=self._choice.random() < 0.5)
        return '"' + "".join(map(self._character, text)) + '"'

    def _character(self, character: str) -> str:
        if self._choice.random() < 0.3:
            units = character.encode("utf-16-be")
            codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
            form = self._choice.choice(("\\u{:04x}", "\\u{:04X}"))
            return "".join(form.format(code) for code in codes)
        return json.dumps(character, ensure_ascii=False)[1:-1]

    def _number(self, value: int | float) -> str:
        exact = Decimal(str(value))
        forms = [json.dumps(value)]
        if self._playful:
            shift = self._choice.randint(-3, 3)
            if self._exponents:
                forms.append(f"{exact.scaleb(-shift):f}e{shift}")
            forms.append(f"{exact:f}" + ("0" if "." in f"{exact:f}" else ".0"))
        return self._choice.choice(forms)


def texts_near(document: Any, choice: random.Random, count: int) -> list[str]:
    """Texts of values, about half of which a schema allows."""
    exponents = allows_exponents(document)
    return [text_of(value, choice, exponents=exponents) for value in ValueMaker(choice, document).values(count)]


# The oracle


def _is_integer(_: Any, instance: Any) -> bool:
    return (
        isinstance(instance, int | Decimal) and not isinstance(instance, bool) and Fraction(instance).denominator == 1
    )


def _is_plain_integer(_: Any, instance: Any) -> bool:
    return isinstance(instance, int) and not isinstance(instance, bool)


def _multiple_of(validator: Any, factor: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "number") and (Fraction(instance) / Fraction(factor)).denominator != 1:
        yield ValidationError(f"{instance} is not a multiple of {factor}")


def _unique_items(validator: Any, unique: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if unique and validator.is_type(instance, "array") and len(set(map(canonical, instance))) < len(instance):
        yield ValidationError("items are equal")


def canonical(value: Any) -> Any:
    """A hashable form that equal JSON values share, and others do not."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__, value
    if isinstance(value, list):
        return "array", tuple(map(canonical, value))
    if isinstance(value, dict):
        return "object", frozenset((name, canonical(one)) for name, one in value.items())
    return "number", Fraction(value)


def _exact(validator: Any, is_integer: Any = _is_integer, **keywords: Any) -> Any:
    return validators.extend(
        validator,
        {"multipleOf": _multiple_of, "uniqueItems": _unique_items, **keywords},
        type_checker=validator.TYPE_CHECKER.redefine("integer", is_integer),
    )


_EXACT = {
    4: _exact(jsonschema.Draft4Validator, _is_plain_integer),
    6: _exact(jsonschema.Draft6Validator),
    7: _exact(jsonschema.Draft7Validator),
    2019: _exact(
        jsonschema.Draft201909Validator,
        unevaluatedProperties=jsonschema.Draft202012Validator.VALIDATORS["unevaluatedProperties"],
    ),
    2020: _exact(jsonschema.Draft202012Validator),
}


def _with_python_patterns(node: Any) -> Any:
    """The schema with patterns that mean in Python's dialect what they mean in ECMA-262's."""
    if isinstance(node, list):
        return [_with_python_patterns(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: _with_python_patterns(one) for name, one in node.items()}
    if isinstance(made.get("pattern"), str):
        made["pattern"] = _python_pattern(made["pattern"])
    if "patternProperties" in made:
        made["patternProperties"] = {_python_pattern(key): one for key, one in made["patternProperties"].items()}
    return made


def _python_pattern(pattern: str) -> str:
    """One of `PATTERNS`, which have no escaped and no bracketed `$` or `.`."""
    return pattern.replace("$", r"\Z").replace(".", r"[^\n\r\u2028\u2029]").replace(r"\d", "[0-9]")


def parsed(text: str) -> Any:
    """The value of a JSON text, with exact numbers.  Raises ValueError for a name that occurs twice in an object."""
    return json.loads(text, parse_float=Decimal, object_pairs_hook=_members)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(f"a name occurs twice: {[name for name, _ in pairs]}")
    return members


def validator_of(document: Any, draft: int = 2020) -> Any:
    """An exact validator, which asserts all formats in all drafts, for values that `parsed` reads."""
    return _validator(_EXACT[draft], _with_python_patterns(parsed(json.dumps(document))))


def _validator(kind: Any, document: Any) -> Any:
    # Where a reference leads to a schema with `$schema`, `jsonschema` goes on with the class that it knows by that.
    if isinstance(document, dict):
        document = {name: value for name, value in document.items() if name != "$schema"}
    return kind(document, format_checker=jsonschema.FormatChecker())


def plain_validator_of(document: Any) -> Any:
    """An exact validator of the draft that a schema names, else 2020-12; its patterns are read as Python's."""
    drafts = {uri.rstrip("#"): draft for draft, uri in DRAFTS.items()}
    named = document.get("$schema") if isinstance(document, dict) else None
    kind = _EXACT[drafts.get(named.rstrip("#"), 2020) if isinstance(named, str) else 2020]
    return _validator(kind, parsed(json.dumps(document)))


# Strategies


@st.composite
def schemas_with_values(
    draw: st.DrawFn, *, drafts: tuple[int, ...] = (4, 6, 7, 2019, 2020, 2020, 2020), depth: int = 3, values: int = 10
) -> tuple[int, Any, list[str]]:
    """A draft, a schema of it, and texts of values, about half of which it allows."""
    choice = draw(st.randoms(use_true_random=False))
    draft = choice.choice(drafts)
    document = SchemaMaker(choice, draft).document(depth)
    return draft, document, texts_near(document, choice, values)
