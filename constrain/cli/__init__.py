"""The command `constrain`.

Commands import what they use when they run: ``--help`` loads neither PyTorch nor compiled kernels.
"""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, that of the process unless told; the exit code (see `constrain.cli.app`)."""
    from constrain.cli.app import run

    return run(arguments)
