"""Tool calls in every style: texts and messages back and forth, and grammars that allow just such texts."""

import json
import random
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars.errors import GrammarError, GrammarSyntaxError, UnsatisfiableConstraintError
from constrain.grammars.tool_calls import (
    Gap,
    JsonCall,
    Mark,
    Style,
    Text,
    Tool,
    ToolCall,
    ToolMessage,
    Wrapped,
    parse_tool_calls,
    register,
    tool_calls,
    write_tool_calls,
)
from constrain.grammars.tool_calls.styles import style_of
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.matching import brute_force, index_of, mask_of
from tests.strategies import examples

STYLES = [
    *("openai", "hermes", "qwen", "llama3", "llama3-python-tag", "mistral", "mistral-v11"),
    *("deepseek", "deepseek-v3.1", "harmony", "react"),
]
ONE_CALL = {"harmony", "react"}
WITH_PREAMBLE = {
    "hermes",
    "qwen",
    "llama3-python-tag",
    "mistral",
    "mistral-v11",
    "deepseek",
    "deepseek-v3.1",
    "harmony",
}
REASONING = set(STYLES) - {"llama3", "llama3-python-tag"}
MARKS = [
    *("<tool_call>", "</tool_call>", "<think>", "</think>", "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]", "; ", "```"),
    *("<｜tool▁calls▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>", "<|channel|>", "<|end|>", "<|message|>"),
    *("\nAction: ", "Final Answer: ", "\n", '"', "\\", "{", "}", "[", "]", '"}}', "é😀", "\u2028", "\x00", "</"),
]
TOOLS = [
    {"type": "function", "function": {"name": "search", "parameters": {"properties": {"q": {"type": "string"}}}}},
    {"name": "no-op", "input_schema": {"type": "object", "additionalProperties": False}},
    Tool("any.thing", {}),
]

