"""What a type's grammar allows, Pydantic reads; what Pydantic writes, the grammar allows."""

import collections
import dataclasses
import datetime
import enum
import fractions
import ipaddress
import json
import pathlib
import random
import subprocess
import sys
import typing
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import pydantic
import pytest
import typing_extensions
from pydantic import BaseModel, Field, StringConstraints, TypeAdapter

from constrain.cli.example import random_text
from constrain.compilation import CompiledConstraint
from constrain.compilation import compile as compile_grammar
from constrain.grammars.errors import GrammarError, UnsatisfiableConstraintError
from constrain.grammars.python_types import python_type, schema_of, value_of
from constrain.tokenizer_index.index import TokenizerIndex
from tests.matching import index_of

T = TypeVar("T")
Day, Moment, Duration = datetime.date, datetime.datetime, datetime.timedelta


class Colour(enum.Enum):
    RED = "red"
    NONE = None
    HALF = 0.5


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    label: str = "here"


@dataclasses.dataclass
class Tree:
    value: int
    children: "list[Tree]" = dataclasses.field(default_factory=list)


class Entry(typing.TypedDict, total=False):
    key: typing_extensions.Required[int]
    next: "Entry | None"


class Box(BaseModel, Generic[T]):
    content: T


class Order(BaseModel):
    """A model with a bit of everything."""

    number: int = Field(ge=1, le=999, alias="no")
    price: Annotated[Decimal, Field(max_digits=6, decimal_places=2, ge=0)]
    colours: set[Colour] = set()
    due: Day | None = None
    boxes: list[Box[int] | Box[str]] = []
    way: Literal["air", "sea"] = "air"


class Open(BaseModel, extra="allow"):
    name: str


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]

