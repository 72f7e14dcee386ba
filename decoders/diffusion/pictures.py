"""How a text came about: its tokens by the step that fixed them, in the terminal and as a PNG picture."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from constrain.decoders.diffusion.decoding import DiffusionDraw
from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["save_steps", "steps_text"]

_COLOURS = (17, 18, 19, 25, 31, 37, 43, 79, 115, 151, 187, 223, 222, 221, 220)  # of 256, from dark to light


def steps_text(draw: DiffusionDraw, index: TokenizerIndex) -> Text:
    """The tokens of a text, from dark (early) to light (late); underlined where the constraint left no choice."""
    made = Text()
    last = max([1, *draw.steps])
    for token, step, forced in zip(draw.tokens, draw.steps, draw.forced, strict=False):
        shade = _COLOURS[max(0, step) * (len(_COLOURS) - 1) // last]
        style = f"{'underline ' if forced else ''}{'white' if shade < 40 else 'black'} on color({shade})"
        made.append(_shown(token, index), style)
    return made


def _shown(token: int, index: TokenizerIndex) -> str:
    if token in index.end_tokens:
        return "⏹"
    return index.tokens[token].decode(errors="replace").replace("\n", "⏎")


def save_steps(draw: DiffusionDraw, index: TokenizerIndex, path: str | Path) -> None:
    """A picture of positions × steps as a PNG file: when each token was fixed, and whether the constraint forced it.

    Needs matplotlib (``pip install 'constrain[plots]'``).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    length, calls = len(draw.tokens), max(1, draw.calls)
    grid = [[_cell(draw, position, step) for position in range(length)] for step in range(-1, calls)]
    figure = Figure(figsize=(max(4.0, 0.3 * length), max(2.0, 0.22 * (calls + 1))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colours = ListedColormap(["#f0f0f0", "#3b6ea5", "#e8913a", "#b9cfe4", "#f6d9b8"])
    axes.imshow(grid, cmap=colours, vmin=0, vmax=4, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(length), _labels(draw.tokens, index), rotation=90, fontsize=7, family="monospace")
    axes.set_yticks(range(calls + 1), ["start", *map(str, range(1, calls + 1))], fontsize=7)
    axes.set_ylabel("step")
    axes.set_title("chosen in blue, forced in orange; lighter once fixed", fontsize=8)
    figure.savefig(path, dpi=150)


def _labels(tokens: Sequence[int], index: TokenizerIndex) -> list[str]:
    """Texts of tokens in ASCII, which every font has."""
    shown = ["end" if token in index.end_tokens else ascii(_shown(token, index))[1:-1] for token in tokens]
    return [text.replace("$", r"\$") for text in shown]


def _cell(draw: DiffusionDraw, position: int, step: int) -> int:
    """0 for a mask, 1 and 2 for a token that was chosen or forced in this step, 3 and 4 for one before."""
    fixed = draw.steps[position]
    if fixed > step:
        return 0
    return 1 + draw.forced[position] + 2 * (fixed < step)
