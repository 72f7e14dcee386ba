"""The bytes of every token are those that the tokenizer itself decodes it to, for every kind of tokenizer."""

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import sentencepiece
import tiktoken
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from constrain.grammars.errors import TokenizerError
from constrain.grammars.regex import regex
from constrain.tokenizer_index.compiled import compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from tests.matching import mask_of

TEXTS = [
    "the cat sat on the mat, and the other cat sat there too",
    'a list: [1, 2, 3] and {"name": "Zoë", "age": 12.5}',
    "naïve café, 日本語の文, emoji 😀😃 and the rest",
    "def f(x):\n    return x + 1\n\nprint(f(2))\ttab",
]


@dataclass
class Kind:
    """A tokenizer, and how it decodes tokens without clean-up."""

    tokenizer: Any
    decode: Callable[[Sequence[int]], str]
    ends: Any = None
    spaced: str = ""  # what the tokenizer may put before a text

    def index(self, **options: Any) -> TokenizerIndex:
        return TokenizerIndex.from_tokenizer(self.tokenizer, end_tokens=self.ends, cache=False, **options)


def _decode(tokenizer: Tokenizer) -> Callable[[Sequence[int]], str]:
    return lambda tokens: str(tokenizer.decode(list(tokens), skip_special_tokens=False))


