"""Holes are filled by a diffusion model, by an autoregressive one and by none, and the whole obeys the grammar."""

import pytest

import constrain
from constrain import Hole
from constrain.decoders.diffusion.infilling import complete
from constrain.grammars.errors import UnsatisfiableConstraintError
from tests.decoders.toys import TableModel
from tests.matching import index_of

_CODE = constrain.lark(
    """
    start: "def " NAME "(" [NAME (", " NAME)*] "): return " sum
    sum: product (" + " product)*
    product: factor (" * " factor)*
    factor: NAME | NUMBER | "(" sum ")"
    NAME: /[a-z]+/
    NUMBER: /[0-9]+/
    """,
    lexer="dynamic_complete",
)
_PARTS = ["def ", Hole(1, 2), "(", Hole(1, 4), "): return (", Hole(3, 6), ")"]


class _Small:
    """A masked model and an autoregressive one over letters, as far as infilling asks."""

    def __init__(self) -> None:
        letters = b"abdefrtun():, +*0123456789"
        self.index = index_of([bytes([letter]) for letter in letters] + [b"def ", b"return "])
        self.width = self.index.vocab_size

    def encode(self, prompt: str) -> list[int]:
        return [0 for _ in prompt]


class _Masked(_Small):
    mask_token = 0

    def logits(self, tokens: object) -> object:
        import torch

        generator = torch.Generator().manual_seed(len(tokens[0]))  # type: ignore[index]
        return torch.randn(1, len(tokens[0]), self.width, generator=generator)  # type: ignore[index]


class _Writing(_Small):
    def start(self, prompts: list[list[int]]) -> object:
        return TableModel(self.width, 1).start(prompts)


@pytest.mark.parametrize("model", [None, _Masked(), _Writing()])
def test_three_holes(model: object) -> None:
    """Code with three holes parses, its known parts are as they were, and holes have the sizes asked for."""
    found = complete(_PARTS, _CODE, model, prompt="x")
    index = index_of([bytes([byte]) for byte in range(256)])
    assert constrain.compile(_CODE, index).accepts(found.text)
    assert found.text == "".join(found.parts)
    assert [part for part, wanted in zip(found.parts, _PARTS, strict=True) if isinstance(wanted, str)] == [
        part for part in _PARTS if isinstance(part, str)
    ]
    if model is not None:
        for part, hole in zip(found.parts, _PARTS, strict=True):
            if isinstance(hole, Hole):
                assert hole.maximum is not None
                assert len(part) >= hole.minimum


def test_what_cannot_be() -> None:
    """Parts that fit no text are refused, with and without a model."""
    for model in (None, _Masked(), _Writing()):
        with pytest.raises(UnsatisfiableConstraintError):
            complete(["def ", Hole(1, 1), ") ", Hole()], _CODE, model, prompt="x")


def test_embedded_models() -> None:
    """The embedded models, of both kinds, complete three holes."""
    for name in ("embedded", "embedded-diffusion"):
        model = constrain.load(name)
        parts = ["def f(", Hole(1, 1), "): return (", Hole(1, 1), " + 1) * ", Hole(1, 1)]
        found = constrain.complete(parts, _CODE, model, prompt="Expression:\n")
        assert constrain.compile(_CODE, model.index).accepts(found.text)
