"""JSON Schema as an algebra of sets of values, printed as a grammar."""

from constrain.grammars.json_schema.front_end import json_schema

__all__ = ["json_schema"]
