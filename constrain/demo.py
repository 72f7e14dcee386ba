"""The demonstration: what a constraint does to the answers of the embedded model.

For requests that the model was not trained on, it counts the answers that are well formed and those that are right,
without a constraint and with one.  Both times the model takes its most probable token; the constraint is the only
difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

import constrain
from constrain.embedded.tasks import TASKS, Example, held_out_examples
from constrain.models import Model

__all__ = ["Outcome", "free_texts", "main", "outcomes", "shares"]

_SEED = 20
_EXAMPLES = 40
_MAX_NEW_TOKENS = 96

_TITLES = {
    "tool_call": "request to tool call (JSON Schema)",
    "sql": "question to SQL (Lark grammar)",
    "arithmetic": "word problem to expression (Lark grammar)",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer: whether it is well formed, and whether it is right."""

    text: str
    valid: bool
    correct: bool


def _free_steps(model: Model, prompts: Sequence[str]) -> Iterator[list[int]]:
    """The most probable next tokens of all rows, step by step; a row that has ended goes on unheeded."""
    session = model.start([model.encode(prompt) for prompt in prompts])
    for _ in range(_MAX_NEW_TOKENS):
        tokens: list[int] = session.logits.argmax(dim=-1).tolist()
        yield tokens
        session.feed([[token] for token in tokens])


def free_texts(model: Model, prompts: Sequence[str]) -> list[tuple[str, bool]]:
    """What the model writes without a constraint, and whether it came to an end."""
    ends = set(model.index.end_tokens)
    written: list[list[int]] = [[] for _ in prompts]
    unfinished = set(range(len(prompts)))
    for tokens in _free_steps(model, prompts):
        for row in sorted(unfinished):
            if tokens[row] in ends:
                unfinished.remove(row)
            else:
                written[row].append(tokens[row])
        if not unfinished:
            break
    texts = [model.index.decode(tokens).decode(errors="replace") for tokens in written]
    return [(text, row not in unfinished) for row, text in enumerate(texts)]


def _outcome(model: Model, example: Example, text: str, *, finished: bool = True) -> Outcome:
    matcher = constrain.compile(example.grammar(), model.index).matcher()
    valid = finished and matcher.accept_text(text) and matcher.is_accepting
    return Outcome(text, valid, finished and example.is_correct(text))


def outcomes(model: Model, examples: Sequence[Example]) -> list[tuple[Outcome, Outcome]]:
    """For every example the model's answer without a constraint, and with the example's own."""
    prompts = [example.prompt for example in examples]
    free = free_texts(model, prompts)
    grammars = [example.grammar() for example in examples]
    constrained = constrain.generate(model, prompts, grammars, max_new_tokens=_MAX_NEW_TOKENS)
    return [
        (_outcome(model, example, text, finished=finished), _outcome(model, example, made.text))
        for example, (text, finished), made in zip(examples, free, constrained, strict=True)
    ]


def shares(pairs: Sequence[tuple[Outcome, Outcome]]) -> dict[str, dict[str, float]]:
    """Shares, from 0 to 1, of valid and of correct answers, unconstrained and constrained."""
    return {
        name: {
            "valid": sum(pair[side].valid for pair in pairs) / len(pairs),
            "correct": sum(pair[side].correct for pair in pairs) / len(pairs),
        }
        for side, name in enumerate(("unconstrained", "constrained"))
    }


def _table(figures: dict[str, dict[str, dict[str, float]]], count: int) -> Table:
    table = Table(title=f"Embedded model, {count} held-out requests a task")
    table.add_column("task")
    for name in ("valid", "valid, constrained", "correct", "correct, constrained"):
        table.add_column(name, justify="right")
    for task, sides in figures.items():
        cells = [sides[side][kind] for kind in ("valid", "correct") for side in ("unconstrained", "constrained")]
        table.add_row(_TITLES[task], *(f"{cell:.0%}" for cell in cells))
    return table


def _verdict(outcome: Outcome) -> str:
    return f"{'valid' if outcome.valid else 'not valid'}, {'correct' if outcome.correct else 'not correct'}"


def _free_pieces(model: Model, prompt: str) -> Iterator[str]:
    for (token,) in _free_steps(model, [prompt]):
        if token in model.index.end_tokens:
            return
        yield model.index.decode([token]).decode(errors="replace")


def _show(model: Model, example: Example, pair: tuple[Outcome, Outcome], console: Console) -> None:
    """One request with both answers, as the model writes them."""
    console.rule(_TITLES[example.task])
    console.print(example.prompt, markup=False, highlight=False, end="", style="dim")
    free = _free_pieces(model, example.prompt)
    constrained = constrain.stream(model, example.prompt, example.grammar(), max_new_tokens=_MAX_NEW_TOKENS)
    for name, outcome, pieces in zip(("unconstrained", "constrained"), pair, (free, constrained), strict=True):
        console.print(f"[bold]{name:>13}[/]  ", end="")
        for piece in pieces:
            console.print(piece, end="", markup=False, highlight=False, soft_wrap=True)
        console.print(f"  [{'green' if outcome.correct else 'red'}]({_verdict(outcome)})[/]")


def _instructive(pairs: Sequence[tuple[Outcome, Outcome]], count: int) -> list[int]:
    """Up to `count` places: first where the constraint made an answer right, then where it changed one, then any."""

    def order(place: int) -> tuple[bool, bool, int]:
        free, constrained = pairs[place]
        return not (constrained.correct and not free.correct), free.text == constrained.text, place

    return sorted(range(len(pairs)), key=order)[:count]


def main(
    count: int = _EXAMPLES, *, seed: int = _SEED, samples: int = 1, console: Console | None = None
) -> dict[str, dict[str, Any]]:
    """Run the demonstration, print it, and return its figures.

    `count` held-out requests of each task are answered; `samples` of them, where the constraint changed something, are
    shown as they are written.  The figures are, for each task, `shares`.
    """
    console = console or Console()
    with console.status("loading the embedded model"):
        model = constrain.load("embedded")
    chosen = {task: held_out_examples(task, seed, count) for task in TASKS}
    found: dict[str, list[tuple[Outcome, Outcome]]] = {}
    for task, examples in chosen.items():
        with console.status(f"answering {count} requests: {_TITLES[task]}"):
            found[task] = outcomes(model, examples)
    for task, pairs in found.items():
        for place in _instructive(pairs, samples):
            _show(model, chosen[task][place], pairs[place], console)
    figures = {task: shares(pairs) for task, pairs in found.items()}
    console.print(_table(figures, count))
    return figures
