"""Masks and draws where the logits are: identity, time, bandwidth, and tokens a second of a model.

    python benchmarks/kernels.py [--tokenizer DIR] [--quick] [--json FILE]

*Identity*: random logits, some scaled by a high temperature, choose the tokens of 10,000 sequences under 50 finite
constraints, on the device automaton and on the host with matchers and the reference; all tokens must be the same.
*Time*: milliseconds of masking and of drawing a token on this machine's processor, each backend in turn.

On a GPU also: *bandwidth* of each kernel beside a copy on the device and xgrammar's kernels, and *tokens a second* of a
Llama of about 1 billion random weights, without constraint, with masks from the host, with masks that stay on the
device, and with the automaton on the device.  Without a GPU a Llama of two small layers takes these steps, to show that
they work; its figures say nothing of a GPU.
"""

import argparse
import importlib.util
import json
import os
import platform
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import constrain
from constrain.decoders.kernels.automaton import DeviceAutomaton, DeviceSequences
from constrain.decoders.kernels.backends import backend_for
from constrain.decoders.kernels.row_table import RowTable
from constrain.decoders.kernels.sampling import draw_tokens, sample_tokens

Figures = dict[str, Any]

WORDS = "time person year way day thing man world life hand part child eye woman place work week case point".split()
PATTERNS = (
    r"[0-9]{4}-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])",
    r"(yes|no|perhaps|never)",
    r"[A-Z][a-z]{1,12}( [A-Z][a-z]{1,12}){0,2}",
    r"\+?[0-9]{1,3} [0-9]{3}-[0-9]{3,4}",
    r"#[0-9a-f]{6}",
    r"(time|person|year|way)(, (day|thing|man|world)){0,4}\.",
    r'\{"name": "[a-z ]{1,10}", "age": [1-9][0-9]?\}',
    r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?(e[+-]?[0-9]{1,2})?",
    r"[^\"\\]{0,20}",
    r"(ab|c)*d?",
)


def vocabulary() -> constrain.TokenizerIndex:
    """Bytes, pairs of letters, words with and without a space, and an end."""
    letters = "abcdefghijklmnopqrstuvwxyz "
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [(a + b).encode() for a in letters for b in letters]
    tokens += [f"{space}{word}".encode() for word in WORDS for space in ("", " ")]
    tokens += [str(number).encode() for number in range(10, 1000)]
    return constrain.TokenizerIndex.from_tokenizer([*tokens, b""], end_tokens=[len(tokens)], cache=False)


def constraints(index: constrain.TokenizerIndex, count: int) -> list[constrain.CompiledConstraint]:
    """Finite constraints: patterns, alone and followed by words."""
    choice, made = random.Random(0), []
    for number in range(count):
        pattern = PATTERNS[number % len(PATTERNS)]
        if number >= len(PATTERNS):
            words = "|".join(choice.sample(WORDS, 3))
            pattern = f"({pattern})( ({words})){{1,{number // len(PATTERNS)}}}"
        made.append(constrain.compile(constrain.regex(pattern), index))
    return made


def identity(index: constrain.TokenizerIndex, device: torch.device, sequences: int, count: int) -> Figures:
    """Sequences of each constraint side by side, until all are finished or have 64 tokens."""
    width, tokens, differing, start = index.vocab_size + 7, 0, 0, time.perf_counter()
    generator = torch.Generator().manual_seed(0)
    for number, constraint in enumerate(constraints(index, count)):
        here = DeviceAutomaton([constraint], device).sequences([0] * sequences, seed=number)
        batch = constrain.BatchMatcher([constraint.matcher() for _ in range(sequences)])
        bitmask = constrain.allocate_token_bitmask(sequences, index.vocab_size)
        temperatures = torch.tensor([0.0, 1.0, 5.0])[torch.arange(sequences) % 3]
        for step in range(64):
            logits = 2 * torch.randn(sequences, width, generator=generator)
            batch.fill_next_token_bitmask(bitmask)
            drawn = here.draw(logits.to(device), temperature=temperatures.to(device)).tokens.tolist()
            host = sample_tokens(logits, bitmask, temperature=temperatures, seed=number, step=step, backend="torch")
            agree = np.array(drawn) == host.tokens.numpy()
            tokens += sequences
            differing += int((~agree).sum())
            if not (batch.accept_tokens(drawn).all() and here.finished.tolist() == batch.is_finished.tolist()):
                raise AssertionError(f"constraint {number} allows other tokens on the device, or ends elsewhere")
            if batch.is_finished.all():
                break
        here.check()
    seconds = time.perf_counter() - start
    return {"constraints": count, "sequences": sequences * count, "tokens": tokens, "differing": differing} | {
        "seconds": seconds
    }


