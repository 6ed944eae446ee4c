"""The elements of a resource as FHIRPath sees them: with a type, a place, and children by name.

JSON splits a primitive with extensions in two (`birthDate` and `_birthDate`) and puts the type of a choice
into its name (`valueQuantity`); here there is one node `birthDate`, and one node `value` that knows its type.

Source: https://hl7.org/fhir/R4/fhirpath.html#rules, https://hl7.org/fhir/R4/json.html#primitive
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from typing import Any

from resources.definitions import structure, type_names
from resources.definitions.structures import Element, Structure


@dataclass(frozen=True, slots=True)
class Shape:
    """What the definitions say of an element: its type, and the structure and path that list its children.

    `type` is the name of a FHIR type; it is `BackboneElement` or `Element` for what is defined in place.
    """

    type: str
    structure: str
    path: str
    is_primitive: bool


@dataclass(eq=False, repr=False, slots=True)
class Node:
    """One element of a resource, or a resource.

    `value` is its JSON value, None for a primitive that has only an id or extensions; these are in `twin`,
    the object of the property with the underscore. `parent[key]`, or `parent[key][index]` in an array, is its
    place in the JSON; what was given to the evaluator has no parent.
    """

    value: Any
    shape: Shape
    twin: Mapping[str, Any] | None = None
    parent: "Node | None" = None
    key: str = ""
    index: int | None = None

    def __repr__(self) -> str:
        return f"<{self.type} {self.key}>"  # never a value: it may be a patient's

    @property
    def type(self) -> str:
        """The name of its FHIR type."""
        return self.shape.type

    @property
    def is_primitive(self) -> bool:
        """Whether it is of one of FHIR's primitive types."""
        return self.shape.is_primitive


Member = Mapping[str, Shape]
"""The JSON keys under which one element may stand: several for a choice, else one."""


def root_node(value: Mapping[str, Any], type_name: str | None = None) -> Node:
    """Return a node for a resource, or for an element of the given type (`Element` if that is unknown)."""
    return Node(value, _shape_of(type_name or value.get("resourceType")))


def _shape_of(type_name: Any) -> Shape:
    return (
        type_shape(type_name)
        if isinstance(type_name, str) and type_name in _types()
        else type_shape("Element")
    )


@cache
def type_shape(type_name: str) -> Shape:
    """Return the shape of a value of a named type."""
    return Shape(type_name, type_name, "", type_name in _primitive_types())


@cache
def _primitive_types() -> frozenset[str]:
    return frozenset(type_names("primitive-type"))


@cache
def resource_type_names() -> frozenset[str]:
    """Return the names of all resource types, the abstract ones too."""
    return frozenset(type_names("resource"))


@cache
def _types() -> frozenset[str]:
    return _primitive_types() | resource_type_names() | frozenset(type_names("complex-type"))


def children(node: Node, name: str) -> list[Node]:
    """Return the children of that name, in order; [] also if the definitions know no such child."""
    member = members(node.shape).get(name)
    return list(_children(node, member)) if member else []


def all_children(node: Node) -> Iterator[Node]:
    """Yield all children that are elements, in the order of the JSON object."""
    content = _content(node)
    shapes = _shapes(node.shape)
    for key in content:
        shape = shapes.get(key.removeprefix("_"))
        if shape is not None and not (key.startswith("_") and key[1:] in content):
            yield from _children(node, {key.removeprefix("_"): shape})


@cache
def _shapes(shape: Shape) -> Mapping[str, Shape]:
    return {key: child for member in members(shape).values() for key, child in member.items()}


def _content(node: Node) -> Mapping[str, Any]:
    content = node.twin if node.shape.is_primitive else node.value
    return content if isinstance(content, Mapping) else {}


def _children(node: Node, member: Member) -> Iterator[Node]:
    content = _content(node)
    for key, shape in member.items():
        value = content.get(key)
        twin = content.get(f"_{key}") if shape.is_primitive else None
        if isinstance(value, list) or isinstance(twin, list):
            yield from _items(node, key, shape, value, twin)
        elif value is not None or twin is not None:
            yield _child(node, key, shape, value, twin, None)


def _items(parent: Node, key: str, shape: Shape, value: Any, twin: Any) -> Iterator[Node]:
    values = value if isinstance(value, list) else []
    twins = twin if isinstance(twin, list) else []
    for index, (item, item_twin) in enumerate(zip_longest(values, twins)):
        if item is not None or item_twin is not None:
            yield _child(parent, key, shape, item, item_twin, index)


def _child(parent: Node, key: str, shape: Shape, value: Any, twin: Any, index: int | None) -> Node:
    if shape.type == "Resource":
        shape = _shape_of(value.get("resourceType")) if isinstance(value, Mapping) else type_shape("Element")
    return Node(value, shape, twin if isinstance(twin, Mapping) else None, parent, key, index)


@cache
def members(shape: Shape) -> Mapping[str, Member]:
    """Return the children that an element may have, by their FHIRPath names, in the definition's order."""
    definition = structure(shape.structure)
    prefix = f"{shape.path}." if shape.path else ""
    found: dict[str, Member] = {}
    for key, element in definition.elements.items():
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and name and "." not in name:
            found[name.removesuffix("[x]")] = _member(definition, element, name)
    return found


def _member(definition: Structure, element: Element, name: str) -> Member:
    content = definition.elements[element.content_reference] if element.content_reference else element
    return {_json_key(name, type_.code): _shape(definition, content, type_.code) for type_ in content.types}


def _json_key(name: str, type_name: str) -> str:
    if not name.endswith("[x]"):
        return name
    return name.removesuffix("[x]") + type_name[0].upper() + type_name[1:]


def _shape(definition: Structure, content: Element, type_name: str) -> Shape:
    if type_name in ("BackboneElement", "Element"):  # their children are listed where they are used
        return Shape(type_name, definition.name, content.path, is_primitive=False)
    return type_shape(type_name)


def resource_of(node: Node) -> Node:
    """Return the resource that a node is part of: itself, or the nearest one above it."""
    while node.parent is not None and node.type not in resource_type_names():
        node = node.parent
    return node
