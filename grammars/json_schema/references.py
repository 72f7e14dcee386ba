"""Schemas by number, and what their references mean.

A schema is its contents together with the scope it is read in: its draft, its base URI, and, for `$dynamicRef`, the
resources that evaluation has come through.  The same contents in the same scope are the same number.

Most documents are one resource whose references are JSON Pointers into itself; those are followed directly.  Only
other documents are given to the `referencing` library, whose registry is made when the first reference needs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import referencing
import referencing.exceptions
import referencing.jsonschema

from constrain.grammars.errors import UnsupportedSchemaError
from constrain.grammars.json_schema.drafts import DRAFTS, LATEST, Draft, draft_of
from constrain.grammars.json_schema.vocabularies import dialect_of

__all__ = ["References", "Schema", "Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a schema's references and keywords are relative to.

    `base` is a URI; `entered` the base URIs of all resources on the way here, outermost first (the dynamic scope).
    """

    draft: Draft
    base: str
    entered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema in its scope.  `pointer` is where it was first found, for messages."""

    contents: Any
    scope: Scope
    pointer: str


def _token(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _joined(base: str, reference: str) -> str:
    """A URI reference made absolute; unlike `urljoin` also where the base is no hierarchical URI, as a URN is."""
    if not reference or reference.startswith("#"):
        return urldefrag(base).url + reference
    return urljoin(base, reference)


def _contains_id(contents: Any, keyword: str) -> bool:
    """Whether anything below the root looks like a schema with a base URI or an anchor of its own."""
    pending = list(contents.values() if isinstance(contents, dict) else contents)
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(node.get(keyword), str) or "$anchor" in node or "$dynamicAnchor" in node:
                return True
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return False


def _is_one_resource(document: Any, keyword: str, text: str) -> bool:
    """Whether nothing in a document changes what its references are relative to, or there are none.

    `text` is the document's text, if it has no escapes; it is searched faster than the document.
    """
    if not isinstance(document, dict):
        return True
    if text and "\\" not in text:
        own = 1 if keyword in document else 0
        if text.count(f'"{keyword}"') == own and '"$anchor"' not in text and '"$dynamicAnchor"' not in text:
            return True
        if text.count('"$schema"') > 1:  # a resource inside may be of another draft
            return not _contains_id(document, keyword)
        if '"$ref"' not in text and '"$dynamicRef"' not in text and '"$recursiveRef"' not in text:
            return True
    return not _contains_id(document, keyword)


class References:
    """The schemas of one document, and of those that it refers to.

    `default` is the draft of a document that does not name one.
    """

    def __init__(
        self,
        document: Any,
        default: Draft = LATEST,
        registry: "referencing.Registry[Any] | None" = None,
        *,
        text: str = "",
    ) -> None:
        self._document, self._given = document, registry
        draft = self._draft_of(document, default)
        self._schemas: list[Schema] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._scopes: dict[Scope, Scope] = {}  # equal ones are the same
        identifier = document.get(draft.id_keyword) if isinstance(document, dict) else None
        base = urldefrag(identifier).url if isinstance(identifier, str) else ""
        self._root_scope = self._within(draft, base, ())
        self._is_plain = _is_one_resource(document, draft.id_keyword, text)
        self.root = self._number(document, self._root_scope, "")

    def __len__(self) -> int:
        return len(self._schemas)

    def __getitem__(self, number: int) -> Schema:
        return self._schemas[number]

    def _number(self, contents: Any, scope: Scope, pointer: str) -> int:
        key = id(contents), id(scope)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._schemas)
            self._schemas.append(Schema(contents, scope, pointer))
        return number

    def child(self, parent: Schema, contents: Any, *path: object) -> int:
        """The number of a schema that stands below another one."""
        pointer = "".join([parent.pointer, *(f"/{_token(part)}" for part in path)])
        scope = parent.scope
        if not self._is_plain or scope.base != self._root_scope.base:
            scope = self._entered(contents, scope)
        return self._number(contents, scope, pointer)

    def _entered(self, contents: Any, scope: Scope) -> Scope:
        """The scope inside a schema, which may be a resource of its own."""
        draft = self._draft_of(contents, scope.draft)
        identifier = contents.get(draft.id_keyword) if isinstance(contents, dict) else None
        if not isinstance(identifier, str) or (draft.lone_ref and ("$ref" in contents or identifier.startswith("#"))):
            return scope
        return self._within(draft, urldefrag(_joined(scope.base, identifier)).url, scope.entered)

    def _within(self, draft: Draft, base: str, entered: tuple[str, ...]) -> Scope:
        scope = Scope(draft, base, entered if base in entered else (*entered, base))
        return self._scopes.setdefault(scope, scope)

    # References

    def referred(self, schema: Schema, reference: str) -> int:
        """The schema that `$ref` names.  Raises UnsupportedSchemaError when there is none."""
        is_pointer = reference == "#" or reference.startswith("#/")
        if is_pointer and self._is_plain and schema.scope is self._root_scope:
            contents = self._pointed(schema, reference)
            return self._number(contents, schema.scope, unquote(reference[1:]))
        return self._found(schema, "$ref", reference)[0]

    def _pointed(self, schema: Schema, reference: str) -> Any:
        pointer = unquote(reference[1:])
        node = self._document
        for token in pointer.split("/")[1:]:
            token = token.replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping) and token in node:
                node = node[token]
            elif isinstance(node, list) and token.isdecimal() and int(token) < len(node):
                node = node[int(token)]
            else:
                raise self._unresolved(schema, "$ref", reference)
        return node

    @staticmethod
    def _unresolved(schema: Schema, keyword: str, reference: object) -> UnsupportedSchemaError:
        return UnsupportedSchemaError(
            f"the reference {reference!r} leads nowhere", pointer=schema.pointer, keyword=keyword
        )

    @cached_property
    def _registry(self) -> referencing.Registry[Any]:
        # Reading all meta-schemas takes time that few documents need.
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

        specification = referencing.jsonschema.specification_with(self._root_scope.draft.uri)
        resource = referencing.Resource.from_contents(self._document, default_specification=specification)
        registry = REGISTRY if self._given is None else REGISTRY.combine(self._given)
        complete: referencing.Registry[Any] = registry.with_resource(self._root_scope.base, resource).crawl()
        return complete

    def _found(self, schema: Schema, keyword: str, reference: str) -> tuple[int, str, bool]:
        """The schema that a reference names, its fragment, and whether that is a dynamic anchor."""
        uri, fragment = urldefrag(_joined(schema.scope.base, reference))
        if uri == self._root_scope.base and fragment in self._anchors_by_id:
            contents, pointer = self._anchors_by_id[fragment]
            return self._number(contents, self._root_scope, pointer), fragment, False
        try:
            resolver = self._registry.resolver(uri)
            resolved = resolver.lookup(f"#{fragment}")
            dynamic = bool(fragment) and not fragment.startswith("/") and self._is_dynamic(uri, fragment)
        except (referencing.exceptions.Unresolvable, referencing.exceptions.NoSuchResource, ValueError):
            raise self._unresolved(schema, keyword, reference) from None
        base = resolved.resolver._base_uri
        draft = self._draft_at(base, schema.scope.draft)
        scope = self._within(draft, base, schema.scope.entered)
        return self._number(resolved.contents, scope, reference), fragment, dynamic

    def _draft_at(self, base: str, default: Draft) -> Draft:
        if base == self._root_scope.base:
            return self._root_scope.draft
        return self._draft_of(self._registry.contents(base), default)

    def _draft_of(self, contents: object, default: Draft) -> Draft:
        """The draft or dialect that a document names; the meta-schema of a dialect is looked for in the registry."""
        found = draft_of(contents, default)
        uri = contents.get("$schema") if isinstance(contents, Mapping) else None
        if self._given is None or not isinstance(uri, str) or uri.rstrip("#") in DRAFTS:
            return found
        try:
            meta_schema = self._given.contents(uri.rstrip("#"))
        except referencing.exceptions.NoSuchResource:
            return found
        return dialect_of(meta_schema, draft_of(meta_schema, default))

    @cached_property
    def _anchors_by_id(self) -> dict[str, tuple[Any, str]]:
        """Schemas of the document with `$id: "#name"` in drafts that forbid it, by the name, with their places.

        Until draft 7 that is an anchor; documents that name no draft often mean it so.
        """
        if self._root_scope.draft.lone_ref:
            return {}
        found: dict[str, tuple[Any, str]] = {}
        pending: list[tuple[Any, str]] = [(self._document, "")]
        while pending:
            node, pointer = pending.pop()
            items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
            if isinstance(node, dict):
                identifier = node.get("$id")
                if isinstance(identifier, str) and len(identifier) > 1 and identifier.startswith("#"):
                    found.setdefault(identifier[1:], (node, pointer))
            pending.extend((one, f"{pointer}/{_token(name)}") for name, one in items)
        return found

    def _is_dynamic(self, uri: str, anchor: str) -> bool:
        try:
            found = self._registry.anchor(uri, anchor).value
        except (referencing.exceptions.NoSuchAnchor, referencing.exceptions.NoSuchResource):
            return False
        return isinstance(found, referencing.jsonschema.DynamicAnchor)

    def dynamically_referred(self, schema: Schema, reference: str) -> int:
        """The schema that `$dynamicRef` names: the outermost resource with that dynamic anchor has it."""
        number, anchor, dynamic = self._found(schema, "$dynamicRef", reference)
        if not dynamic:
            return number
        for uri in schema.scope.entered:
            if self._is_dynamic(uri, anchor):
                return self._found(schema, "$dynamicRef", f"{uri}#{anchor}")[0]
        return number

    def recursively_referred(self, schema: Schema, reference: str) -> int:
        """The schema that `$recursiveRef` names: the outermost resource with `$recursiveAnchor`, if its own has it."""
        number = self._found(schema, "$recursiveRef", reference)[0]
        contents = self[number].contents
        if not isinstance(contents, dict) or contents.get("$recursiveAnchor") is not True:
            return number
        for uri in schema.scope.entered:
            outer = self._registry.contents(uri)
            if isinstance(outer, dict) and outer.get("$recursiveAnchor") is True:
                return self._found(schema, "$recursiveRef", uri)[0]
        return number
