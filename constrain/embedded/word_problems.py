"""Task: a word problem becomes an arithmetic expression.

The grammar allows expressions over the numbers that the problem names, of any depth; an expression is right when its
value is.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from random import Random

from constrain.embedded.arguments import say_number
from constrain.embedded.examples import Example
from constrain.embedded.words import ITEMS, PEOPLE

__all__ = ["evaluate", "word_problem"]

_PROBLEMS = (
    ("{p} has {a} {i} and {q} has {b}. How many {i} do they have together?", "{a} + {b}"),
    ("{p} has {a} {i} and gets {b} more. How many {i} does {p} have now?", "{a} + {b}"),
    ("{p} had {a} {i} and lost {b}. How many are left?", "{a} - {b}"),
    ("{p} has {a} {i} and {q} has {b}. How many more {i} does {p} have?", "{a} - {b}"),
    ("There are {a} boxes with {b} {i} each. How many {i} are there?", "{a} * {b}"),
    ("{p} buys {a} {i} for {b} coins each. How many coins does {p} pay?", "{a} * {b}"),
    ("{p} shares {a} {i} among {b} children. How many does each get?", "{a} / {b}"),
    ("{p} puts {a} {i} into bags of {b}. How many bags are needed?", "{a} / {b}"),
    ("{p} has {a} {i}, finds {b} and gives {c} to {q}. How many are left?", "{a} + {b} - {c}"),
    ("{p} has {a} {i}, gives {b} to {q} and loses {c}. How many are left?", "{a} - {b} - {c}"),
    ("{p} has {a} {i} and buys {b} bags of {c}. How many {i} does {p} have now?", "{a} + {b} * {c}"),
    ("There are {a} boxes with {b} {i} each and {c} loose ones. How many {i} are there?", "{a} * {b} + {c}"),
    ("{p} had {a} coins and bought {b} {i} for {c} coins each. How many coins are left?", "{a} - {b} * {c}"),
    ("{p} packs {a} boxes with {b} {i} each, but {c} break. How many {i} are whole?", "{a} * {b} - {c}"),
    (
        "{p} has {a} {i} and {q} has {b}. They share them among {c} friends. How many does each get?",
        "({a} + {b}) / {c}",
    ),
    ("{p} had {a} {i}, kept {b} and shared the rest among {c} friends. How many does each get?", "({a} - {b}) / {c}"),
    ("{p} and {q} earn {a} and {b} coins a day. How many do they earn in {c} days?", "({a} + {b}) * {c}"),
    ("Each of {a} bags holds {b} {i}, of which {c} are bad. How many good ones are there?", "{a} * ({b} - {c})"),
    ("There are {a} boxes of {b} {i} and {c} boxes of {d}. How many {i} are there?", "{a} * {b} + {c} * {d}"),
    ("{p} has {a} {i} and {q} has {b}. {p} finds {c} and {q} loses {d}. How many have they?", "{a} + {b} + {c} - {d}"),
)


def _grammar(numbers: Mapping[str, int]) -> str:
    """A Lark grammar of expressions over some numbers."""
    choices = " | ".join(f'"{number}"' for number in sorted(set(numbers.values())))
    return f"""\
start: sum
sum: product (ADDING product)*
product: factor (MULTIPLYING factor)*
factor: NUMBER | "(" sum ")"
ADDING: " + " | " - "
MULTIPLYING: " * " | " / "
NUMBER: {choices}
"""


_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


_CHARACTERS = re.compile(r"[-0-9+*/() ]*")


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return Fraction(value)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATORS:
            return _OPERATORS[type(operation)](_value(left), _value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
    raise ValueError("not an arithmetic expression")


def evaluate(expression: str) -> Fraction:
    """The exact value of an expression of whole numbers with ``+ - * /`` and parentheses.

    Raises ValueError for anything else, for a division by zero, and for an expression that is nested too deeply.
    """
    if not _CHARACTERS.fullmatch(expression):
        raise ValueError("not an arithmetic expression")
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise ValueError(f"no value: {error}") from error


def _has_value(value: Fraction, answer: str) -> bool:
    try:
        return evaluate(answer) == value
    except ValueError:
        return False


def word_problem(random: Random) -> Example:
    """A word problem and its expression."""
    text, solution = random.choice(_PROBLEMS)
    numbers = {name: random.randint(2, random.choice((12, 99, 999))) for name in "abcd" if f"{{{name}}}" in text}
    said = {name: say_number(random, number) for name, number in numbers.items()}
    p, q = random.sample(PEOPLE, 2)
    answer = solution.format(**numbers)
    return Example(
        task="arithmetic",
        prompt=f"{text.format(p=p, q=q, i=random.choice(ITEMS), **said)}\nExpression:\n",
        answer=answer,
        description=_grammar(numbers),
        check=partial(_has_value, evaluate(answer)),
    )
