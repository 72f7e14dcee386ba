"""What tokens do to a pushdown automaton, whatever the stack: tokens that do the same are one class.

An action says, for words that are popped in each state, what is pushed then and which state is next.  Many words may
be popped by one token ("))))" where two rules end with a parenthesis), so they are kept as a graph, a *spine*: a node
is a state with its stack, or what is left of the stacks of other nodes when something is popped from them.  What is
pushed is a spine, too, a tree.  An action is a set of edges from nodes of the one to nodes of the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from constrain.decoders.diffusion.pushdown import Pushdown
from constrain.decoders.diffusion.vertices import Words
from constrain.grammars.errors import ResourceLimitError

__all__ = ["Actions", "Atom", "Edge", "Spine"]

_MAX_CLASSES = 200_000

Atom = tuple[int, int]
"""A node and what is popped from its stacks, -1 for nothing."""

Edge = tuple[int, int]
"""A node of popped words and a node of pushed ones."""


class Spine:
    """Nodes of stacks with something taken off; the first ones are the states of the automaton."""

    def __init__(self, states: int) -> None:
        self.atoms: list[tuple[Atom, ...]] = [()] * states
        self._numbers: dict[tuple[Atom, ...], int] = {((state, -1),): state for state in range(states)}
        self._states = states

    def node(self, atoms: Iterable[Atom]) -> int:
        """The node of the union of atoms."""
        key = tuple(sorted(set(atoms)))
        if key not in self._numbers:
            self._numbers[key] = len(self.atoms)
            self.atoms.append(key)
        return self._numbers[key]

    def parts(self, node: int) -> Sequence[Atom]:
        """The atoms of a node."""
        return self.atoms[node] or ((node, -1),)

    def needed(self, nodes: Iterable[int]) -> list[int]:
        """Nodes with those that they are made from, states left out, in an order in which they can be made."""
        found = {node for node in nodes if node >= self._states}
        pending = list(found)
        while pending:
            for parent, _ in self.atoms[pending.pop()]:
                if parent >= self._states and parent not in found:
                    found.add(parent)
                    pending.append(parent)
        return sorted(found)


class Actions:
    """The actions of words over letters, those of a vocabulary in classes.

    classes   of each class, its edges
    tokens    of each class, its tokens
    class_of  classes of tokens; tokens that are never allowed have none
    """

    def __init__(self, pushdown: Pushdown, words: Words) -> None:
        states = len(pushdown.moves)
        self.pushdown = pushdown
        self.popped, self.pushed = Spine(states), Spine(states)
        self._ends: list[tuple[tuple[int, ...], int]] = [((), state) for state in range(states)]
        self._end_numbers: dict[tuple[tuple[int, ...], int], int] = {end: i for i, end in enumerate(self._ends)}
        self._moves = [_letter_moves(pushdown, state) for state in range(states)]
        self._actions: list[tuple[Edge, ...]] = []
        self._numbers: dict[tuple[Edge, ...], int] = {}
        self._behind: dict[tuple[int, int], int] = {}
        self.empty = self._number([])
        self.nothing = self._number([(state, state) for state in range(states)])
        self.classes: list[tuple[Edge, ...]] = []
        self.tokens: list[list[int]] = []
        self.class_of: dict[int, int] = {}
        self._classify(words)

    def of_word(self, letters: Iterable[int]) -> int:
        """The number of the action of a word."""
        action = self.nothing
        for letter in letters:
            action = self._after(action, letter)
        return action

    def edges(self, action: int) -> tuple[Edge, ...]:
        """The edges of an action."""
        return self._actions[action]

    def any_token(self) -> list[Edge]:
        """The edges of all classes together; words that are popped for the same are joined."""
        joined: dict[int, set[Atom]] = defaultdict(set)
        for edges in self.classes:
            for source, target in edges:
                joined[target].update(self.popped.parts(source))
        return sorted((self.popped.node(atoms), target) for target, atoms in joined.items())

    def _classify(self, words: Words) -> None:
        actions = {0: self.nothing}
        members: dict[int, list[int]] = defaultdict(list)
        for node, children in enumerate(words.children):
            action = actions.pop(node, self.empty)
            if action == self.empty:
                continue
            for letter, (child, word) in children.items():
                after = self._after(action, letter)
                if after != self.empty:
                    actions[child] = after
                    if word >= 0:
                        members[after] += words.tokens[word]
        for action, tokens in members.items():
            self.class_of.update(dict.fromkeys(tokens, len(self.classes)))
            self.classes.append(self._actions[action])
            self.tokens.append(sorted(tokens))

    def _number(self, edges: Iterable[Edge]) -> int:
        key = tuple(sorted(edges))
        if key not in self._numbers:
            if len(self._actions) > _MAX_CLASSES:
                message = f"words of the vocabulary act in more than {_MAX_CLASSES} ways on the grammar"
                raise ResourceLimitError(message, limit="max_states")
            self._numbers[key] = len(self._actions)
            self._actions.append(key)
        return self._numbers[key]

    def _after(self, action: int, letter: int) -> int:
        """The action of a word and a letter behind it."""
        found = self._behind.get((action, letter))
        if found is None:
            found = self._behind[action, letter] = self._number(self._longer(self._actions[action], letter))
        return found

    def _longer(self, edges: Sequence[Edge], letter: int) -> list[Edge]:
        joined: dict[int, set[Atom]] = defaultdict(set)
        for source, target in edges:
            pushed, state = self._ends[target]
            for popped, opened, after in self._moves[state].get(letter, ()):
                if popped < 0:
                    joined[self._end((*opened, *pushed), after)].update(self.popped.parts(source))
                elif not pushed:
                    joined[self._end(opened, after)].add((source, popped))
                elif pushed[0] == popped:
                    joined[self._end((*opened, *pushed[1:]), after)].update(self.popped.parts(source))
        return [(self.popped.node(atoms), target) for target, atoms in joined.items()]

    def _end(self, pushed: tuple[int, ...], state: int) -> int:
        """The node of what is pushed, the top first, below a state."""
        key = (pushed, state)
        if key not in self._end_numbers:
            parent = self._end(pushed[:-1], state)
            node = self.pushed.node([(parent, pushed[-1])])
            assert node == len(self._ends)
            self._end_numbers[key] = node
            self._ends.append(key)
        return self._end_numbers[key]


def _letter_moves(pushdown: Pushdown, state: int) -> dict[int, list[tuple[int, tuple[int, ...], int]]]:
    """Of each letter: what is popped before it (-1: nothing), what is pushed before it, and the state behind it."""
    found: dict[int, list[tuple[int, tuple[int, ...], int]]] = defaultdict(list)
    behind = sorted({after for calls in pushdown.calls for _, after in calls}) if state in pushdown.finals else []
    for popped in (-1, *behind):
        for opened, here in pushdown.openings(state if popped < 0 else popped):
            for letter, after in pushdown.moves[here].items():
                found[letter].append((popped, opened, after))
    return found
