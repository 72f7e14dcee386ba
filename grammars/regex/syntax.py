"""Parsing regular expressions: Python's `re` syntax and ECMAScript's, to one tree.

Everything that denotes a regular language is read; back-references, conditionals, atomic groups and possessive
quantifiers are refused with their place.  The parser keeps its own stack of open groups, so that depth is limited by
`MAX_NESTING` and not by Python; patterns have at most `MAX_LENGTH` characters, which take a second or two.
"""

import unicodedata
from dataclasses import dataclass, field, replace
from enum import Enum

from constrain.grammars.errors import GrammarSyntaxError
from constrain.grammars.regex import charset, unicode
from constrain.grammars.regular import MAX_CODE_POINT, Ranges

__all__ = [
    "MAX_NESTING",
    "Alternatives",
    "Anchor",
    "CharacterClass",
    "Dialect",
    "Flags",
    "Look",
    "Node",
    "Place",
    "Repeated",
    "Series",
    "parse",
]

MAX_NESTING = 200
MAX_LENGTH = 100_000


class Dialect(Enum):
    r"""Whose syntax and classes: Python's `re`, or ECMAScript's with the ``u`` flag, as JSON Schema recommends.

    ECMAScript's is read with what common patterns take over from elsewhere: ``\A``, ``\Z``, ``(?i)``, ``(?P<name>…)``
    and escapes of characters that need none.
    """

    PYTHON = "python"
    ECMA = "ecma"


class Place(Enum):
    """Where an anchor matches."""

    START = "start of the text"
    END = "end of the text"
    LINE_START = "start of a line"
    LINE_END = "end of a line"
    END_OR_LAST_NEWLINE = "end of the text, or before a newline there"
    WORD_BOUNDARY = "word boundary"
    NOT_WORD_BOUNDARY = "no word boundary"


class Node:
    """Base of the nodes of the tree."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class CharacterClass(Node):
    """One character from a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Series(Node):
    """The parts one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives(Node):
    """Any of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeated(Node):
    """The part, repeated; `lazy`, as few times as the rest allows, which does not change the language as a whole."""

    part: Node
    minimum: int
    maximum: int | None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Anchor(Node):
    r"""A condition on the place between two characters; `word` is what ``\b`` takes for word characters."""

    place: Place
    word: Ranges = ()


@dataclass(frozen=True, slots=True)
class Look(Node):
    """What comes next (`ahead`) or has come before matches the part; or, `negative`, does not."""

    part: Node
    ahead: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class Flags:
    """``i``, ``m``, ``s``, ``x``, ``a`` of `re`."""

    ignore_case: bool = False
    multi_line: bool = False
    dot_all: bool = False
    verbose: bool = False
    ascii: bool = False

    def changed(self, letters: str, value: bool) -> "Flags":
        """These flags with those of the letters set to `value`."""
        names = {"i": "ignore_case", "m": "multi_line", "s": "dot_all", "x": "verbose", "a": "ascii"}
        changes = {names[letter]: value for letter in letters if letter in names}
        return replace(self, **changes)


@dataclass(slots=True)
class _Group:
    """A group that has been opened: finished alternatives, the series being read, and what the group makes."""

    flags: Flags
    start: int
    look: tuple[bool, bool] | None = None
    alternatives: list[Node] = field(default_factory=list)
    series: list[Node] = field(default_factory=list)

    def finish(self) -> Node:
        """The node of the whole group."""
        self.alternatives.append(_series(self.series))
        alternatives = self.alternatives
        body = alternatives[0] if len(alternatives) == 1 else Alternatives(tuple(alternatives))
        return body if self.look is None else Look(body, *self.look)


