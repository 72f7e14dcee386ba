"""``constrain explain``: what may come next after a text, and why."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from constrain.cli.grammars import GrammarChoice, takes_grammar
from constrain.cli.output import AsJson, bytes_text, print_json, print_table, working
from constrain.cli.tokenizers import Tokenizer, index_of
from constrain.verdicts import describe_bytes, following_bytes

if TYPE_CHECKING:
    from constrain.tokenizer_index.matcher import Matcher

__all__ = ["explain", "place_of"]


def _examples(matcher: "Matcher", allowed: list[int], count: int) -> list[dict[str, Any]]:
    """Some of the allowed tokens, spread over all of them: the id, and the text or the special token's name."""
    index = matcher.constraint.index
    names = {token: name for name, token in index.special_tokens.items()}
    chosen = allowed if len(allowed) <= count else [allowed[i * len(allowed) // count] for i in range(count)]
    return [
        {"id": token, "special": names[token]}
        if token in names
        else {"id": token, "text": index.tokens[token].decode("utf-8", "backslashreplace")}
        for token in chosen
    ]


def place_of(matcher: "Matcher", count: int) -> dict[str, Any]:
    """What is known of a matcher's place, with at most `count` allowed tokens, as a JSON object."""
    from constrain.tokenizer_index.awaited import awaited_terminals

    allowed = matcher.allowed_tokens()
    forced = matcher.forced_tokens()
    return {
        "may_end": matcher.is_accepting,
        "finished": matcher.is_finished,
        "vocab_size": matcher.constraint.index.vocab_size,
        "allowed": len(allowed),
        "examples": _examples(matcher, allowed, count),
        "terminals": awaited_terminals(matcher),
        "following": describe_bytes(following_bytes(matcher)),
        "forced_text": matcher.forced_text().decode("utf-8", "backslashreplace"),
        "forced_tokens": forced,
    }


def _print(prefix: str, place: dict[str, Any]) -> None:
    examples = [
        example.get("special") or bytes_text(example["text"].encode("utf-8", "surrogateescape"))
        for example in place["examples"]
    ]
    rest = place["allowed"] - len(examples)
    rows = {
        "after": bytes_text(prefix.encode("utf-8", "surrogateescape")),
        "allowed tokens": f"{place['allowed']:,} of {place['vocab_size']:,}",
        "such as": " ".join(examples) + (f" and {rest:,} others" if rest else ""),
        "being read": ", ".join(place["terminals"]) or "–",
        "next character": ", ".join(place["following"]) or "none",
        "may end here": "yes" if place["may_end"] else "no",
    }
    if place["forced_text"]:
        rows["forced text"] = bytes_text(place["forced_text"].encode())
        rows["forced tokens"] = " ".join(map(str, place["forced_tokens"])) or "none yet: a longer token could take over"
    print_table(rows)


@takes_grammar
def explain(
    grammar: GrammarChoice,
    prefix: Annotated[str, typer.Argument(help="The text so far.")] = "",
    tokenizer: Tokenizer = "embedded",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many allowed tokens to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show which tokens are allowed after a text, what is being read there, and what is forced.

    Exit code 1 when the text is not the beginning of a valid one; `check` shows where it stops being one.
    """
    import constrain

    with working("Compiling …"):
        matcher = constrain.compile(grammar.build(), index_of(tokenizer)).matcher()
        read = matcher.accept_text(prefix)
        place = place_of(matcher, count) if read else {}
    if as_json:
        print_json({"prefix": read, **place})
    elif read:
        _print(prefix, place)
    else:
        print("no text of the language begins so (constrain check shows where it leaves the language)")
    raise typer.Exit(0 if read else 1)
