"""The engine of one compiled constraint: a store with a grammar in it, over one index.

All state that grows lives here.  Every call into the store goes through one lock; what calls return are numbers
that stay valid for the life of the engine, so that callers keep them and need the engine only for what is new.
"""

import threading
from typing import Any

import numpy as np

from constrain.grammars import ir
from constrain.grammars.analysis import analyse
from constrain.grammars.automata._jit import Cells, code_table
from constrain.grammars.automata.arena import Arena
from constrain.grammars.automata.store import (
    COUNT,
    NEEDS_FOLLOWER,
    NEEDS_LENGTH,
    NEEDS_LEXER_ROW,
    NEEDS_ROW,
    NEEDS_RULE,
    NEEDS_SEVERAL,
)
from constrain.grammars.errors import ResourceLimitError, UnsatisfiableConstraintError
from constrain.grammars.lexemes import merge_terminals
from constrain.grammars.on_demand import checked
from constrain.tokenizer_index import captures, configurations, containers, lexer, masks, parser  # noqa: F401  (services)
from constrain.tokenizer_index.index import TokenizerIndex
from constrain.tokenizer_index.lexer_rows import load_lexer_row
from constrain.tokenizer_index.limits import Limits
from constrain.tokenizer_index.loading import Loader
from constrain.tokenizer_index.pooled_rows import content_key, make_row
from constrain.tokenizer_index.rows import set_pooled
from constrain.tokenizer_index.tables import (
    NEEDED_LEXER_ROW,
    NEEDED_NODE,
    NEEDED_PARAMETER,
    NEEDED_PART,
    NEEDED_ROOT,
    NEEDED_RULE,
    NEEDED_STATE,
    NEEDED_TEXT,
)
from constrain.tokenizer_index.view import LACKING
from constrain.tokenizer_index.walks import LACKING_SIZE, NOTED

__all__ = ["Engine"]


_CELLS = 1 << 20
_COMPLETION_BUDGET = 20_000  # configurations that the search for a shortest completion may visit


