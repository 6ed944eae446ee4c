"""Elements of a resource as places to read and write: each value together with its ids and extensions.

JSON keeps a primitive and its extensions in two properties, and lists of them in two arrays of the same
length. Here they are pairs of a value and a twin. No empty array or object is left behind.

Source: https://hl7.org/fhir/R4/json.html#primitive
"""

from itertools import zip_longest
from typing import Any

from resources.fhirpath import Node

Pair = tuple[Any, Any]
"""The JSON value of an element, and the object of its property with the underscore; None for none."""


def copied(value: Any) -> Any:
    """Return a copy of a JSON value, all objects and arrays in it new."""
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def read(container: dict[str, Any], key: str) -> list[Pair]:
    """Return the elements under a key of an object: one or none, or all of an array."""
    value, twin = container.get(key), container.get(f"_{key}")
    if isinstance(value, list) or isinstance(twin, list):
        return list(zip_longest(value or [], twin or []))
    return [] if value is None and twin is None else [(value, twin)]


def write(container: dict[str, Any], key: str, pairs: list[Pair], *, is_array: bool) -> None:
    """Let these be the elements under a key, in an array or not; both properties go if there are none."""
    for name, items in ((key, [value for value, _ in pairs]), (f"_{key}", [twin for _, twin in pairs])):
        if all(item is None for item in items):
            container.pop(name, None)
        else:
            container[name] = items if is_array else items[0]


def container_of(node: Node) -> dict[str, Any]:
    """Return the JSON object in which the children of an element stand; a primitive gets one if need be."""
    if not node.is_primitive:
        content: dict[str, Any] = node.value
        return content
    if not isinstance(node.twin, dict):
        node.twin = {}
        replace(node, node.key, (node.value, node.twin))
    return node.twin


def siblings(node: Node) -> list[Pair]:
    """Return all elements in the list of an element, itself included."""
    return read(around(node), node.key)


def rearrange(node: Node, pairs: list[Pair]) -> None:
    """Let these be the elements of the list that an element is in."""
    write(around(node), node.key, pairs, is_array=True)


def replace(node: Node, key: str, pair: Pair) -> None:
    """Let another element stand in an element's place, under another key if it is of another type."""
    pairs = siblings(node)
    pairs[node.index or 0] = pair
    if key != node.key:
        write(around(node), node.key, [], is_array=False)
    write(around(node), key, pairs, is_array=node.index is not None)


def remove(node: Node) -> None:
    """Remove an element, and those around it that are empty then."""
    pairs = siblings(node)
    del pairs[node.index or 0]
    container = around(node)
    write(container, node.key, pairs, is_array=node.index is not None)
    parent = node.parent
    if container or parent is None or parent.parent is None:
        return
    if parent.is_primitive and parent.value is not None:
        replace(parent, parent.key, (parent.value, None))
    else:
        remove(parent)


def around(node: Node) -> dict[str, Any]:
    """Return the JSON object that an element stands in; a resource that is in nothing has none."""
    if node.parent is None:
        raise ValueError("a resource stands in no element")
    return container_of(node.parent)
