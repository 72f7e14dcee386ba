"""Samplers beside each other: laws, valid samples per call of the model, seconds.

    python benchmarks/samplers.py [--quick] [--tokenizer DIR] [--json FILE]

Four parts, on the embedded model:

law       a grammar with a trap ("00000" or 1 and four bits, the family of the GAD paper): the exact law of every
          sampler by formula, and its Kullback-Leibler divergence from the model's law given the language
tasks     SQL, JSON and arithmetic at a temperature where the grammar matters: what a valid sample costs.  With
          genlm-control installed, its AWRS with SMC and equal particles, on the same laws and its own constraints
updates   time spent on the trie, beside ASAp as published
tokens    AWRS and full masking at the width of a tokenizer (``--tokenizer DIR``: 128,256 tokens for Llama 3), for
          constraints of increasing tightness; and means of the estimators over 10⁶ draws
"""

import argparse
import importlib.util
import json
import math
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from samplers_published import PublishedASAp
from samplers_tokens import estimator_means, token_costs

import constrain
from constrain.decoders.samplers import AWRS, CARS, MARS, MCMC, SMC, ASAp, Masking, Rejection, TokenTrie
from constrain.decoders.samplers.estimators import effective_sample_size, log_partition
from constrain.decoders.samplers.languages import begin
from constrain.decoders.samplers.mcmc import _log_proposal, _State
from constrain.decoders.samplers.scoring import Laws
from constrain.decoders.samplers.trie import NEW
from constrain.embedded.tasks import held_out_examples

BINARY = "00000|1[01]{4}"
BINARY_PROMPT = "Be a helpful assistant.\nBinary:\n"


# Laws


def explored(laws: Laws, constraint: Any, longest: int) -> tuple[TokenTrie, list[list[int]]]:
    """A trie with every sequence of a finite language, and the nodes of each."""
    trie, texts = TokenTrie(), []
    stack = [([0], begin(constraint, longest))]
    while stack:
        nodes, position = stack.pop()
        if position.is_complete:
            trie.close(nodes[-1], is_complete=True)
            texts.append(nodes)
            continue
        row, mask = laws.row(trie.prefix(nodes[-1])), position.mask()
        trie.expand(nodes[-1], row, mask)
        for token in np.flatnonzero(mask).tolist():
            after = position.fork()
            if after.read(token):
                stack.append(([*nodes, trie.touch(nodes[-1], token, row, mask)], after))
    return trie, texts


def divergence(law: np.ndarray, exact: np.ndarray) -> float:
    """KL(law ‖ exact), nats."""
    some = law > 0
    return float((law[some] * np.log(law[some] / exact[some])).sum())


def chain_laws(trie: TokenTrie, texts: list[list[int]], place: Any, start: np.ndarray, steps: list[int]) -> list[Any]:
    """The laws of MCMC after so many steps, by the transition matrix."""
    states = [_State(nodes, trie, place) for nodes in texts]
    size = len(states)
    matrix = np.zeros((size, size))
    for i, old in enumerate(states):
        for j, new in enumerate(states):
            if i != j:
                forward = _log_proposal(old, new)
                gain = new.log_probability - old.log_probability + _log_proposal(new, old) - forward
                matrix[i, j] = math.exp(forward + min(0.0, gain))
        matrix[i, i] = 1 - matrix[i].sum()
    return [start @ np.linalg.matrix_power(matrix, step) for step in steps]


def learned_law(trie: TokenTrie, full: TokenTrie, texts: list[list[int]]) -> np.ndarray:
    """The law of the next ASAp draw from what a trie knows, for each text of the full trie."""
    law = []
    for nodes in texts:
        node, total = 0, 0.0
        for after in nodes[1:]:
            token, known = full.token[after], node >= 0 and trie.kind[node] != NEW
            child = trie.child(node, token) if known else -1
            bound = trie.log_bound[child] if child >= 0 else 0.0
            mass = trie.mass(node) if known else full.log_valid[full.parent[after]]
            total += full.log_p[after] + bound - mass if bound > -math.inf else -math.inf
            node = child
        law.append(math.exp(total))
    return np.array(law)


