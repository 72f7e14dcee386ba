"""Context-free constraints on texts with holes: completable or not, witnesses, and masks of every position at once.

Exact for every grammar that `networks_of` expresses, with holes of exactly or at most so many tokens, of any length,
and, on a canvas, with the end inside: a token is allowed exactly if some completion has it.  Characters may be split
over tokens in any way.  What can be completed is decided with sets of stacks (see `texts`), cheapest completions are
found by saturation (see `saturation`).
"""

import math
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property

import numpy as np
import torch

from constrain.decoders.diffusion.frontiers import ANY, END, HOLE, NEVER, OPTIONAL, Moves
from constrain.decoders.diffusion.networks import Networks, networks_of
from constrain.decoders.diffusion.pushdown import pushdown_of
from constrain.decoders.diffusion.saturation import Saturation
from constrain.decoders.diffusion.texts import Text, UndecidedError
from constrain.decoders.diffusion.vertices import Hole, Part, Vertices, Words, letters_of, vertices_of
from constrain.grammars import ir
from constrain.grammars.errors import ConstrainError, UnsatisfiableConstraintError
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["Chart", "ChartCanvas"]


class Chart:
    """A context-free grammar over a vocabulary, for texts with holes.

    Raises ConstrainError for grammars that `networks_of` does not express, and for tokenizers that strip the space at
    the beginning of a text.
    """

    def __init__(self, grammar: ir.Grammar, index: TokenizerIndex) -> None:
        if index.strips_space:
            raise ConstrainError("charts do not know tokenizers that strip the space at the beginning of a text")
        self.index = index
        self.networks: Networks = networks_of(grammar, index)
        self.words = Words(self.networks, index)
        self.bytes_of_letters = {int(letter): byte for byte, letter in reversed(list(enumerate(self.networks.letters)))}
        self._kinds: dict[tuple[int, ...], int] = {}
        self._lock = threading.Lock()

    @cached_property
    def moves(self) -> Moves:
        """What tokens do to the grammar's pushdown automaton."""
        return Moves(pushdown_of(self.networks), self.words)

    @cached_property
    def class_of_token(self) -> np.ndarray:
        """The class of each token in `moves.actions`, one more for tokens that are never allowed, (V,) int64."""
        found = np.full(self.index.vocab_size, len(self.moves.actions.classes))
        for token, number in self.moves.actions.class_of.items():
            found[token] = number
        return found

    @cached_property
    def _text(self) -> Text:
        return Text(self.moves, [])

    def is_completable(self, parts: Sequence[Part]) -> bool:
        """Whether holes can be filled so that the whole is a text of the language.

        Parts that are at the beginning and at the end as when the chart was asked before are not read again.
        """
        if not self._is_saturated(parts):
            with self._lock, suppress(UndecidedError):
                self._text.replace([kind for part in parts for kind in self._kinds_of(part)])
                return self._text.is_completable()
        return Saturation(self.networks, self._vertices(parts)).is_completable

    def allowed(self, parts: Sequence[Part], number: int) -> list[int]:
        """The tokens that completions have in a part, a hole of one token."""
        if not self._is_saturated(parts):
            kinds = [self._kinds_of(part) for part in parts]
            with self._lock, suppress(UndecidedError):
                self._text.replace([kind for part in kinds for kind in part])
                row = self._text.allowed([sum(map(len, kinds[:number]))])[0]
                return [int(token) for token in np.flatnonzero(np.append(row, False)[self.class_of_token])]
        words, _ = Saturation(self.networks, self._vertices(parts), exhaustive=True).useful()
        return [token for hole, word in words if hole == number for token in self.words.tokens[word]]

    def _is_saturated(self, parts: Sequence[Part]) -> bool:
        """Whether there are holes of any length and a vocabulary that cannot fill them with any text."""
        return bool(self.index.missing_bytes) and any(isinstance(part, Hole) and part.maximum is None for part in parts)

    def kind_of_token(self, token: int) -> int:
        """The kind of position (see `frontiers.Moves`) of a known token."""
        return self._kind(letters_of(token, self.networks, self.index))

    def _kinds_of(self, part: Part) -> list[int]:
        if isinstance(part, bytes):
            return [self._kind([letter]) for letter in letters_of(part, self.networks, self.index)]
        if not isinstance(part, Hole):
            return [self.kind_of_token(part)]
        if part.maximum is None:
            return [HOLE] * part.minimum + [ANY]
        return [HOLE] * part.minimum + [OPTIONAL] * (part.maximum - part.minimum)

    def _kind(self, letters: Sequence[int]) -> int:
        key = tuple(letters)
        if key not in self._kinds:
            self._kinds[key] = self.moves.of_text(key)
        return self._kinds[key]

    def complete(self, parts: Sequence[Part], weights: Sequence[np.ndarray | None] | None = None) -> list[bytes]:
        """A cheapest filling: the bytes of each part, those of known ones as they are.

        Without `weights` one with the fewest tokens (in holes of any length, the fewest bytes); with them, of each
        part log-probabilities of tokens (V,), None for known parts, a most probable one, the parts of which weigh
        alike wherever in the hole they stand.

        Raises UnsatisfiableConstraintError when there is none.
        """
        costs = None if weights is None else [self._word_costs(row) for row in weights]
        vertices = self._vertices(parts)
        chart = Saturation(
            self.networks, vertices, lambda hole, word: 1.0 if costs is None or word < 0 else float(costs[hole][word])
        )
        if not chart.is_completable:
            raise UnsatisfiableConstraintError("the holes cannot be filled so that the text obeys the grammar")
        found = [b"" if isinstance(part, Hole) else self._bytes(part) for part in parts]
        for hole, vertex, edge in chart.witness():
            if hole < 0:
                continue
            if edge.word >= 0:
                found[hole] += self.index.tokens[self.words.tokens[edge.word][0]]
            elif vertex == edge.target:
                found[hole] += bytes([self.bytes_of_letters[edge.letter]])
        return found

    def _vertices(self, parts: Sequence[Part]) -> Vertices:
        return vertices_of(parts, self.networks, self.index, self.words)

    def _bytes(self, part: bytes | int) -> bytes:
        return part if isinstance(part, bytes) else self.index.tokens[part]

    def _word_costs(self, row: np.ndarray | None) -> np.ndarray:
        if row is None:
            return np.zeros(len(self.words.tokens))
        return np.array([-max(row[token] for token in tokens) for tokens in self.words.tokens])


