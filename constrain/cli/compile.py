"""``constrain compile``: what a grammar costs over a tokenizer."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from constrain.cli.grammars import GrammarChoice, takes_grammar
from constrain.cli.output import AsJson, print_json, print_table, seconds, size, working
from constrain.cli.tokenizers import Tokenizer, index_of

__all__ = ["compile_command"]


def _measured(grammar: GrammarChoice, tokenizer: str, save: Path | None) -> dict[str, Any]:
    import constrain

    times: dict[str, float] = {}

    def timed(name: str, start: float) -> float:
        now = time.perf_counter()
        times[name] = now - start
        return now

    now = time.perf_counter()
    index = index_of(tokenizer)
    now = timed("index_seconds", now)
    language = grammar.build()
    now = timed("grammar_seconds", now)
    compiled = constrain.compile(language, index)
    matcher = compiled.matcher()
    now = timed("compile_seconds", now)
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    matcher.fill_next_token_bitmask(bitmask)
    now = timed("first_mask_seconds", now)
    matcher.fill_next_token_bitmask(bitmask)
    timed("same_mask_seconds", now)
    figures: dict[str, Any] = {
        "vocab_size": index.vocab_size,
        "trie_nodes": len(index.trie),
        "rules": len(language.rules),
        "notes": [_note(one) for one in constrain.diagnostics(language)],
        "memory_bytes": compiled.memory_bytes(),
        **times,
    }
    if save is not None:
        compiled.save(save)
        figures["saved_bytes"] = save.stat().st_size
    return figures


def _note(diagnostic: Any) -> str:
    place = diagnostic.position
    where = "" if place is None else f" (line {place.line}, column {place.column})"
    return f"rule {diagnostic.rule!r} {diagnostic.message}{where}"


@takes_grammar
def compile_command(
    grammar: GrammarChoice,
    tokenizer: Tokenizer = "embedded",
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the compiled constraint.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compile a grammar over a tokenizer and show sizes and times.

    The first run after installation compiles kernels too; see `constrain warmup`.
    """
    with working("Compiling …"):
        figures = _measured(grammar, tokenizer, save)
    if as_json:
        print_json(figures)
        return
    print_table(
        {
            "vocabulary": f"{figures['vocab_size']:,} tokens, {figures['trie_nodes']:,} trie nodes",
            "rules": f"{figures['rules']:,} (others are made when they are first needed)",
            "automata": size(figures["memory_bytes"]),
            "index": seconds(figures["index_seconds"]),
            "grammar": seconds(figures["grammar_seconds"]),
            "compile": seconds(figures["compile_seconds"]),
            "first mask": seconds(figures["first_mask_seconds"]),
            "same mask again": seconds(figures["same_mask_seconds"]),
        }
        | ({"saved": f"{save} ({size(figures['saved_bytes'])})"} if save else {})
        | {f"note {number}": note for number, note in enumerate(figures["notes"], 1)}
    )
