"""``constrain check``: whether a text is in the language, and where it leaves it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from constrain.cli.grammars import GrammarChoice, takes_grammar
from constrain.cli.output import AsJson, print_json, working
from constrain.verdicts import Verdict, describe_bytes, verdict_on

__all__ = ["check"]


def _print(verdict: Verdict) -> None:
    if verdict.accepted:
        print("yes")
        return
    line, column = verdict.place
    if verdict.is_prefix:
        print(f"no: the text is the beginning of a valid one (it stops at line {line}, column {column})")
    else:
        place = f"line {line}, column {column} (after {verdict.valid} bytes)"
        print(f"no: at {place} it is no longer the beginning of a valid text")
    print(verdict.excerpt())
    expected = describe_bytes(verdict.following)
    if verdict.may_end:
        expected.append("the end")
    print(f"  expected {', '.join(expected)}")


def _text_of(text: str | None, file: Path | None, exact: bool) -> bytes:
    if (text is None) == (file is None):
        raise typer.BadParameter("give either a text or --file")
    if file is None:
        assert text is not None
        return text.encode("utf-8", "surrogateescape")
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    return data if exact else data.removesuffix(b"\n").removesuffix(b"\r")


@takes_grammar
def check(
    grammar: GrammarChoice,
    text: Annotated[str | None, typer.Argument(help="The text.", show_default=False)] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="Read the text from a file; - is standard input."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Keep the line break at the end of the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a text is in the language (exit code 0) or not (1), and where it leaves it."""
    data = _text_of(text, file, exact)
    with working("Reading …"):
        verdict, _ = verdict_on(grammar.build(), data)
    if as_json:
        print_json(verdict.as_json())
    else:
        _print(verdict)
    raise typer.Exit(0 if verdict.accepted else 1)
