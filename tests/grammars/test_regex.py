"""Regular expressions mean what Python's `re` says they mean."""

import re
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarSyntaxError, ResourceLimitError
from constrain.grammars.regex import Dialect, regex, regex_language, search_language
from constrain.grammars.regex.charset import complement, intersection, union
from constrain.grammars.regex.unicode import digits, space, word

ALPHABET = "abA_1 é\n"

_fixed_width = st.sampled_from(["a", "b", "[ab]", r"\w", ".", "ab", "^a"])


def _groups(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifier = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{,2}", "{1,}", "*?", "+?", "??"])
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join).map("(?:{})".format),
        st.builds("(?:{}){}".format, inner, quantifier),
        st.builds("(?P<n{1}>{0})".format, inner, st.integers(0, 10**9)),
        st.builds("(?={}){}".format, inner, inner),
        st.builds("(?!{}){}".format, inner, inner),
        st.builds("{}(?<={})".format, inner, _fixed_width),
        st.builds("{}(?<!{})".format, inner, _fixed_width),
        st.builds("(?i:{})".format, inner),
    )


_ATOMS = ["a", "b", "é", "1", " ", ".", r"\w", r"\d", r"\s", r"\W", r"\S", "[a-b]", "[^a]", "[aé1]", r"[\d_]", r"\n"]
_ASSERTIONS = ["^", "$", r"\b", r"\B", r"\Z", "(?m:^)", "(?m:$)"]
patterns = st.recursive(
    st.sampled_from([*_ATOMS, *_ASSERTIONS, ""]),
    _groups,
    max_leaves=8,
)
texts = st.text(alphabet=ALPHABET, max_size=6)


def _differs_by_version(pattern: str, text: str) -> bool:
    r"""``\B`` matches in the empty text here and in Python 3.14, but did not before."""
    return text == "" and r"\B" in pattern and sys.version_info < (3, 14)


def _compiled(pattern: str) -> re.Pattern[str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(pattern)
        except re.error:
            return None


@settings(max_examples=1000)
@given(patterns, st.lists(texts, min_size=1, max_size=12))
def test_full_match_agrees_with_re(pattern: str, samples: list[str]) -> None:
    """On random expressions and texts, the language is what `re.fullmatch` accepts."""
    expected = _compiled(pattern)
    if expected is None:
        with pytest.raises(GrammarSyntaxError):
            regex_language(pattern)
        return
    language = Language(regex_language(pattern))
    for text in samples:
        if not _differs_by_version(pattern, text):
            assert (text.encode() in language) == bool(expected.fullmatch(text)), (pattern, text)


@settings(max_examples=300)
@given(patterns, texts)
def test_search_agrees_with_re(pattern: str, text: str) -> None:
    """`search_language` is what `re.search` accepts."""
    expected = _compiled(pattern)
    if expected is not None and not _differs_by_version(pattern, text):
        language = Language(search_language(pattern, Dialect.PYTHON))
        assert (text.encode() in language) == bool(expected.search(text)), (pattern, text)


@settings(max_examples=200)
@given(patterns, texts)
def test_prefixes_are_viable_exactly_when_they_can_be_continued(pattern: str, text: str) -> None:
    """Every prefix of a member is viable, and next bytes lead to viable prefixes and nowhere else."""
    if _compiled(pattern) is None:
        return
    language = Language(regex_language(pattern))
    data = text.encode()
    for end in range(len(data)):
        prefix = data[:end]
        if language.is_prefix(prefix):
            assert (data[end] in language.next_bytes(prefix)) == language.is_prefix(data[: end + 1])
        else:
            assert not language.is_prefix(data[: end + 1])
    if data in language:
        assert all(language.is_prefix(data[:end]) for end in range(len(data) + 1))


@pytest.mark.parametrize(
    ("shorthand", "members"),
    [(r"\d", digits), (r"\w", word), (r"\s", space)],
)
def test_shorthands_are_those_of_re(shorthand: str, members) -> None:  # type: ignore[no-untyped-def]
    """The Unicode shorthands hold exactly the characters that `re` takes for them."""
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))
    expected = {ord(char) for char in re.findall(shorthand, everything)}
    held = {code for low, high in members() for code in range(low, high + 1)}
    assert held - set(range(0xD800, 0xE000)) == expected


