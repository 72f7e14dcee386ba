"""Constraints on models that fill masked positions in any order: exact inference on lattices, and decoding loops."""
