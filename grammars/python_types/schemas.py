"""JSON Schemas of Python types that allow nothing which Pydantic refuses.

Pydantic's own schemas describe types for people and tools, and leave out what JSON Schema cannot say in a word: they
allow a leap second, a date out of bounds, any text as the name of an integer key.  Here such places say what they mean,
with a pattern if need be; what cannot be said is no type that can be written as JSON.  Objects have the members of
their class, and no others unless it says ``extra="allow"``.
"""

import json
from collections.abc import Iterable
from datetime import date
from enum import Enum
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaValidator, to_jsonable_python

from constrain.grammars.python_types import texts
from constrain.grammars.python_types.numbers import GREATEST_INTEGER, bounded_floats, bounded_integers

__all__ = ["ExactSchemas", "JsonSchema", "check_formats"]

JsonSchema = dict[str, Any]

_BOUNDS = ("ge", "gt", "le", "lt")
_MOST_NAMES = 1000  # of a dictionary with integer keys between bounds


class ExactSchemas(GenerateJsonSchema):
    """What `pydantic.TypeAdapter.json_schema` takes as its generator; methods are named after Pydantic's schemas."""

    # Numbers

    def int_schema(self, schema: Any) -> JsonSchema:
        """Integers of at most 308 digits."""
        return bounded_integers(super().int_schema(schema))

    def float_schema(self, schema: Any) -> JsonSchema:
        """Finite floats."""
        made = bounded_floats(**{name: schema.get(name) for name in _BOUNDS})
        grain = schema.get("multiple_of")
        return made if grain is None else {**made, "multipleOf": grain}

    def decimal_schema(self, schema: Any) -> JsonSchema:
        """Numbers, and where there are no bounds but zero, texts too, which have more digits."""
        places = _places(schema.get("max_digits"), schema.get("decimal_places"))
        ways = [self._decimals(schema, whole, behind) for whole, behind in places]
        bounds = {name: schema[name] for name in (*_BOUNDS, "multiple_of") if schema.get(name) is not None}
        if bounds in ({}, {"ge": 0}, {"gt": 0}):
            ways.append({"type": "string", "pattern": texts.decimal_text(places, next(iter(bounds), None))})
        return {"anyOf": ways} if len(ways) > 1 else ways[0]

    def _decimals(self, schema: Any, whole: int | None, behind: int | None) -> JsonSchema:
        """Numbers with so many digits before and behind the point."""
        made = bounded_floats(**{name: schema.get(name) for name in _BOUNDS})
        grains = [] if behind is None else [float(f"1e-{behind}")]
        if schema.get("multiple_of") is not None:
            grains.append(float(schema["multiple_of"]))
        parts = [made, *({"multipleOf": grain} for grain in grains)]
        if whole is not None:
            parts.append(bounded_floats(gt=-(10**whole), lt=10**whole))
        return {"allOf": parts} if len(parts) > 1 else made

    def fraction_schema(self, schema: Any) -> JsonSchema:
        """Fractions as texts."""
        self._refuse_bounds(schema, "fractions")
        return {"type": "string", "pattern": texts.FRACTION}

    def complex_schema(self, schema: Any) -> JsonSchema:  # noqa: ARG002
        """Complex numbers as texts."""
        return {"type": "string", "pattern": texts.COMPLEX}

    # Texts

    def str_schema(self, schema: Any) -> JsonSchema:
        """Texts; where they are stripped, those that it leaves as they are."""
        made = super().str_schema(schema)
        if schema.get("strip_whitespace", getattr(self._config, "str_strip_whitespace", False)):
            return {"allOf": [made, {"pattern": texts.STRIPPED}]}
        return made

    def bytes_schema(self, schema: Any) -> JsonSchema:
        """Texts in the encoding that is read; of ASCII when their length counts, as bytes are counted."""
        encoding = getattr(self._config, "val_json_bytes", "utf8")
        bounded = not schema.keys().isdisjoint(("min_length", "max_length"))
        if encoding != "utf8":
            if bounded:
                self.handle_invalid_for_json_schema(schema, f"bytes in {encoding} with a bounded length")
            return {"type": "string", "pattern": texts.HEX if encoding == "hex" else texts.BASE64_URL}
        made = super().bytes_schema(schema)
        return {**made, "pattern": r"^[\x00-\x7f]*$"} if bounded else made

    def date_schema(self, schema: Any) -> JsonSchema:
        """Dates from year 1 on, between the bounds."""
        self._refuse(schema, "now_op", "dates in the past or future")
        first = max([1, *_ordinals(schema, "ge"), *(day + 1 for day in _ordinals(schema, "gt"))])
        last = min([date.max.toordinal(), *_ordinals(schema, "le"), *(day - 1 for day in _ordinals(schema, "lt"))])
        if first > last:
            return {"not": {}}
        pattern = texts.dates_between(date.fromordinal(first), date.fromordinal(last))
        return {"type": "string", "pattern": pattern}

    def time_schema(self, schema: Any) -> JsonSchema:
        """Times to the microsecond."""
        self._refuse_bounds(schema, "times")
        return {"type": "string", "pattern": texts.time_text(self._zone(schema))}

    def datetime_schema(self, schema: Any) -> JsonSchema:
        """Dates and times to the microsecond."""
        self._refuse_bounds(schema, "dates and times")
        return {"type": "string", "pattern": texts.date_time_text(self._zone(schema))}

    def timedelta_schema(self, schema: Any) -> JsonSchema:
        """Durations, without years and months."""
        self._refuse_bounds(schema, "durations")
        return {"type": "string", "pattern": texts.DURATION}

    def uuid_schema(self, schema: Any) -> JsonSchema:
        """UUIDs, of one version if there is one."""
        version = schema.get("version")
        return (
            super().uuid_schema(schema) if version is None else {"type": "string", "pattern": texts.uuid_text(version)}
        )

    def url_schema(self, schema: Any) -> JsonSchema:
        """URLs with hosts by name."""
        return {**super().url_schema(schema), "pattern": texts.url_text(schema.get("allowed_schemes"))}

    def multi_host_url_schema(self, schema: Any) -> JsonSchema:
        """URLs with one host."""
        return {**super().multi_host_url_schema(schema), "pattern": texts.url_text(schema.get("allowed_schemes"))}

    def json_schema(self, schema: Any) -> JsonSchema:
        """A text that is JSON again cannot be described."""
        return self._invalid(schema, "JSON within a text")

    # Choices

    def literal_schema(self, schema: Any) -> JsonSchema:
        """The values, each of which must be one in JSON."""
        self._check(schema, [value.value if isinstance(value, Enum) else value for value in schema["expected"]])
        return super().literal_schema(schema)

    def enum_schema(self, schema: Any) -> JsonSchema:
        """The members' values, each of which must be one in JSON."""
        self._check(schema, [member.value for member in schema["members"]])
        return super().enum_schema(schema)

    def _check(self, schema: Any, values: Iterable[Any]) -> None:
        alone: Any = {name: part for name, part in schema.items() if name != "ref"}
        validator = SchemaValidator(alone)
        for value in values:
            try:
                validator.validate_json(json.dumps(to_jsonable_python(value), allow_nan=False))
            except ValueError:
                self.handle_invalid_for_json_schema(schema, f"{value!r}, which is not read back from JSON")

    # Containers

    def set_schema(self, schema: Any) -> JsonSchema:
        """Lists of distinct items."""
        return self._set(schema, super().set_schema(schema))

    def frozenset_schema(self, schema: Any) -> JsonSchema:
        """Lists of distinct items."""
        return self._set(schema, super().frozenset_schema(schema))

    def _set(self, schema: Any, made: JsonSchema) -> JsonSchema:
        """Where repetitions cannot be seen, they are allowed if they do no harm: the set is the same."""
        items = made.get("items", {})
        if self._is_countable(items):
            return made
        if (schema.get("min_length") or 0) < 2:
            made.pop("uniqueItems", None)
        elif not self._is_numeric(items):
            self.handle_invalid_for_json_schema(schema, "a set whose members different texts may stand for")
        return made

    def _is_numeric(self, items: JsonSchema) -> bool:
        """Whether values are numbers or lists of them, which are equal exactly where they are in JSON."""
        items = self._resolved(items)
        if items.get("type") == "array":
            parts = [items[name] for name in ("items",) if isinstance(items.get(name), dict)]
            return all(map(self._is_numeric, [*parts, *items.get("prefixItems", [])]))
        return items.get("type") in ("integer", "number", "boolean", "null")

    def _is_countable(self, items: JsonSchema) -> bool:
        """Whether values are texts or come from a list of them, so that they can be told apart."""
        items = self._resolved(items)
        return items.get("type") in ("string", "boolean", "null") or not items.keys().isdisjoint(("enum", "const"))

    def dict_schema(self, schema: Any) -> JsonSchema:
        """Objects whose names are texts of the keys."""
        made = super().dict_schema(schema)
        made.pop("patternProperties", None)
        made.pop("propertyNames", None)
        if "values_schema" in schema:
            made["additionalProperties"] = self.generate_inner(schema["values_schema"])
        if "keys_schema" in schema:
            names = self._names(schema, self.generate_inner(schema["keys_schema"]))
            if names:
                made["propertyNames"] = names
        return made

    def _names(self, schema: Any, keys: JsonSchema) -> JsonSchema:
        """The texts that are read as keys of a schema; an empty schema for all."""
        keys = self._resolved(keys)
        constants = keys.get("enum", [keys["const"]] if "const" in keys else None)
        if "anyOf" in keys:
            ways = [self._names(schema, way) for way in keys["anyOf"]]
            return {"anyOf": ways} if all(ways) else {}
        if "allOf" in keys or keys.get("type") == "string":
            return {name: part for name, part in keys.items() if name not in ("title", "description", "type")}
        if constants is not None:
            if all(isinstance(constant, str) for constant in constants):
                return {"enum": constants}
            return self._invalid(schema, f"keys that are not texts ({constants})")
        if keys.get("type") == "integer":
            return self._integer_names(schema, keys)
        if keys.get("type") == "number" and keys.keys() <= {"type", "title", "minimum", "maximum"}:
            if (keys["minimum"], keys["maximum"]) == _UNBOUNDED:
                return {"pattern": texts.FLOAT_NAME}
        if keys.get("type") == "boolean":
            return {"enum": ["true", "false"]}
        if not keys.keys() - {"title", "description"}:
            return {}
        return self._invalid(schema, f"keys that are no texts ({keys.get('type', 'of several types')})")

    def _integer_names(self, schema: Any, keys: JsonSchema) -> JsonSchema:
        first = keys["exclusiveMinimum"] + 1 if "exclusiveMinimum" in keys else keys["minimum"]
        last = keys["exclusiveMaximum"] - 1 if "exclusiveMaximum" in keys else keys["maximum"]
        step = keys.get("multipleOf", 1)
        if (first, last, step) == (-GREATEST_INTEGER, GREATEST_INTEGER, 1):
            return {"pattern": texts.INTEGER_NAME}
        if last - first >= _MOST_NAMES:
            return self._invalid(schema, "keys that are integers with bounds far apart")
        return {"enum": [str(key) for key in range(int(first), int(last) + 1) if key % step == 0]}

    # Classes

    def model_schema(self, schema: Any) -> JsonSchema:
        """Fields of a model, and no others unless it allows them."""
        made = super().model_schema(schema)
        return made if schema.get("root_model") else _closed(made)

    def dataclass_schema(self, schema: Any) -> JsonSchema:
        """Fields of a dataclass."""
        return _closed(super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: Any) -> JsonSchema:
        """Members of a TypedDict."""
        return _closed(super().typed_dict_schema(schema))

    def model_field_schema(self, schema: Any) -> JsonSchema:
        """A field whose name in JSON is a name."""
        self._check_alias(schema)
        return super().model_field_schema(schema)

    def dataclass_field_schema(self, schema: Any) -> JsonSchema:
        """A field whose name in JSON is a name."""
        self._check_alias(schema)
        return super().dataclass_field_schema(schema)

    def typed_dict_field_schema(self, schema: Any) -> JsonSchema:
        """A member whose name in JSON is a name."""
        self._check_alias(schema)
        return super().typed_dict_field_schema(schema)

    def _check_alias(self, schema: Any) -> None:
        """Aliases are a name, a path, or a list of paths, of which Pydantic's schema takes one that is a name."""
        alias = schema.get("validation_alias")
        paths = alias if isinstance(alias, list) and alias and isinstance(alias[0], list) else [alias]
        if all(isinstance(path, list) and len(path) > 1 for path in paths):
            self.handle_invalid_for_json_schema(schema, f"a field that is read from within others ({alias})")

    def is_subclass_schema(self, schema: Any) -> JsonSchema:
        """Classes are no values in JSON."""
        return self._invalid(schema, "a class")

    # Help

    def _resolved(self, made: JsonSchema) -> JsonSchema:
        """What a reference leads to; nothing for a type that is being described."""
        try:
            return self.resolve_ref_schema(made)
        except (KeyError, RuntimeError):
            return {"type": "object"}

    def _invalid(self, schema: Any, reason: str) -> JsonSchema:
        self.handle_invalid_for_json_schema(schema, reason)
        return {}

    def _refuse(self, schema: Any, name: str, what: str) -> None:
        if schema.get(name) is not None:
            self.handle_invalid_for_json_schema(schema, what)

    def _refuse_bounds(self, schema: Any, what: str) -> None:
        self._refuse(schema, "now_op", f"{what} in the past or future")
        for name in _BOUNDS:
            self._refuse(schema, name, f"{what} between bounds")

    def _zone(self, schema: Any) -> Any:
        zone = schema.get("tz_constraint")
        if isinstance(zone, int):
            self.handle_invalid_for_json_schema(schema, "times with one offset only")
        return zone


