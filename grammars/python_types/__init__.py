"""Python types as grammars of their values in JSON, and texts of these as values of the type, through Pydantic."""

from constrain.grammars.python_types.front_end import python_type, schema_of, value_of

__all__ = ["python_type", "schema_of", "value_of"]
