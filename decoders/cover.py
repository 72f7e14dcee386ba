"""The fewest tokens that spell a text.

Greedy longest-match tokenization can need more tokens than necessary; dynamic programming over the suffixes of the
text does not.  Time O(bytes × longest match), in plain Python: texts are short completions, and remembered.
"""

import threading
import weakref
from collections import OrderedDict

from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.trie import SPECIAL

__all__ = ["Cover", "cover_of"]

_MAX_REMEMBERED = 4096

Spelling = tuple[int, ...]


class Cover:
    """Spells texts in the tokens of one vocabulary."""

    def __init__(self, index: TokenizerIndex) -> None:
        self._trie = index.trie
        self._children: dict[int, dict[int, int]] = {}
        self._known: OrderedDict[bytes, Spelling | None] = OrderedDict()
        self._lock = threading.Lock()
        self.spells_all = all(byte in self._below(0) for byte in range(256)) and all(
            self._trie[self._below(0)[byte], 3] >= 0 for byte in range(256)
        )
        """Every byte is a token, so that a text of n bytes takes at most n tokens."""

    def _below(self, node: int) -> dict[int, int]:
        """Children of a trie node by their bytes."""
        children = self._children.get(node)
        if children is None:
            children, child, end = {}, node + 1, node + int(self._trie[node, 1])
            while child < end:
                if self._trie[child, 0] < SPECIAL:
                    children[int(self._trie[child, 0])] = child
                child += int(self._trie[child, 1])
            self._children[node] = children
        return children

    def fewest_tokens(self, text: bytes) -> Spelling | None:
        """A shortest sequence of tokens with these bytes; None when there is none."""
        with self._lock:
            if text in self._known:
                self._known.move_to_end(text)
                return self._known[text]
            spelling = self._known[text] = self._spell(text)
            if len(self._known) > _MAX_REMEMBERED:
                self._known.popitem(last=False)
            return spelling

    def _spell(self, text: bytes) -> Spelling | None:
        size = len(text)
        fewest: list[int | None] = [None] * size + [0]  # tokens that spell the text from here on
        first: list[tuple[int, int]] = [(0, 0)] * size  # the first of them, and where it ends
        for start in range(size - 1, -1, -1):
            node: int | None = 0
            for end in range(start + 1, size + 1):
                node = self._below(node or 0).get(text[end - 1])
                if node is None:
                    break
                token, rest = int(self._trie[node, 3]), fewest[end]
                known = fewest[start]
                if token >= 0 and rest is not None and (known is None or rest + 1 < known):
                    fewest[start], first[start] = rest + 1, (token, end)
        if fewest[0] is None:
            return None
        spelling, at = [], 0
        while at < size:
            token, at = first[at]
            spelling.append(token)
        return tuple(spelling)


_covers: "weakref.WeakKeyDictionary[TokenizerIndex, Cover]" = weakref.WeakKeyDictionary()
_covers_lock = threading.Lock()


def cover_of(index: TokenizerIndex) -> Cover:
    """The cover of an index, made once."""
    with _covers_lock:
        cover = _covers.get(index)
        if cover is None:
            cover = _covers[index] = Cover(index)
        return cover
