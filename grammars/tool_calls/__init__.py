"""Tool calls as models write them: grammars, texts and messages."""

from constrain.grammars.tool_calls.grammar import tool_calls
from constrain.grammars.tool_calls.messages import Tool, ToolCall, ToolMessage
from constrain.grammars.tool_calls.styles import (
    Arguments,
    Gap,
    JsonCall,
    Mark,
    Name,
    Style,
    Text,
    Wrapped,
    register,
)
from constrain.grammars.tool_calls.texts import parse_tool_calls, write_tool_calls

__all__ = [
    "Arguments",
    "Gap",
    "JsonCall",
    "Mark",
    "Name",
    "Style",
    "Text",
    "Tool",
    "ToolCall",
    "ToolMessage",
    "Wrapped",
    "parse_tool_calls",
    "register",
    "tool_calls",
    "write_tool_calls",
]
