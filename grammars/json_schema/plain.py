"""Schemas that plainly have values: the ordinary ones, recognised without normalising them.

Every member of an object has to be known to have values before the object is printed.  For most members that can be
read off: a type, bounds on one side, members none of which is required.
"""

from typing import Any

__all__ = ["plainly_has_values"]

_FREE = frozenset(
    "type title description default examples deprecated readOnly writeOnly $comment properties patternProperties "
    "additionalProperties items maxItems maxProperties minimum definitions $defs".split()
)
_OF_STRINGS = frozenset(("minLength", "maxLength", "format"))  # each satisfiable, but not all together
_DEPTH = 4


def plainly_has_values(contents: Any, depth: int = _DEPTH) -> bool:
    """Whether a schema has values, as far as that can be read off; False where it takes thought."""
    if not isinstance(contents, dict):
        return contents is True
    if contents.get("type", "null") == [] or len(contents.keys() & _OF_STRINGS) > 1:
        return False
    if contents.keys() <= _FREE:
        return True
    if depth == 0:
        return False
    for keyword, value in contents.items():
        if keyword in _FREE or keyword in _OF_STRINGS:
            continue
        if keyword == "required":
            properties = contents.get("properties", {})
            if "maxProperties" in contents or "patternProperties" in contents:
                return False
            if not isinstance(value, list) or not isinstance(properties, dict):
                return False
            if not all(name in properties and plainly_has_values(properties[name], depth - 1) for name in value):
                return False
        elif keyword == "minItems":
            if "maxItems" in contents or not plainly_has_values(contents.get("items", True), depth - 1):
                return False
        elif keyword == "enum":
            if contents.keys() - {"type", "description", "title", "default", "enum"}:
                return False
            if contents.get("type", "string") != "string" or not any(isinstance(one, str) for one in value):
                return False
        else:
            return False
    return True