@pytest.mark.parametrize("char", ["k", "K", "\u212a", "s", "ſ", "ß", "ẞ", "İ", "ı", "i", "µ", "Σ", "ς", "ǅ", "ﬅ"])
def test_ignoring_case_is_what_re_does(char: str) -> None:
    """Characters that equal one when case is ignored are those `re` finds."""
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))
    expected = set(re.findall(re.escape(char), everything, re.IGNORECASE))
    language = Language(regex_language(f"(?i){re.escape(char)}"))
    candidates = expected | set("kKsSßẞiIıİµμΜσςΣǄǅǆﬅﬆ") | {"ſ", "\u212a"}
    assert {c for c in candidates if c.encode() in language} == expected


@pytest.mark.parametrize(
    ("pattern", "reason", "column"),
    [
        (r"(a)\1", "back-references", 4),
        ("(?P<x>a)(?P=x)", "back-references", 9),
        ("(?>a)", "atomic", 1),
        ("a++", "possessive", 3),
        ("(a)(?(1)b)", "conditional", 4),
        ("a{2,1}", "minimum", 2),
        ("ab(", "not closed", 3),
        ("[a", "unterminated", 1),
        ("a)", "unbalanced", 2),
        ("*a", "nothing to repeat", 1),
        ("a**", "multiple repeat", 3),
        (r"a\q", "bad escape", 2),
        (r"\p{Nonsense}", "unknown Unicode property", 1),
        ("(?<=a(?=b))c", "inside look-behind", 1),
    ],
)
def test_what_is_not_regular_or_malformed_is_refused_with_its_place(pattern: str, reason: str, column: int) -> None:
    """Errors name the reason and the column."""
    with pytest.raises(GrammarSyntaxError, match=reason) as caught:
        regex(pattern)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("pattern", "member", "stranger"),
    [
        (r"\p{L}+", "aéж", "a1"),
        (r"\p{Lu}\P{Lu}", "Aa", "AA"),
        (r"\p{Greek}+", "αβγ", "abc"),
        (r"\p{Script=Han}", "日", "ひ"),
        (r"\p{sc=Hira}", "ひ", "日"),
        (r"\p{General_Category=Decimal_Number}", "٣", "x"),
        (r"[\p{Ll}\d]+", "a1", "A"),
        (r"[^\p{L}]", "1", "a"),
    ],
)
def test_unicode_properties(pattern: str, member: str, stranger: str) -> None:
    """Categories and scripts, by short and long names."""
    language = Language(regex_language(pattern))
    assert member.encode() in language
    assert stranger.encode() not in language


@pytest.mark.parametrize(
    ("pattern", "member", "stranger"),
    [
        (r"^\d$", "1", "٣"),
        (r"^\w$", "a", "é"),
        (r"^\W$", "é", "a"),
        (r"^\s$", "\ufeff", "a"),
        (r"^a$", "a", "a\n"),
        (r"^.$", "\x85", "\u2028"),
        (r"^\cC$", "\x03", "C"),
        (r"^\u{1F600}$", "😀", "u"),
        (r"^\uD83D\uDE00$", "😀", "x"),
        (r"^[^]$", "\n", ""),
        (r"^a{,2}$", "a{,2}", "aa"),
        (r"^\/\-\_$", "/-_", "/"),
        (r"^(?<year>\d{4})$", "2024", "24"),
    ],
)
def test_ecmascript(pattern: str, member: str, stranger: str) -> None:
    """JavaScript's expressions have JavaScript's classes and escapes."""
    language = Language(search_language(pattern, Dialect.ECMA))
    assert member.encode() in language
    assert stranger.encode() not in language


def test_nesting_is_limited_and_long_repetitions_are_cheap() -> None:
    """Deep nesting is an error with its place; large bounds are counters, not copies."""
    with pytest.raises(GrammarSyntaxError, match="nested"):
        regex("(" * 10_000 + ")" * 10_000)
    language = Language(regex_language("a{1,1000000}b"))
    assert b"a" * 5000 + b"b" in language
    assert b"b" not in language
    with pytest.raises(ResourceLimitError):
        regex_language(r"(?:\ba{1,1000000})*")


ranges = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20)), max_size=5).map(
    lambda pairs: union(*[((low, low + extra),) for low, extra in pairs])
)


@given(ranges, ranges)
def test_character_sets_obey_boolean_algebra(a, b) -> None:  # type: ignore[no-untyped-def]
    """Union, intersection and complement are those of the sets of members."""

    def members(value):  # type: ignore[no-untyped-def]
        return {code for low, high in value for code in range(low, min(high, 400) + 1)}

    everything = set(range(401))
    assert members(union(a, b)) == members(a) | members(b)
    assert members(intersection(a, b)) == members(a) & members(b)
    assert members(complement(a)) == everything - members(a)
