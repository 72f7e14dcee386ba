"""PDDL: domains, problems and plans, a reader of lists, unified-planning's parser, masks."""

import random
import re
import warnings
from typing import Any

import pytest

import constrain
from constrain.compilation import CompiledConstraint
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar
from constrain.grammars.library.pddl_domain import read_domain
from tests.grammars.library.pddl_reader import reads
from tests.grammars.library.programs import check_masks, mutations, walks
from tests.matching import index_of

DOMAIN = """(define (domain logistics) ; trucks and places
  (:requirements :strips :typing :numeric-fluents :conditional-effects)
  (:types truck - vehicle vehicle place - object)
  (:constants depot - place)
  (:predicates (at ?v - vehicle ?p - place) (free ?t - truck) (done))
  (:functions (fuel ?v - vehicle) (cost) - number)
  (:action drive
    :parameters (?v - truck ?a ?b - place)
    :precondition (and (at ?v ?a) (or (free ?v) (not (= ?a ?b))) (>= (fuel ?v) 1.5))
    :effect (and (not (at ?v ?a)) (at ?v ?b) (decrease (fuel ?v) (* 2 1))
                 (forall (?t - truck) (when (at ?t ?b) (not (free ?t))))))
  (:ACTION wait :parameters ())
  (:durative-action load
    :parameters (?v - (either truck vehicle))
    :duration (and (>= ?duration 4) (<= ?duration (fuel ?v)))
    :condition (and (at start (done)) (over all (at ?v depot)))
    :effect (and (at start (not (done))) (at end (increase (cost) 1))))
  (:derived (stuck ?v - vehicle) (imply (exists (?p - place) (at ?v ?p)) (= (fuel ?v) 0)))
)
"""
PROBLEM = """(define (problem one) (:domain logistics)
  (:objects t1 t2 - truck p1 - place rest)
  (:init (at t1 p1) (not (done)) (= (fuel t1) -2.5) (at 5 (done)))
  (:goal (and (at t1 depot) (preference p (forall (?p - place) (not (at t2 ?p))))))
  (:constraints (and (always (done)) (within 3 (done)) (sometime-after (done) (done))))
  (:metric minimize (+ (total-time) (is-violated p))))
"""
OBJECTS = {"t1": "truck", "v1": "vehicle", "p1": "place"}

BEGIN = "(define (problem p) (:domain logistics) (:objects t1 - truck v1 - vehicle p1 - place) "


def over_bytes(**options: object) -> CompiledConstraint:
    """The grammar, over bytes."""
    return constrain.compile(grammar("pddl", **options), index_of([bytes([byte]) for byte in range(256)]))


@pytest.fixture(scope="module")
def pddl() -> CompiledConstraint:
    """Domains and problems of any names."""
    return over_bytes()


def test_samples(pddl: CompiledConstraint) -> None:
    """A domain and a problem with a bit of everything, in any case, each on its own too."""
    for text in (DOMAIN, PROBLEM, DOMAIN.upper(), PROBLEM.replace("\n", " ; note\n")):
        assert reads(text)
        assert pddl.accepts(text)
    assert over_bytes(kind="domain").accepts(DOMAIN)
    assert not over_bytes(kind="domain").accepts(PROBLEM)
    assert over_bytes(kind="problem").accepts(PROBLEM)


@pytest.mark.parametrize("sample", [DOMAIN, PROBLEM], ids=["domain", "problem"])
def test_mutations(sample: str, pddl: CompiledConstraint) -> None:
    """Of what the reader refuses at least 99 of 100 are refused; what it reads is allowed where words are apart."""
    draw, met, wrong = random.Random(0), {False: 0, True: 0}, []
    for text, _ in zip(mutations(sample, draw), range(300), strict=False):
        verdict = reads(text)
        met[verdict] += 1
        if pddl.accepts(text) != verdict and not (verdict and ";" in text):
            wrong.append(text)
    assert len(wrong) <= met[False] // 100, wrong
    assert min(met.values()) > 20, met


def test_random_texts(pddl: CompiledConstraint) -> None:
    """They are read by the reader."""
    texts = walks(over_bytes(max_space=1), 4, length=60) + walks(pddl, 2, DOMAIN[:-3]) + walks(pddl, 2, PROBLEM[:100])
    assert [text for text in texts if not reads(text)] == []