_PATTERNS = {"base64": texts.BASE64, "base64url": texts.BASE64_URL}

_UNKNOWN = frozenset(
    "ipv4network ipv6network ipv4interface ipv6interface ipvanyaddress ipvanyinterface ipvanynetwork file-path "
    "directory-path name-email".split()
)
"""Formats of Pydantic's own, of which JSON Schema knows nothing, and which are not all texts."""


def check_formats(made: Any) -> None:
    """Give formats of Pydantic's a pattern, in place.  Raises PydanticInvalidForJsonSchema for those without one."""
    pending = [made]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, dict):
            form = part.get("format")
            if isinstance(form, str) and form in _UNKNOWN:
                raise PydanticInvalidForJsonSchema(f"texts of the format {form!r} are not known")
            if isinstance(form, str) and form in _PATTERNS:
                part.setdefault("pattern", _PATTERNS[form])
            pending.extend(value for name, value in part.items() if name not in _NO_SCHEMAS)


_NO_SCHEMAS = ("default", "examples", "const", "enum")

_UNBOUNDED = (bounded_floats()["minimum"], bounded_floats()["maximum"])


def _closed(made: JsonSchema) -> JsonSchema:
    if made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def _ordinals(schema: Any, name: str) -> list[int]:
    """The number of the day that a bound names, if there is one."""
    return [] if schema.get(name) is None else [schema[name].toordinal()]


def _places(max_digits: int | None, behind: int | None) -> list[tuple[int | None, int | None]]:
    """Pairs of the most digits before and behind the point that a bound on all digits and on those behind leaves."""
    if max_digits is None:
        return [(None, behind)]
    if behind is not None:
        return [(max(max_digits - behind, 0), behind)]
    return [(max_digits - count, count) for count in range(max_digits + 1)]
