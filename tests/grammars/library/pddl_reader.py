"""A reader of PDDL by lists: what the BNF of PDDL 3.1 says of domains and problems, as shapes of lists."""

import re
from collections.abc import Callable
from typing import Any

__all__ = ["reads"]

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
