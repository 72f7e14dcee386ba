"""Grammars put together from grammars.

Each part keeps its rules, under names with a prefix of their own.  When all rules of all parts are known, so are those
of the whole.  A part whose rules are made on demand (a JSON Schema, a long choice) makes them on demand in the whole,
too; the other parts are then brought into a form that allows it (see `reading`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from constrain.grammars import ir
from constrain.grammars.composition.expressions import renamed, rewritten
from constrain.grammars.composition.reading import DEAD, Form, reading_rules
from constrain.grammars.errors import GrammarError
from constrain.grammars.regular import Literal

__all__ = [
    "CAPTURE",
    "Part",
    "capture",
    "concatenation",
    "embedded",
    "key_of",
    "optional",
    "original_rule",
    "part_of",
    "repetition",
    "special_token",
    "union",
]

Part = ir.Grammar | str
"""A grammar, or a text that stands for itself."""

CAPTURE = "capture:"
_MAX_NESTING = 100
_START, _HOST = "start", "host/"


def key_of(kind: str, *keys: str) -> str:
    """The key of a whole: a digest of those of its parts; none when a part has none."""
    if not all(keys):
        return ""
    return f"{kind.split()[0]} {hashlib.sha256(repr((kind, *keys)).encode()).hexdigest()}"


def part_of(part: Part) -> ir.Grammar:
    """A part as a grammar in which every way of cutting a text into lexemes counts.

    Raises GrammarError for a grammar whose lexemes are the longest possible ones: what follows it would change how it
    is read.
    """
    if isinstance(part, str):
        return ir.Grammar(_START, {_START: ir.Terminal(Literal(part.encode()))}, key=repr(("text", part)))
    if not isinstance(part, ir.Grammar):
        raise TypeError(f"a part is a grammar or a text, not {type(part).__name__}")
    if part.longest_match or part.ignored:
        raise GrammarError(
            "a grammar whose lexemes are the longest ones, or that ignores some, cannot be put together with others; "
            "write it with lexer='dynamic_complete' and without %ignore"
        )
    return part


_OPTIONAL = "?"  # no other rule of a whole has this name


@dataclass(frozen=True, slots=True)
class _Outside(ir.Expression):
    """The non-empty texts of a rule that is made on demand, as the rules that are known see it."""

    name: str


class _OnDemand:
    """Rules of a whole some of whose parts make theirs on demand.

    `rules` are those that are known, of the whole and of its other parts.  They refer to those of part i, the key of
    which is "i/", as "i/name".
    """

    def __init__(self, start: str, rules: Mapping[str, ir.Expression], parts: Mapping[str, ir.Grammar]) -> None:
        self.nesting = 1 + max(map(_nesting, parts.values()))
        if self.nesting > _MAX_NESTING:
            raise GrammarError(
                f"grammars are put together more than {_MAX_NESTING} deep: give union many parts at once"
            )
        self.reading_start, self._originals, self._parts = start, rules, parts
        outside = {number + part.start: _start_form(part, number) for number, part in parts.items()}

        def leaf(node: ir.Expression) -> ir.Expression:
            return outside.get(node.name, node) if isinstance(node, ir.Reference) else node

        known = ir.Grammar(start, {name: rewritten(rule, leaf) for name, rule in rules.items()})
        self._known, self.start_form = reading_rules(known)
        self._known = {name: rewritten(rule, _inside) for name, rule in self._known.items()}

    @property
    def start(self) -> str:
        """The rule of the whole: one that nothing refers to, where the whole may be empty."""
        return _OPTIONAL if self.start_form.nullable else self.reading_start

    def rule(self, name: str) -> ir.Expression:
        """The right-hand side of a rule, which does not derive the empty text unless it is that of the start."""
        if name == _OPTIONAL:
            reads = self.start_form.reads is not DEAD
            return ir.Repeat(ir.Reference(self.reading_start), 0, 1) if reads else ir.Sequence(())
        return self.reading_rule(name)

    def reading_rule(self, name: str) -> ir.Expression:
        """The non-empty texts of a rule."""
        if name not in self._known:
            number, rest = _part_and_name(name)
            part = self._parts[number]
            owner = _owner(part)
            rule = part.rule(rest) if owner is None else owner.reading_rule(rest)
            self._known[name] = renamed(rule, number)
        return self._known[name]

    def original_rule(self, name: str) -> ir.Expression:
        """The right-hand side of a rule as it was written, with all named parts."""
        name = self.reading_start if name == _OPTIONAL else name
        if name in self._originals:
            return self._originals[name]
        number, rest = _part_and_name(name)
        return renamed(original_rule(self._parts[number], rest), number)


def _part_and_name(name: str) -> tuple[str, str]:
    at = name.index("/") + 1
    return name[:at], name[at:]


def _owner(part: ir.Grammar) -> _OnDemand | None:
    owner = getattr(part.make_rule, "__self__", None)
    return owner if isinstance(owner, _OnDemand) else None


def _nesting(part: ir.Grammar) -> int:
    owner = _owner(part)
    return 0 if owner is None else owner.nesting


def _start_form(part: ir.Grammar, number: str) -> ir.Expression:
    """The texts of a part whose rules are made on demand, as the rules that are known see them."""
    owner = _owner(part)
    if owner is not None:
        start = _Outside(number + owner.reading_start)
        return Form(owner.start_form.nullable, DEAD if owner.start_form.reads is DEAD else start).whole
    match part.rules.get(part.start):
        case ir.Repeat(ir.Reference(name), 0, 1):
            return Form(True, _Outside(number + name)).whole
    return _Outside(number + part.start)


def _inside(node: ir.Expression) -> ir.Expression:
    return ir.Reference(node.name) if isinstance(node, _Outside) else node


def original_rule(grammar: ir.Grammar, name: str) -> ir.Expression:
    """A rule of a grammar as it was written."""
    owner = _owner(grammar)
    return grammar.rule(name) if owner is None else owner.original_rule(name)


def _joined(kind: str, parts: Sequence[Part], make: Callable[[list[ir.Expression]], ir.Expression]) -> ir.Grammar:
    """The grammar of an expression over the parts; `kind` and the parts identify it."""
    grammars = [part_of(part) for part in parts]
    start = make([ir.Reference(f"{i}/{grammar.start}") for i, grammar in enumerate(grammars)])
    return _whole(_START, {_START: start}, grammars, kind)


def _whole(start: str, rules: Mapping[str, ir.Expression], parts: Sequence[ir.Grammar], kind: str) -> ir.Grammar:
    """The grammar of some rules, and of those of the parts."""
    relaxed = tuple(one for part in parts for one in part.relaxed)
    keys = [part.key for part in parts]
    key = key_of(kind, *keys) if kind else ""
    known, on_demand = dict(rules), {}
    for i, part in enumerate(parts):
        if part.make_rule is None:
            known |= {f"{i}/{name}": renamed(rule, f"{i}/") for name, rule in part.rules.items()}
        else:
            on_demand[f"{i}/"] = part
    if not on_demand:
        return ir.Grammar(start, known, key=key, relaxed=relaxed)
    made = _OnDemand(start, known, on_demand)
    return ir.Grammar(made.start, {}, make_rule=made.rule, key=key, relaxed=relaxed)


def concatenation(*parts: Part) -> ir.Grammar:
    """A text of each part, one after the other."""
    return _joined("concatenation", parts, lambda starts: ir.Sequence(tuple(starts)))


def union(*parts: Part) -> ir.Grammar:
    """A text of any part."""
    return _joined("union", parts, lambda starts: ir.Alternation(tuple(starts)))


def optional(part: Part) -> ir.Grammar:
    """A text of the part, or none."""
    return _joined("optional", [part], lambda starts: ir.Repeat(starts[0], 0, 1))


def repetition(part: Part, minimum: int = 0, maximum: int | None = None, *, separator: Part = "") -> ir.Grammar:
    """From `minimum` to `maximum` texts of the part (None: any number), with a separator between them."""
    if minimum < 0 or (maximum is not None and maximum < minimum):
        raise ValueError("the bounds of a repetition are out of order")

    def make(starts: list[ir.Expression]) -> ir.Expression:
        one, between = starts
        if maximum == 0:
            return ir.Sequence(())
        again = ir.Repeat(ir.Sequence((between, one)), max(minimum - 1, 0), None if maximum is None else maximum - 1)
        some = ir.Sequence((one, again))
        return some if minimum > 0 else ir.Repeat(some, 0, 1)

    return _joined(f"repetition {minimum} {maximum}", [part, separator], make)


def capture(name: str, part: Part) -> ir.Grammar:
    """The part, under a name by which `captures` finds it in a text."""
    if not name or "/" in name:
        raise ValueError("the name of a part is not empty, and has no slash")
    grammar, rule = part_of(part), CAPTURE + name
    rules = {_START: ir.Reference(rule), rule: ir.Reference(f"0/{grammar.start}")}
    return _whole(_START, rules, [grammar], rule)


def special_token(token: str | int) -> ir.Grammar:
    """One special token of the tokenizer, by its name or its id."""
    return ir.Grammar(_START, {_START: ir.SpecialToken(token)}, key=repr(("special token", token)))


def embedded(host: ir.Grammar, parts: Mapping[str, Part]) -> ir.Grammar:
    """The host with parts in place of its rules of these names.

    In ``embedded(ebnf('root ::= "<data>" data "</data>"  data ::= ""'), {"data": json_schema(schema)})`` the rule
    `data` of the host only holds the place.  Raises GrammarError for a name that no rule of the host refers to.
    """
    host = part_of(host)
    if host.make_rule is not None:
        raise GrammarError("parts can be embedded in grammars whose rules are all known")
    grammars = {name: part_of(part) for name, part in parts.items()}
    starts = {name: f"{i}/{part.start}" for i, (name, part) in enumerate(grammars.items())}
    used: set[str] = set()

    def leaf(node: ir.Expression) -> ir.Expression:
        if not isinstance(node, ir.Reference) or node.name not in starts:
            return renamed(node, _HOST)
        used.add(node.name)
        return ir.Reference(starts[node.name])

    rules = {_HOST + name: rewritten(rule, leaf) for name, rule in host.rules.items() if name not in grammars}
    missing = sorted(set(grammars) - used)
    if missing:
        raise GrammarError(f"no rule of the grammar refers to {', '.join(map(repr, missing))}")
    kind = repr(("embedded", host.key, *grammars)) if host.key else ""
    return replace(_whole(_HOST + host.start, rules, list(grammars.values()), kind), source=host.source)
