"""A matcher against a naive model: a list of steps, and a fresh reading of all of them whenever something is asked."""

import functools
import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from constrain.grammars import ir
from constrain.grammars.ebnf import ebnf
from constrain.grammars.json_schema import json_schema
from constrain.grammars.lark_syntax import lark
from constrain.grammars.regex import regex
from constrain.tokenizer_index.compiled import CompiledConstraint, allocate_token_bitmask, compile_grammar
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.matcher import Matcher
from tests.matching import index_of, mask_of
from tests.strategies import EFFORT, examples

_TEXTS = [b"ab", b"aa", b"((", b'{"', b'":', b'"}', b"a)", b"+ ", b" b", b"\xc3", b"\xa9", b"\xc3\xa9", b"12", b"b)"]
_INDEX = index_of([*[bytes([byte]) for byte in range(128)], *_TEXTS], 5)
_END = _INDEX.end_tokens[0]
_ITEM = {"type": "object", "properties": {"a": {"enum": [1, "é"]}}, "required": ["a"], "additionalProperties": False}

GRAMMARS: dict[str, ir.Grammar] = {
    "nested": ebnf('root ::= "(" root ")" | "a" "b"?'),
    "finite": regex("a(ab|b)?é?|12"),
    "endless": regex("[ab]*"),
    "everything": regex(r"(.|\n)*"),
    "longest match": lark('start: (NAME | NAME "+" start)\nNAME: /[ab]+/\n%ignore " "'),
    "objects": json_schema(_ITEM, whitespace=""),
}
CONSTRAINTS: dict[str, CompiledConstraint] = {}


def constraint(name: str) -> CompiledConstraint:
    """One constraint a grammar, so that examples meet states that others have made."""
    if name not in CONSTRAINTS:
        CONSTRAINTS[name] = compile_grammar(GRAMMARS[name], _INDEX)
    return CONSTRAINTS[name]


@functools.cache
def _reads(compiled: CompiledConstraint, text: bytes) -> bool:
    fresh = compiled.matcher()
    return all(fresh.accept_text(text[i : i + 1]) for i in range(len(text)))


class Model:
    """What has been read: tokens and texts, the end token included.  Everything else is found out afresh."""

    def __init__(self, compiled: CompiledConstraint, steps: Sequence[int | bytes] = ()) -> None:
        self.compiled, self.steps = compiled, list(steps)

    @property
    def ended(self) -> bool:
        return _END in self.steps

    def text(self) -> bytes:
        return b"".join(s if isinstance(s, bytes) else _INDEX.tokens[s] for s in self.steps)

    def reads(self, text: bytes) -> bool:
        """Byte by byte, from the beginning."""
        return _reads(self.compiled, self.text() + text)

    @property
    def accepting(self) -> bool:
        return self.ended or self.compiled.accepts(self.text())

    def allowed(self) -> set[int]:
        if self.ended:
            return {_END}
        texts = {token for token, text in enumerate(_INDEX.tokens) if text and self.reads(text)}
        return texts | ({_END} if self.accepting else set())


