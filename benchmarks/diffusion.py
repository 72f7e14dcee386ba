"""Constrained diffusion decoding: quality on the embedded model's tasks, and the time of the kernels.

    python benchmarks/diffusion.py [--quick] [--json FILE] [--prompts 200] [--skip-tasks] [--skip-kernels]

Prints, for each task and method, the shares of texts that obey the grammar and that are right, calls of the model,
seconds a text, and seconds of making the constraint; then the kernel's time at a vocabulary of 126,464 tokens (LLaDA's)
against states, classes, block length and batch, and against DINGO's recurrence as it is published, O(length · states ·
V).
"""

import argparse
import json
import random
import re
import time
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

import constrain
from constrain.decoders.diffusion.automaton import Automaton
from constrain.decoders.diffusion.chart import Chart, ChartCanvas
from constrain.decoders.diffusion.decoding import DiffusionDecoding, Mode
from constrain.decoders.diffusion.lattice import Lattice
from constrain.decoders.diffusion.model import DiffusionModel
from constrain.decoders.diffusion.vertices import Hole
from constrain.embedded.tasks import Example, held_out_examples
from constrain.tokenizer_index.compiled import CompiledConstraint

_VOCABULARY = 126_464
_LENGTH = 48
_METHODS = ("free", "masks", "best", "sample", "chart")
_FORWARD_FLOP = 2 * 8.0e9  # a token of an 8-billion-parameter model


def _regex(example: Example) -> constrain.Grammar:
    """Expressions over the numbers of the problem with at most one pair of parentheses a factor, as one regex."""
    assert isinstance(example.description, str)
    numbers = "|".join(re.findall(r'"([0-9]+)"', example.description))
    product = rf"({numbers})( [*/] ({numbers}))*"
    total = rf"{product}( [+-] {product})*"
    factor = rf"(({numbers})|\({total}\))"
    return constrain.regex(rf"{factor}( [*/] {factor})*( [+-] {factor}( [*/] {factor})*)*")


def _grammar(task: str, example: Example) -> constrain.Grammar:
    if task == "json":
        assert not isinstance(example.description, str)
        schema = dict(example.description)
        return constrain.json_schema(schema, whitespace="json.dumps", escapes="needed", exponents=False)
    return _regex(example) if task == "regex" else example.grammar()


_TASKS = {"json": "tool_call", "sql": "sql", "regex": "arithmetic"}


def _chart(task: str, example: Example, grammar: constrain.Grammar, index: constrain.TokenizerIndex) -> Chart:
    """The chart of a task's grammar; SQL's lexemes are the same in every way of cutting a text."""
    if task == "sql":
        assert isinstance(example.description, str)
        grammar = constrain.lark(example.description, lexer="dynamic_complete")
    return Chart(grammar, index)


def _text(
    model: DiffusionModel, constraint: CompiledConstraint | Chart, method: str, prompt: str
) -> tuple[str, int, float]:
    rng, tokens, began = np.random.default_rng(0), model.encode(prompt), time.perf_counter()
    if method == "free":
        draw = DiffusionDecoding("masks", _LENGTH).draw_free(model, tokens, rng=rng)
    else:
        mode: Mode = "sample" if method == "sample" else "masks" if method == "masks" else "best"
        (draw,) = DiffusionDecoding(mode, _LENGTH).draw_batch(model, [constraint], [tokens], rngs=[rng])
    seconds = time.perf_counter() - began
    ended = draw.tokens[-1] in model.index.end_tokens
    return model.index.decode(draw.tokens).decode(errors="replace") + ("" if ended else "\0"), draw.calls, seconds


def _task(model: DiffusionModel, task: str, count: int) -> dict[str, dict[str, float]]:
    """By method, shares of valid and right texts, calls and seconds a text, and seconds of making a constraint."""
    sums = {method: np.zeros(5) for method in _METHODS}
    for example in held_out_examples(_TASKS[task], 20, count):
        grammar = _grammar(task, example)
        began = time.perf_counter()
        constraint = constrain.compile(grammar, model.index)
        constraint.token_dfa()
        middle = time.perf_counter()
        chart = _chart(task, example, grammar, model.index)
        ChartCanvas(chart, torch.full((1,), -1))  # makes what is made on demand
        made = {"free": 0.0, "chart": time.perf_counter() - middle}
        for method in _METHODS:
            text, calls, seconds = _text(model, chart if method == "chart" else constraint, method, example.prompt)
            ready = made.get(method, middle - began)
            sums[method] += [constraint.accepts(text), example.is_correct(text), calls, seconds, ready]
    names = ("valid", "correct", "calls", "seconds", "compile")
    return {method: dict(zip(names, (sums[method] / count).tolist(), strict=True)) for method in _METHODS}


# The kernel


