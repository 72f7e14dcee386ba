"""Sets of arrays and objects: shapes whose items and members are formulas.

A set of arrays, or of objects, is a union of shapes.  A shape is a conjunction, closed under intersection; its
complement is a union with one shape for each way of violating it.  So negation turns "every member" into "some
member", and sizes grow with the schema, not with the sets.
"""

from dataclasses import dataclass, field, replace

from constrain.grammars.json_schema import strings
from constrain.grammars.json_schema.formulas import FALSE, TRUE, Formula, Formulas
from constrain.grammars.regular import Regular

__all__ = ["ANY_ARRAY", "ANY_OBJECT", "Arrays", "Contains", "KeyClass", "Objects", "Shape", "Witness"]


@dataclass(frozen=True, slots=True)
class Contains:
    """From `minimum` to `maximum` items, not counting the first `start`, satisfy the formula."""

    start: int
    formula: Formula
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Arrays:
    """Arrays whose first items satisfy `prefix` in turn, and whose other items satisfy `rest`.

    `unique`: no two items are equal; `repeating`: some two items are.
    """

    prefix: tuple[Formula, ...] = ()
    rest: Formula = TRUE
    minimum: int = 0
    maximum: int | None = None
    contains: tuple[Contains, ...] = ()
    unique: bool = False
    repeating: bool = False

    def item(self, index: int) -> Formula:
        """What the item at an index satisfies."""
        return self.prefix[index] if index < len(self.prefix) else self.rest

    def limit(self) -> int | None:
        """The greatest length, as far as the formulas show it."""
        for index, formula in enumerate(self.prefix):
            if formula == FALSE:
                return index if self.maximum is None else min(index, self.maximum)
        if self.rest == FALSE:
            return len(self.prefix) if self.maximum is None else min(len(self.prefix), self.maximum)
        return self.maximum

    def is_void(self) -> bool:
        """Whether the shape is empty whatever the formulas denote."""
        limit = self.limit()
        if limit is not None and self.minimum > limit:
            return True
        if self.repeating and (self.unique or (limit is not None and limit < 2)):
            return True
        return any(
            (one.maximum is not None and one.minimum > one.maximum) or (one.minimum > 0 and one.formula == FALSE)
            for one in self.contains
        )

    def intersection(self, other: "Arrays", formulas: Formulas) -> "Arrays":
        """Arrays of both shapes."""
        if other is ANY_ARRAY:
            return self
        if self is ANY_ARRAY:
            return other
        length = max(len(self.prefix), len(other.prefix))
        maxima = [bound for bound in (self.maximum, other.maximum) if bound is not None]
        return Arrays(
            tuple(formulas.both(self.item(i), other.item(i)) for i in range(length)),
            formulas.both(self.rest, other.rest),
            max(self.minimum, other.minimum),
            min(maxima, default=None),
            tuple(dict.fromkeys(self.contains + other.contains)),
            self.unique or other.unique,
            self.repeating or other.repeating,
        )

    def implies(self, other: "Arrays", formulas: Formulas) -> bool:
        """Whether the arrays of this shape visibly belong to another one."""
        return (
            self.minimum >= other.minimum
            and (other.maximum is None or (self.maximum is not None and self.maximum <= other.maximum))
            and all(one in self.contains for one in other.contains)
            and (self.unique or not other.unique)
            and (self.repeating or not other.repeating)
            and formulas.implies(self.rest, other.rest)
            and all(
                formulas.implies(self.item(i), other.item(i)) for i in range(max(len(self.prefix), len(other.prefix)))
            )
        )

    def complement(self, formulas: Formulas) -> tuple["Arrays", ...]:
        """Arrays that are not of this shape."""
        outside: list[Arrays] = []
        for index, formula in enumerate(self.prefix):
            if formula != TRUE:
                prefix = (TRUE,) * index + (formulas.negation(formula),)
                outside.append(Arrays(prefix, minimum=index + 1))
        if self.rest == FALSE:
            outside.append(Arrays(minimum=len(self.prefix) + 1))
        elif self.rest != TRUE:
            witness = Contains(len(self.prefix), formulas.negation(self.rest), 1, None)
            outside.append(Arrays(contains=(witness,)))
        if self.minimum > 0:
            outside.append(Arrays(maximum=self.minimum - 1))
        if self.maximum is not None:
            outside.append(Arrays(minimum=self.maximum + 1))
        for one in self.contains:
            if one.minimum > 0:
                outside.append(Arrays(contains=(replace(one, minimum=0, maximum=one.minimum - 1),)))
            if one.maximum is not None:
                outside.append(Arrays(contains=(replace(one, minimum=one.maximum + 1, maximum=None),)))
        if self.unique:
            outside.append(Arrays(repeating=True))
        if self.repeating:
            outside.append(Arrays(unique=True))
        return tuple(shape for shape in outside if not shape.is_void())


@dataclass(frozen=True, slots=True)
class KeyClass:
    """Members with names of a language, which have values of a formula."""

    names: Regular
    formula: Formula


