"""Types with `typing.TypedDict` in them, for Pydantic.

Before Python 3.12, Pydantic takes TypedDicts of `typing_extensions` only, since those of `typing` do not say in which
class a member was declared.  Nothing here depends on that, so they are copied; a class that refers to itself is copied
once.  TypedDicts in the fields of other classes stay as they are, and Pydantic says what to do.
"""

import functools
import operator
import sys
import types
import typing
from typing import Annotated, Any, get_args, get_origin

import typing_extensions

__all__ = ["with_known_typed_dicts"]

_new: Any = typing_extensions.TypedDict


def with_known_typed_dicts(wanted: Any) -> Any:
    """The type, with TypedDicts that Pydantic takes."""
    return wanted if sys.version_info >= (3, 12) else _copied(wanted, {})


def _copied(wanted: Any, copies: dict[Any, Any]) -> Any:
    if isinstance(wanted, type) and typing.is_typeddict(wanted) and type(wanted).__module__ == "typing":
        return _copied_class(wanted, copies)
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is None or origin is typing.Literal or not arguments:
        return wanted
    if origin is Annotated:
        return Annotated[(_copied(arguments[0], copies), *arguments[1:])]
    changed = tuple(_copied(argument, copies) for argument in arguments)
    if changed == arguments:
        return wanted
    if origin is types.UnionType:
        return functools.reduce(operator.or_, changed)
    if isinstance(wanted, types.GenericAlias):
        return types.GenericAlias(origin, changed)
    return wanted.copy_with(changed)


def _copied_class(wanted: Any, copies: dict[Any, Any]) -> Any:
    if wanted not in copies:
        copy: Any = _new(wanted.__name__, {})
        copies[wanted] = copy
        hints = typing_extensions.get_type_hints(wanted, include_extras=True)
        copy.__annotations__ = {name: _copied(hint, copies) for name, hint in hints.items()}
        copy.__required_keys__, copy.__optional_keys__ = wanted.__required_keys__, wanted.__optional_keys__
        copy.__total__, copy.__doc__, copy.__module__ = wanted.__total__, wanted.__doc__, wanted.__module__
        copy.__qualname__ = wanted.__qualname__
        if "__pydantic_config__" in vars(wanted):
            copy.__pydantic_config__ = wanted.__pydantic_config__
    return copies[wanted]
