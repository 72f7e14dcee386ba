"""Formats of JSON Schema hold what their RFCs allow and `jsonschema` accepts."""

import contextlib
import functools
import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import FormatError

from constrain.grammars.automata.language import Language
from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.json_schema.formats import FORMATS, format_language, format_superset
from constrain.grammars.json_schema.formats.idn import MAX_LABELS, MAX_U_LABEL
from constrain.grammars.json_schema.formats.idna_table import characters, combining_classes
from constrain.grammars.regex import Dialect
from constrain.grammars.regex.syntax import parse
from tests.grammars.format_cases import INVALID, VALID
from tests.grammars.idna_table import properties

SUITES = Path(__file__).resolve().parents[3] / "shared" / "data" / "json-schema-test-suite"


@functools.cache
def language(name: str) -> Language:
    """The automaton of a format."""
    expression = format_language(name)
    assert expression is not None
    return Language(expression)


@functools.cache
def superset(name: str) -> Language:
    """The automaton of a format's superset."""
    expression = format_superset(name)
    assert expression is not None
    return Language(expression)


def holds(name: str, text: str) -> bool:
    """Whether the format's language has the text."""
    return text.encode() in language(name)


def accepted(name: str, text: str) -> bool:
    """Whether `jsonschema` accepts the text; some of its checkers fail in unforeseen ways."""
    try:
        Draft202012Validator.FORMAT_CHECKER.check(text, name)
    except (FormatError, ArithmeticError, ValueError, FutureWarning):
        return False
    return True


# What the RFCs say beyond what `jsonschema` checks, and what is left out on purpose: written down once more, in
# another way.

_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_LABEL}(?:\.{_LABEL})*|\[(?P<literal>[^\]]*)\])")
_CLOCK = r"(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
_CALENDAR = r"(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"
_DURATION = re.compile(rf"P(?:{_CALENDAR}(?:T{_CLOCK})?|T{_CLOCK}|[0-9]+W)")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_VARIABLE_CHARACTER = r"(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})"
_VARIABLE = rf"{_VARIABLE_CHARACTER}(?:\.?{_VARIABLE_CHARACTER})*(?::[1-9][0-9]{{0,3}}|\*)?"
_UCSCHAR = "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef" + "".join(
    f"{chr(plane << 16 if plane < 14 else 0xE1000)}-{chr((plane << 16) + 0xFFFD)}" for plane in range(1, 15)
)
_TEMPLATE = re.compile(
    rf"(?:[!#$&-;=?-\[\]_a-z~{_UCSCHAR}\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]|%[0-9A-Fa-f]{{2}}"
    rf"|\{{[+#./;?&=,!@|]?{_VARIABLE}(?:,{_VARIABLE})*\}})*"
)


def _is_email(text: str) -> bool:
    match = _EMAIL.fullmatch(text)
    if match is None:
        return False
    literal = match["literal"]
    if literal is None:
        return True
    # Octets may have leading zeros in a literal; `ipaddress` does not want them.
    plain = re.sub(r"(?<![0-9A-Fa-f])0{0,2}([0-9]{1,3})(?=\.)|(?<=\.)0{0,2}([0-9]{1,3})(?![0-9])", r"\1\2", literal)
    if any(len(octet) > 3 for octet in re.findall(r"[0-9]+(?=\.)|(?<=\.)[0-9]+", literal)):
        return False
    try:
        if literal[:5].upper() != "IPV6:":
            ipaddress.IPv4Address(plain)
            return literal.isascii()
        address = plain[5:]
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    groups = len(re.findall(r"[^:.]+", address)) - (2 if "." in address else 0)
    return "%" not in address and ("::" not in address or groups <= 6)


def _is_host_name(text: str) -> bool:
    labels = text.lower().split(".")
    return text.isascii() and not text.endswith((".", "\n")) and not any(label[:4] == "xn--" for label in labels)


def _is_reference(text: str) -> bool:
    padded = re.search(r"\[[^\]]*[:.]0[0-9]+[.\]](?=[^\]]*\])?", text) and "." in text
    marks = re.search("[\u200e\u200f\u202a-\u202e]", text)
    return not (text.endswith("\n") or padded or marks)


def _anything(_: str) -> bool:
    return True


def _ends_well(text: str) -> bool:
    return text.isascii() and not text.endswith("\n")


