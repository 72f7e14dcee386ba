"""Grammars as data: what JSON can hold, and back.

Expressions are written as one list of nodes, parts before what they are part of, each node a list of its class and
its fields.  A node names its parts by their numbers, so depth costs no recursion and equal parts are written once.
Rules are decoded when they are first asked for, if they were made on demand before.

How a field is written follows from its annotated type alone; a class with a field of another type is refused when
this module is loaded, not when somebody saves a grammar.  Bindings hold functions, which are no data: a grammar with
them is written as its recipe.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from constrain.grammars import ir, regular
from constrain.grammars.analysis import parts_of, references_of
from constrain.grammars.errors import CacheError, ConstrainError, GrammarError, ResourceLimitError
from constrain.grammars.recipes import follow, written

__all__ = ["from_data", "to_data"]

Data = Any
"""What `json` reads and writes."""


# Fields


@dataclass(frozen=True, slots=True)
class _Codec:
    """How values of one type are written and read; reading raises TypeError or ValueError for anything else."""

    write: Callable[[Any], Data]
    read: Callable[[Data], Any]


def _plain(*types: type) -> _Codec:
    def read(data: Data) -> Any:
        if type(data) not in types:
            raise TypeError(f"{data!r} is out of place")
        return data

    return _Codec(lambda value: value, read)


def _write_integer(value: int) -> Data:
    return value if -(1 << 63) < value < 1 << 63 else hex(value)  # Python bounds the length of decimal ones


def _read_integer(data: Data) -> int:
    if type(data) is int:
        return data
    if type(data) is str:
        return int(data, 16)
    raise TypeError(f"{data!r} is not an integer")


def _read_bytes(data: Data) -> bytes:
    if type(data) is not str:
        raise TypeError(f"{data!r} is not a text")
    return data.encode("latin-1")


_INTEGER = _Codec(_write_integer, _read_integer)
_BYTES = _Codec(lambda value: value.decode("latin-1"), _read_bytes)
_DECIMAL = _Codec(str, lambda data: Decimal(_plain(str).read(data)))


def _optional(codec: _Codec) -> _Codec:
    return _Codec(
        lambda value: None if value is None else codec.write(value),
        lambda data: None if data is None else codec.read(data),
    )


def _several(codec: _Codec, length: int | None = None) -> _Codec:
    def read(data: Data) -> tuple[Any, ...]:
        if type(data) is not list or (length is not None and len(data) != length):
            raise TypeError("a list is missing, or too long or short")
        return tuple(map(codec.read, data))

    return _Codec(lambda value: list(map(codec.write, value)), read)


_CODECS: dict[Any, _Codec] = {
    bool: _plain(bool),
    str: _plain(str),
    int: _INTEGER,
    bytes: _BYTES,
    int | None: _optional(_INTEGER),
    str | None: _plain(str, type(None)),
    str | int: _plain(str, int),
    Decimal | None: _optional(_DECIMAL),
    regular.Ranges: _several(_several(_INTEGER, 2)),
    tuple[bytes, ...]: _several(_BYTES),
    tuple[str, ...]: _several(_plain(str)),
    tuple[bool, ...]: _several(_plain(bool)),
    tuple[tuple[tuple[int, int, int], ...], ...]: _several(_several(_several(_INTEGER, 3))),
}

_PART = (regular.Regular, ir.Expression, ir.Terminal)
_PARTS = (
    tuple[regular.Regular, ...],
    tuple[ir.Expression, ...],
    tuple[ir.Key, ...],
    tuple[ir.OtherKeys, ...],
)


# Classes


@dataclass(frozen=True, slots=True)
class _Field:
    """A field: whether it is a part, whether it is several, the classes of its parts, and else how it is written."""

    name: str
    is_part: bool
    are_parts: bool
    kind: type
    codec: _Codec | None


def _field(name: str, annotation: Any) -> _Field:
    part, parts = annotation in _PART, annotation in _PARTS
    kind: type = annotation.__args__[0] if parts else annotation
    return _Field(name, part, parts, kind if part or parts else object, None if part or parts else _CODECS[annotation])


def _classes() -> Iterator[type]:
    yield from (ir.Key, ir.OtherKeys)
    for module, base in ((regular, regular.Regular), (ir, ir.Expression)):
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type) and issubclass(value, base) and value not in (base, ir.Binding, ir.Late):
                yield value


_FIELDS: dict[type, tuple[_Field, ...]] = {
    one: tuple(_field(field.name, field.type) for field in fields(one)) for one in _classes()
}
_BY_NAME = {one.__name__: one for one in _FIELDS}


# Writing


class _Writer:
    """Numbers nodes, equal ones alike."""

    def __init__(self) -> None:
        self.nodes: list[Data] = []
        self._numbers: dict[str, int] = {}
        self._known: dict[int, tuple[object, int]] = {}  # by identity: comparing deep expressions would recurse

    def number(self, expression: object) -> int:
        """The number of an expression, written if need be."""
        pending = [expression]
        while pending:
            node = pending[-1]
            missing = [part for part in _parts(node) if id(part) not in self._known]
            if missing:
                pending.extend(missing)
                continue
            pending.pop()
            if id(node) not in self._known:
                self._known[id(node)] = node, self._add(node)
        return self._known[id(expression)][1]

    def _add(self, node: object) -> int:
        data: list[Data] = [type(node).__name__]
        for field in _FIELDS[type(node)]:
            value = getattr(node, field.name)
            if field.is_part:
                data.append(self._known[id(value)][1])
            elif field.are_parts:
                data.append([self._known[id(part)][1] for part in value])
            else:
                assert field.codec is not None
                data.append(field.codec.write(value))
        number = self._numbers.setdefault(json.dumps(data), len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(data)
        return number


def _parts(node: object) -> Iterable[object]:
    kind = _FIELDS.get(type(node))
    if kind is None:
        raise GrammarError(f"{type(node).__name__} cannot be saved")
    for field in kind:
        if field.is_part:
            yield getattr(node, field.name)
        elif field.are_parts:
            yield from getattr(node, field.name)


def _size(expression: ir.Expression) -> int:
    count, pending = 0, [expression]
    while pending:
        count += 1
        pending.extend(parts_of(pending.pop()))
    return count


def _all_rules(grammar: ir.Grammar, max_size: int) -> dict[str, ir.Expression]:
    """The rules that are known, and those that can be reached from the start, made if need be."""
    rules = dict(grammar.rules)
    if grammar.make_rule is None:
        return rules
    size, pending, seen = 0, [grammar.start], {grammar.start}
    while pending:
        name = pending.pop()
        expression = rules[name] = grammar.rule(name)
        size += _size(expression)
        if size > max_size:
            raise ResourceLimitError("the grammar is too large to be saved", limit="max_grammar")
        fresh = [other for other in dict.fromkeys(references_of(expression)) if other not in seen]
        seen.update(fresh)
        pending += fresh
    return rules


def to_data(grammar: ir.Grammar, max_size: int) -> dict[str, Data]:
    """A grammar as dictionaries, lists, texts, numbers and truth values.

    Rules that are made on demand are all made, up to `max_size` nodes; beyond that, ResourceLimitError is raised.
    Where names are bound, it is the grammar's recipe that is written; GrammarError is raised when it has none.
    """
    writer = _Writer()
    try:
        rules = {name: writer.number(rule) for name, rule in _all_rules(grammar, max_size).items()}
    except GrammarError:
        if grammar.recipe is None:
            raise
        return {"recipe": written(grammar.recipe)}
    return {
        "start": grammar.start,
        "rules": rules,
        "on_demand": grammar.make_rule is not None,
        "ignored": [writer.number(terminal) for terminal in grammar.ignored],
        "longest_match": grammar.longest_match,
        "key": grammar.key,
        "source": grammar.source,
        "positions": {name: [at.line, at.column] for name, at in grammar.positions.items()},
        "relaxed": [[one.pointer, one.keyword, one.reason] for one in grammar.relaxed],
        "nodes": writer.nodes,
    }


# Reading


class _Reader:
    """Decodes nodes when they are asked for."""

    def __init__(self, nodes: list[Data], rules: Mapping[str, int]) -> None:
        self._nodes, self._rules = nodes, rules
        self._known: dict[int, Any] = {}

    def rule(self, name: str) -> ir.Expression:
        """The right-hand side of a rule."""
        if name not in self._rules:
            raise GrammarError(f"rule {name!r} is not defined")
        return self.expression(self._rules[name])

    def expression(self, number: int) -> ir.Expression:
        """The expression with a number.  Raises CacheError."""
        try:
            expression: ir.Expression = _instance(self._decoded(number), ir.Expression)
            return expression
        except (TypeError, ValueError, LookupError, ArithmeticError, InvalidOperation) as error:
            raise CacheError(f"a saved grammar cannot be read: {error}") from error

    def terminal(self, number: int) -> ir.Terminal:
        """The terminal with a number.  Raises CacheError."""
        expression = self.expression(number)
        if not isinstance(expression, ir.Terminal):
            raise CacheError("a saved grammar cannot be read: a terminal is missing")
        return expression

    def _decoded(self, number: int) -> Any:
        pending = [number]
        while pending:
            node = pending[-1]
            missing = [part for part in self._part_numbers(node) if part not in self._known]
            if missing:
                pending.extend(missing)
                continue
            pending.pop()
            if node not in self._known:
                self._known[node] = self._made(node)
        return self._known[number]

    def _part_numbers(self, number: int) -> Iterator[int]:
        tag, *values = self._nodes[number]
        for field, value in zip(_FIELDS[_BY_NAME[tag]], values, strict=True):
            for part in [value] if field.is_part else value if field.are_parts else ():
                if type(part) is not int or not 0 <= part < number:
                    raise ValueError(f"node {number} has no part {part!r}")
                yield part

    def _made(self, number: int) -> Any:
        tag, *values = self._nodes[number]
        made = _BY_NAME[tag]
        arguments: list[Any] = []
        for field, value in zip(_FIELDS[made], values, strict=True):
            if field.is_part:
                arguments.append(_instance(self._known[value], field.kind))
            elif field.are_parts:
                arguments.append(tuple(_instance(self._known[part], field.kind) for part in value))
            else:
                assert field.codec is not None
                arguments.append(field.codec.read(value))
        return made(*arguments)


def _instance(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is missing")
    return value


def from_data(data: Mapping[str, Data]) -> ir.Grammar:
    """The grammar that `to_data` wrote.  Raises CacheError for anything else.

    Where rules were made on demand, they are decoded on demand, and CacheError may be raised as late as then.
    """
    try:
        if "recipe" in data:
            return follow(data["recipe"])
        names = _instance(data["rules"], dict)
        reader = _Reader(_instance(data["nodes"], list), names)
        on_demand = _instance(data["on_demand"], bool)
        return ir.Grammar(
            start=_instance(data["start"], str),
            rules={} if on_demand else {name: reader.rule(name) for name in names},
            make_rule=reader.rule if on_demand else None,
            ignored=tuple(map(reader.terminal, data["ignored"])),
            longest_match=_instance(data["longest_match"], bool),
            key=_instance(data["key"], str),
            source=_instance(data["source"], str),
            positions={name: ir.Position(*map(_read_integer, at)) for name, at in data["positions"].items()},
            relaxed=tuple(ir.Relaxation(*map(_plain(str).read, one)) for one in data["relaxed"]),
        )
    except (ConstrainError, TypeError, ValueError, LookupError, AttributeError) as error:
        if isinstance(error, CacheError):
            raise
        raise CacheError(f"a saved grammar cannot be read: {error}") from error
