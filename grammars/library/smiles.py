"""SMILES: molecules as OpenSMILES writes them, every ring closed.

A ring number is opened at one atom and closed at another, and then is free again.  Which numbers are open is no
matter of nesting, so no small context-free grammar says it.  Here the text is read from left to right by rules that
are made on demand: a rule is what may follow in a `_State`, the numbers that are open with the atoms and bonds they
were opened with, and the branches that are.  Behind numbers and where branches open there is a binding
(`ir.Binding`), so that what is reached only there is not asked for before.

Atoms are told apart only as far as rings need it: those that opened one that is still open.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from constrain.grammars import ir
from constrain.grammars.errors import GrammarError
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import Concatenation, Literal, Regular, Repetition, Symbols, Words

__all__ = ["smiles"]

_ELEMENTS = """
He|Li|Be|B|C|N|O|F|Ne|Na|Mg|Al|Si|P|S|Cl|Ar|K|Ca|Sc|Ti|V|Cr|Mn|Fe|Co|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Rb|Sr|Y|Zr|Nb|Mo|Tc|Ru|Rh
|Pd|Ag|Cd|In|Sn|Sb|Te|I|Xe|Cs|Ba|Hf|Ta|W|Re|Os|Ir|Pt|Au|Hg|Tl|Pb|Bi|Po|At|Rn|Fr|Ra|Rf|Db|Sg|Bh|Hs|Mt|Ds|Rg|Cn|Nh|Fl|Mc
|Lv|Ts|Og|La|Ce|Pr|Nd|Pm|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Ac|Th|Pa|U|Np|Pu|Am|Cm|Bk|Cf|Es|Fm|Md|No|Lr
|b|c|n|o|p|s|se|as|\\*
""".replace("\n", "")
_CHIRAL = "@(@|TH[12]|AL[12]|SP[1-3]|TB(1[0-9]?|20?|[3-9])|OH([12][0-9]?|30?|[4-9]))?"
_CHARGE = r"\+\+|--|[+-]([1-9][0-9]?)?"
_COUNT = "(0|[1-9][0-9]{0,2})"
_BRACKETS = rf"\[{_COUNT}?(({_ELEMENTS})({_CHIRAL})?(H[0-9]?)?|H)({_CHARGE})?(:{_COUNT})?\]"
_ATOM = rf"{_BRACKETS}|Cl|Br|[BCNOPSFIbcnops*]"
_SINGLE = "-/\\"
_BONDS = "=#$:" + _SINGLE
_ANY_BYTE = Symbols(((0, 0x7F),))


def smiles(*, rings: int | None = None) -> ir.Grammar:
    """One molecule in SMILES, or several with dots between them.

    Each ring number is opened and closed; where bonds are written at both places, they agree, and the single ones,
    which are a stroke and two slashes, count as one; no ring bond joins an atom to itself, or two atoms that are joined
    already.

    rings  ring numbers are 1 to this, which bounds how many rings are open at a time and makes masks cheaper; None:
           all, 0 to 99

    Raises GrammarError for a number of rings that is not between 0 and 99.
    """
    if rings is not None and not 0 <= rings < 100:
        raise GrammarError(f"there are ring numbers up to 99, not {rings}")
    allowed = (0, 99) if rings is None else (1, rings)
    state = _State(allowed=allowed)
    return ir.Grammar("molecule", {"molecule": ir.Sequence((_terminal("atom", _atom()), _maybe(state)))})


@dataclass(frozen=True, slots=True)
class _Ring:
    """A number that is open: the atom that opened it, and the bond written there."""

    number: int
    atom: int
    bond: str


@dataclass(frozen=True, slots=True)
class _State:
    """A place behind an atom and what belongs to it.

    rings     the numbers that are open, ascending
    atom      the last atom, if it opened one of them, else -1
    joined    atoms with open numbers that the last atom is joined to
    branches  the atoms to which the branches that are open belong, as `atom`
    numbers   whether ring numbers of the last atom may follow, which stand before its branches
    allowed   the least ring number and the greatest
    """

    rings: tuple[_Ring, ...] = ()
    atom: int = -1
    joined: frozenset[int] = frozenset()
    branches: tuple[int, ...] = ()
    numbers: bool = True
    allowed: tuple[int, int] = (0, 99)

    def canonical(self) -> "_State":
        """The state with atoms numbered by their rings, and none that has no open ring."""
        names: dict[int, int] = {}
        for ring in self.rings:
            names.setdefault(ring.atom, len(names))
        return replace(
            self,
            rings=tuple(replace(ring, atom=names[ring.atom]) for ring in self.rings),
            atom=names.get(self.atom, -1),
            joined=frozenset(names[atom] for atom in self.joined if atom in names),
            branches=tuple(names.get(atom, -1) for atom in self.branches),
        )

    @property
    def may_end(self) -> bool:
        """Whether the text may end here."""
        return not self.rings and not self.branches

    @property
    def left(self) -> int:
        """The length of a shortest text that may follow.

        What is open has to be closed.  Every further atom closes at most one number of each other atom, and the first
        one none of the atom that it is joined to; but it may be joined to any atom that a branch belongs to, since
        branches have to be closed anyway.
        """
        rings = Counter(ring.atom for ring in self.rings)
        if self.numbers:
            rings -= Counter({ring.atom for ring in self.rings if self.may_close(ring)})
        atoms = max(rings.values(), default=0)
        alone = atoms > 0 and all(rings[atom] == atoms for atom in (self.atom, *self.branches))
        written = sum(1 if ring.number < 10 else 3 for ring in self.rings)
        return len(self.branches) + written + atoms + alone

    def next_atom(self, *, bond: bool) -> "_State":
        """Behind one more atom, with a bond or without."""
        joined = frozenset([self.atom] if bond else [])
        return replace(self, atom=-1, joined=joined, numbers=True).canonical()

    def opened(self) -> "_State":
        """Behind the parenthesis that opens a branch."""
        return replace(self, branches=(*self.branches, self.atom), joined=frozenset(), numbers=False).canonical()

    def closed(self) -> "_State":
        """Behind the one that closes it."""
        *branches, atom = self.branches
        return replace(self, branches=tuple(branches), atom=atom, joined=frozenset(), numbers=False).canonical()

    def ring(self, number: int) -> _Ring | None:
        """The ring of a number, if it is open."""
        return next((ring for ring in self.rings if ring.number == number), None)

    def may_close(self, ring: _Ring) -> bool:
        """Whether a bond between its first atom and this one is none that is there already."""
        return ring.atom != self.atom and ring.atom not in self.joined

    def behind(self, number: int, bond: str) -> "_State":
        """Behind a ring number."""
        ring = self.ring(number)
        if ring is not None:
            rings = tuple(one for one in self.rings if one is not ring)
            return replace(self, rings=rings, joined=self.joined | {ring.atom}).canonical()
        atom = self.atom if self.atom >= 0 else len(self.rings)
        rings = tuple(sorted((*self.rings, _Ring(number, atom, bond)), key=lambda one: one.number))
        return replace(self, rings=rings, atom=atom).canonical()

    # What follows

    def expression(self) -> ir.Expression:
        """What follows, if anything does."""
        bonded, single = self.next_atom(bond=True), self.next_atom(bond=False)
        branch = _Inside(self.opened())
        ways: list[ir.Expression] = [
            ir.Sequence((_terminal("atom", _bonded_atom()), _maybe(bonded))),
            ir.Sequence((_terminal("dot", _dotted_atom()), _maybe(single))),
            ir.Binding(_terminal("(", Literal(b"(")), _Always(branch), _at_least(branch.left)),
        ]
        if self.branches:
            ways.append(ir.Sequence((_terminal(")", Literal(b")")), _maybe(self.closed()))))
        if self.numbers:
            ways += [*self._closings(), *self._openings()]
        return ir.Alternation(tuple(ways))

    def _closings(self) -> Iterator[ir.Expression]:
        for ring in filter(self.may_close, self.rings):
            end = Concatenation((_maybe_bond(_matching(ring.bond)), _spelled((ring.number,))))
            after = self.behind(ring.number, "")
            if after.may_end:
                yield ir.Sequence((_terminal("ring", end), _maybe(after)))
            else:
                yield ir.Binding(_terminal("ring", end), _Always(after), _at_least(after.left))

    def _openings(self) -> Iterator[ir.Expression]:
        """Numbers of one digit and those of two, which are longer when they are closed."""
        taken = {ring.number for ring in self.rings}
        least, most = self.allowed
        for numbers in (range(least, min(most, 9) + 1), range(10, most + 1)):
            free = tuple(number for number in numbers if number not in taken)
            if free:
                part = _terminal("ring", Concatenation((_maybe_bond(_BONDS), _spelled(free))))
                yield ir.Binding(part, _Behind(self), _at_least(self.behind(free[0], "").left))


@dataclass(frozen=True, slots=True)
class _Inside:
    """A branch at its beginning."""

    state: _State

    @property
    def left(self) -> int:
        """The length of a shortest text that may follow."""
        return 1 + self.state.next_atom(bond=True).left

    def expression(self) -> ir.Expression:
        """An atom, and what is behind it."""
        return ir.Sequence((_terminal("atom", _bonded_atom()), _maybe(self.state.next_atom(bond=True))))


@dataclass(frozen=True, slots=True)
class _Always:
    """What follows whatever the text is."""

    rule: ir.Later

    def __call__(self, _text: bytes, /) -> ir.Expression:
        return ir.Late(self.rule)


@dataclass(frozen=True, slots=True)
class _Behind:
    """What follows a ring number of the last atom."""

    state: _State

    def __call__(self, text: bytes, /) -> ir.Expression:
        match = re.fullmatch(r"([^%\d]?)%?(\d+)", text.decode())
        if match is None:
            raise ValueError(f"{text!r} is no ring number")
        return ir.Late(self.state.behind(int(match[2]), _class_of(match[1])))


def _maybe(state: _State) -> ir.Expression:
    rest = ir.Late(state)
    return ir.Repeat(rest, 0, 1) if state.may_end else rest


def _class_of(bond: str) -> str:
    """A bond as far as both ends of a ring have to agree in it: the single ones are one."""
    return "-" if bond and bond in _SINGLE else bond


def _matching(bond: str) -> str:
    """The bonds that may stand at the end of a ring that begins with one of a class."""
    return _BONDS if not bond else _SINGLE if bond == "-" else bond


@cache
def _terminal(name: str, regular: Regular) -> ir.Terminal:
    return ir.Terminal(regular, name)


@cache
def _at_least(count: int) -> ir.Terminal:
    return ir.Terminal(Repetition(_ANY_BYTE, count, None), "rest")


@cache
def _atom() -> Regular:
    return regex_language(_ATOM)


@cache
def _bonded_atom() -> Regular:
    return Concatenation((_maybe_bond(_BONDS), _atom()))


@cache
def _dotted_atom() -> Regular:
    return Concatenation((Literal(b"."), _atom()))


@cache
def _maybe_bond(bonds: str) -> Regular:
    return Repetition(Words(tuple(sorted(bond.encode() for bond in bonds))), 0, 1)


@cache
def _spelled(numbers: tuple[int, ...]) -> Regular:
    """The numbers, of one digit as such, or of two behind a percent sign."""
    return Words(tuple(sorted((b"%d" if number < 10 else b"%%%d") % number for number in numbers)))
