"""``constrain generate``: text from a model, within a grammar."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from constrain.cli.grammars import GrammarChoice, takes_grammar
from constrain.cli.output import AsJson, print_json, working
from constrain.cli.tokenizers import tokenizer_in

if TYPE_CHECKING:
    from constrain.models import Model

__all__ = ["generate", "model_of"]


def model_of(name: str) -> "Model":
    """The model that was named on the command line.  Raises typer.BadParameter for a folder without one."""
    import constrain

    if name == "embedded":
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
        str, typer.Option("--model", metavar="DIR", help="'embedded', or the folder of a Hugging Face model.")
    ] = "embedded",
    sampler: Annotated[
        str, typer.Option("--sampler", metavar="NAME", help="'greedy', 'sample', or another that the package names.")
    ] = "greedy",
    max_new_tokens: Annotated[
        int | None,
        typer.Option("--max-new-tokens", min=1, help="The text is finished within so many.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same text.")] = 0,
    stream: Annotated[bool, typer.Option("--stream", help="Print the text while it is written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a model write a text that obeys a grammar."""
    import constrain

    if stream and as_json:
        raise typer.BadParameter("--stream and --json exclude each other")
    text = sys.stdin.read() if prompt == "-" else prompt
    with working("Loading the model …"):
        loaded = model_of(model)
        wanted = grammar.target()
    options: dict[str, Any] = {"sampler": sampler, "max_new_tokens": max_new_tokens, "seed": seed}
    if stream:
        _stream(loaded, text, wanted, options)
        return
    with working("Writing …"):
        result = constrain.generate(loaded, text, wanted, **options)
    if as_json:
        print_json(
            {
                "text": result.text,
                "tokens": list(result.tokens),
                "log_weight": result.log_weight,
                "log_probability": result.log_probability,
            }
        )
    else:
        print(result.text)
