"""How a front-end makes a grammar again: its name and what it was asked for, as JSON.

A grammar in which names are bound holds functions, which are no data.  Where a front-end says how it was made, it is
saved as that, together with a digest of the code that made it: other code might make another grammar of it.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from constrain.grammars import ir
from constrain.grammars.errors import CacheError, GrammarError

__all__ = ["follow", "written"]

# Functions that take what was asked for as an argument and options.
_FRONT_ENDS = {
    "json_schema": ("constrain.grammars.json_schema.front_end", "json_schema"),
    "library": ("constrain.grammars.library", "grammar_again"),
}


def written(recipe: ir.Recipe) -> dict[str, Any]:
    """A recipe as data.  Raises GrammarError for options that are none."""
    data = {"front_end": recipe.front_end, "asked_for": recipe.asked_for, "options": dict(recipe.options)}
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise GrammarError(f"the grammar cannot be saved: an option is no data ({error})") from error
    return {**data, "code": code_digest()}


def follow(data: Mapping[str, Any]) -> ir.Grammar:
    """The grammar of a recipe that was written.

    Raises CacheError when the code is another, what the front-end raises, and for data of another shape TypeError or
    LookupError.
    """
    if data["code"] != code_digest():
        raise CacheError("the grammar was saved by other code, which may have made another: save it again")
    module, function = _FRONT_ENDS[data["front_end"]]
    asked_for, options = data["asked_for"], data["options"]
    if type(asked_for) is not str or type(options) is not dict:
        raise TypeError("a recipe has a text and options")
    made: ir.Grammar = getattr(import_module(module), function)(asked_for, **options)
    return made


@cache
def code_digest() -> str:
    """A digest of all code and data that grammars are made by, in hexadecimal."""
    digest, folder = hashlib.blake2b(digest_size=16), Path(__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".lark", ".txt", ".json"):
            digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