RFC: dict[str, Callable[[str], object]] = {
    "date": _anything,
    "date-time": _ends_well,
    "duration": _DURATION.fullmatch,
    "email": _is_email,
    "hostname": _is_host_name,
    "ipv4": _anything,
    "ipv6": _anything,
    "iri": _is_reference,
    "iri-reference": _is_reference,
    "json-pointer": _anything,
    "relative-json-pointer": re.compile("[0-9]+(?:[#/].*)?", re.DOTALL).fullmatch,
    "time": _ends_well,
    "uri": _is_reference,
    "uri-reference": _is_reference,
    "uri-template": _TEMPLATE.fullmatch,
    "uuid": _UUID.fullmatch,
}

# Bytes that lead out of what has been opened, in turn: each may stand inside the others' brackets.
_WAYS_OUT = [[*map(ord, closing + "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] for closing in ('"@:', ")", "]}")]


@st.composite
def members(draw: st.DrawFn, name: str) -> str:
    """Texts of a format: some random bytes that may follow each other, and then the way out."""
    automaton, text = language(name), b""
    for _ in range(draw(st.integers(0, 30))):
        options = sorted(automaton.next_bytes(text))
        if not options:
            break
        plain = [byte for byte in options if not (bytes([byte]).isalnum() or byte >= 0x80)]
        rather_plain = draw(st.booleans())
        text += bytes([draw(st.sampled_from(plain if plain and rather_plain else options))])
    for i in range(200):
        if text in automaton:
            return text.decode()
        after = automaton.next_bytes(text)
        text += bytes([next((byte for byte in _WAYS_OUT[i % 3] if byte in after), min(after))])
    raise AssertionError(f"no way out of {text!r}")


_EDITS = [*"\n 0912aAzZxXnN.-:/%[]{}()@#?+*,=_~\"'\\", "é", "٣", "א", "。", "\u200d", "K", "::", "xn--", "00", "-02-29"]


@st.composite
def near_members(draw: st.DrawFn, name: str) -> str:
    """Texts of a format with up to two changes."""
    text = draw(members(name))
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 2)))
        text = text[:start] + draw(st.sampled_from(["", *_EDITS])) + text[end:]
    return text


@pytest.mark.parametrize("name", sorted(RFC))
@settings(max_examples=80)
@given(data=st.data())
def test_a_language_is_what_its_rfc_and_jsonschema_agree_on(name: str, data: st.DataObject) -> None:
    """Texts of the language, and texts that nearly are: held exactly when both accept them."""
    text = data.draw(near_members(name))
    assert holds(name, text) == bool(RFC[name](text) and accepted(name, text)), text


@pytest.mark.parametrize("name", sorted(FORMATS - set(RFC)))
@settings(max_examples=80)
@given(data=st.data())
def test_languages_that_are_narrower_hold_nothing_that_jsonschema_refuses(name: str, data: st.DataObject) -> None:
    """Texts of the language are accepted."""
    text = data.draw(members(name))
    assert accepted(name, text), text


@pytest.mark.parametrize("name", sorted(FORMATS))
@settings(max_examples=80)
@given(data=st.data())
def test_a_superset_holds_whatever_is_accepted(name: str, data: st.DataObject) -> None:
    """Texts of the language, and texts near them that `jsonschema` accepts, lie in the superset."""
    text = data.draw(near_members(name))
    if holds(name, text) or accepted(name, text):
        assert text.encode() in superset(name), text


@settings(max_examples=100)
@given(members("regex"))
def test_regular_expressions_are_those_of_javascript(text: str) -> None:
    """Texts of `regex` are expressions of ECMA-262 with the flag u, in which Python sees nothing doubtful."""
    with contextlib.suppress(ResourceLimitError):
        parse(text, Dialect.ECMA)
    re.compile(text)


def _is_bidi_name(text: str) -> bool:
    """RFC 5893, section 2: if any label is right-to-left, every label obeys the rule."""
    labels = re.split("[.。．｡]", text)
    if any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in text):
        return all(idna.check_bidi(label, check_ltr=True) for label in labels)
    return True


@settings(max_examples=100)
@given(members("idn-hostname"))
def test_international_names_obey_what_idna_does_not_check(text: str) -> None:
    """Names in two directions have directed labels only, and no name ends in a dot."""
    assert _is_bidi_name(text)
    assert text[-1] not in ".。．｡"