def _automaton(states: int, classes: int, seed: int = 0, out: int = 8) -> tuple[Automaton, np.ndarray, np.ndarray]:
    """A random automaton with `out` ways on from each state, and its classes and table."""
    rng = np.random.default_rng(seed)
    sizes = rng.dirichlet(np.full(classes, 0.2))
    of_token = rng.choice(classes, _VOCABULARY, p=sizes)
    table = np.full((states, classes), -1, np.int64)
    for state in range(states):
        chosen = rng.choice(classes, min(out, classes), replace=False)
        table[state, chosen] = rng.integers(0, states, len(chosen))
    sources, labels = np.nonzero(table >= 0)
    edges = zip(sources.tolist(), labels.tolist(), table[sources, labels].tolist(), strict=True)
    made = Automaton.from_edges(torch.from_numpy(of_token), edges, [0], range(states), states, classes)
    return made, of_token, table


def _dingo(of_token: np.ndarray, table: np.ndarray, weights: torch.Tensor) -> float:
    """The best weight by the published recurrence: for each position and state, over all tokens."""
    states = len(table)
    following = torch.from_numpy(np.where(table < 0, states, table)[:, of_token])
    best = torch.full((states,), -torch.inf, dtype=torch.float64)
    best[0] = 0
    for row in weights:
        step = torch.full((states, states + 1), -torch.inf)
        step.scatter_reduce_(1, following, row.expand(states, -1), "amax")
        best = (best[:, None] + step[:, :states].double()).amax(dim=0)
    return float(best.max())


def _timed(run: Callable[[], object], repeats: int = 3) -> float:
    """The least seconds of some runs."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def _asked(ask: Callable[[Lattice], object], automaton: Automaton, logits: torch.Tensor) -> object:
    return ask(Lattice(automaton, logits))


def _kernel(states: int, classes: int, length: int, batch: int) -> dict[str, float]:
    automaton, _, _ = _automaton(states, classes)
    logits = torch.randn(batch, length, _VOCABULARY, generator=torch.Generator().manual_seed(0))
    answers: dict[str, Callable[[Lattice], object]] = {
        "best": Lattice.best,
        "mass": Lattice.log_mass,
        "marginals": Lattice.marginals,
        "sample": Lattice.sample,
    }
    found = {name: 1e3 * _timed(partial(_asked, ask, automaton, logits)) for name, ask in answers.items()}
    return {"states": states, "classes": classes, "length": length, "batch": batch, **found}


def _scaling(*, quick: bool) -> list[dict[str, float]]:
    base = {"states": 100, "classes": 200, "length": 32, "batch": 1}
    axes = {"states": [10, 100, 1000], "classes": [20, 2000], "length": [64, 128], "batch": [4]}
    if quick:
        axes = {"states": [100]}
    return [_kernel(**{**base, axis: value}) for axis, values in axes.items() for value in values]


def _against_dingo(*, quick: bool) -> list[dict[str, float]]:
    rows = []
    for states in (50,) if quick else (50, 200):
        automaton, of_token, table = _automaton(states, 200)
        logits = torch.randn(1, 32, _VOCABULARY, generator=torch.Generator().manual_seed(1))
        ours = _timed(partial(_asked, Lattice.best, automaton, logits))
        direct = _timed(partial(_dingo, of_token, table, logits[0]), 1)
        value = float(Lattice(automaton, logits).best()[1])
        assert abs(value - _dingo(of_token, table, logits[0])) < 1e-3 * abs(value)
        rows.append({"states": states, "ours_ms": 1e3 * ours, "direct_ms": 1e3 * direct, "ratio": direct / ours})
    return rows


def _forward(length: int) -> float:
    """Seconds that an 8-billion-parameter forward of so many positions takes at this device's matrix speed."""
    size = 2048
    left, right = torch.randn(size, size), torch.randn(size, size)
    speed = 2 * size**3 / _timed(lambda: left @ right)
    return _FORWARD_FLOP * length / speed


_CODE = """
start: stmt*
stmt: "if (" expr ") " stmt | "while (" expr ") " stmt | "{ " stmt* "} " | NAME " = " expr "; " | "return " expr "; "
expr: term ((" + "|" - "|" < "|" == ") term)*
term: atom ((" * "|" / ") atom)*
atom: NAME | NUMBER | "(" expr ")" | NAME "(" [expr (", " expr)*] ")"
NAME: /[a-z]+/
NUMBER: /[0-9]+/
"""
_SQL = """
start: query
query: "SELECT " cols " FROM " NAME (" WHERE " cond)?
cols: NAME (", " NAME)*
cond: prim ((" AND " | " OR ") prim)*
prim: NAME (" = "|" < "|" > ") (NUMBER|STRING) | "(" cond ")" | NAME " IN (" query ")"
NAME: /[a-z]+/
NUMBER: /[0-9]+/
STRING: /'[^']*'/
"""


