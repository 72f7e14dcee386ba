"""TOML against `tomllib`, CSV against `csv`."""

import csv
import io
import random
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.compilation import CompiledConstraint
from constrain.compilation import compile as compile_grammar
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar
from constrain.grammars.library.sources import source
from constrain.tokenizer_index.index import TokenizerIndex
from tests.grammars.derivations import Derivations
from tests.matching import brute_force, index_of, mask_of
from tests.strategies import examples

ROOT = Path(__file__).parents[3]
_TOML = [
    'title = "TOML" # comment\r\n\n[owner]\n"a b".\'c\' = 1979-05-27T07:32:00-08:00\n',
    'x = [[1, 2], # one\n  ["a", """b"c\\\n  d"""],\n]\n[[products]]\ny = { a = -0x1F, b.c = 1_000.5e-3, }',
    "s = '''x''y'''\nt = 07:32:00.999999\nd = 2000-02-29 07:32:00Z\ne = 1900-02-29\nf = +inf\ng = 0b1__0\nh = 0o7\n",
    'u = "\\u00e9 \\U0001F600 \\uD800"\nv = "\x7f"\nw = \'\t\'\nempty = {}\nnone = []\n[ a . b ]\nc = true',
]


@pytest.fixture(scope="module")
def index() -> TokenizerIndex:
    """Single bytes, and tokens across lexemes."""
    return index_of(
        [*(bytes([byte]) for byte in range(256)), b" = ", b'"""', b"]\n[", b'",', b"\r\n", b"''", b"T0", b"-0"]
    )


@pytest.fixture(scope="module")
def toml(index: TokenizerIndex) -> CompiledConstraint:
    """TOML documents."""
    return compile_grammar(grammar("toml"), index)


def reads_toml(text: str) -> bool:
    """What `tomllib` says; keys that are defined twice do not count."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return any(word in str(error) for word in ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate"))
    return True


def mutated(text: str, draw: random.Random) -> str:
    """The text with a few characters left out, doubled or replaced."""
    for _ in range(draw.randint(1, 2)):
        at = draw.randrange(len(text) + 1)
        text = (
            text[:at]
            + draw.choice(["", text[at : at + 1] * 2, draw.choice("\"'[]{}=.,#\\\n\r \t_-+:0aeTZ\x00")])
            + text[at + 1 :]
        )
    return text


def test_toml_files(toml: CompiledConstraint) -> None:
    """The project's own files, lines of them, and their mutations are read as `tomllib` reads them."""
    draw = random.Random(1)
    for path in sorted(ROOT.glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        assert toml.accepts(text)
        for _ in range(60):
            start = draw.randrange(len(text))
            changed = mutated(text[start : start + draw.randint(1, 80)], draw)
            assert toml.accepts(changed) == reads_toml(changed), changed


def test_toml_documents(toml: CompiledConstraint) -> None:
    """Documents with everything that TOML has, line by line, and mutations of them."""
    draw = random.Random(2)
    for line in {line for text in _TOML for line in text.split("\n")} | set(_TOML):
        for changed in [line, *(mutated(line, draw) for _ in range(40))]:
            assert toml.accepts(changed) == reads_toml(changed), changed


def test_toml_derivations(toml: CompiledConstraint) -> None:
    """Random texts of the grammar are documents."""
    texts = Derivations(source("toml"), seed=3)
    for budget in range(40):
        text = texts.text(budget).decode("utf-8")
        assert toml.accepts(text)
        assert reads_toml(text), text


def test_toml_masks(toml: CompiledConstraint) -> None:
    """Masks are those of reading every token by itself."""
    text, matcher = _TOML[0] + 's = """a"b"""\n', toml.matcher()
    for character in text:
        assert mask_of(matcher) == brute_force(matcher)
        assert matcher.accept_text(character)


_FIELDS = st.lists(st.text('a,;"\r\n é', max_size=4), min_size=1, max_size=3)


@examples(40)
@given(st.lists(_FIELDS, min_size=1, max_size=3), st.sampled_from([",", ";"]), st.sampled_from(["\r\n", "\n"]))
def test_written_csv(rows: list[list[str]], delimiter: str, end: str) -> None:
    """What `csv.writer` writes is allowed, with as many columns as it has."""
    file = io.StringIO(newline="")
    if end == "\n":  # a return would be left without quotes
        csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    else:
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    text, widths = file.getvalue(), {len(row) for row in rows}
    constraint = compile_grammar(grammar("csv", delimiter=delimiter), _BYTES)
    assert constraint.accepts(text)
    assert constraint.accepts(text.removesuffix(end))
    for columns in (1, 2, 3):
        allowed = compile_grammar(grammar("csv", delimiter=delimiter, columns=columns), _BYTES).accepts(text)
        assert allowed == (widths == {columns})


@examples(80)
@given(st.text('a,"\n', max_size=8))
def test_allowed_csv(text: str) -> None:
    """What is allowed, `csv` reads in strict mode; what it reads is allowed, but for quotes within fields."""
    allowed = compile_grammar(grammar("csv"), _BYTES).accepts(text)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        assert not allowed
        return
    assert allowed or '"' in text
    if allowed:
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator="\n").writerows(rows)
        assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == rows


def test_csv_with_a_header() -> None:
    """The first line is the header, and the others have as many fields."""
    constraint = compile_grammar(grammar("csv", header=["id", 'the "name"', "a,b"]), _BYTES)
    head = 'id,"the ""name""","a,b"'
    assert constraint.accepts(head)
    assert constraint.accepts(head + '\r\n1,"x\ny",\n')
    assert not constraint.accepts(head + "\r\n1,2")
    assert not constraint.accepts("id,name,b\r\n1,2,3")


@pytest.mark.parametrize(
    "options", [{"delimiter": ""}, {"delimiter": '"'}, {"header": []}, {"header": ["a"], "columns": 2}, {"columns": 0}]
)
def test_csv_that_is_none(options: dict[str, object]) -> None:
    """Delimiters and numbers of columns that cannot be are errors."""
    with pytest.raises(GrammarError):
        grammar("csv", **options)


_BYTES = index_of([bytes([byte]) for byte in range(256)])
