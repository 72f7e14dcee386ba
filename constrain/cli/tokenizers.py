"""Tokenizers by name: that of the embedded model, one in a folder, or the 256 bytes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from constrain.cli.output import working

if TYPE_CHECKING:
    from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["Tokenizer", "index_of", "tokenizer_in"]

Tokenizer = Annotated[
    str, typer.Option("--tokenizer", metavar="DIR", help="A tokenizer's folder, or 'embedded', or 'bytes'.")
]


def tokenizer_in(folder: Path, option: str = "--tokenizer") -> Any:
    """The tokenizer in a folder, read by `transformers`.  Raises typer.BadParameter when there is none."""
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is no folder", param_hint=option)
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise typer.BadParameter(
            f"no tokenizer can be read from {folder}: {error}", param_hint="--tokenizer"
        ) from error


def index_of(name: str) -> "TokenizerIndex":
    """The index of a tokenizer that was named on the command line."""
    from constrain.tokenizer_index.index import TokenizerIndex

    if name == "bytes":
        return TokenizerIndex.of_bytes()
    with working("Reading the tokenizer …"):
        if name == "embedded":
            import constrain

            return constrain.load("embedded").index
        return TokenizerIndex.from_tokenizer(tokenizer_in(Path(name)))
