"""The true bytes of every token of a tokenizer.

Tokenizers store tokens in a written form: byte-level BPE writes each byte as a printable character, SentencePiece
writes a space as ``▁`` and single bytes as ``<0x0A>``, WordPiece marks continuations with ``##``.  Decoding tokens one
by one through the tokenizer would turn halves of UTF-8 characters into replacement characters, so the written form is
undone here instead, as the tokenizer's decoder says, and the result is compared with the tokenizer's own decoding of
samples: a decoder that is not understood is an error, not a wrong mask.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from constrain.grammars.errors import TokenizerError

__all__ = ["Vocabulary", "vocabulary_of"]

Encoder = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an index is made from.

    tokens               bytes of each token id; empty for special tokens and unused ids
    special              ids of special tokens, which are no text, by their names
    end_tokens           ids that end a text
    strips_space         one space at the beginning of a text is not part of it (SentencePiece's dummy prefix)
    encode               the tokenizer's own encoding of a text, without special tokens; None when there is none
    """

    tokens: tuple[bytes, ...]
    special: dict[str, int]
    end_tokens: tuple[int, ...]
    strips_space: bool = False
    encode: Encoder | None = None


# Written forms


def _byte_characters() -> dict[int, int]:
    """The printable characters that byte-level BPE writes for bytes (GPT-2's table), as a translation table."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: byte for byte in printable}
    unprintable = (byte for byte in range(256) if byte not in table)
    return table | {256 + i: byte for i, byte in enumerate(unprintable)}


_BYTE_CHARACTERS = _byte_characters()
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")


def _from_byte_level(piece: str) -> bytes:
    try:
        return piece.translate(_BYTE_CHARACTERS).encode("latin-1")
    except UnicodeEncodeError:  # an added token, which is not written in the byte alphabet
        return piece.encode()


def _from_sentence_piece(piece: str) -> bytes:
    byte = _BYTE_TOKEN.match(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()


def _from_word_piece(prefix: str) -> Callable[[str], bytes]:
    def convert(piece: str) -> bytes:
        return piece[len(prefix) :].encode() if piece.startswith(prefix) else b" " + piece.encode()

    return convert


def _from_suffixed(suffix: str) -> Callable[[str], bytes]:
    def convert(piece: str) -> bytes:
        return piece[: -len(suffix)].encode() + b" " if suffix and piece.endswith(suffix) else piece.encode()

    return convert


Converter = tuple[Callable[[str], bytes], bool]
"""From the written form to bytes, and whether one leading space is stripped."""


def _metaspace(state: dict[str, Any]) -> Converter:
    replacement = state.get("replacement", "▁")
    scheme = state.get("prepend_scheme") or ("always" if state.get("add_prefix_space", True) else "never")

    def convert(piece: str) -> bytes:
        return piece.replace(replacement, " ").encode()

    return convert, scheme != "never"


def _sequence(state: dict[str, Any]) -> Converter | None:
    """A chain of decoders as SentencePiece models come with: replace, byte fallback, fuse, strip."""
    convert: Callable[[str], bytes] | None = None
    strips = False
    for step in state["decoders"]:
        match step:
            case {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}:
                convert = _from_sentence_piece
            case {"type": "ByteFallback"} | {"type": "Fuse"}:
                convert = convert or _from_sentence_piece
            case {"type": "Strip", "content": " ", "start": start, "stop": 0}:
                strips = start > 0
            case _:
                found = _converter(step)
                if found is None:
                    return None
                convert, strips = found
    return None if convert is None else (convert, strips)


def _converter(state: dict[str, Any] | None) -> Converter | None:
    """What undoes the written form, from the description of a `tokenizers` decoder."""
    if state is None:
        return None
    match state:
        case {"type": "ByteLevel"}:
            return _from_byte_level, False
        case {"type": "Metaspace"}:
            return _metaspace(state)
        case {"type": "WordPiece", "prefix": prefix}:
            return _from_word_piece(prefix), True
        case {"type": "BPEDecoder", "suffix": suffix}:
            return _from_suffixed(suffix), False
        case {"type": "ByteFallback"} | {"type": "Fuse"}:
            return _from_sentence_piece, False
        case {"type": "Sequence"}:
            return _sequence(state)
    return None


# Kinds of tokenizers


def _pieces(vocabulary: dict[str, int]) -> list[str | None]:
    pieces: list[str | None] = [None] * (max(vocabulary.values(), default=-1) + 1)
    for piece, token in vocabulary.items():
        pieces[token] = piece
    return pieces


def _convert_all(
    vocabulary: dict[str, int], added: dict[int, str], special: dict[str, int], convert: Callable[[str], bytes]
) -> tuple[bytes, ...]:
    """Bytes of all ids: added tokens are written plainly, special ones and gaps have none."""
    apart = set(special.values())
    return tuple(
        b"" if piece is None or token in apart else piece.encode() if token in added else convert(piece)
        for token, piece in enumerate(_pieces(vocabulary))
    )


def _end_tokens(tokenizer: Any) -> tuple[int, ...]:
    end = getattr(tokenizer, "eos_token_id", None)
    if end is None:
        return ()
    return tuple(end) if isinstance(end, list | tuple) else (int(end),)


def _from_hugging_face(tokenizer: Any) -> Vocabulary:
    added = {int(token): str(entry) for token, entry in tokenizer.added_tokens_decoder.items()}
    flagged = {token for token, entry in tokenizer.added_tokens_decoder.items() if entry.special}
    flagged.update(tokenizer.all_special_ids)
    names = {**{v: k for k, v in tokenizer.get_vocab().items()}, **added}
    special = {names[token]: int(token) for token in sorted(flagged) if token in names}
    converter = _hugging_face_converter(tokenizer)
    if converter is None:
        raise TokenizerError(f"the decoder of {type(tokenizer).__name__} is not understood")
    convert, strips = converter
    tokens = _convert_all(tokenizer.get_vocab(), added, special, convert)

    def encode(text: str) -> list[int]:
        return [int(token) for token in tokenizer.encode(text, add_special_tokens=False)]

    return Vocabulary(tokens, special, _end_tokens(tokenizer), strips, encode)


def _hugging_face_converter(tokenizer: Any) -> Converter | None:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return _converter(json.loads(backend.decoder.__getstate__())) if backend.decoder is not None else None
    if hasattr(tokenizer, "byte_decoder"):  # slow byte-level BPE
        return _from_byte_level, False
    if hasattr(tokenizer, "sp_model"):  # slow SentencePiece
        return _from_sentence_piece, True
    if hasattr(tokenizer, "wordpiece_tokenizer"):
        return _from_word_piece("##"), True
    return None


def _from_tokenizers(tokenizer: Any) -> Vocabulary:
    """A tokenizer of the `tokenizers` package itself."""
    added = {token: str(entry) for token, entry in tokenizer.get_added_tokens_decoder().items()}
    special = {str(e): t for t, e in sorted(tokenizer.get_added_tokens_decoder().items()) if e.special}
    converter = _converter(json.loads(tokenizer.decoder.__getstate__())) if tokenizer.decoder is not None else None
    if converter is None:
        raise TokenizerError("the tokenizer's decoder is not understood")
    convert, strips = converter
    tokens = _convert_all(tokenizer.get_vocab(with_added_tokens=True), added, special, convert)
    return Vocabulary(
        tokens, special, (), strips, lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)
    )


def _from_tiktoken(encoding: Any) -> Vocabulary:
    special = dict(encoding._special_tokens)
    tokens = [b""] * encoding.n_vocab
    apart = set(special.values())
    for token in range(encoding.n_vocab):
        if token not in apart:
            try:
                tokens[token] = encoding.decode_single_token_bytes(token)
            except KeyError:  # a gap
                continue
    end = special.get("<|endoftext|>")
    return Vocabulary(
        tuple(tokens), special, () if end is None else (end,), False, lambda text: list(encoding.encode_ordinary(text))
    )


def _from_sentence_piece_processor(processor: Any) -> Vocabulary:
    special, tokens = {}, []
    for token in range(processor.get_piece_size()):
        piece = processor.id_to_piece(token)
        if processor.is_control(token) or processor.is_unknown(token) or processor.is_unused(token):
            tokens.append(b"")
            special[piece] = token
        else:
            tokens.append(_from_sentence_piece(piece))
    end = processor.eos_id()
    strips = _strips_first_space(processor)
    return Vocabulary(
        tuple(tokens), special, (end,) if end >= 0 else (), strips, lambda text: list(processor.encode(text))
    )


def _strips_first_space(processor: Any) -> bool:
    """Whether decoding drops the space of a first piece: with a dummy prefix, and where extra spaces are removed."""
    for token in range(processor.get_piece_size()):
        if processor.id_to_piece(token).startswith("▁") and not processor.is_unused(token):
            return not processor.decode([token]).startswith(" ")
    return False


def _kind(tokenizer: Any) -> Callable[[Any], Vocabulary] | None:
    """How to read a tokenizer, told by what it can do, so that its package need not be imported."""
    if hasattr(tokenizer, "added_tokens_decoder") and hasattr(tokenizer, "convert_ids_to_tokens"):
        return _from_hugging_face
    if hasattr(tokenizer, "get_added_tokens_decoder"):
        return _from_tokenizers
    if hasattr(tokenizer, "decode_single_token_bytes"):
        return _from_tiktoken
    if hasattr(tokenizer, "id_to_piece"):
        return _from_sentence_piece_processor
    return None


def _check(vocabulary: Vocabulary, decode: Callable[[list[int]], str]) -> None:
    """Compare with the tokenizer's own decoding, on pairs of tokens that are whole characters."""
    texts = [token for token, text in enumerate(vocabulary.tokens) if text]
    step = max(1, len(texts) // 64)
    sample = texts[::step]
    for first, second in pairwise(sample):
        joined = vocabulary.tokens[first] + vocabulary.tokens[second]
        try:
            expected = joined.decode()
        except UnicodeDecodeError:
            continue
        if vocabulary.strips_space:
            expected = expected.removeprefix(" ")
        decoded = decode([first, second])
        if decoded != expected:
            raise TokenizerError(
                f"tokens {first} and {second} decode to {decoded!r}, but their bytes are {joined!r}: "
                "the tokenizer's decoder is not understood"
            )


def _decoder(tokenizer: Any) -> Callable[[list[int]], str] | None:
    """The tokenizer's decoding without clean-up, where tokens are joined as they are."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    decoder = getattr(backend, "decoder", None)
    state = json.loads(decoder.__getstate__()) if hasattr(decoder, "__getstate__") and decoder is not None else {}
    if not isinstance(state, dict) or state.get("type") in (None, "WordPiece", "BPEDecoder"):
        return None  # these clean up spaces, so that a text is not the concatenation of its tokens
    return lambda tokens: str(backend.decode(tokens, skip_special_tokens=False))


def _resolve_ends(vocabulary: Vocabulary, end_tokens: Iterable[int | str] | int | str | None) -> tuple[int, ...]:
    if end_tokens is None:
        return vocabulary.end_tokens
    wanted = [end_tokens] if isinstance(end_tokens, int | str) else list(end_tokens)
    resolved = []
    for token in wanted:
        number = vocabulary.special.get(token) if isinstance(token, str) else token
        if number is None:
            raise TokenizerError(f"the tokenizer has no special token {token!r}")
        resolved.append(int(number))
    return tuple(resolved)


def vocabulary_of(tokenizer: Any, end_tokens: Iterable[int | str] | int | str | None = None) -> Vocabulary:
    """Read a tokenizer: Hugging Face (fast or slow), `tokenizers`, tiktoken, SentencePiece, or a list of bytes.

    Raises TokenizerError when the tokenizer is not understood.
    """
    if isinstance(tokenizer, Vocabulary):
        vocabulary = tokenizer
    elif isinstance(tokenizer, Sequence) and not isinstance(tokenizer, str | bytes):
        if not all(isinstance(token, bytes) for token in tokenizer):
            raise TokenizerError("a vocabulary given as a list must consist of bytes")
        vocabulary = Vocabulary(tuple(tokenizer), {}, ())
    else:
        kind = _kind(tokenizer)
        if kind is None:
            raise TokenizerError(f"{type(tokenizer).__name__} is no kind of tokenizer that is understood")
        vocabulary = kind(tokenizer)
        decode = _decoder(tokenizer)
        if decode is not None:
            _check(vocabulary, decode)
    ends = _resolve_ends(vocabulary, end_tokens)
    for token in ends:
        if token < 0:
            raise TokenizerError(f"end token {token} is negative")
    special = dict(vocabulary.special)
    tokens = list(vocabulary.tokens)
    for token in ends:  # an end token is never text, even when the tokenizer does not mark it
        if token not in special.values():
            special[f"<end {token}>"] = token
        if token < len(tokens):
            tokens[token] = b""
    return Vocabulary(tuple(tokens), special, ends, vocabulary.strips_space, vocabulary.encode)
