"""Grammars in Lark's syntax with ``%ignore`` that constrain and llguidance both read, for languages_rivals.py.

They are those of the library: JSON, TOML, queries in SQL, and Java and C with white space taken out, and with it what
the library says beyond that syntax (each modifier once, words kept apart).
"""

import re
from collections.abc import Callable
from pathlib import Path

__all__ = ["GRAMMARS", "IGNORED", "behind_ignored"]

IGNORED = re.compile(r"/\*([^*]|\*+[^*/])*\*+/|//[^\n]*|#([^\n\\]|\\\r?\n|\\)*|\s+")
"""What such grammars ignore: white space, comments, in C directives."""


def behind_ignored(text: str) -> str:
    """A text from its first lexeme on."""
    start = 0
    while found := IGNORED.match(text, start):
        start = found.end()
    return text[start:]


LIBRARY = Path(__file__).resolve().parents[1] / "grammars" / "library"
_SPACES = r"/[ \t\f\r\n]+/"
_COMMENTS = r"/\/\/[^\n]*/", r"/\/\*([^*]|\*+[^*\/])*\*+\//"
_WHITE_SPACE = {
    "SEP_",
    "BLANK__",
    "NEWLINE_",
    "CONTINUED_",
    "LAST_BLANKS__",
    "LAST_COMMENT_",
    "LINE_COMMENT_",
    "COMMENT_",
}
_WHITE_SPACE |= {"BLOCK_COMMENT_", "DIRECTIVE_", "REST_OF_LINE__", "_ONCE", "_within", "_end_of_line", "_directive"}
_WHITE_SPACE |= {"space", "space_behind_slash", "gap", "line", "last"}
_OPERATORS = '(OPERATOR | "+" | "-" | "/")'


def definitions(text: str) -> dict[str, str]:
    """The rules and terminals of a grammar by their names; comments are left out."""
    lines = [line for line in text.splitlines() if line and not line.startswith("//")]
    joined = re.sub(r"\n\s+", " ", "\n".join(lines))
    return dict(re.findall(r"^[?]?(\w+): *(.*)$", joined, re.MULTILINE))


def without_white_space(name: str, ignored: tuple[str, ...], changed: dict[str, str]) -> str:
    """A grammar of the library with its white space ignored, and some definitions changed."""
    found = {**definitions((LIBRARY / f"{name}.lark").read_text("utf-8")), **changed}
    rules = []
    for defined, body in found.items():
        if defined in _WHITE_SPACE - changed.keys():
            continue
        body = re.sub(r"\b(SEP_IN_LINE_|SEP_|_ONCE|gap|last\?|line)(?!\w) ?", "", body)
        body = re.sub(
            r"/\[ [^\]]*\]\(?([\w|]+)\)?/", lambda word: " | ".join(f'"{one}"' for one in word[1].split("|")), body
        )
        rules.append(f"{defined}: {body.strip()}")
    return "\n".join([*rules, *(f"%ignore {pattern}" for pattern in ignored)]) + "\n"


def json_text() -> str:
    """JSON as it is."""
    return (LIBRARY / "json.lark").read_text("utf-8")


def toml_text() -> str:
    """TOML; of a date only its shape."""
    moment = r"/[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?/"
    found = {**definitions((LIBRARY / "toml.lark").read_text("utf-8")), "MOMENT": moment}
    return "\n".join(f"{name}: {body}" for name, body in found.items()) + "\n"


def java_text() -> str:
    """Java with any modifiers, each a lexeme."""
    start = 'package? import* (type_declaration | ";")*'
    modifier = '_MODIFIER | "sealed" | "non-sealed"'
    changed = {"start": start, "binary": f"{_OPERATORS} PREFIX*", "MODIFIERS_": modifier}
    text = without_white_space("java", (_SPACES, *_COMMENTS), changed)
    kept = [
        line
        for line in text.splitlines()
        if not re.match(r"(\w+_MODIFIERS_|_SPACES|_TYPE_MODIFIER|_LOCAL_MODIFIER):", line)
    ]
    return re.sub(r"(?<!^)\b(\w+_)?MODIFIERS_\b", "MODIFIERS_+", "\n".join(kept), flags=re.MULTILINE) + "\n"


def c_text() -> str:
    """C with directives as white space."""
    directives = r"/#([^\n\\]|\\\r?\n|\\)*/"
    changed = {"start": "external*", "operation": f"{_OPERATORS} unary", "NAME_": "/[A-Za-z_$][A-Za-z0-9_$]*/"}
    return without_white_space("c", (_SPACES, r"/\\\r?\n/", *_COMMENTS, directives), changed)


def sql_text() -> str:
    """Queries in SQL; a word that a rule names is that one and no name, as in any lexer."""
    found = definitions((LIBRARY / "sql.lark").read_text("utf-8"))
    changed = {**found, "WORD": "/[A-Za-z_][A-Za-z0-9_]*/"}
    return "\n".join(f"{name}: {body}" for name, body in changed.items()) + "\n%ignore /[ \\t\\n]+/\n"


GRAMMARS: dict[str, Callable[[], str]] = {
    "c": c_text,
    "java": java_text,
    "json": json_text,
    "sql": sql_text,
    "toml": toml_text,
}
"""By the names of the library's own."""
