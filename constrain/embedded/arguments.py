"""Kinds of arguments of tools: how a value is drawn, said in a request, and described by a JSON schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any, Protocol

from constrain.embedded.words import MONTHS, NUMBER_WORDS, invented

__all__ = ["Argument", "Choice", "Day", "Flag", "Named", "Number", "Time", "say_number"]


class Argument(Protocol):
    """One argument of a tool."""

    @property
    def name(self) -> str:
        """The argument's name in the call."""
        ...

    def draw(self, random: Random, options: Sequence[str]) -> tuple[Any, str]:
        """A value, and words that ask for it; `options` are the names that the request offers."""
        ...

    def schema(self, options: Sequence[str]) -> dict[str, Any]:
        """The JSON schema of its values."""
        ...


def say_number(random: Random, number: int) -> str:
    """A number in digits, or sometimes, when it is small, as a word."""
    return NUMBER_WORDS[number] if number < len(NUMBER_WORDS) and random.random() < 0.3 else str(number)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the names that the request offers; they are drawn from `pool`, and some are invented."""

    name: str
    pool: Sequence[str]

    def options(self, random: Random) -> list[str]:
        """Three or four different names."""
        found: list[str] = []
        while len(found) < random.choice((3, 4)):
            word = random.choice(self.pool)
            if random.random() < 0.25:
                word = invented(random).capitalize() if word[0].isupper() else invented(random)
            if word not in found:
                found.append(word)
        return found

    def draw(self, random: Random, options: Sequence[str]) -> tuple[str, str]:
        """One of the options."""
        value = random.choice(options)
        return value, value

    def schema(self, options: Sequence[str]) -> dict[str, Any]:
        """Nothing but the options."""
        return {"enum": list(options)}


@dataclass(frozen=True, slots=True)
class Named:
    """One of a few fixed values, each with the words that stand for it."""

    name: str
    words: dict[str, tuple[str, ...]]

    def draw(self, random: Random, options: Sequence[str]) -> tuple[str, str]:  # noqa: ARG002
        """One of the values."""
        value = random.choice(sorted(self.words))
        return value, random.choice(self.words[value])

    def schema(self, options: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """Nothing but the values."""
        return {"enum": sorted(self.words)}


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    name: str
    yes: tuple[str, ...]
    no: tuple[str, ...]

    def draw(self, random: Random, options: Sequence[str]) -> tuple[bool, str]:  # noqa: ARG002
        """Either, equally often."""
        value = random.random() < 0.5
        return value, random.choice(self.yes if value else self.no)

    def schema(self, options: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """A Boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number from `low` to `high`."""

    name: str
    low: int
    high: int

    def draw(self, random: Random, options: Sequence[str]) -> tuple[int, str]:  # noqa: ARG002
        """Any of them."""
        value = random.randint(self.low, self.high)
        return value, say_number(random, value)

    def schema(self, options: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """An integer within the bounds."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Day:
    """A date of the years 2024 to 2027."""

    name: str

    def draw(self, random: Random, options: Sequence[str]) -> tuple[str, str]:  # noqa: ARG002
        """A day, written in one of three ways."""
        day = date.fromordinal(random.randint(date(2024, 1, 1).toordinal(), date(2027, 12, 31).toordinal()))
        month = MONTHS[day.month - 1]
        form = random.choice(("{d} {m} {y}", "{m} {d}, {y}", "{d} {m} {y}"))
        return day.isoformat(), form.format(d=day.day, m=month, y=day.year)

    def schema(self, options: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """A full date of RFC 3339."""
        return {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day, in steps of five minutes."""

    name: str

    def draw(self, random: Random, options: Sequence[str]) -> tuple[str, str]:  # noqa: ARG002
        """A time, said on a clock of twelve or of twenty-four hours."""
        hour, minute = random.randrange(24), random.randrange(0, 60, 5)
        value = f"{hour:02}:{minute:02}"
        if random.random() < 0.5:
            return value, value
        return value, f"{(hour + 11) % 12 + 1}:{minute:02} {'am' if hour < 12 else 'pm'}"

    def schema(self, options: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """Hours and minutes."""
        return {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
