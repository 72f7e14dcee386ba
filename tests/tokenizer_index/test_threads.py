"""One constraint for many threads, and the same masks and files in every process."""

import gc
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from constrain.grammars import ir, regular
from constrain.grammars.json_schema import json_schema
from constrain.grammars.lark_syntax import lark
from constrain.grammars.regex import regex
from constrain.tokenizer_index.compiled import CompiledConstraint, allocate_token_bitmask, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.matcher import Matcher
from constrain.tokenizer_index.vocabulary import Vocabulary
from tests.matching import index_of

_TOKENS = [
    *[bytes([byte]) for byte in range(256)],
    *[b'{"', b'": ', b'", "', b'"}', b"}}", b"true", b"12", b'"a', b"ab", b"\xc3\xa9", b"[[", b"], ["],
]
_THREADS = 8

SCHEMAS: dict[str, Any] = {
    "object": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "ab": {"type": "string", "maxLength": 5}, "é": {"type": "boolean"}},
        "required": ["a"],
        "additionalProperties": {"type": "number"},
    },
    "recursion": {
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "v": {"enum": [1, 12]}}}},
        "$ref": "#/$defs/node",
    },
    "array": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "array"}]}, "maxItems": 4},
    "anything": True,
}


def grammars() -> dict[str, ir.Grammar]:
    """Grammars of every engine's kind."""
    return {
        **{name: json_schema(schema) for name, schema in SCHEMAS.items()},
        "any order": json_schema(SCHEMAS["object"], property_order="any"),
        "regex": regex('([a-f]{2,5}[^"]|"true"|é)*'),
        "longest match": lark('start: (NAME | INT | "[" start "]")*\nNAME: /[a-z]+/\nINT: /[0-9]+/\n%ignore " "'),
    }


def walk(compiled: CompiledConstraint, seed: int, steps: int = 25) -> list[bytes]:
    """The masks along a random walk, whose tokens they decide."""
    draw, matcher, masks = random.Random(seed), compiled.matcher(), []
    bitmask = allocate_token_bitmask(1, compiled.index.vocab_size)
    for _ in range(steps):
        matcher.fill_next_token_bitmask(bitmask)
        masks.append(bitmask.tobytes())
        longer = [t for t in matcher.allowed_tokens() if t >= 256 and t not in compiled.end_tokens]
        choices = longer if longer and draw.random() < 0.5 else matcher.allowed_tokens()
        if not matcher.accept_token(draw.choice(choices)) or matcher.is_finished:
            break
    return masks


def in_threads(tasks: list[Callable[[], Any]]) -> list[Any]:
    """The results of tasks that begin at once, each in its thread."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        return task()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(tasks)) as pool:
            return [future.result(timeout=120) for future in [pool.submit(run, task) for task in tasks]]
    finally:
        sys.setswitchinterval(interval)


def _fresh_index() -> TokenizerIndex:
    """An index with no rows but its own."""
    tokens = (*_TOKENS, b"")
    return TokenizerIndex(Vocabulary(tokens, {"<end>": len(_TOKENS)}, (len(_TOKENS),)), len(tokens) + 3)


def _expected(seeds: range) -> dict[tuple[str, int], list[bytes]]:
    """Walks in an index and in constraints of their own, one thread."""
    found = {}
    for name, grammar in grammars().items():
        compiled = compile_grammar(grammar, _fresh_index())
        found.update({(name, seed): walk(compiled, seed) for seed in seeds})
    return found


def test_one_constraint_for_many_threads() -> None:
    """Threads that walk one fresh constraint, along the same and along other texts, see the masks of a single one."""
    seeds, expected, index = range(_THREADS), _expected(range(_THREADS)), _fresh_index()
    for name, grammar in grammars().items():
        compiled = compile_grammar(grammar, index)

        def some(first: int, compiled: CompiledConstraint = compiled) -> dict[int, list[bytes]]:
            order = [*range(first, _THREADS), *range(first)]
            return {seed: walk(compiled, seed) for seed in order}

        for found in in_threads([lambda first=first: some(first) for first in seeds]):  # type: ignore[misc]
            assert found == {seed: expected[name, seed] for seed in seeds}


def test_many_constraints_on_one_index() -> None:
    """Compiling in some threads while others walk: rows are shared, and are those of a single thread."""
    seeds = range(3)
    expected = _expected(seeds)
    index = _fresh_index()

    def task(name: str, seed: int) -> Callable[[], list[bytes]]:
        return lambda: walk(compile_grammar(grammars()[name], index), seed)

    keys = list(expected)
    random.Random(0).shuffle(keys)
    for first in range(0, len(keys), _THREADS):
        chosen = keys[first : first + _THREADS]
        assert in_threads([task(*key) for key in chosen]) == [expected[key] for key in chosen]


def test_compiling_in_the_background() -> None:
    """Masks are filled while another thread compiles and drops constraints, and do not change."""
    index = index_of(_TOKENS, 3)
    compiled = compile_grammar(json_schema(SCHEMAS["object"]), index)
    expected = {seed: walk(compile_grammar(json_schema(SCHEMAS["object"]), index), seed) for seed in range(20)}
    stop, made = threading.Event(), []

    def background() -> None:
        while not stop.is_set():
            for i, grammar in enumerate(grammars().values()):
                made.append(len(walk(compile_grammar(grammar, index), i, 5)))

    thread = threading.Thread(target=background)
    thread.start()
    try:
        for _ in range(3):
            assert {seed: walk(compiled, seed) for seed in expected} == expected
    finally:
        stop.set()
        thread.join(timeout=60)
    assert not thread.is_alive()
    assert made


def test_rules_are_made_by_one_thread_at_a_time() -> None:
    """A grammar may belong to several constraints, while what makes its rules need not be ready for several threads."""
    inside, most = 0, 0

    def make_rule(name: str) -> ir.Expression:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.001)
        inside -= 1
        digit = ir.Terminal(regular.Literal(b"1"))
        return ir.Alternation((digit, ir.Sequence((digit, ir.Reference(name + "1")))))

    grammar = ir.Grammar("1", {}, make_rule=make_rule)

    def read() -> bool:
        return compile_grammar(grammar, index).accepts("1" * 20)

    index = index_of(_TOKENS, 3)
    assert all(in_threads([read] * 4))
    assert most == 1


def test_no_collection_starts_in_a_step() -> None:
    """Python's collector may be due, but starts neither in masks nor in steps, be they new or known."""
    compiled = compile_grammar(json_schema(SCHEMAS["object"]), index_of(_TOKENS, 3))
    bitmask, started, inside = allocate_token_bitmask(1, compiled.index.vocab_size), 0, False

    def count(phase: str, _: dict[str, int]) -> None:
        nonlocal started
        started += inside and phase == "start"

    thresholds = gc.get_threshold()
    gc.callbacks.append(count)
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(2):
            matcher = compiled.matcher()
            for byte in b'{"a": 1, "ab": "x"}':
                inside = True
                matcher.fill_next_token_bitmask(bitmask)
                accepted = matcher.accept_token(byte)
                inside = False
                assert accepted
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(count)
    assert started == 0


