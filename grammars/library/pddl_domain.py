"""What a domain in PDDL declares: its types, constants, predicates, functions and actions.

Names are in small letters, as PDDL does not tell them from capital ones.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from constrain.grammars.errors import GrammarError

__all__ = ["Domain", "Symbol", "read_domain"]

_TOKEN = re.compile(r"[()]|[^\s()]+")
_COMMENT = re.compile(r";[^\n]*")

_Tree = str | list["_Tree"]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A predicate, function or action: its name, and the types each argument may be of; none: any."""

    name: str
    parameters: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """What a domain declares.

    types      each type with the types that it is directly a part of
    constants  each with its types
    typed      whether there are types at all
    """

    name: str
    types: dict[str, frozenset[str]]
    constants: dict[str, frozenset[str]]
    predicates: tuple[Symbol, ...]
    functions: tuple[Symbol, ...]
    actions: tuple[Symbol, ...]
    typed: bool

    def is_a(self, kind: str, others: frozenset[str]) -> bool:
        """Whether a type is one of the others or a part of one."""
        pending, seen = [kind], {kind}
        while pending:
            kind = pending.pop()
            if kind in others or "object" in others:
                return True
            found = self.types.get(kind, frozenset()) - seen
            seen |= found
            pending += found
        return False


def read_domain(text: str) -> Domain:
    """What a domain declares.  Raises GrammarError for a text that is none."""
    match _tree(text):
        case ["define", ["domain", str(name)], *sections]:
            pass
        case _:
            raise GrammarError("a domain begins with (define (domain NAME) …")
    found: dict[str, list[list[_Tree]]] = {}
    for section in sections:
        if not isinstance(section, list) or not section or not isinstance(section[0], str):
            raise GrammarError(f"domain {name!r} has something that is no section")
        found.setdefault(section[0], []).append(section[1:])
    parts = dict(_typed(found.get(":types", [[]])[0]))
    types = {"object": frozenset[str](), **parts}
    for parents in parts.values():
        types |= {parent: frozenset(["object"]) for parent in parents if parent not in types}
    domain = Domain(
        name,
        types,
        {constant: kinds or frozenset(["object"]) for constant, kinds in _typed(found.get(":constants", [[]])[0])},
        tuple(_symbols(found.get(":predicates", [[]])[0])),
        tuple(_symbols(found.get(":functions", [[]])[0])),
        tuple(_action(part) for key in (":action", ":durative-action") for part in found.get(key, [])),
        ":types" in found,
    )
    _check(domain)
    return domain


def _check(domain: Domain) -> None:
    """Raises GrammarError for types that are not declared."""
    for symbol in (*domain.predicates, *domain.functions, *domain.actions):
        for kinds in symbol.parameters:
            if unknown := kinds - domain.types.keys():
                raise GrammarError(f"{symbol.name!r} has an argument of a type that is not declared: {min(unknown)!r}")


def _tree(text: str) -> _Tree:
    """A text in parentheses as lists of words."""
    stack: list[list[_Tree]] = [[]]
    for token in _TOKEN.findall(_COMMENT.sub(" ", text).lower()):
        if token == "(":
            stack.append([])
        elif token == ")":
            if len(stack) == 1:
                raise GrammarError("a parenthesis is closed that is not open")
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    if len(stack) != 1 or len(stack[0]) != 1:
        raise GrammarError("a domain is one text in parentheses")
    return stack[0][0]


def _typed(words: Sequence[_Tree]) -> Iterator[tuple[str, frozenset[str]]]:
    """The names of a typed list, each with its types."""
    names: list[str] = []
    i = 0
    while i < len(words):
        word = words[i]
        if not isinstance(word, str):
            raise GrammarError("a typed list has names only")
        if word != "-":
            names.append(word)
            i += 1
            continue
        match words[i + 1 : i + 2]:
            case [str(kind)]:
                kinds = frozenset([kind])
            case [["either", *several]]:
                kinds = frozenset(kind for kind in several if isinstance(kind, str))
            case _:
                raise GrammarError("a type is missing")
        yield from ((name, kinds) for name in names)
        names = []
        i += 2
    yield from ((name, frozenset()) for name in names)


def _symbols(parts: Sequence[_Tree]) -> Iterator[Symbol]:
    """Predicates or functions; the types of functions' values are left out."""
    for part in parts:
        match part:
            case [str(name), *parameters]:
                yield Symbol(name, tuple(kinds for _, kinds in _typed(parameters)))
            case "-" | "number":
                pass
            case _:
                raise GrammarError(f"{part!r} is no declaration of a predicate or a number")


def _action(part: Sequence[_Tree]) -> Symbol:
    match part:
        case [str(name), ":parameters", list(parameters), *_]:
            return Symbol(name, tuple(kinds for _, kinds in _typed(parameters)))
    raise GrammarError("an action has a name and parameters")