@settings(max_examples=100)
@given(members("idn-email"))
def test_international_domains_have_characters_of_idna(text: str) -> None:
    """Every character behind the last ``@`` may stand in some label, or in an address literal."""
    domain = text.rpartition("@")[2]
    if not domain.startswith("["):
        known = characters("allowed") + characters("context")
        for char in domain:
            plain = char.isascii() and (char.isalnum() or char in ".-")
            assert plain or any(low <= ord(char) <= high for low, high in known)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in VALID.items() for text in texts])
def test_valid(name: str, text: str) -> None:
    """These are held, and `jsonschema` agrees."""
    assert holds(name, text)
    assert accepted(name, text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in INVALID.items() for text in texts])
def test_invalid(name: str, text: str) -> None:
    """These are not held."""
    assert not holds(name, text)


def test_every_format_of_jsonschema_is_known_and_no_other() -> None:
    """The names are those of draft 2020-12; a language is made once."""
    assert set(Draft202012Validator.FORMAT_CHECKER.checkers) == FORMATS
    assert format_language("int32") is None
    assert format_superset("int32") is None
    assert all(format_language(name) is format_language(name) for name in FORMATS)
    assert all(format_superset(name) is format_superset(name) for name in FORMATS)
    assert set(VALID) == set(INVALID) == FORMATS


def test_the_table_of_characters_is_that_of_idna_and_unicode() -> None:
    """Every set of the table is what `idna` and Python say of the characters that the table knows."""
    known = {code for low, high in characters("allowed") + characters("context") for code in range(low, high + 1)}
    names = ["allowed", "context", "mark", "first", "second", "left", "right", "Greek", "Hebrew", "kana_or_han"]
    table = {name: characters(name) for name in [*names, "R", "AN", "EN", "NSM", "neutral"]}
    table |= {f"ccc{number}": ranges for number, ranges in combining_classes()}
    expected = properties()
    assert table.keys() == expected.keys()
    for name, ranges in table.items():
        codes = {code for low, high in ranges for code in range(low, high + 1)}
        assert codes == known & {code for low, high in expected[name] for code in range(low, high + 1)}, name


@settings(max_examples=100)
@given(st.data())
def test_short_labels_are_short_in_punycode(data: st.DataObject) -> None:
    """No label of so many bytes has an A-label of more than 62 octets, however far its characters are apart."""
    planes = [(0x61, 0x7A), (0xDF, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x323AF)]
    label, last = "", 0x80
    while True:
        low, high = data.draw(st.sampled_from(planes))
        step = data.draw(st.sampled_from([1, 40, 300, 2_000, 30_000, 1_000_000]))
        code = min(high, max(low, last + step)) if low > 0x7F else data.draw(st.integers(low, high))
        place = data.draw(st.integers(0, len(label)))
        longer = label[:place] + chr(code) + label[place:]
        if len(longer.encode()) > MAX_U_LABEL:
            break
        label, last = longer, max(last, code)
    assert len(b"xn--" + label.encode("punycode")) <= 62
    assert MAX_LABELS * 62 + MAX_LABELS - 1 <= 253


def _suite_cases() -> list[tuple[str, str, bool]]:
    cases = set()
    for path in sorted(SUITES.glob("draft*.jsonl")):
        for line in path.read_text("utf-8").strip().split("\n"):
            group = json.loads(line)
            if group["file"].startswith("optional/format/") and isinstance(group["schema"], dict):
                name = group["schema"].get("format")
                if name in FORMATS:
                    cases |= {(name, t["data"], t["valid"]) for t in group["tests"] if isinstance(t["data"], str)}
    return sorted(cases)


@pytest.mark.shared
@pytest.mark.skipif(not SUITES.exists(), reason="the official test suites are not beside the project")
def test_official_suite() -> None:
    """Nothing invalid is held, and everything valid that `jsonschema` accepts, but for Punycode and long U-labels."""
    cases = _suite_cases()
    assert len(cases) > 400
    for name, text, valid in cases:
        assert not valid or text.encode() in superset(name), (name, text)
        if holds(name, text):
            assert valid, (name, text)
        elif valid and accepted(name, text):
            assert name in ("hostname", "idn-hostname"), (name, text)
            assert "xn--" in text or max(map(len, text.split("."))) > MAX_U_LABEL // 2, (name, text)
