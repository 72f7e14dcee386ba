"""JSON Schema as an algebra of sets of values, printed as a grammar."""

from constrain.grammars.json_schema.front_end import json_schema
from constrain.grammars.json_schema.support import SupportEntry, support_report

__all__ = ["SupportEntry", "json_schema", "support_report"]
