"""Walks through a language by the bytes that it says may come next."""

import random

from constrain.grammars.automata.language import Language


def completion(language: Language, prefix: bytes, patience: int = 5_000) -> bytes | None:
    """A shortest string of the language that begins with `prefix`, by breadth-first search; None when there is none.

    Looks at one text for each state of the automaton; gives up, and fails, after `patience` of them.
    """
    seen: set[int] = set()
    queue = [prefix]
    for text in queue:
        if text in language:
            return text
        for byte in sorted(language.next_bytes(text)):
            longer = text + bytes([byte])
            state = language._after(longer)
            if state not in seen:
                seen.add(state)
                queue.append(longer)
        assert len(queue) < patience, "no completion found in reasonable time"
    return None


def some_text(language: Language, seed: int, length: int = 8) -> bytes:
    """A text read off a random walk, of at most so many bytes; it need not have come to an end."""
    choice = random.Random(seed)
    text = b""
    while len(text) < length:
        following = sorted(language.next_bytes(text))
        if not following or (text in language and choice.random() < 0.3):
            break
        text += bytes([choice.choice(following)])
    return text


def live_prefix(language: Language, text: bytes) -> bytes | None:
    """The longest prefix of a text that the language takes for alive; None when it takes itself for empty."""
    alive = [end for end in range(len(text) + 1) if language.is_prefix(text[:end])]
    assert alive == list(range(len(alive))), "a prefix of a live prefix is alive"
    return text[: alive[-1]] if alive else None
