"""Objects and counted lists for the chart parser: what may come next, given what has been read of one.

A state is a small tuple; a move reads a lexeme, a key, or a rule, and leads to another state.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.regular import ANY_TEXT, Concatenation, JsonString, Regular

__all__ = ["ItemsMachine", "MembersMachine", "Move"]


@dataclass(frozen=True, slots=True)
class Move:
    """Read a regular language, a rule or nothing, and go on in a state.

    The state after a key depends on it; `state` are the names before it then.
    """

    state: tuple[object, ...]
    regular: Regular | None = None
    rule: str | None = None
    is_key: bool = False


_END = ("end",)


class ItemsMachine:
    """States: ("open",), ("item", count), ("after", count), ("end",)."""

    first = ("open",)

    def __init__(self, items: ir.Items) -> None:
        self._items = items

    def is_final(self, state: tuple[object, ...]) -> bool:
        """Whether the list ends in a state."""
        return state == _END

    def moves(self, state: tuple[object, ...]) -> Iterator[Move]:
        """What may be read in a state."""
        items = self._items
        count = state[1] if len(state) > 1 else 0
        assert isinstance(count, int)
        match state[0]:
            case "open":
                yield Move(("item", 0), regular=items.open.regular)
            case "item" if items.maximum is None or count < items.maximum:
                rule = items.first[count] if count < len(items.first) else items.rest
                if rule is not None:
                    yield Move(("after", count + 1), rule=rule)
            case "after":
                yield Move(("item", count), regular=items.comma.regular)
        if state[0] in ("item", "after") and count >= items.minimum and (state[0] == "after" or count == 0):
            yield Move(_END, regular=items.close.regular)


class MembersMachine:
    """States: ("open",), ("key", seen), ("next", seen), ("colon", rule, seen), ("value", rule, seen), ("end",).

    `seen` are the names so far, in the order in which they came.
    """

    first = ("open",)

    def __init__(self, members: ir.Members) -> None:
        self._members = members
        self._languages = [Language(other.names) for other in members.others]
        self._indices = {key.name: i for i, key in enumerate(members.keys)}
        strings = JsonString(ANY_TEXT, members.any_escape)
        self._key = Concatenation((members.key_prefix, strings))

    def is_final(self, state: tuple[object, ...]) -> bool:
        """Whether the object ends in a state."""
        return state == _END

    def moves(self, state: tuple[object, ...]) -> Iterator[Move]:
        """What may be read in a state."""
        members = self._members
        kind, *rest = state
        seen = rest[-1] if rest else ()
        assert isinstance(seen, tuple)
        if kind == "open":
            yield Move(("key", ()), regular=members.open.regular)
        elif kind == "colon":
            yield Move(("value", *rest), regular=members.colon.regular)
        elif kind == "value":
            assert isinstance(rest[0], str)
            yield Move(("next", seen), rule=rest[0])
        elif kind == "next":
            yield Move(("key", seen), regular=members.comma.regular)
        if kind == "key" and (members.maximum is None or len(seen) < members.maximum):
            yield Move(seen, regular=self._key, is_key=True)
        if (kind == "next" or (kind == "key" and not seen)) and self._may_end(seen):
            yield Move(_END, regular=members.close.regular)

    def after_key(self, lexeme: bytes, seen: tuple[object, ...]) -> list[tuple[object, ...]]:
        """The states after a key behind names; none when it is not allowed there."""
        name = _decoded(lexeme)
        if name is None or name in seen:
            return []
        if name in self._indices:
            index = self._indices[name]
            if self._members.ordered and any(self._place(other) > index for other in seen):
                return []
            return [_after_name(self._members.keys[index].rule, (*seen, name))]
        others = zip(self._members.others, self._languages, strict=True)
        return [_after_name(other.rule, (*seen, name)) for other, names in others if name in names]

    def _place(self, name: object) -> int:
        """The place of a name among the declared ones; undeclared ones are behind them."""
        return self._indices.get(name, len(self._indices)) if isinstance(name, bytes) else 0

    def _may_end(self, seen: tuple[object, ...]) -> bool:
        members = self._members
        if len(seen) < members.minimum or any(key.required and key.name not in seen for key in members.keys):
            return False
        free = [name for name in seen if isinstance(name, bytes) and name not in self._indices]
        others = zip(members.others, self._languages, strict=True)
        return all(any(name in names for name in free) for other, names in others if other.needed)


def _after_name(rule: str | None, seen: tuple[object, ...]) -> tuple[object, ...]:
    return ("next", seen) if rule is None else ("colon", rule, seen)


def _decoded(lexeme: bytes) -> bytes | None:
    """The name that a key denotes; None for one that is no text (half of a surrogate pair)."""
    text = lexeme.decode()
    try:
        return str(json.loads(text[text.index('"') :])).encode()  # white space may stand before the quote
    except UnicodeEncodeError:
        return None
