"""The values of a FHIRPath Patch: elements as parameters write them, of the type that their place wants.

Source: https://hl7.org/fhir/R4/fhirpatch.html#anonymous
"""

from collections.abc import Mapping
from typing import Any

from resources.definitions import structure
from resources.fhirpath.nodes import Member, Shape, members
from resources.fhirpath.type_specifiers import is_a
from resources.operation_outcome import InvalidContent, UnprocessableContent, error
from resources.patch.places import Pair, copied, read, write

_PARAMETER = Shape("BackboneElement", "Parameters", "parameter", is_primitive=False)
_MOST_LEVELS = 50


def repeats(parent: Shape, name: str) -> bool:
    """Tell whether an element with these children may have several of that name."""
    elements = structure(parent.structure).elements
    path = f"{parent.path}.{name}" if parent.path else name
    element = elements.get(path) or elements[f"{path}[x]"]
    return element.maximum != 1


def member(parent: Shape, name: str) -> Member:
    """Return the keys and types that a child may have; UnprocessableContent if there is no such child."""
    found = members(parent).get(name)
    if found is None:
        raise UnprocessableContent(error("structure", f"A {parent.type} has no element of the name to add"))
    return found


def element_value(
    parent: Shape, name: str, parameter: Mapping[str, Any], levels: int = 0
) -> tuple[str, Pair]:
    """Return the JSON key and the value of a child `name`, from the parameter that holds it.

    Raises InvalidContent for a parameter that holds no value, UnprocessableContent for a value of another
    type than the child has, and for parts that its type does not have.
    """
    if levels > _MOST_LEVELS:
        raise InvalidContent(error("too-long", "The parts of a parameter are nested too deeply"))
    wanted = member(parent, name)
    if "part" in parameter:
        key, shape = next(iter(wanted.items()))
        if len(wanted) > 1 or shape.is_primitive:
            raise UnprocessableContent(error("structure", "Parts stand for a value that has no parts"))
        return key, (_object(shape, parameter["part"], levels), None)
    type_name, pair = _typed_value(parameter)
    for key, shape in wanted.items():
        if _fits(type_name, shape.type):
            return key, pair
    types = (
        " or ".join(sorted({shape.type for shape in wanted.values()})) if len(wanted) < 5 else "another type"
    )
    raise UnprocessableContent(
        error("value", f"The value must be of the type {types}, and is of {type_name}")
    )


def _fits(type_name: str, wanted: str) -> bool:
    # Parameters cannot hold XHTML: https://hl7.org/fhir/R4/datatypes.html#open
    return is_a(type_name, wanted) or (wanted == "xhtml" and type_name == "string")


def _typed_value(parameter: Mapping[str, Any]) -> tuple[str, Pair]:
    """Return the type and the value of a parameter that has exactly one value, or a resource."""
    found = [
        (shape.type, (copied(parameter.get(key)), copied(parameter.get(f"_{key}"))))
        for key, shape in members(_PARAMETER)["value"].items()
        if key in parameter or f"_{key}" in parameter
    ]
    resource = parameter.get("resource")
    if isinstance(resource, Mapping):
        found.append(("Resource", (copied(resource), None)))
    if len(found) != 1:
        raise InvalidContent(
            error("structure", "A parameter with a value needs one value, a resource or parts")
        )
    return found[0]


def _object(shape: Shape, parts: Any, levels: int) -> dict[str, Any]:
    """Return an element whose children are written as parameters."""
    found: dict[str, Any] = {}
    for part in parts if isinstance(parts, list) else [parts]:
        name = part.get("name") if isinstance(part, Mapping) else None
        if not isinstance(name, str):
            raise InvalidContent(error("structure", "A part needs a name"))
        key, pair = element_value(shape, name, part, levels + 1)
        may_repeat = repeats(shape, name)
        earlier = [found_pair for other in member(shape, name) for found_pair in read(found, other)]
        if earlier and not may_repeat:
            raise UnprocessableContent(error("structure", "A part that is no list is given twice"))
        write(found, key, [*earlier, pair], is_array=may_repeat)
    return found
