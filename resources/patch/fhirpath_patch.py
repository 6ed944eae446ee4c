"""FHIRPath Patch: a Parameters resource of operations on elements that FHIRPath expressions select.

Source: https://hl7.org/fhir/R4/fhirpatch.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from resources.fhirpath import Node, evaluate_items
from resources.fhirpath.nodes import members
from resources.fhirpath.work import Work
from resources.operation_outcome import ContentTooLarge, InvalidContent, UnprocessableContent, error
from resources.patch import places
from resources.patch.values import element_value, member, repeats

MOST_OPERATIONS = 1000


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation; what its type does not need is "", None or 0."""

    type: str
    path: str
    name: str = ""
    value: Mapping[str, Any] | None = None
    index: int = 0
    source: int = 0
    destination: int = 0


@dataclass(frozen=True, slots=True)
class _Target:
    """The copy of the resource that the operations change, and the work that all their paths may make."""

    resource: dict[str, Any]
    work: Work = field(default_factory=Work)


def apply(resource: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Return the patched resource; `patch` is the JSON of a Parameters resource. `resource` stays as it was.

    The operations are applied in their order, all of them or none. Whether the result is a valid resource is
    for its validation to say. An element that a deletion leaves empty is deleted too.

    Raises InvalidContent for what is no FHIRPath Patch, UnprocessableContent for one that does not apply,
    both with the operation as a FHIRPath, and TooCostly for expressions that ask for very much work.
    """
    target = _Target(places.copied(resource))
    for number, parameter in enumerate(_parameters(patch)):
        try:
            operation = _operation(parameter)
            _APPLY[operation.type](target, operation)
        except (InvalidContent, UnprocessableContent) as failure:
            place = f"Parameters.parameter[{number}]"
            kind = InvalidContent if isinstance(failure, InvalidContent) else UnprocessableContent
            raise kind(*(replace(issue, expression=(place,)) for issue in failure.issues)) from None
    return target.resource


def _parameters(patch: Any) -> list[Any]:
    if not isinstance(patch, Mapping) or patch.get("resourceType") != "Parameters":
        raise InvalidContent(error("structure", "A FHIRPath Patch is a Parameters resource"))
    parameters = patch.get("parameter", [])
    if not isinstance(parameters, list):
        raise InvalidContent(error("structure", "'parameter' must be an array"))
    if len(parameters) > MOST_OPERATIONS:
        raise ContentTooLarge(error("too-long", f"A FHIRPath Patch may have {MOST_OPERATIONS} operations"))
    return parameters


_PART_KEYS = {
    "type": "valueCode",
    "path": "valueString",
    "name": "valueString",
    "index": "valueInteger",
    "source": "valueInteger",
    "destination": "valueInteger",
}
_PARTS = {
    "add": {"type", "path", "name", "value"},
    "insert": {"type", "path", "value", "index"},
    "delete": {"type", "path"},
    "replace": {"type", "path", "value"},
    "move": {"type", "path", "source", "destination"},
}


def _operation(parameter: Any) -> _Operation:
    if not isinstance(parameter, Mapping) or parameter.get("name") != "operation":
        raise _malformed("each parameter is an 'operation'")
    parts = parameter.get("part")
    found: dict[str, Any] = {}
    for part in parts if isinstance(parts, list) else []:
        name = part.get("name") if isinstance(part, Mapping) else None
        if not isinstance(name, str) or name in found or not (name in _PART_KEYS or name == "value"):
            raise _malformed(
                f"the parts of an operation are {', '.join(_PART_KEYS)} and value, each only once"
            )
        found[name] = part if name == "value" else _part_value(name, part)
    needed = _PARTS.get(found.get("type", ""))
    if needed is None:
        raise _malformed(f"the type of an operation is {', '.join(_PARTS)}")
    if found.keys() != needed:
        raise _malformed(
            f"an operation of the type {found['type']} has the parts {', '.join(sorted(needed))}"
        )
    return _Operation(**found)


def _part_value(name: str, part: Mapping[str, Any]) -> Any:
    value = part.get(_PART_KEYS[name])
    wanted = int if _PART_KEYS[name] == "valueInteger" else str
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise _malformed(f"the part '{name}' needs a {_PART_KEYS[name]}")
    return value


def _malformed(rule: str) -> InvalidContent:
    return InvalidContent(error("structure", f"FHIRPath Patch: {rule}"))


def _refused(code: str, reason: str) -> UnprocessableContent:
    return UnprocessableContent(error(code, f"FHIRPath Patch: {reason}"))


def _selected(target: _Target, path: str) -> list[Node]:
    """Return the elements of this resource that a path selects; resolve() finds contained resources only."""
    nodes = []
    for item in evaluate_items(path, target.resource, is_strict=True, work=target.work):
        if not isinstance(item, Node) or _root(item).value is not target.resource:
            raise _refused(
                "business-rule", "the path must select elements of the resource, not calculated values"
            )
        nodes.append(item)
    return nodes


def _root(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node


def _single(target: _Target, path: str) -> Node:
    nodes = _selected(target, path)
    if not nodes:
        raise _refused("not-found", "the path selects no element")
    if len(nodes) > 1:
        raise _refused("multiple-matches", f"the path selects {len(nodes)} elements, and must select one")
    return nodes[0]


def _list(target: _Target, path: str) -> tuple[Node, list[places.Pair]]:
    """Return an element of the list that a path selects, and all its elements."""
    nodes = _selected(target, path)
    if not nodes:
        raise _refused("not-found", "the path selects no element")
    for node in nodes:
        _refuse_root(node)
    first = nodes[0]
    if first.index is None or len({(id(places.around(node)), node.key) for node in nodes}) > 1:
        raise _refused("business-rule", "the path must select one list")
    pairs = places.siblings(first)
    if len(nodes) != len(pairs):
        raise _refused("business-rule", "the path must select the whole list")
    return first, pairs


def _add(target: _Target, operation: _Operation) -> None:
    node = _single(target, operation.path)
    keys = member(node.shape, operation.name)
    key, pair = element_value(node.shape, operation.name, operation.value or {})
    container = places.container_of(node)
    earlier = [found for other in keys for found in places.read(container, other)]
    may_repeat = repeats(node.shape, operation.name)
    if earlier and not may_repeat:
        raise _refused("business-rule", "an element that is no list, and is there already, cannot be added")
    places.write(container, key, [*earlier, pair], is_array=may_repeat)


def _insert(target: _Target, operation: _Operation) -> None:
    node, pairs = _list(target, operation.path)
    if not 0 <= operation.index <= len(pairs):
        raise _refused("value", f"the index must be from 0 to {len(pairs)}")
    _, pair = _value_for(node, operation)
    places.rearrange(node, [*pairs[: operation.index], pair, *pairs[operation.index :]])


def _delete(target: _Target, operation: _Operation) -> None:
    nodes = _selected(target, operation.path)
    if len(nodes) > 1:
        raise _refused(
            "multiple-matches", f"the path selects {len(nodes)} elements, and only one can be deleted"
        )
    for node in nodes:
        _refuse_root(node)
        places.remove(node)


def _replace(target: _Target, operation: _Operation) -> None:
    node = _single(target, operation.path)
    _refuse_root(node)
    key, pair = _value_for(node, operation)
    places.replace(node, key, pair)


def _move(target: _Target, operation: _Operation) -> None:
    node, pairs = _list(target, operation.path)
    if not (0 <= operation.source < len(pairs) and 0 <= operation.destination < len(pairs)):
        raise _refused("value", f"source and destination must be from 0 to {len(pairs) - 1}")
    moved = pairs.pop(operation.source)
    pairs.insert(operation.destination, moved)
    places.rearrange(node, pairs)


def _value_for(node: Node, operation: _Operation) -> tuple[str, places.Pair]:
    """Return the key and value of an operation that puts it where an element is."""
    if node.parent is None:
        raise ValueError("a resource stands in no element")
    name = next(name for name, keys in members(node.parent.shape).items() if node.key in keys)
    return element_value(node.parent.shape, name, operation.value or {})


def _refuse_root(node: Node) -> None:
    if node.parent is None:
        raise _refused("business-rule", "the path must select elements in the resource, not the resource")


_APPLY: Mapping[str, Callable[[_Target, _Operation], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}
