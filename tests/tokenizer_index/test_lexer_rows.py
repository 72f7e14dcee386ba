"""Where the longest match counts, masks put together from the rows of lexer states are those of a walk of the whole
trie, over a vocabulary in which much follows a space or a letter.
"""

import contextlib
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir, regular
from constrain.grammars.errors import ResourceLimitError
from constrain.grammars.lark_syntax import lark
from constrain.tokenizer_index import tables
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.limits import Limits
from tests.matching import brute_force, compiled_or_none, index_of, mask_of, plain_mask
from tests.strategies import examples, grammars, vocabularies


def _vocabulary() -> list[bytes]:
    words = ["".join(letters) for count in (1, 2, 3) for letters in itertools.product("aefilnorstu", repeat=count)]
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [(before + word).encode() for before in ("", " ", "\n") for word in words]
    tokens += [
        (word + after).encode() for word in words[:140] for after in ("(", ");", " = ", ".a", ' "', "1", "/*", "-")
    ]
    tokens += [(sign * count).encode() for sign in " /*-=<9" for count in (2, 3, 4, 8)]
    tokens += [b"//\n", b" //a\n", b"//\n\n", b"//\n a", b"/**/ a", b"a//\n"]
    return list(dict.fromkeys(tokens))


_INDEX = index_of(_vocabulary())

_STATEMENTS = r"""
start: statement+
statement: "if" "(" value ")" statement | NAME "=" value ";" | "return" value? ";" | "{" statement* "}"
value: NAME | NUMBER | STRING | value OPERATOR value | "(" value ")" | NAME "(" [value ("," value)*] ")"
NAME: /[a-z][a-z0-9]*/
NUMBER: /[0-9]+(\.[0-9]+)?/
STRING: /"[^"\n]*"/
OPERATOR: "+" | "-" | "--" | "<" | "<=" | "=="
COMMENT: /\/\*([^*]|\*[^\/])*\*\// | /\/\/[^\n]*/
%ignore COMMENT
%ignore /[ \n]+/
"""

GRAMMARS: dict[str, ir.Grammar] = {
    "statements": lark(_STATEMENTS),
    "names and keywords": lark('start: ("let" NAME | NAME)*\nNAME: /[a-z]+/\n%ignore " "'),
    "priorities": lark("start: (LONG | NAME)* \nLONG.2: /[a-f]{3}/\nNAME: /[a-z ]+/\n"),
    "lexemes that run into each other": lark(
        'start: A B C B A\nA: "a"|"al"+\nB: "l"|/la+r/\nC: /[alr]t?/\n%ignore " "'
    ),
    "no separator": lark("start: NAME NUMBER NAME\nNAME: /[a-z]+/\nNUMBER: /[a-z]?[0-9]+/\n"),
    "a guard that takes long": lark('start: (A | B)*\nA: "a"\nB: /a+ {3}-/\n%ignore " "'),
    "a lexeme that leaves nothing for the next one": lark('start: "x" A B | "y" A\nA: /a|s+/\nB: "s"\n'),
    "any text": lark("start: TEXT END\nTEXT: /[^;]*/\nEND: /;+/\n"),
    "nested": lark('start: "[" [start ("," start)*] "]" | NAME\nNAME: /[a-z]+/\n%ignore /[ \\n]+/\n'),
}


def _check_walks(compiled: CompiledConstraint, seed: int, walks: int, steps: int) -> int:
    """The mask of every state on random ways is that of the plain walk; how many were looked at."""
    choice, looked_at = random.Random(seed), 0
    index = compiled.index
    for _ in range(walks):
        matcher = compiled.matcher()
        for _ in range(steps):
            mask = mask_of(matcher) - set(index.end_tokens)
            assert mask == plain_mask(matcher), matcher.tokens
            looked_at += 1
            if not mask:
                break
            token = choice.choice(sorted(choice.sample(sorted(mask), min(len(mask), 3))))
            assert matcher.accept_token(token)
    return looked_at


