"""Automata algebra on bytes: regular expressions, lazily determinised, with and/or/not and counters."""
