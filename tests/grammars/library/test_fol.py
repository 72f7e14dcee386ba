"""First-order logic: formulas and texts that are none, a recursive-descent parser, NLTK's, masks."""

import random
import re
from collections.abc import Mapping
from typing import Any

import pytest

import constrain
from constrain.compilation import CompiledConstraint
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar
from tests.grammars.library.programs import check_masks, mutations, walks
from tests.matching import index_of

ALLOWED = {
    "unicode": [
        "∀x (Dog(x) → Animal(x))",
        "∃x ∃y (P(x, y) ∧ ¬Q(f(x), c))",
        "∀x. P(x) → ∃y. R(x,y)",
        "¬∀x ∃y. a=b ↔ A",
        "P",
        "¬ ¬ (P ∨ Q) ∧ x ≠ y",
    ],
    "ascii": ["all x.(Dog(x) -> Animal(x))", "exists y.all z. (-P(y,z) & fun(y) != c) <-> Q", "P | -P"],
    "tptp": [
        "! [X,Y] : (p(X) => ~ q(f(Y),c))",
        "p & q & ? [X] : X != a",
        "p | q | ~ ( $true <=> $false )",
        "![X]:?[Y]:'It\\'s'(X,Y)",
        "p <~> q",
        "~~p ~& q",
    ],
}
REFUSED = {
    "unicode": [
        "",
        "∀x",
        "∀P(x)",
        "P(",
        "P()",
        "P(x) Q(y)",
        "∧ P",
        "x →",
        "∀Dog P",
        "(P",
        "P)",
        "¬",
        "all x. P",
        "∀x.. P",
    ],
    "ascii": ["allx.P(x)", "all & P", "P all x.Q", "all x P(x)", "not P", "P and Q", "P(all)", "P <- Q", "f(x) = x"],
    "tptp": ["p & q | r", "p => q => r", "![x]: p", "![]: p", "P(a)", "p(X", "'", "''", "p(X) = q & ", "~ p != "],
}
OPTIONS: dict[str, Any] = {
    "predicates": {"P": 1, "R": 2, "A": 0},
    "functions": {"f": 1},
    "constants": ["c"],
    "variables": ["x", "y"],
}


def over_bytes(**options: object) -> CompiledConstraint:
    """The grammar, over bytes."""
    return constrain.compile(grammar("fol", **options), index_of([bytes([byte]) for byte in range(256)]))


class _Error(Exception):
    """No formula."""


