"""SynCode's masks of given tokens: a process of its own, since SynCode asks for other versions of what we use.

    PYTHON syncode_worker.py < request

The request is an object in JSON: `grammar`, the name of one of SynCode's; `tokenizer`, a folder; `mode`, SynCode's
"grammar_mask" or "grammar_strict"; `texts`, lists of token ids; `seconds`, the most for all texts.  One object in JSON
a line comes back as soon as it is known:

    {"versions": {…}}
    {"made": s}       seconds of the processor for the grammar's parser and mask store, which goes to the folder
                      SYNCODE_CACHE; if it is not there yet
    {"loaded": s}     … with what is kept there
    {"first": s}      seconds for the first mask
    {"text": i, "times": […], "refused": […], "failed": […], "open": n, "ended": …}

Times are in seconds, of the masks before the first token, the second, ….  Refused are the places of tokens that their
masks do not have; reading goes on behind them.  Failed are those where SynCode's parser raises an error, upon which the
mask has all tokens; as many other masks as `open` says have all tokens, too.  A text ends early where SynCode itself
raises (the error), or where the time is over ("time").
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any


def stores() -> set[Path]:
    """The mask stores that are kept."""
    return set(Path(os.environ["SYNCODE_CACHE"]).rglob("mask_stores/*/*"))


def read(processor: Any, tokens: list[int], vocab_size: int, end: float) -> dict[str, Any]:
    """The masks of a text."""
    import torch

    processor.reset()
    times: list[float] = []
    refused: list[int] = []
    failed: list[int] = []
    everything, ended = 0, None
    for place, token in enumerate(tokens):
        if time.monotonic() >= end:
            ended = "time"
            break
        before, scores = torch.tensor([tokens[:place]], dtype=torch.long), torch.zeros(1, vocab_size)
        processor.grammar_engine.parse_failed = False  # of this mask, not of one before it
        start = time.perf_counter()
        try:
            scores = processor(before, scores)
        except Exception as error:  # whatever it is, it is an outcome to report
            ended = f"{type(error).__name__}: {error}"[:300]
            break
        times.append(time.perf_counter() - start)
        allowed = torch.isfinite(scores[0])
        if processor.grammar_engine.parse_failed:
            failed.append(place)
        elif bool(allowed.all()):
            everything += 1
        elif not bool(allowed[token]):
            refused.append(place)
    return {"times": times, "refused": refused, "failed": failed, "open": everything, "ended": ended}


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
        label, kept = "", stores()
        while label != "loaded":
            start = time.process_time()
            processor: Any = SyncodeLogitsProcessor(Grammar(request["grammar"]), tokenizer, mode=request["mode"])
            elapsed = time.process_time() - start
            label, kept = ("made" if stores() != kept else "loaded"), stores()
            answer(**{label: elapsed})
        vocab_size = len(tokenizer)
        start = time.perf_counter()
        processor(torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, vocab_size))
        answer(first=time.perf_counter() - start)
        end = time.monotonic() + request["seconds"]
        for number, tokens in enumerate(request["texts"]):
            answer(text=number, **read(processor, tokens, vocab_size, end))


if __name__ == "__main__":
    main()