@pytest.mark.parametrize("name", GRAMMARS)
def test_walks(name: str) -> None:
    """For grammars with keywords, comments, priorities, and lexemes that cannot be told apart."""
    compiled = compile_grammar(GRAMMARS[name], _INDEX)
    assert _check_walks(compiled, seed=len(name), walks=8, steps=12) > 20


def test_both_kinds_of_grammars_are_among_them() -> None:
    """Those with dead ends, which have to be searched, and those without."""
    found = set()
    for grammar in GRAMMARS.values():
        compiled = compile_grammar(grammar, _INDEX)
        memory = compiled.start.states.engine.memory
        assert memory[tables.LONGEST_MATCH]
        found.add(int(memory[tables.SEARCHES]))
    assert found == {0, 1}


@pytest.mark.parametrize("name", ["statements", "names and keywords", "nested", "any text"])
def test_a_search_finds_no_dead_ends_where_there_are_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a comment only the end of the line may stand: what the guard lets through was not looked for."""
    plain = CompiledConstraint(GRAMMARS[name], _INDEX, Limits())
    monkeypatch.setattr("constrain.tokenizer_index.loading.is_separable", lambda *_: False)
    searched = CompiledConstraint(GRAMMARS[name], _INDEX, Limits())
    assert [one.start.states.engine.memory[tables.SEARCHES] for one in (plain, searched)] == [0, 1]
    choice = random.Random(2)
    for _ in range(6):
        matchers = [plain.matcher(), searched.matcher()]
        for _ in range(8):
            masks = [mask_of(matcher) for matcher in matchers]
            assert masks[0] == masks[1] == brute_force(matchers[1])
            tokens = sorted(masks[0] - set(_INDEX.end_tokens), key=lambda token: -len(_INDEX.tokens[token]))
            if not tokens:
                break
            token = choice.choice(tokens[:20] if choice.random() < 0.3 else tokens)
            assert all(matcher.accept_token(token) for matcher in matchers)


def test_the_end_of_a_line_behind_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest text: a name, and a token that begins and ends a comment."""
    monkeypatch.setattr("constrain.tokenizer_index.loading.is_separable", lambda *_: False)
    matcher = CompiledConstraint(GRAMMARS["statements"], _INDEX, Limits()).matcher()
    assert matcher.accept_text("a")
    assert _INDEX.tokens.index(b"//\n") in mask_of(matcher)


_IGNORED = (regular.Literal(b","), regular.Repetition(regular.Literal(b"b"), 1, None), regular.Words((b"a(", b"aa")))


def _check_tokens(compiled: CompiledConstraint, seed: int) -> None:
    choice, matcher = random.Random(seed), compiled.matcher()
    for _ in range(5):
        mask = mask_of(matcher)
        assert mask == brute_force(matcher)
        tokens = sorted(mask - set(compiled.index.end_tokens))
        if not tokens or not matcher.accept_token(choice.choice(tokens)):
            break


@examples(60)
@given(grammars(), vocabularies(), st.lists(st.sampled_from(_IGNORED), max_size=2), st.integers(0, 1 << 32))
def test_random_grammars(
    grammar: ir.Grammar, vocabulary: list[bytes], ignored: list[regular.Regular], seed: int
) -> None:
    """Random grammars over random vocabularies, read with the longest match: each token on its own says the same."""
    blank = tuple(ir.Terminal(one, priority=seed % 3 - 1) for one in ignored)
    longest = ir.Grammar(grammar.start, grammar.rules, longest_match=True, ignored=blank)
    # Whether a text comes to an end is searched, in some of these grammars without end.
    with contextlib.suppress(ResourceLimitError):
        compiled = compiled_or_none(longest, index_of(vocabulary), Limits(max_memory=1 << 26))
        if compiled is not None:
            _check_tokens(compiled, seed)
