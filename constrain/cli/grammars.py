"""The options that name a grammar; commands that take one share them."""

import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from constrain.grammars.ir import Grammar

__all__ = ["GrammarChoice", "read", "takes_grammar"]

_PANEL = "Grammar (exactly one)"


def _option(flag: str, metavar: str, description: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=description, rich_help_panel=_PANEL, show_default=False)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "schema": (Annotated[Path | None, _option("--schema", "FILE", "A JSON Schema; - reads standard input.")], None),
    "regex": (Annotated[str | None, _option("--regex", "PATTERN", "A regular expression, as in Python's re.")], None),
    "lark": (Annotated[Path | None, _option("--lark", "FILE", "A grammar in Lark's syntax.")], None),
    "ebnf": (Annotated[Path | None, _option("--ebnf", "FILE", "A grammar in EBNF or GBNF.")], None),
    "grammar": (Annotated[str | None, _option("--grammar", "NAME", "A grammar of the library.")], None),
    "type": (Annotated[str | None, _option("--type", "MODULE:NAME", "A Python type, as JSON.")], None),
    "choice": (Annotated[list[str] | None, _option("--choice", "TEXT", "One of these texts (repeat it).")], None),
}


def read(path: Path) -> str:
    """The text of a file; "-" is standard input.  Raises GrammarError for what is not UTF-8."""
    data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        from constrain.grammars.errors import GrammarError

        raise GrammarError(f"{path} is not UTF-8 (byte {error.start})") from error


def _imported(name: str) -> Any:
    """The object that ``module:Name.Name`` names; modules are also looked for where the command was called."""
    from importlib import import_module

    module_name, separator, path = name.partition(":")
    if not separator or not path:
        raise typer.BadParameter(f"{name!r} is not of the form module:Name", param_hint="--type")
    sys.path.insert(0, os.getcwd())
    try:
        found = import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise typer.BadParameter(f"cannot import {name!r}: {error}", param_hint="--type") from error
    finally:
        sys.path.remove(os.getcwd())
    return found


@dataclass(frozen=True, slots=True)
class GrammarChoice:
    """Which grammar the options name."""

    option: str
    value: Any

    @classmethod
    def of(cls, options: dict[str, Any]) -> "GrammarChoice":
        """The one option that was given.  Raises typer.BadParameter when there is not exactly one."""
        given = {name: value for name, value in options.items() if value is not None and value != []}
        if len(given) != 1:
            flags = ", ".join(f"--{name}" for name in _OPTIONS)
            found = " and ".join(f"--{name}" for name in given) or "none"
            raise typer.BadParameter(f"give exactly one of {flags}; there is {found}")
        return cls(*next(iter(given.items())))

    def build(self) -> "Grammar":
        """The grammar; an error says which file it is about."""
        from constrain.grammars.errors import GrammarError

        try:
            return self._build()
        except GrammarError as error:
            if isinstance(self.value, Path):
                error.add_note(f"  in {self.value}")
            raise

    def target(self) -> Any:
        """What `constrain.generate` takes: a Python type as it is, otherwise the grammar."""
        return _imported(self.value) if self.option == "type" else self.build()

    def _build(self) -> "Grammar":
        import constrain

        match self.option:
            case "schema":
                return constrain.json_schema(read(self.value))
            case "regex":
                return constrain.regex(self.value)
            case "lark":
                return constrain.lark(read(self.value), import_paths=[self.value.parent])
            case "ebnf":
                return constrain.ebnf(read(self.value))
            case "grammar":
                return constrain.grammar(self.value)
            case "type":
                return constrain.python_type(_imported(self.value))
            case _:
                return constrain.choice(self.value)


def takes_grammar(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the options above in place of its parameter `grammar`."""
    signature = inspect.signature(function)
    others = [parameter for name, parameter in signature.parameters.items() if name != "grammar"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]

    @wraps(function)
    def command(**arguments: Any) -> Any:
        options = {name: arguments.pop(name) for name in _OPTIONS}
        return function(grammar=GrammarChoice.of(options), **arguments)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in others] + options
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del command.__wrapped__  # typer would look at its annotations
    return command
