"""Which names may stand where in a query of SQLite, so that it runs: what sql_exact.lark carries from left to right.

Columns come before the tables that they are of.  Up to FROM, the state says what of the tables will be needed: for each
column without a table's name, that exactly one table has it; for each name of a table, which table that may be.  A
column is allowed as long as some tables will do.  From then on the state has the tables that have been named, those of
the queries around it as well, where a column means that of the nearest (sqlite.org/lang_select.html).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from constrain.grammars.errors import GrammarError
from constrain.grammars.library.carried_semantics import Step
from constrain.grammars.library.sql_additions import MOST_TABLES, Additions
from constrain.grammars.library.sql_names import any_case, either_name
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import Complement, Concatenation, Intersection, Literal, Regular, Union, Words

__all__ = ["Query", "Scopes"]

_BRACKETS, _QUERY, _ROOM = 3, 4, 12
"""What brackets, CASE and queries in brackets take of the room for nesting.  SQLite's parser has 100 places on its
stack: where all that can be stands before each, four of the first or three queries within each other are read."""

LONGEST_NEW_NAME = 8  # of those before columns of results

_NO_ALIASES = "rowid oid _rowid_ true false".split()
"""Names that mean something where no column has them."""

_NEW = "?"
"""Stands for a name of a table in FROM that is being read."""

_SPACE = " \t\n\r\f"
_COMMA, _POINT, _STAR, _NO_WORDS = Literal(b","), Literal(b"."), Literal(b"*"), Words(())
_FROM, _USING, _UNION = any_case(["from"]), any_case(["using"]), any_case(["union"])
_SET_OPERATORS = any_case(["union", "except", "intersect"])


def _words(texts: Iterable[str]) -> Regular:
    return Words(tuple(sorted(text.encode() for text in texts)))


@dataclass(frozen=True, slots=True)
class Source:
    """A table in FROM: the name that it goes by, and its number."""

    name: str
    table: int


@dataclass(frozen=True, slots=True)
class Query:
    """What has been read of a query.

    outer       the tables of the queries around it, the nearest first
    required    how many columns it must have; None: any number
    width       how many there are, with that which is being read; None: not known, since there was a ``*``
    bare        for each column without the name of a table: the tables that have it
    qualified   for each name that stood before a column: the tables that may have it
    results     names of results
    sources     the tables named in FROM
    asked       the name before a point, if it is new
    named       the table whose name has been read, and is to be given another
    named_last  whether that is the last one
    closed      whether all tables have been named
    depth       the room that is taken by brackets
    """

    outer: tuple[tuple[Source, ...], ...] = ()
    required: int | None = None
    width: int | None = 1
    bare: frozenset[frozenset[int]] = frozenset()
    qualified: frozenset[tuple[str, frozenset[int]]] = frozenset()
    results: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    asked: str = ""
    named: int | None = None
    named_last: bool = False
    closed: bool = False
    depth: int = 0


class Scopes:
    """The semantics of sql_exact.lark.

    tables     the names of tables, and of their columns
    aliases    the names that tables may be given; None: any
    functions  by their terminals, the functions that may be called
    word       what may stand for a name without quotes
    is_plain   whether a name may stand without quotes
    """

    changing = frozenset(
        "FROM STAR STAR_OF ITEM_COMMA NEEDED NEW_NAME NEW_STAR MEMBER RESULT TABLE TABLE_AS LAST_TABLE LAST_TABLE_AS "
        "ALIAS LAST_ALIAS SET_OPERATOR UNION".split()
    )
    reading = frozenset(
        "COLUMN OWN_COLUMN COMMON USING POSITION RESULT_NAME FUNCTION_1 FUNCTION_2 FUNCTION_3 FUNCTION_MANY".split()
    )
    nested = frozenset("nested_listed nested_filtered nested_grouped nested_argued nested_own".split())
    isolated = frozenset(["one_column", "any_columns"])

    def __init__(
        self,
        tables: Mapping[str, Sequence[str]],
        aliases: Sequence[str] | None,
        functions: Mapping[str, Iterable[str]],
        word: Regular,
        is_plain: Callable[[str], bool],
    ) -> None:
        self._names = [name for name, columns in tables.items() if columns]
        self._columns = [list(tables[name]) for name in self._names]
        if not self._names:
            raise GrammarError("there is no table with a column")
        self._aliases, self._word, self._is_plain = aliases, word, is_plain
        self._having: dict[str, set[int]] = {}
        for table, columns in enumerate(self._columns):
            for column in columns:
                self._having.setdefault(_folded(column), set()).add(table)
        self._by_homes: dict[frozenset[int], list[str]] = {}
        for column in dict.fromkeys(column for columns in self._columns for column in columns):
            self._by_homes.setdefault(frozenset(self._having[_folded(column)]), []).append(column)
        self._numbers = {name: table for table, name in enumerate(self._names)}
        self._texts: dict[tuple[str, ...], Words] = {}
        self._additions = Additions([self._length(name) for name in self._names])
        self._new_words: dict[frozenset[str], Regular] = {}
        self._in_scope: dict[tuple[tuple[Source, ...], ...], Regular] = {}
        self._known = [*map(_folded, self._names), *self._having, *_NO_ALIASES]
        self._steps: dict[str, Callable[[Query], list[Step[Query]]]] = {
            "FROM": self._from,
            "STAR": self._star,
            "STAR_OF": self._star_of,
            "ITEM_COMMA": self._comma,
            "NEEDED": self._needed,
            "NEW_NAME": self._new_qualifier,
            "NEW_STAR": self._new_star,
            "MEMBER": self._member,
            "RESULT": self._result,
            "TABLE": lambda query: self._table(query, last=False),
            "LAST_TABLE": lambda query: self._table(query, last=True),
            "TABLE_AS": lambda query: self._table_as(query, last=False),
            "LAST_TABLE_AS": lambda query: self._table_as(query, last=True),
            "ALIAS": lambda query: self._alias(query, last=False),
            "LAST_ALIAS": lambda query: self._alias(query, last=True),
            "SET_OPERATOR": lambda query: self._next(query, _SET_OPERATORS),
            "UNION": lambda query: self._next(query, _UNION),
            "COLUMN": lambda query: [Step(self._column((query.sources, *query.outer)), query)],
            "OWN_COLUMN": lambda query: [Step(self._column((query.sources,)), query)],
            "USING": self._using,
            "COMMON": lambda query: [Step(self._either(self._common(query)), query)],
            "POSITION": lambda query: [Step(_words(map(str, range(1, 1 + (query.width or 0)))), query)],
            **{terminal: _constant(any_case(names) if names else _NO_WORDS) for terminal, names in functions.items()},
            "RESULT_NAME": lambda query: [Step(_words(query.results), query)],
        }

    # The protocol

    def steps(self, terminal: str, query: Query) -> Sequence[Step[Query]]:
        """The ways to read a terminal."""
        return [step for step in self._steps[terminal](query) if step.texts != _NO_WORDS]

    def enter(self, rule: str, query: Query) -> Query | None:
        """The state in brackets; a query in brackets sees the tables around it."""
        depth = query.depth + (_BRACKETS if rule in self.nested else _QUERY)
        if depth > _ROOM:
            return None
        if rule in self.nested:
            return replace(query, depth=depth)
        outer = (query.sources, *query.outer) if query.sources else query.outer
        return Query(outer, 1 if rule == "one_column" else None, depth=depth)

    def closed(self, query: Query) -> frozenset[str]:
        """Brackets that there is no room for."""
        nested = self.nested if query.depth + _BRACKETS > _ROOM else frozenset[str]()
        return nested | self.isolated if query.depth + _QUERY > _ROOM else nested

    def more(self, query: Query) -> int:
        """For FROM, what the names of tables need, and for the columns that must still come."""
        if query.closed:
            return 0
        if query.named is not None:
            ways = self._alias(query, last=query.named_last)
            return min(_length(step.texts) - 1 + self.more(step.state) for step in ways)
        if query.asked:
            ways = [*self._member(query), *self._new_star(query)]
            return min(_length(step.texts) - 1 + self.more(step.state) for step in ways)
        columns = 0 if query.required is None or query.width is None else 2 * (query.required - query.width)
        least = self._least(query, another=bool(query.sources))
        if not least:
            least = 1 + min(map(self._length, self._names))
        return columns + least - 2

    def leave(self, query: Query) -> Query:
        """Behind the brackets."""
        return replace(query, depth=query.depth - _BRACKETS)

    def projected(self, names: frozenset[str], query: Query) -> Query:
        """Behind FROM: tables for columns, results for ORDER BY."""
        part = Query()
        if names & {"COLUMN", "OWN_COLUMN", "COMMON", "USING", *self.isolated}:
            part = replace(part, sources=query.sources, outer=query.outer)
        if "USING" in names or "POSITION" in names:
            part = replace(part, width=query.width)
        if "RESULT_NAME" in names:
            part = replace(part, results=query.results)
        if names & (self.nested | self.isolated):
            part = replace(part, depth=query.depth)
        return part

    # Results

    def _from(self, query: Query) -> list[Step[Query]]:
        return [Step(_FROM, query)] if query.required in (None, query.width) else []

    def _comma(self, query: Query) -> list[Step[Query]]:
        if query.width is None:
            return [Step(_COMMA, query)]
        fits = query.required is None or query.width < query.required
        return [Step(_COMMA, replace(query, width=query.width + 1))] if fits else []

    def _star(self, query: Query) -> list[Step[Query]]:
        return [Step(_STAR, replace(query, width=None))] if query.required is None else []

    def _star_of(self, query: Query) -> list[Step[Query]]:
        """All columns of a table, by its name or another."""
        if query.required is not None:
            return []
        every = frozenset(range(len(self._names)))
        ways = [*(self._own_name(query, table) for table in every), *self._other_names(query, every)]
        return [
            Step(Concatenation((way.texts, _POINT, _STAR)), replace(way.state, width=None), way.bound)
            for way in ways
            if self._fits(way.state)
        ]

    def _needed(self, query: Query) -> list[Step[Query]]:
        """Columns, by what they need."""
        found = []
        for table, columns in enumerate(self._columns):
            way = self._own_name(query, table)
            found.append(replace(way, texts=Concatenation((way.texts, _POINT, self._either(columns)))))
        for homes, columns in self._by_homes.items():
            found.append(Step(self._either(columns), replace(query, bare=query.bare | {homes})))
            found += [
                replace(way, texts=Concatenation((way.texts, _POINT, self._either(columns))))
                for way in self._other_names(query, homes)
            ]
        return [step for step in found if self._fits(step.state)]

    def _own_name(self, query: Query, table: int) -> Step[Query]:
        """A table's own name before a column."""
        name = self._names[table]
        return Step(self._either([name]), replace(query, qualified=query.qualified | {(name, frozenset([table]))}))

    def _other_names(self, query: Query, homes: frozenset[int]) -> Iterator[Step[Query]]:
        """Other names of a table before a column that some tables have."""
        others = [(name, tables) for name, tables in query.qualified if name not in self._numbers]
        for name, tables in sorted(others, key=lambda pair: pair[0]):
            if tables & homes:
                narrowed = query.qualified - {(name, tables)} | {(name, tables & homes)}
                yield Step(self._either([name]), replace(query, qualified=narrowed))
        for name in self._unused(query):
            yield Step(self._either([name]), replace(query, qualified=query.qualified | {(name, homes)}))

    def _new_qualifier(self, query: Query) -> list[Step[Query]]:
        """A name of a table that is new, by its length, which what is left depends on."""
        if self._aliases is not None:
            return []
        found = []
        for length in range(1, LONGEST_NEW_NAME + 1):
            after = replace(query, asked="?" * length)
            if self._member(after):
                texts = Intersection((self._new_name(query), _words_of_length(length)))
                found.append(Step(texts, after, _asked))
        return found

    def _new_star(self, query: Query) -> list[Step[Query]]:
        after = self._of_asked(query, frozenset(range(len(self._names))))
        return [Step(_STAR, replace(after, width=None))] if query.required is None and self._fits(after) else []

    def _member(self, query: Query) -> list[Step[Query]]:
        """A column of the table that has the new name."""
        ways = [(columns, self._of_asked(query, homes)) for homes, columns in self._by_homes.items()]
        return [Step(self._either(columns), after) for columns, after in ways if self._fits(after)]

    def _of_asked(self, query: Query, homes: frozenset[int]) -> Query:
        return replace(query, asked="", qualified=query.qualified | {(query.asked, homes)})

    def _result(self, query: Query) -> list[Step[Query]]:
        return [Step(self._new_word((*self._known, *query.results)), query, _called)]

    # Tables

    def _table(self, query: Query, *, last: bool) -> list[Step[Query]]:
        """A table that goes by its own name."""
        declared = {source.name for source in query.sources}
        ways = [
            (self._either([name]), self._declared(query, name, table, last=last))
            for table, name in enumerate(self._names)
            if name not in declared
        ]
        return [Step(texts, after) for texts, after in ways if after is not None]

    def _table_as(self, query: Query, *, last: bool) -> list[Step[Query]]:
        """A table that is given another name."""
        named = [(name, replace(query, named=table, named_last=last)) for table, name in enumerate(self._names)]
        return [Step(self._either([name]), after) for name, after in named if self._alias(after, last=last)]

    def _alias(self, query: Query, *, last: bool) -> list[Step[Query]]:
        if query.named is None:
            return []
        awaited = sorted(
            name for name, tables in query.qualified if name not in self._numbers and query.named in tables
        )
        found = []
        for name in [*awaited, *self._unused(query)]:
            after = self._declared(query, name, query.named, last=last)
            if after is not None:
                found.append(Step(self._either([name]), after))
        after = self._declared(query, _NEW, query.named, last=last) if self._aliases is None else None
        return found if after is None else [*found, Step(self._new_name(query), after, _named)]

    def _declared(self, query: Query, name: str, table: int, *, last: bool) -> Query | None:
        """Behind a table in FROM; None when the query could not go on."""
        sources = (*query.sources, Source(name, table))
        qualified = frozenset(pair for pair in query.qualified if pair[0] != name)
        after = replace(query, sources=sources, qualified=qualified, named=None, named_last=False)
        if not last:
            return after if self._fits(after, another=True) else None
        tables = [source.table for source in sources]
        done = not qualified and all(sum(table in homes for table in tables) == 1 for homes in query.bare)
        return replace(after, bare=frozenset(), closed=True) if done and len(sources) <= MOST_TABLES else None

    def _fits(self, query: Query, *, another: bool = False) -> bool:
        """Whether tables can be added so that all columns are of one; with `another`, one at least."""
        return self._least(query, another=another) is not None

    def _least(self, query: Query, *, another: bool) -> int | None:
        """The least number of bytes of the tables that have to be added; None: there are none that will do."""
        tables = tuple(source.table for source in query.sources)
        awaited = tuple(
            sorted(
                (0 if name in self._numbers else 1 + self._length(name), tuple(sorted(possible)))
                for name, possible in query.qualified
            )
        )
        if not another or awaited or any(homes.isdisjoint(tables) for homes in query.bare):
            return self._additions.least(tables, awaited, query.bare)
        names = {source.name for source in query.sources}
        lengths = [1] if self._aliases is None else map(self._length, self._unused(query))
        renamed = min((1 + length for length in lengths), default=None)
        return self._additions.another(tables, query.bare, [renamed if name in names else 0 for name in self._names])

    def _length(self, name: str) -> int:
        """The length of a name as it is written in fewest bytes."""
        return len(name) if name.startswith(_NEW) else min(map(len, self._either([name]).words))

    def _unused(self, query: Query) -> list[str]:
        """Names from the list of those that tables may be given."""
        used = {name for name, _ in query.qualified} | {source.name for source in query.sources}
        return [name for name in self._aliases or () if name not in used]

    def _using(self, query: Query) -> list[Step[Query]]:
        return [Step(_USING, query)] if query.width is not None and self._common(query) else []

    def _common(self, query: Query) -> list[str]:
        """The columns of the last table that one of those before it has, too."""
        *others, last = query.sources
        return [
            column
            for column in self._columns[last.table]
            if sum(source.table in self._having[_folded(column)] for source in others) == 1
        ]

    # Behind FROM

    def _column(self, scopes: tuple[tuple[Source, ...], ...]) -> Regular:
        """The columns of tables, the nearest first."""
        if scopes not in self._in_scope:
            ways: list[Regular] = []
            columns: set[str] = set()
            names: set[str] = set()
            for sources in scopes:
                found = Counter(_folded(column) for source in sources for column in self._columns[source.table])
                bare = {
                    column
                    for source in sources
                    for column in self._columns[source.table]
                    if found[_folded(column)] == 1 and _folded(column) not in columns
                }
                ways += [self._either(sorted(bare))] if bare else []
                for source in sources:
                    if _folded(source.name) not in names:
                        own = self._either(self._columns[source.table])
                        ways.append(Concatenation((self._either([source.name]), _POINT, own)))
                columns |= found.keys()
                names |= {_folded(source.name) for source in sources}
            self._in_scope[scopes] = Union(tuple(ways))
        return self._in_scope[scopes]

    def _next(self, query: Query, texts: Regular) -> list[Step[Query]]:
        """Another query with the same number of columns."""
        if query.width is None:
            return []
        return [Step(texts, Query(query.outer, query.width, results=query.results, depth=query.depth))]

    # Names

    def _either(self, names: Sequence[str]) -> Words:
        """Any of the names, in quotes or, where that can be, without."""
        key = tuple(names)
        if key not in self._texts:
            self._texts[key] = either_name(names, self._is_plain)
        return self._texts[key]

    def _new_name(self, query: Query) -> Regular:
        used = [name for name, _ in query.qualified] + [source.name for source in query.sources]
        return self._new_word((*self._known, *used))

    def _new_word(self, used: Sequence[str]) -> Regular:
        """A word that is none of these, in capital or small letters."""
        key = frozenset(map(_folded, used))
        if key not in self._new_words:
            self._new_words[key] = Intersection((self._word, Complement(any_case(sorted(key)))))
        return self._new_words[key]


def _constant(texts: Regular) -> Callable[[Query], list[Step[Query]]]:
    return lambda query: [Step(texts, query)]


def _length(texts: Regular) -> int:
    """The length of the shortest of some words, or 1."""
    return min(map(len, texts.words), default=1) if isinstance(texts, Words) else 1


def _folded(name: str) -> str:
    """A name as SQLite compares it: without regard to the case of ASCII letters."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


@cache
def _words_of_length(length: int) -> Regular:
    return regex_language(f"[A-Za-z_][A-Za-z0-9_]{{{length - 1}}}")


def _asked(query: Query, text: str) -> Query:
    """A new name of a table, before a point."""
    return replace(query, asked=text.strip(_SPACE))


def _named(query: Query, text: str) -> Query:
    """A new name of the last table."""
    *others, last = query.sources
    return replace(query, sources=(*others, Source(text.strip(_SPACE), last.table)))


def _called(query: Query, text: str) -> Query:
    """A new name of a result."""
    return replace(query, results=(*query.results, text.strip(_SPACE)))
