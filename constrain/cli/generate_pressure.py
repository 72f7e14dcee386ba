"""Constraint pressure on the command line: a table, and a picture."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from constrain.cli.output import bytes_text

if TYPE_CHECKING:
    from constrain.decoders.samplers.pressure import Pressure
    from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["pressure_rows", "pressure_table", "save_picture"]


def pressure_rows(steps: Sequence["Pressure"], index: "TokenizerIndex") -> list[dict[str, object]]:
    """The steps as JSON objects; -inf, which JSON lacks, is null."""
    names = {token: name for name, token in index.special_tokens.items()}

    def shown(token: int) -> str:
        return names.get(token) or index.tokens[token].decode("utf-8", "backslashreplace")

    return [
        {
            "token": step.token,
            "text": shown(step.token),
            "probability": math.exp(step.log_probability),
            "allowed_mass": math.exp(step.log_mass),
            "allowed": step.allowed,
            "forced": step.is_forced,
            "entropy": step.entropy,
            "allowed_entropy": step.allowed_entropy,
            "distortion": step.distortion if step.distortion > -math.inf else None,
            "wanted": shown(step.wanted),
        }
        for step in steps
    ]


def pressure_table(steps: Sequence["Pressure"], index: "TokenizerIndex") -> str:
    """One line a token; what the model wanted is shown where the constraint forbade most of it."""
    lines = [f"{'token':<18} {'allowed':>9} {'mass':>7} {'entropy':>8} {'Σ log m':>9}  the model wanted"]
    for row, step in zip(pressure_rows(steps, index), steps, strict=True):
        allowed = "forced" if step.is_forced else f"{step.allowed:,}"
        wanted = bytes_text(str(row["wanted"]).encode()) if math.exp(step.log_mass) < 0.5 else ""
        text = bytes_text(str(row["text"]).encode())
        mass = math.exp(step.log_mass)
        lines.append(f"{text:<18} {allowed:>9} {mass:>7.1%} {step.entropy:>8.2f} {step.distortion:>9.2f}  {wanted}")
    return "\n".join(line.rstrip() for line in lines)


def save_picture(steps: Sequence["Pressure"], path: Path) -> None:
    """Write the picture, a PNG file."""
    from constrain.decoders.samplers.pictures import save_pressure

    save_pressure(steps, path)