TYPES: list[Any] = [
    int,
    float,
    str,
    bool,
    None,
    Decimal,
    fractions.Fraction,
    complex,
    bytes,
    uuid.UUID,
    pydantic.UUID4,
    Day,
    Moment,
    pydantic.AwareDatetime,
    pydantic.NaiveDatetime,
    datetime.time,
    Duration,
    Any,
    Colour,
    Level,
    Point,
    Tree,
    Entry,
    Box[Level],
    Order,
    Open,
    Pet,
    Annotated[int, Field(gt=3, multiple_of=7)],
    Annotated[float, Field(gt=0, lt=1)],
    Annotated[float, Field(ge=-0.5, multiple_of=0.25)],
    pydantic.FiniteFloat,
    Annotated[Decimal, Field(max_digits=4, decimal_places=3)],
    Annotated[Decimal, Field(max_digits=3)],
    Annotated[Decimal, Field(gt=0, max_digits=4, decimal_places=2)],
    Annotated[Decimal, Field(decimal_places=2, gt=Decimal("0.1"), lt=1)],
    Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=6)],
    Annotated[str, Field(pattern=r"^[a-c]+\d$")],
    Annotated[bytes, Field(min_length=2, max_length=3)],
    Annotated[Day, Field(ge=Day(2019, 12, 30), lt=Day(2021, 3, 1))],
    Annotated[Day, Field(gt=Day(9999, 12, 29))],
    Annotated[set[int], Field(max_length=3)],
    Annotated[set[str], Field(min_length=2)],
    frozenset[Literal["a", "b", 3]],
    tuple[int, str],
    tuple[bool, ...],
    Annotated[list[float], Field(min_length=1, max_length=2)],
    collections.deque[Day],
    dict[str, int],
    dict[int, bool],
    dict[float, None],
    dict[bool, int],
    dict[Annotated[int, Field(ge=-1, lt=2)], str],
    dict[Day, int],
    dict[Literal["a", "b"], int],
    dict[Annotated[str, Field(pattern="^x")], int],
    collections.Counter[str],
    collections.defaultdict[str, list[int]],
    int | str | None,
    list[Entry] | None,
    pydantic.HttpUrl,
    pydantic.AnyUrl,
    pydantic.FileUrl,
    pydantic.SecretStr,
    pydantic.Base64Bytes,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    pathlib.Path,
]


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes."""
    return index_of([bytes([byte]) for byte in range(256)])


def compiled(wanted: Any, index: TokenizerIndex) -> CompiledConstraint:
    """The grammar of a type, over single bytes."""
    return compile_grammar(python_type(wanted), index)


@pytest.mark.parametrize("wanted", TYPES, ids=str)
def test_pydantic_reads_what_is_allowed(wanted: Any, index: TokenizerIndex) -> None:
    """Random texts, and the shortest one, are values of the type."""
    constraint = compiled(wanted, index)
    texts = [constraint.shortest_text()]
    texts += [random_text(constraint.matcher(), random.Random(seed), 10 + 10 * seed) for seed in range(6)]
    for text in texts:
        assert constraint.accepts(text)
        value_of(wanted, text)


VALUES: list[tuple[Any, Any]] = [
    (int, -12345678901234567890123),
    (float, 2.5e-300),
    (str, 'a "quoted" line\n'),
    (Decimal, Decimal("-12.30")),
    (uuid.UUID, uuid.UUID(int=5)),
    (Day, Day(2024, 2, 29)),
    (Moment, Moment(2024, 2, 29, 23, 59, 59, 125)),
    (Moment, Moment(1, 1, 1, tzinfo=datetime.UTC)),
    (datetime.time, datetime.time(12, 30)),
    (Duration, Duration(days=3, hours=4, seconds=5, microseconds=60)),
    (Duration, Duration(0)),
    (Colour, Colour.HALF),
    (Colour, Colour.NONE),
    (Level, Level.HIGH),
    (Point, Point(3, "there")),
    (Tree, Tree(1, [Tree(2), Tree(3, [Tree(4)])])),
    (Entry, {"key": 1, "next": {"key": 2, "next": None}}),
    (Box[Level], Box[Level](content=Level.LOW)),
    (
        Order,
        Order(no=7, price=Decimal("12.50"), colours={Colour.RED}, due=Day(2024, 1, 1), boxes=[Box[str](content="")]),
    ),
    (Open, Open.model_validate({"name": "x", "more": [1]})),
    (Pet, Dog(kind="dog", name="Rex")),
    (set[int], {1, 2}),
    (tuple[int, str], (1, "a")),
    (dict[int, bool], {1: True, -20: False}),
    (dict[Day, int], {Day(2024, 1, 1): 1}),
    (int | str | None, None),
    (pydantic.HttpUrl, pydantic.HttpUrl("https://example.org:8080/a?b=c#d")),
    (pydantic.Base64Bytes, b"ab"),
]


@pytest.mark.parametrize(("wanted", "value"), VALUES, ids=str)
def test_what_pydantic_writes_is_allowed_and_comes_back(wanted: Any, value: Any, index: TokenizerIndex) -> None:
    """A value's text is of the grammar, and is read as the same value of the same type."""
    adapter: TypeAdapter[Any] = TypeAdapter(dict if wanted is Entry else wanted)
    text = adapter.dump_json(value, by_alias=True)
    assert compiled(wanted, index).accepts(text)
    found = value_of(wanted, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (int, "1.5"),
        (int, "1e400"),
        (float, "1e309"),
        (pydantic.FiniteFloat, "1" + "0" * 309),
        (Annotated[float, Field(lt=1)], "0.99999999999999999999"),
        (Annotated[float, Field(gt=0)], "1e-400"),
        (Annotated[Decimal, Field(max_digits=4, decimal_places=2)], "123.4"),
        (Annotated[Decimal, Field(max_digits=4, decimal_places=2)], '"1.234"'),
        (Annotated[Decimal, Field(max_digits=2)], "0.001"),
        (Annotated[Decimal, Field(gt=3)], '"2"'),
        (Moment, '"2020-12-31T23:59:60Z"'),
        (Moment, '"0000-01-01T00:00:00Z"'),
        (Moment, '"2023-02-29T00:00:00"'),
        (Moment, '"1900-02-29T00:00:00"'),
        (pydantic.AwareDatetime, '"2020-01-01T00:00:00"'),
        (pydantic.NaiveDatetime, '"2020-01-01T00:00:00Z"'),
        (Day, '"0000-01-01"'),
        (Annotated[Day, Field(le=Day(2020, 1, 1))], '"2020-01-02"'),
        (Duration, '"P99999999999D"'),
        (Duration, '"P"'),
        (Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], '" "'),
        (Annotated[bytes, Field(max_length=3)], '"ééé"'),
        (pydantic.UUID4, '"00000000-0000-1000-8000-000000000000"'),
        (dict[int, int], '{"a": 1}'),
        (dict[Annotated[int, Field(lt=3, ge=0)], int], '{"3": 1}'),
        (Annotated[set[str], Field(min_length=2)], '["a", "a"]'),
        (Level, "3"),
        (Point, "[]"),
        (Pet, '{"kind": "cat", "name": "Tom"}'),
        (pydantic.HttpUrl, '"ftp://example.org"'),
        (pydantic.HttpUrl, '"https://1.2.3.999"'),
        (pydantic.Base64Bytes, '"a"'),
    ],
    ids=lambda one: one if isinstance(one, str) else getattr(one, "__name__", str(one)),
)
def test_what_pydantic_refuses_is_not_allowed(wanted: Any, text: str, index: TokenizerIndex) -> None:
    """Where JSON Schema's own words would allow it."""
    try:
        found = TypeAdapter(wanted).validate_json(text)
    except pydantic.ValidationError:
        found = None
    assert found is None or found == float("inf")
    assert not compiled(wanted, index).accepts(text)


