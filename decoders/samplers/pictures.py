"""Constraint pressure as a picture, without a library for pictures: pixels in an array, written as PNG (RFC 2083).

Above, one bar a token: the share of the model's mass that the constraint allows, blue where the model had a choice,
grey where only one token was allowed, on red for what was forbidden.  Below, the distortion Σ log m, falling.
"""

import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from constrain.decoders.samplers.pressure import Pressure

__all__ = ["draw_pressure", "png", "save_pressure"]

Pixels = npt.NDArray[np.uint8]

_BLACK, _LINE = (40, 40, 40), (215, 215, 215)
_FREE, _FORCED, _FORBIDDEN, _CURVE = (66, 120, 190), (165, 165, 165), (222, 96, 84), (120, 60, 150)

_LEFT, _TOP, _GAP, _BOTTOM, _PANEL, _BAR = 46, 10, 26, 20, 140, 12

# Three by five pixels; a bit for each, from the left of the top row.
_GLYPHS = {
    "0": 0b111101101101111,
    "1": 0b010110010010111,
    "2": 0b111001111100111,
    "3": 0b111001111001111,
    "4": 0b101101111001001,
    "5": 0b111100111001111,
    "6": 0b111100111101111,
    "7": 0b111001001001001,
    "8": 0b111101111101111,
    "9": 0b111101111001111,
    "-": 0b000000111000000,
    ".": 0b000000000000010,
    "%": 0b101001010100101,
}


def png(pixels: Pixels) -> bytes:
    """A picture, uint8 [height, width, 3] red green blue, as the bytes of a PNG file."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)  # filter 0
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def draw_pressure(steps: Sequence[Pressure]) -> Pixels:
    """The picture, uint8 [height, width, 3]; bars are numbered from 0 every ten tokens."""
    width = _LEFT + max(len(steps), 10) * _BAR + 10
    height = _TOP + _PANEL + _GAP + _PANEL + _BOTTOM
    pixels = np.full((height, width, 3), 255, np.uint8)
    _masses(pixels, steps)
    _distortions(pixels, steps)
    return pixels


def save_pressure(steps: Sequence[Pressure], path: str | Path) -> None:
    """Write the picture to a PNG file."""
    Path(path).write_bytes(png(draw_pressure(steps)))


def _masses(pixels: Pixels, steps: Sequence[Pressure]) -> None:
    floor = _TOP + _PANEL
    for share in (0.0, 0.5, 1.0):
        line = floor - round(share * _PANEL)
        pixels[line, _LEFT:] = _LINE
        _write(pixels, line - 2, _LEFT - 4, f"{share:.0%}")
    for place, step in enumerate(steps):
        left = _LEFT + place * _BAR + 1
        top = floor - round(math.exp(step.log_mass) * _PANEL)
        pixels[_TOP:top, left : left + _BAR - 2] = _FORBIDDEN
        pixels[top:floor, left : left + _BAR - 2] = _FORCED if step.is_forced else _FREE
        if place % 10 == 0:
            _write(pixels, floor + 6, left + _BAR, str(place))


def _distortions(pixels: Pixels, steps: Sequence[Pressure]) -> None:
    top = _TOP + _PANEL + _GAP
    known = [step.distortion for step in steps if step.distortion > -math.inf]
    lowest = min([-1.0, *known])
    for share in (0.0, 0.5, 1.0):
        line = top + round(share * _PANEL)
        pixels[line, _LEFT:] = _LINE
        _write(pixels, line - 2, _LEFT - 4, f"{share * lowest:.1f}")
    before = top
    for place, step in enumerate(steps):
        left = _LEFT + place * _BAR
        share = min(step.distortion / lowest, 1.0) if step.distortion > -math.inf else 1.0
        here = top + round(share * _PANEL)
        pixels[before : here + 1, left : left + 2] = _CURVE
        pixels[here : here + 2, left : left + _BAR + 1] = _CURVE
        before = here


def _write(pixels: Pixels, top: int, right: int, text: str) -> None:
    """Digits that end at a column; what has no glyph is left blank."""
    left = right - 4 * len(text)
    for place, character in enumerate(text):
        bits = _GLYPHS.get(character, 0)
        for row in range(5):
            for column in range(3):
                if bits >> (14 - 3 * row - column) & 1:
                    y, x = top + row, left + 4 * place + column
                    if 0 <= y < pixels.shape[0] and 0 <= x < pixels.shape[1]:
                        pixels[y, x] = _BLACK
