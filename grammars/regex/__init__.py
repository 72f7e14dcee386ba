"""Regular expressions in the syntax of Python's `re` and of JavaScript."""

from constrain.grammars.regex.compiler import Dialect, regex_language, search_language
from constrain.grammars.regex.front_end import regex

__all__ = ["Dialect", "regex", "regex_language", "search_language"]
