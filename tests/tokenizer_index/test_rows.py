"""Masks put together from rows are those of a walk of the whole trie, over a vocabulary that is large enough for rows
of every form.
"""

import itertools
import random
from typing import Any

import pytest

from constrain.grammars.json_schema import json_schema
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from tests.matching import index_of, mask_of, plain_mask

_LETTERS = ["a", "b", "0", "1", " ", "-", "é"]
_CLOSING = ['"', '",', '","', '", "', '"]', '": "', '":']


def _vocabulary() -> list[bytes]:
    tokens = [bytes([byte]) for byte in range(256)]
    short = ["".join(signs) for count in (2, 3, 4) for signs in itertools.product(_LETTERS, repeat=count)]
    runs = [sign * count for sign in ["a", "b", "0", " ", "é", "ab", "a "] for count in (5, 7, 10, 16, 24, 40)]
    ends = [text + end for text in ["a", "ab", "b0", "é", "aaaaa", "a b", "1" * 12] for end in _CLOSING]
    escapes = ["\\n", '\\"', "\\u00", "\\u0061", "a\\", "a\\n", "\\u00e9b", "\\ud83d", "\\ude00"]
    starts = ['"a', '"ab', '"0', '"é', '["', '{"', '"aaaaaaaa']
    tokens += [text.encode() for text in [*short, *runs, *ends, *escapes, *starts, "[", "]"]]
    return [*dict.fromkeys(tokens), b"a\xc3", b"\xa9a", b"aaa\xf0\x9f"]


_INDEX = index_of(_vocabulary())

SCHEMAS: dict[str, dict[str, Any]] = {
    "any text": {},
    "at most three": {"maxLength": 3},
    "at most twelve": {"maxLength": 12},
    "at most thirty": {"maxLength": 30},
    "more than a token holds": {"maxLength": 200},
    "at least nine": {"minLength": 9, "maxLength": 11},
    "at least ninety": {"minLength": 90},
    "letters": {"pattern": "^[ab]*$", "maxLength": 17},
    "letters of a large class": {"pattern": "^[a-z0-9]+$", "maxLength": 25},
    "pattern and length": {"pattern": "^[^0]*1[^0]*$", "maxLength": 20},
    "pattern that takes its time": {"pattern": "^[^-]*-[^-]{8}$", "maxLength": 26},
    "pattern and much length": {"pattern": "^[^-]*-[^-]{8}$", "maxLength": 300},
    "somewhere": {"pattern": "a[01]{6}b"},
    "somewhere within": {"pattern": "a[^1]{6}b", "maxLength": 22},
    "one or the other": {"pattern": "(^[^b]*$)|(^[^0]*1$)|^ab", "maxLength": 24},
    "words": {"pattern": r"^(?:\S+\s+){0,9}\S+$", "maxLength": 35},
    "many words": {"pattern": r"^(?:\S+\s+){0,99}\S+$"},
    "not": {"not": {"pattern": "ab0"}, "maxLength": 15},
    "not these": {"not": {"enum": ["aaaaa", "ab", ""]}, "maxLength": 28},
    "two patterns": {"allOf": [{"pattern": "a.*b"}, {"pattern": "0.*1"}], "maxLength": 33},
    "date and time": {"format": "date-time"},
    "reference": {"format": "uri", "maxLength": 60},
}


def _check_walks(compiled: CompiledConstraint, seed: int, count: int, steps: int) -> None:
    """The mask of every state on random ways is that of the plain walk; ways that do not end at once are preferred."""
    choice = random.Random(seed)
    ends = set(compiled.index.end_tokens)
    for _ in range(count):
        matcher = compiled.matcher()
        for _ in range(steps):
            mask = mask_of(matcher)
            assert mask - ends == plain_mask(matcher)
            if not mask - ends:
                break
            token = choice.choice(sorted(mask - ends))
            longer = [t for t in choice.sample(sorted(mask - ends), min(6, len(mask - ends))) if b'"' not in _TOKENS[t]]
            assert matcher.accept_token(choice.choice(longer) if longer and choice.random() < 0.8 else token)


_TOKENS = _INDEX.tokens


@pytest.mark.parametrize("name", SCHEMAS)
def test_masks_from_rows_are_those_of_a_walk(name: str) -> None:
    """Lengths, patterns, complements and their conjunctions, in a list of texts."""
    schema = {"type": "array", "items": {"type": "string", **SCHEMAS[name]}, "minItems": 1}
    _check_walks(compile_grammar(json_schema(schema), _INDEX), seed=len(name), count=6, steps=12)


def test_lengths_share_the_row_of_any_text() -> None:
    """No row of the pool is made for each number of characters that are left."""
    index = index_of(_vocabulary())
    compiled = compile_grammar(json_schema({"type": "string", "maxLength": 1000}), index)
    matcher = compiled.matcher()
    assert matcher.accept_text('"')
    mask_of(matcher)
    rows = len(index.pool())
    for _ in range(40):
        assert matcher.accept_text("aé0 b-1")
        mask_of(matcher)
    assert len(index.pool()) == rows


def test_members_of_a_pattern_share_rows() -> None:
    """A text that looks for a pattern is in many of its places at once; each set of them needs no row of its own."""
    index = index_of(_vocabulary())
    compiled = compile_grammar(json_schema({"type": "string", "pattern": "[^1]{3}a[^1]{3}0"}), index)
    matcher, choice = compiled.matcher(), random.Random(1)
    assert matcher.accept_text('"')
    for _ in range(60):
        assert matcher.accept_text(choice.choice(["a", "b", " ", "ab"]))
        mask_of(matcher)
    assert len(index.pool()) <= 12
