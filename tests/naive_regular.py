"""Membership in a regular expression by its definition: the ends of every span, with no automaton in between.

Shares no code with the package but for the types that describe expressions.  Cubic in the text, which is short.
"""

import json
import re
from fractions import Fraction

from constrain.grammars import regular

Ends = frozenset[int]

_NUMBER = re.compile(rb"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ESCAPE = re.compile(r"\\(u....|.)", re.DOTALL)


class _Spans:
    def __init__(self, text: bytes) -> None:
        self._text = text
        self._known: dict[tuple[int, int], Ends] = {}
        self._kept: list[regular.Regular] = []

    def ends(self, node: regular.Regular, start: int) -> Ends:
        """Where strings of the expression that begin at `start` may end."""
        key = id(node), start
        if key not in self._known:
            self._known[key] = self._ends(node, start)
            self._kept.append(node)
        return self._known[key]

    def _ends(self, node: regular.Regular, start: int) -> Ends:
        match node:
            case regular.Empty():
                return frozenset()
            case regular.Epsilon():
                return frozenset([start])
            case regular.Literal(word):
                return self._words([word], start)
            case regular.Words(words):
                return self._words(words, start)
            case regular.Symbols(ranges):
                return self._accepted(start, lambda span: len(span) == 1 and _within(span[0], ranges))
            case regular.Characters(ranges):
                return self._accepted(start, lambda span: _is_character(span, ranges))
            case regular.Concatenation(parts):
                reached = frozenset([start])
                for part in parts:
                    reached = self._after(part, reached)
                return reached
            case regular.Union(parts):
                return frozenset().union(*(self.ends(part, start) for part in parts))
            case regular.Intersection(parts):
                return self._from(start).intersection(*(self.ends(part, start) for part in parts))
            case regular.Complement(part):
                return self._from(start) - self.ends(part, start)
            case regular.Without(part, words):
                return self.ends(part, start) - self._words(words, start)
            case regular.Repetition(part, minimum, maximum):
                return self._repeated(part, minimum, maximum, start)
            case regular.JsonString(inner, any_escape):
                return self._accepted(start, lambda span: _is_literal(span, inner, any_escape))
            case regular.Decimals():
                return self._accepted(start, lambda span: _is_decimal(span, node))
            case regular.Multiples():
                return self._accepted(start, lambda span: _is_multiple(span, node))
            case regular.Automaton():
                return self._simulated(node, start)
        raise TypeError(node)

    def _from(self, start: int) -> Ends:
        return frozenset(range(start, len(self._text) + 1))

    def _accepted(self, start: int, holds) -> Ends:  # type: ignore[no-untyped-def]
        return frozenset(end for end in self._from(start) if holds(self._text[start:end]))

    def _words(self, words: tuple[bytes, ...] | list[bytes], start: int) -> Ends:
        return frozenset(start + len(word) for word in words if self._text.startswith(word, start))

    def _after(self, part: regular.Regular, starts: Ends) -> Ends:
        return frozenset().union(*(self.ends(part, start) for start in starts))

    def _repeated(self, part: regular.Regular, minimum: int, maximum: int | None, start: int) -> Ends:
        """Where so many rounds may end.  The sets of ends repeat sooner or later, and then nothing new comes."""
        rounds = [frozenset([start])]
        while rounds[-1] not in rounds[:-1]:
            rounds.append(self._after(part, rounds[-1]))
        first = rounds.index(rounds[-1])
        period = len(rounds) - 1 - first

        def after(count: int) -> Ends:
            return rounds[count if count < len(rounds) else first + (count - first) % period]

        last = minimum + 2 * len(rounds) if maximum is None else min(maximum, minimum + 2 * len(rounds))
        return frozenset().union(*(after(count) for count in range(minimum, last + 1)))

    def _simulated(self, node: regular.Automaton, start: int) -> Ends:
        states, ends = {0}, set()
        for i in range(start, len(self._text) + 1):
            if any(node.accepting[state] for state in states):
                ends.add(i)
            if i < len(self._text):
                byte = self._text[i]
                states = {to for s in states for low, high, to in node.transitions[s] if low <= byte <= high}
        return frozenset(ends)


def _within(code: int, ranges: regular.Ranges) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _is_character(span: bytes, ranges: regular.Ranges) -> bool:
    try:
        text = span.decode()
    except UnicodeDecodeError:
        return False
    return len(text) == 1 and _within(ord(text), ranges)


def decoded_literal(span: bytes) -> bytes | None:
    """The UTF-8 text that the rest of a JSON string, behind its opening quote, denotes; None when it is none."""
    try:
        value = json.loads('"' + span.decode())
        return value.encode() if isinstance(value, str) else None
    except ValueError:  # malformed JSON or UTF-8, or a lone surrogate
        return None


def _is_literal(span: bytes, inner: regular.Regular, any_escape: bool) -> bool:
    value = decoded_literal(span)
    if value is None or not span.endswith(b'"'):
        return False
    if not any_escape:  # but for the case of hexadecimal digits
        canonical = json.dumps(value.decode(), ensure_ascii=False)[1:]
        written = _ESCAPE.sub(lambda found: found[0].lower() if len(found[1]) > 1 else found[0], span.decode())
        if written != canonical:
            return False
    return matches(inner, value)


def number_of(span: bytes, *, exponent: bool, fraction: bool) -> Fraction | None:
    """The value of a JSON number without a sign, if it is written with what is allowed; None otherwise."""
    found = _NUMBER.fullmatch(span)
    if found is None or (found[2] and not fraction) or (found[3] and not exponent):
        return None
    digits = Fraction((found[1] + (found[2] or b"")).decode())
    return digits * Fraction(10) ** int(found[3][1:]) if found[3] else digits


def _is_decimal(span: bytes, node: regular.Decimals) -> bool:
    value = number_of(span, exponent=node.exponent, fraction=node.fraction)
    if value is None:
        return False
    if value == 0:
        return node.zero
    if not node.positive:
        return False
    if node.low is not None and (value < Fraction(node.low) or (node.strict_low and value == Fraction(node.low))):
        return False
    if node.high is not None and (value > Fraction(node.high) or (node.strict_high and value == Fraction(node.high))):
        return False
    return node.grain is None or value % (Fraction(10) ** node.grain) == 0


def _is_multiple(span: bytes, node: regular.Multiples) -> bool:
    """As `Multiples` says: only zeros beyond `scale` digits behind the point, and no negative exponent."""
    value = number_of(span, exponent=node.exponent, fraction=node.fraction)
    found = _NUMBER.fullmatch(span)
    if value is None or found is None:
        return False
    beyond = (found[2] or b".")[1 + node.scale :]
    if beyond.strip(b"0") or (found[3] and int(found[3][1:]) < 0):
        return False
    return value % Fraction(node.factor, 10**node.scale) == 0


def matches(expression: regular.Regular, text: bytes) -> bool:
    """Whether a text belongs to the language of an expression."""
    return len(text) in _Spans(text).ends(expression, 0)
