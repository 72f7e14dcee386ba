"""``constrain cache``: what is kept on disk."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from constrain.cli.output import AsJson, print_json, print_table, size

__all__ = ["cache"]

cache = typer.Typer(help="Show or clear what is kept on disk.", no_args_is_help=True)

Kernels = Annotated[bool, typer.Option("--kernels", help="The compiled kernels too; they take a minute to make again.")]


def _kernel_files() -> list[Path]:
    """The files in which numba keeps compiled kernels of this package."""
    from constrain.cli.warmup import kernel_folders

    return sorted(path for folder in kernel_folders() for path in folder.glob("*.nb[ic]"))


def _kept_files() -> tuple[Path, list[tuple[Path, int, float]]]:
    from constrain.tokenizer_index.cache import DiskCache

    kept = DiskCache()
    return kept.directory, kept.files()


@cache.command()
def info(as_json: AsJson = False) -> None:
    """Show where indexes, token rows and compiled kernels are kept, and how large they are."""
    directory, files = _kept_files()
    kernels = _kernel_files()
    kernel_bytes = sum(path.stat().st_size for path in kernels)
    if as_json:
        found: dict[str, Any] = {
            "directory": str(directory),
            "files": [{"name": path.name, "bytes": count, "used": used} for path, count, used in files],
            "bytes": sum(count for _, count, _ in files),
            "kernel_folders": sorted({str(path.parent) for path in kernels}),
            "kernel_bytes": kernel_bytes,
        }
        print_json(found)
        return
    rows = {"directory": str(directory), "files": f"{len(files)}, {size(sum(count for _, count, _ in files))}"}
    for path, count, used in files:
        rows[f"  {path.name}"] = f"{size(count)}, used {time.strftime('%Y-%m-%d %H:%M', time.localtime(used))}"
    rows["kernels"] = f"{len(kernels)} files, {size(kernel_bytes)}"
    for folder in sorted({str(path.parent) for path in kernels}):
        rows[f"  {folder}"] = ""
    print_table(rows)


@cache.command()
def clear(kernels: Kernels = False, as_json: AsJson = False) -> None:
    """Remove indexes and token rows; they are made again when they are needed."""
    from constrain.tokenizer_index.cache import DiskCache

    freed = DiskCache().clear()
    if kernels:
        for path in _kernel_files():
            freed += path.stat().st_size
            path.unlink(missing_ok=True)
    if as_json:
        print_json({"freed_bytes": freed})
    else:
        print(f"freed {size(freed)}")
