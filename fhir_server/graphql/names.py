"""What the types of the schema are called, and which part of the definitions each of them is.

A resource type or data type keeps its name; an element that is defined in place has the names on its way put
together, as in `PatientContact`. https://hl7.org/fhir/R4/graphql.html#conformance
"""

from collections.abc import Iterator
from functools import cache

from resources.definitions import resource_types, structure, type_names
from resources.fhirpath.nodes import Shape, type_shape

ELEMENT_BASE = "ElementBase"
"""What `_birthDate` and the like are of: an id and extensions."""

RESOURCE = "Resource"
"""The interface of all resource types."""

_IN_PLACE = frozenset({"BackboneElement", "Element"})


def type_name(shape: Shape) -> str:
    """Return the name of the schema's type for the elements of this shape."""
    if shape.path:
        return shape.structure + "".join(part[0].upper() + part[1:] for part in shape.path.split("."))
    return ELEMENT_BASE if shape.type == "Element" else shape.type


def shape_named(name: str) -> Shape | None:
    """Return what type of elements or resources the schema calls `name`; None if there is no such type."""
    if name == ELEMENT_BASE:
        return type_shape("Element")
    if name in named_types():
        return type_shape(name)
    # Only a structure that the name begins with can have such a part.
    candidates = (known for known in named_types() if name.startswith(known))
    return next((parts[name] for known in candidates if name in (parts := _parts(known))), None)


def all_shapes() -> Iterator[Shape]:
    """Yield the shape of each type of elements or resources that there is."""
    yield type_shape("Element")
    for name in named_types():
        yield type_shape(name)
        yield from _parts(name).values()


@cache
def named_types() -> frozenset[str]:
    """Return the names of the resource types and data types that can have instances."""
    concrete = {name for name in type_names("complex-type") if not structure(name).abstract}
    return frozenset(concrete - _IN_PLACE | set(resource_types()))


@cache
def _parts(name: str) -> dict[str, Shape]:
    """Return the elements that are defined in place in a structure, by the names of their types."""
    shapes = (
        Shape(element.types[0].code, name, path, is_primitive=False)
        for path, element in structure(name).elements.items()
        if path and element.types and element.types[0].code in _IN_PLACE
    )
    return {type_name(shape): shape for shape in shapes}
