"""The values of JSON Schema's `format`, as regular languages of decoded strings.

A language holds what the format's RFC allows and Python's `jsonschema` (with its format checkers for draft 2020-12)
accepts.  Where either is not regular, the language is the largest part that could be described simply; the modules
say which part.  No language holds a string that the checker or the official test suite calls invalid.
"""

import threading
from collections.abc import Callable, Mapping

from constrain.grammars.json_schema.formats import dates, idn, mail, names, network, patterns, templates, uris
from constrain.grammars.regular import Regular

__all__ = ["FORMATS", "format_language"]

_MAKERS: Mapping[str, Callable[[], Regular]] = {
    "date": dates.date,
    "date-time": dates.date_time,
    "duration": dates.duration,
    "email": mail.email,
    "hostname": network.hostname,
    "idn-email": mail.idn_email,
    "idn-hostname": idn.idn_hostname,
    "ipv4": network.ipv4,
    "ipv6": network.ipv6,
    "iri": uris.iri,
    "iri-reference": uris.iri_reference,
    "json-pointer": names.json_pointer,
    "regex": patterns.regex,
    "relative-json-pointer": names.relative_json_pointer,
    "time": dates.time,
    "uri": uris.uri,
    "uri-reference": uris.uri_reference,
    "uri-template": templates.uri_template,
    "uuid": names.uuid,
}

FORMATS = frozenset(_MAKERS)
"""The names of all formats that are known."""

_made: dict[str, Regular] = {}
_lock = threading.Lock()


def format_language(name: str) -> Regular | None:
    """The strings, in UTF-8, that `format` `name` describes; None for a format that is not known.

    The same object comes back for the same name: automata made from it are found again by its identity.
    """
    if name not in _MAKERS:
        return None
    with _lock:
        if name not in _made:
            _made[name] = _MAKERS[name]()
        return _made[name]
