"""First-order logic, in three notations.

Formulas are made as rules on demand: where variables have to be bound, a rule's name carries the variables that are,
so that there are as many copies of a rule as sets of bound variables that a text reaches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarError
from constrain.grammars.library.sources import space
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import (
    Complement,
    Concatenation,
    Intersection,
    Literal,
    Regular,
    Repetition,
    Without,
    Words,
)

__all__ = ["fol"]

_SPACE = ((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20))
_NLTK_SPACE = ((0x09, 0x0A), (0x20, 0x20))
_MOST_VARIABLES = 8


@dataclass(frozen=True, slots=True)
class _Notation:
    """The signs of a notation.

    name         regular expression of predicates, functions and constants; `keywords` are none
    variable     regular expression of variables
    variables_are_names  whether a name in a term may be a variable, too
    quantifiers, negation, connectives, equalities
    truth        formulas that stand for true and false
    """

    name: str
    variable: str
    variables_are_names: bool
    quantifiers: tuple[str, ...]
    negation: str
    connectives: tuple[str, ...]
    equalities: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    truth: tuple[str, ...] = ()


_NOTATIONS = {
    "unicode": _Notation(
        "[A-Za-z][A-Za-z0-9_]*", "[a-z][0-9]*", True, ("∀", "∃"), "¬", ("∧", "∨", "→", "↔"), ("=", "≠")
    ),
    "ascii": _Notation(
        "[A-Za-z][A-Za-z0-9_]*",
        "[a-z][0-9]*",
        True,
        ("all", "exists"),
        "-",
        ("&", "|", "->", "<->"),
        ("=", "!="),
        ("all", "exists", "forall", "some", "exist", "iota", "not", "and", "or", "implies", "iff", "lambda"),
    ),
    "tptp": _Notation(
        r"[a-z][A-Za-z0-9_]*|'([ -&(-\[\]-~]|\\['\\])+'",
        "[A-Z][A-Za-z0-9_]*",
        False,
        ("!", "?"),
        "~",
        ("<=>", "=>", "<=", "<~>", "~|", "~&"),
        ("=", "!="),
        truth=("$true", "$false"),
    ),
}


def fol(
    *,
    notation: str = "unicode",
    predicates: Mapping[str, int] | None = None,
    functions: Mapping[str, int] | None = None,
    constants: Sequence[str] | None = None,
    variables: Sequence[str] | None = None,
    closed: bool = False,
    equality: bool = True,
    max_space: int | None = None,
) -> ir.Grammar:
    """One formula of first-order logic.

    notation    "unicode": ``∀x ∃y (P(x) ∧ ¬Q(f(y), c) → x = y)``; a quantifier binds as tightly as ¬, and with a point
                behind its variable (``∀x. …``) as far as it can.  "ascii": ``all x.(P(x) & -Q(f(c)) -> x = c)``, which
                NLTK reads.  "tptp": a FOF formula, ``! [X,Y] : (p(X) => ~ q(f(Y)))``
    predicates  names and numbers of arguments, 0 for propositions; None: any
    functions   names and numbers of arguments, at least 1; None: any
    constants   names; None: any
    variables   names; None: any
    closed      every variable is bound by a quantifier around it; with `variables`, at most 8
    equality    whether there are equations
    max_space   the most white space between two lexemes

    Raises GrammarError for an unknown notation, a name that the notation does not have or that is given two roles, a
    negative number of arguments, and `closed` without variables or with too many.
    """
    if notation not in _NOTATIONS:
        raise GrammarError(f"no notation is called {notation!r}; there are {', '.join(_NOTATIONS)}")
    signs = _NOTATIONS[notation]
    given = _Names(signs, predicates, functions, constants, variables, closed=closed)
    blank = space(_NLTK_SPACE, max_space, minimum=1) if notation == "ascii" else space(_SPACE, max_space, minimum=0)
    formulas = _Formulas(notation, given, blank, equality=equality)
    return ir.Grammar(formulas.start, {}, make_rule=formulas.rule)


class _Names:
    """The names of each role as regular languages, checked."""

    def __init__(
        self,
        signs: _Notation,
        predicates: Mapping[str, int] | None,
        functions: Mapping[str, int] | None,
        constants: Sequence[str] | None,
        variables: Sequence[str] | None,
        *,
        closed: bool,
    ) -> None:
        self._name = Without(regex_language(signs.name), tuple(sorted(word.encode() for word in signs.keywords)))
        self._variable = regex_language(signs.variable)
        for table, least in ((predicates, 0), (functions, 1)):
            for name, count in (table or {}).items():
                if isinstance(count, bool) or not isinstance(count, int) or count < least:
                    raise GrammarError(f"{name!r} cannot have {count!r} arguments")
        if predicates is not None and not predicates:
            raise GrammarError("there are no predicates")
        if closed and (variables is None or not 0 < len(variables) <= _MOST_VARIABLES):
            raise GrammarError(f"closed formulas need variables, at most {_MOST_VARIABLES}")
        roles = (predicates or {}, functions or {}, constants or (), variables or ())
        names = list(chain.from_iterable(roles))
        for i, role in enumerate(roles):
            applied = _but(self._name, self._variable) if signs.keywords else self._name
            language = Language((applied, applied, self._name, self._variable)[i])
            for name in role:
                if name.encode() not in language:
                    raise GrammarError(f"{name!r} is not a name of this notation")
        if len(set(names)) != len(names):
            raise GrammarError("a name is given twice")
        self.predicates, self.functions = predicates, functions
        self.closed, self.variables = closed, tuple(variables or ())
        taken = tuple(sorted(name.encode() for name in names))
        self.any_name: Regular = Without(self._name, taken)
        # NLTK takes a small letter with digits for a variable wherever it stands
        self.applied = self.any_name if not signs.keywords else _but(self.any_name, self._variable)
        self.any_variable: Regular = _words(variables) if variables is not None else Without(self._variable, taken)
        self.constant: Regular | None
        if constants is not None:
            self.constant = _words(constants) if constants else None
        elif signs.variables_are_names and closed:
            self.constant = _but(self.any_name, self._variable)
        else:
            self.constant = self.any_name


def _but(language: Regular, other: Regular) -> Regular:
    return Intersection((language, Complement(other)))


def _words(names: Sequence[str]) -> Regular:
    return Words(tuple(sorted(name.encode() for name in names)))


class _Formulas:
    """The rules: a kind, and the variables that are bound, as digits, or "*" where any may stand."""

    def __init__(self, notation: str, names: _Names, blank: Regular | None, *, equality: bool) -> None:
        self._tptp, self._ascii = notation == "tptp", notation == "ascii"
        self._signs, self._names, self._equality = _NOTATIONS[notation], names, equality
        self._gap: Regular = Literal(b"") if blank is None else Repetition(blank, 0, 1)
        self._blank = blank
        self._known: dict[str, ir.Terminal] = {}
        self._bound = "" if names.closed else "*"
        self.start = "text "

    def rule(self, name: str) -> ir.Expression:
        """The right-hand side of a rule."""
        kind, bound = name.split(" ")
        makers = {
            "text": self._text,
            "formula": self._tptp_formula if self._tptp else self._formula,
            "unit": self._unit,
            "wide": self._wide,
            "list": self._list,
            "atom": self._atom,
            "term": self._term,
        }
        if kind not in makers:
            raise GrammarError(f"rule {name!r} is not defined")
        return makers[kind](bound)

    # Lexemes, each with the space behind it

    def _sign(self, *texts: str) -> ir.Terminal:
        return self._lexeme(" ".join(texts), Words(tuple(sorted(text.encode() for text in texts))))

    def _lexeme(self, name: str, regular: Regular) -> ir.Terminal:
        if name not in self._known:
            self._known[name] = ir.Terminal(Concatenation((regular, self._gap)), name)
        return self._known[name]

    # Formulas

    def _text(self, _: str) -> ir.Expression:
        """A formula, with space before it."""
        formula = _reference("formula", self._bound)
        if self._blank is None:
            return formula
        return _sequence(ir.Repeat(ir.Terminal(self._blank, "space"), 0, 1), formula)

    def _formula(self, bound: str) -> ir.Expression:
        """Operands between connectives; the last one may be a formula that reaches as far as it can."""
        unit, wide, connective = (
            _reference("unit", bound),
            _reference("wide", bound),
            self._sign(*self._signs.connectives),
        )
        return _sequence(ir.Repeat(_sequence(unit, connective)), _either(unit, wide))

    def _tptp_formula(self, bound: str) -> ir.Expression:
        unit = _reference("unit", bound)
        chains = [ir.Repeat(_sequence(self._sign(sign), unit), 1) for sign in "&|"]
        rest = _either(_sequence(self._sign(*self._signs.connectives), unit), *chains)
        return _sequence(unit, ir.Repeat(rest, 0, 1))

    def _unit(self, bound: str) -> ir.Expression:
        unit, inner = _reference("unit", bound), _reference("formula", bound)
        ways = [
            _sequence(self._sign(self._signs.negation), unit),
            _sequence(self._sign("("), inner, self._sign(")")),
        ]
        if self._may_have_atoms(bound):
            ways.append(_reference("atom", bound))
        if self._tptp:
            ways.append(_sequence(self._sign(*self._signs.quantifiers), self._sign("["), _reference("list", bound)))
        elif not self._ascii:
            ways += [_sequence(quantified, _reference("unit", after)) for quantified, after in self._quantified(bound)]
        return _either(*ways)

    def _wide(self, bound: str) -> ir.Expression:
        """A formula whose last quantifier has a point."""
        ways = [_sequence(self._sign(self._signs.negation), _reference("wide", bound))]
        for quantified, after in self._quantified(bound):
            ways.append(_sequence(quantified, self._sign("."), _reference("formula", after)))
            if not self._ascii:
                ways.append(_sequence(quantified, _reference("wide", after)))
        return _either(*ways)

    def _quantified(self, bound: str) -> list[tuple[ir.Expression, str]]:
        """A quantifier with its variable, and what is bound behind it."""
        quantifier = self._sign(*self._signs.quantifiers)
        if self._ascii and self._blank is not None:
            words = Words(tuple(sign.encode() for sign in self._signs.quantifiers))
            quantifier = ir.Terminal(Concatenation((words, self._blank)), "quantifier")
        return [(_sequence(quantifier, variable), after) for variable, after in self._variables(bound)]

    def _variables(self, bound: str) -> list[tuple[ir.Terminal, str]]:
        if bound == "*":
            return [(self._lexeme("any variable", self._names.any_variable), bound)]
        return [(self._sign(name), "".join(sorted({*bound, str(i)}))) for i, name in enumerate(self._names.variables)]

    def _list(self, bound: str) -> ir.Expression:
        """The variables behind a quantifier of TPTP, the bracket, and the formula."""
        ways = []
        for variable, after in self._variables(bound):
            end = _sequence(self._sign("]"), self._sign(":"), _reference("unit", after))
            ways.append(_sequence(variable, _either(_sequence(self._sign(","), _reference("list", after)), end)))
        return _either(*ways)

    # Atoms and terms

    def _may_have_terms(self, bound: str) -> bool:
        return bool(bound) or self._names.constant is not None

    def _may_have_atoms(self, bound: str) -> bool:
        predicates = self._names.predicates
        return predicates is None or 0 in predicates.values() or bool(self._signs.truth) or self._may_have_terms(bound)

    def _atom(self, bound: str) -> ir.Expression:
        ways: list[ir.Expression] = [self._sign(sign) for sign in self._signs.truth]
        if self._names.predicates is None:
            name = self._lexeme("applied", self._names.applied)
            rest = ir.Repeat(self._arguments(bound, None), 0, 1) if self._may_have_terms(bound) else _sequence()
            ways.append(_sequence(name, rest))
        else:
            ways += self._applied(self._names.predicates, bound)
        if self._equality and self._may_have_terms(bound):
            term = _reference("term", bound)
            ways.append(_sequence(term, self._sign(*self._signs.equalities), term))
        return _either(*ways)

    def _term(self, bound: str) -> ir.Expression:
        ways: list[ir.Expression] = []
        if bound == "*":
            ways.append(self._lexeme("any variable", self._names.any_variable))
        elif bound:
            ways.append(self._sign(*(self._names.variables[int(i)] for i in bound)))
        if self._names.constant is not None:
            ways.append(self._lexeme("constant", self._names.constant))
        if self._names.functions is None:
            ways.append(_sequence(self._lexeme("applied", self._names.applied), self._arguments(bound, None)))
        else:
            ways += self._applied(self._names.functions, bound)
        return _either(*ways)

    def _applied(self, table: Mapping[str, int], bound: str) -> list[ir.Expression]:
        """Names with their arguments; those of as many arguments together."""
        ways: list[ir.Expression] = []
        for count in sorted(set(table.values())):
            name = self._sign(*(name for name, arguments in table.items() if arguments == count))
            if count == 0:
                ways.append(name)
            elif self._may_have_terms(bound):
                ways.append(_sequence(name, self._arguments(bound, count)))
        return ways

    def _arguments(self, bound: str, count: int | None) -> ir.Expression:
        term = _reference("term", bound)
        more = ir.Repeat(_sequence(self._sign(","), term), (count or 1) - 1, None if count is None else count - 1)
        return _sequence(self._sign("("), term, more, self._sign(")"))


def _reference(kind: str, bound: str) -> ir.Reference:
    return ir.Reference(f"{kind} {bound}")


def _sequence(*parts: ir.Expression) -> ir.Expression:
    return ir.Sequence(parts)


def _either(*parts: ir.Expression) -> ir.Expression:
    return parts[0] if len(parts) == 1 else ir.Alternation(parts)
