"""A budget of tokens, met with a finished text.

A token may be chosen only if, after it, a completion is known that fits into what is left.  The completion looked at
is the matcher's shortest one (in special tokens, then in bytes), in the fewest tokens that spell it.  That is not
always the completion with the fewest tokens, and the shortest completion after a step need not be the rest of the one
before it; so the completion that has been found is kept as the *plan*: its next token always fits.  Hence

- a text that was begun can be finished: some token, or the end, always fits;
- nothing is excluded while the budget is ample: where every byte is a token, a completion of n bytes takes at most n
  tokens, and looking no further is enough.

Tokens are tested one by one when a sampler proposes them, not all in advance: of a vocabulary of 128,000 tokens one or
two have to be tested in most steps.
"""

from constrain.decoders.cover import Cover, Spelling, cover_of
from constrain.grammars.errors import ConstrainError
from constrain.tokenizer_index.matcher import Matcher

__all__ = ["Budget"]

Parts = list[bytes | int]

_MAX_STEPS = 100_000  # tokens that are tried to find a completion that cannot be spelled from its bytes


class Budget:
    """Keeps the sequence of a matcher, which is at its beginning, to at most `max_new_tokens` tokens with the end.

    Raises ConstrainError, with the number of tokens needed, when no text is known to fit.
    """

    __slots__ = ("_at_start", "_cover", "_end", "_matcher", "_plan", "remaining")

    def __init__(self, matcher: Matcher, max_new_tokens: int) -> None:
        index = matcher.constraint.index
        self._matcher = matcher
        self._cover: Cover = cover_of(index)
        self._end = 1 if matcher.constraint.end_tokens else 0
        self._at_start = index.strips_space
        self.remaining = max_new_tokens
        self._plan: Spelling | None = None
        room = max_new_tokens - self._end
        fits, self._plan = self._look(matcher, room)
        if not fits:
            self._plan = _search(matcher, room)
            if self._plan is None:
                raise ConstrainError(self._refusal())

    def _refusal(self) -> str:
        spelling = self._spelling(self._matcher.shortest_completion_parts())
        needs = "more" if spelling is None else f"{len(spelling) + self._end}"
        return f"max_new_tokens is {self.remaining}, but the shortest text needs {needs} tokens, its end included"

    def _look(self, matcher: Matcher, room: int) -> tuple[bool, Spelling | None]:
        """Whether a completion from where a matcher stands fits into so many tokens, and which unless that is plain."""
        if room < 0:
            return False, None
        parts = matcher.shortest_completion_parts()
        if self._cover.spells_all and _size(parts) + self._at_start <= room:
            return True, None
        spelling = self._spelling(parts)
        if spelling is None:
            spelling = _search(matcher, room)
        if spelling is None or len(spelling) > room:
            return False, None
        return True, spelling

    def _spelling(self, parts: Parts) -> Spelling | None:
        """The fewest tokens for a completion."""
        spelling: Spelling = ()
        for i, part in enumerate(parts):
            if isinstance(part, int):
                spelling += (part,)
                continue
            spelled = self._first(part) if self._at_start and i == 0 else self._cover.fewest_tokens(part)
            if spelled is None:
                return None
            spelling += spelled
        return spelling

    def _first(self, text: bytes) -> Spelling | None:
        """The fewest tokens for the beginning of a text where one space is stripped: it may be put in front."""
        spaced = self._cover.fewest_tokens(b" " + text)
        plain = None if text.startswith(b" ") else self._cover.fewest_tokens(text)
        found = [spelling for spelling in (plain, spaced) if spelling is not None]
        return min(found, key=len, default=None)

    def fits(self, token: int) -> bool:
        """Whether a token that the matcher allows may be chosen."""
        if token in self._matcher.constraint.end_tokens:
            return self.remaining > 0
        if self._plan and self._plan[0] == token:
            return True
        if not self._matcher.accept_token(token):
            return False
        fits = self.fits_after(self._matcher)
        self._matcher.rollback()
        return fits

    def fits_after(self, after: Matcher) -> bool:
        """Whether a text can be finished in time that stands where `after` does, one token further than now."""
        at_start, self._at_start = self._at_start, False
        fits, _ = self._look(after, self.remaining - 1 - self._end)
        self._at_start = at_start
        return fits

    @property
    def planned(self) -> int | None:
        """A token that is known to fit whatever else does; None when that is not needed."""
        return self._plan[0] if self._plan else None

    def accept(self, token: int) -> None:
        """Note that the matcher has read a token, which did fit."""
        self.remaining -= 1
        self._at_start = False
        rest = self._plan[1:] if self._plan and self._plan[0] == token else None
        fits, plan = self._look(self._matcher, self.remaining - self._end)
        if fits and (plan is None or rest is None or len(plan) < len(rest)):
            self._plan = plan
        elif rest is not None:
            self._plan = rest
        elif token not in self._matcher.constraint.end_tokens:
            raise ConstrainError(f"token {token} leaves too little of the budget to finish the text")

    def fork(self, matcher: Matcher) -> "Budget":
        """The budget of a copy of the matcher."""
        copy = object.__new__(Budget)
        copy._matcher, copy._cover, copy._end = matcher, self._cover, self._end
        copy._at_start, copy._plan, copy.remaining = self._at_start, self._plan, self.remaining
        return copy


def _size(parts: Parts) -> int:
    """Tokens that a completion takes at most where every byte is a token."""
    return sum(1 if isinstance(part, int) else len(part) for part in parts)


def _search(matcher: Matcher, room: int) -> Spelling | None:
    """A completion of the fewest tokens, at most `room`, by trying all tokens breadth first.

    For completions that cannot be spelled, since the vocabulary lacks some bytes; and before a budget is refused,
    since a longer text may have fewer tokens.  None when there is none, or it was not found in a bounded number of
    steps.
    """
    seen, steps = {matcher.state_key}, 0
    here: list[tuple[Matcher, Spelling]] = [(matcher.fork(), ())]
    for _ in range(room + 1):
        below: list[tuple[Matcher, Spelling]] = []
        for probe, path in here:
            if probe.is_accepting:
                return path
            for token in probe.allowed_tokens():
                steps += 1
                if steps > _MAX_STEPS:
                    return None
                probe.accept_token(token)
                if probe.state_key not in seen:
                    seen.add(probe.state_key)
                    below.append((probe.fork(), (*path, token)))
                probe.rollback()
        here = below
    return None
