"""What one token costs, by mask and by AWRS, and means of the estimators; see `benchmarks/samplers.py`."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import constrain
from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.languages import GrammarPosition, begin
from constrain.decoders.samplers.proposals import Adaptive, geometric, recursive, within
from constrain.decoders.samplers.race import Race

__all__ = ["estimator_means", "token_costs"]

CONSTRAINTS = {
    "anything": r"(.|\n)*",
    "printable ASCII": r"[ -~]*",
    "letters and spaces": r"[A-Za-z ]+",
    "lower case": r"[a-z]+",
    "digits": r"[0-9]+",
    "one of three words": r"(yes|no|maybe)",
}


class _Counting:
    """A position whose checks are counted."""

    mask_is_exact = True

    def __init__(self, position: GrammarPosition) -> None:
        self._position, self.checks, self.masks = position, 0, 0

    def allows(self, token: int) -> bool:
        """One check."""
        self.checks += 1
        return self._position.allows(token)

    def mask(self) -> Any:
        """One mask."""
        self.masks += 1
        return self._position.mask()


def token_costs(folder: Path | None, model: Any, quick: bool) -> dict[str, Any]:
    """Checks and milliseconds a token, for random peaked laws, by constraint.

    "cold" masks are the first of a constraint that is compiled afresh; "warm" ones are known.
    """
    index = model.index
    if folder is not None:
        from transformers import AutoTokenizer

        index = constrain.TokenizerIndex.from_tokenizer(AutoTokenizer.from_pretrained(folder, local_files_only=True))
    rng, repeats, found = np.random.default_rng(0), (5 if quick else 40), {}
    rows = []
    for _ in range(repeats):
        logits = 3.0 * rng.standard_normal(index.vocab_size)
        rows.append(logits - np.logaddexp.reduce(logits))
    for name, pattern in CONSTRAINTS.items():
        grammar, chance = constrain.regex(pattern), Chance(np.random.default_rng(1))
        from constrain.tokenizer_index.compiled import compile_grammar

        cold = []
        for row in rows[:5]:
            position = begin(compile_grammar(grammar, index), None)
            start = time.perf_counter()
            within(row, position.mask(), (), chance)
            cold.append(time.perf_counter() - start)
        constraint = compile_grammar(grammar, index)
        position = begin(constraint, None)
        mask = position.mask()
        start = time.perf_counter()
        for row in rows:
            within(row, position.mask(), (), chance)
        warm = (time.perf_counter() - start) / repeats
        entry = {
            "allowed_mass": float(np.mean([np.exp(row[mask]).sum() for row in rows])),
            "mask_cold_ms": 1e3 * float(np.median(cold)),
            "mask_warm_ms": 1e3 * warm,
        }
        for label, proposal in (
            ("awrs", Adaptive(checks_before_mask=None)),
            ("awrs, mask after 8", Adaptive()),
            ("geometric", Adaptive("geometric")),
        ):
            counting = _Counting(begin(constraint, None))  # type: ignore[arg-type]
            start = time.perf_counter()
            for row in rows:
                proposal.propose(row, counting, chance)  # type: ignore[arg-type]
            seconds = time.perf_counter() - start
            entry[f"{label}: ms"] = 1e3 * seconds / repeats
            entry[f"{label}: checks"] = counting.checks / repeats
        found[name] = entry
    return {"vocabulary": index.vocab_size, "constraints": found}


def estimator_means(count: int) -> dict[str, Any]:
    """Mean weights of both estimators over many draws, in standard errors from the truth, for two laws."""
    found: dict[str, Any] = {"draws": count}
    for z in (0.3, 1e-6):
        row = np.log(np.array([(1 - z) * 0.6, z / 4, (1 - z) * 0.4, 3 * z / 4]))
        allowed = {1, 3}
        for name in ("recursive", "geometric"):
            chance = Chance(np.random.default_rng(7))
            total = squares = 0.0
            for _ in range(count):
                race = Race(row, chance)
                if name == "recursive":
                    proposed = recursive(race, allowed.__contains__, None, lambda _: None)
                else:
                    proposed = geometric(race, allowed.__contains__, 2, chance)
                weight = math.exp(proposed.log_weight) / z if proposed is not None else 0.0
                total += weight
                squares += weight * weight
            mean = total / count
            error = math.sqrt(max(squares / count - mean * mean, 0.0) / count)
            found[f"{name}, Z = {z:g}"] = {
                "mean / Z": mean,
                "standard errors off": (mean - 1) / error if error else 0.0,
            }
    return found
