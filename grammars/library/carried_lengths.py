"""The least lengths of a grammar's expressions, which bound what is left of a text whose rest is not known yet."""

from functools import cache

from constrain.grammars import ir
from constrain.grammars.automata.language import Language
from constrain.grammars.regular import Concatenation, Literal, Regular, Repetition

__all__ = ["LeastLengths"]


class LeastLengths:
    """The least lengths of expressions in bytes, whatever the state is; marked terminals count 1."""

    def __init__(self, grammar: ir.Grammar) -> None:
        self._rules: dict[str, int] = dict.fromkeys(grammar.rules, 0)
        self._terminals: dict[int, int] = {}
        before: dict[str, int] = {}
        while before != self._rules:  # from below: the lengths of derivations that are so deep
            before = dict(self._rules)
            self._rules = {name: min(self.of(rule), 99) for name, rule in grammar.rules.items()}

    def of(self, node: ir.Expression) -> int:
        """The length of a shortest text, or less."""
        match node:
            case ir.Terminal(regular):
                if id(node) not in self._terminals:
                    self._terminals[id(node)] = _shortest(regular)
                return self._terminals[id(node)]
            case ir.Reference(name):
                return self._rules[name]
            case ir.Sequence(parts):
                return sum(map(self.of, parts))
            case ir.Alternation(parts):
                return min(map(self.of, parts))
        return 0


@cache
def _shortest(regular: Regular) -> int:
    """The length of a shortest text, or less; 1 for what is no literal behind space."""
    match regular:
        case Concatenation(parts):
            return sum(map(_shortest, parts))
        case Repetition(part, minimum):
            return minimum * _shortest(part)
        case Literal(text):
            return len(text)
    language = Language(regular)
    return 0 if b"" in language else _length_of_words(language)


def _length_of_words(language: Language) -> int:
    """The length of the words of a language that differ in capital letters only; 1 for other languages."""
    text = b""
    while text not in language:
        following = language.next_bytes(text)
        if len({bytes([byte]).lower() for byte in following}) != 1:
            return 1
        text += bytes([min(following)])
    return len(text)
