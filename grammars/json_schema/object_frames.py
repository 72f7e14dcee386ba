"""Objects some of whose values are taken away, as rules that are made as a text is read.

A frame stands in an object of which it knows the names so far, and `same`: the rest of each object that has been taken
away and agrees with this one up to here.  As soon as nothing is the same, the members are those of `ir.Members`, and
only names that are not declared have to be bound, because none may come twice.

Values are dead when the object could not be ended behind them as something else than what is taken away.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from constrain.grammars import ir
from constrain.grammars.json_schema import strings
from constrain.grammars.json_schema.canonical import NO_VALUES, Value, ValueSet, canonical
from constrain.grammars.json_schema.formulas import Formula
from constrain.grammars.regular import Concatenation, JsonString, Regular, Words

if TYPE_CHECKING:
    from constrain.grammars.json_schema.excluding import Exclusions

__all__ = ["ObjectFrame", "ObjectRules", "Rest"]

Rest = frozenset[tuple[str, Value]]
Stage = Literal["first", "behind", "member"]


class ObjectRules:
    """The objects of one container."""

    def __init__(self, home: "Exclusions", members: ir.Members) -> None:
        self.home, self.members = home, members
        self.names = tuple(key.name.decode() for key in members.keys)
        self.formulas = tuple(home.formula_of(key.rule) for key in members.keys)
        self.required = tuple(key.required for key in members.keys)
        self.other_formulas = tuple(home.formula_of(other.rule) for other in members.others)
        self.all_needed = sum(other.needed << i for i, other in enumerate(members.others))
        self._name_terminals: dict[str, ir.Terminal] = {}

    def name(self, name: str) -> ir.Terminal:
        """The lexeme of a name."""
        known = self._name_terminals.get(name)
        if known is None:
            known = self._name_terminals[name] = self.names_of(Words((name.encode(),)))
        return known

    def names_of(self, language: Regular) -> ir.Terminal:
        """The lexeme of the names of a language."""
        members = self.members
        return ir.Terminal(Concatenation((members.key_prefix, JsonString(language, members.any_escape))))


@dataclass(frozen=True, slots=True)
class ObjectFrame:
    """A place in an object: before its first member, behind a member, or before a further one.

    place   with members in order: index of the first declared one that may come next
    read    the names so far
    needed  classes of other names, as bits, of which there must still be a member
    """

    rules: ObjectRules
    place: int
    read: frozenset[str]
    needed: int
    same: frozenset[Rest]
    stage: Stage = "first"

    def expression(self) -> ir.Expression:
        """What may follow here."""
        lexemes = self.rules.home.lexemes
        if self.stage == "member":
            return ir.Alternation(tuple(self._members()))
        parts: list[ir.Expression] = []
        if self._may_close() and frozenset() not in self.same:
            parts.append(lexemes.close_object)
        if self.stage == "first":
            parts += self._members()
        elif self._members():
            parts.append(ir.Sequence((lexemes.comma, ir.Late(replace(self, stage="member")))))
        return parts[0] if len(parts) == 1 else ir.Alternation(tuple(parts))

    # What may come, whatever is taken away: the same as `tokenizer_index.containers` says

    def _missing(self) -> int:
        rules = self.rules
        return sum(
            needed and name not in self.read and index >= self.place
            for index, (name, needed) in enumerate(zip(rules.names, rules.required, strict=True))
        )

    def _slack(self) -> int | None:
        """How many members beside those that must come still fit; None: any number."""
        maximum = self.rules.members.maximum
        return None if maximum is None else maximum - len(self.read) - self._missing() - self.needed.bit_count()

    def _may_close(self) -> bool:
        return self._missing() == 0 and self.needed == 0 and len(self.read) >= self.rules.members.minimum

    def _offered(self) -> list[int]:
        """The declared members that may come next."""
        rules, slack = self.rules, self._slack()
        members, required = rules.members, rules.required
        full = slack is not None and slack <= 0
        if not members.ordered:
            return [
                index
                for index, name in enumerate(rules.names)
                if name not in self.read and (required[index] or not full)
            ]
        last = next((index for index in range(self.place, len(required)) if required[index]), -1)
        if full:
            return [last] if last >= 0 else []
        if last < 0:
            last = len(required) - 1
        if not members.others:
            last = min(last, len(required) - 1 - max(0, members.minimum - len(self.read) - 1))
        return list(range(self.place, last + 1))

    def _offered_others(self) -> list[int]:
        """The classes of other names that may come next."""
        slack = self._slack()
        if self.rules.members.ordered and self._missing():
            return []
        count = len(self.rules.members.others)
        return [index for index in range(count) if slack is None or slack > 0 or self.needed >> index & 1]

    def _after_key(self, index: int) -> "ObjectFrame":
        """Behind a declared member, before it is known what is the same."""
        place = index + 1 if self.rules.members.ordered else 0
        return self._with(self.rules.names[index], place, self.needed)

    def _after_other(self, index: int, name: str) -> "ObjectFrame":
        place = len(self.rules.names) if self.rules.members.ordered else 0
        return self._with(name, place, self.needed & ~(1 << index))

    def _with(self, name: str, place: int, needed: int) -> "ObjectFrame":
        return ObjectFrame(self.rules, place, self.read | {name}, needed, frozenset(), "behind")

    # What is taken away

    def can_end(self) -> bool:
        """Whether the object can be ended as something else than what is taken away."""
        if not self.same or (self._may_close() and frozenset() not in self.same):
            return True
        return self._can_differ(len(self.same)) or self._can_end_with_declared()

    def _can_differ(self, count: int) -> bool:
        """Whether some member can differ from those of any `count` objects; False also where that is not plain."""
        rules, slack = self.rules, self._slack()
        room = slack is None or slack > 0
        if self.needed or (rules.members.others and room):
            return True  # under a name that is in none of them
        return any(
            name not in self.read
            and index >= self.place
            and (room or rules.required[index])
            and rules.home.few.of(rules.formulas[index], count) is None
            for index, name in enumerate(rules.names)
        )

    def _can_end_with_declared(self) -> bool:
        """The same where only declared members may come; in their order, which says as much as any order."""
        rules, few = self.rules, self.rules.home.few
        maximum, minimum = rules.members.maximum, rules.members.minimum
        left = [i for i, name in enumerate(rules.names) if name not in self.read and i >= self.place]
        pending = [(0, len(self.read), self._missing(), self.same)]
        while pending:
            at, count, missing, same = pending.pop()
            if (maximum is not None and count + missing > maximum) or count + len(left) - at < minimum:
                continue
            if not same or (at == len(left) and frozenset() not in same):
                return True
            if at == len(left):
                continue
            index = left[at]
            name, needed = rules.names[index], rules.required[index]
            if not needed:
                without = frozenset(rest for rest in same if all(other != name for other, _ in rest))
                pending.append((at + 1, count, missing, without))
            missing -= needed
            if maximum is not None and count + 1 + missing > maximum:
                continue
            found = _by_value(same, name)
            values = few.of(rules.formulas[index], len(found))
            if values is None:
                pending.append((at + 1, count + 1, missing, frozenset()))
                continue
            pending += [(at + 1, count + 1, missing, frozenset(found.get(value, ()))) for value in values]
        return False

    def _dead(self, name: str, after: "ObjectFrame") -> ValueSet:
        """The values that a member may not have."""
        if after._can_differ(len(self.same)):
            return NO_VALUES
        values = _by_value(self.same, name)
        dead = (value for value, rests in values.items() if not replace(after, same=frozenset(rests)).can_end())
        return NO_VALUES.plus(*dead)

    # Members

    def _members(self) -> list[ir.Expression]:
        rules = self.rules
        parts: list[ir.Expression] = []
        for index in self._offered():
            parts += self._member(rules.names[index], rules.formulas[index], self._after_key(index))
        for index in self._offered_others():
            parts += self._other_members(index)
        return parts

    def _member(self, name: str, formula: Formula, after: "ObjectFrame") -> list[ir.Expression]:
        """A member of a name; none when every value is dead."""
        home = self.rules.home
        beginning = self.rules.name(name), home.lexemes.colon
        if not any(other == name for rest in self.same for other, _ in rest):
            return [ir.Sequence((*beginning, home.plain(formula), ir.Late(after)))]
        dead = self._dead(name, after)
        if home.few.is_exhausted(formula, dead):
            return []
        settled = not after._may_close() or not (after._offered() or after._offered_others())
        value = home.without(formula, dead)
        bound = ir.Binding(value, _MemberValue(self, name, after), after.expression(), settled)
        return [ir.Sequence((*beginning, bound))]

    def _other_members(self, index: int) -> list[ir.Expression]:
        """The members of a class: under names of what is taken away, and under any others."""
        rules, parts = self.rules, []
        home, other, formula = rules.home, rules.members.others[index], rules.other_formulas[index]
        used = self.read | set(rules.names)
        known = sorted({name for rest in self.same for name, _ in rest if name not in used})
        for name in known:
            if strings.contains(other.names, name.encode()):
                parts += self._member(name, formula, self._after_other(index, name))
        fresh = strings.without(other.names, [name.encode() for name in sorted(used.union(known))])
        anything = self._after_other(index, "")
        following = ir.Sequence((home.lexemes.colon, home.plain(formula), ir.Late(anything)))
        bound = ir.Binding(rules.names_of(fresh), _OtherName(self, index), following, settled=True)
        return [*parts, bound]


def _by_value(same: Iterable[Rest], name: str) -> dict[Value, set[Rest]]:
    """What is the same behind a member of a name, by its value."""
    found: dict[Value, set[Rest]] = {}
    for rest in same:
        for member in rest:
            if member[0] == name:
                found.setdefault(member[1], set()).add(rest - {member})
    return found


def _behind(same: Iterable[Rest], name: str, value: Value) -> frozenset[Rest]:
    member = name, value
    return frozenset(rest - {member} for rest in same if member in rest)


@dataclass(frozen=True, slots=True)
class _MemberValue:
    """What follows the value of a member."""

    frame: ObjectFrame
    name: str
    after: ObjectFrame

    def __call__(self, text: bytes) -> ir.Expression:
        return ir.Late(replace(self.after, same=_behind(self.frame.same, self.name, canonical(text))))


@dataclass(frozen=True, slots=True)
class _OtherName:
    """What follows a name that is not declared."""

    frame: ObjectFrame
    index: int

    def __call__(self, text: bytes) -> ir.Expression:
        rules, name = self.frame.rules, canonical(text)
        assert isinstance(name, str)
        value = rules.home.plain(rules.other_formulas[self.index])
        return ir.Sequence((rules.home.lexemes.colon, value, ir.Late(self.frame._after_other(self.index, name))))