def _series(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Series(tuple(parts))


_CONTROL = {"f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_QUANTIFIERS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class _Parser:
    def __init__(self, pattern: str, dialect: Dialect, flags: Flags) -> None:
        self.pattern, self.ecma = pattern, dialect is Dialect.ECMA
        self.at = 0
        self.names: set[str] = set()
        self.groups = [_Group(flags, 0)]

    # Reading

    def error(self, message: str, at: int | None = None) -> GrammarSyntaxError:
        """An error at a place of the pattern; where reading is, unless told."""
        place = self.at if at is None else at
        line = self.pattern.count("\n", 0, place) + 1
        column = place - (self.pattern.rfind("\n", 0, place) + 1) + 1
        return GrammarSyntaxError(f"regular expression: {message}", source=self.pattern, line=line, column=column)

    def peek(self) -> str:
        return self.pattern[self.at] if self.at < len(self.pattern) else ""

    def take(self, text: str) -> bool:
        """Read `text` if it comes next."""
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def until(self, end: str, what: str) -> str:
        """Read up to and including `end`."""
        stop = self.pattern.find(end, self.at)
        if stop < 0:
            raise self.error(f"{what} is not closed by {end!r}")
        text = self.pattern[self.at : stop]
        self.at = stop + len(end)
        return text

    @property
    def group(self) -> _Group:
        return self.groups[-1]

    @property
    def flags(self) -> Flags:
        return self.group.flags

    # The whole

    def run(self) -> Node:
        while self.at < len(self.pattern):
            char = self.peek()
            if self.flags.verbose and self._skip_comment(char):
                continue
            if char == "(":
                self._open_group()
            elif char == ")":
                self._close_group()
            elif char == "|":
                self.at += 1
                self.group.alternatives.append(_series(self.group.series))
                self.group.series = []
            elif self._quantifier_ahead():
                raise self.error("nothing to repeat")
            else:
                self._add(self._atom())
        if len(self.groups) > 1:
            raise self.error("this group is not closed", self.group.start)
        return self.group.finish()

    def _skip_comment(self, char: str) -> bool:
        if char in " \t\n\r\f\v":
            self.at += 1
            return True
        if char == "#":
            newline = self.pattern.find("\n", self.at)
            self.at = len(self.pattern) if newline < 0 else newline + 1
            return True
        return False

    def _add(self, node: Node, *, is_group: bool = False) -> None:
        """Add a node with the quantifier that follows it."""
        quantified = False
        while True:
            if self.flags.verbose:
                while self.peek() and self._skip_comment(self.peek()):
                    pass
            bounds = self._quantifier()
            if bounds is None:
                break
            if quantified:
                raise self.error("multiple repeat", self.at - 1)
            if isinstance(node, Anchor) and not is_group:
                raise self.error("nothing to repeat", self.at - 1)
            quantified = True
            lazy = self.take("?")
            if not lazy and self.peek() == "+":
                raise self.error("possessive quantifiers are not supported: they are not regular operations")
            node = Repeated(node, *bounds, lazy)
        self.group.series.append(node)

    # Groups

    def _open_group(self) -> None:
        start = self.at
        self.at += 1
        if len(self.groups) > MAX_NESTING:
            raise self.error(f"groups are nested more than {MAX_NESTING} deep", start)
        look = None
        flags = self.flags
        if self.take("?"):
            if self.take("#"):
                self.until(")", "comment")
                return
            look = self._look()
            if look is None and not self.take(":"):
                new_flags = self._named_or_flags(start)
                if new_flags is None:
                    return
                flags = new_flags
        self.groups.append(_Group(flags, start, look))

    def _look(self) -> tuple[bool, bool] | None:
        for text, look in (("=", (True, False)), ("!", (True, True)), ("<=", (False, False)), ("<!", (False, True))):
            if self.take(text):
                return look
        return None

    def _named_or_flags(self, start: int) -> Flags | None:
        """Read the rest of ``(?P<name>``, ``(?<name>``, ``(?i)`` or ``(?i:``; None when no group is opened."""
        if self.take("P="):
            raise self.error("back-references are not regular", start)
        if self.take("("):
            raise self.error("conditional groups are not supported", start)
        if self.take(">"):
            raise self.error("atomic groups are not supported: they are not regular operations", start)
        if self.take("P<") or (self.ecma and self.take("<")):
            name = self.until(">", "group name")
            if not name.replace("$", "_").isidentifier():
                raise self.error(f"{name!r} is not a group name", start)
            if name in self.names:
                raise self.error(f"group name {name!r} is used twice", start)
            self.names.add(name)
            return self.flags
        return self._inline_flags(start)

    def _inline_flags(self, start: int) -> Flags | None:
        on = self._letters()
        off = self._letters() if self.take("-") else ""
        if not set(on + off) <= set("aimsxuL") or not (on or off):
            raise self.error("unknown extension", start)
        flags = self.flags.changed(on, True).changed(off, False)
        if self.take(":"):
            return flags
        if not self.take(")"):
            raise self.error("')' expected after flags")
        if off or (start != 0 and not self.ecma):
            raise self.error("global flags must stand at the start of the expression", start)
        self.group.flags = flags
        return None

    def _letters(self) -> str:
        start = self.at
        while self.peek().isalpha():
            self.at += 1
        return self.pattern[start : self.at]

    def _close_group(self) -> None:
        if len(self.groups) == 1:
            raise self.error("unbalanced parenthesis")
        self.at += 1
        self._add(self.groups.pop().finish(), is_group=True)

    # Quantifiers

    def _braces(self) -> tuple[int, int | None, int] | None:
        """Bounds in braces that come next, and where they end; None when the brace is an ordinary character."""
        if self.peek() != "{":
            return None
        end = self.pattern.find("}", self.at)
        body = self.pattern[self.at + 1 : end] if end >= 0 else ""
        low, comma, high = body.partition(",")
        if not all(number == "" or (number.isascii() and number.isdigit()) for number in (low, high)):
            return None
        if (not low and (not comma or self.ecma)) or (comma and not low and not high and self.ecma):
            return None
        minimum = int(low) if low else 0
        maximum = (int(high) if high else None) if comma else minimum
        return minimum, maximum, end + 1

    def _quantifier_ahead(self) -> bool:
        return self.peek() in _QUANTIFIERS or self._braces() is not None

    def _quantifier(self) -> tuple[int, int | None] | None:
        if self.peek() in _QUANTIFIERS and self.peek():
            self.at += 1
            return _QUANTIFIERS[self.pattern[self.at - 1]]
        braces = self._braces()
        if braces is None:
            return None
        minimum, maximum, end = braces
        if maximum is not None and maximum < minimum:
            raise self.error("minimum of repetition is greater than maximum")
        if max(minimum, maximum or 0) >= 1 << 30:
            raise self.error("the repetition number is too large")
        self.at = end
        return minimum, maximum

    # Atoms

    def _atom(self) -> Node:
        char = self.pattern[self.at]
        self.at += 1
        if char == ".":
            ends = unicode.ECMA_LINE_ENDS if self.ecma else ((10, 10),)
            return CharacterClass(charset.EVERYTHING if self.flags.dot_all else charset.complement(ends))
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        if char == "^":
            return Anchor(Place.LINE_START if self.flags.multi_line else Place.START)
        if char == "$":
            if self.flags.multi_line:
                return Anchor(Place.LINE_END)
            return Anchor(Place.END if self.ecma else Place.END_OR_LAST_NEWLINE)
        return self._one_of(((ord(char), ord(char)),))

    def _one_of(self, ranges: Ranges) -> Node:
        return CharacterClass(self._with_case(ranges))

    def _with_case(self, ranges: Ranges) -> Ranges:
        if not self.flags.ignore_case:
            return ranges
        return unicode.case_variants(ranges, ascii_only=self.flags.ascii)

    def _word(self) -> Ranges:
        return unicode.ASCII_WORD if self.ecma or self.flags.ascii else unicode.word()

    def _escape(self) -> Node:
        start = self.at - 1
        char = self.peek()
        if char == "":
            raise self.error("bad escape at the end", start)
        if char in "bB":
            self.at += 1
            place = Place.WORD_BOUNDARY if char == "b" else Place.NOT_WORD_BOUNDARY
            return Anchor(place, self._word())
        if char in "AZ":
            self.at += 1
            return Anchor(Place.START if char == "A" else Place.END)
        if char in "123456789" and not self._is_octal():
            raise self.error("back-references are not regular", start)
        if self.ecma and char == "k":
            raise self.error("back-references are not regular", start)
        shorthand = self._shorthand()
        if shorthand is not None:
            return self._one_of(shorthand)
        code = self._code(start)
        return self._one_of(((code, code),))

    def _is_octal(self) -> bool:
        digits = self.pattern[self.at : self.at + 3]
        return not self.ecma and len(digits) == 3 and digits[0] in "0123" and all(d in "01234567" for d in digits)

    def _shorthand(self) -> Ranges | None:
        r"""The set of ``\d \w \s \p{…}`` and their complements, if one comes next."""
        char = self.peek()
        if char in "pP" and (self.ecma or self.pattern.startswith("{", self.at + 1)):
            return self._property()
        classes = {
            "d": lambda: unicode.ASCII_DIGITS if self.ecma or self.flags.ascii else unicode.digits(),
            "w": self._word,
            "s": self._space,
        }
        if not char or char.lower() not in classes:
            return None
        self.at += 1
        ranges = classes[char.lower()]()
        return charset.complement(ranges) if char.isupper() else ranges

    def _space(self) -> Ranges:
        if self.ecma:
            return unicode.ECMA_SPACE
        return unicode.ASCII_SPACE if self.flags.ascii else unicode.space()

    def _property(self) -> Ranges:
        start = self.at - 1
        negative = self.peek() == "P"
        self.at += 1
        if not self.take("{"):
            name = self.peek()
            self.at += 1
        else:
            name = self.until("}", "property")
        if name.startswith("^"):
            negative, name = not negative, name[1:]
        ranges = unicode.property_class(name)
        if ranges is None:
            raise self.error(f"unknown Unicode property {name!r}", start)
        return charset.complement(ranges) if negative else ranges

    def _hexadecimal(self, digits: int, start: int) -> int:
        text = self.pattern[self.at : self.at + digits]
        if len(text) < digits or any(digit not in "0123456789abcdefABCDEF" for digit in text):
            raise self.error("incomplete escape", start)
        self.at += digits
        return int(text, 16)

    def _code(self, start: int) -> int:
        """The code point of an escape of a single character; reading is behind the backslash."""
        char = self.peek()
        self.at += 1
        if char in _CONTROL:
            return ord(_CONTROL[char])
        if char == "a" and not self.ecma:
            return 7
        if char == "x":
            return self._hexadecimal(2, start)
        if char == "u":
            return self._unicode_escape(start)
        if char == "U" and not self.ecma:
            code = self._hexadecimal(8, start)
            if code > MAX_CODE_POINT:
                raise self.error("not a code point", start)
            return code
        if char == "N" and not self.ecma and self.take("{"):
            try:
                return ord(unicodedata.lookup(self.until("}", "character name")))
            except (KeyError, TypeError):
                raise self.error("unknown character name", start) from None
        if char == "c" and self.ecma and self.peek().isascii() and self.peek().isalpha():
            self.at += 1
            return ord(self.pattern[self.at - 1]) % 32
        if char in "01234567":
            return self._octal(char, start)
        if char.isascii() and char.isalnum():
            raise self.error(f"bad escape \\{char}", start)
        return ord(char)

    def _unicode_escape(self, start: int) -> int:
        if self.ecma and self.take("{"):
            text = self.until("}", "escape")
            if not text or any(d not in "0123456789abcdefABCDEF" for d in text) or int(text, 16) > MAX_CODE_POINT:
                raise self.error("not a code point", start)
            return int(text, 16)
        code = self._hexadecimal(4, start)
        if self.ecma and 0xD800 <= code < 0xDC00 and self.take("\\u"):
            low = self._hexadecimal(4, start)
            if not 0xDC00 <= low < 0xE000:
                raise self.error("a high surrogate without a low one", start)
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        return code

    def _octal(self, first: str, start: int) -> int:
        digits = first
        while len(digits) < 3 and self.peek() and self.peek() in "01234567":
            digits += self.peek()
            self.at += 1
        if self.ecma and digits != "0":
            raise self.error("octal escapes are not part of ECMAScript", start)
        code = int(digits, 8)
        if code > 0o377:
            raise self.error("octal escape out of range", start)
        return code

    # Classes in brackets

    def _class(self) -> Node:
        start = self.at - 1
        negative = self.take("^")
        sets: list[Ranges] = []
        first = True
        while True:
            if self.at >= len(self.pattern):
                raise self.error("unterminated character set", start)
            if self.peek() == "]" and (self.ecma or not first):
                self.at += 1
                break
            first = False
            sets.append(self._class_item())
        members = self._with_case(charset.union(*sets))
        return CharacterClass(charset.complement(members) if negative else members)

    def _class_item(self) -> Ranges:
        low_start = self.at
        low = self._class_atom()
        if self.peek() != "-" or self.pattern[self.at + 1 : self.at + 2] in ("", "]"):
            return low
        if not _is_single(low):
            if self.ecma:  # as browsers do without the u flag: the hyphen stands for itself
                return low
            raise self.error("bad character range", low_start)
        self.at += 1
        high = self._class_atom()
        if not _is_single(high):
            if self.ecma:
                return charset.union(low, high, ((0x2D, 0x2D),))
            raise self.error("bad character range", low_start)
        if high[0][0] < low[0][0]:
            raise self.error("bad character range", low_start)
        return ((low[0][0], high[0][0]),)

    def _class_atom(self) -> Ranges:
        if not self.take("\\"):
            code = ord(self.peek() or self.pattern[-1])
            self.at += 1
            return ((code, code),)
        start = self.at - 1
        if not self.peek():
            raise self.error("unterminated character set", start)
        shorthand = self._shorthand()
        if shorthand is not None:
            return shorthand
        if self.take("b"):
            return ((8, 8),)
        code = self._code(start)
        return ((code, code),)


def _is_single(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def parse(pattern: str, dialect: Dialect = Dialect.PYTHON, flags: Flags | None = None) -> Node:
    """The tree of a regular expression.  Raises GrammarSyntaxError with the place of what is wrong or not regular."""
    if len(pattern) > MAX_LENGTH:
        raise GrammarSyntaxError(f"the pattern has more than {MAX_LENGTH} characters")
    return _Parser(pattern, dialect, flags or Flags()).run()
