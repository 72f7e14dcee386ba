"""Whether the templates of a Lark grammar come to an end.

A template is applied by copying its rule for the arguments; a copy may apply further templates, to arguments that the
first ones are part of.  A template that applies itself to ever larger arguments, ``t{x}: t{t{x}} | x``, has copies
without end, and Lark would make them until memory is full.  Which copies there are is found out here beforehand, on
terms alone: equal terms are one object, so a copy costs what its rule has usages, however deep its arguments are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TemplateError", "check_templates"]

_MAX_COPIES = 10_000  # Lark needs seconds for as many; a grammar that people write has some dozens

_Term = int
"""A number for each argument and each copy: equal ones have the same."""


class TemplateError(Exception):
    """A template cannot be applied as the grammar asks for; `template` is its name, `reason` says why."""

    def __init__(self, template: str, reason: str) -> None:
        self.template, self.reason = template, reason
        super().__init__(f"template {template!r} {reason}")


@dataclass(frozen=True, slots=True)
class _Template:
    parameters: tuple[str, ...]
    body: Any


class _Copies:
    """The copies that a grammar asks for, found breadth first."""

    def __init__(self, templates: Mapping[str, _Template]) -> None:
        self._templates = templates
        self._numbers: dict[tuple[object, ...], _Term] = {}
        self._names: list[str] = []  # by term: the rule that it names, "" for others
        self.pending: list[tuple[str, tuple[_Term, ...]]] = []

    def _number(self, key: tuple[object, ...], name: str = "") -> _Term:
        number = self._numbers.setdefault(key, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def read(self, body: Any, bound: Mapping[str, _Term]) -> None:
        """Note the copies that a right-hand side asks for, given the arguments of its parameters."""
        for usage in _outermost(body):
            self._term(usage, bound)

    def _term(self, usage: Any, bound: Mapping[str, _Term]) -> _Term:
        """The term of a usage, whose copies are noted; nesting is that of the source, which Lark has bounded."""
        name = written = str(usage.children[0].name)
        if name in bound:
            name = self._names[bound[name]]
        if name not in self._templates:
            raise TemplateError(written, "is not defined" if name == written else "stands for what is no template")
        if len(usage.children) - 1 != len(self._templates[name].parameters):
            raise TemplateError(name, f"is applied to {len(usage.children) - 1} arguments")
        arguments = tuple(self._argument(argument, bound) for argument in usage.children[1:])
        known = len(self._names)
        number = self._number((name, *arguments))
        if number == known:
            self.pending.append((name, arguments))
        return number

    def _argument(self, argument: Any, bound: Mapping[str, _Term]) -> _Term:
        (child,) = argument.children
        if getattr(child, "data", None) == "template_usage":
            return self._term(child, bound)
        name = str(getattr(child, "name", ""))
        return bound[name] if name in bound else self._number((str(child),), name)


def _outermost(tree: Any) -> Iterator[Any]:
    """The usages of a tree that are not arguments of another one."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if getattr(node, "data", None) == "template_usage":
            yield node
        else:
            pending.extend(getattr(node, "children", ()))


def check_templates(definitions: Sequence[tuple[Any, Sequence[str], Any, Any]]) -> None:
    """Raise TemplateError when templates have too many copies, or are applied to what they do not take.

    `definitions` are the rules that Lark has read: name, parameters, right-hand side, options.
    """
    templates = {
        str(name): _Template(tuple(map(str, parameters)), body)
        for name, parameters, body, _ in definitions
        if parameters
    }
    copies = _Copies(templates)
    for _, parameters, body, _ in definitions:
        if templates and not parameters:
            copies.read(body, {})
    for made, (name, arguments) in enumerate(copies.pending):
        if made == _MAX_COPIES:
            raise TemplateError(name, f"is applied to more than {_MAX_COPIES:,} different arguments")
        template = templates[name]
        copies.read(template.body, dict(zip(template.parameters, arguments, strict=True)))
