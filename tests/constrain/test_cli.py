"""The command line: answers, exit codes, messages, and what it does not load."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
import regex as regex_module
from hypothesis import given
from hypothesis import strategies as st

import constrain
from constrain.cli import main
from constrain.cli.example import random_text
from constrain.cli.warmup import exercise, kernels
from constrain.verdicts import describe_bytes, verdict_on

COMMANDS = ["generate", "check", "example", "compile", "explain", "support", "warmup", "demo", "cache"]
HEAVY = {"numpy", "numba", "torch", "transformers", "lark", "jsonschema"}

PATTERNS = ["a*b", "(ab|ba)*", "a{2,3}b?", "[ab]*c[ab]", "(a|b)*abb", "a?b?c?", "a|ab|abc", "(c|ab?)+"]

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.fixture
def schema_file(tmp_path: Path) -> str:
    """A file with a JSON Schema."""
    path = tmp_path / "person.json"
    path.write_text(json.dumps(PERSON), "utf-8")
    return str(path)


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command prints, whose exit code is `code`."""
    assert main(arguments) == code
    return capsys.readouterr().out


def json_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """The JSON value that a command prints."""
    return json.loads(output_of(capsys, *arguments, "--json", code=code))


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    """What a command that fails with `code` writes to standard error; nothing goes to standard output."""
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


# Help


