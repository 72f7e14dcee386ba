"""The fewest tokens that spell a text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from constrain.decoders.cover import Cover
from constrain.tokenizer_index.index import TokenizerIndex
from tests.strategies import texts, vocabularies


def _fewest(tokens: list[bytes], text: bytes) -> int | None:
    """Naive: all ways, breadth first."""
    here, count = {text}, 0
    while here:
        if b"" in here:
            return count
        here = {rest.removeprefix(token) for rest in here for token in tokens if token and rest.startswith(token)}
        count += 1
    return None


@settings(max_examples=150)
@given(vocabularies(), texts, st.booleans())
def test_fewest_tokens(tokens: list[bytes], text: bytes, lacking: bool) -> None:
    """As few as the naive search finds, spelling the text; none exactly when there are none."""
    tokens = tokens[2:] if lacking else tokens
    spelling = Cover(TokenizerIndex.from_tokenizer(tokens, cache=False)).fewest_tokens(text)
    assert (None if spelling is None else len(spelling)) == _fewest(tokens, text)
    if spelling is not None:
        assert b"".join(tokens[t] for t in spelling) == text


def test_spells_all() -> None:
    """True when every byte is a token."""
    bytes_ = [bytes([byte]) for byte in range(256)]
    assert Cover(TokenizerIndex.from_tokenizer(bytes_, cache=False)).spells_all
    assert not Cover(TokenizerIndex.from_tokenizer(bytes_[1:], cache=False)).spells_all
