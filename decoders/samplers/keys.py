"""What a trie is about, and a walker that checks it."""

import hashlib
from collections.abc import Sequence

from constrain.decoders.samplers.chance import Chance
from constrain.decoders.samplers.descents import Walker
from constrain.decoders.samplers.languages import Language, Truncation, begin, language_key
from constrain.decoders.samplers.scoring import Laws
from constrain.decoders.samplers.trie import TokenTrie
from constrain.tokenizer_index.compiled import CompiledConstraint

__all__ = ["UNNAMED", "walker_of"]

UNNAMED = "unnamed"
"""How the key of a trie begins whose language nothing identifies but the object itself."""


def walker_of(
    trie: TokenTrie,
    model: object,
    prompt: Sequence[int],
    constraint: CompiledConstraint | Language,
    chance: Chance,
    *,
    max_new_tokens: int | None,
    temperature: float,
    truncation: Truncation,
) -> Walker:
    """A walker in a trie, which is bound to all this or checked to be.  Raises ConstrainError when it is not."""
    named = language_key(constraint)
    if not named:
        named = f"{UNNAMED} {id(constraint)}"
    settings = repr((tuple(map(int, prompt)), max_new_tokens, float(temperature), truncation))
    digest = hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()
    laws = trie.belongs_to(model, f"{named} {digest}", constraint, lambda: Laws(model, prompt, temperature=temperature))
    return Walker(trie, laws, lambda: begin(constraint, max_new_tokens, truncation), chance)
