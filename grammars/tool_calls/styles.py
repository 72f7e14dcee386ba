"""Formats of tool calls, as data.

A message is reasoning, then content, or calls with content before them:

    message = [reasoning] (content | [preamble] opening call (between call)* closing)

Each of these is written between pieces: texts, marks (which are special tokens where the tokenizer has them), the name
and the arguments of a call.  From the same pieces come the grammar, the text of a message, and the message of a text.
"""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Arguments", "Gap", "JsonCall", "Mark", "Name", "Piece", "Style", "Text", "Wrapped", "register", "style_of"]


@dataclass(frozen=True, slots=True)
class Text:
    """A text that stands for itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of the format: one special token where the tokenizer has it, its text elsewhere."""

    text: str


@dataclass(frozen=True, slots=True)
class Gap:
    """White space as the JSON of a call may have it between its lexemes; `text` when the package writes it."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """The name of the tool, without quotes."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of the call, as a JSON object."""


@dataclass(frozen=True, slots=True)
class JsonCall:
    """A JSON object with the name of the tool and, under `key`, the arguments."""

    key: str


Piece = Text | Mark | Gap | Name | Arguments | JsonCall


@dataclass(frozen=True, slots=True)
class Wrapped:
    """Free text, in which no text of `without` occurs, between pieces.

    The first text or mark of what ends it never occurs in it either.
    """

    before: tuple[Text | Mark, ...] = ()
    after: tuple[Text | Mark, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Style:
    """A format of tool calls.

    call        one call: a JsonCall, or a Name and Arguments behind it, among other pieces
    opening     what stands before the first call
    between     what stands between calls; None when a message has one call at most
    closing     what stands behind the last call
    content     what the model tells the user when it calls no tool
    preamble    what it tells the user before it calls tools; None when it cannot
    reasoning   its reasoning; None when the format has none

    Content and preamble that are not wrapped begin where the calls might, so they are told apart by the beginning of
    the calls: their first mark occurs in no content.  Where that is not a mark, content does not begin with it, and
    there is no preamble.
    """

    call: tuple[Piece, ...]
    opening: tuple[Piece, ...] = ()
    between: tuple[Piece, ...] | None = None
    closing: tuple[Piece, ...] = ()
    content: Wrapped = Wrapped()
    preamble: Wrapped | None = None
    reasoning: Wrapped | None = None

    def __post_init__(self) -> None:
        kinds = [type(piece) for piece in self.call]
        if kinds.count(JsonCall) + kinds.count(Name) != 1 or kinds.count(Name) != kinds.count(Arguments):
            raise ValueError("a call has a JsonCall, or a Name and Arguments")
        if Name in kinds and kinds.index(Name) > kinds.index(Arguments):
            raise ValueError("the name of a call stands before its arguments")
        if not self.trigger:
            raise ValueError("calls begin with a text or a mark")
        if self.preamble is not None and not self.preamble.before and not self.is_marked:
            raise ValueError("where calls do not begin with a mark, there is no preamble")
        if self.reasoning is not None and not (self.reasoning.before and self.reasoning.after):
            raise ValueError("reasoning stands between texts or marks")
        for wrapped in (self.preamble, self.content, self.reasoning):
            after = wrapped.after if wrapped is not None else ()
            if after and _overlaps(after[0].text):
                raise ValueError(f"{after[0].text!r} ends free text, so it must not begin as it ends")
        if self.is_marked and _overlaps(self.first_mark):
            raise ValueError(f"{self.first_mark!r} begins calls, so it must not begin as it ends")

    @property
    def trigger(self) -> str:
        """The text that every sequence of calls begins with."""
        found = ""
        for piece in (*self.opening, *self.call):
            match piece:
                case Text(text) | Mark(text):
                    found += text
                case JsonCall():
                    return found + "{"
                case _:
                    break
        return found

    @property
    def is_marked(self) -> bool:
        """Whether calls begin with a mark."""
        return isinstance((*self.opening, *self.call)[0], Mark)

    @property
    def first_mark(self) -> str:
        """The mark that calls begin with; "" when they do not begin with one."""
        first = (*self.opening, *self.call)[0]
        return first.text if isinstance(first, Mark) else ""


def _overlaps(text: str) -> bool:
    """Whether a beginning of a text is also an end of it."""
    return any(text.startswith(text[i:]) for i in range(1, len(text)))


# The formats in use

_THINK = Wrapped((Mark("<think>"),), (Mark("</think>"),))
_COMMA, _BRACKET = (Gap(), Text(","), Gap(" ")), (Gap(), Text("]"))


def _openai() -> Style:
    """A JSON array of calls ``{"name": …, "arguments": {…}}``, as servers read it for "required"."""
    return Style((JsonCall("arguments"),), (Text("["), Gap()), between=_COMMA, closing=_BRACKET, reasoning=_THINK)


def _hermes() -> Style:
    """Nous Hermes and Qwen 2.5/3: each call within ``<tool_call>`` tags, one a line."""
    call = Mark("<tool_call>"), Text("\n"), JsonCall("arguments"), Text("\n"), Mark("</tool_call>")
    return Style(call, between=(Text("\n"),), preamble=Wrapped(), reasoning=_THINK)


def _llama3() -> Style:
    """Llama 3.1 and later: a JSON object with `parameters`, and nothing else; several with semicolons between."""
    return Style((JsonCall("parameters"),), between=(Text("; "),))


def _llama3_python_tag() -> Style:
    """Llama 3.1 and later in the environment "ipython": as `llama3`, behind ``<|python_tag|>``."""
    return Style((JsonCall("parameters"),), (Mark("<|python_tag|>"),), between=(Text("; "),), preamble=Wrapped())


def _mistral() -> Style:
    """Mistral's tokenizers up to v7: a JSON array behind ``[TOOL_CALLS]``."""
    opening = Mark("[TOOL_CALLS]"), Gap(" "), Text("["), Gap()
    think = Wrapped((Mark("[THINK]"),), (Mark("[/THINK]"),))
    return Style(
        (JsonCall("arguments"),), opening, between=_COMMA, closing=_BRACKET, preamble=Wrapped(), reasoning=think
    )


def _mistral_v11() -> Style:
    """Mistral's tokenizers from v11 on: ``[TOOL_CALLS]name[ARGS]{…}`` for each call."""
    call = Mark("[TOOL_CALLS]"), Name(), Mark("[ARGS]"), Arguments()
    think = Wrapped((Mark("[THINK]"),), (Mark("[/THINK]"),))
    return Style(call, between=(), preamble=Wrapped(), reasoning=think)


def _of_deepseek(call: tuple[Piece, ...], between: tuple[Piece, ...]) -> Style:
    opening, closing = Mark("<｜tool▁calls▁begin｜>"), Mark("<｜tool▁calls▁end｜>")
    return Style(call, (opening,), between, (closing,), preamble=Wrapped(), reasoning=_THINK)


def _deepseek() -> Style:
    """DeepSeek V3 and R1: the name behind the kind of tool, and the arguments in a fenced block."""
    call = (
        *(Mark("<｜tool▁call▁begin｜>"), Text("function"), Mark("<｜tool▁sep｜>"), Name()),
        *(Text("\n```json\n"), Arguments(), Text("\n```"), Mark("<｜tool▁call▁end｜>")),
    )
    return _of_deepseek(call, (Text("\n"),))


def _deepseek_v31() -> Style:
    """DeepSeek V3.1: the name, and the arguments behind a separator."""
    call = Mark("<｜tool▁call▁begin｜>"), Name(), Mark("<｜tool▁sep｜>"), Arguments(), Mark("<｜tool▁call▁end｜>")
    return _of_deepseek(call, ())


def _harmony() -> Style:
    """OpenAI's gpt-oss, behind ``<|start|>assistant``: channels for reasoning, calls and the answer.

    A message has one call at most: ``<|call|>`` and ``<|return|>`` end the text, so they are end tokens.
    """
    channel, message, end = Mark("<|channel|>"), Mark("<|message|>"), Mark("<|end|>")
    again = end, Mark("<|start|>"), Text("assistant")
    marks = tuple(f"<|{name}|>" for name in ("channel", "message", "end", "start", "call", "return", "constrain"))
    opening = channel, Text("commentary to=functions.")
    return Style(
        (Name(), Text(" "), Mark("<|constrain|>"), Text("json"), message, Arguments()),
        opening,
        content=Wrapped((channel, Text("final"), message), (), marks),
        preamble=Wrapped((channel, Text("commentary"), message), again, marks),
        reasoning=Wrapped((channel, Text("analysis"), message), again, marks),
    )


def _react() -> Style:
    """ReAct (Yao et al. 2023): a thought of one line, then an action with its input, or the final answer."""
    return Style(
        (Name(), Text("\nAction Input: "), Arguments()),
        (Text("Action: "),),
        content=Wrapped((Text("Final Answer: "),)),
        reasoning=Wrapped((Text("Thought: "),), (Text("\n"),)),
    )


_STYLES: dict[str, Callable[[], Style]] = {
    "openai": _openai,
    "hermes": _hermes,
    "qwen": _hermes,
    "llama3": _llama3,
    "llama3-python-tag": _llama3_python_tag,
    "mistral": _mistral,
    "mistral-v11": _mistral_v11,
    "deepseek": _deepseek,
    "deepseek-v3.1": _deepseek_v31,
    "harmony": _harmony,
    "react": _react,
}


def register(name: str, style: Style) -> None:
    """Make a style known by a name.  Raises ValueError when the name is taken by another one."""
    if name in _STYLES and _STYLES[name]() != style:
        raise ValueError(f"there is a style called {name!r} already")
    _STYLES[name] = lambda: style


def style_of(style: str | Style) -> Style:
    """The style of a name.  Raises ValueError for an unknown one."""
    if isinstance(style, Style):
        return style
    if style not in _STYLES:
        raise ValueError(f"unknown style {style!r}; there are {', '.join(sorted(_STYLES))}")
    return _STYLES[style]()
