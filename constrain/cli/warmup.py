"""``constrain warmup``: compiles all kernels now, so that no later process has to.

Kernels are compiled when they are first called, and kept on disk (see `constrain.grammars.automata._jit`).  The way
to compile all of them, with the types they are really called with, is to use them: a small vocabulary, and one
grammar of each sort.
"""

import pkgutil
import time
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constrain.cli.output import AsJson, print_json, seconds, working

if TYPE_CHECKING:
    from constrain.grammars.ir import Grammar

__all__ = ["exercise", "kernel_folders", "kernels", "warmup"]

_PACKAGES = ("constrain.grammars.automata", "constrain.tokenizer_index")

# One that nests, has names of its own, numbers and lists: the rows of its strings are large.
_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 200},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 9},
        "score": {"type": "number", "minimum": 0, "multipleOf": 0.5},
        "pairs": {"type": "array", "uniqueItems": True, "items": {"type": "array", "items": {"type": "number"}}},
        "next": {"$ref": "#"},
    },
    "patternProperties": {"^x-": {"enum": ["a", "b"]}},
    "required": ["name"],
}
_TEXT = b'{"name": "ab", "tags": ["a", "b"], "score": 1, "pairs": [[1], []], "x-1": "a", "other": {"k": [null, 1e3]}}'
_LARK = 'start: start "+" start | "(" start ")" | NAME NAME*\nNAME: /[a-z]+/\n%ignore " "\n'
_EBNF = 'root ::= "(" root? ")" ([a-z]{2,500} "forced text")* | root "+" <|end|>'


def kernels() -> Iterator[tuple[str, Any]]:
    """The kernels of the package that are kept on disk: their names and numba's dispatchers."""
    from numba.core.dispatcher import Dispatcher

    for package_name in _PACKAGES:
        package = import_module(package_name)
        for found in pkgutil.iter_modules(package.__path__, f"{package_name}."):
            for name, value in vars(import_module(found.name)).items():
                if isinstance(value, Dispatcher) and value.py_func.__module__ == found.name and value.stats.cache_path:
                    yield f"{found.name}.{name}", value


def kernel_folders() -> list[Path]:
    """The folders in which numba keeps the compiled kernels."""
    return sorted({Path(kernel.stats.cache_path) for _, kernel in kernels()})


def _vocabulary() -> Any:
    from constrain.tokenizer_index.vocabulary import Vocabulary

    words = [b'",', b'{"', b'": ', b'"]', b"abc", b" ab", b"forced", b" text"]
    pairs = [bytes(pair) for pair in product(range(0x20, 0x7F), repeat=2)]  # the rows of strings become large ones
    tokens = (*(bytes([byte]) for byte in range(256)), *words, *pairs, b"", b"")
    end = len(tokens) - 1
    special = {"<|end|>": end - 1, "<end>": end}
    return Vocabulary(tokens, special, (end,), True, lambda text: list(text.encode()))


def _use(grammar: "Grammar", index: Any, text: bytes) -> None:
    """Ask a matcher everything that compiles a kernel."""
    import constrain

    compiled = constrain.compile(grammar, index)
    matcher = compiled.matcher()
    bitmask = constrain.allocate_token_bitmask(1, index.vocab_size)
    for byte in text:
        matcher.fill_next_token_bitmask(bitmask)
        if not matcher.accept_token(byte):
            raise AssertionError(f"{text!r} is not in the language of the warm-up")
    matcher.fill_next_token_bitmask(bitmask)
    matcher.reset()
    matcher.forced_tokens()
    matcher.accept_text(text[:1])
    matcher.shortest_completion()
    constrain.BatchMatcher([matcher]).fill_next_token_bitmask(bitmask)
    compiled.start.states.engine.plain_mask(compiled.start.number, 0, bitmask[0])


def _use_logits() -> None:
    """Mask and draw as on a machine without a GPU."""
    import torch

    from constrain.decoders.kernels.bitmask import apply_token_bitmask_inplace
    from constrain.decoders.kernels.sampling import sample_tokens

    logits, mask = torch.zeros(1, 32), torch.ones(1, 1, dtype=torch.int32)
    apply_token_bitmask_inplace(logits, mask, backend="cpu")
    sample_tokens(logits, mask, top_k=1, top_p=0.5, backend="cpu")


def exercise() -> None:
    """Use every kernel once."""
    import constrain
    from constrain.tokenizer_index.index import TokenizerIndex

    index = TokenizerIndex.from_tokenizer(_vocabulary(), cache=False)
    _use(constrain.json_schema(_SCHEMA), index, _TEXT)
    _use(constrain.lark(_LARK), index, b"a + (b c)")
    _use(constrain.ebnf(_EBNF), index, b"()ab")
    _use(constrain.regex(r"(?=.*\d)(?!ab)\w{2,40}(?<!1)"), index, b"x1y")
    _use(constrain.choice(["forced text", "forced"]), index, b"forced")
    constrain.compile(constrain.regex("[ab]{2}"), index).token_dfa()
    _use_logits()


def warmup(as_json: AsJson = False) -> None:
    """Compile the kernels and keep them on disk; about a minute the first time, nothing to do later."""
    start = time.perf_counter()
    with working("Compiling kernels …"):
        exercise()
    elapsed = time.perf_counter() - start
    used = [kernel.stats for _, kernel in kernels()]
    compiled = sum(sum(stats.cache_misses.values()) for stats in used)
    if as_json:
        print_json({"seconds": elapsed, "kernels": len(used), "compiled": compiled})
    else:
        print(f"{len(used)} kernels ready in {seconds(elapsed)}; {compiled} were compiled, the others were on disk")
