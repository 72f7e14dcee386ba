"""Runs hostile cases, each in turn, and prints what came of them: ``python -m tests.hostile GROUP``.

One line of JSON a case: its name, the error's class or "works", seconds, and the most memory that the process has
had by then, in MiB above what it had before the first case.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import constrain
from constrain.errors import ConstrainError
from constrain.grammars import ir

Case = Callable[[], object]
_DEEP = 10_000
_MANY = 100_000


def _index() -> constrain.TokenizerIndex:
    tokens = [*[bytes([byte]) for byte in range(256)], b"aa", b'{"', b"[[", b'",', b"((", b"aaaaaaaa", b""]
    return constrain.TokenizerIndex.from_tokenizer(tokens, end_tokens=len(tokens) - 1, cache=False)


INDEX = _index()


def use(grammar: ir.Grammar, text: str | bytes = "") -> constrain.Matcher:
    """Compile, read a text as far as it goes, byte by byte at the end, and make a mask."""
    matcher = constrain.compile(grammar, INDEX).matcher()
    matcher.accept_text(text)
    matcher.fill_next_token_bitmask(constrain.allocate_token_bitmask(1, INDEX.vocab_size))
    return matcher


def _regex(pattern: str, text: str = "a" * 50) -> Case:
    return lambda: use(constrain.regex(pattern), text)


REGEXES: dict[str, Case] = {
    "nested stars": _regex("(a*)*b", "a" * 5000),
    "alternatives that overlap": _regex("(a|a|aa)*b", "a" * 5000),
    "optional and required": _regex("a?" * 500 + "a" * 500, "a" * 500),
    "n-th from the end": _regex(".*a.{30}", "ab" * 40),
    "n-th from the end, of many": _regex("(a|b)*a(a|b){2000}", "ab" * 200),
    "counts of counts": _regex("((((a{1,100}){1,100}){1,100}){1,100}){1,100}", "a" * 100),
    "large count": _regex("a{1,1000000}", "a" * 1000),
    "large count of a set": _regex(r"\w{1,1000000}x", "a" * 1000),
    "large exact count": _regex("(ab){1000000}", "ab" * 1000),
    "count too large": _regex("a{99999999999999999999}"),
    "count of counts": _regex("(a{1000000}){1000000}", "a" * 1000),
    "deep groups": _regex("(" * _DEEP + "a" + ")" * _DEEP, "a"),
    "deep groups with stars": _regex("(" * _DEEP + "a" + ")*" * _DEEP, "a"),
    "deep alternatives": _regex("(a|" * _DEEP + "b" + ")" * _DEEP, "a"),
    "deep look-ahead": _regex("(?=" * 1000 + "a" + ")" * 1000 + "a", "a"),
    "open groups": _regex("(" * _DEEP),
    "open sets": _regex("[" * _DEEP),
    "many alternatives": _regex("|".join(f"word{i}x" for i in range(_MANY)), "word99"),
    "many look-aheads": _regex("".join(f"(?!.*x{i}y)" for i in range(200)) + ".*", "a" * 100),
    "intersections that explode": _regex(
        "".join(f"(?=(.{{{n}}})*$)" for n in (7, 11, 13, 17, 19, 23)) + "a+", "a" * 99
    ),
    "back-reference": _regex(r"(a)\1"),
    "long literal": _regex("a" * 1_000_000, "a" * 1000),
    "all of Unicode, often": _regex(r"[\p{L}\p{N}]{500}\p{Lu}", "a" * 100),
    "empty": _regex("(?!)"),
    "lone surrogate": _regex("\ud800"),
    "null": _regex("\x00*", "\x00\x00"),
}


def _lark(source: str, text: str = "") -> Case:
    return lambda: use(constrain.lark(source), text)


def _ebnf(source: str, text: str = "") -> Case:
    return lambda: use(constrain.ebnf(source), text)


GRAMMARS: dict[str, Case] = {
    "deep groups": _lark("start: " + "(" * _DEEP + '"a"' + ")" * _DEEP, "a"),
    "deep groups in EBNF": _ebnf("root ::= " + "(" * _DEEP + '"a"' + ")" * _DEEP, "a"),
    "deep optional groups in EBNF": _ebnf("root ::= " + "(" * _DEEP + '"a"' + ")?" * _DEEP, "a"),
    "long chain of rules": _lark("start: r0\n" + "".join(f"r{i}: r{i + 1}\n" for i in range(1000)) + 'r1000: "a"', "a"),
    "long chain of rules in EBNF": _ebnf(
        "root ::= r0\n" + "".join(f"r{i} ::= r{i + 1}\n" for i in range(_DEEP)) + f'r{_DEEP} ::= "a"', "a"
    ),
    "rules that double": _ebnf(
        "root ::= r0\n" + "".join(f"r{i} ::= r{i + 1} r{i + 1}\n" for i in range(60)) + 'r60 ::= "a"', "a" * 100
    ),
    "rules that double, and read": _ebnf(
        "root ::= r0\n" + "".join(f'r{i} ::= r{i + 1} "b" r{i + 1}\n' for i in range(60)) + 'r60 ::= "a"', "abaabab"
    ),
    "nullable rules that double": _ebnf(
        "root ::= r0\n" + "".join(f"r{i} ::= r{i + 1} r{i + 1}\n" for i in range(14)) + 'r14 ::= "a"?', "a" * 10
    ),
    "ambiguous": _ebnf('root ::= root root root | root root | "a"', "a" * 60),
    "ambiguous and empty": _ebnf('root ::= root root | "a" | ""', "a" * 60),
    "cycle": _ebnf('root ::= root | a\na ::= root | "x"', "x"),
    "cycle of nothing": _ebnf("root ::= a\na ::= root"),
    "deep text": _ebnf('root ::= "(" root ")" | "x"', "(" * _DEEP + "x" + ")" * 100),
    "deep text, left recursion": _lark('start: start "+" p | p\np: "(" start ")" | "x"', "x+(" * 3000),
    "right recursion": _ebnf('root ::= "a" root | "b"', "a" * 100_000),
    "large count": _ebnf('root ::= "a"{1,1000000}', "a" * 1000),
    "large count of a rule": _ebnf('root ::= ("a" root? "b"){1,1000000}', "ab" * 100),
    "large count in Lark": _lark('start: "a"~1..1000000', "a" * 1000),
    "many terminals": _lark("start: " + " | ".join(f'"k{i}x"' for i in range(3000)), "k1"),
    "many rules": _ebnf(
        "root ::= "
        + " | ".join(f"r{i}" for i in range(2000))
        + "\n"
        + "".join(f'r{i} ::= "k{i}" root?\n' for i in range(2000)),
        "k1k22",
    ),
    "palindromes": _ebnf('root ::= "a" root "a" | "b" root "b" | ""', "ab" * 500),
    "undefined": _lark("start: missing"),
    "garbage": _lark("\x00\xff((("),
    "no text": _lark(""),
    "terminal that contains itself": _lark('start: A\nA: A "a"'),
    "keywords that run on": _lark("start: (A | B)+\nA: /a+b/\nB: /a+c/\nC: /(a|b|c)+d/\n%ignore C", "a" * 3000),
}


def _schema(schema: object, text: str | bytes = "", **options: object) -> Case:
    return lambda: use(constrain.json_schema(schema, **options), text)  # type: ignore[arg-type]


def _nested(depth: int, wrap: Callable[[object], object]) -> object:
    schema: object = {"type": "integer"}
    for _ in range(depth):
        schema = wrap(schema)
    return schema


def _text_nested(depth: int, before: str, behind: str) -> str:
    return before * depth + '{"type": "integer"}' + behind * depth


SCHEMAS: dict[str, Case] = {
    "deep items": _schema(_text_nested(_DEEP, '{"items": ', "}"), "[" * 100),
    "deep items, as a document": _schema(_nested(_DEEP, lambda schema: {"items": schema}), "[" * 100),
    "deep properties": _schema(_text_nested(900, '{"properties": {"a": ', "}}"), '{"a":' * 100),
    "deep anyOf": _schema(_text_nested(900, '{"anyOf": [', ', {"type": "string"}]}'), '"a'),
    "deep not": _schema(_text_nested(900, '{"not": ', "}"), '"a'),
    "deep text": _schema(True, "[" * _DEEP),
    "deep objects": _schema(True, '{"a":' * _DEEP),
    "many alternatives": _schema({"enum": [f"word {i}" for i in range(_MANY)]}, '"word 99'),
    "many constants": _schema({"anyOf": [{"const": f"word {i}"} for i in range(1_000)]}, '"word 99'),
    "many properties": _schema(
        {"properties": {f"p{i}": {"type": "integer"} for i in range(10_000)}, "additionalProperties": False},
        '{"p99": 1, "p1',
    ),
    "large counts": _schema({"type": "string", "minLength": 1_000_000, "maxLength": 2_000_000}, '"' + "a" * 1000),
    "many items": _schema({"items": {"type": "integer"}, "minItems": 1_000_000}, "[1,2,"),
    "reference to itself": _schema({"$ref": "#"}),
    "cyclic references": _schema(
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    ),
    "cyclic allOf": _schema({"allOf": [{"$ref": "#"}, {"type": "string"}]}),
    "cyclic not": _schema({"not": {"$ref": "#"}}),
    "recursion without end": _schema({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
    "contradiction": _schema({"type": "string", "minLength": 5, "maxLength": 4}),
    "types that exclude each other": _schema({"allOf": [{"type": "string"}, {"type": "integer"}]}),
    "false": _schema(False),
    "required but forbidden": _schema({"required": ["a"], "properties": {"a": False}, "type": "object"}),
    "numbers between": _schema({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}),
    "patterns that exclude each other": _schema(
        {"allOf": [{"type": "string", "pattern": p} for p in ("^a+$", "^b+$")]}
    ),
    "patterns that explode": _schema(
        {"type": "string", "allOf": [{"pattern": f"^(.{{{n}}})*$"} for n in (7, 11, 13, 17)]}, '"aaaa'
    ),
    "many oneOf": _schema({"oneOf": [{"properties": {f"p{i}": {"type": "integer"}}} for i in range(12)]}, '{"p1": 1'),
    "allOf of anyOf": _schema(
        {"allOf": [{"anyOf": [{"required": [f"a{i}"]}, {"required": [f"b{i}"]}]} for i in range(24)]}, '{"a1": 1'
    ),
    "distinct items": _schema({"items": {"enum": list(range(30))}, "uniqueItems": True, "minItems": 20}, "[1,2,"),
    "large multiple": _schema({"multipleOf": 1e-300}, "1"),
    "huge number": _schema('{"minimum": ' + "9" * 4000 + "}", "1"),
    "invalid UTF-8": _schema(True, b'"\xff\xfe\xc3"'),
    "lone surrogate": _schema({"const": "\ud800"}),
    "garbage": _schema("{\x00"),
    "no schema": _schema("[1]"),
    "unknown draft": _schema({"$schema": "http://example.com/none", "type": "string"}),
    "pattern that is none": _schema({"pattern": "("}),
}


def _texts() -> dict[str, Case]:
    """Texts and tokens that no tokenizer makes."""
    matcher = use(constrain.json_schema(True))

    def read(text: bytes) -> Case:
        return lambda: matcher.fork().accept_text(text)

    def tokens() -> None:
        for token in (-1, -(1 << 40), INDEX.vocab_size, 1 << 40, 1 << 70):
            assert not matcher.fork().accept_token(token)
            assert not matcher.is_allowed(token)

    return {
        "every byte alone": lambda: [matcher.fork().accept_text(bytes([byte])) for byte in range(256)],
        "broken characters": lambda: [
            matcher.fork().accept_text(b'"' + bytes([first, second]))
            for first in range(128, 256)
            for second in range(256)
        ],
        "long string": read(b'"' + b"a" * 1_000_000),
        "long number": read(b"1" * 1_000_000),
        "long exponent": read(b"1e" + b"9" * 100_000),
        "long white space": read(b" " * 100_000),
        "many keys": read(b"{" + b",".join(b'"%d":1' % i for i in range(20_000))),
        "tokens that are none": tokens,
    }


def _files() -> dict[str, Case]:
    """Saved constraints that are none."""
    folder = Path(tempfile.mkdtemp())
    sound = folder / "sound"
    constrain.compile(constrain.json_schema(True), INDEX).save(sound)
    data = sound.read_bytes()

    def load(contents: bytes) -> Case:
        def run() -> None:
            path = folder / "file"
            path.write_bytes(contents)
            constrain.CompiledConstraint.load(path, INDEX)

        return run

    return {
        "sound": load(data),
        "nothing": load(b""),
        "half": load(data[: len(data) // 2]),
        "garbage": load(bytes(range(256)) * 4000),
        "garbage behind the head": load(data[:12] + bytes(range(256)) * 4000),
        "a pickle": load(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94."),
    }


GROUPS: dict[str, Callable[[], dict[str, Case]]] = {
    "regexes": lambda: REGEXES,
    "grammars": lambda: GRAMMARS,
    "schemas": lambda: SCHEMAS,
    "texts": _texts,
    "files": _files,
}


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _outcome(case: Case) -> str:
    try:
        case()
    except ConstrainError as error:
        return type(error).__name__
    except Exception as error:
        return f"untyped: {type(error).__name__}: {error}"[:200]
    return "works"


def main(group: str, only: str = "") -> None:
    """Run the cases of a group."""
    cases = GROUPS[group]()
    use(constrain.json_schema(True), "[1")
    use(constrain.lark('start: "a" start?'), "a")
    before = _memory()
    for name, case in cases.items():
        if only in name:
            start = time.process_time()
            print(json.dumps({"case": name, "begun": True}), flush=True)
            outcome = _outcome(case)
            seconds = round(time.process_time() - start, 2)
            line = {"case": name, "outcome": outcome, "seconds": seconds, "mib": round(_memory() - before)}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
