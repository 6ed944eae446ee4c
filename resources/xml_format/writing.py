"""Writes the dict of a resource as FHIR XML.

Source: https://hl7.org/fhir/R4/xml.html
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import zip_longest
from operator import attrgetter
from typing import Any, NamedTuple

from resources.definitions import structure
from resources.operation_outcome import InvalidContent, error
from resources.xml_format.elements import FHIR, MOST_LEVELS, Child, Content, Form, children, resource_elements
from resources.xml_format.narrative import is_div
from resources.xml_format.primitives import attribute_value

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_COMPACT = ("",) * (MOST_LEVELS + 1)
_PRETTY = tuple("\n" + "  " * level for level in range(MOST_LEVELS + 1))

# Resources that come from the same hand have the same few sets of properties.
_MOST_PLANS = 4096

# Looked up for each element.
_PRIMITIVE, _COMPLEX, _CONTAINER = Form.PRIMITIVE, Form.COMPLEX, Form.CONTAINER


def dumps(resource: dict[str, Any], *, pretty: bool = False) -> bytes:
    """Write a valid resource as UTF-8 XML, its elements in the order of their definitions.

    Raises InvalidContent for what cannot be written as it is not valid, such as an unknown property, a string
    where a number must be, or too many levels; NotAcceptable for a character that XML does not have.
    """
    writer = _Writer(_PRETTY if pretty else _COMPACT)
    writer.resource(resource, 0, declaration=f' xmlns="{FHIR}"')
    return "".join([_DECLARATION, *writer.parts, "\n" if pretty else ""]).encode()


class _Step(NamedTuple):
    """One element of an object: the properties with its value, and with the ids and extensions of that."""

    child: Child
    value: str
    twin: str


class _Plan(NamedTuple):
    """How to write objects that have the same properties: the attributes, and the elements in their order."""

    attributes: tuple[Child, ...]
    steps: tuple[_Step, ...]


@lru_cache(_MOST_PLANS)
def _plan(content: Content, properties: tuple[str, ...]) -> _Plan:
    """Return the plan for objects with this content and these properties; InvalidContent if there is none."""
    known = children(content)
    found: dict[str, Child] = {}
    for name in properties:
        child = known.get(name) or _child_of_twin(known, name)
        if child is not None:
            found[child.name] = child
        elif name != "resourceType" or content.path or structure(content.type_name).kind != "resource":
            raise _unwritable(f"a property of {_described(content)} is not known")
    ordered = sorted(found.values(), key=attrgetter("place"))
    if len({child.place for child in ordered}) < len(ordered):
        raise _unwritable(f"an element of {_described(content)} has values of two types")
    return _Plan(
        tuple(child for child in ordered if child.form is Form.ATTRIBUTE),
        tuple(
            _Step(child, child.name, f"_{child.name}" if f"_{child.name}" in properties else "")
            for child in ordered
            if child.form is not Form.ATTRIBUTE
        ),
    )


class _Writer:
    """Collects the `parts` of one document; `pads` are what stands before a tag, by its level."""

    def __init__(self, pads: tuple[str, ...]) -> None:
        self.parts: list[str] = []
        self._pads = pads

    def resource(self, value: Any, level: int, declaration: str = "") -> None:
        """Write a resource; `declaration` is that of the namespace."""
        name = value.get("resourceType") if isinstance(value, dict) else None
        if f"{FHIR} {name}" not in resource_elements():
            raise _unwritable("there is no resource type of FHIR R4 where a resource must be")
        self._element(str(name), value, Content(str(name)), level, declaration)

    def _element(self, name: str, value: Any, content: Content, level: int, attributes: str = "") -> None:
        if type(value) is not dict:
            raise _unwritable(f"a value in {_described(content)} is not an object")
        if level >= MOST_LEVELS:
            raise InvalidContent(error("too-long", f"There may be at most {MOST_LEVELS} levels"))
        plan = _plan(content, tuple(value))
        for child in plan.attributes:
            attributes += f' {child.name}="{_text(child, value[child.name])}"'
        pad = self._pads[level]
        if not plan.steps:
            self.parts.append(f"{pad}<{name}{attributes}/>")
            return
        self.parts.append(f"{pad}<{name}{attributes}>")
        for step in plan.steps:
            self._child(step, value, level + 1)
        self.parts.append(f"{pad}</{name}>")

    def _child(self, step: _Step, parent: dict[str, Any], level: int) -> None:
        child = step.child
        if child.form is _PRIMITIVE:
            twin = parent[step.twin] if step.twin else None
            value = parent.get(step.value)
            if not child.repeats:
                self._primitive(child, value, twin, level)
                return
            for item, item_twin in zip_longest(_items(child, value), _items(child, twin)):
                self._primitive(child, item, item_twin, level)
        elif child.repeats:
            for item in _items(child, parent[step.value]):
                self._other(child, item, level)
        else:
            self._other(child, parent[step.value], level)

    def _primitive(self, child: Child, value: Any, twin: Any, level: int) -> None:
        if twin is None:
            self.parts.append(f'{self._pads[level]}<{child.name} value="{_text(child, value)}"/>')
        else:
            attributes = "" if value is None else f' value="{_text(child, value)}"'
            self._element(child.name, twin, child.content, level, attributes)

    def _other(self, child: Child, value: Any, level: int) -> None:
        if child.form is _COMPLEX:
            self._element(child.name, value, child.content, level)
        elif child.form is _CONTAINER:
            pad = self._pads[level]
            self.parts.append(f"{pad}<{child.name}>")
            self.resource(value, level + 1)
            self.parts.append(f"{pad}</{child.name}>")
        else:
            self._narrative(value, level)

    def _narrative(self, value: Any, level: int) -> None:
        div = value.strip() if isinstance(value, str) else ""
        if not is_div(div):
            raise _unwritable("a narrative is not a well-formed div of XHTML")
        self.parts.append(self._pads[level] + div)


def _child_of_twin(known: Mapping[str, Child], name: str) -> Child | None:
    child = known.get(name[1:]) if name.startswith("_") else None
    return child if child is not None and child.form is Form.PRIMITIVE else None


def _items(child: Child, value: Any) -> list[Any]:
    if value is None:
        return []
    if type(value) is not list:
        raise _unwritable(f"the element '{child.name}' may repeat, but is not an array")
    return value


def _text(child: Child, value: Any) -> str:
    try:
        return attribute_value(child.primitive, value)
    except ValueError as failure:
        raise _unwritable(f"the value of an element '{child.name}' must be {failure}") from None


def _described(content: Content) -> str:
    return f"{content.type_name}.{content.path}" if content.path else content.type_name


def _unwritable(reason: str) -> InvalidContent:
    return InvalidContent(error("structure", f"This cannot be written as XML: {reason}"))
