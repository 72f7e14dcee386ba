"""Networks of right-hand sides: the direct constructions make what the general one makes."""

from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars import ir
from constrain.tokenizer_index.networks import Label, Network, _build, _determinise, _minimise, network_of
from tests.strategies import examples

_STEPS = st.sampled_from("abc").map(ir.Reference)
_SEQUENCES = st.lists(_STEPS, min_size=1, max_size=4).map(lambda parts: ir.Sequence(tuple(parts)))
_CHOICES = st.lists(_STEPS | _SEQUENCES, min_size=1, max_size=6).map(lambda parts: ir.Alternation(tuple(parts)))


def _label(node: ir.Expression) -> tuple[Label | None, bool]:
    assert isinstance(node, ir.Reference)
    return ("rule", ord(node.name)), False


def _canonical(network: Network) -> list[tuple[bool, tuple[tuple[Label, int], ...]]]:
    """States in the order in which a walk along sorted labels comes to them."""
    numbers, order = {0: 0}, [0]
    for state in order:
        for _, target in sorted(network.transitions[state]):
            if target not in numbers:
                numbers[target] = len(order)
                order.append(target)
    assert len(order) == len(network.final)
    return [
        (network.final[state], tuple(sorted((label, numbers[to]) for label, to in network.transitions[state])))
        for state in order
    ]


@examples(200)
@given(_CHOICES | _SEQUENCES | _STEPS)
def test_choices_of_sequences(expression: ir.Expression) -> None:
    """The smallest automaton, with its first state first, comes out of either construction."""
    assert _canonical(network_of(expression, _label)) == _canonical(_minimise(_determinise(_build(expression, _label))))