def _long(name: str, size: int) -> str:
    """A text of some 32 tokens times `size`."""
    if name == "json":
        return json.dumps([{"id": i, "name": "ab", "tags": ["x", None, 1.5]} for i in range(size)])
    if name == "sql":
        return "SELECT power FROM t WHERE " + " OR ".join(["(a = 3 AND (b < 4 OR c = 'xy'))"] * (5 * size // 4 + 1))
    return "{ " + "if (a < f(b, 3)) { x = (a + 2) * y; return x; } " * size + "} "


def _spread(name: str, seconds: list[float]) -> dict[str, float]:
    """Milliseconds in the mean, the median and the 99th percentile."""
    times = 1e3 * np.array(seconds)
    return {f"{name}_mean": times.mean(), f"{name}_p50": np.median(times), f"{name}_p99": np.quantile(times, 0.99)}


def _committing(chart: Chart, tokens: list[int], order: list[int]) -> dict[str, float]:
    """On a canvas of masks, tokens that are committed in some order, and others that are only tried before them."""
    draw = random.Random(1)
    committed, tried = [], []
    canvas = ChartCanvas(chart, torch.full((len(tokens),), -1))
    canvas.is_completable()
    for place in order:
        began = time.process_time()
        assert canvas.commit(place, tokens[place])
        committed.append(time.process_time() - began)
    canvas = ChartCanvas(chart, torch.full((len(tokens),), -1))
    for place in order:
        wrong = draw.randrange(chart.index.vocab_size)
        began = time.process_time()
        canvas.can_commit(place, wrong)
        tried.append(time.process_time() - began)
        assert canvas.commit(place, tokens[place])
    return _spread("commit", committed) | _spread("try", tried)


def _masking(chart: Chart, tokens: list[int], order: list[int]) -> dict[str, float]:
    """Masks of all positions, with none, an eighth, … of the positions known."""
    canvas, seconds = ChartCanvas(chart, torch.full((len(tokens),), -1)), []
    for part in range(8):
        began = time.process_time()
        canvas.allowed()
        seconds.append(time.process_time() - began)
        for place in order[part * len(order) // 8 : (part + 1) * len(order) // 8]:
            assert canvas.commit(place, tokens[place])
    return {"masks_p50": 1e3 * float(np.median(seconds)), "masks_max": 1e3 * max(seconds)}


def _completability(*, quick: bool) -> list[dict[str, Any]]:
    """Milliseconds a committed token, in random order and from left to right, of the masks of all positions, and of a
    best completion of 64 positions under random laws; processor time, as machines are shared.
    """
    index = constrain.load("embedded-diffusion").index
    library = files("constrain.grammars.library").joinpath("json.lark").read_text()
    rows = []
    for name, source in {"json": library, "sql": _SQL, "c": _CODE}.items():
        began = time.process_time()
        chart = Chart(constrain.lark(source, lexer="dynamic_complete"), index)
        moves = chart.moves
        row: dict[str, Any] = {"grammar": name, "compile_ms": 1e3 * (time.process_time() - began)}
        tokens = index.encode(_long(name, 1 if quick else 8)) or []
        row |= {"positions": len(tokens), "classes": len(moves.actions.classes), "states": moves.states}
        order = random.Random(0).sample(range(len(tokens)), len(tokens))
        _committing(chart, tokens, order[:1])  # kernels are compiled or loaded
        row |= _committing(chart, tokens, order) | _masking(chart, tokens, order)
        written = []
        for i in range(len(tokens)):
            began = time.process_time()
            assert chart.is_completable([*tokens[: i + 1], Hole()])
            written.append(time.process_time() - began)
        row |= _spread("left_to_right", written)
        law = torch.randn((64, index.vocab_size), generator=torch.Generator().manual_seed(0)).log_softmax(-1)
        canvas = ChartCanvas(chart, torch.full((64,), -1))
        canvas.best(law)
        began = time.process_time()
        canvas.best(law)
        row["best_64"] = 1e3 * (time.process_time() - began)
        rows.append(row)
    return rows


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{title}", flush=True)
    print("  ".join(f"{name:>10}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>10.3g}" if isinstance(value, float) else f"{value:>10}" for value in row.values()))


def _measure_kernels(report: dict[str, Any], *, quick: bool) -> None:
    """Measure and print what depends on no model."""
    report["kernel"] = _scaling(quick=quick)
    _table("kernel, milliseconds", report["kernel"])
    report["dingo"] = _against_dingo(quick=quick)
    _table("against the published recurrence", report["dingo"])
    report["completability"] = _completability(quick=quick)
    _table("context-free completability, milliseconds", report["completability"])
    overheads = []
    for row in report["kernel"]:
        forward = _forward(int(row["length"]) * int(row["batch"]))
        overheads.append({"length": row["length"], "forward_s": forward, "share": row["best"] / 1e3 / forward})
    report["overhead"] = overheads
    _table("share of an 8-billion-parameter forward of the block alone (2 · 8e9 FLOP a position)", overheads)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few prompts and sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    parser.add_argument("--prompts", type=int, help="prompts a task; 200, or 5 with --quick")
    parser.add_argument("--skip-tasks", action="store_true", help="kernels only")
    parser.add_argument("--skip-kernels", action="store_true", help="tasks only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    report: dict[str, Any] = {"threads": 1, "vocabulary": _VOCABULARY}
    if not options.skip_tasks:
        model = constrain.load("embedded-diffusion")
        count = options.prompts or (5 if options.quick else 200)
        report["tasks"] = {}
        for task in _TASKS:
            found = _task(model, task, count)
            report["tasks"][task] = found
            _table(f"{task}, {count} prompts", [{"method": name, **row} for name, row in found.items()])
    if not options.skip_kernels:
        _measure_kernels(report, quick=options.quick)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
