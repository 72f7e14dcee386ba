"""The three synthetic tasks of the embedded model, and how training and held-out examples are kept apart.

An example is held out when a digest of its prompt says so: one in ten.  Training leaves those out, whatever its seed,
so that no held-out prompt was ever trained on.
"""

import hashlib
from collections.abc import Callable, Iterator
from random import Random

from constrain.embedded.examples import Example
from constrain.embedded.table_questions import table_question
from constrain.embedded.tool_calls import tool_call
from constrain.embedded.word_problems import word_problem

__all__ = ["TASKS", "Example", "examples", "held_out_examples", "is_held_out"]

TASKS: dict[str, Callable[[Random], Example]] = {
    "tool_call": tool_call,
    "sql": table_question,
    "arithmetic": word_problem,
}


def is_held_out(example: Example) -> bool:
    """Whether an example is kept from training."""
    return hashlib.blake2b(example.prompt.encode(), digest_size=4).digest()[0] % 10 == 0


def examples(task: str, seed: int, *, held_out: bool = False) -> Iterator[Example]:
    """Examples of a task without end, the same for the same seed: those for training, or those held out from it."""
    make = TASKS[task]
    random = Random(f"{task} {seed}")
    while True:
        example = make(random)
        if is_held_out(example) == held_out:
            yield example


def held_out_examples(task: str, seed: int, count: int) -> list[Example]:
    """The first `count` held-out examples of a task, all different."""
    found: dict[str, Example] = {}
    stream = examples(task, seed, held_out=True)
    while len(found) < count:
        example = next(stream)
        found.setdefault(example.prompt, example)
    return list(found.values())
