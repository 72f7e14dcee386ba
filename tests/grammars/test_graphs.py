"""States that lead to an end, and states that do the same, against walks of all short words."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from constrain.grammars.graphs import components, equal_states, leading_to
from tests.strategies import examples

_SIZE = 6
_ROWS = st.lists(st.dictionaries(st.sampled_from("ab"), st.integers(0, _SIZE - 1)), min_size=_SIZE, max_size=_SIZE)
_FINAL = st.lists(st.booleans(), min_size=_SIZE, max_size=_SIZE)
_WORDS = [word for length in range(_SIZE + 1) for word in itertools.product("ab", repeat=length)]


def _language(rows: list[dict[str, int]], final: list[bool], state: int) -> frozenset[tuple[str, ...]]:
    """The short words that lead to a final state; no two states are told apart by longer ones only."""
    found = set()
    for word in _WORDS:
        here: int | None = state
        for symbol in word:
            here = None if here is None else rows[here].get(symbol)
        if here is not None and final[here]:
            found.add(word)
    return frozenset(found)


@examples(100)
@given(_ROWS, _FINAL)
def test_states(rows: list[dict[str, int]], final: list[bool]) -> None:
    """Blocks are languages once dead states are left out, numbered as they first come."""
    useful = leading_to([state for state in range(_SIZE) if final[state]], [row.values() for row in rows])
    languages = [_language(rows, final, state) for state in range(_SIZE)]
    assert useful == {state for state in range(_SIZE) if languages[state]}
    live = [[(symbol, target) for symbol, target in row.items() if target in useful] for row in rows]
    numbers: dict[frozenset[tuple[str, ...]], int] = {}
    assert equal_states(live, final) == [numbers.setdefault(language, len(numbers)) for language in languages]


@examples(200)
@given(st.lists(st.lists(st.integers(0, _SIZE + 1)), min_size=_SIZE, max_size=_SIZE))
def test_components(rows: list[list[int]]) -> None:
    """Nodes that reach each other are together; a component comes behind those that it leads to."""
    targets = dict(enumerate(rows))
    reached = {node: leading_to([node], [rows[i] if i < _SIZE else [] for i in range(_SIZE + 2)]) for node in targets}
    found = components(targets)
    assert sorted(node for group in found for node in group) == list(range(_SIZE))
    for group in found:
        assert set(group) == {node for node in targets if node in reached[group[0]] and group[0] in reached[node]}
    place = {node: i for i, group in enumerate(found) for node in group}
    assert all(place[target] <= place[node] for node in targets for target in rows[node] if target < _SIZE)


def test_a_long_path_of_components() -> None:
    """It does not touch the limit of recursion."""
    assert len(components({node: [node + 1] for node in range(20_000)})) == 20_000
