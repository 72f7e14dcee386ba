"""Numbers in decimal notation, against exact arithmetic on fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars.automata.language import Language
from constrain.grammars.regular import Concatenation, Decimals, Literal, Multiples, Regular, Union
from tests.naive_regular import matches
from tests.strategies import examples
from tests.walks import completion, live_prefix, some_text


@st.composite
def _written(draw: st.DrawFn, digits: int, exponent: int) -> bytes:
    """A text of ``digits · 10^exponent``: with the point anywhere, more zeros, and an exponent or none."""
    zeros = draw(st.integers(0, 2))
    figures, exponent = str(digits) + "0" * zeros, exponent - zeros
    point = draw(st.integers(-2, len(figures)))  # how many figures stand before the point
    if draw(st.booleans()):
        point = len(figures) + exponent  # so that no exponent is needed
    if not -8 <= point <= len(figures) + 12:
        point = len(figures)
    shift = exponent + len(figures) - point
    figures = figures.ljust(point, "0")
    whole, fraction = (figures[:point], figures[point:]) if point > 0 else ("", "0" * -point + figures)
    text = (whole.lstrip("0") or "0") + ("." + fraction if fraction else "")
    if shift != 0 or draw(st.booleans()):
        sign = "-" if shift < 0 else draw(st.sampled_from(["", "+"]))
        text += draw(st.sampled_from("eE")) + sign + "0" * draw(st.integers(0, 1)) + str(abs(shift))
    return text.encode()


@st.composite
def _numbers(draw: st.DrawFn, near: list[Fraction]) -> bytes:
    """Number texts, many of them equal to, or next to, one of the given values."""
    if near and draw(st.booleans()):
        value = draw(st.sampled_from(near))
        exponent = -6
        while exponent < 12 and value % Fraction(10) ** (exponent + 1) == 0 and value:
            exponent += 1
        unit = exponent - draw(st.integers(0, 2))
        digits = int(value / Fraction(10) ** unit) + draw(st.integers(-1, 1))
        return draw(_written(max(digits, 0), unit))
    return draw(_written(draw(st.sampled_from([0, 1, 5, 9, 10, 12, 99, 125, 1000])), draw(st.integers(-4, 4))))


@st.composite
def _malformed(draw: st.DrawFn) -> bytes:
    return draw(st.text("0019.eE+-", max_size=6)).encode()


_bounds = st.one_of(
    st.none(), st.builds(lambda digits, e: Decimal(digits).scaleb(e), st.integers(1, 1300), st.integers(-4, 3))
)


@st.composite
def _decimals(draw: st.DrawFn) -> Decimals:
    """Specifications as `Decimals` allows them: bounds in order, and with a grain, multiples of it and not strict."""
    grain = draw(st.sampled_from([None, None, None, -2, -1, 0, 1, 3]))
    low, high = draw(_bounds), draw(_bounds)
    strict_low, strict_high = draw(st.booleans()), draw(st.booleans())
    if grain is not None:
        unit = Decimal(1).scaleb(grain)
        low, high = (None if b is None else max(1, int(b)) * unit for b in (low, high))
        strict_low = strict_high = False
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Decimals(
        zero=draw(st.booleans()),
        positive=draw(st.sampled_from([True, True, True, False])),
        low=low,
        high=high,
        strict_low=strict_low,
        strict_high=strict_high,
        grain=grain,
        exponent=draw(st.booleans()),
        fraction=draw(st.booleans()),
    )


def _check(expression: Regular, samples: list[bytes], seed: int) -> None:
    """Samples and walks belong to the language when arithmetic says so, and live prefixes can be completed."""
    language = Language(expression)
    for text in [*samples, some_text(language, seed)]:
        member = matches(expression, text)
        assert (text in language) == member, text
        alive = live_prefix(language, text)
        assert alive == text or not member
        if alive is not None:
            found = completion(language, alive)
            assert found is not None, alive
            assert matches(expression, found), found


@examples(250)
@given(_decimals(), st.data())
def test_decimals_are_those_in_the_interval(node: Decimals, data: st.DataObject) -> None:
    """A text belongs exactly when its value lies in the interval and on the grid, in every way of writing it."""
    near = [Fraction(bound) for bound in (node.low, node.high) if bound is not None]
    samples = data.draw(st.lists(st.one_of(_numbers(near), _malformed()), min_size=1, max_size=4))
    _check(node, samples, data.draw(st.integers(0, 1 << 32)))


@examples(150)
@given(
    st.sampled_from([1, 2, 3, 4, 5, 7, 8, 10, 12, 25, 40, 99, 125, 360, 1000, 4096]),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_multiples(factor: int, scale: int, exponent: bool, fraction: bool, data: st.DataObject) -> None:
    """A text belongs exactly when its value is a multiple, as far as it is written plainly enough."""
    node = Multiples(factor, scale, exponent, fraction)
    step = Fraction(factor, 10**scale)
    near = [step * data.draw(st.integers(0, 40))]
    samples = data.draw(st.lists(st.one_of(_numbers(near), _malformed()), min_size=1, max_size=4))
    _check(node, samples, data.draw(st.integers(0, 1 << 32)))


def test_a_specification_without_bounds_is_every_number() -> None:
    """Without conditions, the language is JSON's numbers without a sign."""
    language = Language(Decimals())
    for text in (
        b"0",
        b"0.0",
        b"0e5",
        b"0.00E-007",
        b"10",
        b"1.5",
        b"1e999999999",
        b"1" * 400,
        b"0." + b"0" * 400 + b"1",
    ):
        assert text in language
    for text in (b"", b".", b"00", b"01", b"1.", b".5", b"1e", b"1e+", b"+1", b"-1", b"1.e5", b"e5", b"0x1", b"1_0"):
        assert text not in language
    assert language.next_bytes(b"0") == frozenset(b".eE")
    assert language.next_bytes(b"1") == frozenset(b"0123456789.eE")
    assert language.next_bytes(b"1.") == frozenset(b"0123456789")
    assert language.next_bytes(b"1e") == frozenset(b"0123456789+-")