def test_objects_are_closed_unless_their_class_is_open(index: TokenizerIndex) -> None:
    """Members that would be thrown away are not written."""
    assert not compiled(Tree, index).accepts('{"value": 1, "other": 2}')
    assert not compiled(Box[int], index).accepts('{"content": 1, "other": 2}')
    assert not compiled(Entry, index).accepts('{"key": 1, "other": 2}')
    assert compiled(Open, index).accepts('{"name": "x", "other": 2}')


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        (int, "1.0", 1),
        (int, "1e20", 10**20),
        (int, "12345678901234567891.00", 12345678901234567891),
        (list[int], "[9007199254740993.0, -1e22]", [9007199254740993, -(10**22)]),
        (list[str | int], '["1e20", 1e20]', ["1e20", 10**20]),
        (float, "1e300", 1e300),
        (float, "-5.3E-870620886577457832789395", 0.0),
        (int, "0e870620886577457832789395", 0),
        (Decimal, "1.10", Decimal("1.1")),
    ],
)
def test_integers_are_read_exactly_however_they_are_written(wanted: Any, text: str, value: Any) -> None:
    """JSON Schema's integers may have points and exponents, Pydantic reads these as floats."""
    found = value_of(wanted, text)
    assert found == value
    assert type(found) is type(value)


def test_strict_models_read_integers_too() -> None:
    """A strict integer is not converted from a float."""
    wanted = Annotated[int, Field(strict=True)]
    assert value_of(wanted, "3.0") == 3
    with pytest.raises(pydantic.ValidationError):
        value_of(wanted, '"3"')


def ship(goods: list[str], /, weight: Annotated[float, Field(gt=0)], *, way: Literal["air", "sea"] = "sea") -> None:
    """Would be called by nobody."""
    raise AssertionError("a function is not called when its arguments are read")


def test_arguments_of_a_function(index: TokenizerIndex) -> None:
    """A function stands for the object of its arguments, and is not called."""

    def lend(title: str, days: int = 7, *, to: Point) -> None:
        raise AssertionError("a function is not called when its arguments are read")

    constraint = compiled(lend, index)
    text = '{"title": "Emma", "to": [1, "b"]}'
    assert constraint.accepts(text)
    assert not constraint.accepts('{"title": "Emma"}')
    assert not constraint.accepts('{"title": "Emma", "to": [1], "other": 1}')
    assert value_of(lend, text) == {"title": "Emma", "days": 7, "to": Point(1, "b")}


def test_arguments_that_refer_to_themselves(index: TokenizerIndex) -> None:
    """Recursive types of arguments have definitions."""

    def plant(tree: Tree, trees: list[Tree]) -> None:
        raise AssertionError

    text = '{"tree": {"value": 1, "children": [{"value": 2}]}, "trees": []}'
    assert compiled(plant, index).accepts(text)
    assert value_of(plant, text) == {"tree": Tree(1, [Tree(2)]), "trees": []}


class Deep(BaseModel):
    inner: int = Field(validation_alias=pydantic.AliasPath("outer", 0))


class Renamed(BaseModel):
    size: int = Field(validation_alias=pydantic.AliasChoices(pydantic.AliasPath("sizes", 0), "length"))


