"""The values of JSON Schema's `format`, as regular languages of decoded strings.

The language of a format holds what its RFC allows and Python's `jsonschema` (with its checkers for draft 2020-12)
accepts.  Where either is not regular, it is the largest part of that which could be described simply; the modules say
which.  No language holds a string that the checker or the official test suite calls invalid.

So a language may be too narrow, which is right where a format is asked for.  Where it is denied, a language that may
be too wide is needed: `format_superset`.
"""

import threading
from collections.abc import Callable, Mapping

from constrain.grammars.json_schema.formats import supersets
from constrain.grammars.json_schema.formats.dates import date, date_time, duration, time
from constrain.grammars.json_schema.formats.idn import idn_hostname
from constrain.grammars.json_schema.formats.mail import email, idn_email
from constrain.grammars.json_schema.formats.names import json_pointer, relative_json_pointer, uuid
from constrain.grammars.json_schema.formats.network import hostname, ipv4, ipv6
from constrain.grammars.json_schema.formats.patterns import regex
from constrain.grammars.json_schema.formats.templates import uri_template
from constrain.grammars.json_schema.formats.uris import iri, iri_reference, uri, uri_reference
from constrain.grammars.regular import Regular

__all__ = ["FORMATS", "format_language", "format_superset"]

_MAKERS: Mapping[str, Callable[[], Regular]] = {
    "date": date,
    "date-time": date_time,
    "duration": duration,
    "email": email,
    "hostname": hostname,
    "idn-email": idn_email,
    "idn-hostname": idn_hostname,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "iri": iri,
    "iri-reference": iri_reference,
    "json-pointer": json_pointer,
    "regex": regex,
    "relative-json-pointer": relative_json_pointer,
    "time": time,
    "uri": uri,
    "uri-reference": uri_reference,
    "uri-template": uri_template,
    "uuid": uuid,
}

FORMATS = frozenset(_MAKERS)
"""The names of all formats that are known."""

# Of the other formats the language itself is what everyone accepts.
_SUPERSETS: Mapping[str, Callable[[], Regular]] = {
    "date": supersets.any_date,
    "date-time": supersets.any_date_time,
    "duration": supersets.any_duration,
    "email": supersets.any_email,
    "hostname": supersets.any_hostname,
    "idn-email": supersets.any_email,
    "idn-hostname": supersets.any_hostname,
    "ipv4": supersets.any_ipv4,
    "iri": supersets.any_uri,
    "iri-reference": supersets.any_uri_reference,
    "regex": supersets.any_regex,
    "relative-json-pointer": supersets.any_relative_json_pointer,
    "time": supersets.any_time,
    "uri": supersets.any_uri,
    "uri-reference": supersets.any_uri_reference,
    "uri-template": supersets.any_uri_template,
    "uuid": supersets.any_uuid,
}


class _Made:
    """Languages by name, each made once."""

    def __init__(self, makers: Mapping[str, Callable[[], Regular]]) -> None:
        self._makers = makers
        self._languages: dict[str, Regular] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Regular | None:
        """The language of a name, None when there is none."""
        if name not in self._makers:
            return None
        with self._lock:
            if name not in self._languages:
                self._languages[name] = self._makers[name]()
            return self._languages[name]


_languages = _Made(_MAKERS)
_supersets = _Made(_SUPERSETS)


def format_language(name: str) -> Regular | None:
    """Strings, in UTF-8, that are certainly of `format` `name`; None for a format that is not known.

    The same object comes back for the same name: automata made from it are found again by its identity.
    """
    return _languages.get(name)


def format_superset(name: str) -> Regular | None:
    """A language with all strings that might be of `format` `name`; None for a format that is not known.

    Strings outside of it are certainly not of the format.  It contains `format_language`, and is the same object for
    formats that are described exactly.
    """
    return _supersets.get(name) or _languages.get(name)
