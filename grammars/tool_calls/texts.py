"""From the text of a message to its calls, and back."""

import json
import re
from collections.abc import Iterable
from typing import Any

from constrain.grammars.errors import GrammarError, GrammarSyntaxError
from constrain.grammars.tool_calls.grammar import reasoning_of
from constrain.grammars.tool_calls.messages import ToolCall, ToolMessage
from constrain.grammars.tool_calls.styles import (
    Arguments,
    Gap,
    JsonCall,
    Mark,
    Name,
    Piece,
    Style,
    Text,
    Wrapped,
    style_of,
)

__all__ = ["parse_tool_calls", "write_tool_calls"]

_SPACE = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class _Reader:
    """A place in a text, and what is read from there."""

    def __init__(self, text: str, style: Style, reasoning: str) -> None:
        self._text, self._style, self._reasoning, self._at = text, style, reasoning, 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_members)

    def message(self) -> ToolMessage:
        """The whole text as a message."""
        style = self._style
        reasoning = None
        if style.reasoning is not None and self._has_reasoning(style.reasoning):
            reasoning = self._wrapped(style.reasoning, opened=self._reasoning == "opened")
        content, has_calls = self._content()
        calls = self._calls() if has_calls else ()
        if self._at < len(self._text):
            raise self._error("the message ends here")
        return ToolMessage(content, calls, reasoning)

    def _has_reasoning(self, reasoning: Wrapped) -> bool:
        if self._reasoning == "optional":
            return self._stands(reasoning.before[0].text)
        return self._reasoning != "none"

    def _error(self, message: str) -> GrammarSyntaxError:
        line = self._text.count("\n", 0, self._at) + 1
        column = self._at - self._text.rfind("\n", 0, self._at)
        return GrammarSyntaxError(message, source=self._text, line=line, column=column)

    # Free text

    def _content(self) -> tuple[str, bool]:
        """The content, and whether calls follow."""
        style, preamble = self._style, self._style.preamble
        if preamble is not None and preamble.before and self._stands(_texts(preamble.before)):
            return self._wrapped(preamble), True
        if style.is_marked and not style.content.before:
            found = self._text.find(style.first_mark, self._at)
            if found < 0:
                return self._wrapped(style.content), False
            if preamble is None and found > self._at:
                raise self._error("there is no content before calls")
            content, self._at = self._text[self._at : found], found
            return content, True
        if self._stands(style.trigger):
            return "", True
        return self._wrapped(style.content), False

    def _wrapped(self, wrapped: Wrapped, *, opened: bool = False) -> str:
        if not opened:
            self._expect(_texts(wrapped.before))
        end = len(self._text)
        if wrapped.after:
            end = self._text.find(wrapped.after[0].text, self._at)
            if end < 0:
                raise self._error(f"{wrapped.after[0].text!r} is missing behind this")
        content = self._text[self._at : end]
        for marker in wrapped.without:
            if marker in content:
                self._at += content.index(marker)
                raise self._error(f"{marker!r} is out of place")
        self._at = end
        self._expect(_texts(wrapped.after))
        return content

    # Calls

    def _calls(self) -> tuple[ToolCall, ...]:
        style, calls = self._style, []
        self._pieces(style.opening)
        while True:
            calls.append(self._call())
            start = self._at
            if style.between is None or not self._tried(style.between) or not self._stands(_start_of(style.call)):
                self._at = start
                break
        self._pieces(style.closing)
        return tuple(calls)

    def _tried(self, pieces: Iterable[Piece]) -> bool:
        try:
            self._pieces(pieces)
        except GrammarSyntaxError:
            return False
        return self._at < len(self._text)

    def _call(self) -> ToolCall:
        found: dict[str, Any] = {}
        for piece in self._style.call:
            match piece:
                case Name():
                    name = _NAME.match(self._text, self._at)
                    if name is None:
                        raise self._error("the name of a tool is missing")
                    found["name"], self._at = name[0], name.end()
                case Arguments():
                    found["arguments"] = self._object()
                case JsonCall(key):
                    start = self._at
                    members = self._object()
                    if set(members) != {"name", key} or not isinstance(members["name"], str):
                        self._at = start
                        raise self._error(f"a call has the members 'name' and {key!r}")
                    if not isinstance(members[key], dict):
                        self._at = start
                        raise self._error("arguments are a JSON object")
                    found = {"name": members["name"], "arguments": members[key]}
                case _:
                    self._pieces([piece])
        return ToolCall(found["name"], found["arguments"])

    def _object(self) -> dict[str, Any]:
        self._skip()
        try:
            value, end = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            self._at = error.pos
            raise self._error(f"this is not JSON: {error.msg}") from error
        except RecursionError as error:
            raise self._error("the arguments are nested too deeply") from error
        except ValueError as error:
            raise self._error(str(error)) from error
        if not isinstance(value, dict):
            raise self._error("arguments are a JSON object")
        self._at = end
        return value

    def _pieces(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            match piece:
                case Text(text) | Mark(text):
                    self._expect(text)
                case Gap():
                    self._skip()

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        self._at = space.end()

    def _stands(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _expect(self, text: str) -> None:
        if not self._stands(text):
            raise self._error(f"{text!r} is expected")
        self._at += len(text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member of an object occurs twice")
    return members


def _texts(pieces: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text | Mark))


def _start_of(pieces: tuple[Piece, ...]) -> str:
    """The text that a call begins with."""
    first = pieces[0]
    return first.text if isinstance(first, Text | Mark) else "{" if isinstance(first, JsonCall) else ""


def parse_tool_calls(text: str, *, style: str | Style = "hermes", reasoning: bool | str = "none") -> ToolMessage:
    """The message that a text is, in a style: its reasoning, its content and its calls.

    `style` and `reasoning` are those that `tool_calls` was given.  Special tokens stand in the text by their names
    (``tokenizer.decode(ids, skip_special_tokens=False)``), without the token that ends it.  What the grammar allows is
    read; white space within calls may be any that JSON allows, and arguments are not compared with a schema.

    Raises GrammarSyntaxError, with line and column, for a text that is no message of the style.
    """
    chosen = style_of(style)
    return _Reader(text, chosen, reasoning_of(chosen, reasoning)).message()


def _written(pieces: Iterable[Piece], call: ToolCall | None = None) -> str:
    parts = []
    for piece in pieces:
        match piece:
            case Text(text) | Mark(text) | Gap(text):
                parts.append(text)
            case Name() if call is not None:
                parts.append(call.name)
            case Arguments() if call is not None:
                parts.append(_json(call.arguments))
            case JsonCall(key) if call is not None:
                parts.append(_json({"name": call.name, key: call.arguments}))
    return "".join(parts)


def _json(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        is_text = not any("\ud800" <= character <= "\udfff" for character in text)
        return text if is_text else json.dumps(value, allow_nan=False)  # halves of surrogate pairs are escaped
    except (TypeError, ValueError) as error:
        raise GrammarError(f"arguments are JSON values: {error}") from error


def write_tool_calls(message: ToolMessage, *, style: str | Style = "hermes", reasoning: bool | str = "none") -> str:
    """The text of a message in a style: what `parse_tool_calls` reads back.

    Raises GrammarError for a message that has no text in the style: several calls where there is one at most, content
    before calls where there is none, content with marks of the format in it.
    """
    chosen = style_of(style)
    parts = []
    if message.reasoning is not None:
        if chosen.reasoning is None:
            raise GrammarError("the style has no place for reasoning")
        before = "" if reasoning == "opened" else _written(chosen.reasoning.before)
        parts += [before, message.reasoning, _written(chosen.reasoning.after)]
    wrapped = chosen.preamble if message.calls else chosen.content
    if wrapped is not None and (message.content or not message.calls):
        parts += [_written(wrapped.before), message.content, _written(wrapped.after)]
    if message.calls:
        between = chosen.between or ()
        calls = _written(between).join(_written(chosen.call, call) for call in message.calls)
        parts += [_written(chosen.opening), calls, _written(chosen.closing)]
    text = "".join(parts)
    try:
        read = parse_tool_calls(text, style=chosen, reasoning=reasoning)
    except GrammarSyntaxError as error:
        raise GrammarError(f"the message cannot be written in this style: {error}") from error
    if read != message:
        raise GrammarError("the message cannot be written in this style: it would be read as another one")
    return text