def test_fields_have_the_names_that_are_read(index: TokenizerIndex) -> None:
    """Of several aliases, the first that is a name."""
    assert compiled(Renamed, index).accepts('{"length": 1}')
    assert value_of(Renamed, '{"length": 1}') == Renamed.model_validate({"length": 1})
    assert not compiled(Renamed, index).accepts('{"size": 1}')


class Checked(BaseModel):
    odd: int

    @pydantic.field_validator("odd")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("even")
        return value


def test_what_a_validator_refuses_is_refused_when_it_is_read(index: TokenizerIndex) -> None:
    """The grammar does not know what functions do."""
    assert compiled(Checked, index).accepts('{"odd": 2}')
    with pytest.raises(pydantic.ValidationError, match="even"):
        value_of(Checked, '{"odd": 2}')


class Pair(enum.Enum):
    ONE = (1, 2)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Callable[[int], int], r"Callable\[\[int\], int\] cannot be written as JSON"),
        (list[Callable[[], int]], "list.*cannot be written as JSON"),
        (type[int], "a class"),
        (random.Random, "values of Random cannot be written as JSON"),
        (Pair, r"values of Pair .*\(1, 2\)"),
        (Literal[b"x"], "b'x'"),
        (dict[tuple[int, int], int], "keys that are no texts"),
        (dict[Level, int], "keys that are not texts"),
        (dict[Annotated[int, Field(ge=5)], int], "integers with bounds far apart"),
        (Annotated[Moment, Field(ge=Moment(2020, 1, 1))], "dates and times between bounds"),
        (Annotated[Duration, Field(ge=Duration(1))], "durations between bounds"),
        (pydantic.PastDate, "dates in the past or future"),
        (pydantic.Json[int], "JSON within a text"),
        (ipaddress.IPv4Network, "ipv4network"),
        (5, "values of 5"),
        ("int", "'int' is a text and no type"),
        (list["Missing"], "Missing"),  # type: ignore[name-defined]  # noqa: F821
        (ship, "ship"),
        (Deep, "Deep.*within others"),
    ],
    ids=lambda one: one if isinstance(one, str) else getattr(one, "__name__", str(one)),
)
def test_types_without_values_in_json_are_refused(wanted: Any, message: str) -> None:
    """The error names the type, and what of it."""
    with pytest.raises(GrammarError, match=message):
        python_type(wanted)


def test_contradictions_are_unsatisfiable() -> None:
    """Nothing is allowed in silence."""
    for wanted in (Annotated[int, Field(gt=3, lt=4)], Annotated[float, Field(gt=1, lt=1)]):
        with pytest.raises(UnsatisfiableConstraintError):
            python_type(wanted)
    with pytest.raises(UnsatisfiableConstraintError):
        python_type(Annotated[Day, Field(ge=Day(2020, 1, 2), le=Day(2020, 1, 1))])


def test_sets_of_two_or_more(index: TokenizerIndex) -> None:
    """Numbers, and lists of them, are told apart as Python does; other values may be equal in different texts."""
    constraint = compile_grammar(python_type(Annotated[set[float], Field(min_length=2)]), index)
    assert constraint.accepts("[1, 2]")
    assert not any(map(constraint.accepts, ("[1]", "[1, 1]", "[1, 1.0]", "[1, 1e0]")))
    constraint = compile_grammar(python_type(Annotated[set[tuple[int, int]], Field(min_length=2)]), index)
    assert constraint.accepts("[[1, 2], [2, 1]]")
    assert not constraint.accepts("[[1, 2], [1, 2.0]]")
    with pytest.raises(GrammarError, match="different texts"):
        python_type(Annotated[set[Decimal], Field(min_length=2)])


def test_options_are_those_of_json_schema(index: TokenizerIndex) -> None:
    """White space and the order of members."""
    constraint = compile_grammar(python_type(Tree, whitespace="compact", property_order="any"), index)
    assert constraint.accepts('{"children":[],"value":1}')
    assert not constraint.accepts('{"value": 1}')


def test_schemas_are_json() -> None:
    """Every schema is a document."""
    for wanted in TYPES:
        json.loads(json.dumps(schema_of(wanted), allow_nan=False))


def test_pydantic_is_loaded_when_needed() -> None:
    """Importing the package, or naming a grammar of another kind, does not load it."""
    code = "import sys, constrain; constrain.regex; constrain.choice(['a']); assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