class Reader:
    """A recursive-descent parser of formulas in Unicode and of FOF, with arities and bound variables."""

    def __init__(self, text: str, *, tptp: bool, names: Mapping[str, Any] | None, closed: bool) -> None:
        pattern = r"'(?:[ -&(-\[\]-~]|\\['\\])+'|\$?\w+|<=>|<~>|=>|<=|~\||~&|!=|\S" if tptp else r"[A-Za-z0-9_]+|\S"
        text = re.sub(r"([∀∃]\s*[a-z][0-9]*)", r"\1 ", text)
        self.tokens: list[str] = [*re.findall(pattern, text), ""]
        if set(text) & set("\f\v\x1c\x1d\x1e\x1f\x85\xa0"):
            raise _Error
        self.at, self.tptp, self.names, self.closed = 0, tptp, names, closed

    def take(self, *texts: str) -> str | None:
        token = self.tokens[self.at]
        if token not in texts or not token:
            return None
        self.at += 1
        return token

    def need(self, *texts: str) -> None:
        if self.take(*texts) is None:
            raise _Error

    def word(self, pattern: str) -> str:
        token = self.tokens[self.at]
        if not re.fullmatch(pattern, token):
            raise _Error
        self.at += 1
        return token

    def whole(self) -> None:
        self.formula(frozenset())
        if self.tokens[self.at]:
            raise _Error

    def formula(self, bound: frozenset[str]) -> None:
        if self.unit(bound):
            return
        if self.tptp:
            if self.take("<=>", "=>", "<=", "<~>", "~|", "~&"):
                self.unit(bound)
            elif sign := self.take("&", "|"):
                self.unit(bound)
                while self.take(sign):
                    self.unit(bound)
            return
        while self.take("∧", "∨", "→", "↔"):
            if self.unit(bound):
                return

    def unit(self, bound: frozenset[str]) -> bool:
        """Reads a unit; whether it was one with a point, which is as long as it can be."""
        if self.take("~" if self.tptp else "¬"):
            return self.unit(bound)
        if self.take("("):
            self.formula(bound)
            self.need(")")
            return False
        if self.tptp and self.take("!", "?"):
            self.need("[")
            bound |= {self.variable()}
            while self.take(","):
                bound |= {self.variable()}
            self.need("]")
            self.need(":")
            return self.unit(bound)
        if not self.tptp and self.take("∀", "∃"):
            bound |= {self.variable()}
            if self.take("."):
                self.formula(bound)
                return True
            return self.unit(bound)
        self.atom(bound)
        return False

    def variable(self) -> str:
        name = self.word("[A-Z][A-Za-z0-9_]*" if self.tptp else "[a-z][0-9]*")
        if self.names is not None and name not in self.names["variables"]:
            raise _Error
        return name

    def atom(self, bound: frozenset[str]) -> None:
        if self.tptp and self.take("$true", "$false"):
            return
        start = self.at
        try:
            self.term(bound)
            self.need("=", "!=" if self.tptp else "≠")
        except _Error:
            self.at = start
        else:
            self.term(bound)
            return
        self.applied("predicates", bound, least=0)

    def applied(self, role: str, bound: frozenset[str], least: int) -> None:
        plain = r"[a-z][A-Za-z0-9_]*|'.*'" if self.tptp else "[A-Za-z][A-Za-z0-9_]*"
        name, count = self.word(plain), 0
        if self.take("("):
            count = 1
            self.term(bound)
            while self.take(","):
                self.term(bound)
                count += 1
            self.need(")")
        if count < least or (self.names is not None and self.names[role].get(name) != count):
            raise _Error

    def term(self, bound: frozenset[str]) -> None:
        name = self.tokens[self.at]
        if self.tokens[self.at + 1 : self.at + 2] == ["("]:
            self.applied("functions", bound, least=1)
        elif self.tptp and re.match("[A-Z]", name):
            self.variable()
            if self.closed and name not in bound:
                raise _Error
        elif self.names is None:
            self.applied("", bound, least=0)
        elif name in self.names["constants"] or (name in bound if self.closed else name in self.names["variables"]):
            self.at += 1
        else:
            raise _Error


def reads(text: str, *, tptp: bool = False, names: Mapping[str, Any] | None = None, closed: bool = False) -> bool:
    """What the parser says."""
    try:
        Reader(text, tptp=tptp, names=names, closed=closed).whole()
    except (_Error, IndexError):
        return False
    return True


def nltk_reads(text: str) -> bool:
    """Whether NLTK reads a formula, whose signs are put into its own."""
    logic: Any = pytest.importorskip("nltk.sem.logic")
    text = re.sub(r"([∀∃])\s*([a-z][0-9]*)\s*\.?", lambda found: f"{found[1]} {found[2]}.", text)
    text = re.sub(r"(?<![A-Za-z0-9_])([a-z][0-9]*\s*\()", r"f_\1", text)
    for sign, word in (
        ("∀", " all "),
        ("∃", " exists "),
        ("¬", "-"),
        ("∧", "&"),
        ("∨", "|"),
        ("→", "->"),
        ("↔", "<->"),
    ):
        text = text.replace(sign, word)
    try:
        logic.Expression.fromstring(text.replace("≠", "!="))
    except logic.LogicalExpressionException:
        return False
    return True


@pytest.mark.parametrize("notation", ALLOWED)
def test_formulas(notation: str) -> None:
    """Some of each notation, and none."""
    compiled = over_bytes(notation=notation)
    for text in ALLOWED[notation]:
        assert compiled.accepts(text), text
        assert notation == "tptp" or nltk_reads(text), text
    for text in REFUSED[notation]:
        assert not compiled.accepts(text), text


