"""PDDL: domains, problems and plans, a reader of lists, unified-planning's parser, masks."""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

import constrain
from constrain.compilation import CompiledConstraint
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar
from constrain.grammars.library.pddl_domain import read_domain
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

Tree = str | list["Tree"]


class _Error(Exception):
    """No domain and no problem."""


def tree(text: str) -> Tree:
    """A text in parentheses as lists of words."""
    text = re.sub(r";[^\n]*\n", " ", text.lower())
    if re.search(r"[^\s()a-z0-9_?:.#<>=+*/-]", text) or re.search("[\v\x1c-\x1f\x85\xa0]", text):
        raise _Error
    stack: list[list[Tree]] = [[]]
    for token in re.findall(r"[()]|<=|>=|[<>=+*/]|-(?![0-9])|[^\s()<>=+*/]+", text):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            if not stack:
                raise _Error
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    if len(stack) != 1 or len(stack[0]) != 1:
        raise _Error
    return stack[0][0]


class Reader:
    """Checks the lists of a domain or a problem by the shapes that the language has."""

    RESERVED = "and or not imply forall exists when preference assign increase decrease scale-up scale-down".split()

    def check(self, node: Tree) -> None:
        match node:
            case ["define", ["domain", str(name)], *sections]:
                self.name(name)
                order = ":requirements :types :constants :predicates :functions :constraints".split()
                for section in sections:
                    while (
                        order
                        and section[0] != order[0]
                        and section[0] not in (":action", ":durative-action", ":derived")
                    ):
                        order.pop(0)
                    if section[0] in order:
                        order.pop(0)
                    elif section[0] in (":action", ":durative-action", ":derived"):
                        order = []
                    else:
                        raise _Error
                    self.section(section)
            case ["define", ["problem", str(name)], [":domain", str(domain)], *sections]:
                self.name(name, domain)
                order = ":requirements :objects :init :goal :constraints :metric".split()
                keys = [section[0] for section in sections]
                if (
                    sorted(keys, key=order.index) != keys
                    or len(set(keys)) != len(keys)
                    or not {":init", ":goal"} <= set(keys)
                ):
                    raise _Error
                for section in sections:
                    self.section(section)
            case _:
                raise _Error

    def name(self, *names: Any, pattern: str = "[a-z][a-z0-9_-]*") -> None:
        for name in names:
            if not isinstance(name, str) or not re.fullmatch(pattern, name):
                raise _Error

    def predicate(self, name: Any) -> None:
        self.name(name)
        if name in self.RESERVED:
            raise _Error

    def typed(self, words: list[Tree], pattern: str = "[a-z][a-z0-9_-]*", *, least: int = 0) -> None:
        names = 0
        i = 0
        while i < len(words):
            if words[i] == "-":
                if not names or i + 1 == len(words):
                    raise _Error
                match words[i + 1]:
                    case ["either", str(), *_] as several:
                        self.name(*several[1:])
                    case kind:
                        self.name(kind)
                i, names = i + 2, 0
            else:
                self.name(words[i], pattern=pattern)
                i, names = i + 1, names + 1
        if len(words) < least:
            raise _Error

    def variables(self, words: Any) -> None:
        if not isinstance(words, list):
            raise _Error
        self.typed(words, r"\?[a-z][a-z0-9_-]*")

    def skeleton(self, node: Any) -> None:
        if not isinstance(node, list) or not node:
            raise _Error
        self.predicate(node[0])
        self.variables(node[1:])

    def each(self, check: Callable[[Any], None], nodes: list[Tree], least: int = 0) -> None:
        if len(nodes) < least:
            raise _Error
        for node in nodes:
            check(node)

    def section(self, node: Any) -> None:
        match node:
            case [":requirements", _, *_]:
                self.name(*node[1:], pattern=":[a-z][a-z0-9_-]*")
            case [":types" | ":constants", *words]:
                self.typed(words, least=1)
            case [":objects", *words]:
                self.typed(words)
            case [":predicates", *skeletons]:
                self.each(self.skeleton, skeletons, 1)
            case [":functions", *parts]:
                for before, part in zip([None, *parts], parts, strict=False):
                    if part == "-" and isinstance(before, list):
                        continue
                    if before == "-":
                        self.typed(["x", "-", part])
                    else:
                        self.skeleton(part)
                if parts and parts[-1] == "-":
                    raise _Error
            case [":action", str(name), ":parameters", variables, *rest]:
                self.name(name)
                self.variables(variables)
                if rest[:1] == [":precondition"]:
                    self.each(self.or_empty(self.condition), rest[1:2], 1)
                    rest = rest[2:]
                if rest[:1] == [":effect"]:
                    self.each(self.or_empty(self.effect), rest[1:2], 1)
                    rest = rest[2:]
                if rest:
                    raise _Error
            case [
                ":durative-action",
                str(name),
                ":parameters",
                variables,
                ":duration",
                length,
                ":condition",
                when,
                ":effect",
                then,
            ]:
                self.name(name)
                self.variables(variables)
                self.or_empty(self.duration)(length)
                self.or_empty(self.timed_condition)(when)
                self.or_empty(self.timed_effect)(then)
            case [":derived", skeleton, formula]:
                self.skeleton(skeleton)
                self.formula(formula)
            case [":init", *facts]:
                self.each(self.fact, facts)
            case [":goal", goal]:
                self.condition(goal)
            case [":constraints", constraint]:
                self.constraint(constraint)
            case [":metric", "minimize" | "maximize", expression]:
                self.expression(expression)
            case _:
                raise _Error

    def or_empty(self, check: Callable[[Any], None]) -> Callable[[Any], None]:
        return lambda node: None if node == [] else check(node)

    def condition(self, node: Any) -> None:
        match node:
            case ["and", *parts]:
                self.each(self.condition, parts)
            case ["forall", variables, part]:
                self.variables(variables)
                self.condition(part)
            case ["preference", str(name), part]:
                self.name(name)
                self.formula(part)
            case ["preference", part]:
                self.formula(part)
            case _:
                self.formula(node)

    def formula(self, node: Any) -> None:
        match node:
            case ["and" | "or", *parts]:
                self.each(self.formula, parts)
            case ["not", part]:
                self.formula(part)
            case ["imply", first, second]:
                self.each(self.formula, [first, second])
            case ["forall" | "exists", variables, part]:
                self.variables(variables)
                self.formula(part)
            case ["<" | ">" | "<=" | ">=" | "=", first, second]:
                self.each(self.expression, [first, second])
            case _:
                self.atom(node)

    def atom(self, node: Any) -> None:
        if not isinstance(node, list) or not node:
            raise _Error
        self.predicate(node[0])
        self.each(self.term, node[1:])

    def term(self, node: Any) -> None:
        if isinstance(node, list):
            self.atom(node)
        else:
            self.name(node, pattern=r"\??[a-z][a-z0-9_-]*")

    def expression(self, node: Any, elapsed: bool = False) -> None:
        match node:
            case ["+" | "-" | "*" | "/", _, *_]:
                for part in node[1:]:
                    self.expression(part, elapsed)
            case "#t" if elapsed:
                pass
            case str() if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", node):
                pass
            case _:
                self.term(node)

    def head(self, node: Any) -> None:
        if isinstance(node, str):
            self.name(node)
        else:
            self.atom(node)

    def effect(self, node: Any) -> None:
        match node:
            case ["and", *parts]:
                self.each(self.effect, parts)
            case ["forall", variables, part]:
                self.variables(variables)
                self.effect(part)
            case ["when", condition, part]:
                self.formula(condition)
                self.effect(part)
            case ["not", part]:
                self.atom(part)
            case ["assign" | "increase" | "decrease" | "scale-up" | "scale-down", head, expression]:
                self.head(head)
                self.expression(expression)
            case _:
                self.atom(node)

    def duration(self, node: Any) -> None:
        match node:
            case ["and", *parts]:
                self.each(self.bound, parts)
            case _:
                self.bound(node)

    def bound(self, node: Any) -> None:
        match node:
            case ["at", "start" | "end", ["<=" | ">=" | "=", "?duration", expression]]:
                self.expression(expression)
            case ["<=" | ">=" | "=", "?duration", expression]:
                self.expression(expression)
            case _:
                raise _Error

    def timed_condition(self, node: Any) -> None:
        match node:
            case ["and", *parts]:
                self.each(self.timed_condition, parts)
            case ["forall", variables, part]:
                self.variables(variables)
                self.timed_condition(part)
            case ["preference", str(name), part]:
                self.name(name)
                self.timed(part)
            case ["preference", part]:
                self.timed(part)
            case _:
                self.timed(node)

    def timed(self, node: Any) -> None:
        match node:
            case ["at", "start" | "end", part]:
                self.formula(part)
            case ["over", "all", part]:
                self.formula(part)
            case _:
                raise _Error

    def timed_effect(self, node: Any) -> None:
        match node:
            case ["and", *parts]:
                self.each(self.timed_effect, parts)
            case ["forall", variables, part]:
                self.variables(variables)
                self.timed_effect(part)
            case ["when", condition, ["at", "start" | "end", part]]:
                self.timed_condition(condition)
                self.effect(part)
            case ["at", "start" | "end", part]:
                self.effect(part)
            case ["increase" | "decrease", head, expression]:
                self.head(head)
                self.expression(expression, elapsed=True)
            case _:
                raise _Error

    def fact(self, node: Any) -> None:
        match node:
            case ["at", str(moment), [*_] as literal] if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", moment):
                self.fact(literal if literal[:1] != ["="] else [])
            case ["=", head, str(value)]:
                self.head(head)
                self.name(value, pattern=r"-?[0-9]+(\.[0-9]+)?|[a-z][a-z0-9_-]*")
            case ["not", [str(name), *names]] | [str(name), *names]:
                self.predicate(name)
                self.name(*names)
            case _:
                raise _Error

    def constraint(self, node: Any) -> None:
        match node:
            case ["and", *parts]:
                self.each(self.constraint, parts)
            case ["forall", variables, part]:
                self.variables(variables)
                self.constraint(part)
            case ["preference", part] | ["preference", str(_), part]:
                self.constraint(part)
            case ["at", "end", part] | ["always" | "sometime" | "at-most-once", part]:
                self.formula(part)
            case ["sometime-after" | "sometime-before", first, second]:
                self.each(self.formula, [first, second])
            case ["within" | "hold-after", str(number), part] | ["always-within", str(number), _, part]:
                self.name(number, pattern=r"-?[0-9]+(\.[0-9]+)?")
                self.each(self.formula, [part, *node[2:-1]])
            case ["hold-during", str(first), str(second), part]:
                self.name(first, second, pattern=r"-?[0-9]+(\.[0-9]+)?")
                self.formula(part)
            case _:
                raise _Error


def reads(text: str) -> bool:
    """What the reader says."""
    try:
        Reader().check(tree(text))
    except (_Error, TypeError, IndexError, KeyError, ValueError):
        return False
    return True


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
    io = pytest.importorskip("unified_planning.io")
    domain = re.sub(r"\(:durative-action.*\(:derived[^\n]*\n", "", DOMAIN, flags=re.DOTALL)
    compiled = over_bytes(domain=domain, objects=OBJECTS, max_space=1)
    for text in walks(compiled, 3, BEGIN, 80) + walks(compiled, 3, BEGIN + "(:init) (:goal (and ", 80):
        assert reads(text), text
        io.PDDLReader().parse_problem_string(domain, text)


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
    check_masks(compiled, DOMAIN, 20)
    check_masks(compiled, PROBLEM, 20)
    plan = constrain.compile(grammar("pddl", kind="plan", domain=DOMAIN, objects=OBJECTS), index)
    check_masks(plan, "(drive t1 p1 depot)\n(wait) (load v1)", 10)