def laws_part(model: Any, quick: bool) -> dict[str, Any]:
    """The divergences of all samplers on the grammar with a trap."""
    constraint = constrain.compile(constrain.regex(BINARY), model.index)
    prompt = model.encode(BINARY_PROMPT)
    laws = Laws(model, prompt)
    full, texts = explored(laws, constraint, 7)
    log_p = np.array([sum(full.log_p[n] for n in nodes) for nodes in texts])
    exact = np.exp(log_p - np.logaddexp.reduce(log_p))
    states = [_State(nodes, full, "restart") for nodes in texts]
    masking = np.exp([state.log_rest[0] for state in states])
    steps = [1, 3, 10, 100]
    found: dict[str, Any] = {
        "sequences": len(texts),
        "log_z": float(np.logaddexp.reduce(log_p)),
        "masking": divergence(masking, exact),
    }
    for place in ("restart", "uniform", "priority"):
        for count, law in zip(steps, chain_laws(full, texts, place, masking, steps), strict=True):
            found[f"mcmc-{place} {count}"] = divergence(law, exact)
    options = {"max_new_tokens": 7}
    for count in (10, 100) if quick else (10, 100, 1000):
        values = []
        for seed in range(3 if quick else 10):
            trie = TokenTrie()
            ASAp(batch=1, trie=trie).draw(model, prompt, constraint, count, np.random.default_rng(seed), **options)
            values.append(divergence(learned_law(trie, full, texts), exact))
        found[f"asap after {count}"] = float(np.mean(values))
    place_of = {full.prefix(nodes[-1]): i for i, nodes in enumerate(texts)}
    draws = 500 if quick else 20_000
    for name, sampler in (("cars", CARS()), ("mars", MARS())):
        samples = constrain.decoders.samplers.estimators.accepted(  # type: ignore[attr-defined]
            sampler, model, prompt, constraint, draws, np.random.default_rng(0), **options
        )
        counts = np.bincount([place_of[sample.tokens] for sample in samples], minlength=len(texts))
        found[f"{name}, {draws} draws"] = divergence(counts / draws, exact)
    found["an exact sampler's noise"] = (len(texts) - 1) / (2 * draws)
    return found


# Tasks


def tasks_of() -> dict[str, dict[str, Any]]:
    """Prompts and grammars of three tasks, and the trap."""
    found = {"binary": {"prompt": BINARY_PROMPT, "grammar": constrain.regex(BINARY), "regex": BINARY, "length": 7}}
    for task, name in (("sql", "sql"), ("tool_call", "json"), ("arithmetic", "arithmetic")):
        example = held_out_examples(task, 0, 1)[0]
        is_schema = isinstance(example.description, dict)
        make: Callable[[Any], Any] = constrain.json_schema if is_schema else constrain.lark
        found[name] = {"prompt": example.prompt, "grammar": make(example.description), "length": 60}
        if not is_schema:
            found[name]["lark"] = example.description
    return found


SAMPLERS: dict[str, Any] = {
    "rejection": Rejection,
    "masking": Masking,
    "asap": ASAp,
    "cars": CARS,
    "mars": MARS,
    "mcmc-restart 10": MCMC,
    "awrs": AWRS,
    "smc awrs": SMC,
    "smc mask": lambda temperature: SMC("mask", temperature=temperature),
}


class CountingModel:
    """A model whose rows are counted, and the time they take."""

    def __init__(self, model: Any) -> None:
        self._scorer, self.rows, self.seconds = model.scorer(), 0, 0.0

    def log_probabilities(self, prefixes: Any) -> Any:
        """See `Scorer`."""
        start = time.perf_counter()
        rows = self._scorer.log_probabilities(prefixes)
        self.rows += len(prefixes)
        self.seconds += time.perf_counter() - start
        return rows


def tasks_part(model: Any, quick: bool, temperature: float = 1.5) -> dict[str, Any]:
    """What samples cost, by task and sampler."""
    draws, found = (10 if quick else 40), {}
    for task, settings in tasks_of().items():
        constraint = constrain.compile(settings["grammar"], model.index)
        prompt, length = model.encode(settings["prompt"]), settings["length"]
        MARS(temperature=temperature).draw(
            model, prompt, constraint, 3, np.random.default_rng(9), max_new_tokens=length
        )
        rows: dict[str, Any] = {}
        for name, make in SAMPLERS.items():
            counting, start = CountingModel(model), time.perf_counter()
            samples = make(temperature=temperature).draw(
                counting, prompt, constraint, draws, np.random.default_rng(1), max_new_tokens=length
            )
            seconds, valid = time.perf_counter() - start, sum(not sample.failed for sample in samples)
            estimate = log_partition(samples)
            rows[name] = {
                "valid": valid / draws,
                "valid_per_row": valid / counting.rows,
                "seconds_per_valid": seconds / valid if valid else None,
                "seconds_per_draw": seconds / draws,
                "seconds_per_draw_without_model": (seconds - counting.seconds) / draws,
                "ess_share": effective_sample_size(samples) / draws,
                "log_z": estimate.value,
                "log_z_interval": [estimate.low, estimate.high],
            }
        weights = [
            s.log_weight
            for s in Masking(temperature=temperature).draw(
                model, prompt, constraint, 5 * draws, np.random.default_rng(2), max_new_tokens=length
            )
            if not s.failed
        ]
        log_z = float(np.logaddexp.reduce(weights) - math.log(5 * draws))
        rows["masking"]["kl_estimate"] = log_z - float(np.mean(weights))
        if importlib.util.find_spec("genlm") and ("regex" in settings or "lark" in settings):
            rows |= genlm_rows(model, prompt, constraint, settings, quick, temperature)
        found[task] = rows
    return found


