"""What a constraint may cost."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one compiled constraint; reaching one raises ResourceLimitError.

    max_memory     bytes of automata; when they are reached in use, the constraint starts afresh if that helps
    max_work       automaton objects that one step (a mask, a token) may make; a million takes about 0.2 s
    max_grammar    nodes of the grammar's rules, as far as they are loaded
    max_states     states of the automaton over tokens that `CompiledConstraint.token_dfa` makes, and that a search for
                   a spelling may visit where the vocabulary lacks bytes (see `spelling`)
    """

    max_memory: int = 1 << 29
    max_work: int = 4_000_000
    max_grammar: int = 500_000
    max_states: int = 10_000