class Engine(Arena):
    """Configurations of a grammar and their masks."""

    def __init__(self, grammar: ir.Grammar, index: TokenizerIndex, limits: Limits) -> None:
        super().__init__(max_cells=limits.max_memory // 4, max_work=limits.max_work, cells=_CELLS)
        self.grammar, self.index = grammar, index
        self.pool = index.pool()
        self.view = index.view(self.pool)
        self.lock = threading.RLock()
        self._lacking = np.zeros(NOTED + 3 * LACKING_SIZE, np.int32)
        self.view[LACKING] = self._lacking.ctypes.data
        self._view_address = self.view.ctypes.data
        self._doubts = np.zeros(index.mask_words + 1, np.int32)
        self._doubts_address = self._doubts.ctypes.data
        grammar = merge_terminals(grammar)
        facts = analyse(grammar) if grammar.make_rule is None else None
        self._loader = Loader(self, checked(grammar), facts, index.nameable_tokens, limits.max_grammar)
        if facts is not None:
            self._loader.load_all()
        # As an int: kernels are compiled for integers, and numba looks for another one each time it meets a bool.
        self.first = int(self.run(masks.first_configuration, int(self._loader.may_be_empty)))
        if self.first == 0:
            raise UnsatisfiableConstraintError("no text can be read as the grammar's terminals ask for")

    def release(self) -> None:
        """Undo the references in circles; nothing may be asked any more."""
        del self._loader

    def resolve(self, status: int) -> None:
        """Load the rule, make the row, find out the follower or the lengths that the kernel lacked."""
        several = self._lacking[NOTED : NOTED + 3 * int(self._lacking[0])].reshape(-1, 3).tolist()
        self._lacking[0] = 0
        for needs, one, text in several:
            self._provide(needs, one, text)
        if status == NEEDS_RULE:
            self._provide(status, int(self.memory[NEEDED_RULE]), 0)
        elif status == NEEDS_ROW:
            self._pooled_row(*map(int, self.memory[[NEEDED_NODE, NEEDED_ROOT, NEEDED_PART]]))
        elif status == NEEDS_LEXER_ROW:
            load_lexer_row(self, self.view, int(self.memory[NEEDED_LEXER_ROW]))
        elif status == NEEDS_LENGTH:
            self._find_lengths(int(self.memory[NEEDED_STATE]), int(self.memory[NEEDED_PARAMETER]))
        elif status == NEEDS_FOLLOWER:
            self._provide(status, int(self.memory[NEEDED_STATE]), int(self.memory[NEEDED_TEXT]))
        elif status != NEEDS_SEVERAL:
            super().resolve(status)

    def _provide(self, status: int, one: int, text: int) -> None:
        """Load a rule, or what follows a text in a state, by their numbers."""
        if status == NEEDS_RULE:
            self._loader.load_beginning(one)
        else:
            self.run(captures.set_follower, one, text, self._loader.follower(one, text))

    def _pooled_row(self, node: int, root: int, part: int) -> None:
        key = content_key(self, node, root, part, int(self.memory[COUNT]))
        number = self.pool.number(key, lambda: make_row(self, self.view, node, root, part))
        if number < 0:  # whoever asked starts afresh, with another pool
            raise ResourceLimitError("the rows of the vocabulary need too much memory", limit="max_memory")
        self.run(set_pooled, node, root, part, number)

    def _find_lengths(self, state: int, parameter: int) -> None:
        """Find the least lengths of the rules that what is left from a parser's state depends on."""
        from constrain.tokenizer_index import least

        rules, count, unloaded = np.empty(64, np.int32), 0, [0]
        while unloaded:
            count = int(self.run(least.rules_needed, state, parameter, rules))
            if count < 0:
                rules = np.empty(4 * rules.size, np.int32)
                continue
            unloaded = [rule for rule in rules[:count].tolist() if not self._loader.is_loaded(rule)]
            for rule in unloaded:
                self._loader.load(rule)
        self.run(least.solve_rules, rules[:count])

    def _call(self, kernel: Any, *arguments: int) -> int:
        with self.lock:
            return int(self.run(kernel, *arguments))

    def mask(self, configuration: int, mask: Cells) -> int:
        """Write the mask, (words,) int32, of a configuration; see `masks.make_mask` for the result."""
        return self.mask_at(configuration, mask.ctypes.data)

    def mask_at(self, configuration: int, address: int) -> int:
        """`mask`, for a mask at an address."""
        with self.lock:
            while True:
                result: int = masks.make_mask(
                    self.address, self._view_address, configuration, address, self._doubts_address
                )
                if result >= 0:
                    return result
                self.recover()

    def plain_mask(self, configuration: int, root: int, mask: Cells) -> None:
        """Add the tokens below trie node `root` to a mask, by walking the trie."""
        with self.lock:
            address = self._view_address, configuration, root, mask.ctypes.data, self._doubts.ctypes.data
            self.run(masks.plain_mask, *address)

    def after_token(self, configuration: int, token: int) -> int:
        """Twice the configuration after a token, and 1 if the text may end there; 0 when it may not come next."""
        with self.lock:
            while True:
                result: int = masks.after_token(self.address, self._view_address, configuration, token)
                if result >= 0:
                    return result
                self.recover()

    def after_text(self, configuration: int, text: bytes) -> int:
        """The configuration after a text, 0 when no text of the language goes on so."""
        symbols = np.frombuffer(text, np.uint8).astype(np.int32)
        return self._call(masks.after_symbols, configuration, symbols.ctypes.data, len(text))

    def successors(self, configuration: int, root: int, after: Cells) -> None:
        """Write the configuration after each token below trie node `root`, read from that node on.

        `after` is (vocab_size,) int32; tokens that may not be read are left alone.
        """
        from constrain.tokenizer_index.successors import successors

        with self.lock:
            self.run(successors, self._view_address, configuration, root, after)

    def flags(self, configuration: int) -> int:
        """See `configurations.flags_of`."""
        return self._call(masks.configuration_flags, configuration)

    def forced_symbols(self, configuration: int, limit: int) -> list[int]:
        """The symbols that must come next, at most `limit`, until the text may end."""
        symbols = np.empty(limit, np.int32)
        count = self._call(masks.forced_symbols, configuration, symbols.ctypes.data, limit)
        return [int(symbol) for symbol in symbols[:count]]

    def completion(self, configuration: int) -> list[int] | None:
        """The symbols of a shortest way to the end of the language; None when there is none.  See `completion`."""
        from constrain.grammars.automata.shortest import SPECIAL
        from constrain.tokenizer_index import completion

        code_table()  # the module brings services with it
        with self.lock:
            length = int(self.run(completion.find_completion, configuration, _COMPLETION_BUDGET))
            if length < 0:
                return None
            symbols = np.empty(length // SPECIAL + length % SPECIAL, np.int32)
            count = int(self.run(completion.completion_symbols, configuration, symbols))
        return [int(symbol) for symbol in symbols[:count]]

    def may_extend(self, configuration: int, text: bytes) -> bool:
        """Whether some token begins with `text` and goes on as the configuration, which follows it, allows."""
        symbols = np.frombuffer(text, np.uint8).astype(np.int32)
        address = symbols.ctypes.data
        return bool(self._call(masks.may_extend, self._view_address, configuration, address, len(text)))
