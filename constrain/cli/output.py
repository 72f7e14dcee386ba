"""What commands print: tables for people, one JSON value for programs; progress goes to the other stream."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

__all__ = ["AsJson", "bytes_text", "print_json", "print_table", "seconds", "size", "working"]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]


def print_json(value: Any) -> None:
    """Print a value as JSON, on one line if that is short."""
    text = json.dumps(value, ensure_ascii=False)
    print(text if len(text) <= 100 else json.dumps(value, ensure_ascii=False, indent=2))


def print_table(rows: Mapping[str, str]) -> None:
    """Print names and values in two columns."""
    width = max(map(len, rows), default=0)
    for name, value in rows.items():
        lines = value.splitlines() or [""]
        print(f"{name:<{width}}  {lines[0]}")
        for line in lines[1:]:
            print(f"{'':<{width}}  {line}")


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    if value < 1e-3:
        return f"{value * 1e6:.1f} µs"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.1f} s"


def size(count: float) -> str:
    """A number of bytes in the unit that suits it."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def bytes_text(data: bytes) -> str:
    r"""Bytes as a quoted text; what is not UTF-8 is written ``\xhh``."""
    return json.dumps(data.decode("utf-8", "backslashreplace"), ensure_ascii=False)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something takes its time, if a person is watching."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield
