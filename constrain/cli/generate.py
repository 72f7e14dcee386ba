"""``constrain generate``: text from a model, within a grammar."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from constrain.cli.generate_pressure import pressure_rows, pressure_table, save_picture
from constrain.cli.grammars import GrammarChoice, takes_grammar
from constrain.cli.output import AsJson, print_json, working
from constrain.cli.tokenizers import tokenizer_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constrain.decoders.contract import Progress
    from constrain.generation import Generation
    from constrain.models import Model

__all__ = ["generate", "model_of"]


def model_of(name: str) -> "Model":
    """The model that was named on the command line.  Raises typer.BadParameter for a folder without one."""
    import constrain

    if name in ("embedded", "embedded-diffusion"):
        return constrain.load(name)
    tokenizer = tokenizer_in(Path(name), option="--model")
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(name, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise typer.BadParameter(f"no model can be read from {name}: {error}", param_hint="--model") from error
    return constrain.wrap(model, tokenizer)


def _stream(model: "Model", prompt: str, wanted: Any, options: dict[str, Any]) -> None:
    import constrain

    for piece in constrain.stream(model, prompt, wanted, **options):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


@takes_grammar
def generate(
    grammar: GrammarChoice,
    prompt: Annotated[str, typer.Argument(help="The prompt; - reads standard input.")],
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="DIR", help="'embedded', 'embedded-diffusion', or the folder of a Hugging Face model."
        ),
    ] = "embedded",
    sampler: Annotated[
        str,
        typer.Option(
            "--sampler",
            metavar="NAME",
            help="greedy, sample, masking, rejection, asap, cars, mars, mcmc (also -uniform, -priority), awrs, smc; "
            "with a diffusion model best, sample, marginals, masks.",
        ),
    ] = "greedy",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many texts, one a line.")] = 1,
    max_new_tokens: Annotated[
        int | None,
        typer.Option("--max-new-tokens", min=1, help="The text is finished within so many.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same text.")] = 0,
    pressure: Annotated[
        bool, typer.Option("--pressure", help="Show, token by token, what the grammar forbade the model.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option("--pressure-picture", metavar="FILE", help="The same as a PNG picture.", show_default=False),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the text while it is written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a model write a text that obeys a grammar."""
    import constrain

    if stream and (as_json or pressure or picture is not None or count > 1):
        raise typer.BadParameter("--stream excludes --json, --count, --pressure and --pressure-picture")
    if model == "embedded-diffusion":
        if stream or pressure or picture is not None:
            raise typer.BadParameter("a diffusion model writes in no order: no --stream, no --pressure")
        sampler = "best" if sampler == "greedy" else sampler
    text = sys.stdin.read() if prompt == "-" else prompt
    with working("Loading the model …"):
        loaded = model_of(model)
        wanted = grammar.target()
    options: dict[str, Any] = {"sampler": sampler, "max_new_tokens": max_new_tokens, "seed": seed}
    if stream:
        _stream(loaded, text, wanted, options)
        return
    with _counting(count) as progress:
        results = constrain.generate(loaded, [text] * count, wanted, progress=progress, **options)
    steps = []
    if pressure or picture is not None:
        steps = [constrain.pressure(loaded, text, wanted, result.tokens) for result in results]
    if picture is not None:
        save_picture(steps[0], picture)
    values = [_as_json(result) for result in results]
    for value, result_steps in zip(values, steps if pressure else [], strict=False):
        value["pressure"] = pressure_rows(result_steps, loaded.index)
    if as_json:
        print_json(values[0] if count == 1 else values)
        return
    for number, result in enumerate(results):
        print(result.text)
        if pressure:
            print(pressure_table(steps[number], loaded.index))


def _as_json(result: "Generation") -> dict[str, Any]:
    return {
        "text": result.text,
        "tokens": list(result.tokens),
        "log_weight": result.log_weight,
        "log_probability": result.log_probability,
    }


@contextmanager
def _counting(count: int) -> "Iterator[Progress | None]":
    """Show how many texts are written, if a person is watching and there are several."""
    if count == 1 or not sys.stderr.isatty():
        with working("Writing …"):
            yield None
        return
    from tqdm import tqdm

    with tqdm(total=count, unit="text", leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
