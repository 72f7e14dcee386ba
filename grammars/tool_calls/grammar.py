"""`constrain.tool_calls`: the messages that a model may write when it may call tools, as a grammar."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constrain.grammars import ir
from constrain.grammars.composition import concatenation, embedded, optional, repetition, special_token, union
from constrain.grammars.composition.regular_languages import regular_grammar, without_markers
from constrain.grammars.errors import GrammarError
from constrain.grammars.json_schema import json_schema
from constrain.grammars.json_schema.whitespace import Whitespace, whitespace_of
from constrain.grammars.regular import (
    ANY_TEXT,
    Complement,
    Concatenation,
    Intersection,
    Literal,
    Regular,
    Repetition,
    Symbols,
    Without,
)
from constrain.grammars.tool_calls.messages import Tool, tools_of
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

__all__ = ["REASONING", "reasoning_of", "tool_calls"]

REASONING = ("none", "optional", "required", "opened")
_ANY_BYTES = Repetition(Symbols(((0, 255),)), 0, None)
_LINES = Repetition(Literal(b"\n"), 0, 2)  # what models write between reasoning and calls


def reasoning_of(style: Style, reasoning: bool | str) -> str:
    """How a message shows reasoning.  Raises ValueError for what there is not, or not in the style."""
    chosen = {True: "required", False: "none"}.get(reasoning, reasoning) if isinstance(reasoning, bool) else reasoning
    if chosen not in REASONING:
        raise ValueError(f"reasoning is one of {', '.join(REASONING)}, not {reasoning!r}")
    if chosen != "none" and style.reasoning is None:
        raise ValueError("the style has no place for reasoning")
    return chosen


@dataclass(frozen=True, slots=True)
class _Writer:
    """Makes the grammars of the parts of messages in a style."""

    style: Style
    special: frozenset[str]
    space: Whitespace
    arguments: Callable[[Tool], ir.Grammar]
    reasoning: str

    # Pieces

    def pieces(self, pieces: Iterable[Piece]) -> list[ir.Grammar | str]:
        """The parts that pieces outside of calls stand for."""
        return [self._piece(piece) for piece in pieces]

    def _piece(self, piece: Piece) -> ir.Grammar | str:
        match piece:
            case Text(text):
                return text
            case Mark(text):
                return special_token(text) if text in self.special else text
            case Gap(text):
                return self._regular(self._gap(self.space.after_comma if text else b""))
        raise ValueError("a name and arguments stand within calls only")

    def _call(self, tools: Sequence[Tool]) -> ir.Grammar:
        """A call of one of the tools: one grammar for all, so that what it costs to make is that of the schemas."""
        call = self.style.call
        at = next(i for i, piece in enumerate(call) if isinstance(piece, JsonCall | Arguments))
        rules: dict[str, ir.Expression] = {}
        ways = []
        for i, tool in enumerate(tools):
            rules[f"arguments {i}"] = ir.Sequence(())  # holds the place
            before = [self._within_call(piece, tool) for piece in call[: at + 1]]
            ways.append(ir.Sequence((*before, ir.Reference(f"arguments {i}"), ir.Reference("behind"))))
        closing = [ir.Terminal(self._lexeme(b"}"))] if isinstance(call[at], JsonCall) else []
        rules["behind"] = ir.Sequence((*closing, *(self._within_call(piece, tools[0]) for piece in call[at + 1 :])))
        names = repr((self.style.call, [tool.name for tool in tools], self.space, sorted(self.special)))
        host = ir.Grammar("call", {"call": ir.Alternation(tuple(ways)), **rules}, key=names)
        return embedded(host, {f"arguments {i}": self.arguments(tool) for i, tool in enumerate(tools)})

    def _within_call(self, piece: Piece, tool: Tool) -> ir.Expression:
        """What a piece stands for, up to the arguments."""
        match piece:
            case Name():
                return ir.Terminal(Literal(tool.name.encode()))
            case JsonCall(key):
                return ir.Terminal(self._before(tool, key))
            case Arguments():
                return ir.Sequence(())
        part = self._piece(piece)
        return ir.Terminal(Literal(part.encode())) if isinstance(part, str) else part.rule(part.start)

    def _gap(self, needed: bytes) -> Regular:
        return Concatenation((Literal(needed), self.space.gap)) if needed else self.space.gap

    def _lexeme(self, text: bytes, needed: bytes = b"") -> Regular:
        return Concatenation((self.space.gap, Literal(text + needed)))

    def _before(self, tool: Tool, key: str) -> Regular:
        """A JSON call up to its arguments."""
        colon = self._lexeme(b":", self.space.after_colon)
        name, member = self._lexeme(f'"{tool.name}"'.encode()), self._lexeme(f'"{key}"'.encode())
        comma = self._lexeme(b",", self.space.after_comma)
        return Concatenation(
            (Literal(b"{"), self._lexeme(b'"name"'), colon, name, comma, member, colon, self.space.gap)
        )

    @staticmethod
    def _regular(regular: Regular) -> ir.Grammar:
        return regular_grammar(regular, repr(("regular", regular)))

    # Free text

    def wrapped(self, wrapped: Wrapped, *, may_be_empty: bool, is_reasoning: bool = False) -> ir.Grammar:
        """Free text between pieces, or the calls' beginning."""
        opened = is_reasoning and self.reasoning == "opened"
        text = self._regular(self._free(wrapped, is_reasoning, may_be_empty or bool(wrapped.before)))
        before = [] if opened else self.pieces(wrapped.before)
        return concatenation(*before, text, *self.pieces(wrapped.after))

    def _free(self, wrapped: Wrapped, is_reasoning: bool, may_be_empty: bool) -> Regular:
        markers, beginnings = list(wrapped.without), []
        if wrapped.after:
            markers.append(wrapped.after[0].text)
        if not is_reasoning and not wrapped.before:
            if self.style.is_marked:
                markers.append(self.style.first_mark)
            else:
                beginnings.append(self.style.trigger)
            if self.reasoning == "optional" and self.style.reasoning is not None:
                beginnings.append(self.style.reasoning.before[0].text)
        parts = [without_markers(markers) if markers else ANY_TEXT]
        parts += [Complement(Concatenation((Literal(text.encode()), _ANY_BYTES))) for text in beginnings]
        text: Regular = parts[0] if len(parts) == 1 else Intersection(tuple(parts))
        return text if may_be_empty else Without(text, (b"",))

    # Messages

    def calls(self, tools: Sequence[Tool], *, several: bool) -> ir.Grammar:
        """Calls of the tools, at least one."""
        one = self._call(tools)
        between = self.style.between
        if several and between is not None:
            one = repetition(one, 1, separator=concatenation(*self.pieces(between)))
        return concatenation(*self.pieces(self.style.opening), one, *self.pieces(self.style.closing))

    def message(self, calls: ir.Grammar | None, *, needed: bool) -> ir.Grammar:
        """A message with calls; it need not have any, unless they are needed, and has none when there are none."""
        style = self.style
        if self.reasoning == "none" or style.reasoning is None:
            return self._rest(calls, needed, behind_reasoning=False)
        thought = self.wrapped(style.reasoning, may_be_empty=True, is_reasoning=True)
        with_thought = concatenation(thought, self._rest(calls, needed, behind_reasoning=True))
        if self.reasoning != "optional":
            return with_thought
        return union(with_thought, self._rest(calls, needed, behind_reasoning=False))

    def _rest(self, calls: ir.Grammar | None, needed: bool, *, behind_reasoning: bool) -> ir.Grammar:
        style = self.style
        ways = [] if needed else [self.wrapped(style.content, may_be_empty=behind_reasoning)]
        if calls is not None and needed:
            lines = [self._regular(_LINES)] if behind_reasoning and self._may_have_lines() else []
            ways.append(concatenation(*lines, calls))
        elif calls is not None and style.preamble is not None:
            preamble = self.wrapped(style.preamble, may_be_empty=True)
            ways.append(concatenation(optional(preamble) if style.preamble.before else preamble, calls))
        elif calls is not None:
            ways.append(calls)
        return union(*ways)

    def _may_have_lines(self) -> bool:
        return self.style.preamble is not None and not self.style.preamble.before


