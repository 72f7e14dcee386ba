"""Context-free constraints on texts with holes: completable or not, witnesses, and masks of every position at once.

See `saturation` for the algorithm, `vertices` for holes, `networks` for grammars.  Exact for every grammar that they
can express, with holes of exactly or at most so many tokens, of any length, and, on a canvas, with the end inside: a
token is allowed exactly if some completion has it.  Characters may be split over tokens in any way.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from constrain.decoders.diffusion.networks import Networks, networks_of
from constrain.decoders.diffusion.saturation import Saturation
from constrain.decoders.diffusion.vertices import Hole, Part, Vertices, Words, letters_of, vertices_of
from constrain.grammars import ir
from constrain.grammars.errors import ConstrainError, UnsatisfiableConstraintError
from constrain.tokenizer_index.compiled import CompiledConstraint, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.matcher import Matcher

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
        self._grammar = grammar
        self._prefix = b""
        self._constraint: CompiledConstraint | None = None
        self._matcher: Matcher | None = None
        self.networks: Networks = networks_of(grammar, index)
        self.words = Words(self.networks, index)
        self.bytes_of_letters = {int(letter): byte for byte, letter in reversed(list(enumerate(self.networks.letters)))}

    def is_completable(self, parts: Sequence[Part]) -> bool:
        """Whether holes can be filled so that the whole is a text of the language.

        A known beginning with one hole of any length behind it is a matter for a matcher, which reads on from the
        beginning that it was asked about before.
        """
        if len(parts) > 0 and parts[-1] == Hole() and not self.index.missing_bytes:
            known = [part for part in parts[:-1] if not isinstance(part, Hole)]
            if len(known) == len(parts) - 1 and all(
                isinstance(part, bytes) or self.index.tokens[part] for part in known
            ):
                return self._is_prefix(b"".join(map(self._bytes, known)))
        return Saturation(self.networks, self._vertices(parts)).is_completable

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

    def _compiled(self) -> CompiledConstraint:
        if self._constraint is None:
            self._constraint = compile_grammar(self._grammar, self.index)
        return self._constraint

    def _is_prefix(self, text: bytes) -> bool:
        """Whether some text of the language begins so."""
        if self._matcher is None or not text.startswith(self._prefix):
            self._matcher, self._prefix = self._compiled().matcher(), b""
        viable = self._matcher.accept_text(text[len(self._prefix) :])
        if viable:
            self._prefix = text
        return viable

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
        if not bool(self.allowed()[position, token]):
            return False
        self.tokens[position] = token
        self._allowed = None
        return True

    def commit_forced(self) -> list[tuple[int, int]]:
        """Fix the positions that are not known at which all completions have one token; these, with their tokens."""
        allowed = self.allowed()
        single = (allowed.sum(dim=1) == 1) & (self.tokens < 0)
        found = [(i, int(allowed[i].int().argmax())) for i in single.nonzero().flatten().tolist()]
        for position, token in found:
            self.tokens[position] = token
        return found

    def is_completable(self) -> bool:
        """Whether some completion obeys the constraint."""
        return Saturation(self.chart.networks, self._vertices()).is_completable

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

    def _masks(self) -> torch.Tensor:
        index = self.chart.index
        vertices = self._vertices()
        words, skips = Saturation(self.chart.networks, vertices, exhaustive=True).useful()
        allowed = torch.zeros((len(self.tokens), index.vocab_size), dtype=torch.bool)
        for hole, word in words:
            allowed[hole, self.chart.words.tokens[word]] = True
        stops = [before for before, after in skips if after == vertices.last]  # vertices have their positions' numbers
        if stops and index.end_tokens:
            allowed[min(stops) :, list(index.end_tokens)] = True
        known = (self.tokens >= 0).nonzero().flatten()
        allowed[known] = False
        allowed[known, self.tokens[known]] = True
        return allowed
