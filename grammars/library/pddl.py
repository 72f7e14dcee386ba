"""PDDL: domains, problems and plans, of any names or of those of one domain."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.library.pddl_domain import Domain, Symbol, read_domain
from constrain.grammars.library.sources import source
from constrain.grammars.library.spacing import Layout, spaced
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import Regular, Repetition

__all__ = ["pddl"]

_WORD = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_DIGITS, _MINUS = ((0x30, 0x39),), ((0x2D, 0x2D),)
_BEGINS = ((0x23, 0x23), (0x2D, 0x2D), (0x30, 0x3A), (0x3F, 0x3F), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_BLANK = r"[ \t\r\n]"
_FREE, _OF_A_DOMAIN = ("file", "domain", "problem"), ("problem", "plan")
_NAME = "[A-Za-z][A-Za-z0-9_-]*"


def pddl(
    *,
    kind: str | None = None,
    domain: str | None = None,
    objects: Mapping[str, str] | None = None,
    max_space: int | None = None,
) -> ir.Grammar:
    """Texts in PDDL 3.1: domains and problems, with types, fluents, durative actions, preferences and constraints.

    kind       "file" (the default: a domain or a problem), "domain", "problem", or, with `domain`, "plan": actions
               with their arguments, one after the other
    domain     a domain in PDDL: problems and plans use its names only, with arguments of the right types.  Goals have
               no quantifiers, preferences and constraints then, and initial states no literals at a time
    objects    the objects of the problem and their types, needed with `domain` beside its constants
    max_space  the most white space between two lexemes; without comments then

    Raises GrammarError for another kind, a domain that is not read, objects that are no names or of unknown types, and
    `objects` without `domain`.
    """
    kind = kind or ("file" if domain is None else "problem")
    if kind not in (_FREE if domain is None else _OF_A_DOMAIN):
        raise GrammarError(f"{kind!r} is not a kind of text {'without' if domain is None else 'for'} a domain")
    if domain is None:
        if objects is not None:
            raise GrammarError("objects belong to a domain, which is not given")
        base = source("pddl")
        grammar = base if kind == "file" else replace(base, start=kind)
    else:
        grammar = _Specialised(read_domain(domain), objects or {}).grammar(kind)
    return spaced(grammar, Layout(_space(max_space), ((_WORD, _BEGINS), (_MINUS, _DIGITS)), around=True))


def _space(most: int | None) -> Regular:
    if most is None:
        return regex_language(rf"({_BLANK}|;[^\n]*\n)+")
    if most < 1:
        raise ValueError(f"max_space is at least 1, not {most}")
    return Repetition(regex_language(_BLANK), 1, most)


class _Specialised:
    """The rules of problems and plans of one domain."""

    def __init__(self, domain: Domain, objects: Mapping[str, str]) -> None:
        self._domain, self._known = domain, dict[str, ir.Terminal]()
        self._declared = {name.lower(): kind.lower() for name, kind in objects.items()}
        for name, kind in self._declared.items():
            if not re.fullmatch(_NAME, name):
                raise GrammarError(f"{name!r} is not a name")
            if kind not in domain.types:
                raise GrammarError(f"the domain has no type {kind!r}, which {name!r} is of")
            if name in domain.constants:
                raise GrammarError(f"{name!r} is a constant of the domain")
        self._types = {**domain.constants, **{name: frozenset([kind]) for name, kind in self._declared.items()}}
        self._rules: dict[str, ir.Expression] = {}
        self._arguments: dict[frozenset[str], ir.Expression] = {}

    def grammar(self, kind: str) -> ir.Grammar:
        """A problem or a plan."""
        if kind == "plan":
            steps = [self._applied(symbol) for symbol in self._domain.actions]
            self._rules["start"] = self._some("step", _either(steps))
        else:
            self._rules["start"] = self._problem()
        return ir.Grammar("start", self._rules)

    def _problem(self) -> ir.Expression:
        name = self._pattern(_NAME)
        facts = [self._applied(symbol) for symbol in self._domain.predicates]
        facts += [self._list("=", self._applied(symbol), self._number()) for symbol in self._domain.functions]
        self._rules["expression"] = self._expression()
        self._rules["formula"] = self._formula()
        requirements = self._list(":requirements", self._some("key", self._pattern(":[A-Za-z][A-Za-z0-9_-]*")))
        optimised = _either([self._word("minimize"), self._word("maximize")])
        metric = self._list(":metric", optimised, ir.Reference("expression"))
        return self._list(
            "define",
            self._list("problem", name),
            self._list(":domain", self._word(self._domain.name)),
            _maybe(requirements),
            *self._objects(),
            self._list(":init", _maybe(self._some("fact", _either(facts)))),
            self._list(":goal", ir.Reference("formula")),
            *([_maybe(metric)] if self._domain.functions else []),
        )

    def _objects(self) -> Iterator[ir.Expression]:
        """The declaration of the objects, in the order given."""
        if not self._declared:
            return
        words: list[ir.Expression] = []
        for name, kind in self._declared.items():
            words.append(self._word(name))
            if self._domain.typed:
                words += [self._word("-"), self._word(kind)]
        yield self._list(":objects", *words)

    def _formula(self) -> ir.Expression:
        formula = ir.Reference("formula")
        expression = ir.Reference("expression")
        several = self._some("conjunct", formula)
        ways = [self._applied(symbol) for symbol in self._domain.predicates]
        ways += [self._list(word, several) for word in ("and", "or")]
        ways += [self._list("not", formula), self._list("imply", formula, formula)]
        if self._types:
            ways.append(self._list("=", self._argument(frozenset()), self._argument(frozenset())))
        if self._domain.functions:
            ways += [self._list(sign, expression, expression) for sign in ("<", ">", "<=", ">=", "=")]
        return _either(ways)

    def _expression(self) -> ir.Expression:
        expression = ir.Reference("expression")
        ways = [self._number(), *(self._applied(symbol) for symbol in self._domain.functions)]
        ways += [self._list(sign, expression, expression) for sign in "+-*/"]
        return _either(ways)

    def _applied(self, symbol: Symbol) -> ir.Expression:
        """A predicate, a function or an action with arguments of its types."""
        return self._list(symbol.name, *map(self._argument, symbol.parameters))

    def _argument(self, kinds: frozenset[str]) -> ir.Expression:
        """An object that is of one of the types; of none given: any."""
        if kinds not in self._arguments:
            fitting = [
                self._word(name)
                for name, own in self._types.items()
                if not kinds or any(self._domain.is_a(kind, kinds) for kind in own)
            ]
            rule = f"object {len(self._arguments)}"
            self._rules[rule] = _either(fitting)
            self._arguments[kinds] = ir.Reference(rule)
        return self._arguments[kinds]

    # Lexemes

    def _number(self) -> ir.Terminal:
        return self._pattern(r"-?[0-9]+(\.[0-9]+)?")

    def _word(self, text: str) -> ir.Terminal:
        return self._pattern(f"(?ai:{re.escape(text)})")

    def _pattern(self, text: str) -> ir.Terminal:
        if text not in self._known:
            self._known[text] = ir.Terminal(regex_language(text), text)
        return self._known[text]

    def _list(self, word: str, *parts: ir.Expression) -> ir.Expression:
        return ir.Sequence((self._word("("), self._word(word), *parts, self._word(")")))

    def _some(self, name: str, part: ir.Expression) -> ir.Reference:
        """The part, once or more often."""
        self._rules[name] = part
        more = f"{name}s"
        self._rules[more] = ir.Alternation((ir.Reference(name), ir.Sequence((ir.Reference(more), ir.Reference(name)))))
        return ir.Reference(more)


def _either(parts: Iterable[ir.Expression]) -> ir.Expression:
    return ir.Alternation(tuple(parts))


def _maybe(part: ir.Expression) -> ir.Expression:
    return ir.Alternation((ir.Sequence(()), part))
