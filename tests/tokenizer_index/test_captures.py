"""Bindings: what follows a part of a text depends on it, and masks know."""

import random
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

import constrain
from constrain.grammars import ir, regular
from constrain.grammars.composition import joining
from constrain.grammars.errors import GrammarError, ResourceLimitError
from constrain.grammars.serialise import to_data
from tests.strategies import examples

PIECES = ("<a>", "</a", "a>", "></", "a></a>", "b>.</", "a>.</a>", "ab>.</ab>", "</ab>", ".<", "aa>.</aa", "b></a")


def terminal(text: bytes) -> ir.Terminal:
    """A fixed text."""
    return ir.Terminal(regular.Literal(text))


NAME = ir.Terminal(regular.Repetition(regular.Symbols(((97, 98),)), 1, None))


@dataclass(frozen=True)
class Closing:
    """Content and the end of an element of a name."""

    def __call__(self, text: bytes) -> ir.Expression:
        return ir.Sequence((terminal(b">"), ir.Reference("content"), terminal(b"</" + text + b">")))


def elements(*, settled: bool) -> ir.Grammar:
    """Elements whose ends have the names of their beginnings, which no context-free grammar says."""
    following = ir.Sequence((terminal(b">"), ir.Reference("content"), terminal(b"</"), NAME, terminal(b">")))
    element = ir.Sequence((terminal(b"<"), ir.Binding(NAME, Closing(), following, settled)))
    content = ir.Repeat(ir.Alternation((terminal(b"."), ir.Reference("element"))), 1, None)
    return ir.Grammar("element", {"element": element, "content": content})


@dataclass(frozen=True)
class Again:
    """The same text once more, behind a stroke."""

    def __call__(self, text: bytes) -> ir.Expression:
        return terminal(b"/" + text)


def twice() -> ir.Grammar:
    """An element and the same element again: a binding around bindings."""
    inner = elements(settled=True)
    following = ir.Sequence((terminal(b"/"), ir.Reference("element")))
    again = ir.Binding(ir.Reference("element"), Again(), following)
    return ir.Grammar("twice", {**inner.rules, "twice": again})


GRAMMARS = {
    "settled": elements(settled=True),
    "unsettled": elements(settled=False),
    "nested": twice(),
    "joined": joining.concatenation("!", elements(settled=True)),
}


@cache
def index() -> constrain.TokenizerIndex:
    """The symbols of the languages, and pieces with several."""
    tokens = [bytes([byte]) for byte in b"<>/ab.!"] + [piece.encode() for piece in PIECES] + [b"<end>"]
    return constrain.TokenizerIndex.from_tokenizer(tokens, end_tokens=[len(tokens) - 1], cache=False)


@cache
def compiled(name: str) -> constrain.CompiledConstraint:
    """A grammar over the vocabulary."""
    return constrain.compile(GRAMMARS[name], index())


def read_one_by_one(matcher: constrain.Matcher) -> list[int]:
    """The tokens whose bytes can be read, each tried by itself."""
    tokens = index().vocabulary.tokens
    end = len(tokens) - 1
    found = [token for token in range(end) if matcher.fork().accept_text(tokens[token])]
    return [*found, end] if matcher.is_accepting else found


@examples(60)
@given(st.sampled_from(sorted(GRAMMARS)), st.integers(0, 1 << 30))
def test_masks_are_what_can_be_read(name: str, seed: int) -> None:
    """On random walks, masks allow what can be read and completed, and nothing else; completions obey the grammar."""
    choice, matcher = random.Random(seed), compiled(name).matcher()
    tokens, text = index().vocabulary.tokens, b""
    for _ in range(14):
        allowed = sorted(matcher.allowed_tokens())
        assert allowed == read_one_by_one(matcher), text
        assert allowed, f"a dead end after {text!r}"
        if len(tokens) - 1 in allowed and choice.random() < 0.3:
            break
        token = choice.choice([one for one in allowed if one < len(tokens) - 1] or allowed)
        if token == len(tokens) - 1:
            break
        assert matcher.accept_token(token)
        text += tokens[token]
    assert compiled(name).accepts(text + matcher.shortest_completion())


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("<a>.</a>", True),
        ("<a>.</b>", False),
        ("<ab>.<a>.</a>.</ab>", True),
        ("<ab>.<a>.</ab>.</a>", False),
        ("<a></a>", False),
        ("<aa>.</a>", False),
    ],
)
def test_ends_match(text: str, valid: bool) -> None:
    """The name at the end is the one at the beginning."""
    assert compiled("settled").accepts(text) is valid
    assert compiled("unsettled").accepts(text) is valid
    assert compiled("nested").accepts(f"{text}/{text}") is valid
    assert not compiled("nested").accepts(f"{text}/<b>.</b>")


def test_states_depend_on_the_text_alone() -> None:
    """The same text by other tokens is the same state; rollback and fork lead back to it."""
    one, other = compiled("settled").matcher(), compiled("settled").matcher()
    tokens = index().vocabulary.tokens
    for text in (b"<", b"a", b">", b".", b"<", b"b", b">", b"."):
        one.accept_token(tokens.index(text))
    assert other.accept_text("<a>.<b>.")
    assert one.state_key == other.state_key
    before, fork = one.state_key, one.fork()
    for text in (b"<", b"/", b"b", b">"):
        assert one.accept_token(tokens.index(text)), text
    assert not fork.fork().accept_text("</a>")
    one.rollback(4)
    assert one.state_key == before == fork.state_key


def test_shortest() -> None:
    """Completions end what has been begun."""
    assert compiled("settled").shortest_text() == b"<a>.</a>"
    matcher = compiled("settled").matcher()
    matcher.accept_text("<ab>.<ba")
    assert matcher.shortest_completion() == b">.</ba></ab>"


def test_what_is_refused() -> None:
    """Bindings where the longest match counts, parts that begin with themselves, and saving."""
    grammar = elements(settled=True)
    longest = ir.Grammar(grammar.start, grammar.rules, longest_match=True)
    with pytest.raises(GrammarError, match="every split"):
        constrain.compile(longest, index())
    endless = ir.Binding(ir.Reference("endless"), Again(), terminal(b"a"))
    with pytest.raises(ResourceLimitError):
        constrain.compile(ir.Grammar("endless", {"endless": endless}), index()).matcher().allowed_tokens()
    with pytest.raises(GrammarError, match="cannot be saved"):
        to_data(grammar, 1000)


@dataclass(frozen=True)
class _Unseen:
    """What comes late, and refers to a rule that nothing else does."""

    def expression(self) -> ir.Expression:
        return ir.Sequence((terminal(b"a"), ir.Reference("unseen")))


@pytest.mark.parametrize("rules", [{}, {"unseen": terminal(b"b")}])
def test_rules_that_only_late_ones_refer_to(rules: dict[str, ir.Expression]) -> None:
    """A grammar whose rules are known beforehand was analysed without them: an error, not an empty mask."""
    start = ir.Sequence((terminal(b"."), ir.Late(_Unseen())))
    grammar = ir.Grammar("start", {"start": start, **rules})
    with pytest.raises(GrammarError, match="'unseen' is used by what is made with the text only"):
        constrain.compile(grammar, index()).matcher().accept_text(".a")
    made = ir.Grammar("start", {"start": start}, make_rule={"start": start, "unseen": terminal(b"b")}.__getitem__)
    assert constrain.compile(made, index()).matcher().accept_text(".ab")
