"""``constrain example``: texts of a language, the shortest one or random ones."""

from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from constrain.cli.grammars import GrammarChoice, takes_grammar
from constrain.cli.output import AsJson, print_json, working
from constrain.verdicts import following_bytes

if TYPE_CHECKING:
    from constrain.tokenizer_index.matcher import Matcher

__all__ = ["example", "random_text"]

_END_SHARE = 0.15  # how often a random text ends where it may
_SORTS: tuple[tuple[float, frozenset[int]], ...] = (
    (0.45, frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")),
    (0.20, frozenset(b"0123456789")),
    (0.25, frozenset(byte for byte in range(0x21, 0x7F) if not chr(byte).isalnum())),
    (0.08, frozenset(b" ")),
    (0.02, frozenset([*range(0x20), *range(0x7F, 0x100)])),
)
"""Sorts of bytes and how often each is chosen: random texts are to be looked at."""


def _byte(following: tuple[int, ...], random: Random) -> int:
    choices = [(share, sorted(members.intersection(following))) for share, members in _SORTS]
    shares = [share if members else 0.0 for share, members in choices]
    ((_, chosen),) = random.choices(choices, shares)
    return random.choice(chosen)


def random_text(matcher: "Matcher", random: Random, length: int) -> bytes:
    """A random text of the language, from a matcher at its beginning over a vocabulary of bytes.

    After `length` bytes it is ended as soon as possible.  The law is none in particular.
    """
    text = bytearray()
    while not (matcher.is_accepting and random.random() < _END_SHARE):
        following = following_bytes(matcher)
        if not following:
            break
        if len(text) >= length:
            return bytes(text + matcher.shortest_completion())
        text.append(_byte(following, random))
        matcher.accept_text(bytes(text[-1:]))
    return bytes(text)


@takes_grammar
def example(
    grammar: GrammarChoice,
    count: Annotated[
        int, typer.Option("--random", metavar="N", min=0, help="So many random texts instead of the shortest one.")
    ] = 0,
    length: Annotated[int, typer.Option("--length", min=0, help="End random texts soon after so many bytes.")] = 60,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same texts.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print a shortest text of the language, or random ones."""
    import constrain

    language = grammar.build()
    with working("Searching …"):
        if count == 0:
            texts = [constrain.example(language)]
        else:
            random = Random(seed)
            compiled = constrain.compile(language, constrain.TokenizerIndex.of_bytes())
            found = (random_text(compiled.matcher(), random, length) for _ in range(count))
            texts = [text.decode("utf-8", "backslashreplace") for text in found]
    if as_json:
        print_json(texts)
    else:
        print("\n".join(texts))
