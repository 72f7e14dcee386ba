"""What a model says when it may call tools, and the tools that it may call."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from constrain.grammars.errors import GrammarError

__all__ = ["Tool", "ToolCall", "ToolMessage", "tools_of"]

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its name, and a JSON Schema of its arguments, which are an object.

    Raises GrammarError for a name that is not made of ASCII letters, digits, "_", "-" and ".": formats write names
    without quotes.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "additionalProperties": False})

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise GrammarError(f"{self.name!r} is not a name of a tool: letters, digits, '_', '-' and '.' are")
        if not isinstance(self.parameters, Mapping):
            raise GrammarError(f"the parameters of tool {self.name!r} are a JSON Schema of an object")
        if self.parameters.get("type", "object") != "object":
            raise GrammarError(f"the arguments of tool {self.name!r} are an object, not {self.parameters['type']!r}")

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of the arguments, which says that they are an object."""
        return {**self.parameters, "type": "object"}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call: the name of the tool, and the arguments as `json` reads them."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """What a model says: its reasoning (None: it shows none), what it tells the user, and its calls of tools."""

    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None


def tools_of(tools: Iterable[Any]) -> tuple[Tool, ...]:
    """Tools as a caller gives them.

    Each is a `Tool`; a dictionary as OpenAI's, Anthropic's or MCP's interfaces take it; or a function, whose name and
    arguments it is.  Raises GrammarError for anything else, and for names that occur twice.
    """
    made = tuple(map(_tool, tools))
    names = [tool.name for tool in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise GrammarError(f"tools have different names; there are several called {', '.join(map(repr, twice))}")
    return made


def _tool(tool: Any) -> Tool:
    if isinstance(tool, Tool):
        return tool
    if isinstance(tool, Mapping):
        return _described(tool)
    if callable(tool):
        return _function(tool)
    raise GrammarError(f"a tool is a dictionary, a function or a Tool, not {type(tool).__name__}")


def _described(tool: Mapping[str, Any]) -> Tool:
    if tool.get("type") == "function" and isinstance(tool.get("function"), Mapping):
        tool = tool["function"]
    if "name" not in tool:
        raise GrammarError("a tool has a name")
    for key in ("parameters", "input_schema", "inputSchema"):
        if tool.get(key) is not None:
            return Tool(tool["name"], tool[key])
    return Tool(tool["name"])


def _function(function: Callable[..., Any]) -> Tool:
    from constrain.grammars.python_types import schema_of

    name = getattr(function, "__name__", type(function).__name__)
    schema = schema_of(function)
    if not isinstance(schema, Mapping):
        raise GrammarError(f"the arguments of {name!r} have no JSON Schema of an object")
    return Tool(name, schema)
