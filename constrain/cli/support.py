"""``constrain support``: what of a JSON Schema is enforced."""

from pathlib import Path
from typing import Annotated

import typer

from constrain.cli.grammars import read
from constrain.cli.output import AsJson, print_json

__all__ = ["support"]

_COLOURS = {"enforced": "green", "annotation": "dim", "unsupported": "bold red"}


def support(
    schema: Annotated[Path, typer.Argument(metavar="FILE", help="A JSON Schema; - reads standard input.")],
    as_json: AsJson = False,
) -> None:
    """Say of every keyword of a JSON Schema whether it is enforced; exit code 1 when one is not.

    Annotations say nothing about the value; an unsupported keyword makes compiling the schema an error.
    """
    import constrain

    entries = constrain.support_report(read(schema))
    if as_json:
        print_json(
            [
                {
                    "pointer": entry.pointer,
                    "keyword": entry.keyword,
                    "status": entry.status,
                    "reason": entry.reason,
                }
                for entry in entries
            ]
        )
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table("place", "keyword", "status", "reason", box=None, pad_edge=False)
        for entry in entries:
            status = Text(entry.status, style=_COLOURS[entry.status])
            table.add_row(Text(entry.pointer or "(root)"), Text(entry.keyword), status, Text(entry.reason))
        Console(soft_wrap=True).print(table)
    raise typer.Exit(1 if any(entry.status == "unsupported" for entry in entries) else 0)
