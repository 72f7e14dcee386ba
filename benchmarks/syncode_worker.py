"""SynCode's masks of given tokens: a process of its own, since SynCode asks for other versions of what we use.

    PYTHON syncode_worker.py < request

The request is an object in JSON: `grammar`, the name of one of SynCode's; `tokenizer`, a folder; `mode`, SynCode's
"grammar_mask" or "grammar_strict"; `texts`, lists of token ids; `seconds`, the most for all texts.  One object in JSON
a line comes back as soon as it is known:

    {"versions": {…}}
    {"made": s}       seconds to make the grammar's parser and mask store, with an empty folder in SYNCODE_CACHE
    {"loaded": s}     … with what is kept there now
    {"first": s}      seconds for the first mask
    {"text": i, "times": […], "refused": […], "ended": …}

Times are in seconds, of the masks before the first token, the second, ….  Refused are the places of tokens that their
masks do not have; reading goes on behind them.  A text ends early where a mask has all tokens ("all allowed": so does
SynCode when its parser fails), where SynCode raises (the error), or where the time is over ("time").
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from typing import Any


def read(processor: Any, tokens: list[int], vocab_size: int, end: float) -> dict[str, Any]:
    """The masks of a text."""
    import torch

    processor.reset()
    times: list[float] = []
    refused: list[int] = []
    ended = None
    for place, token in enumerate(tokens):
        if time.monotonic() >= end:
            ended = "time"
            break
        before, scores = torch.tensor([tokens[:place]], dtype=torch.long), torch.zeros(1, vocab_size)
        start = time.perf_counter()
        try:
            scores = processor(before, scores)
        except Exception as error:  # whatever it is, it is an outcome to report
            ended = f"{type(error).__name__}: {error}"[:300]
            break
        elapsed = time.perf_counter() - start
        allowed = torch.isfinite(scores[0])
        if bool(allowed.all()):
            ended = "all allowed"
            break
        times.append(elapsed)
        if not bool(allowed[token]):
            refused.append(place)
    return {"times": times, "refused": refused, "ended": ended}


def main() -> None:
    """Read the request, write what is found."""
    request = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def answer(**found: Any) -> None:
        print(json.dumps(found), file=answers, flush=True)

    with contextlib.redirect_stdout(sys.stderr):  # what libraries print is no answer
        import torch
        from syncode.grammar_mask.logits_processor import SyncodeLogitsProcessor
        from syncode.parsers.grammars import Grammar
        from transformers import AutoTokenizer

        torch.set_num_threads(1)
        versions = {name: importlib.metadata.version(name) for name in ("syncode", "torch", "transformers")}
        answer(versions={**versions, "python": platform.python_version()})
        tokenizer = AutoTokenizer.from_pretrained(request["tokenizer"])
        for label in ("made", "loaded"):
            start = time.perf_counter()
            processor: Any = SyncodeLogitsProcessor(Grammar(request["grammar"]), tokenizer, mode=request["mode"])
            answer(**{label: time.perf_counter() - start})
        vocab_size = len(tokenizer)
        start = time.perf_counter()
        processor(torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, vocab_size))
        answer(first=time.perf_counter() - start)
        end = time.monotonic() + request["seconds"]
        for number, tokens in enumerate(request["texts"]):
            answer(text=number, **read(processor, tokens, vocab_size, end))


if __name__ == "__main__":
    main()