# Time on the processor


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """The median of several runs, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


def random_mask(batch: int, width: int, share: float, device: torch.device) -> torch.Tensor:
    """Masks that allow a share of all tokens, in runs as vocabularies have them: int32 [batch, words]."""
    rng = np.random.default_rng(0)
    runs = rng.random((batch, -(-width // 256))) < share
    bits = np.repeat(runs, 256, axis=1)[:, :width] & (rng.random((batch, width)) < 0.9)
    bits[:, 7] = True
    packed = np.ascontiguousarray(np.packbits(np.pad(bits, ((0, 0), (0, -width % 32))), axis=1, bitorder="little"))
    return torch.from_numpy(packed.view(np.int32)).to(device)


def unfused(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A draw as one writes it with PyTorch: mask, softmax, multinomial."""
    masked = logits.clone()
    constrain.apply_token_bitmask_inplace(masked, mask, backend="torch")
    return torch.multinomial(torch.softmax(masked, dim=-1), 1)


def processor_times(batches: list[int], width: int, repeats: int) -> list[Figures]:
    """Masking and drawing, float32, half of the tokens allowed."""
    rows = []
    for batch in batches:
        logits, mask = torch.randn(batch, width), random_mask(batch, width, 0.5, torch.device("cpu"))

        def apply(backend: str, logits: torch.Tensor = logits, mask: torch.Tensor = mask) -> Callable[[], object]:
            return lambda: constrain.apply_token_bitmask_inplace(logits, mask, backend=backend)

        def draw(
            backend: str, logits: torch.Tensor = logits, mask: torch.Tensor = mask, **options: float
        ) -> Callable[[], object]:
            return lambda: sample_tokens(logits, mask, backend=backend, **options)

        works = {
            "apply, cpu": apply("cpu"),
            "apply, torch": apply("torch"),
            "apply, torch_compile": apply("torch_compile"),
            "draw, cpu": draw("cpu"),
            "draw, torch": draw("torch"),
            "draw, mask + softmax + multinomial": lambda logits=logits, mask=mask: unfused(logits, mask),
            "draw with top-k 50 and top-p 0.9, cpu": draw("cpu", top_k=50, top_p=0.9),
            "draw with top-k 50 and top-p 0.9, torch": draw("torch", top_k=50, top_p=0.9),
        }
        if importlib.util.find_spec("xgrammar") is not None:
            import xgrammar

            works["apply, xgrammar"] = lambda logits=logits, mask=mask: xgrammar.apply_token_bitmask_inplace(
                logits, mask
            )
        for name, work in works.items():
            rows.append({"work": name, "batch": batch, "milliseconds": milliseconds(work, repeats)})
    return rows


# Bandwidth on a GPU


def device_milliseconds(work: Callable[[], object], repeats: int = 30) -> float:
    """The median by the device's own clock; the cache is overwritten before each run."""
    flush = torch.empty(1 << 28, dtype=torch.int8, device="cuda")
    for _ in range(5):
        work()
    times = []
    for _ in range(repeats):
        flush.zero_()
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return float(np.median(times))


