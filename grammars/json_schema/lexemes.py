"""The lexemes of JSON texts: punctuation, and the scalars of a set of values.

The lexemes of the named policies of white space are made once for all schemas, and so are those scalars that most
schemas have (any string, any integer, …): loading a rule then costs looking them up.
"""

from dataclasses import dataclass

from constrain.grammars import ir
from constrain.grammars.automata.programs import keep_program
from constrain.grammars.json_schema import numbers, strings
from constrain.grammars.json_schema.values import Values
from constrain.grammars.json_schema.whitespace import POLICIES, Whitespace
from constrain.grammars.regular import Concatenation, Epsilon, JsonString, Literal, Regular, Union, Words

__all__ = ["Lexemes", "TextOptions", "lexemes_of"]


@dataclass(frozen=True, slots=True)
class TextOptions:
    """How values may be written.

    ordered      members come in the order of the schema, those that it does not name behind them
    any_escape   strings may be escaped in every way of RFC 8259, not only where they must be
    exponent     numbers may have exponents
    fraction     whole numbers may be written with a point
    """

    whitespace: Whitespace
    ordered: bool = True
    any_escape: bool = True
    exponent: bool = True
    fraction: bool = True


_COMMON_NUMBERS = {id(one): one for one in (numbers.ALL, numbers.INTEGERS, numbers.PLAIN_INTEGERS, numbers.NONE)}
_COMMON_STRINGS = {id(one): one for one in (strings.ANY, strings.NONE)}


class Lexemes:
    """The lexemes of one way of writing; with `shared`, those of many grammars."""

    def __init__(self, options: TextOptions, *, shared: bool) -> None:
        self.options, self._shared = options, shared
        space = options.whitespace
        self._gap = space.gap
        if shared:
            keep_program(self._gap)
        self.comma = self._punctuation(b"," + space.after_comma)
        self.colon = self._punctuation(b":" + space.after_colon)
        self.close_array, self.close_object = self._punctuation(b"]"), self._punctuation(b"}")
        self.open_array = tuple(self._punctuation(b"[", nested) for nested in (False, True))
        self.open_object = tuple(self._punctuation(b"{", nested) for nested in (False, True))
        self.key_prefix = self._kept(self._behind_gap(Literal(b'"'), True))
        self._any_string = self._kept(Concatenation((Literal(b'"'), JsonString(strings.ANY, options.any_escape))))
        self._scalars: dict[tuple[object, ...], ir.Terminal] = {}

    def _kept(self, regular: Regular) -> Regular:
        if self._shared:
            keep_program(regular)
        return regular

    def _behind_gap(self, regular: Regular, nested: bool) -> Regular:
        if not nested or isinstance(self._gap, Epsilon):
            return regular
        return Concatenation((self._gap, regular))

    def _punctuation(self, text: bytes, nested: bool = True) -> ir.Terminal:
        return ir.Terminal(self._kept(self._behind_gap(Literal(text), nested)))

    def scalar(self, values: Values, nested: bool) -> ir.Terminal | None:
        """The scalars of a set of values, behind white space when they are nested; None when there are none."""
        if id(values.numbers) not in _COMMON_NUMBERS or id(values.strings) not in _COMMON_STRINGS:
            return self._new_scalar(values, nested)
        key = nested, values.null, values.booleans, id(values.numbers), id(values.strings)
        known = self._scalars.get(key)
        if known is None:
            made = self._new_scalar(values, nested)
            if made is None:
                return None
            self._kept(made.regular)
            known = self._scalars.setdefault(key, made)
        return known

    def _new_scalar(self, values: Values, nested: bool) -> ir.Terminal | None:
        found = None
        if values.numbers:
            options = self.options
            found = numbers.language(values.numbers, exponent=options.exponent, fraction=options.fraction)
        return self.scalar_with(values, found, nested)

    def scalar_with(self, values: Values, number: Regular | None, nested: bool) -> ir.Terminal | None:
        """The same, with a language of numbers instead of theirs."""
        texts = [b"null"] if values.null else []
        texts += [b"true" if one else b"false" for one in sorted(values.booleans)]
        parts: list[Regular] = [Words(tuple(texts))] if texts else []
        if number is not None:
            parts.append(number)
        if not strings.is_empty(values.strings):
            parts.append(self._string(values.strings))
        if not parts:
            return None
        return ir.Terminal(self._behind_gap(parts[0] if len(parts) == 1 else Union(tuple(parts)), nested))

    def _string(self, language: Regular) -> Regular:
        if language is strings.ANY:
            return self._any_string
        return Concatenation((Literal(b'"'), JsonString(language, self.options.any_escape)))


_shared: dict[tuple[int, bool, bool, bool], Lexemes] = {}


def lexemes_of(options: TextOptions) -> Lexemes:
    """The lexemes of a way of writing; the same ones each time for a named policy of white space."""
    if not any(options.whitespace is policy for policy in POLICIES.values()):
        return Lexemes(options, shared=False)
    key = id(options.whitespace), options.any_escape, options.exponent, options.fraction
    known = _shared.get(key)
    if known is None:
        known = _shared.setdefault(key, Lexemes(options, shared=True))
    return known
