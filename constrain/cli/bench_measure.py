"""What becomes of one case of a benchmark, how long it takes, and the figures of many."""

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from constrain.cli.bench_cases import Case
from constrain.grammars.errors import ConstrainError

if TYPE_CHECKING:
    from constrain.tokenizer_index.compiled import CompiledConstraint
    from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["Bench", "Measured", "figures"]

Encode = Callable[[str], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of one case.

    verdict   "pass", "overstrict" (a valid instance is rejected), "unsound" (an invalid one is accepted), "error"
              (the schema is refused), "inconsistent" (masks and accepted tokens disagree), "timeout"
    reason    of an error or timeout; of a wrong decision the number of the instance
    masks     microseconds for a mask and the token that follows it: how many, mean, median, 99th percentile, most
    """

    name: str
    verdict: str
    reason: str = ""
    compile_seconds: float | None = None
    first_mask_seconds: float | None = None
    masks: dict[str, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """The measurement as a JSON object."""
        return asdict(self)


class _TimeUpError(BaseException):
    """Not an Exception, so that nothing on the way takes it for an error of its own."""


_AGAIN = 1.0  # seconds


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer, where the system can do that: in the main thread of a Unix process."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _TimeUpError

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: an exception within a finalizer is lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Bench:
    """Measures cases over one vocabulary.

    `encode` gives the tokens of a text; without it texts are only decided, byte by byte, and no masks are made.
    """

    def __init__(
        self, index: "TokenizerIndex", encode: Encode | None, *, property_order: str = "schema", timeout: float = 60
    ) -> None:
        from constrain.tokenizer_index.compiled import allocate_token_bitmask

        self._index, self._encode, self._timeout = index, encode, timeout
        self._property_order = property_order
        self._bitmask = allocate_token_bitmask(1, index.vocab_size)

    def measure(self, case: Case) -> Measured:
        """Compile a case's schema and decide its instances."""
        times: dict[str, float] = {}
        masks: list[float] = []
        try:
            with _within(self._timeout):
                verdict, reason = self._decided(case, times, masks)
        except _TimeUpError:
            verdict, reason = "timeout", f"more than {self._timeout:g} s"
        except ConstrainError as error:
            verdict, reason = "error", str(error)
        return Measured(case.name, verdict, reason, times.get("compile"), times.get("first_mask"), _summary(masks))

    def _decided(self, case: Case, times: dict[str, float], masks: list[float]) -> tuple[str, str]:
        import constrain

        start = time.perf_counter()
        grammar = constrain.json_schema(case.schema, property_order=self._property_order)
        compiled = constrain.compile(grammar, self._index)
        matcher = compiled.matcher()
        times["compile"] = time.perf_counter() - start
        if self._encode is not None:
            matcher.fill_next_token_bitmask(self._bitmask)
            times["first_mask"] = time.perf_counter() - start
        wrong: dict[str, str] = {}
        for number, (value, valid) in enumerate(case.tests):
            found = self._accepts(compiled, json.dumps(value, ensure_ascii=False), masks)
            if found is None:
                return "inconsistent", f"instance {number}"
            if found != valid:
                wrong.setdefault("overstrict" if valid else "unsound", f"instance {number}")
        for verdict in ("unsound", "overstrict"):
            if verdict in wrong:
                return verdict, wrong[verdict]
        return "pass", ""

    def _accepts(self, compiled: "CompiledConstraint", text: str, masks: list[float]) -> bool | None:
        """Whether a text is allowed; None where a mask and the matcher disagree."""
        if self._encode is None:
            return compiled.accepts(text)
        matcher = compiled.matcher()
        for token in self._encode(text):
            start = time.perf_counter()
            matcher.fill_next_token_bitmask(self._bitmask)
            allowed = bool(int(self._bitmask[0, token >> 5]) >> (token & 31) & 1)
            accepted = matcher.accept_token(token)
            masks.append(time.perf_counter() - start)
            if accepted != allowed:
                return None
            if not accepted:
                return False
        return matcher.is_accepting


def _summary(seconds: Sequence[float]) -> dict[str, float] | None:
    """Of times in seconds, the figures in microseconds."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "mean_us": sum(ordered) / len(ordered) * 1e6,
        "p50_us": _quantile(ordered, 0.5) * 1e6,
        "p99_us": _quantile(ordered, 0.99) * 1e6,
        "max_us": ordered[-1] * 1e6,
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(measured: Sequence[Measured]) -> dict[str, Any]:
    """The figures of many cases: counts of verdicts, times, and the peak of memory in bytes."""
    verdicts = Counter(one.verdict for one in measured)
    result: dict[str, Any] = {
        "schemas": len(measured),
        "verdicts": dict(verdicts),
        "compiled_percent": _percent(sum(one.compile_seconds is not None for one in measured), len(measured)),
        "pass_percent": _percent(verdicts["pass"], len(measured)),
    }
    for name in ("compile_seconds", "first_mask_seconds"):
        result[name] = _times([value for one in measured if (value := getattr(one, name)) is not None])
    result["masks"] = _masks([one.masks for one in measured if one.masks is not None])
    result["peak_memory_bytes"] = _peak_memory()
    return result


def _peak_memory() -> int | None:
    """Bytes, where the system says."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def _times(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    found = {"mean": sum(ordered) / len(ordered), "max": ordered[-1]}
    return found | {f"p{share}": _quantile(ordered, share / 100) for share in (50, 90, 99)}


def _masks(parts: list[dict[str, float]]) -> dict[str, float] | None:
    """The mean over all masks, and the worst; quantiles of single schemas do not add up to one of all."""
    count = sum(part["count"] for part in parts)
    if not count:
        return None
    return {
        "count": count,
        "mean_us": sum(part["mean_us"] * part["count"] for part in parts) / count,
        "max_us": max(part["max_us"] for part in parts),
    }