def _chosen(tools: Sequence[Tool], choice: str | Mapping[str, Any]) -> tuple[str, Sequence[Tool]]:
    """What `tool_choice` asks for: "auto", "required", "none" or "named", and the tools that may be called."""
    if isinstance(choice, Mapping):
        function = choice.get("function", choice)
        name = function.get("name") if isinstance(function, Mapping) else None
    elif choice in ("auto", "required", "none"):
        return choice, tools
    else:
        name = choice
    named = [tool for tool in tools if tool.name == name]
    if not named:
        known = ", ".join(tool.name for tool in tools) or "none"
        raise GrammarError(f"tool_choice is 'auto', 'required', 'none' or the name of a tool ({known}), not {choice!r}")
    return "named", named


def tool_calls(
    tools: Iterable[Any],
    *,
    style: str | Style = "hermes",
    tool_choice: str | Mapping[str, Any] = "auto",
    parallel: bool = True,
    reasoning: bool | str = "none",
    special_tokens: Collection[str] = (),
    whitespace: str = "flexible",
    **options: Any,
) -> ir.Grammar:
    """Messages of a model that may call tools.

    tools           dictionaries as the interfaces of OpenAI, Anthropic and MCP take them, functions, or `Tool`
    style           how calls are written: see docs/tool_calls.md; or a `Style`
    tool_choice     "auto": content, calls, or both where the format has both; "required": calls; "none": content;
                    the name of a tool (or OpenAI's dictionary of it): one call of that tool
    parallel        whether a message may have several calls, in formats that have them
    reasoning       "none", "required" (or True), "optional", or "opened": the prompt ends where reasoning begins
    special_tokens  marks of the format that are special tokens of the tokenizer; ``index.special_tokens`` will do
    whitespace      of the JSON of calls, as in `json_schema`
    options         further options of `json_schema` for the arguments

    Arguments are objects that the tool's JSON Schema allows.  A message is not empty.  Raises GrammarError for tools
    that are not understood, UnsupportedSchemaError and UnsatisfiableConstraintError with a note that names the tool.
    """
    chosen_style = style_of(style)
    made = tools_of(tools)
    choice, callable_tools = _chosen(made, tool_choice)
    if choice == "required" and not made:
        raise GrammarError("a call is required, but there are no tools")

    def arguments(tool: Tool) -> ir.Grammar:
        try:
            return json_schema(tool.schema, whitespace=whitespace, **options)
        except GrammarError as error:
            error.add_note(f"  in the parameters of tool {tool.name!r}")
            raise

    writer = _Writer(
        chosen_style,
        frozenset(special_tokens),
        whitespace_of(whitespace),
        arguments,
        reasoning_of(chosen_style, reasoning),
    )
    calls = None
    if choice != "none" and callable_tools:
        calls = writer.calls(callable_tools, several=parallel and choice != "named")
    return writer.message(calls, needed=choice in ("required", "named"))
