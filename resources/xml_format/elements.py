"""Which XML elements and attributes a kind of element may have, in which order, and what they are in JSON.

Everything follows from the definitions, type by type, when a type is first met. The order is that of the
definition, and all types of a choice (`valueQuantity`, `valueString`) share one place in it.

Source: https://hl7.org/fhir/R4/xml.html, https://hl7.org/fhir/R4/formats.html#choice
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import NamedTuple

from resources.definitions import resource_types, structure
from resources.validation.members import Member, members

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

MOST_LEVELS = 90
"""An element may have this many around it; the same bound holds for the levels of JSON."""


class Form(Enum):
    """How a value is written in XML."""

    ATTRIBUTE = auto()
    """An attribute of the element around it: `Element.id`, `Extension.url`."""
    PRIMITIVE = auto()
    """An element with the value in its attribute `value`, and possibly an id and extensions."""
    COMPLEX = auto()
    """An element with elements in it."""
    CONTAINER = auto()
    """An element with one resource in it, such as `contained`."""
    RESOURCE = auto()
    """The element of a resource, whose name is that of the type."""
    NARRATIVE = auto()
    """The `div` element of XHTML."""


class Content(NamedTuple):
    """What an element holds: that of the type `type_name`, or of a backbone element of it at `path`."""

    type_name: str
    path: str = ""


NOTHING = Content("")
"""The content of attributes and of narratives."""


@dataclass(frozen=True, slots=True)
class Child:
    """One element or attribute that another element may have.

    `name` is its name in XML and JSON alike, `step` the FHIRPath step to it (`.value.ofType(Quantity)`).
    `place` counts from 0 in the order of the definition. `primitive` is the name of the primitive type, ""
    for anything else. `attributes` are the names of the attributes that the element may have besides `value`.
    """

    name: str
    step: str
    place: int
    repeats: bool
    form: Form
    primitive: str
    content: Content
    attributes: frozenset[str]


@cache
def children(content: Content) -> Mapping[str, Child]:
    """Return what an element with this content may have, attributes too, by JSON property."""
    found = members(structure(content.type_name), content.path)
    names = {name: member for name, member in found.items() if not member.is_twin}
    places = {name: place for place, name in enumerate(dict.fromkeys(m.name for m in names.values()))}
    return {
        name: _child(name, member, places[member.name], content, f"_{name}" in found)
        for name, member in names.items()
    }


@cache
def elements(content: Content) -> Mapping[str, Child]:
    """Return the XML elements that an element with this content may have, by namespace and name.

    Namespace and name are separated by a space, as the parser gives them.
    """
    return _by_qualified_name(children(content).values())


@cache
def resource_elements() -> Mapping[str, Child]:
    """Return the elements of all resource types, of which a container has one, by namespace and name."""
    return _by_qualified_name(
        Child(name, "", 0, False, Form.RESOURCE, "", Content(name), frozenset()) for name in resource_types()
    )


@cache
def extensible_elements() -> Mapping[str, Child]:
    """Return the elements that a primitive may have in it: extensions."""
    return elements(Content("Element"))


def _by_qualified_name(found: Iterable[Child]) -> Mapping[str, Child]:
    return {
        f"{XHTML if child.form is Form.NARRATIVE else FHIR} {child.name}": child
        for child in found
        if child.form is not Form.ATTRIBUTE
    }


def _child(name: str, member: Member, place: int, parent: Content, has_twin: bool) -> Child:
    form = _form(member, has_twin)
    content = NOTHING if form in (Form.ATTRIBUTE, Form.NARRATIVE) else _content(member, parent)
    is_primitive = form in (Form.ATTRIBUTE, Form.PRIMITIVE)
    return Child(
        name=name,
        step=member.step,
        place=place,
        repeats=member.is_array,
        form=form,
        primitive=member.type.code if is_primitive and member.type else "",
        content=content,
        attributes=_attributes(form, content),
    )


def _form(member: Member, has_twin: bool) -> Form:
    if member.type is None:
        return Form.COMPLEX
    if member.type.code == "xhtml":
        return Form.NARRATIVE
    if member.type.code == "Resource":
        return Form.CONTAINER
    if not member.is_primitive:
        return Form.COMPLEX
    return Form.PRIMITIVE if has_twin else Form.ATTRIBUTE


def _content(member: Member, parent: Content) -> Content:
    if member.type is None:
        return Content(parent.type_name, member.element.content_reference or "")
    if member.type.code in ("BackboneElement", "Element"):
        return Content(parent.type_name, member.element.path)
    return Content("Element" if member.is_primitive else member.type.code)


def _attributes(form: Form, content: Content) -> frozenset[str]:
    if form in (Form.PRIMITIVE, Form.COMPLEX):
        return frozenset({"id", "url"} if content.type_name == "Extension" else {"id"})
    return frozenset()
