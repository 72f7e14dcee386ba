"""An example of a synthetic task: what is asked, what should be answered, and which answers are well formed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from constrain.grammars.ir import Grammar

__all__ = ["Example"]


@dataclass(frozen=True, slots=True)
class Example:
    """One request with its expected answer.

    task          name of the task
    prompt        text that the model continues with the answer and the end token
    answer        the expected answer, as the model is taught to write it
    description   the well-formed answers: a JSON schema, or the text of a Lark grammar
    check         whether an answer means the same as the expected one, however it is written
    """

    task: str
    prompt: str
    answer: str
    description: Mapping[str, Any] | str
    check: Callable[[str], bool] = field(repr=False, compare=False)

    def grammar(self) -> Grammar:
        """The grammar of the well-formed answers."""
        import constrain

        if isinstance(self.description, str):
            return constrain.lark(self.description)
        return constrain.json_schema(dict(self.description))

    def is_correct(self, answer: str) -> bool:
        """Whether an answer means what was asked for."""
        return self.check(answer)