class MatcherMachine(RuleBasedStateMachine):
    """Random steps on a few matchers that are forks of each other, and on their models."""

    @initialize(name=st.sampled_from(sorted(GRAMMARS)))
    def begin(self, name: str) -> None:
        self.pairs = [(constraint(name).matcher(), Model(constraint(name)))]
        self.current = 0

    @property
    def matcher(self) -> Matcher:
        return self.pairs[self.current][0]

    @property
    def model(self) -> Model:
        return self.pairs[self.current][1]

    @rule(data=st.data())
    def accept_allowed(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(sorted(self.model.allowed())))
        assert self.matcher.accept_token(token)
        self.model.steps.append(token)

    @rule(token=st.integers(-2, _INDEX.vocab_size + 40))
    def accept_any(self, token: int) -> None:
        allowed = token in self.model.allowed()
        assert self.matcher.is_allowed(token) == allowed
        assert self.matcher.accept_token(token) == allowed
        if allowed:
            self.model.steps.append(token)

    @rule(text=st.lists(st.sampled_from(_TEXTS), max_size=2).map(b"".join))
    def accept_text(self, text: bytes) -> None:
        readable = self.model.reads(text) if not self.model.ended else not text
        assert self.matcher.accept_text(text) == readable
        if readable and not self.model.ended:
            self.model.steps.append(text)

    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, len(self.model.steps)))
        self.matcher.rollback(count)
        del self.model.steps[len(self.model.steps) - count :]

    @rule(count=st.integers(1, 5))
    def rollback_too_far(self, count: int) -> None:
        with pytest.raises(ValueError, match="take back"):
            self.matcher.rollback(len(self.model.steps) + count)
        with pytest.raises(ValueError, match="take back"):
            self.matcher.rollback(-count)

    @precondition(lambda self: len(self.pairs) < 3)
    @rule()
    def fork(self) -> None:
        self.pairs.append((self.matcher.fork(), Model(self.model.compiled, self.model.steps)))

    @rule(which=st.integers(0, 2))
    def change(self, which: int) -> None:
        self.current = which % len(self.pairs)

    @rule()
    def reset(self) -> None:
        self.matcher.reset()
        self.model.steps.clear()

    @rule(tokens=st.lists(st.integers(0, _INDEX.vocab_size - 1), max_size=4), good=st.integers(0, 3), data=st.data())
    def prefix_length(self, tokens: list[int], good: int, data: st.DataObject) -> None:
        model, drafted = Model(self.model.compiled, self.model.steps), []
        for _ in range(good):
            drafted.append(data.draw(st.sampled_from(sorted(model.allowed()))))
            model.steps.append(drafted[-1])
        expected = good
        for token in tokens:
            if token not in model.allowed():
                break
            model.steps.append(token)
            expected += 1
        assert self.matcher.valid_prefix_length([*drafted, *tokens]) == expected

    @rule()
    def mask(self) -> None:
        assert mask_of(self.matcher) == self.model.allowed() == set(self.matcher.allowed_tokens())

    @invariant()
    def facts(self) -> None:
        if not hasattr(self, "pairs"):
            return
        for matcher, model in self.pairs:
            assert matcher.is_accepting == model.accepting
            assert matcher.tokens == [step for step in model.steps if isinstance(step, int)]
        assert self.matcher.is_finished == (self.model.ended or self.model.allowed() == {_END})


TestMatcher = MatcherMachine.TestCase
TestMatcher.settings = examples(30)


def _random_walk(matcher: Matcher, draw: random.Random, steps: int) -> None:
    for _ in range(steps):
        allowed = matcher.allowed_tokens()
        matcher.accept_token(draw.choice(allowed))


@pytest.mark.parametrize("name", GRAMMARS)
def test_draft_trees(name: str) -> None:
    """Each row is the mask of a fork that has read the path to its node; the matcher is where it was."""
    draw = random.Random(name)
    for _ in range(15 * EFFORT):
        matcher = constraint(name).matcher()
        _random_walk(matcher, draw, draw.randint(0, 4))
        before, key = matcher.tokens, matcher.state_key
        parents, tokens, forks = [], [], []
        for node in range(draw.randint(1, 12)):
            parent = draw.randint(-1, node - 1)
            origin = matcher if parent < 0 else forks[parent]
            fork = None if origin is None else origin.fork()
            choices = (
                [draw.randrange(_INDEX.vocab_size)] if fork is None or draw.random() < 0.2 else fork.allowed_tokens()
            )
            token = draw.choice(choices)
            forks.append(fork if fork is not None and fork.accept_token(token) else None)
            parents.append(parent)
            tokens.append(token)
        bitmask = allocate_token_bitmask(len(tokens) + 1, _INDEX.vocab_size)
        matcher.fill_draft_tree_bitmask(parents, tokens, bitmask)
        assert (bitmask[-1] == -1).all(), "other rows are left alone"
        for row, fork in enumerate(forks):
            expected = allocate_token_bitmask(1, _INDEX.vocab_size)
            if fork is None:
                expected[0] = 0
            else:
                fork.fill_next_token_bitmask(expected)
            np.testing.assert_array_equal(bitmask[row], expected[0])
        assert (matcher.tokens, matcher.state_key) == (before, key)


