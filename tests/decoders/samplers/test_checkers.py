"""Predicates as constraints: the law is that of the texts they accept, for every sampler."""

from typing import Any

import numpy as np
import pytest

from constrain.decoders.samplers import AWRS, CARS, MARS, MCMC, SMC, ASAp, Checked, Masking, Rejection, TokenTrie
from constrain.decoders.samplers.estimators import accepted
from constrain.errors import ConstrainError, DeadEndError
from tests.decoders.samplers.enumeration import (
    TOKENS,
    Enumeration,
    assert_same,
    conditioned,
    constraint_of,
    laws_of,
    random_table,
    target,
)

PROMPT, LONGEST = [0], 3
SAMPLERS: dict[str, Any] = {
    "rejection": Rejection(),
    "masking": Masking(),
    "asap": ASAp(),
    "cars": CARS(),
    "mars": MARS(),
    "restart": MCMC("restart", steps=1),
    "uniform": MCMC("uniform", steps=1),
    "awrs": AWRS(),
    "smc": SMC("mask"),
}
CHECKS: dict[str, dict[str, Any]] = {
    "final": {"final": lambda text: text.count("a") == 1},
    "prefix": {"prefix": lambda text: "bb" not in text},
    "both": {"final": lambda text: len(text) != 1, "prefix": lambda text: not text.startswith("aa")},
}


def _passes(text: bytes, check: dict[str, Any]) -> bool:
    shown = text.decode()
    beginnings = all(check["prefix"](shown[:i]) for i in range(len(shown) + 1)) if "prefix" in check else True
    return beginnings and ("final" not in check or check["final"](shown))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_are_properly_weighted(monkeypatch: pytest.MonkeyPatch, name: str, check: str) -> None:
    """P · 1[grammar] · 1[predicates], by enumeration; exact samplers stay exact."""
    tokens = TOKENS[:4]
    constraint, table = constraint_of("(a|b)*", tokens), random_table(4, 13)
    predicates = CHECKS[check]
    longest = 2 if name == "awrs" else LONGEST
    everything = target(table, PROMPT, constraint, longest)
    expected = {x: p for x, p in everything.items() if _passes(b"".join(tokens[t] for t in x), predicates)}
    checked = Checked(constraint, **predicates)
    outcomes = Enumeration(monkeypatch).outcomes(
        lambda: SAMPLERS[name].draw(table, PROMPT, checked, max_new_tokens=longest)
    )
    weighted, plain = laws_of(outcomes)
    assert_same(weighted, expected)
    if name in ("rejection", "cars", "mars"):
        assert_same(plain, conditioned(expected))


def test_refusals_are_learned() -> None:
    """A text that a predicate refuses is not tried twice."""
    asked: list[str] = []

    def final(text: str) -> bool:
        asked.append(text)
        return text == "b"

    checked = Checked(constraint_of("a|b|c", [b"a", b"b", b"c"], (3,)), final)
    sampler = CARS(trie=TokenTrie(), batch=1)
    samples = accepted(sampler, random_table(4, 2), PROMPT, checked, 50, np.random.default_rng(0), max_new_tokens=2)  # type: ignore[arg-type]
    assert {sample.text for sample in samples} == {"b"}
    assert sorted(asked) == ["a", "b", "c"]


def test_checks_can_be_nested() -> None:
    """A checked constraint is a constraint."""
    constraint = constraint_of("(a|b){2}", [b"a", b"b"], (2,))
    nested = Checked(Checked(constraint, lambda text: "a" in text, name="a"), lambda text: "b" in text, name="b")
    samples = accepted(MARS(), random_table(3, 1), PROMPT, nested, 20, np.random.default_rng(0), max_new_tokens=3)  # type: ignore[arg-type]
    assert {sample.text for sample in samples} == {"ab", "ba"}
    assert nested.key == "" or nested.key.endswith("checked a checked b")


def test_prefixes_are_cut_to_whole_characters() -> None:
    """A token that ends inside a character is shown without its last bytes; the final text is whole."""
    seen: list[str] = []
    constraint = constraint_of("[éè]", [b"\xc3", b"\xa9", b"\xa8"], (3,))
    checked = Checked(constraint, final=lambda text: text == "é", prefix=lambda text: seen.append(text) or True)
    samples = accepted(CARS(), random_table(4, 1), PROMPT, checked, 5, np.random.default_rng(0), max_new_tokens=3)  # type: ignore[arg-type]
    assert {sample.text for sample in samples} == {"é"}
    assert set(seen) == {"", "é", "è"}


def test_nothing_passes() -> None:
    """Adaptive samplers notice that the language is empty; others stop after the draws they were given."""
    checked = Checked(constraint_of("a|b", [b"a", b"b"], (2,)), lambda _: False)
    for sampler in (CARS(), Rejection(), SMC()):
        with pytest.raises(DeadEndError, match="gave 0 texts"):
            accepted(
                sampler,  # type: ignore[arg-type]
                random_table(3, 1),  # type: ignore[arg-type]
                PROMPT,
                checked,  # type: ignore[arg-type]
                3,
                np.random.default_rng(0),
                max_new_tokens=3,
                max_draws=300,
            )


def test_a_check_needs_a_predicate_and_may_fail() -> None:
    """An exception of a predicate is not taken for an answer."""
    constraint = constraint_of("a|b", [b"a", b"b"], (2,))
    with pytest.raises(ConstrainError, match="predicate"):
        Checked(constraint)
    checked = Checked(constraint, lambda _: 1 / 0 > 0)
    with pytest.raises(ZeroDivisionError):
        CARS().draw(random_table(3), PROMPT, checked, 50, np.random.default_rng(0), max_new_tokens=3)
