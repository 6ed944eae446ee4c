"""JSON Patch: operations on the JSON of a resource, applied in their order, all of them or none.

What a removal leaves empty is removed too, at the end: FHIR's JSON has no empty arrays and objects.

Source: https://www.rfc-editor.org/rfc/rfc6902, https://hl7.org/fhir/R4/http.html#patch,
https://hl7.org/fhir/R4/json.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from resources.operation_outcome import ContentTooLarge, InvalidContent, UnprocessableContent, error
from resources.patch.json_pointer import (
    Pointer,
    changed,
    parse_pointer,
    replaced,
    value_at,
    with_value,
    without,
)

MOST_OPERATIONS = 1000

MOST_COPIED = 100_000
"""Values that one patch may copy: a document that copies itself again and again doubles each time."""

_NEEDS = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation: `source` is the pointer called `from`."""

    op: str
    path: Pointer
    source: Pointer
    value: Any


def apply(resource: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Return the patched resource; `patch` is the JSON of a JSON Patch. The resource stays as it was.

    Whether the result is a valid resource is for its validation to say. Raises InvalidContent for what is no
    JSON Patch, UnprocessableContent for one that does not apply, also if a `test` fails, ContentTooLarge for
    one that copies very much.
    """
    operations = _operations(patch)
    document: Any = resource
    copied = 0
    for operation in operations:
        if operation.op == "copy":
            copied += _size(value_at(document, operation.source), MOST_COPIED - copied)
        document = _applied(document, operation)
    for operation in operations:
        document = _without_empty(document, operation)
    if not isinstance(document, dict):
        raise UnprocessableContent(error("structure", "A JSON Patch leaves no JSON object"))
    return document


def _operations(patch: Any) -> list[_Operation]:
    if not isinstance(patch, list):
        raise InvalidContent(error("structure", "A JSON Patch is an array of operations"))
    if len(patch) > MOST_OPERATIONS:
        raise ContentTooLarge(error("too-long", f"A JSON Patch may have {MOST_OPERATIONS} operations"))
    return [_operation(number, item) for number, item in enumerate(patch)]


def _operation(number: int, item: Any) -> _Operation:
    if not isinstance(item, Mapping) or not isinstance(item.get("op"), str) or item["op"] not in _NEEDS:
        known = ", ".join(_NEEDS)
        raise _malformed(number, f"must be an object whose 'op' is one of {known}")
    op: str = item["op"]
    for name in ("path", *_NEEDS[op]):
        if name not in item:
            raise _malformed(number, f"needs '{name}'")
    pointers = {name: item[name] for name in ("path", "from") if name in ("path", *_NEEDS[op])}
    if not all(isinstance(pointer, str) for pointer in pointers.values()):
        raise _malformed(number, "has a place that is no string")
    path, source = parse_pointer(pointers["path"]), parse_pointer(pointers.get("from", ""))
    if op == "move" and source != path and path[: len(source)] == source:
        raise _malformed(number, "moves a value into itself")
    return _Operation(op, path, source, item.get("value"))


def _malformed(number: int, fault: str) -> InvalidContent:
    return InvalidContent(error("structure", f"Operation {number} of the JSON Patch {fault}"))


def _applied(document: Any, operation: _Operation) -> Any:
    match operation.op:
        case "add":
            return _add(document, operation.path, operation.value)
        case "remove":
            return _remove(document, operation.path)
        case "replace":
            value_at(document, operation.path)
            return _set(document, operation.path, operation.value)
        case "move":
            return _move(document, operation.source, operation.path)
        case "copy":
            return _add(document, operation.path, value_at(document, operation.source))
    if not _same(value_at(document, operation.path), operation.value):
        raise UnprocessableContent(
            error("conflict", "A test of the JSON Patch fails: the value is another one")
        )
    return document


def _add(document: Any, path: Pointer, value: Any) -> Any:
    if not path:
        return value
    return changed(document, path, lambda container, token: with_value(container, token, value))


def _set(document: Any, path: Pointer, value: Any) -> Any:
    if not path:
        return value
    return changed(document, path, lambda container, token: replaced(container, token, value))


def _remove(document: Any, path: Pointer) -> Any:
    if not path:
        raise UnprocessableContent(error("business-rule", "A JSON Patch cannot remove the resource"))
    return changed(document, path, without)


def _move(document: Any, source: Pointer, path: Pointer) -> Any:
    value = value_at(document, source)
    return (
        _add(_remove(document, source), path, value) if source else document
    )  # a move of all, to where it is


def _without_empty(document: Any, operation: _Operation) -> Any:
    """Remove the container that an operation took something from, and those around it, if they are empty."""
    taken_from = {"remove": operation.path, "move": operation.source}.get(operation.op, ())[:-1]
    while taken_from and _is_empty(document, taken_from):
        document = _remove(document, taken_from)
        taken_from = taken_from[:-1]
    return document


def _is_empty(document: Any, place: Pointer) -> bool:
    try:
        return value_at(document, place) in ({}, [])
    except UnprocessableContent:  # a later operation removed it, or moved it away
        return False


def _size(value: Any, limit: int) -> int:
    """Return how many values there are in a JSON value, itself included; ContentTooLarge beyond the limit."""
    count = 0
    pending = [value]
    while pending:
        item = pending.pop()
        count += 1
        if count > limit:
            raise ContentTooLarge(error("too-long", f"A JSON Patch copies more than {MOST_COPIED} values"))
        if isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return count


def _same(left: Any, right: Any) -> bool:
    """Compare by https://www.rfc-editor.org/rfc/rfc6902#section-4.6: numbers by value, booleans apart."""
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            pending += [(one[name], other[name]) for name in one]
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            pending += zip(one, other, strict=True)
        elif _kind(one) != _kind(other) or isinstance(one, dict | list) or one != other:
            return False
    return True


def _kind(value: Any) -> type:
    return Decimal if isinstance(value, int) and not isinstance(value, bool) else type(value)