def test_bitmasks() -> None:
    """NumPy and PyTorch, any row, also of a view; other types and shapes are refused."""
    matcher = constraint("finite").matcher()
    words = -(-_INDEX.vocab_size // 32)
    array = allocate_token_bitmask(3, _INDEX.vocab_size)
    assert (array.dtype, array.shape) == (np.int32, (3, words))
    assert matcher.fill_next_token_bitmask(array, 2)
    tensor = torch.full((3, words), -1, dtype=torch.int32)
    matcher.fill_next_token_bitmask(tensor, 1)
    wide = allocate_token_bitmask(4, _INDEX.vocab_size)
    matcher.fill_next_token_bitmask(wide[1::2], 1)
    for row in (tensor[1].numpy(), wide[3]):
        np.testing.assert_array_equal(row, array[2])
    assert (array[:2] == -1).all()
    assert (tensor[::2] == -1).all()
    assert (wide[:3] == -1).all()
    for wrong in (array.astype(np.int64), array[0], array.astype(np.uint32), tensor.long(), array[None]):
        with pytest.raises(ValueError, match="int32"):
            matcher.fill_next_token_bitmask(wrong)
    with pytest.raises(IndexError):
        matcher.fill_next_token_bitmask(array, 3)
    with pytest.raises(ValueError, match="broadcast"):
        matcher.fill_next_token_bitmask(allocate_token_bitmask(1, 32))
    with pytest.raises(ValueError, match="int32"):
        matcher.fill_draft_tree_bitmask([-1], [97], array[0])
    for parents in ([0], [-2], [1, -1]):
        with pytest.raises(ValueError, match="parent"):
            matcher.fill_draft_tree_bitmask(parents, [97] * len(parents), array)
    with pytest.raises(ValueError, match="zip"):
        matcher.fill_draft_tree_bitmask([-1], [97, 98], array)


def test_behind_the_end() -> None:
    """Nothing but the end may follow the end; it can be taken back."""
    matcher = constraint("finite").matcher()
    assert matcher.accept_text("a")
    assert matcher.accept_token(_END)
    assert matcher.accept_token(_END)
    assert matcher.is_finished
    assert matcher.is_accepting
    assert mask_of(matcher) == {_END}
    assert not matcher.accept_token(ord("b"))
    assert not matcher.accept_text("b")
    assert matcher.forced_tokens() == []
    assert matcher.shortest_completion() == b""
    assert matcher.valid_prefix_length([_END, _END, 97]) == 2
    matcher.rollback()
    assert mask_of(matcher) == {_END}
    matcher.rollback()
    assert ord("b") in mask_of(matcher)
    assert not matcher.accept_token(97 + 1000)


# Jump-ahead


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=alphabet, special_tokens=["<eos>"], show_progress=False
    )
    texts = ['{"name": "value", "names": [true, false]}', "the naïve answer is answered there", "na na name namely"]
    tokenizer.train_from_iterator(texts * 4, trainer)
    return tokenizer


FORCED = {
    "a word": (regex("answered( there| here)?!"), b""),
    "nothing": (regex("[ab]c"), b""),
    "an end": (regex("the(re)?"), b""),
    "behind free text": (regex('"[a-z]*": (true|trivial)'), b'"na"'),
    "halves of characters": (regex("na(ï|î)ve answer|na(ï|î)ve name"), b"na"),
    "JSON": (json_schema({"type": "object", "properties": {"name": {"const": "names"}}, "required": ["name"]}), b""),
    "a keyword": (lark('start: "name" ":" /na+/ ";"\n'), b""),
    "all of it": (regex('\\{"name": true\\}'), b""),
}


@pytest.mark.parametrize("name", FORCED)
def test_forced_tokens_are_canonical(name: str) -> None:
    """Whatever text follows, the tokenizer cuts it so that the forced tokens come first; and they are all allowed."""
    tokenizer = _tokenizer()
    index = TokenizerIndex.from_tokenizer(tokenizer, end_tokens="<eos>", cache=False)
    grammar, start = FORCED[name]
    compiled, draw = compile_grammar(grammar, index), random.Random(0)
    for _ in range(6):
        matcher = compiled.matcher()
        for token in tokenizer.encode(start.decode()).ids:
            assert matcher.accept_token(token)
        for _ in range(25):
            key, before = matcher.state_key, matcher.tokens
            forced, text = matcher.forced_tokens(), matcher.forced_text()
            assert (matcher.state_key, matcher.tokens) == (key, before)
            spelled = b"".join(index.tokens[token] for token in forced)
            assert text.startswith(spelled)
            assert not (forced and matcher.is_accepting)
            _check_canonical(tokenizer, compiled, matcher, forced, draw)
            for token in forced:
                assert matcher.is_allowed(token)
                assert matcher.accept_token(token)
            free = sorted(set(matcher.allowed_tokens()) - set(index.end_tokens))
            if matcher.is_finished or not free:
                break
            matcher.accept_token(draw.choice(free))


