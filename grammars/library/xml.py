"""XML documents whose tags match and whose attributes differ.

Neither is context-free over names that are not known beforehand, so the name of an element, and that of an attribute,
is bound (`ir.Binding`): what follows depends on it.  All that is not an element, text with references, comments, CDATA
sections and processing instructions, is one regular language between two tags.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarError
from constrain.grammars.regex import regex_language
from constrain.grammars.regular import (
    ANY_TEXT,
    Characters,
    Complement,
    Concatenation,
    Decimals,
    Intersection,
    Literal,
    Regular,
    Repetition,
    Union,
    Without,
    Words,
)

__all__ = ["xml"]

_NAME_START = (
    r":A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef"
    r"\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME_TEXT = rf"[{_NAME_START}][-.0-9\u00b7\u0300-\u036f\u203f-\u2040{_NAME_START}]*"
_HEXADECIMAL = (
    "(?ai:9|a|d|[2-9a-f]H|[1-9a-f]HH|[1-9a-c]HHH|d[0-7]HH|eHHH|f([0-9a-e]HH|f([0-9a-e]H|f[0-9a-d]))|[1-9a-f]HHHH|10HHHH)"
).replace("H", "[0-9a-f]")


def xml(*, tags: Sequence[str] | Mapping[str, Sequence[str]] | None = None, root: str | None = None) -> ir.Grammar:
    """Well-formed XML 1.0 documents in UTF-8, without an internal subset of a document type.

    tags  the names of the elements; as a mapping, with the names of the attributes that each may have, which otherwise
          are any; None: any
    root  the name of the root; None: any of `tags`

    Raises GrammarError for what is no name, and for a root that is none of the tags.
    """
    names = Language(_NAME)
    known = None if tags is None else dict(tags) if isinstance(tags, Mapping) else dict.fromkeys(tags)
    attributes = (name for group in (known or {}).values() for name in group or ())
    for name in (*(known or ()), *attributes, *([] if root is None else [root])):
        if not isinstance(name, str) or name.encode(errors="replace") not in names:
            raise GrammarError(f"{name!r} is not a name in XML")
    if known is not None and not known:
        raise GrammarError("there are no tags")
    if known is not None and root not in (None, *known):
        raise GrammarError(f"the root is one of the tags, not {root!r}")
    between = _terminal("between", Repetition(_MISCELLANEOUS, 1, None))
    before = [_terminal("declaration", _DECLARATION), between, _terminal("type", _DOCUMENT_TYPE), between]
    parts = [ir.Repeat(part, 0, 1) for part in before]
    elements = _Elements(known)
    document = ir.Sequence((*parts, elements.element(root), ir.Repeat(between, 0, 1)))
    return ir.Grammar("document", {"document": document}, make_rule=elements.rule)


def _pattern(text: str) -> Regular:
    return regex_language(text)


def _without(part: Regular, text: str) -> Regular:
    """The texts that do not contain the given one."""
    return Intersection((part, Complement(Concatenation((ANY_TEXT, Literal(text.encode()), ANY_TEXT)))))


_SPACE = _pattern("[ \t\r\n]+")
_MAYBE_SPACE = Repetition(_SPACE, 0, 1)
_NAME = _pattern(_NAME_TEXT)


def _characters(excluded: str) -> Regular:
    """A character of XML that is none of these."""
    legal = ((9, 10), (13, 13), (0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
    ranges = []
    for low, high in legal:
        for sign in sorted(map(ord, excluded)):
            if low <= sign <= high:
                ranges += [(low, sign - 1)] if low < sign else []
                low = sign + 1
        ranges += [(low, high)] if low <= high else []
    return Characters(tuple(ranges))


def _decimal() -> Regular:
    """The numbers of the characters of XML, without zeros before them."""
    ranges = ((9, 10), (13, 13), (0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
    bounds = ((Decimal(low), Decimal(high)) for low, high in ranges)
    return Union(
        tuple(Decimals(False, True, low, high, grain=0, exponent=False, fraction=False) for low, high in bounds)
    )


def _join(*parts: Regular | str) -> Regular:
    return Concatenation(tuple(Literal(part.encode()) if isinstance(part, str) else part for part in parts))


def _any(part: Regular) -> Regular:
    return Repetition(part, 0, None)


_ZEROS = _pattern("0*")
_REFERENCE = Union(
    (
        _pattern("&(lt|gt|amp|apos|quot);"),
        _join("&#", _ZEROS, _decimal(), ";"),
        _join("&#x", _ZEROS, _pattern(_HEXADECIMAL), ";"),
    )
)
_VALUE = Union(tuple(_join(quote, _any(Union((_characters("<&" + quote), _REFERENCE))), quote) for quote in "\"'"))
_COMMENT = _join("<!--", _any(Union((_characters("-"), _join("-", _characters("-"))))), "-->")
_TARGET = Intersection((_NAME, Complement(_pattern("[Xx][Mm][Ll]"))))
_INSTRUCTION = _join("<?", _TARGET, Repetition(_join(_SPACE, _without(_any(_characters("")), "?>")), 0, 1), "?>")
_CDATA = _join("<![CDATA[", _without(_any(_characters("")), "]]>"), "]]>")
_TEXT = _without(Repetition(Union((_characters("<&"), _REFERENCE)), 1, None), "]]>")
_MARKUP = Union((_COMMENT, _INSTRUCTION, _CDATA))
_MAYBE_TEXT = Repetition(_TEXT, 0, 1)
_BETWEEN = Union((_TEXT, _join(Repetition(_join(_MAYBE_TEXT, _MARKUP), 1, None), _MAYBE_TEXT)))
_MISCELLANEOUS = Union((_SPACE, _COMMENT, _INSTRUCTION))
_EQUAL = _join(_MAYBE_SPACE, "=", _MAYBE_SPACE)


def _declared(name: str, values: str) -> Regular:
    return _join(_SPACE, name, _EQUAL, Union((_pattern(f"'({values})'"), _pattern(f'"({values})"'))))


_DECLARATION = _join(
    "<?xml",
    _declared("version", r"1\.[0-9]+"),
    Repetition(_declared("encoding", "(?ai:utf-8)"), 0, 1),
    Repetition(_declared("standalone", "yes|no"), 0, 1),
    _MAYBE_SPACE,
    "?>",
)
_SYSTEM = Union((_join("'", _any(_characters("'")), "'"), _join('"', _any(_characters('"')), '"')))
_PUBLIC = _pattern(r"""'[ \r\na-zA-Z0-9()+,./:=?;!*#@$_%-]*'|"[ \r\na-zA-Z0-9'()+,./:=?;!*#@$_%-]*\"""")
_EXTERNAL = Union((_join("SYSTEM", _SPACE, _SYSTEM), _join("PUBLIC", _SPACE, _PUBLIC, _SPACE, _SYSTEM)))
_DOCUMENT_TYPE = _join("<!DOCTYPE", _SPACE, _NAME, Repetition(_join(_SPACE, _EXTERNAL), 0, 1), _MAYBE_SPACE, ">")