_STRINGS = st.lists(st.one_of(st.sampled_from(MARKS), st.text(max_size=3)), max_size=4).map("".join)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.sampled_from([0.5, -1e-7, 1e22]), _STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(_STRINGS, inner, max_size=2)),
    max_leaves=4,
)
_CALLS = st.one_of(
    st.builds(lambda q: ToolCall("search", {"q": q}), _STRINGS),
    st.just(ToolCall("no-op", {})),
    st.builds(lambda arguments: ToolCall("any.thing", arguments), st.dictionaries(_STRINGS, _VALUES, max_size=3)),
)
BYTES = [bytes([byte]) for byte in range(256)]
LONGER = [
    *(
        b"<tool_call>\n{",
        b'{"',
        b'"name',
        b'": "',
        b'"}}',
        b"}\n</tool",
        b"<|",
        b"|>",
        b"[TOOL",
        b"_CALLS] [",
        b"</think>",
    ),
    *(b"think>\n", b"Action", b": sea", b"rch\n", "｜>".encode(), b'"}, {"', b" hi", b"; {"),
]


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes, and tokens that lie across the borders of the formats."""
    return index_of(BYTES + LONGER)


@pytest.fixture(scope="module")
def constraints(index: TokenizerIndex) -> dict[str, CompiledConstraint]:
    """Messages with or without calls, in every style."""
    return {style: compile_grammar(tool_calls(TOOLS, style=style), index) for style in STYLES}


def written(message: ToolMessage, style: str) -> str | None:
    """The text of a message; None when it has none in the style."""
    try:
        return write_tool_calls(message, style=style)
    except GrammarError:
        return None


# Round trips


@pytest.mark.parametrize("style", STYLES)
@examples(25)
@given(calls=st.lists(_CALLS, min_size=1, max_size=3))
def test_calls_to_text_and_back(style: str, calls: list[ToolCall], constraints: dict[str, CompiledConstraint]) -> None:
    """Whatever the arguments hold: the text of calls is allowed, and is read as those calls."""
    message = ToolMessage("", tuple(calls[:1] if style in ONE_CALL else calls))
    text = write_tool_calls(message, style=style)
    assert parse_tool_calls(text, style=style) == message
    assert constraints[style].accepts(text)
    assert not constraints[style].accepts(text[:-1] + "?"), "nothing else stands at the end"


@pytest.mark.parametrize("style", STYLES)
@examples(25)
@given(content=_STRINGS, calls=st.lists(_CALLS, max_size=1))
def test_content(style: str, content: str, calls: list[ToolCall], constraints: dict[str, CompiledConstraint]) -> None:
    """Content that holds no mark of the format can be written, with and without calls, and is read back."""
    message = ToolMessage(content, tuple(calls))
    text = written(message, style)
    chosen = style_of(style)
    wrapped = chosen.preamble if calls else chosen.content
    if text is None:
        marks = [chosen.first_mark or chosen.trigger, *(wrapped.without if wrapped else ())]
        assert content and ((calls and style not in WITH_PREAMBLE) or any(mark in content for mark in marks))  # noqa: PT018
    elif text:
        assert parse_tool_calls(text, style=style) == message
        assert constraints[style].accepts(text)


@pytest.mark.parametrize("style", sorted(REASONING))
@pytest.mark.parametrize("how", ["required", "optional", "opened"])
def test_reasoning(style: str, how: str, index: TokenizerIndex) -> None:
    """Reasoning stands before the rest; messages without it are allowed where it is optional."""
    constraint = compile_grammar(tool_calls(TOOLS, style=style, reasoning=how), index)
    call = ToolCall("search", {"q": "</think> [/THINK]\nAction: <|end|>"})
    for reasoning in ("", "so {1}, é", "\n" if style != "react" else " "):
        for rest in (ToolMessage("", (call,)), ToolMessage("hello")):
            message = replace(rest, reasoning=reasoning)
            text = write_tool_calls(message, style=style, reasoning=how)
            assert constraint.accepts(text)
            assert parse_tool_calls(text, style=style, reasoning=how) == message
    plain = write_tool_calls(ToolMessage("hello"), style=style)
    assert constraint.accepts(plain) == (how == "optional")
    assert constraint.accepts("") is False


@pytest.mark.parametrize("style", STYLES)
def test_random_walks_are_read(style: str, constraints: dict[str, CompiledConstraint]) -> None:
    """Texts off random walks, closed in the shortest way, are read as messages that are written and read again.

    Masks on the way are those of reading every token by itself.
    """
    constraint = constraints[style]
    for seed in range(12):
        draw, matcher = random.Random(seed), constraint.matcher()
        if seed % 2:
            assert matcher.accept_text(write_tool_calls(ToolMessage("", (ToolCall("no-op", {}),)), style=style)[:-9])
        for step in range(20):
            mask = mask_of(matcher)
            if step % 4 == 0:
                assert mask == brute_force(matcher)
            tokens = sorted(
                token for token in mask if token < 127 or (token >= 256 and token not in constraint.end_tokens)
            )
            if not tokens:
                break
            assert matcher.accept_token(draw.choice(tokens))
        assert matcher.accept_text(matcher.shortest_completion())
        history = b"".join(
            step if isinstance(step, bytes) else constraint.index.tokens[step] for step in matcher._steps
        )
        text = history.decode("utf-8")
        message = parse_tool_calls(text, style=style)
        again = write_tool_calls(message, style=style)
        assert parse_tool_calls(again, style=style) == message
        assert constraint.accepts(again)


# What may be called


@pytest.mark.parametrize("style", STYLES)
def test_choices_of_tools(style: str, index: TokenizerIndex) -> None:
    """The choices "auto", "required", "none" and a name allow the messages that they should."""
    search, nothing = ToolCall("search", {"q": "x"}), ToolCall("no-op", {})
    messages = {
        "content": ToolMessage("hello"),
        "search": ToolMessage("", (search,)),
        "no-op": ToolMessage("", (nothing,)),
        "two": ToolMessage("", (search, nothing)),
    }
    texts = {name: text for name, message in messages.items() if (text := written(message, style)) is not None}
    assert ("two" in texts) == (style not in ONE_CALL)

    def allowed(**options: Any) -> set[str]:
        constraint = compile_grammar(tool_calls(TOOLS, style=style, **options), index)
        return {name for name, text in texts.items() if constraint.accepts(text)}

    assert allowed() == set(texts)
    assert allowed(parallel=False) == set(texts) - {"two"}
    assert allowed(tool_choice="required") == set(texts) - {"content"}
    assert allowed(tool_choice="none") == {"content"}
    assert allowed(tool_choice="search") == {"search"}
    assert allowed(tool_choice={"type": "function", "function": {"name": "no-op"}}) == {"no-op"}


@pytest.mark.parametrize("style", STYLES)
def test_arguments_obey_their_schema(style: str, constraints: dict[str, CompiledConstraint]) -> None:
    """Other tools, other types and members that are not declared are refused."""
    for call in (
        ToolCall("unknown", {}),
        ToolCall("search", {"q": 1}),
        ToolCall("no-op", {"q": "x"}),
        ToolCall("no", {}),
    ):
        assert not constraints[style].accepts(write_tool_calls(ToolMessage("", (call,)), style=style))


@pytest.mark.parametrize("style", sorted(set(STYLES) - {"openai", "llama3", "react"}))
def test_special_tokens(style: str, index: TokenizerIndex) -> None:
    """Marks that are special tokens are read as one token and not as text; others are text."""
    text = write_tool_calls(ToolMessage("", (ToolCall("search", {"q": "<tool_call>"}),)), style=style)
    marks = [piece.text for piece in (*style_of(style).opening, *style_of(style).call) if isinstance(piece, Mark)]
    names = {name: 257 + number for number, name in enumerate(dict.fromkeys(marks))}
    vocabulary = Vocabulary((*BYTES, b"", *(b"" for _ in names)), {"<end>": 256, **names}, (256,))
    special = TokenizerIndex(vocabulary)
    grammar = tool_calls(TOOLS, style=style, special_tokens=special.special_tokens)
    constraint = compile_grammar(grammar, special)
    assert not constraint.accepts(text), "a mark is not spelled"
    matcher = constraint.matcher()
    rest, names_found = text, 0
    while rest:
        name = next((name for name in names if rest.startswith(name) and names_found < len(marks)), None)
        in_arguments = name is not None and rest[len(name) :].startswith('"}')
        if name is None or in_arguments:
            assert matcher.accept_text(rest[0])
            rest = rest[1:]
            continue
        assert names[name] in mask_of(matcher)
        assert mask_of(matcher) == brute_force(matcher)
        assert matcher.accept_token(names[name])
        rest, names_found = rest[len(name) :], names_found + 1
    assert matcher.is_accepting
    with pytest.raises(GrammarError, match="no special token"):
        compile_grammar(grammar, index).accepts("x" + text)


def test_a_hundred_tools(index: TokenizerIndex) -> None:
    """A hundred tools are a matter of a fraction of a second."""
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "days": {"type": "integer"}},
        "required": ["city"],
    }
    tools = [Tool(f"tool_{i}", {**parameters, "description": str(i)}) for i in range(100)]
    start = time.process_time()
    constraint = compile_grammar(tool_calls(tools), index)
    matcher = constraint.matcher()
    mask_of(matcher)
    seconds = time.process_time() - start
    message = ToolMessage("", tuple(ToolCall(f"tool_{i}", {"city": "x", "days": i}) for i in (0, 57, 99)))
    assert constraint.accepts(write_tool_calls(message))
    assert seconds < 60, "a fraction of a second on a machine that does nothing else"


# What is refused


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([Tool("a"), {"name": "a"}], "different names"),
        ([{"parameters": {}}], "has a name"),
        ([3], "a dictionary, a function"),
        ([{"name": "a b"}], "not a name"),
        ([{"name": "a", "parameters": {"type": "array"}}], "are an object"),
        ([{"name": "a", "parameters": []}], "JSON Schema of an object"),
    ],
)
def test_tools_that_are_none(tools: list[object], message: str) -> None:
    """Tools that are not understood are an error."""
    with pytest.raises(GrammarError, match=message):
        tool_calls(tools)


def test_errors_name_the_tool() -> None:
    """An error in the schema of a tool says whose it is."""
    with pytest.raises(UnsatisfiableConstraintError) as caught:
        tool_calls([Tool("ok"), Tool("broken", {"properties": {"a": False}, "required": ["a"]})])
    assert any("'broken'" in note for note in caught.value.__notes__)


def test_settings_that_are_none() -> None:
    """Unknown styles, choices and ways of reasoning are errors."""
    with pytest.raises(ValueError, match="unknown style"):
        tool_calls(TOOLS, style="unknown")
    with pytest.raises(GrammarError, match="tool_choice"):
        tool_calls(TOOLS, tool_choice="unknown")
    with pytest.raises(ValueError, match="reasoning is one of"):
        tool_calls(TOOLS, reasoning="always")
    with pytest.raises(ValueError, match="no place for reasoning"):
        tool_calls(TOOLS, style="llama3", reasoning=True)
    with pytest.raises(GrammarError, match="no tools"):
        tool_calls([], tool_choice="required")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('<tool_call>\n{"name": "a", "arguments": {}}\n', (3, 1)),
        ('<tool_call>\n{"name": "a"}\n</tool_call>', (2, 1)),
        ('<tool_call>\n{"name": "a", "arguments": [}\n</tool_call>', (2, 29)),
        ('hi<tool_call>\n{"name": "a", "arguments": 1}\n</tool_call>', (2, 1)),
        ('<tool_call>\n{"name": "a", "arguments": {"x": 1, "x": 2}}\n</tool_call>', (2, 1)),
        ('<tool_call>\n{"name": "a", "arguments": {}}\n</tool_call>\n', (3, 13)),
    ],
)
def test_texts_that_are_no_messages(text: str, place: tuple[int, int]) -> None:
    """They are refused with the place."""
    with pytest.raises(GrammarSyntaxError) as caught:
        parse_tool_calls(text)
    assert (caught.value.line, caught.value.column) == place


def test_arguments_that_are_no_json() -> None:
    """What JSON does not know is not written; halves of surrogate pairs are escaped."""
    with pytest.raises(GrammarError, match="JSON"):
        write_tool_calls(ToolMessage("", (ToolCall("a", {"x": float("nan")}),)))
    message = ToolMessage("", (ToolCall("a", {"x": "\ud800"}),))
    assert parse_tool_calls(write_tool_calls(message).encode().decode()) == message


def get_weather(city: str, days: int = 1) -> str:
    """The weather."""
    return f"{city} {days}"


def test_functions_are_tools(index: TokenizerIndex) -> None:
    """A function's name and arguments are those of a tool."""
    constraint = compile_grammar(tool_calls([get_weather], tool_choice="required"), index)
    good, bad = ({"city": "Rome"}, {"city": "Rome", "days": 2}), ({"days": 2}, {"city": 1})
    for arguments in (*good, *bad):
        text = write_tool_calls(ToolMessage("", (ToolCall("get_weather", arguments),)))
        assert constraint.accepts(text) == (arguments in good)


