"""Texts with holes as automata over letters: what is known, and for each hole the vocabulary's trie.

Vertex i stands before part i.  A known token or text is a path of its letters; a hole of tokens leads from a vertex to
the next one, or, when it may have fewer, past it, along the trie of the vocabulary's words over letters, in which
tokens that no grammar state tells apart are one.  A hole of any length is a vertex with the loops of all letters, or,
when a vocabulary lacks bytes, with the trie from the vertex to itself.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from constrain.decoders.diffusion.networks import Networks
from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["Edge", "Hole", "Part", "Vertices", "Words", "letters_of", "vertices_of"]


@dataclass(frozen=True, slots=True)
class Hole:
    """Unknown tokens: at least `minimum`, and at most `maximum` of them, or any number."""

    minimum: int = 0
    maximum: int | None = None

    def __post_init__(self) -> None:
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise ValueError(f"a hole of {self.minimum} to {self.maximum} tokens")


Part = bytes | int | Hole
"""A known text, a known token, or a hole."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A letter to a vertex; `word` is the number of the word that it ends, -1 when it ends none."""

    target: int
    word: int
    letter: int


class Words:
    """The distinct words over letters of a vocabulary's tokens, as a trie.

    tokens    of each word, the tokens that are spelled so
    children  of each trie node, 0 being the root: for each letter (the child, the word that ends there or -1)
    letters   how many letters bytes have
    """

    def __init__(self, networks: Networks, index: TokenizerIndex) -> None:
        self.letters = int(networks.letters.max(initial=-1)) + 1
        self.tokens: list[list[int]] = []
        self.children: list[dict[int, tuple[int, int]]] = [{}]
        special = set(index.special_tokens.values()) | set(index.end_tokens)
        for token, text in enumerate(index.tokens):
            if token in special:
                self._add([256 + token], token)
            elif text:
                self._add(networks.letters[list(text)].tolist(), token)

    def _add(self, letters: Sequence[int], token: int) -> None:
        if min(letters) < 0:
            return
        node = 0
        for place, letter in enumerate(letters):
            child, word = self.children[node].get(letter, (-1, -1))
            if child < 0:
                self.children.append({})
                child = len(self.children) - 1
            if place == len(letters) - 1:
                if word < 0:
                    word = len(self.tokens)
                    self.tokens.append([])
                self.tokens[word].append(token)
            self.children[node][letter] = (child, word)
            node = child


class Vertices:
    """An automaton of a text with holes, made where it is looked at.

    skips   of each vertex, those that it leads to without reading, with what that costs
    last    the vertex behind the text
    holes   of each vertex at which words begin, the number of the hole's part or position
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self._edges: dict[int, dict[int, list[Edge]]] = defaultdict(lambda: defaultdict(list))
        self._inner: dict[int, tuple[int, int, int]] = {}  # the vertices between which a word leads, and its trie node
        self._numbers: dict[tuple[int, int, int], int] = {}
        self._begins: dict[int, list[int]] = defaultdict(list)
        self.skips: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self.holes: dict[int, int] = {}
        self.last, self.count = 0, 1

    def vertex(self) -> int:
        """A new vertex."""
        self.count += 1
        return self.count - 1

    def path(self, letters: Sequence[int], here: int, there: int) -> None:
        """Lead from one vertex to another along letters, at least one."""
        for place, letter in enumerate(letters):
            target = there if place == len(letters) - 1 else self.vertex()
            self._edges[here][letter].append(Edge(target, -1, letter))
            here = target

    def word(self, here: int, there: int, number: int) -> None:
        """Lead from one vertex to another along every word, as a part of hole `number`."""
        self.holes[here] = number
        self._begins[here].append(there)

    def read(self, vertex: int, letter: int) -> list[Edge]:
        """The ways on from a vertex by a letter."""
        found = self._edges[vertex].get(letter, []) if vertex in self._edges else []
        if vertex in self._inner:
            here, there, node = self._inner[vertex]
            return [*found, *self._along(here, there, node, letter)]
        for there in self._begins.get(vertex, ()):
            found = [*found, *self._along(vertex, there, 0, letter)]
        return found

    def hole_of(self, vertex: int) -> int:
        """The hole in which a vertex lies; -1 for none."""
        return self.holes.get(self._inner[vertex][0] if vertex in self._inner else vertex, -1)

    def _along(self, here: int, there: int, node: int, letter: int) -> Iterator[Edge]:
        child, word = self._words.children[node].get(letter, (-1, -1))
        if word >= 0:
            yield Edge(there, word, letter)
        if child >= 0 and self._words.children[child]:
            key = (here, there, child)
            if key not in self._numbers:
                self._numbers[key] = self.vertex()
                self._inner[self._numbers[key]] = key
            yield Edge(self._numbers[key], -1, letter)


def vertices_of(parts: Sequence[Part], networks: Networks, index: TokenizerIndex, words: Words) -> Vertices:
    """The automaton of parts one after the other."""
    made = Vertices(words)
    here = 0
    for number, part in enumerate(parts):
        if isinstance(part, Hole):
            here = _hole(made, part, number, here, networks, complete=not index.missing_bytes)
            continue
        letters = letters_of(part, networks, index)
        if letters:
            there = made.vertex()
            made.path(letters, here, there)
            here = there
    made.last = here
    return made


def letters_of(part: bytes | int, networks: Networks, index: TokenizerIndex) -> list[int]:
    """The letters of a known text or token; -1 for a byte of no text."""
    if isinstance(part, int):
        if part in index.end_tokens or part in index.special_tokens.values():
            return [256 + part]
        part = index.tokens[part]
    found: list[int] = networks.letters[list(part)].tolist()
    return found


def _hole(made: Vertices, hole: Hole, number: int, here: int, networks: Networks, *, complete: bool) -> int:
    for _ in range(hole.minimum):
        there = made.vertex()
        made.word(here, there, number)
        here = there
    if hole.maximum is None:
        loop = made.vertex()
        made.skips[here].append((loop, 0.0))
        made.holes[loop] = number
        if complete:
            for letter in {int(letter) for letter in networks.letters if letter >= 0}:
                made.path([letter], loop, loop)
        else:
            made.word(loop, loop, number)
        return loop
    end = made.vertex()
    for _ in range(hole.maximum - hole.minimum):
        made.skips[here].append((end, 0.0))
        there = made.vertex()
        made.word(here, there, number)
        here = there
    made.skips[here].append((end, 0.0))
    return end
