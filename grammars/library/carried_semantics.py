"""What a grammar through which a state is carried leaves to Python (see `carried`)."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from constrain.grammars.regular import Regular

__all__ = ["Semantics", "Step"]

_State = TypeVar("_State", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Step(Generic[_State]):
    """A way to read a terminal: its texts, and the state behind it; `bound` says which, where the text decides."""

    texts: Regular
    state: _State
    bound: Callable[[_State, str], _State] | None = None


class Semantics(Protocol[_State]):
    """What a grammar says no more of than the names.

    changing  terminals behind which the state may be another one
    reading   terminals that depend on the state, and leave it as it is
    nested    rules that are entered: the state says how often that has been done
    isolated  rules that are entered with a state of their own, behind which the one before is back
    """

    changing: frozenset[str]
    reading: frozenset[str]
    nested: frozenset[str]
    isolated: frozenset[str]

    def steps(self, terminal: str, state: _State, /) -> Sequence[Step[_State]]:
        """The ways to read a terminal; none: it cannot be read."""
        ...

    def enter(self, rule: str, state: _State, /) -> _State | None:
        """The state in which a rule begins; None: it is closed."""
        ...

    def closed(self, state: _State, /) -> frozenset[str]:
        """Rules that cannot be entered, whatever has been read of the one that they are entered from."""
        ...

    def leave(self, state: _State, /) -> _State:
        """The state behind a rule that is `nested`."""
        ...

    def more(self, state: _State, /) -> int:
        """How many bytes are left at least, besides those that the grammar asks for; terminals count 1 there."""
        ...

    def projected(self, names: frozenset[str], state: _State, /) -> _State:
        """The part of a state that some terminals that are `reading`, and rules that are entered, depend on."""
        ...