@pytest.mark.parametrize(
    ("kind", "text", "allowed"),
    [
        ("plan", "(drive t1 p1 depot)\n(DRIVE T1 depot p1)", True),
        ("plan", "(wait)(load v1)", True),
        ("plan", "(drive v1 p1 depot)", False),
        ("plan", "(drive t1 p1)", False),
        ("plan", "(fly t1)", False),
        ("plan", "(drive t2 p1 depot)", False),
        ("problem", "(at t1 depot)", True),
        ("problem", "(at v1 p1) (= (fuel t1) 3) (= (cost) 0)", True),
        ("problem", "(at depot depot)", False),
        ("problem", "(free v1)", False),
        ("problem", "(= (fuel p1) 3)", False),
        ("problem", "(at ?x depot)", False),
    ],
)
def test_names_of_a_domain(kind: str, text: str, allowed: bool) -> None:
    """Predicates, functions, actions and objects are the domain's, with arguments of their types."""
    if kind == "problem":
        text = f"{BEGIN}(:init {text}) (:goal (done)))"
        assert reads(text) or not allowed
    assert over_bytes(kind=kind, domain=DOMAIN, objects=OBJECTS).accepts(text) is allowed


def test_random_problems_of_a_domain() -> None:
    """They are read by unified-planning, which checks names and types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        io = pytest.importorskip("unified_planning.io")
    domain = re.sub(r"\(:durative-action.*\(:derived[^\n]*\n", "", DOMAIN, flags=re.DOTALL)
    compiled = over_bytes(domain=domain, objects=OBJECTS, max_space=1)
    for text in walks(compiled, 3, BEGIN, 80) + walks(compiled, 3, BEGIN + "(:init) (:goal (and ", 80):
        assert reads(text), text
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            io.PDDLReader().parse_problem_string(domain, re.sub("([<>=]+)", r" \1 ", text))


def test_domains_are_read() -> None:
    """With types above types, and constants of one or of several."""
    domain = read_domain(DOMAIN)
    assert domain.is_a("truck", frozenset(["vehicle"]))
    assert domain.is_a("place", frozenset(["object"]))
    assert not domain.is_a("vehicle", frozenset(["truck", "place"]))
    assert domain.constants == {"depot": frozenset(["place"])}
    assert [len(symbol.parameters) for symbol in domain.actions] == [3, 0, 1]
    assert [symbol.name for symbol in domain.functions] == ["fuel", "cost"]


def test_options_are_checked() -> None:
    """Kinds, domains and objects."""
    wrong: list[dict[str, Any]] = [
        {"kind": "plan"},
        {"kind": "plans"},
        {"objects": {"a": "b"}},
        {"domain": PROBLEM},
        {"domain": "(define (domain d)"},
        {"domain": DOMAIN.replace("- truck ?a", "- lorry ?a")},
        {"domain": DOMAIN, "kind": "domain"},
        {"domain": DOMAIN, "objects": {"a": "lorry"}},
        {"domain": DOMAIN, "objects": {"1": "truck"}},
        {"domain": DOMAIN, "objects": {"Depot": "place"}},
    ]
    for options in wrong:
        with pytest.raises(GrammarError):
            grammar("pddl", **options)
    with pytest.raises(ValueError, match="max_space"):
        grammar("pddl", max_space=0)


def test_masks_are_exact(pddl: CompiledConstraint) -> None:
    """Over bytes and tokens that join lexemes."""
    words = [
        " (",
        "))",
        "(:",
        "(and (",
        " - ",
        "?x",
        " ?v - ",
        ":action",
        "(at",
        ") (not (",
        "define",
        "; ",
        "\n  ",
        "(= (",
    ]
    index = index_of([bytes([byte]) for byte in range(256)] + [word.encode() for word in words])
    compiled = constrain.compile(grammar("pddl"), index)
    check_masks(compiled, [DOMAIN], 20)
    check_masks(compiled, [PROBLEM], 20)
    plan = constrain.compile(grammar("pddl", kind="plan", domain=DOMAIN, objects=OBJECTS), index)
    check_masks(plan, ["(drive t1 p1 depot)\n(wait) (load v1)"], 10)
