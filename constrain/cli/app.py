"""The commands together, and what becomes of their errors.

====  ==================================================================================
exit
====  ==================================================================================
0     done; the answer is yes
1     the answer is no: a text is not in the language, a schema is not enforced in full
2     wrong usage, or a grammar, schema, type, tokenizer or model that cannot be used
3     a limit was reached (`constrain.Limits`)
4     a file cannot be read or written
130   interrupted
====  ==================================================================================
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from constrain.cli.bench import bench
from constrain.cli.cache import cache
from constrain.cli.check import check
from constrain.cli.compile import compile_command
from constrain.cli.demo import demo
from constrain.cli.example import example
from constrain.cli.explain import explain
from constrain.cli.generate import generate
from constrain.cli.support import support
from constrain.cli.warmup import warmup

__all__ = ["app", "run"]

_HELP = """Make a language model's output obey a grammar.

Exit codes: 0 done, or yes; 1 no; 2 wrong usage, or a grammar, schema or tokenizer that cannot be used; 3 a limit
was reached; 4 a file cannot be read or written; 130 interrupted.
"""

_COMMANDS: dict[str, Callable[..., Any]] = {
    "generate": generate,
    "check": check,
    "example": example,
    "compile": compile_command,
    "explain": explain,
    "support": support,
    "warmup": warmup,
    "demo": demo,
}

app = typer.Typer(
    name="constrain",
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(bench, name="bench")
app.add_typer(cache, name="cache")


def _version(wanted: bool) -> None:
    if wanted:
        from constrain import __version__

        typer.echo(f"constrain {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Options before the command; `_version` has dealt with them."""
    del version


def _failed(error: Exception, code: int) -> int:
    message = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"
    print("\n".join([f"error: {message}", *getattr(error, "__notes__", [])]), file=sys.stderr)
    return code


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code.  Errors of the user's are printed as messages, not as tracebacks."""
    from constrain.grammars.errors import ConstrainError, ResourceLimitError

    try:
        app(arguments, prog_name="constrain")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except ResourceLimitError as error:
        return _failed(error, 3)
    except ConstrainError as error:
        return _failed(error, 2)
    except OSError as error:
        return _failed(error, 4)
    return 0
