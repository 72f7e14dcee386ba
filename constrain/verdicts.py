"""How far a text goes within a language, and what might have come where it leaves it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constrain.grammars.ir import Grammar
    from constrain.tokenizer_index.matcher import Matcher

__all__ = ["Verdict", "describe_bytes", "following_bytes", "verdict_on"]

_EXCERPT = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a text.

    `valid` bytes of it begin some text of the language; `accepted` says that all of it is one.  `following` are the
    bytes that may come behind the valid ones, `may_end` whether the text could end there.
    """

    text: bytes
    valid: int
    accepted: bool
    following: tuple[int, ...]
    may_end: bool

    @property
    def is_prefix(self) -> bool:
        """Whether all of the text begins a text of the language."""
        return self.valid == len(self.text)

    @property
    def place(self) -> tuple[int, int]:
        """Line and column, from 1, of the first byte that is not valid; columns count characters."""
        before = self.text[: self.valid]
        line_start = before.rfind(b"\n") + 1
        return before.count(b"\n") + 1, len(before[line_start:].decode("utf-8", "replace")) + 1

    def excerpt(self) -> str:
        """The line in question, and a caret under the place."""
        start = self.text.rfind(b"\n", 0, self.valid) + 1
        end = self.text.find(b"\n", self.valid)
        line = self.text[start : len(self.text) if end < 0 else end]
        before = line[: self.valid - start].decode("utf-8", "replace")[-_EXCERPT:]
        after = line[self.valid - start :].decode("utf-8", "replace")[: _EXCERPT // 2]
        return f"  {_visible(before)}{_visible(after)}\n  {' ' * len(before)}^"

    def as_json(self) -> dict[str, object]:
        """The verdict as a JSON object."""
        line, column = self.place
        return {
            "accepted": self.accepted,
            "prefix": self.is_prefix,
            "offset": self.valid,
            "line": line,
            "column": column,
            "expected": describe_bytes(self.following),
            "may_end": self.may_end,
        }


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else "·" for char in text)


def following_bytes(matcher: "Matcher") -> tuple[int, ...]:
    """The bytes that may come next."""
    return tuple(byte for byte in range(256) if matcher.fork().accept_text(bytes([byte])))


def describe_bytes(following: Iterable[int]) -> list[str]:
    """Bytes as characters and ranges, for people to read; those of longer characters are taken together."""
    ranges: list[tuple[int, int]] = []
    beyond = False
    for byte in following:
        if byte >= 0x80:
            beyond = True
        elif ranges and ranges[-1][1] == byte - 1 and _class(byte) == _class(byte - 1):
            ranges[-1] = ranges[-1][0], byte
        else:
            ranges.append((byte, byte))
    described = [_name(low) if low == high else f"{_name(low)}…{_name(high)}" for low, high in ranges]
    return [*described, "characters beyond ASCII"] if beyond else described


def _class(byte: int) -> int:
    """Ranges are not written across digits, capitals, letters, other printable characters and control characters."""
    char = chr(byte)
    return 1 if char.isdigit() else 2 if char.isupper() else 3 if char.islower() else 4 if 0x20 < byte < 0x7F else 5


def _name(byte: int) -> str:
    return json.dumps(chr(byte)) if byte != 0x22 else "'\"'"


def verdict_on(grammar: "Grammar", text: bytes) -> tuple[Verdict, "Matcher"]:
    """Read a text as far as it goes; the matcher stands there."""
    import constrain

    matcher = constrain.compile(grammar, constrain.TokenizerIndex.of_bytes()).matcher()
    valid = len(text)
    if not matcher.accept_text(text):
        valid = matcher.valid_prefix_length(list(text))
        matcher.accept_text(text[:valid])
    accepted = valid == len(text) and matcher.is_accepting
    return Verdict(text, valid, accepted, following_bytes(matcher), matcher.is_accepting), matcher
