"""The grammar that every front-end produces: a small, immutable, tokenizer-free description of a language.

Regular parts are `regular` expressions in a `Terminal`; the rest is context-free, with three structures that are
not: objects, whose keys must differ and may come in any order, counted lists, and bindings, where what follows a part
depends on its text.  A `Grammar` is a set of named rules.  Rules may be made when they are first asked for
(`Grammar.rule`), so that a large schema costs what a text touches of it.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from constrain.grammars.errors import GrammarError
from constrain.grammars.regular import Regular

__all__ = [
    "Alternation",
    "Binding",
    "Budget",
    "Expression",
    "Follower",
    "Grammar",
    "Items",
    "Key",
    "Late",
    "Later",
    "Members",
    "OtherKeys",
    "Position",
    "Reference",
    "Relaxation",
    "Repeat",
    "Sequence",
    "SpecialToken",
    "Terminal",
]


class Expression:
    """Base of the expressions of this module."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Terminal(Expression):
    """A lexeme.  `priority` decides between lexemes of equal length when the longest match counts."""

    regular: Regular
    name: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SpecialToken(Expression):
    """One special token of the tokenizer, by its text or by its id."""

    token: str | int


@dataclass(frozen=True, slots=True)
class Reference(Expression):
    """The language of a rule."""

    name: str


@dataclass(frozen=True, slots=True)
class Sequence(Expression):
    """The parts one after the other; none: the empty text."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Alternation(Expression):
    """Any of the parts; none: no text at all."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Repeat(Expression):
    """From `minimum` to `maximum` times the part; `maximum` None: any number."""

    part: Expression
    minimum: int = 0
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Budget(Expression):
    """The part, in at most `max_bytes` bytes; only for parts that are regular."""

    part: Expression
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Key:
    """A member of an object: its name as UTF-8, the rule of its value, and whether it must be there.

    Without a rule there is no value, and no colon: a container of such members is a list of distinct strings.
    """

    name: bytes
    rule: str | None
    required: bool = False


@dataclass(frozen=True, slots=True)
class OtherKeys:
    """Members whose names are not declared: a language of UTF-8 texts, and the rule of their values.

    The language is infinite.  Declared names and names that the object already has are never taken again.  With
    `needed`, there must be such a member.
    """

    names: Regular
    rule: str | None
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Members(Expression):
    """A JSON object.

    With `ordered`, declared keys come in the order given, and others after them.  `gap` is what may stand before
    each punctuation mark, key and value, except before the opening brace, which the caller has to allow.
    """

    keys: tuple[Key, ...]
    others: tuple[OtherKeys, ...]
    minimum: int
    maximum: int | None
    ordered: bool
    open: Terminal
    close: Terminal
    comma: Terminal
    colon: Terminal
    key_prefix: Regular
    any_escape: bool = True


@dataclass(frozen=True, slots=True)
class Items(Expression):
    """A counted list: `first` rules in turn, then `rest` (None: no more), between the terminals."""

    first: tuple[str, ...]
    rest: str | None
    minimum: int
    maximum: int | None
    open: Terminal
    close: Terminal
    comma: Terminal


class Later(Protocol):
    """What a rule says, when it is asked for; equal ones stand for the same rule."""

    def __hash__(self) -> int:
        """Equal objects must have equal hashes."""
        ...

    def expression(self) -> Expression:
        """The right-hand side of the rule."""
        ...


@dataclass(frozen=True, slots=True)
class Late(Expression):
    """A rule without a name that is made when the parser first predicts it.  It reads something."""

    rule: Later


class Follower(Protocol):
    """Says what follows a part of a text."""

    def __call__(self, text: bytes, /) -> Expression:
        """What follows `text`: an expression that can be hashed, such as a `Late` one."""
        ...


@dataclass(frozen=True, slots=True)
class Binding(Expression):
    """The part, and then what depends on its text: `after(text)` (Jim, Mandelbaum and Walker 2010, "Semantics and
    Algorithms for Data-dependent Grammars").

    Both read something, whatever the text.  `following` contains all that may follow any text: it gives lower bounds,
    and saves asking; with `settled`, its first terminals, and whether it ends behind them, do not depend on the text.
    `after` must be a function of the text alone, and every text of `part` must have followers, since what has been
    read of the part is not taken back.

    Only where every way of splitting a text into lexemes counts and nothing is ignored.  A grammar with bindings is
    not saved.
    """

    part: Expression
    after: Follower
    following: Expression
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the source of a grammar; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A part of a JSON Schema that is not enforced: its JSON Pointer, its keyword, and why."""

    pointer: str
    keyword: str
    reason: str


making: Final = threading.RLock()
"""Held while a rule is made on demand, or what follows a text: constraints share what front-ends keep for that."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a front-end was asked for, see `recipes`: a text, and options."""

    front_end: str
    asked_for: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Grammar:
    """A language.

    start          name of the rule that a text must match
    rules          the rules that are known
    make_rule      makes a rule that is not, from its name; None when all are.  None of these derives the empty text,
                   except that of the start, if it is one of `rules`, Repeat(Reference(…), 0, 1), and
                   no rule refers to it
    ignored        terminals that may stand before and behind every other one
    longest_match  whether a lexeme is always the longest possible one (programming languages), or every way of
                   splitting a text into lexemes counts
    key            what identifies the grammar, for caches; "" when it is not to be cached
    positions      where rules were defined, for messages
    relaxed        what the grammar's author asked for that it does not enforce
    recipe         how its front-end makes it again; None when nothing says so
    """

    start: str
    rules: Mapping[str, Expression]
    make_rule: Callable[[str], Expression] | None = None
    ignored: tuple[Terminal, ...] = ()
    longest_match: bool = False
    key: str = ""
    source: str = ""
    positions: Mapping[str, Position] = field(default_factory=dict)
    relaxed: tuple[Relaxation, ...] = ()
    recipe: Recipe | None = None

    def rule(self, name: str) -> Expression:
        """The right-hand side of a rule."""
        if name in self.rules:
            return self.rules[name]
        if self.make_rule is None:
            raise GrammarError(f"rule {name!r} is not defined")
        with making:
            return self.make_rule(name)
