"""XML documents whose tags match.

Over given tags the language is context-free, one rule a tag.  All that is not an element, text with references,
comments, CDATA sections and processing instructions, is one regular language between two tags.
"""

from collections.abc import Iterable, Mapping, Sequence
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
)

__all__ = ["xml"]

_MOST_ATTRIBUTES = 10

_NAME_START = (
    r":A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef"
    r"\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME_TEXT = rf"[{_NAME_START}][-.0-9\u00b7\u0300-\u036f\u203f-\u2040{_NAME_START}]*"
_HEXADECIMAL = (
    "(?i:9|a|d|[2-9a-f]H|[1-9a-f]HH|[1-9a-c]HHH|d[0-7]HH|eHHH|f([0-9a-e]HH|f([0-9a-e]H|f[0-9a-d]))|[1-9a-f]HHHH|10HHHH)"
).replace("H", "[0-9a-f]")


def xml(*, tags: Sequence[str] | Mapping[str, Sequence[str]] | None = None, root: str | None = None) -> ir.Grammar:
    """Well-formed XML 1.0 documents in UTF-8, without an internal subset of a document type.

    tags  the names of the elements; as a mapping, with the names of the attributes that each may have, at most 10,
          none of them twice; as a list, elements have any attributes, and that none comes twice is not checked
    root  the name of the root; None: any of `tags`

    Raises GrammarError for what is no name, and for names that are free, where end tags are to match any names.
    """
    if tags is None:
        raise GrammarError("the names of the tags have to be given: xml needs tags=[...]")
    documents = _Documents(dict(tags) if isinstance(tags, Mapping) else dict.fromkeys(tags), root)
    return ir.Grammar("document", {}, make_rule=documents.rule)


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
    Repetition(_declared("encoding", "(?i:utf-8)"), 0, 1),
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


class _Documents:
    """The rules over given tags.

    ``rest NUMBER`` is an element behind the name of its start tag, ``attributes N …`` attributes of these numbers, at
    least one, none of them twice.
    """

    def __init__(self, tags: Mapping[str, Sequence[str] | None], root: str | None) -> None:
        names = Language(_NAME)
        for name in (*tags, *(attribute for attributes in tags.values() for attribute in attributes or ())):
            if not isinstance(name, str) or name.encode(errors="replace") not in names:
                raise GrammarError(f"{name!r} is not a name in XML")
        if not tags or root not in (None, *tags):
            raise GrammarError(f"the root is one of the tags, not {root!r}" if tags else "there are no tags")
        if any(len(attributes or ()) > _MOST_ATTRIBUTES for attributes in tags.values()):
            raise GrammarError(f"an element has at most {_MOST_ATTRIBUTES} attributes")
        self._tags = list(tags.items())
        self._root = None if root is None else list(tags).index(root)
        self._names = sorted({attribute for attributes in tags.values() for attribute in attributes or ()})
        self._between = ir.Repeat(_terminal("between", _BETWEEN), 0, 1)
        self._value = _terminal("value", _EQUAL, _VALUE)

    def rule(self, name: str) -> ir.Expression:
        """The right-hand side of a rule."""
        kind, *numbers = name.split(" ")
        if kind == "document":
            roots = range(len(self._tags)) if self._root is None else (self._root,)
            between = _terminal("between", Repetition(_MISCELLANEOUS, 1, None))
            before = [_terminal("declaration", _DECLARATION), between, _terminal("type", _DOCUMENT_TYPE), between]
            parts = [ir.Repeat(part, 0, 1) for part in before]
            return ir.Sequence((*parts, self._element(roots), ir.Repeat(between, 0, 1)))
        if kind == "element":
            return self._element(range(len(self._tags)))
        if kind == "rest":
            return self._rest(int(numbers[0]))
        if kind == "attributes":
            return self._attributes(frozenset(map(int, numbers)))
        raise GrammarError(f"rule {name!r} is not defined")

    def _element(self, numbers: Iterable[int]) -> ir.Expression:
        ways = [
            ir.Sequence((_terminal("start", "<" + self._tags[number][0]), ir.Reference(f"rest {number}")))
            for number in numbers
        ]
        return ways[0] if len(ways) == 1 else ir.Alternation(tuple(ways))

    def _rest(self, number: int) -> ir.Expression:
        tag, attributes = self._tags[number]
        content = (ir.Repeat(ir.Sequence((self._between, ir.Reference("element")))), self._between)
        end = ir.Sequence(
            (_terminal("open", _MAYBE_SPACE, ">"), *content, _terminal("end", f"</{tag}", _MAYBE_SPACE, ">"))
        )
        ways = ir.Alternation((_terminal("empty", _MAYBE_SPACE, "/>"), end))
        if attributes is None:
            named = ir.Repeat(ir.Sequence((_terminal("name", _SPACE, _NAME), self._value)))
        else:
            numbers = frozenset(self._names.index(name) for name in attributes)
            named = ir.Repeat(_attributes(numbers), 0, 1 if numbers else 0)
        return ir.Sequence((named, ways))

    def _attributes(self, numbers: frozenset[int]) -> ir.Expression:
        ways = []
        for number in sorted(numbers):
            rest = numbers - {number}
            more = ir.Repeat(_attributes(rest), 0, 1 if rest else 0)
            ways.append(ir.Sequence((_terminal("name", _SPACE, self._names[number]), self._value, more)))
        return ir.Alternation(tuple(ways))


def _attributes(numbers: frozenset[int]) -> ir.Reference:
    return ir.Reference(" ".join(["attributes", *map(str, sorted(numbers))]))
