r"""`constrain.ebnf`: grammars in EBNF as llama.cpp (GBNF), xgrammar and the XML recommendation write it.

    root   ::= greeting " " name
    name   ::= [A-Z] [a-z]{1,20}        # character classes, repetitions
    greeting ::= "Hello" | 'Hi'

Literals in either quotes with the escapes of C and ``\uXXXX``; classes in brackets with ranges and ``^``; ``#x41`` for
a code point; ``.`` for any character; ``* + ? {m} {m,} {m,n}``; ``( )``; ``<|name|>`` or ``<[id]>`` for a special
token; ``#`` and ``//`` comments.  A rule ends where the next one begins.  Every way of cutting a text counts: there is
no lexer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from constrain.grammars import ir
from constrain.grammars.errors import GrammarSyntaxError
from constrain.grammars.regex import charset
from constrain.grammars.regular import MAX_CODE_POINT, Characters, Literal, Ranges

__all__ = ["ebnf"]

_MAX_NESTING = 200
_MAX_DIGITS = 18

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#(?!x[0-9A-Fa-f])[^\n]*|//[^\n]*|/\*.*?\*/)
  | (?P<name>[A-Za-z_][A-Za-z0-9_-]*)
  | (?P<defines>::=)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<class>\[(?:[^\]\\]|\\.)*\])
  | (?P<code>\#x[0-9A-Fa-f]+)
  | (?P<bounds>\{\s*\d*\s*(?:,\s*\d*\s*)?\})
  | (?P<special><\[\d+\]>|<[^<>\s]+>)
  | (?P<mark>[()|*+?.])
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "b": "\b", "a": "\a", "0": "\0"}
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|u\{([0-9A-Fa-f]+)\}|(.))", re.DOTALL)


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    at: int


@dataclass(slots=True)
class _Group:
    start: _Token | None
    alternatives: list[ir.Expression] = field(default_factory=list)
    series: list[ir.Expression] = field(default_factory=list)

    def finish(self) -> ir.Expression:
        self.alternatives.append(_sequence(self.series))
        return self.alternatives[0] if len(self.alternatives) == 1 else ir.Alternation(tuple(self.alternatives))


def _sequence(parts: list[ir.Expression]) -> ir.Expression:
    return parts[0] if len(parts) == 1 else ir.Sequence(tuple(parts))


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = list(self._tokens())
        self.rules: dict[str, ir.Expression] = {}
        self.positions: dict[str, ir.Position] = {}
        self._used: dict[str, int] = {}  # by name: where a rule is first referred to

    def error(self, message: str, at: int) -> GrammarSyntaxError:
        position = self.position(at)
        return GrammarSyntaxError(message, source=self.source, line=position.line, column=position.column)

    def position(self, at: int) -> ir.Position:
        return ir.Position(self.source.count("\n", 0, at) + 1, at - self.source.rfind("\n", 0, at))

    def _tokens(self) -> Iterator[_Token]:
        at = 0
        while at < len(self.source):
            found = _TOKEN.match(self.source, at)
            if found is None:
                raise self.error(f"unexpected {self.source[at]!r}", at)
            if found.lastgroup != "space":
                yield _Token(str(found.lastgroup), found.group(), at)
            at = found.end()

    def run(self) -> None:
        i = 0
        while i < len(self.tokens):
            name = self.tokens[i]
            if name.kind != "name" or not self._defines(i):
                raise self.error("a rule begins with its name and '::='", name.at)
            if name.text in self.rules:
                raise self.error(f"rule {name.text!r} is defined twice", name.at)
            end = i + 2
            while end < len(self.tokens) and not self._defines(end):
                end += 1
            self.positions[name.text] = self.position(name.at)
            self.rules[name.text] = self._right_hand_side(self.tokens[i + 2 : end])
            i = end
        for used, at in self._used.items():
            if used not in self.rules:
                raise self.error(f"rule {used!r} is not defined", at)

    def _defines(self, i: int) -> bool:
        """Whether a rule begins at token `i`."""
        follower = self.tokens[i + 1] if i + 1 < len(self.tokens) else None
        return self.tokens[i].kind == "name" and follower is not None and follower.kind == "defines"

    def _right_hand_side(self, tokens: list[_Token]) -> ir.Expression:
        groups = [_Group(None)]
        for token in tokens:
            group = groups[-1]
            if token.text == "(" and token.kind == "mark":
                if len(groups) > _MAX_NESTING:
                    raise self.error(f"groups are nested more than {_MAX_NESTING} deep", token.at)
                groups.append(_Group(token))
            elif token.text == ")" and token.kind == "mark":
                if len(groups) == 1:
                    raise self.error("')' without '('", token.at)
                groups.pop()
                groups[-1].series.append(group.finish())
            elif token.text == "|" and token.kind == "mark":
                group.alternatives.append(_sequence(group.series))
                group.series = []
            elif token.kind == "bounds" or (token.kind == "mark" and token.text in "*+?"):
                if not group.series:
                    raise self.error("nothing to repeat", token.at)
                group.series.append(self._repeated(group.series.pop(), token))
            else:
                group.series.append(self._atom(token))
        opened = groups[-1].start
        if opened is not None:
            raise self.error("this group is not closed", opened.at)
        return groups[0].finish()

    def _repeated(self, part: ir.Expression, token: _Token) -> ir.Expression:
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if token.text in simple:
            return ir.Repeat(part, *simple[token.text])
        low, comma, high = token.text[1:-1].partition(",")
        minimum = self._number(low, token.at) if low.strip() else 0
        maximum = (self._number(high, token.at) if high.strip() else None) if comma else minimum
        if not comma and not low.strip():
            raise self.error("a repetition needs a number", token.at)
        if (maximum is not None and maximum < minimum) or max(minimum, maximum or 0) >= 1 << 30:
            raise self.error("bounds of a repetition out of order or too large", token.at)
        return ir.Repeat(part, minimum, maximum)

    def _number(self, digits: str, at: int) -> int:
        if len(digits.strip()) > _MAX_DIGITS:
            raise self.error("number too large", at)
        return int(digits)

    def _atom(self, token: _Token) -> ir.Expression:
        match token.kind:
            case "name":
                self._used.setdefault(token.text, token.at)
                return ir.Reference(token.text)
            case "string":
                return ir.Terminal(Literal(self._unescape(token.text[1:-1], token.at + 1).encode()))
            case "class":
                return ir.Terminal(Characters(self._class(token)))
            case "code":
                code = self._checked(int(token.text[2:], 16), token.at)
                return ir.Terminal(Literal(chr(code).encode()))
            case "special":
                name = token.text
                return ir.SpecialToken(self._number(name[2:-2], token.at) if name.startswith("<[") else name)
        if token.text == ".":
            return ir.Terminal(Characters(charset.EVERYTHING))
        raise self.error(f"unexpected {token.text!r}", token.at)

    def _checked(self, code: int, at: int) -> int:
        if code > MAX_CODE_POINT or 0xD800 <= code <= 0xDFFF:
            raise self.error("not a character", at)
        return code

    def _unescape(self, text: str, at: int) -> str:
        """A text without its escapes; `at` is its place.  Letters and digits behind a backslash must have a meaning."""

        def character(found: re.Match[str]) -> str:
            digits = found[1] or found[2] or found[3] or found[4]
            if digits:
                return chr(self._checked(int(digits, 16), at + found.start()))
            if found[5].isalnum() and found[5] not in _ESCAPES:
                raise self.error(f"unknown escape {found.group()!r}", at + found.start())
            return _ESCAPES.get(found[5], found[5])

        return _ESCAPE.sub(character, text)

    def _class(self, token: _Token) -> Ranges:
        body = token.text[1:-1]
        negative = body.startswith("^")
        codes = self._class_codes(body[negative:], token.at + 1 + negative)
        ranges = []
        i = 0
        while i < len(codes):
            low, _ = codes[i]
            if i + 2 < len(codes) and codes[i + 1] == (0x2D, False):
                high = codes[i + 2][0]
                if high < low:
                    raise self.error("character range out of order", token.at)
                ranges.append((low, high))
                i += 3
            else:
                ranges.append((low, low))
                i += 1
        members = charset.normalise(ranges)
        return charset.complement(members) if negative else members

    def _class_codes(self, body: str, at: int) -> list[tuple[int, bool]]:
        """Code points of a class, and whether each was written with an escape."""
        codes = []
        i = 0
        while i < len(body):
            found = _ESCAPE.match(body, i) or re.compile(r"#x([0-9A-Fa-f]+)").match(body, i)
            if found is None:
                codes.append((ord(body[i]), False))
                i += 1
            else:
                text = found.group()
                code = int(text[2:], 16) if text.startswith("#x") else ord(self._unescape(text, at + i))
                codes.append((self._checked(code, at + i), True))
                i = found.end()
        return codes


def ebnf(text: str, *, start: str = "root") -> ir.Grammar:
    """Texts of a grammar in EBNF; see the module for the notation.

    Raises GrammarSyntaxError, with line and column, for what is malformed and for rules that are not defined.
    """
    parser = _Parser(text)
    parser.run()
    if start not in parser.rules:
        raise GrammarSyntaxError(f"start rule {start!r} is not defined", source=text)
    key = repr(("ebnf", text, start))
    return ir.Grammar(start, parser.rules, key=key, source=text, positions=parser.positions)
