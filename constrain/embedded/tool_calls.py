"""Task: a request in plain words becomes the JSON of a tool call.

The prompt lists two tools, each with the names it may be called with, and the request.  The schema allows calls of
these two tools with those names, so that it differs from request to request.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from constrain.embedded import words
from constrain.embedded.arguments import Argument, Choice, Day, Flag, Named, Number, Time
from constrain.embedded.examples import Example

__all__ = ["TOOLS", "Tool", "tool_call"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its name, the argument whose values the request lists, the others, and ways to ask for it."""

    name: str
    choice: Choice
    others: tuple[Argument, ...]
    requests: tuple[str, ...]

    def schema(self, options: list[str]) -> dict[str, Any]:
        """The JSON schema of the calls of this tool."""
        arguments = {argument.name: argument.schema(options) for argument in (self.choice, *self.others)}
        return _closed_object({"name": {"const": self.name}, "arguments": _closed_object(arguments)})


def _closed_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has just these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_CURRENCY = Named("currency", {"EUR": ("euros", "EUR"), "GBP": ("pounds", "GBP"), "USD": ("dollars", "USD")})
_CABIN = Named("cabin", {"economy": ("economy", "coach"), "business": ("business",), "first": ("first",)})
_PRIORITY = Named(
    "priority",
    {"low": ("low priority", "no hurry"), "normal": ("normal priority",), "high": ("urgent", "high priority")},
)
_UNIT = Named("unit", {"celsius": ("Celsius", "degrees C"), "fahrenheit": ("Fahrenheit", "degrees F")})
_REPEAT = Named("repeat", {"once": ("once", "only once"), "daily": ("daily", "every day"), "weekly": ("every week",)})
_COLOUR = Named("colour", {colour: (colour,) for colour in words.COLOURS})

TOOLS = (
    Tool(
        "book_room",
        Choice("room", words.PLACES),
        (Day("date"), Number("people", 2, 20)),
        (
            "Book the {room} room on {date} for {people} people.",
            "We are {people} people and need {room} on {date}.",
            "Please reserve {room} for {people} on {date}.",
        ),
    ),
    Tool(
        "order_food",
        Choice("dish", words.DISHES),
        (Number("quantity", 2, 30), Flag("takeaway", ("to take away", "to go"), ("to eat here", "for here"))),
        (
            "I would like {quantity} portions of {dish}, {takeaway}.",
            "Order {dish} {takeaway}, {quantity} of them.",
            "Get us {quantity} times {dish} {takeaway}.",
        ),
    ),
    Tool(
        "send_money",
        Choice("to", words.PEOPLE),
        (Number("amount", 2, 999), _CURRENCY),
        (
            "Send {amount} {currency} to {to}.",
            "I owe {to} {amount} {currency}, pay it back.",
            "Transfer to {to}: {amount} {currency}.",
        ),
    ),
    Tool(
        "play_music",
        Choice("genre", words.GENRES),
        (Number("volume", 2, 100), Flag("shuffle", ("shuffled", "in random order"), ("in order", "not shuffled"))),
        (
            "Play some {genre} at volume {volume}, {shuffle}.",
            "I want to hear {genre} {shuffle}, volume {volume}.",
            "Put on {genre}, {shuffle} and at volume {volume}.",
        ),
    ),
    Tool(
        "find_flight",
        Choice("destination", words.CITIES),
        (Day("date"), _CABIN),
        (
            "Find a flight to {destination} on {date} in {cabin} class.",
            "I fly {cabin} class to {destination} on {date}.",
            "Which {cabin} class flights go to {destination} on {date}?",
        ),
    ),
    Tool(
        "set_alarm",
        Choice("label", words.JOBS),
        (Time("time"), _REPEAT),
        (
            "Set an alarm for {label} at {time}, {repeat}.",
            "Remind me {repeat} of {label} at {time}.",
            "At {time} {repeat}, ring for {label}.",
        ),
    ),
    Tool(
        "get_weather",
        Choice("city", words.CITIES),
        (Number("days", 2, 14), _UNIT),
        (
            "What is the weather in {city} for the next {days} days, in {unit}?",
            "Show {days} days of weather for {city} in {unit}.",
            "In {unit}, how warm will {city} be over {days} days?",
        ),
    ),
    Tool(
        "assign_task",
        Choice("person", words.PEOPLE),
        (_PRIORITY, Day("due")),
        (
            "Give this task to {person}, {priority}, due {due}.",
            "{person} should do it by {due}, {priority}.",
            "By {due}, {person} must finish this: {priority}.",
        ),
    ),
    Tool(
        "set_lamp",
        Choice("lamp", words.PLACES),
        (_COLOUR, Number("brightness", 2, 100)),
        (
            "Turn the {lamp} lamp {colour} at {brightness} percent.",
            "Make {lamp} {colour}, brightness {brightness}.",
            "Set {lamp} to {brightness} percent, {colour}.",
        ),
    ),
)


def _means(call: Mapping[str, Any], answer: str) -> bool:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return json.dumps(found, sort_keys=True) == json.dumps(call, sort_keys=True)


def tool_call(random: Random) -> Example:
    """A request and its tool call."""
    tools = random.sample(TOOLS, 2)
    options = [tool.choice.options(random) for tool in tools]
    wanted = random.randrange(2)
    tool = tools[wanted]
    values, said = {}, {}
    for argument in (tool.choice, *tool.others):
        values[argument.name], said[argument.name] = argument.draw(random, options[wanted])
    request = random.choice(tool.requests).format(**said)
    offered = "\n".join(f"{tool.name}: {', '.join(names)}" for tool, names in zip(tools, options, strict=True))
    call = {"name": tool.name, "arguments": values}
    schemas = [tool.schema(names) for tool, names in zip(tools, options, strict=True)]
    return Example(
        task="tool_call",
        prompt=f"{offered}\n{request}\nCall:\n",
        answer=json.dumps(call),
        description={"anyOf": schemas},
        check=partial(_means, call),
    )