# Own styles


def test_own_styles(index: TokenizerIndex) -> None:
    """A style is data: registered under a name, it has a grammar, a writer and a reader."""
    style = Style(
        (Mark("<call>"), JsonCall("input"), Mark("</call>")), between=(Gap(" "),), preamble=Wrapped(without=("<no>",))
    )
    register("own", style)
    register("own", style)
    message = ToolMessage("so: ", (ToolCall("search", {"q": "</call>"}), ToolCall("no-op", {})))
    text = write_tool_calls(message, style="own")
    assert text.startswith('so: <call>{"name": "search", "input": {"q": "</call>"}}</call> <call>')
    assert parse_tool_calls(text, style="own") == message
    constraint = compile_grammar(tool_calls(TOOLS, style="own"), index)
    assert constraint.accepts(text)
    assert not constraint.accepts("<no>" + text)
    with pytest.raises(ValueError, match="already"):
        register("own", Style((Text("!"), JsonCall("x"))))


@pytest.mark.parametrize(
    "arguments",
    [
        {"call": (Text("x"),)},
        {"call": (JsonCall("x"), JsonCall("x"))},
        {"call": (Gap(), JsonCall("x")), "opening": (Gap(),), "preamble": Wrapped()},
        {"call": (Mark("<>x<"), JsonCall("x"))},
        {"call": (Text("x"), JsonCall("x")), "preamble": Wrapped()},
        {"call": (JsonCall("x"),), "reasoning": Wrapped()},
        {"call": (JsonCall("x"),), "reasoning": Wrapped((Text("a"),), (Text("\n\n"),))},
    ],
)
def test_styles_that_cannot_be_read(arguments: dict[str, Any]) -> None:
    """A style whose texts could be read in two ways, or that has no place for a call, is refused."""
    with pytest.raises(ValueError, match=r"call|preamble|reasoning|begin"):
        Style(**arguments)


@pytest.mark.parametrize("style", STYLES)
def test_golden_texts(style: str) -> None:
    """One call, written as the models' chat templates write it."""
    call = ToolMessage("", (ToolCall("f", {"a": "é"}),))
    arguments = '{"a": "é"}'
    expected = {
        "openai": f'[{{"name": "f", "arguments": {arguments}}}]',
        "hermes": f'<tool_call>\n{{"name": "f", "arguments": {arguments}}}\n</tool_call>',
        "llama3": f'{{"name": "f", "parameters": {arguments}}}',
        "llama3-python-tag": f'<|python_tag|>{{"name": "f", "parameters": {arguments}}}',
        "mistral": f'[TOOL_CALLS] [{{"name": "f", "arguments": {arguments}}}]',
        "mistral-v11": f"[TOOL_CALLS]f[ARGS]{arguments}",
        "deepseek": (
            f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{arguments}\n```"
            "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        "deepseek-v3.1": (
            f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        "harmony": f"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{arguments}",
        "react": f"Action: f\nAction Input: {arguments}",
    }
    expected["qwen"] = expected["hermes"]
    text = write_tool_calls(call, style=style)
    assert text == expected[style]
    assert json.loads(arguments) == parse_tool_calls(text, style=style).calls[0].arguments