def test_help_loads_nothing_heavy() -> None:
    """The help of all commands is shown without loading arrays, models or compiled kernels."""
    calls = [["--help"], *([command, "--help"] for command in COMMANDS)]
    code = (
        "import sys; from constrain.cli import main;"
        f"print(sum(map(main, {calls!r})), sorted({HEAVY!r} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "0 []"
    assert all(command in run.stdout for command in COMMANDS)


def test_help_takes_less_than_half_a_second() -> None:
    """`constrain --help` as a process, in time of the processor (the clock's depends on what else runs)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "constrain", "--help"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`constrain --version` is the package's."""
    assert output_of(capsys, "--version") == f"constrain {constrain.__version__}\n"


# check


def _goes_on(pattern: str, text: str) -> bool:
    """Whether a text is the beginning of one that matches, as the module `regex` says."""
    return regex_module.fullmatch(pattern, text, partial=True) is not None


@given(st.sampled_from(PATTERNS), st.text(alphabet="abcx", max_size=8))
def test_verdicts_are_those_of_a_regex_engine(pattern: str, text: str) -> None:
    """The answer, the longest valid prefix and what may follow it, against partial matches of `regex`."""
    verdict, _ = verdict_on(constrain.regex(pattern), text.encode())
    assert verdict.accepted == (regex_module.fullmatch(pattern, text) is not None)
    assert verdict.valid == max(n for n in range(len(text) + 1) if _goes_on(pattern, text[:n]))
    prefix = text[: verdict.valid]
    assert {chr(byte) for byte in verdict.following} == {char for char in "abcx" if _goes_on(pattern, prefix + char)}
    assert verdict.may_end == (regex_module.fullmatch(pattern, prefix) is not None)


def test_check_says_where_a_text_leaves_the_language(capsys: pytest.CaptureFixture[str], schema_file: str) -> None:
    """Line, column and byte of the first wrong character, behind characters of several bytes and a line break."""
    text = '{"name": "Zoë",\n "agé": 3}'
    shown = output_of(capsys, "check", "--schema", schema_file, text, code=1)
    assert "line 2, column 5" in shown
    assert shown.splitlines()[2].index("^") == shown.splitlines()[1].index("é")
    found = json_of(capsys, "check", "--schema", schema_file, text, code=1)
    assert (found["accepted"], found["prefix"], found["line"], found["column"]) == (False, False, 2, 5)
    assert text.encode()[found["offset"] :].startswith("é".encode())
    assert '"e"' in found["expected"]


def test_check_says_that_a_text_is_unfinished(capsys: pytest.CaptureFixture[str], schema_file: str) -> None:
    """The beginning of a valid text is no valid text, and the message says so."""
    assert "beginning" in output_of(capsys, "check", "--schema", schema_file, '{"name"', code=1)


def test_check_reads_files_without_their_last_line_break(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A text file ends with a line break that is not part of the text, unless --exact says so."""
    path = tmp_path / "text"
    path.write_text("abc\n", "utf-8")
    assert output_of(capsys, "check", "--regex", "[a-c]+", "--file", str(path)) == "yes\n"
    output_of(capsys, "check", "--regex", "[a-c]+", "--file", str(path), "--exact", code=1)


def test_ranges_of_bytes_are_described() -> None:
    """Neighbours of one sort are a range; bytes of longer characters are named together."""
    assert describe_bytes(b"0123") == ['"0"…"3"']
    assert describe_bytes(b'"az') == ["'\"'", '"a"', '"z"']
    assert describe_bytes(b"9:") == ['"9"', '":"']
    assert describe_bytes(range(0xC2, 0xF5)) == ["characters beyond ASCII"]
    assert describe_bytes([]) == []


# Grammars by option


@pytest.mark.parametrize(
    ("option", "value", "yes", "no"),
    [
        ("--regex", "a+", "aa", "b"),
        ("--regex", "", "", "a"),
        ("--lark", 'start: "a" start "b" |', "aabb", "aab"),
        ("--ebnf", 'root ::= "(" root ")" | "x"', "((x))", "((x)"),
        ("--schema", '{"enum": [1, "x"]}', '"x"', "2"),
        ("--type", "builtins:bool", "true", "True"),
        ("--choice", "red", "red", "re"),
    ],
)
def test_each_option_names_its_grammar(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, value: str, yes: str, no: str
) -> None:
    """A text of the language and one that is not, for every way of giving a grammar."""
    if option in ("--lark", "--ebnf", "--schema"):
        path = tmp_path / "grammar"
        path.write_text(value, "utf-8")
        value = str(path)
    output_of(capsys, "check", option, value, "--", yes)
    output_of(capsys, "check", option, value, "--", no, code=1)


def test_several_choices_are_alternatives(capsys: pytest.CaptureFixture[str]) -> None:
    """--choice is repeated, one for each text."""
    for text in ("red", "green"):
        output_of(capsys, "check", "--choice", "red", "--choice", "green", text)


def test_a_grammar_of_the_library_has_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """--grammar names one of the library; another name is an error that lists the names."""
    output_of(capsys, "check", "--grammar", "json", '[{"a": 1e3}]')
    assert "json" in error_of(capsys, "check", "--grammar", "nothing", "x", code=2)


def test_types_are_imported_from_the_working_directory(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--type finds a module in the folder where the command is called, and leaves the path as it was."""
    (tmp_path / "own_types.py").write_text("class Outer:\n    Inner = list[bool]\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    before = sys.path.copy()
    output_of(capsys, "check", "--type", "own_types:Outer.Inner", "[true]")
    assert sys.path == before


# Errors


def test_grammar_errors_show_their_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A malformed grammar: line, column, a caret and the file; exit code 2."""
    path = tmp_path / "broken.lark"
    path.write_text("start: a\na: /x(/\n", "utf-8")
    message = error_of(capsys, "check", "--lark", str(path), "x", code=2)
    assert "line 2" in message
    assert str(path) in message
    assert "^" in message


def test_json_errors_show_their_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A schema file that is not JSON: line and column; exit code 2."""
    path = tmp_path / "broken.json"
    path.write_text('{"type":\n  strin}', "utf-8")
    message = error_of(capsys, "support", str(path), code=2)
    assert "line 2, column 3" in message


def test_unsupported_schemas_show_their_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A keyword that is not enforced: its JSON Pointer; exit code 2."""
    path = tmp_path / "schema.json"
    path.write_text('{"properties": {"a": {"$ref": "https://example.org/elsewhere"}}}', "utf-8")
    assert "/properties/a" in error_of(capsys, "check", "--schema", str(path), "{}", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "x"],
        ["check", "--regex", "a", "--lark", "b", "x"],
        ["check", "--regex", "a"],
        ["check", "--type", "builtins", "x"],
        ["check", "--type", "no_such_module:Name", "x"],
        ["explain", "--regex", "a", "--tokenizer", "no/such/folder"],
        ["no-such-command"],
        ["check", "--no-such-option"],
    ],
)
def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """What is wrong with the call is said on standard error."""
    assert error_of(capsys, *arguments, code=2)


def test_missing_files_exit_with_4(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file that cannot be read is named."""
    missing = str(tmp_path / "missing")
    assert missing in error_of(capsys, "check", "--lark", missing, "x", code=4)
    assert missing in error_of(capsys, "check", "--regex", "x", "--file", missing, code=4)


def test_limits_exit_with_3(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that was reached is named."""
    small = constrain.Limits(max_work=0)
    compile_grammar = constrain.compile
    monkeypatch.setattr(constrain, "compile", lambda grammar, index: compile_grammar(grammar, index, limits=small))
    assert "max_work" in error_of(capsys, "check", "--regex", "(?=.*a)[ab]{5}", "aaaaa", code=3)


# The other commands


def test_explain_counts_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    """Allowed tokens, forced text and what may follow, after a prefix, over bytes."""
    place = json_of(capsys, "explain", "--regex", "ab[0-9]c", "--tokenizer", "bytes", "ab")
    assert (place["allowed"], place["vocab_size"], place["may_end"]) == (10, 257, False)
    assert place["following"] == ['"0"…"9"']
    assert [example["text"] for example in place["examples"]] == list("0123456789")
    assert json_of(capsys, "explain", "--regex", "ab[0-9]c", "--tokenizer", "bytes")["forced_text"] == "ab"
    assert "10 of 257" in output_of(capsys, "explain", "--regex", "ab[0-9]c", "--tokenizer", "bytes", "ab")
    assert json_of(capsys, "explain", "--regex", "ab", "--tokenizer", "bytes", "x", code=1) == {"prefix": False}


def test_explain_names_terminals(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Terminals of a Lark grammar that are begun or awaited."""
    path = tmp_path / "sum.lark"
    path.write_text('start: NUMBER ("+" NUMBER)*\nNUMBER: /[0-9]+/\n', "utf-8")
    command = ["explain", "--lark", str(path), "--tokenizer", "bytes"]
    assert json_of(capsys, *command)["terminals"] == ["NUMBER"]
    assert json_of(capsys, *command, "1")["terminals"] == ["NUMBER", "PLUS"]
    assert json_of(capsys, *command, "1+")["terminals"] == ["NUMBER"]


def test_compile_measures(capsys: pytest.CaptureFixture[str], schema_file: str) -> None:
    """Sizes and times are numbers, and the table shows them."""
    figures = json_of(capsys, "compile", "--schema", schema_file, "--tokenizer", "bytes")
    assert figures["vocab_size"] == 257
    assert all(figures[name] > 0 for name in ("memory_bytes", "compile_seconds", "first_mask_seconds"))
    assert "first mask" in output_of(capsys, "compile", "--schema", schema_file, "--tokenizer", "bytes")


def test_compile_tells_of_rules_without_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A rule that cannot be reached is named with its place."""
    grammar = tmp_path / "grammar.lark"
    grammar.write_text('start: "a"\nspare: "b"\n', encoding="utf-8")
    figures = json_of(capsys, "compile", "--lark", str(grammar), "--tokenizer", "bytes")
    assert figures["notes"] == ["rule 'spare' cannot be reached from the start (line 2, column 1)"]
    assert "spare" in output_of(capsys, "compile", "--lark", str(grammar), "--tokenizer", "bytes")


def test_compile_saves_what_can_be_loaded(capsys: pytest.CaptureFixture[str], tmp_path: Path, schema_file: str) -> None:
    """The file that --save writes is a compiled constraint for the same tokenizer."""
    path = tmp_path / "saved"
    figures = json_of(capsys, "compile", "--schema", schema_file, "--tokenizer", "bytes", "--save", str(path))
    assert figures["saved_bytes"] == path.stat().st_size
    loaded = constrain.CompiledConstraint.load(path, constrain.TokenizerIndex.of_bytes())
    assert loaded.accepts('{"name": "a"}')
    assert not loaded.accepts('{"name": 1}')


def test_support_lists_keywords(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every keyword with its status; exit code 1 as soon as one is not supported."""
    path = tmp_path / "schema.json"
    path.write_text('{"title": "T", "type": "string", "maxLength": 3}', "utf-8")
    entries = json_of(capsys, "support", str(path))
    assert {entry["keyword"]: entry["status"] for entry in entries} == {
        "title": "annotation",
        "type": "enforced",
        "maxLength": "enforced",
    }
    assert "maxLength" in output_of(capsys, "support", str(path))
    path.write_text('{"contentEncoding": "base64", "$ref": "https://example.org/elsewhere"}', "utf-8")
    assert "unsupported" in output_of(capsys, "support", str(path), code=1)


def test_example_is_the_shortest(capsys: pytest.CaptureFixture[str]) -> None:
    """The shortest text of a language with one shortest text."""
    assert output_of(capsys, "example", "--regex", "a{3,}b|c{5}") == "aaab\n"


def test_random_examples_are_in_the_language(capsys: pytest.CaptureFixture[str], schema_file: str) -> None:
    """Every random text is valid; the same seed gives the same ones, another seed others."""
    command = ["example", "--schema", schema_file, "--random", "5"]
    texts = json_of(capsys, *command)
    assert len(texts) == 5
    for text in texts:
        assert verdict_on(constrain.json_schema(PERSON), text.encode())[0].accepted
    assert json_of(capsys, *command) == texts
    assert json_of(capsys, *command, "--seed", "1") != texts


@given(st.sampled_from(PATTERNS), st.integers(0, 2**32), st.integers(0, 12))
def test_random_texts_match(pattern: str, seed: int, length: int) -> None:
    """A random text of a regular expression's language is one that `regex` matches, whenever it is cut short."""
    matcher = constrain.compile(constrain.regex(pattern), constrain.TokenizerIndex.of_bytes()).matcher()
    text = random_text(matcher, Random(seed), length).decode()
    assert regex_module.fullmatch(pattern, text)


def test_cache_is_shown_and_cleared(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index on disk is listed with its size, and gone after clearing; kernels stay."""
    monkeypatch.setenv("CONSTRAIN_CACHE_DIR", str(tmp_path))
    constrain.TokenizerIndex.from_tokenizer([b"a", b"b", b""], end_tokens=2)
    (file,) = tmp_path.iterdir()
    before = json_of(capsys, "cache", "info")
    assert before["directory"] == str(tmp_path)
    assert [(entry["name"], entry["bytes"]) for entry in before["files"]] == [(file.name, file.stat().st_size)]
    assert file.name in output_of(capsys, "cache", "info")
    assert json_of(capsys, "cache", "clear") == {"freed_bytes": before["bytes"]}
    after = json_of(capsys, "cache", "info")
    assert after["files"] == []
    assert after["kernel_bytes"] == before["kernel_bytes"]


def test_kernel_files_are_cleared_on_request(tmp_path: Path) -> None:
    """--kernels removes numba's files, here in a cache of a process of its own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "CONSTRAIN_CACHE_DIR": str(tmp_path / "indexes")}
    code = (
        "from constrain.cli import main; from constrain.grammars.automata.arena import Arena; Arena();"
        "main(['cache', 'info', '--json']); main(['cache', 'clear', '--kernels']); main(['cache', 'info', '--json'])"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert '"kernel_bytes": 0' not in run.stdout.split("freed")[0]
    assert '"kernel_bytes": 0' in run.stdout.split("freed")[1]
    assert list(tmp_path.rglob("*.nb[ic]")) == []


def test_warming_up_uses_every_kernel() -> None:
    """After the warm-up no kernel is left that has not been compiled."""
    exercise()
    assert [name for name, kernel in kernels() if not kernel.signatures] == []


def test_warmup_reports(capsys: pytest.CaptureFixture[str]) -> None:
    """Seconds, and how many kernels there are."""
    report = json_of(capsys, "warmup")
    assert report["seconds"] > 0
    assert report["kernels"] == len(list(kernels()))
