"""Words that stand in some parts of a text only."""

from itertools import product

import constrain
from constrain.grammars.lark_syntax import lark
from constrain.grammars.library.contexts import in_contexts
from tests.matching import index_of

SOURCE = """
start: item*
item: WORD | "x" | "(" plain ")" | "[" again "]"
plain: item*
again: item*
WORD: "w"
"""


def is_text(text: str) -> bool:
    """Whether brackets match, and each word stands in square ones, or in none."""
    outer = [""]
    for sign in text:
        if sign in "([":
            outer.append(sign)
        elif sign in ")]":
            if outer.pop() + sign not in ("()", "[]"):
                return False
        elif sign == "w" and outer[-1] == "(":
            return False
    return outer == [""]


def test_words_stand_where_they_are_known() -> None:
    """All texts over these signs, up to seven of them."""
    grammar = in_contexts(lark(SOURCE, lexer="dynamic_complete"), ["WORD"], without=["plain"], again=["again"])
    compiled = constrain.compile(grammar, index_of([sign.encode() for sign in "wx()[]"]))
    for length in range(8):
        for signs in product("w()[]" if length > 5 else "wx()[]", repeat=length):
            text = "".join(signs)
            assert compiled.accepts(text) == is_text(text), text


def test_rules_without_the_words_are_shared() -> None:
    """There is one copy of what does not depend on them."""
    grammar = in_contexts(
        lark(SOURCE + 'more: "y"', lexer="dynamic_complete"), ["WORD"], without=["plain"], again=["again"]
    )
    assert "more" not in {name.removesuffix(" without") for name in grammar.rules if name.endswith(" without")}