def genlm_rows(
    model: Any, prompt: Any, constraint: Any, settings: dict[str, Any], quick: bool, temperature: float
) -> dict[str, Any]:
    """genlm-control and we, with equal particles and cold caches of laws, in turn."""
    from samplers_genlm import GenlmTask

    (end,) = model.index.end_tokens
    repeats, particles = (1 if quick else 5), 10
    counting = CountingModel(model)

    def fresh() -> Laws:
        return Laws(counting, prompt, temperature=temperature)

    try:
        task = GenlmTask(fresh(), model.index.tokens, end, regex=settings.get("regex"), lark=settings.get("lark"))
        seconds, log_z, succeeded = task.run(particles, settings["length"] - 1, repeats, fresh)
    except Exception as error:  # whatever a rival raises is a result
        return {"genlm-control awrs": {"error": f"{type(error).__name__}: {error}"[:200]}}
    theirs = _costs(seconds, counting, particles * repeats) | {"valid": succeeded, "log_z": log_z}
    counting, estimates, valid = CountingModel(model), [], 0
    start = time.perf_counter()
    for repeat in range(repeats):
        samples = SMC("awrs", 0.5, temperature=temperature).draw(
            counting, prompt, constraint, particles, np.random.default_rng(repeat), max_new_tokens=settings["length"]
        )
        estimates.append(log_partition([samples]).value)
        valid += sum(not sample.failed for sample in samples)
    seconds = (time.perf_counter() - start) / (particles * repeats)
    ours = _costs(seconds, counting, particles * repeats)
    ours["valid"] = valid / (particles * repeats)
    ours["log_z"] = float(np.logaddexp.reduce(estimates) - math.log(repeats))
    for name in ("seconds_per_draw", "seconds_per_draw_without_model"):
        ours[f"times faster, {name}"] = theirs[name] / ours[name]
    return {"genlm-control awrs": theirs, "ours at equal particles": ours}


def _costs(seconds: float, counting: CountingModel, draws: int) -> dict[str, float]:
    """Seconds a draw, with and without the model; model rows a draw."""
    return {
        "seconds_per_draw": seconds,
        "seconds_per_draw_without_model": seconds - counting.seconds / draws,
        "rows_per_draw": counting.rows / draws,
    }


# Updates


def updates_part(model: Any, quick: bool) -> dict[str, Any]:
    """Milliseconds of trie updates for each draw of ASAp, ours and as published, on one prompt."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema["additionalProperties"] = False  # type: ignore[assignment]
    constraint = constrain.compile(constrain.json_schema(schema), model.index)
    prompt, draws = model.encode("Call:\n"), (2 if quick else 10)
    published = PublishedASAp(Laws(model, prompt), lambda: begin(constraint, 12, "condition"), np.random.default_rng(0))
    for _ in range(draws):
        published.draw()
    spent = 0.0

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal spent
            start = time.perf_counter()
            try:
                return method(*arguments, **options)
            finally:
                spent += time.perf_counter() - start

        return call

    trie = TokenTrie()
    for name in ("expand", "propagate", "take_untouched", "close"):
        setattr(trie, name, timed(getattr(trie, name)))
    ASAp(batch=1, trie=trie, truncation="condition").draw(
        model, prompt, constraint, draws, np.random.default_rng(0), max_new_tokens=12
    )
    theirs, ours = 1e3 * published.update_seconds / draws, 1e3 * spent / draws
    return {"published_ms_per_draw": theirs, "ours_ms_per_draw": ours, "ratio": theirs / ours}


def main() -> None:
    """Run all parts and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer draws")
    parser.add_argument("--tokenizer", type=Path, help="folder of a Hugging Face tokenizer, for the part on tokens")
    parser.add_argument("--part", action="append", choices=["law", "tasks", "updates", "tokens"])
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = constrain.load("embedded")
    parts = options.part or ["law", "tasks", "updates", "tokens"]
    result: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "torch_threads": 1}
    if "law" in parts:
        result["law"] = laws_part(model, options.quick)
    if "tasks" in parts:
        result["tasks"] = tasks_part(model, options.quick)
    if "updates" in parts:
        result["updates"] = updates_part(model, options.quick)
    if "tokens" in parts:
        result["tokens"] = token_costs(options.tokenizer, model, options.quick)
        result["estimators"] = estimator_means(20_000 if options.quick else 1_000_000)
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