@dataclass(frozen=True, slots=True)
class Witness:
    """Some member has a name of the language and a value of the formula."""

    names: Regular
    formula: Formula

    def __hash__(self) -> int:
        return hash(self.formula)  # to hash a language is to go through all of it


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects by their members.

    keys      names that are spoken of by themselves, in the schema's order, with what their values satisfy
    required  names that must be there; all are in `keys`
    classes   what other members satisfy: disjoint languages of names (names in `keys` are meant not to count)
    minimum, maximum   bounds of the number of members
    witnesses members that must exist
    """

    keys: dict[str, Formula] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    classes: tuple[KeyClass, ...] = (KeyClass(strings.ANY, TRUE),)
    minimum: int = 0
    maximum: int | None = None
    witnesses: tuple[Witness, ...] = ()

    def __hash__(self) -> int:
        witnessed = tuple(one.formula for one in self.witnesses)
        return hash((tuple(self.keys.items()), self.required, len(self.classes), self.minimum, self.maximum, witnessed))

    def is_open(self) -> bool:
        """Whether members with other names than `keys` are free."""
        return self.classes is _ANY_CLASSES or self.classes == _ANY_CLASSES

    def member(self, name: str) -> Formula:
        """What the value of a member satisfies; FALSE where there may be none of that name."""
        found = self.keys.get(name)
        if found is not None:
            return found
        if self.is_open():
            return TRUE
        try:
            text = name.encode()
        except UnicodeEncodeError:
            return FALSE
        return next((one.formula for one in self.classes if strings.contains(one.names, text)), FALSE)

    def is_void(self) -> bool:
        """Whether the shape is empty whatever the formulas denote."""
        if self.maximum is not None and (self.minimum > self.maximum or len(self.required) > self.maximum):
            return True
        keys = self.keys
        for name in self.required:
            if keys[name] == FALSE:
                return True
        if not self.classes and self.minimum > sum(formula != FALSE for formula in self.keys.values()):
            return True
        return any(one.formula == FALSE for one in self.witnesses)

    def intersection(self, other: "Objects", formulas: Formulas) -> "Objects":
        """Objects of both shapes."""
        if other is ANY_OBJECT:
            return self
        if self is ANY_OBJECT:
            return other
        maxima = [bound for bound in (self.maximum, other.maximum) if bound is not None]
        keys, others, both = dict(self.keys), other.keys, formulas.both
        for name, formula in others.items():
            keys[name] = both(self.member(name), formula)
        if not other.is_open():
            for name in self.keys:
                if name not in others:
                    keys[name] = both(keys[name], other.member(name))
        return Objects(
            keys,
            self.required | other.required,
            self._common_classes(other, formulas),
            max(self.minimum, other.minimum),
            min(maxima, default=None),
            tuple(dict.fromkeys(self.witnesses + other.witnesses)),
        )

    def _common_classes(self, other: "Objects", formulas: Formulas) -> tuple[KeyClass, ...]:
        if other.is_open():
            return self.classes
        if self.is_open():
            return other.classes
        common = []
        for one in self.classes:
            for another in other.classes:
                formula = formulas.both(one.formula, another.formula)
                names = strings.intersection(one.names, another.names)
                if formula != FALSE and not strings.is_empty(names):
                    common.append(KeyClass(names, formula))
        return tuple(common)

    def implies(self, other: "Objects", formulas: Formulas) -> bool:
        """Whether the objects of this shape visibly belong to another one."""
        return (
            other.required <= self.required
            and self.minimum >= other.minimum
            and (other.maximum is None or (self.maximum is not None and self.maximum <= other.maximum))
            and (not other.witnesses or all(one in self.witnesses for one in other.witnesses))
            and (other.is_open() or (self.classes == other.classes and self.keys.keys() == other.keys.keys()))
            and self._members_imply(other, formulas)
        )

    def _members_imply(self, other: "Objects", formulas: Formulas) -> bool:
        is_open, keys = self.is_open(), self.keys
        for name, formula in other.keys.items():
            mine = keys.get(name)
            if mine is None:
                mine = TRUE if is_open else self.member(name)
            if mine != formula and not formulas.implies(mine, formula):
                return False
        return True

    def complement(self, formulas: Formulas) -> tuple["Objects", ...]:
        """Objects that are not of this shape."""
        outside = []
        for name, formula in self.keys.items():
            if name in self.required:  # absent or otherwise: one case, where two would double those of a conjunction
                outside.append(Objects({name: formulas.negation(formula)}))
            elif formula != TRUE:
                outside.append(Objects({name: formulas.negation(formula)}, frozenset((name,))))
        if not self.is_open():
            outside.extend(self._foreign_members(formulas))
        if self.minimum > 0:
            outside.append(Objects(maximum=self.minimum - 1))
        if self.maximum is not None:
            outside.append(Objects(minimum=self.maximum + 1))
        for witness in self.witnesses:
            rest = strings.complement(witness.names)
            classes = (KeyClass(witness.names, formulas.negation(witness.formula)), KeyClass(rest, TRUE))
            outside.append(Objects(classes=tuple(one for one in classes if one.formula != FALSE)))
        return tuple(shape for shape in outside if not shape.is_void())

    def _foreign_members(self, formulas: Formulas) -> list["Objects"]:
        """Objects with a member that no class admits."""
        undeclared = strings.complement(strings.words(self.keys))
        covered: Regular = strings.NONE
        found = []
        for one in self.classes:
            covered = strings.union(covered, one.names)
            if one.formula != TRUE:
                names = strings.intersection(undeclared, one.names)
                found.append(Objects(witnesses=(Witness(names, formulas.negation(one.formula)),)))
        uncovered = strings.intersection(undeclared, strings.complement(covered))
        if not strings.is_empty(uncovered):
            found.append(Objects(witnesses=(Witness(uncovered, TRUE),)))
        return found


Shape = Arrays | Objects

ANY_ARRAY = Arrays()
ANY_OBJECT = Objects()
_ANY_CLASSES = ANY_OBJECT.classes