@pytest.mark.parametrize("notation", ["unicode", "tptp"])
@pytest.mark.parametrize("closed", [False, True])
def test_equal_to_a_parser(notation: str, closed: bool) -> None:
    """On random formulas and their mutations, with any names, and with names whose arities and scopes count."""
    tptp = notation == "tptp"
    names = {**OPTIONS, "predicates": {"p": 1, "r": 2, "a": 0}, "variables": ["X", "Y"]} if tptp else OPTIONS
    draw, met = random.Random(1), {False: 0, True: 0}
    for given in (None, names):
        compiled = over_bytes(notation=notation, closed=closed and given is not None, **(given or {}))
        seeds = ALLOWED[notation] if given is None else []
        if given is not None:
            seeds = ["∀x (P(x) ∧ R(f(x), c))", "∀x. A → ∃y. R(x,y) ∧ P(x)", "∀x P(x) ∨ P(c)", "∃x ∃y x = y → A"]
            seeds = ["![X]: (p(X) & r(f(X),c))", "?[X,Y]: r(X,Y) => p(c)", "![X]:?[Y]: X=Y | a"] if tptp else seeds
        for seed in [*seeds, *walks(compiled, 6, length=20)]:
            assert reads(seed, tptp=tptp, names=given, closed=closed and given is not None), seed
            for text, _ in zip(mutations(seed, draw), range(60), strict=False):
                verdict = reads(text, tptp=tptp, names=given, closed=closed and given is not None)
                met[verdict] += 1
                assert compiled.accepts(text) == verdict, text
    assert min(met.values()) > 40, met


@pytest.mark.parametrize("notation", ["unicode", "ascii"])
def test_nltk_reads_random_formulas(notation: str) -> None:
    """NLTK takes more for a formula, but not less."""
    texts = walks(
        over_bytes(notation=notation, max_space=1, functions={"fun": 2}, predicates={"P": 2, "Q": 1}), 25, length=20
    )
    assert [text for text in texts if not nltk_reads(text)] == []


def test_bound_variables() -> None:
    """A point makes a scope reach as far as it can; without it a quantifier binds tightly."""
    compiled = over_bytes(**OPTIONS, closed=True)
    assert compiled.accepts("∀x. P(x) → P(x)")
    assert not compiled.accepts("∀x P(x) → P(x)")
    assert compiled.accepts("∀x (P(x) → P(x))")
    assert not compiled.accepts("(∀x. P(x)) → P(x)")
    assert not over_bytes(equality=False).accepts("a = b")


def test_options_are_checked() -> None:
    """Notations, names, numbers of arguments."""
    wrong: list[dict[str, Any]] = [
        {"notation": "latex"},
        {"predicates": {}},
        {"predicates": {"P": -1}},
        {"predicates": {"P": True}},
        {"functions": {"f": 0}},
        {"predicates": {"P Q": 1}},
        {"predicates": {"P": 1}, "constants": ["P"]},
        {"notation": "tptp", "variables": ["x"]},
        {"notation": "ascii", "constants": ["exists"]},
        {"closed": True},
        {"closed": True, "variables": [f"x{i}" for i in range(9)]},
    ]
    for options in wrong:
        with pytest.raises(GrammarError):
            grammar("fol", **options)


def test_masks_are_exact() -> None:
    """Over bytes and tokens that join lexemes."""
    words = [
        "∀x",
        " (",
        "P(x",
        "))",
        " → ",
        "¬∃",
        "x)",
        "∧ Q",
        "! [X",
        "] : ",
        "=> ~",
        "'(",
        "all x",
        ". (",
        "->",
        ").",
    ]
    index = index_of([bytes([byte]) for byte in range(256)] + [word.encode() for word in words])
    for notation, texts in ALLOWED.items():
        check_masks(constrain.compile(grammar("fol", notation=notation), index), [texts[0]], 15)
        check_masks(constrain.compile(grammar("fol", notation=notation), index), [texts[1]], 15)
    check_masks(constrain.compile(grammar("fol", **OPTIONS, closed=True), index), ["∀x. A → ∃y. R(x,y) ∧ P(x)"], 15)
