"""Constraint pressure: numbers by their definitions, and a picture that shows them."""

import math
import struct
import zlib

import numpy as np
import pytest

from constrain.decoders.samplers import Masking
from constrain.decoders.samplers.pictures import draw_pressure, png
from constrain.decoders.samplers.pressure import pressure_of
from constrain.errors import DeadEndError
from tests.decoders.samplers.enumeration import END, TOKENS, constraint_of, random_table

TABLE, PROMPT = random_table(len(TOKENS), 8, sparse=True), [0]


def test_numbers() -> None:
    """Each by its definition, token by token."""
    constraint = constraint_of("ab(a|c)?")
    tokens = (0, 1, 5, END)
    steps = pressure_of(TABLE, PROMPT, constraint, tokens)
    matcher, total = constraint.matcher(), 0.0
    for place, (token, step) in enumerate(zip(tokens, steps, strict=True)):
        law = np.exp(TABLE.log_probabilities([(*PROMPT, *tokens[:place])])[0])
        allowed = matcher.allowed_tokens()
        mass = math.fsum(law[t] for t in allowed)
        total += math.log(mass)
        inside = [law[t] / mass for t in allowed if law[t] > 0]
        assert (step.token, step.text, step.allowed) == (token, TOKENS[token], len(allowed))
        assert step.is_forced == (len(allowed) == 1)
        assert step.log_mass == pytest.approx(math.log(mass))
        assert step.distortion == pytest.approx(total)
        assert step.entropy == pytest.approx(-math.fsum(p * math.log(p) for p in law if p > 0))
        assert step.allowed_entropy == pytest.approx(-math.fsum(p * math.log(p) for p in inside))
        assert step.wanted == law.argmax()
        assert matcher.accept_token(token)
    with pytest.raises(DeadEndError, match="place 1"):
        pressure_of(TABLE, PROMPT, constraint, (0, 0))


def test_the_distortion_is_the_weight_of_masking() -> None:
    """Of a text that masked decoding has drawn."""
    constraint = constraint_of("(a|b){2,4}")
    table = random_table(len(TOKENS), 8)
    (sample,) = Masking().draw(table, PROMPT, constraint, rng=np.random.default_rng(4))
    assert pressure_of(table, PROMPT, constraint, sample.tokens)[-1].distortion == pytest.approx(sample.log_weight)


def _read_png(data: bytes) -> np.ndarray:
    """The pixels of a PNG without filters, checking every chunk."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, found = 8, {}
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + content)
        found[kind] = content
        at += 12 + size
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert (depth, colour, rest) == (8, 2, [0, 0, 0])
    rows = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_the_picture_shows_the_masses() -> None:
    """A file that can be read again; the red part of each bar is what was forbidden, also for texts of any length."""
    constraint = constraint_of("ab(a|c)?")
    steps = pressure_of(TABLE, PROMPT, constraint, (0, 1, 5, END))
    pixels = draw_pressure(steps)
    np.testing.assert_array_equal(_read_png(png(pixels)), pixels)
    red, panel = np.array([222, 96, 84]), 140
    for place, step in enumerate(steps):
        column = pixels[:, 46 + 12 * place + 4]
        share = (column == red).all(axis=1).sum() / panel
        assert share == pytest.approx(1 - math.exp(step.log_mass), abs=0.02)
    for count in (0, 1, 40):
        assert draw_pressure(steps[:1] * count).shape[1] >= 46 + 12 * count
