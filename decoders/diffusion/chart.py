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
from typing import NoReturn

import numpy as np
import torch

from constrain.decoders.diffusion.columns import Columns
from constrain.decoders.diffusion.completions import best_completion
from constrain.decoders.diffusion.frontiers import ANY, END, HOLE, LETTER, NEVER, OPTIONAL, Moves
from constrain.decoders.diffusion.networks import Networks, networks_of
from constrain.decoders.diffusion.pushdown import pushdown_of
from constrain.decoders.diffusion.saturation import Saturation
from constrain.decoders.diffusion.semirings import BEST
from constrain.decoders.diffusion.texts import Text, UndecidedError
from constrain.decoders.diffusion.vertices import Hole, Part, Vertices, Words, letters_of, vertices_of
from constrain.grammars import ir
from constrain.grammars.errors import ConstrainError, UnsatisfiableConstraintError
from constrain.tokenizer_index.compiled import CompiledConstraint
from constrain.tokenizer_index.index import TokenizerIndex

__all__ = ["Chart", "ChartCanvas"]

_FEW_LETTERS, _MANY_LETTERS = 4, 64  # of a hole of any length, at first and at most


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
        rows = [None] * len(parts) if weights is None else list(weights)
        found = None if self._is_saturated(parts) else self._filled(parts, rows)
        return self._saturated(parts, rows) if found is None else found

    def _filled(self, parts: Sequence[Part], rows: Sequence[np.ndarray | None]) -> list[bytes] | None:
        """A cheapest filling; None when, in holes of any length, none of a few bytes is found.

        As bytes cost 1 each, a filling of which the cost is low enough has as few as were tried.
        """
        unbounded = any(isinstance(part, Hole) and part.maximum is None for part in parts)
        gain = 0.0
        classes = []
        for part, row in zip(parts, rows, strict=True):
            bounded = self._class_weights(row) if isinstance(part, Hole) else np.zeros(0)
            classes.append(bounded)
            if isinstance(part, Hole):
                size = part.minimum if part.maximum is None else part.maximum
                gain += size * max(0.0, float(bounded.max(initial=0.0)))
        letters = _FEW_LETTERS
        while True:
            best = self._filled_with(parts, rows, classes, letters)
            if not unbounded or (best is not None and gain - best[0] < letters + 1):
                return self._unsatisfiable() if best is None else best[1]
            if best is None and letters >= _MANY_LETTERS:
                return None
            letters = 4 * letters if best is None else math.ceil(gain - best[0])

    @staticmethod
    def _unsatisfiable() -> NoReturn:
        raise UnsatisfiableConstraintError("the holes cannot be filled so that the text obeys the grammar")

    def _filled_with(
        self,
        parts: Sequence[Part],
        rows: Sequence[np.ndarray | None],
        classes: Sequence[np.ndarray],
        letters: int,
    ) -> tuple[float, list[bytes]] | None:
        """The weight of a cheapest filling with at most so many bytes in holes of any length, and the filling."""
        kinds: list[int] = []
        owners: list[int] = []
        for number, part in enumerate(parts):
            here = [kind for kind in self._kinds_of(part) if kind != ANY]
            if isinstance(part, Hole) and part.maximum is None:
                here += [LETTER] * letters
            kinds += here
            owners += [number] * len(here)
        weights = np.zeros((len(kinds), len(self.moves.actions.classes)))
        for place, number in enumerate(owners):
            if isinstance(parts[number], Hole):
                weights[place] = classes[number]
        best = best_completion(self.moves, kinds, weights)
        if best is None:
            return None
        found = [b"" if isinstance(part, Hole) else self._bytes(part) for part in parts]
        for kind, number, chosen in zip(kinds, owners, best.classes.tolist(), strict=True):
            if chosen >= 0:
                found[number] += (
                    bytes([self.bytes_of_letters[chosen]])
                    if kind == LETTER
                    else self.index.tokens[self._token(chosen, rows[number])]
                )
        return best.weight, found

    def _class_weights(self, row: np.ndarray | None) -> np.ndarray:
        """The best weights of tokens by class, (classes,) float64; of tokens that weigh nothing in particular, -1."""
        if row is None:
            return np.full(len(self.moves.actions.classes), -1.0)
        found: np.ndarray = self.class_weights(torch.from_numpy(np.asarray(row, np.float64))[None])[0]
        return found

    def class_weights(self, rows: torch.Tensor) -> np.ndarray:
        """The best of weights of tokens (n, V) by class, (n, classes) float64."""
        return self._columns.reduce(BEST, rows.double())[:, :-1].numpy()

    @cached_property
    def _columns(self) -> Columns:
        count = len(self.moves.actions.classes)
        live = torch.arange(count + 1) < count
        return Columns(torch.from_numpy(self.class_of_token), live)

    def _token(self, number: int, row: np.ndarray | None) -> int:
        """The best token of a class; without weights, a short one."""
        if row is not None:
            return self.best_token(number, row)
        tokens = self.moves.actions.tokens[number]
        return min(tokens, key=lambda token: (len(self.index.tokens[token]), token))

    def best_token(self, number: int, row: np.ndarray) -> int:
        """The token of a class that weighs most, by weights (V,)."""
        tokens = self._members[number]
        return int(tokens[row[tokens].argmax()])

    @cached_property
    def _members(self) -> list[np.ndarray]:
        return [np.array(tokens) for tokens in self.moves.actions.tokens]

    def _saturated(self, parts: Sequence[Part], rows: Sequence[np.ndarray | None]) -> list[bytes]:
        """A cheapest filling, by saturation."""
        costs = [self._word_costs(row) if row is not None else None for row in rows]

        def cost(hole: int, word: int) -> float:
            row = costs[hole] if word >= 0 else None
            return 1.0 if row is None else float(row[word])

        chart = Saturation(self.networks, self._vertices(parts), cost)
        if not chart.is_completable:
            self._unsatisfiable()
        found = [b"" if isinstance(part, Hole) else self._bytes(part) for part in parts]
        for hole, vertex, edge in chart.witness():
            if hole < 0:
                continue
            if edge.word >= 0:
                tokens = self.words.tokens[edge.word]
                row = rows[hole]
                found[hole] += self.index.tokens[tokens[0 if row is None else int(row[tokens].argmax())]]
            elif vertex == edge.target:
                found[hole] += bytes([self.bytes_of_letters[edge.letter]])
        return found

    def _vertices(self, parts: Sequence[Part]) -> Vertices:
        return vertices_of(parts, self.networks, self.index, self.words)

    def _bytes(self, part: bytes | int) -> bytes:
        return part if isinstance(part, bytes) else self.index.tokens[part]

    def _word_costs(self, row: np.ndarray) -> np.ndarray:
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
        chart, found = self.chart, self.tokens.clone()
        rows = logits.double().cpu()
        ended = [i for i, token in enumerate(found.tolist()) if token in self._ends]
        length = ended[0] if ended else len(found)
        kinds = [self._kind(int(token)) if token >= 0 else HOLE for token in found[:length]]
        tails = self._tails(rows)[: length + 1]
        best = None
        if NEVER not in kinds:
            best = best_completion(chart.moves, kinds, chart.class_weights(rows[:length]), tails)
        if best is None:
            raise UnsatisfiableConstraintError("the text cannot be completed so that it obeys the grammar")
        for position, number in enumerate(best.classes.tolist()):
            if number >= 0:
                found[position] = chart.best_token(number, rows[position].numpy())
        for position in (found < 0).nonzero().flatten().tolist():
            found[position] = self._ends[int(rows[position, self._ends].argmax())]
        return found

    def _tails(self, rows: torch.Tensor) -> np.ndarray:
        """The log-weight of ending at each position, and behind the last one, (length + 1,) float64."""
        tails = np.full(len(self.tokens) + 1, -np.inf)
        tails[-1] = total = 0.0
        for position in range(len(self.tokens) - 1, -1, -1) if self._ends else ():
            token = int(self.tokens[position])
            if token >= 0 and token not in self._ends:
                break
            total += float(rows[position, self._ends].max()) if token < 0 else 0.0
            tails[position] = total
        return tails

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