def _check_canonical(
    tokenizer: Tokenizer, compiled: CompiledConstraint, matcher: Matcher, forced: list[int], draw: random.Random
) -> None:
    """Finish the text at random, in bytes, and let the tokenizer cut it, when it cuts the beginning as it was read."""
    index = compiled.index
    read = b"".join(index.tokens[token] for token in matcher.tokens)
    if not forced or (read and tokenizer.encode(read.decode(errors="replace")).ids != matcher.tokens):
        return
    for _ in range(5):
        probe, text = compiled.matcher(), read
        assert probe.accept_text(read)
        while not probe.is_accepting or draw.random() < 0.7:
            following = [t for t in probe.allowed_tokens() if len(index.tokens[t]) == 1]
            if not following or len(text) > len(read) + 60:
                break
            token = draw.choice(following)
            probe.accept_token(token)
            text += index.tokens[token]
        text += probe.shortest_completion()
        cut = tokenizer.encode(text.decode()).ids
        if cut[: len(matcher.tokens)] == matcher.tokens:
            assert cut[len(matcher.tokens) :][: len(forced)] == forced, (text, forced)


def test_forced_tokens_say_something() -> None:
    """What is forced to its end is forced as a whole; a word that may go on is held back."""
    tokenizer = _tokenizer()
    index = TokenizerIndex.from_tokenizer(tokenizer, end_tokens="<eos>", cache=False)
    text = '{"name": true}'
    assert compile_grammar(regex(r'\{"name": true\}'), index).matcher().forced_tokens() == tokenizer.encode(text).ids
    matcher = compile_grammar(regex("the naïve name(ly)?!"), index).matcher()
    forced = matcher.forced_tokens()
    assert forced == tokenizer.encode("the naïve name!").ids[: len(forced)]
    assert 0 < len(forced) < len(tokenizer.encode("the naïve name!").ids) - 1
    plain = index_of([bytes([byte]) for byte in range(256)])
    assert compile_grammar(regex("abc"), plain).matcher().forced_tokens() == [], (
        "a list of bytes has no cutting of its own"
    )
    assert compile_grammar(regex("abc"), plain).matcher().forced_text() == b"abc"


def test_forced_special_tokens() -> None:
    """A special token that must come next is forced, by itself."""
    index = TokenizerIndex.from_tokenizer(_with_call(), end_tokens="<eos>", cache=False)
    matcher = compile_grammar(ebnf('root ::= <call> "name" <call>'), index).matcher()
    (call,) = matcher.forced_tokens()
    assert call == index.special_tokens["<call>"]
    assert matcher.accept_token(call)
    assert matcher.forced_text() == b"name"
    assert matcher.forced_tokens() == _with_call().encode("name").ids


def _with_call() -> Tokenizer:
    tokenizer = _tokenizer()
    tokenizer.add_special_tokens(["<call>"])
    return tokenizer


def test_kernels_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second constraint calls every kernel with the types that it was compiled for: numba need not look for them."""
    from numba.core.dispatcher import Dispatcher

    index = index_of([bytes([byte]) for byte in range(256)])

    def use() -> bool:
        matcher = compile_grammar(json_schema({"type": "object", "required": ["a"]}), index).matcher()
        matcher.fill_next_token_bitmask(allocate_token_bitmask(1, index.vocab_size))
        return matcher.accept_text(b'{"a":1}') and matcher.is_accepting

    assert use()

    def fail(self: Dispatcher, *arguments: object, **_: object) -> None:
        raise AssertionError(f"{self} with {arguments}")

    monkeypatch.setattr(Dispatcher, "_compile_for_args", fail)
    assert use()