@pytest.mark.parametrize(
    "nothing",
    [
        Decimals(zero=False, positive=False),
        Decimals(zero=False, low=Decimal(5), high=Decimal(5), strict_low=True),
        Decimals(zero=False, low=Decimal("1.5"), high=Decimal("1.7"), exponent=False, fraction=False),
        Decimals(zero=False, high=Decimal("0.5"), exponent=False, fraction=False),
    ],
    ids=repr,
)
def test_sets_without_numbers_are_empty(nothing: Decimals) -> None:
    """A specification that no number meets is the empty language, and is known to be."""
    assert not any(matches(nothing, str(i).encode()) for i in range(20))
    assert Language(nothing).is_empty()


@pytest.mark.parametrize("bound", ["1e-300", "123456789012345678901234567890.125", "1e300", "0.1", "9.99"])
def test_bounds_of_any_size_are_exact(bound: str) -> None:
    """Just below, at and just above a bound, with exponents and without."""
    value = Decimal(bound)
    most, least = Language(Decimals(high=value)), Language(Decimals(zero=False, low=value, strict_low=True))
    digits, exponent = "".join(map(str, value.as_tuple().digits)), int(value.as_tuple().exponent)
    at = f"{digits}e{exponent}".encode()
    above = f"{digits}{'0' * 20}1e{exponent - 21}".encode()
    below = f"{int(digits + '0' * 20) - 1}e{exponent - 20}".encode()
    assert (at in most, above in most, below in most) == (True, False, True)
    assert (at in least, above in least, below in least) == (False, True, False)


def test_numbers_within_other_expressions() -> None:
    """Signs are put in front by concatenation; what follows a number is told from its digits."""
    sign = Union((Literal(b""), Literal(b"-")))
    language = Language(Concatenation((sign, Decimals(high=Decimal(20), grain=0, exponent=False), Literal(b","))))
    for text in (b"20,", b"-7,", b"0.00,", b"-0,", b"20.0,"):
        assert text in language
    for text in (b"21,", b"--1,", b"7.5,", b"1e1,", b"20.1,"):
        assert text not in language