def _terminal(name: str, *parts: Regular | str) -> ir.Terminal:
    return ir.Terminal(_join(*parts), name)


_BETWEEN_TAGS = ir.Repeat(_terminal("between", _BETWEEN), 0, 1)
_EQUAL_VALUE = _terminal("value", _EQUAL, _VALUE)
_CONTENT = ir.Sequence((ir.Repeat(ir.Sequence((_BETWEEN_TAGS, ir.Reference("element")))), _BETWEEN_TAGS))


_EMPTY, _OPEN = _terminal("empty", _MAYBE_SPACE, "/>"), _terminal("open", _MAYBE_SPACE, ">")
_GAP, _REST = _terminal("space", _SPACE), ir.Reference("rest")


class _Elements:
    """The elements of a vocabulary: names with their attributes, which None leaves open."""

    def __init__(self, tags: Mapping[str, Sequence[str] | None] | None) -> None:
        self._tags = tags

    def rule(self, name: str) -> ir.Expression:
        """Any element, and what may follow the name of any, which only late rules refer to."""
        if name == "element":
            return self.element(None)
        if name == "rest":
            return ir.Alternation(
                (
                    _EMPTY,
                    ir.Sequence((_OPEN, _CONTENT, _terminal("end", "</", _NAME, _MAYBE_SPACE, ">"))),
                    ir.Sequence((_GAP, _terminal("attribute", _NAME), _EQUAL_VALUE, _REST)),
                )
            )
        raise GrammarError(f"rule {name!r} is not defined")

    def element(self, name: str | None) -> ir.Expression:
        """An element of the name, or of any."""
        if name is not None:
            return self._named(name)
        if self._tags is not None:
            return ir.Alternation(tuple(map(self._named, self._tags)))
        return ir.Sequence(
            (_terminal("start", "<"), ir.Binding(_terminal("name", _NAME), _Named(self), _REST, settled=True))
        )

    def _named(self, name: str) -> ir.Expression:
        return ir.Sequence((_terminal("start", "<" + name), self.behind(name)))

    def behind(self, name: str) -> ir.Late:
        """What follows the name of a start tag."""
        return ir.Late(_Tag(name, self.attributes(name)))

    def attributes(self, name: str) -> frozenset[str] | None:
        """The attributes that an element may have."""
        attributes = None if self._tags is None else self._tags[name]
        return None if attributes is None else frozenset(attributes)


@dataclass(frozen=True, slots=True)
class _Named:
    """What follows a name that is bound."""

    elements: _Elements

    def __call__(self, text: bytes, /) -> ir.Expression:
        return self.elements.behind(text.decode())


@dataclass(frozen=True, slots=True)
class _Tag:
    """An element behind its name, or behind some attributes.

    attributes  those that it may have, `used` among them
    """

    name: str
    attributes: frozenset[str] | None
    used: frozenset[str] = frozenset()

    def expression(self) -> ir.Expression:
        """Another attribute, the end of the tag and the content, or the end of the element."""
        end = _terminal("end", f"</{self.name}", _MAYBE_SPACE, ">")
        ways: list[ir.Expression] = [
            _EMPTY,
            ir.Sequence((_OPEN, _CONTENT, end)),
        ]
        names = self._names()
        if names is not None:
            part = _terminal("attribute", names)
            attribute = ir.Binding(part, _Attribute(self), ir.Sequence((_EQUAL_VALUE, _REST)), settled=True)
            ways.append(ir.Sequence((_GAP, attribute)))
        return ir.Alternation(tuple(ways))

    def _names(self) -> Regular | None:
        if self.attributes is None:
            return Without(_NAME, _words(self.used)) if self.used else _NAME
        left = self.attributes - self.used
        return Words(_words(left)) if left else None


@dataclass(frozen=True, slots=True)
class _Attribute:
    """What follows the name of an attribute."""

    tag: _Tag

    def __call__(self, text: bytes, /) -> ir.Expression:
        used = self.tag.used | {text.decode()}
        return ir.Late(_Value(_Tag(self.tag.name, self.tag.attributes, used)))


@dataclass(frozen=True, slots=True)
class _Value:
    """The value of an attribute, and what follows it."""

    tag: _Tag

    def expression(self) -> ir.Expression:
        """The sign, the value and the rest."""
        return ir.Sequence((_EQUAL_VALUE, ir.Late(self.tag)))


def _words(names: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(sorted(name.encode() for name in names))