def byte_level_bpe() -> Tokenizer:
    """GPT-2's kind, with added tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, initial_alphabet=alphabet, special_tokens=["<eos>"])
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.add_tokens(["[[note]]", AddedToken(" été", normalized=False)])
    tokenizer.add_special_tokens(["<call>"])
    return tokenizer


def _byte_tokens() -> list[str]:
    return [f"<0x{byte:02X}>" for byte in range(256)]


def byte_fallback_bpe() -> Tokenizer:
    """As converted from SentencePiece models of Llama's kind."""
    words = ["▁", "t", "h", "e", "▁t", "▁th", "he", "▁the", "é"]
    vocabulary = {piece: i for i, piece in enumerate(["<unk>", "<s>", "</s>", *_byte_tokens(), *words])}
    merges = [("▁", "t"), ("▁t", "h"), ("h", "e"), ("▁th", "e")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def word_piece() -> Tokenizer:
    """BERT's kind."""
    words = ["[UNK]", "[SEP]", "the", "cat", "##s", "##cat", "sat", ",", "1", "##2", "a", "##a", "é"]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    tokenizer.add_special_tokens(["[UNK]", "[SEP]"])
    return tokenizer


def unigram() -> Tokenizer:
    """T5's kind."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=["<unk>", "</s>"], unk_token="<unk>")
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


def ranked() -> tiktoken.Encoding:
    """An encoding with halves of characters and gaps."""
    longer = [b"th", b"the", b" the", b'{"', b"\xc3\xa9", b"\xf0\x9f", b"\xf0\x9f\x98", b"at", b"12"]
    ranks = {token: i for i, token in enumerate([*[bytes([byte]) for byte in range(256)], *longer])}
    special = {"<|endoftext|>": 300, "<|call|>": 305}  # 265 to 299 are gaps
    return tiktoken.Encoding("tiny", pat_str=r"\s?\w+|[^\s\w]+|\s+", mergeable_ranks=ranks, special_tokens=special)


def sentence_piece(**options: Any) -> sentencepiece.SentencePieceProcessor:
    """A model trained on the texts as they are."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 5),
        model_writer=model,
        minloglevel=2,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        **options,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def wrapped() -> PreTrainedTokenizerFast:
    """A tokenizer of `transformers` with special and plain added tokens."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level_bpe(), eos_token="<eos>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|tool|>", "<|end of turn|>"]})
    tokenizer.add_tokens(["plain▁added"])
    return tokenizer


def _kinds() -> dict[str, Callable[[], Kind]]:
    def of(make: Callable[[], Tokenizer], end: str, spaced: str = "") -> Callable[[], Kind]:
        def kind() -> Kind:
            tokenizer = make()
            return Kind(tokenizer, _decode(tokenizer), end, spaced)

        return kind

    def tiktoken_kind() -> Kind:
        encoding = ranked()
        return Kind(encoding, encoding.decode)

    def wrapped_kind() -> Kind:
        tokenizer = wrapped()
        return Kind(tokenizer, _decode(tokenizer.backend_tokenizer))

    def sentence_piece_kind(**options: Any) -> Callable[[], Kind]:
        def kind() -> Kind:
            processor = sentence_piece(**options)
            return Kind(processor, lambda tokens: str(processor.decode(list(tokens))), None, " ")

        return kind

    kept = {"remove_extra_whitespaces": False}
    return {
        "byte-level BPE": of(byte_level_bpe, "<eos>"),
        "BPE with byte fallback": of(byte_fallback_bpe, "</s>", " "),
        "WordPiece": of(word_piece, "[SEP]", " "),
        "Unigram": of(unigram, "</s>", " "),
        "tiktoken": tiktoken_kind,
        "SentencePiece BPE": sentence_piece_kind(vocab_size=400, model_type="bpe", byte_fallback=True, **kept),
        "SentencePiece Unigram": sentence_piece_kind(
            vocab_size=400, model_type="unigram", byte_fallback=True, user_defined_symbols=["<|sep|>"], **kept
        ),
        "SentencePiece without a prefix": sentence_piece_kind(
            vocab_size=400, model_type="bpe", byte_fallback=True, add_dummy_prefix=False, **kept
        ),
        "SentencePiece without a prefix or extra spaces": sentence_piece_kind(
            vocab_size=400, model_type="bpe", byte_fallback=True, add_dummy_prefix=False
        ),
        "transformers": wrapped_kind,
    }


KINDS = _kinds()


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of tokenizer."""
    return KINDS[request.param]()


def _whole(text: bytes) -> str | None:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None


def test_sequences_decode_to_their_bytes(kind: Kind) -> None:
    """Random sequences of tokens, every token among them: the tokenizer's decoding is the concatenation."""
    index = kind.index()
    texts = [token for token, text in enumerate(index.tokens) if text]
    draw, compared, seen = random.Random(1), 0, set()
    firsts = [token for token in texts if kind.decode([token]) == _whole(index.decode([token]))]
    assert len(firsts) > len(texts) / 4  # single spaces and continuations of words are decoded otherwise at first
    for token in texts * 8:
        tokens = [draw.choice(firsts), token, *draw.choices(texts, k=draw.randint(0, 2))]
        joined = _whole(index.decode(tokens))
        if joined is None:  # replacement characters differ from one tokenizer to another
            continue
        assert kind.decode(tokens) == joined
        compared += 1
        seen.update(tokens)
    assert compared > len(texts)
    whole = {token for token in texts if _whole(index.tokens[token]) is not None}
    assert len(whole - seen) <= len(whole) / 20


def test_halves_of_characters(kind: Kind) -> None:
    """Single bytes put together make the characters that the tokenizer decodes them to."""
    index = kind.index()
    single = {text: token for token, text in enumerate(index.tokens) if len(text) == 1}
    if index.missing_bytes:
        assert set(index.missing_bytes) == {byte for byte in range(256) if bytes([byte]) not in single}
        return
    for character in "aé日😀":
        tokens = [single[b"a"], *(single[bytes([byte])] for byte in character.encode()), single[b"z"]]
        assert kind.decode(tokens) == index.decode(tokens).decode() == f"a{character}z"


def test_encodings_are_spelled(kind: Kind) -> None:
    """The tokens that a tokenizer makes of a text spell that text, but for a space that it puts before it."""
    index = kind.index()
    compared = 0
    texts = ["the cats sat, 12"] if index.missing_bytes else [*TEXTS, "é", " the", "a  b", "x", "😀the"]
    for text in texts:
        tokens = index.encode(text)
        assert tokens is not None
        if any(not index.tokens[token] for token in tokens):  # unknown
            assert index.missing_bytes
            continue
        spelled = b"".join(index.tokens[token] for token in tokens).decode()
        if kind.decode(tokens) == text:
            assert spelled in {text, kind.spaced + text}
            assert index.decode(tokens).decode() in {text, text.removeprefix(" ")}
            compared += 1
    assert compared or index.missing_bytes


def test_special_tokens_are_no_text(kind: Kind) -> None:
    """End tokens and other special tokens have no bytes, and masks allow ends just where a text may end."""
    index = kind.index(vocab_size=2000)
    assert index.vocab_size == len(index.tokens) == 2000
    assert all(not index.tokens[token] for token in index.special_tokens.values())
    assert all(token in index.special_tokens.values() for token in index.end_tokens)
    assert len(index.end_tokens) == 1
    matcher = compile_grammar(regex(r"( ?[a-z]{0,5}| ?[1-9]{1,3}é?)", flags="s"), index).matcher()
    for _ in range(3):
        text = b"".join(index.tokens[token] for token in matcher.tokens)
        mask = mask_of(matcher)
        assert set(index.end_tokens) & mask == (set(index.end_tokens) if matcher.is_accepting else set())
        assert not mask & (set(index.special_tokens.values()) - set(index.end_tokens))
        assert all(index.tokens[token] for token in mask - set(index.end_tokens))
        assert (
            all(matcher.fork().accept_text(index.tokens[token]) for token in mask - set(index.end_tokens)) or not text
        )
        longer = sorted(mask - set(index.end_tokens))
        if not longer:
            break
        assert matcher.accept_token(random.Random(len(text)).choice(longer))


def test_masks_of_a_text_follow_the_tokenizer(kind: Kind) -> None:
    """The tokens that a tokenizer makes of a text can be read where just this text is allowed, and then it ends."""
    index = kind.index()
    for text in ["the", "sat"] if index.missing_bytes else ["the", "12 é", "a\nb", "日本 😀"]:
        tokens = index.encode(text)
        assert tokens is not None
        if any(not index.tokens[token] for token in tokens):
            continue
        spelled = b"".join(index.tokens[token] for token in tokens)
        stripped = spelled.decode() if not index.strips_space else spelled.decode().removeprefix(" ")
        matcher = compile_grammar(regex(stripped.replace("\n", "\\n")), index).matcher()
        for token in tokens:
            assert token in mask_of(matcher), (text, token)
            assert matcher.accept_token(token)
        assert mask_of(matcher) == set(index.end_tokens)


# What is particular


def test_added_tokens() -> None:
    """Added tokens are written plainly, and are text unless they are special."""
    index = TokenizerIndex.from_tokenizer(wrapped(), cache=False)
    numbers = {text: token for token, text in enumerate(index.tokens) if text}
    assert {b"[[note]]", " été".encode(), "plain▁added".encode()} <= set(numbers)
    assert {"<eos>", "<call>", "<|tool|>", "<|end of turn|>"} <= set(index.special_tokens)
    assert index.end_tokens == (index.special_tokens["<eos>"],)


def test_word_piece_bytes() -> None:
    """Words come with the space before them, continuations without."""
    index = TokenizerIndex.from_tokenizer(word_piece(), end_tokens="[SEP]", cache=False)
    assert index.tokens[2:8] == (b" the", b" cat", b"s", b"cat", b" sat", b" ,")
    assert compile_grammar(regex("the cats"), index).accepts("the cats")


def test_gaps_and_the_end_of_tiktoken() -> None:
    """Ids without a token are never allowed."""
    index = TokenizerIndex.from_tokenizer(ranked(), cache=False)
    assert index.vocab_size == 306
    assert index.end_tokens == (300,)
    assert set(index.tokens[265:]) == {b""}
    mask = mask_of(compile_grammar(regex(r"(.|\n)*"), index).matcher())
    assert mask == {*range(265), 300} - {b for b in range(256) if 0x80 <= b < 0xC2 or b > 0xF4}


def test_lists_of_bytes() -> None:
    """Duplicates are all allowed, empty tokens never, an end token is no text whatever its bytes."""
    tokens = [b"a", b"", b"ab", b"a", b"b", b"</s>", b"ab"]
    index = TokenizerIndex.from_tokenizer(tokens, end_tokens=[5], vocab_size=10, cache=False)
    assert index.tokens == (b"a", b"", b"ab", b"a", b"b", b"", b"ab", b"", b"", b"")
    matcher = compile_grammar(regex("ab|<.*"), index).matcher()
    assert mask_of(matcher) == {0, 2, 3, 6}
    assert matcher.accept_token(3)
    assert mask_of(matcher) == {4}
    assert index.encode("ab") is None


def test_ends_may_lie_behind_the_tokens() -> None:
    """An end token beyond the list widens the vocabulary; several may end a text."""
    index = TokenizerIndex.from_tokenizer([b"a"], end_tokens=[4, 2], cache=False)
    assert (index.vocab_size, index.end_tokens) == (5, (2, 4))
    matcher = compile_grammar(regex("a?"), index).matcher()
    assert mask_of(matcher) == {0, 2, 4}
    assert matcher.accept_token(4)
    assert mask_of(matcher) == {2, 4}


def test_equal_vocabularies_with_different_encodings() -> None:
    """Tokenizers with the same tokens and other merges, or none, each keep their own encoding."""
    vocabulary = {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4}

    def bpe(merge: tuple[str, str]) -> Tokenizer:
        tokenizer = Tokenizer(models.BPE(vocabulary, [merge]))
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer

    plain = TokenizerIndex.from_tokenizer([b"a", b"b", b"c", b"ab", b"bc"], cache=False)
    first = TokenizerIndex.from_tokenizer(bpe(("a", "b")), cache=False)
    second = TokenizerIndex.from_tokenizer(bpe(("b", "c")), cache=False)
    assert plain.key == first.key == second.key
    assert plain.encode("abc") is None
    assert first.encode("abc") == [3, 2]
    assert second.encode("abc") == [0, 4]


@pytest.mark.parametrize(
    ("tokenizer", "options", "message"),
    [
        ("text", {}, "str"),
        (["a", "b"], {}, "bytes"),
        (object(), {}, "object"),
        ([b"a"], {"end_tokens": "<end>"}, "no special token '<end>'"),
        ([b"a"], {"end_tokens": -1}, "negative"),
        ([b"a", b"b"], {"vocab_size": 1}, "vocab_size"),
        (Tokenizer(models.BPE({"a": 0}, [])), {}, "decoder"),
    ],
)
def test_errors(tokenizer: Any, options: dict[str, Any], message: str) -> None:
    """What is no tokenizer, or cannot be what is said of it."""
    with pytest.raises(TokenizerError, match=message):
        TokenizerIndex.from_tokenizer(tokenizer, cache=False, **options)


def test_a_decoder_that_lies_is_found_out() -> None:
    """Bytes that differ from the tokenizer's own decoding are an error, not a wrong mask."""
    tokenizer = Tokenizer(models.BPE({"Ġa": 0, "b": 1, "▁c": 2}, []))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", "_"), decoders.Fuse()])
    with pytest.raises(TokenizerError, match="not understood"):
        TokenizerIndex.from_tokenizer(tokenizer, cache=False)