class ChartCanvas:
    """A canvas under a context-free grammar; see `constrain.decoders.diffusion.constraints.Canvas`.

    tokens   (length,) int64, -1 where the text is not known
    """

    def __init__(self, constraint: CompiledConstraint | Chart, tokens: torch.Tensor) -> None:
        self.chart = constraint if isinstance(constraint, Chart) else Chart(constraint.grammar, constraint.index)
        self.tokens = tokens.clone()
        self._ends = list(self.chart.index.end_tokens)
        self._none = len(self.chart.moves.actions.classes)
        kinds = [self._kind(int(token)) if token >= 0 else HOLE for token in tokens]
        self._text = Text(self.chart.moves, kinds, may_end=bool(self._ends))
        self._allowed: torch.Tensor | None = None

    def allowed(self) -> torch.Tensor:
        """Which tokens some completion has at each position, (length, V) bool."""
        if self._allowed is None:
            self._allowed = self._masks()
        return self._allowed

    def commit(self, position: int, token: int) -> bool:
        """Fix a position; False, and nothing changes, when no completion of the text has that token there."""
        if int(self.tokens[position]) >= 0:
            return int(self.tokens[position]) == token
        kind = self._kind(token)
        if not self._text.allows(position, kind):
            return False
        self._fix(position, token, kind)
        self._allowed = None
        return True

    def can_commit(self, position: int, token: int) -> bool:
        """Whether some completion of the text has a token at a position that is not known."""
        return self._text.allows(position, self._kind(token))

    def commit_forced(self) -> list[tuple[int, int]]:
        """Fix the positions that are not known at which all completions have one token; these, with their tokens."""
        allowed = self.allowed()
        single = (allowed.sum(dim=1) == 1) & (self.tokens < 0)
        found = [(i, int(allowed[i].int().argmax())) for i in single.nonzero().flatten().tolist()]
        for position, token in found:
            self._fix(position, token, self._kind(token))
        return found

    def is_completable(self) -> bool:
        """Whether some completion obeys the constraint."""
        return self._text.is_completable()

    def best(self, logits: torch.Tensor) -> torch.Tensor:
        """A most probable completion for log-probabilities of tokens (length, V): (length,) int64.

        Raises UnsatisfiableConstraintError when there is none.
        """
        rows = logits.double().numpy()
        words = self.chart.words.tokens
        values = np.stack([rows[:, tokens].max(axis=1) for tokens in words], axis=1)
        vertices = self._vertices(rows)
        chart = Saturation(self.chart.networks, vertices, lambda hole, word: float(-values[hole, word]))
        if not chart.is_completable:
            raise UnsatisfiableConstraintError("the text cannot be completed so that it obeys the grammar")
        found = self.tokens.clone()
        ends = list(self.chart.index.end_tokens)
        for hole, _, edge in chart.witness():
            if hole >= 0 and edge.word >= 0:
                tokens = words[edge.word]
                found[hole] = tokens[int(rows[hole, tokens].argmax())]
        for position in (found < 0).nonzero().flatten().tolist():
            found[position] = ends[int(rows[position, ends].argmax())]
        return found

    def _vertices(self, rows: np.ndarray | None = None) -> Vertices:
        """Vertices 0 … length - 1 before the positions, the last one behind the text, wherever it ends."""
        length, ends = len(self.tokens), set(self.chart.index.end_tokens)
        made = Vertices(self.chart.words)
        places = [0, *[made.vertex() for _ in range(length)]]
        made.last = made.vertex()
        made.skips[places[length]].append((made.last, 0.0))
        cost = 0.0
        for i in range(length - 1, -1, -1):
            token = int(self.tokens[i])
            if token < 0 or token in ends:
                if token < 0 and rows is not None and ends:
                    cost += max(0.0, -float(rows[i, list(ends)].max()))
                if ends and cost < math.inf:
                    made.skips[places[i]].append((made.last, cost))
            else:
                cost = math.inf
            if token < 0:
                made.word(places[i], places[i + 1], i)
            elif token not in ends:
                letters = letters_of(token, self.chart.networks, self.chart.index)
                if letters:
                    made.path(letters, places[i], places[i + 1])
        return made

    def _kind(self, token: int) -> int:
        if token in self._ends:
            return END
        return self.chart.kind_of_token(token) if self.chart.class_of_token[token] < self._none else NEVER

    def _fix(self, position: int, token: int, kind: int) -> None:
        self.tokens[position] = token
        self._text.change(position, kind)

    def _masks(self) -> torch.Tensor:
        free, known = ((self.tokens < 0) == wanted for wanted in (True, False))
        places = free.nonzero().flatten()
        classes = np.pad(self._text.allowed(places.tolist()), ((0, 0), (0, 1)))
        allowed = torch.zeros((len(self.tokens), self.chart.index.vocab_size), dtype=torch.bool)
        allowed[places] = torch.from_numpy(classes[:, self.chart.class_of_token])
        if self._ends:
            allowed[self._text.ends_from() :, self._ends] = True
        allowed[known] = False
        allowed[known, self.tokens[known]] = True
        return allowed