def test_forks_in_many_threads() -> None:
    """Matchers that are forks of one go their ways in different threads."""
    compiled = compile_grammar(json_schema(SCHEMAS["array"]), index_of(_TOKENS, 3))
    origin = compiled.matcher()
    assert origin.accept_text('["')

    def read(text: bytes) -> tuple[list[int], bytes]:
        matcher: Matcher = origin.fork()
        for byte in text:
            assert matcher.accept_token(byte)
        matcher.rollback(len(text) // 2)
        matcher.accept_text(text[len(text) - len(text) // 2 :])
        return sorted(matcher.allowed_tokens()), matcher.shortest_completion()

    texts = [b"ab" * i + b'", ' * (i % 2) for i in range(_THREADS)]
    alone = [read(text) for text in texts]
    fresh = compile_grammar(json_schema(SCHEMAS["array"]), index_of(_TOKENS, 3))
    origin = fresh.matcher()
    assert origin.accept_text('["')
    assert in_threads([lambda text=text: read(text) for text in texts]) == alone  # type: ignore[misc]


# Determinism


def describe(folder: Path) -> dict[str, str]:
    """Digests of the masks along walks, of saved constraints and of the index's key; run in a process of its own."""
    index = TokenizerIndex.from_tokenizer([*_TOKENS, b""], end_tokens=len(_TOKENS), cache=False)
    found = {"index": index.key}
    for name, grammar in grammars().items():
        compiled = KEPT.setdefault(name, compile_grammar(grammar, index))
        masks = hashlib.sha256(b"".join(b"".join(walk(compiled, seed)) for seed in range(4)))
        compiled.save(folder / "saved")
        found[name] = masks.hexdigest()
        found[name + ", saved"] = hashlib.sha256((folder / "saved").read_bytes()).hexdigest()
    return found


KEPT: dict[str, CompiledConstraint] = {}  # until Python ends, which is to be quiet about it


def test_processes_agree(tmp_path: Path) -> None:
    """Two processes with different hashes of strings have equal masks and save equal files, and end quietly."""
    results = []
    for seed in ("1", "271828"):
        code = "import json, pathlib, sys; from tests.tokenizer_index.test_threads import describe; "
        code += "print(json.dumps(describe(pathlib.Path(sys.argv[1]))))"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        assert run.stderr == ""
        results.append(json.loads(run.stdout))
    assert results[0] == results[1]
    assert len(results[0]) == 1 + 2 * len(grammars())


@pytest.mark.parametrize("name", ["object", "regex"])
def test_the_order_of_requests_does_not_matter(name: str) -> None:
    """Masks do not depend on what a constraint was asked before."""
    index = index_of(_TOKENS, 3)
    forward, backward = (compile_grammar(grammars()[name], index) for _ in range(2))
    first = {seed: walk(forward, seed) for seed in range(10)}
    second = {seed: walk(backward, seed) for seed in reversed(range(10))}
    assert first == second
    np.testing.assert_equal(first, {seed: walk(forward, seed) for seed in range(10)})