def bandwidth(width: int, batches: list[int]) -> list[Figures]:
    """Bytes a second of what must be moved, over those of a copy.

    Masking writes the forbidden logits and reads the masks; a draw reads logits and masks.
    """
    device = torch.device("cuda")
    source = torch.empty(1 << 28, dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    copied = 2 * source.numel() / device_milliseconds(lambda: target.copy_(source))
    rows: list[Figures] = [{"kernel": "copy", "GB/s": copied / 1e6}]
    zeros = torch.zeros(max(batches), dtype=torch.int64, device=device)
    for batch in batches:
        for share in (0.02, 0.98):
            mask = random_mask(batch, width, share, device)
            allowed = int(sum(((mask >> bit) & 1).sum() for bit in range(32)))
            for dtype in (torch.bfloat16, torch.float32):
                logits = torch.randn(batch, width, device=device).to(dtype)
                written = (logits.numel() - allowed) * logits.element_size() + 4 * mask.numel()
                read = logits.numel() * logits.element_size() + 4 * mask.numel()
                works: dict[str, tuple[int, Callable[[], object]]] = {}
                for backend in ("triton", "torch_compile", "torch"):
                    found = backend_for(backend, device)
                    works[f"apply, {backend}"] = written, lambda f=found, a=logits, m=mask: f.apply(a, m, None, None)
                    works[f"draw, {backend}"] = (
                        read,
                        lambda b=backend, a=logits, m=mask: draw_tokens(
                            a, m, seeds=zeros[: len(a)], places=zeros[: len(a)], backend=b
                        ),
                    )
                if importlib.util.find_spec("xgrammar") is not None:
                    import xgrammar

                    for backend in ("triton", "cuda", "torch_compile"):
                        works[f"apply, xgrammar {backend}"] = (
                            written,
                            lambda b=backend, a=logits, m=mask: xgrammar.apply_token_bitmask_inplace(a, m, backend=b),
                        )
                for name, (size, work) in works.items():
                    speed = size / device_milliseconds(work)
                    rows.append(
                        {"kernel": name, "batch": batch, "allowed": share, "type": str(dtype), "GB/s": speed / 1e6}
                        | {"of a copy": speed / copied}
                    )
    return rows


# Tokens a second of a model


class Steps:
    """A Llama of random weights that reads one token of each sequence; on a GPU its step is a CUDA graph."""

    def __init__(self, width: int, batch: int, length: int, device: torch.device) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM, StaticCache

        large = device.type == "cuda"
        config = LlamaConfig(
            vocab_size=width,
            hidden_size=2048 if large else 64,
            intermediate_size=8192 if large else 128,
            num_hidden_layers=16 if large else 2,
            num_attention_heads=32 if large else 4,
            num_key_value_heads=8 if large else 2,
            max_position_embeddings=max(2048, length),
            tie_word_embeddings=True,
            torch_dtype=torch.bfloat16 if large else torch.float32,
        )
        torch.manual_seed(0)
        with torch.device(device):
            self.model = LlamaForCausalLM(config).to(torch.bfloat16 if large else torch.float32).eval()
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.device, self.batch = device, batch
        self.cache = StaticCache(config, max_cache_len=length)
        self.tokens = torch.zeros((batch, 1), dtype=torch.int64, device=device)
        self.place = torch.zeros(1, dtype=torch.int64, device=device)

    def logits(self) -> torch.Tensor:
        """The logits of the next tokens, [batch, width], after reading `tokens`."""
        out = self.model(
            self.tokens,
            past_key_values=self.cache,
            position_ids=self.place.unsqueeze(0).expand(self.batch, 1),
            cache_position=self.place,
            use_cache=True,
        )
        self.place += 1
        return out.logits[:, -1]

    def rewind(self) -> None:
        """Begin anew."""
        self.place.zero_()
        self.tokens.zero_()
        self.cache.reset()


def captured(work: Callable[[], Any], device: torch.device) -> tuple[Callable[[], None], Any]:
    """What does the work again, and its result, which is overwritten each time; a CUDA graph on a GPU."""
    if device.type != "cuda":
        result = work()

        def again() -> None:
            fresh = work()
            for old, new in zip(_tensors(result), _tensors(fresh), strict=True):
                old.copy_(new)

        return again, result
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()
    return graph.replay, result


def _tensors(result: Any) -> list[torch.Tensor]:
    return [result] if isinstance(result, torch.Tensor) else list(result)


MODES = ("unconstrained", "host masks", "row table", "device automaton")


def tokens_a_second(index: constrain.TokenizerIndex, batch: int, length: int, device: torch.device) -> dict[str, float]:
    """Of each mode, greedy tokens of all sequences together; the least time of three runs.

    The constraint, words for so many tokens and more, is finite and never ends before the run does.
    """
    width = max(-(-index.vocab_size // 64) * 64, 128256 if device.type == "cuda" else 0)
    constraint = constrain.compile(constrain.regex(f"[a-z ]{{{16 * length}}}"), index)
    steps = Steps(width, batch, length + 8, device)
    automaton = DeviceAutomaton([constraint], device)
    zeros = torch.zeros(batch, dtype=torch.int64, device=device)
    table = RowTable(index.vocab_size, device, capacity=4096, max_rows=4096)
    with torch.inference_mode():
        forward, logits = captured(steps.logits, device)
        figures = {}
        for mode in MODES:
            here = automaton.sequences([None if mode == "unconstrained" else 0] * batch)
            alone = None
            if mode in ("unconstrained", "device automaton"):
                alone, _ = captured(lambda here=here: _whole_step(steps, here), device)
            least = float("inf")
            for _ in range(3):
                here.reset()
                steps.rewind()
                batch_matcher = constrain.BatchMatcher([constraint.matcher() for _ in range(batch)])
                bitmask = torch.from_numpy(constrain.allocate_token_bitmask(batch, index.vocab_size))
                bitmask = bitmask.pin_memory() if device.type == "cuda" else bitmask
                _wait(device)
                start = time.perf_counter()
                for _ in range(length):
                    if alone is not None:
                        alone()
                        continue
                    forward()
                    if mode == "row table":
                        sources = table.sources(batch_matcher)
                        words = table.words
                    else:
                        batch_matcher.fill_next_token_bitmask(bitmask)
                        words, sources = bitmask.to(device, non_blocking=True), None
                    drawn = draw_tokens(logits, words, sources, temperature=0.0, seeds=zeros, places=zeros)
                    steps.tokens.copy_(drawn.tokens.unsqueeze(-1))
                    assert batch_matcher.accept_tokens(drawn.tokens.cpu().numpy()).all()
                _wait(device)
                least = min(least, time.perf_counter() - start)
            here.check()
            figures[mode] = batch * length / least
    return figures | {"parameters": steps.parameters}


def _whole_step(steps: Steps, here: DeviceSequences) -> torch.Tensor:
    drawn = here.draw(steps.logits(), temperature=0.0)
    steps.tokens.copy_(drawn.tokens.unsqueeze(-1))
    return drawn.tokens


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


# All of it


def show(title: str, rows: list[Figures]) -> None:
    """Print figures as a table."""
    print(f"\n{title}")
    for row in rows:
        cells = [
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
        ]
        print("  " + ", ".join(cells))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="the folder of a tokenizer; else a small one")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    index = vocabulary()
    if options.tokenizer:
        from transformers import AutoTokenizer

        index = constrain.TokenizerIndex.from_tokenizer(AutoTokenizer.from_pretrained(options.tokenizer))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    name = torch.cuda.get_device_name() if gpu else None
    print(f"GPU: {name}" if gpu else "there is no GPU: no bandwidth, no speed of a large model")
    quick = options.quick
    report: Figures = {
        "machine": {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()},
        "gpu": name,
        "vocabulary": index.vocab_size,
        "identity": identity(index, device, 20 if quick else 200, 10 if quick else 50),
    }
    show("identity", [report["identity"]])
    report["processor"] = processor_times([1, 8] if quick else [1, 8, 64], 128256, 5 if quick else 15)
    show("milliseconds on the processor, 128,256 float32 logits, half of them allowed", report["processor"])
    if gpu:
        report["bandwidth"] = bandwidth(128256, [64] if quick else [1, 16, 64, 256, 512])
        show("bandwidth", report["bandwidth"])
    batches = [1, 8] if quick else [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] if gpu else [1, 8, 32]
    report["tokens a second"] = [
        {"batch": batch} | tokens_a_second(index, batch, 16 if quick else 128 if gpu else 32, device)
        for batch in batches
    ]
    show("tokens a second" + ("" if gpu else ", a toy on the processor"), report["tokens a second"])
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
