"""Regular expressions mean what their definitions say; derivatives, simplifications and liveness notwithstanding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars.automata.language import Language
from constrain.grammars.regular import (
    ANY_CHARACTER,
    ANY_TEXT,
    Automaton,
    Characters,
    Complement,
    Concatenation,
    Empty,
    Epsilon,
    Intersection,
    Literal,
    Regular,
    Repetition,
    Symbols,
    Union,
    Without,
    Words,
)
from tests.naive_regular import matches
from tests.oracles import ByteGrammar, grammar_of
from tests.strategies import ALPHABET, booleans, examples, regulars, texts
from tests.walks import completion, live_prefix, some_text


@examples(300)
@given(booleans(), st.lists(texts, max_size=8), st.integers(0, 1 << 32))
def test_members_are_those_of_the_definition(expression: Regular, samples: list[bytes], seed: int) -> None:
    """A text belongs to the language exactly when the definition says so: random texts, and random walks."""
    language = Language(expression)
    for text in [*samples, some_text(language, seed)]:
        assert (text in language) == matches(expression, text), text


@examples(200)
@given(booleans(), st.lists(texts, max_size=5))
def test_live_prefixes_have_completions(expression: Regular, samples: list[bytes]) -> None:
    """A prefix is alive exactly when a text of the language begins so, and next bytes lead from live to live."""
    language = Language(expression)
    assert language.is_empty() == (not language.is_prefix(b""))
    for text in samples:
        alive = live_prefix(language, text)
        assert alive == text or not matches(expression, text)
        if alive is None:
            assert not language.next_bytes(b"")
            continue
        found = completion(language, alive)
        assert found is not None
        assert matches(expression, found)
        for end in range(len(alive) + 1):
            for byte in ALPHABET:
                assert (byte in language.next_bytes(text[:end])) == language.is_prefix(text[:end] + bytes([byte]))


@examples(150)
@given(regulars(), texts)
def test_prefixes_agree_with_a_context_free_grammar(expression: Regular, text: bytes) -> None:
    """Without boolean operations, prefixes are those of the same language as a context-free grammar."""
    language, grammar = Language(expression), ByteGrammar(grammar_of(expression))
    for end in range(len(text) + 1):
        assert language.is_prefix(text[:end]) == grammar.viable(text[:end])


_NOTHING = [
    Empty(),
    Union(()),
    Symbols(()),
    Characters(()),
    Characters(((0xD800, 0xDFFF),)),
    Words(()),
    Concatenation((Literal(b"a"), Empty())),
    Repetition(Empty(), 1, None),
    Intersection((Literal(b"a"), Literal(b"b"))),
    Intersection((ANY_TEXT, Literal(b"\xff"))),
    Complement(Repetition(Symbols(((0, 255),)), 0, None)),
    Complement(Intersection(())),
    Without(Literal(b"a"), (b"a",)),
    Without(Words((b"a", b"ab")), (b"ab", b"a", b"c")),
    Without(Epsilon(), (b"",)),
    Concatenation((Literal(b"a"), Intersection((Repetition(Literal(b"a"), 1, None), Literal(b"b"))))),
]


@pytest.mark.parametrize("expression", _NOTHING, ids=repr)
def test_the_empty_language_is_recognised(expression: Regular) -> None:
    """Languages without strings are empty, whatever hides it."""
    language = Language(expression)
    assert language.is_empty()
    assert not language.is_prefix(b"")
    assert not language.next_bytes(b"")
    assert b"" not in language


_NOTHING_BUT_THE_EMPTY_STRING = [
    Epsilon(),
    Literal(b""),
    Concatenation(()),
    Words((b"",)),
    Repetition(Empty(), 0, None),
    Repetition(Epsilon(), 3, None),
    Repetition(Literal(b"a"), 0, 0),
    Without(Words((b"a", b"")), (b"a",)),
    Intersection((Repetition(Literal(b"a"), 0, None), Repetition(Literal(b"b"), 0, None))),
]


@pytest.mark.parametrize("expression", _NOTHING_BUT_THE_EMPTY_STRING, ids=repr)
def test_the_empty_string_alone(expression: Regular) -> None:
    """Languages that hold the empty string only are not empty, and nothing may follow."""
    language = Language(expression)
    assert not language.is_empty()
    assert b"" in language
    assert not language.next_bytes(b"")
    assert not language.is_prefix(b"a")


def _two_encodings(low: int, high: int) -> tuple[Regular, list[bytes]]:
    return Characters(((low, high),)), [chr(code).encode() for code in (low, high)]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 0x7F),
        (0x7F, 0x80),
        (0x7FF, 0x800),
        (0xFFF, 0x1000),
        (0xD7FF, 0xE000),
        (0xFFFF, 0x10000),
        (0x3FFFF, 0x40000),
        (0xFFFFF, 0x100000),
        (0x10FFFF, 0x10FFFF),
        (0x90, 0x10FF80),
    ],
)
def test_characters_at_the_borders_of_utf8(low: int, high: int) -> None:
    """Ranges of characters begin and end at the right encodings, and hold no surrogates and no overlong forms."""
    language = Language(Characters(((low, high),)))
    for code in {low, high}:
        assert chr(code).encode() in language
    for code in {low - 1, high + 1} - {-1, 0x110000}:
        assert chr(code).encode("utf-8", "surrogatepass") not in language
    for malformed in (b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf"):
        assert not language.is_prefix(malformed)
    for malformed in (b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xff"):
        assert not language.is_prefix(malformed)


@examples(100)
@given(st.binary(max_size=6))
def test_any_text_is_utf8(text: bytes) -> None:
    """`ANY_TEXT` holds what Python decodes, and a prefix is alive when Python would wait for more."""
    try:
        text.decode()
        valid = True
    except UnicodeDecodeError:
        valid = False
    assert (text in Language(ANY_TEXT)) == valid


@examples(100)
@given(st.integers(0, 0x10FFFF), st.integers(0, 0x10FFFF), st.integers(0, 0x10FFFF))
def test_ranges_of_characters(a: int, b: int, code: int) -> None:
    """A character belongs to a range exactly when its code point lies in it; surrogates never do."""
    low, high = sorted((a, b))
    language = Language(Characters(((low, high),)))
    encoded = chr(code).encode("utf-8", "surrogatepass")
    assert (encoded in language) == (low <= code <= high and not 0xD800 <= code <= 0xDFFF)
    assert (encoded in Language(ANY_CHARACTER)) == (not 0xD800 <= code <= 0xDFFF)


@st.composite
def _automata(draw: st.DrawFn) -> Automaton:
    """Nondeterministic automata whose states all lead on: each has a way to the next, and the last accepts."""
    count = draw(st.integers(1, 4))
    symbol = st.sampled_from([(97, 97), (98, 98), (97, 98), (40, 44), (0, 255)])
    rows = []
    for state in range(count):
        onward = [(*draw(symbol), state + 1)] if state + 1 < count else []
        free = draw(st.lists(st.tuples(symbol, st.integers(0, count - 1)), max_size=3))
        rows.append((*onward, *((low, high, target) for (low, high), target in free)))
    accepting = (*draw(st.lists(st.booleans(), min_size=count - 1, max_size=count - 1)), True)
    return Automaton(tuple(rows), accepting)


@examples(150)
@given(_automata(), _automata(), st.lists(texts, max_size=8))
def test_explicit_automata(one: Automaton, other: Automaton, samples: list[bytes]) -> None:
    """Automata accept what a simulation accepts, alone and within other operations."""
    for expression in (
        one,
        Repetition(one, 2, 3),
        Concatenation((one, other)),
        Intersection((one, Complement(other))),
        Without(one, (b"a", b"ab")),
    ):
        language = Language(expression)
        for text in samples:
            assert (text in language) == matches(expression, text)
    assert all(
        Language(one).is_prefix(text[:end]) for text in samples if matches(one, text) for end in range(len(text))
    )
