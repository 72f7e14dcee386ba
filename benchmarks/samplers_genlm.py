"""genlm-control's AWRS on our model, for `benchmarks/samplers.py`: same laws, same law cache, its own constraints."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from constrain.decoders.samplers.scoring import Laws

__all__ = ["GenlmTask"]


class GenlmTask:
    """One prompt and one constraint as potentials of genlm-control.

    `regex` or `lark` (its own dialect) gives the constraint, on bytes; `tokens` are the vocabulary, `end` the end.
    """

    def __init__(
        self, laws: Laws, tokens: Sequence[bytes], end: int, *, regex: str | None = None, lark: str | None = None
    ) -> None:
        from genlm.control import AWRS, BoolCFG, BoolFSA
        from genlm.control.potential import Potential

        self.laws = laws
        task = self
        ids = [t for t, text in enumerate(tokens) if text and t != end]
        order = np.array([*ids, end])
        numbers = {tokens[t]: t for t in reversed(ids)}

        class Model(Potential):  # type: ignore[misc]
            """Our laws as a potential."""

            async def prefix(self, context: list[bytes]) -> float:
                total, read = 0.0, ()
                for text in context:
                    total += float(task.laws.row(read)[numbers[text]])
                    read += (numbers[text],)
                return total

            async def complete(self, context: list[bytes]) -> float:
                read = tuple(numbers[text] for text in context)
                return await self.prefix(context) + float(task.laws.row(read)[end])

            async def logw_next(self, context: list[bytes]) -> Any:
                read = tuple(numbers[text] for text in context)
                return self.make_lazy_weights(task.laws.row(read)[order])

        model = Model([tokens[t] for t in ids])
        condition = BoolFSA.from_regex(regex) if regex is not None else BoolCFG.from_lark(lark)
        self._condition = condition.coerce(model, f=b"".join)
        self._model, self._make = model, AWRS

    def run(
        self, particles: int, max_tokens: int, repeats: int, fresh: Callable[[], Laws]
    ) -> tuple[float, float, float]:
        """Seconds a particle, log of the mean estimate of Z, and the share of particles that succeed.

        Each repetition has `fresh` laws, of which none is known yet.
        """
        start = time.perf_counter()
        estimates, succeeded = [], 0
        for repeat in range(repeats):
            self.laws = fresh()
            sampler = self._make(self._model, self._condition, seed=repeat)
            result = asyncio.run(sampler.smc(n_particles=particles, ess_threshold=0.5, max_tokens=max_tokens))
            estimates.append(float(result.log_ml))
            succeeded += int(np.isfinite(result.log_weights).sum())
        seconds = time.perf_counter() - start
        total = particles * repeats
        return seconds / total, float(np.logaddexp.reduce(estimates) - np.log(repeats)), succeeded / total
