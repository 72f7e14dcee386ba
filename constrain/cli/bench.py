"""``constrain bench``: what the engine makes of a benchmark's schemas."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from constrain.cli.bench_measure import Bench, Encode, Measured, figures
from constrain.cli.output import AsJson, print_json, print_table, seconds, size
from constrain.cli.tokenizers import Tokenizer, tokenizer_in

__all__ = ["bench"]

bench = typer.Typer(help="Measure the engine on published schemas.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Measure the engine on published schemas."""


@bench.command()
def jsonschema(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A file of lines (.jsonl, .jsonl.xz) or a folder.")],
    tokenizer: Tokenizer = "bytes",
    property_order: Annotated[
        str, typer.Option("--property-order", metavar="ORDER", help="'schema' or 'any'.")
    ] = "schema",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first N schemas.", show_default=False)
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="For one schema.")] = 60,
    masks: Annotated[bool, typer.Option(help="Make a mask for every token; without, texts are only decided.")] = True,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="One line a schema; schemas in it are not measured again."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide the instances of JSON Schemas, as MaskBench and JSONSchemaBench have them, and measure times.

    DATA is a file of lines {"id", "schema", "tests": [{"data", "valid"}]}, or a folder of such objects or of mere
    schemas.  Exit code 1 when an invalid instance was accepted.
    """
    if property_order not in ("schema", "any"):
        raise typer.BadParameter(f"{property_order!r} is neither 'schema' nor 'any'", param_hint="--property-order")
    index, encode = _vocabulary(tokenizer)
    engine = Bench(index, encode if masks else None, property_order=property_order, timeout=timeout)
    measured = list(_measured(_cases(data, limit), engine, out))
    result = {"data": data.name, "tokenizer": tokenizer, "property_order": property_order, **figures(measured)}
    result["not_passed"] = {one.name: f"{one.verdict}: {one.reason}" for one in measured if one.verdict != "pass"}
    if as_json:
        print_json(result)
    else:
        print_table(dict(_rows(result)))
    raise typer.Exit(1 if result["verdicts"].get("unsound") else 0)


def _vocabulary(name: str) -> tuple[Any, Encode]:
    from constrain.tokenizer_index.index import TokenizerIndex

    if name == "bytes":
        return TokenizerIndex.of_bytes(), _bytes
    if name == "embedded":
        import constrain

        model = constrain.load("embedded")
        return model.index, lambda text: model.hf_tokenizer.encode(text, add_special_tokens=False)
    found = tokenizer_in(Path(name))
    return TokenizerIndex.from_tokenizer(found), lambda text: found.encode(text, add_special_tokens=False)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _cases(data: Path, limit: int | None) -> Iterator[Any]:
    from constrain.cli.bench_cases import read_cases

    return itertools.islice(read_cases(data), limit)


def _measured(cases: Iterable[Any], engine: Bench, out: Path | None) -> Iterator[Measured]:
    known = _known(out)
    progress = _Progress()
    for case in cases:
        found = known.get(case.name)
        if found is None:
            found = engine.measure(case)
            if out is not None:
                with out.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(found.as_json(), ensure_ascii=False) + "\n")
        progress.count(found)
        yield found
    progress.end()


def _known(out: Path | None) -> dict[str, Measured]:
    """What an earlier run has measured; a last line that was cut off does not count."""
    known = {}
    if out is not None and out.exists():
        for line in out.read_text(encoding="utf-8").split("\n"):
            try:
                one = Measured(**json.loads(line))
            except (json.JSONDecodeError, TypeError):
                continue
            known[one.name] = one
    return known


class _Progress:
    """A line that counts, for people who watch."""

    def __init__(self) -> None:
        self._shown, self._done, self._passed = sys.stderr.isatty(), 0, 0

    def count(self, one: Measured) -> None:
        self._done += 1
        self._passed += one.verdict == "pass"
        if self._shown:
            print(f"\r{self._done} schemas, {self._passed} passed", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print(file=sys.stderr)


def _rows(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "schemas", str(result["schemas"])
    yield "passed", f"{result['pass_percent']} %"
    for verdict, count in sorted(result["verdicts"].items()):
        yield f"  {verdict}", str(count)
    for name, label in (("compile_seconds", "compile"), ("first_mask_seconds", "first mask")):
        if times := result[name]:
            shown = ", ".join(f"{key} {seconds(value)}" for key, value in times.items())
            yield label, shown
    if result["masks"]:
        mean, worst = (result["masks"][key] / 1e6 for key in ("mean_us", "max_us"))
        yield "mask and token", f"mean {seconds(mean)}, max {seconds(worst)} ({result['masks']['count']:.0f} of them)"
    if result["peak_memory_bytes"] is not None:
        yield "peak memory", size(result["peak_memory_bytes"])
