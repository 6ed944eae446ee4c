"""Profiles, tags and security labels as the sets that they are, added to a resource's `meta` or taken away.

"The identity of a tag or security label is the system+code": its version and display do not count. A profile
is its URL. https://hl7.org/fhir/R4/resource-operation-meta-add.html
"""

from collections.abc import Callable, Iterable
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.interactions.vread import version_number, vread
from fhir_server.operations.inputs import inputs
from fhir_server.operations.outputs import parameters
from fhir_server.search.extraction import search_values
from resources.operation_outcome import Conflict, InvalidContent, error

Meta = dict[str, Any]
_Label = tuple[Any, Any]
"""An element of one of the sets, and what the sibling with its extensions has at the same place."""

LABELS = ("profile", "security", "tag")
"""The elements of Meta that are sets."""

PARAMETERS = ("meta",)

_ELEMENTS = frozenset({"id", "extension", "versionId", "lastUpdated", "source", *LABELS})


def identity(label: Any) -> Any:
    """Return what makes an element of one of the sets the same as another."""
    if not isinstance(label, dict):
        return label
    return label.get("system"), label.get("code", label.get("display"))


def added(meta: Meta, given: Meta) -> Meta:
    """Return `meta` with the labels of `given` that it does not have yet."""
    return _with_sets(meta, {name: _distinct([*_set(meta, name), *_set(given, name)]) for name in LABELS})


def removed(meta: Meta, given: Meta) -> Meta:
    """Return `meta` without the labels of `given`."""
    kept = {}
    for name in LABELS:
        unwanted = {identity(label) for label, _ in _set(given, name)}
        kept[name] = [
            pair for pair in _set(meta, name) if pair[0] is None or identity(pair[0]) not in unwanted
        ]
    return _with_sets(meta, kept)


def _set(meta: Meta, name: str) -> list[_Label]:
    labels = meta.get(name, [])
    # https://hl7.org/fhir/R4/json.html#primitive: arrays of primitives may have a twin with their extensions.
    twins = meta.get(f"_{name}", [])
    length = max(len(labels), len(twins))
    return list(zip(_filled(labels, length), _filled(twins, length), strict=True))


def _filled(items: list[Any], length: int) -> list[Any]:
    return [*items, *[None] * (length - len(items))]


def _distinct(labels: Iterable[_Label]) -> list[_Label]:
    known: set[Any] = set()
    found: list[_Label] = []
    for label, twin in labels:
        if label is None or identity(label) not in known:
            found.append((label, twin))
            known.add(identity(label))
    return found


def _with_sets(meta: Meta, sets: dict[str, list[_Label]]) -> Meta:
    changed = {key: value for key, value in meta.items() if key.removeprefix("_") not in LABELS}
    for name, pairs in sets.items():
        if pairs:
            changed[name] = [label for label, _ in pairs]
        if any(twin is not None for _, twin in pairs):
            changed[f"_{name}"] = [twin for _, twin in pairs]
    return changed


async def change_labels(request: Request, context: Context, change: Callable[[Meta, Meta], Meta]) -> Response:
    """Answer with the `meta` of the version that `request` names, after `change` with the Meta given.

    Neither the version nor `lastUpdated` changes. Raises ResourceNotFound, ResourceDeleted, InvalidContent.
    """
    given = inputs(request, PARAMETERS, lenient=context.preferences.lenient).required("meta")
    if not isinstance(given, dict) or not {key.removeprefix("_") for key in given} <= _ELEMENTS:
        raise InvalidContent(error("value", "The parameter meta is a Meta, sent as valueMeta"))

    def changed(resource: dict[str, Any]) -> tuple[Meta, dict[str, Any]]:
        meta = change(resource["meta"], given)
        return meta, search_values({**resource, "meta": meta})

    resource_type, resource_id, *version = request.path[:-1]
    number = version_number(version[-1]) if version else None
    stored = await context.store.change_meta(resource_type, resource_id, number, changed)
    if stored is None or stored.resource is None:
        await read_addressed(request, context)  # which says that there is none, or that it is deleted
        raise Conflict(error("conflict", "The resource was deleted and created meanwhile; try again"))
    return Response(200, returned(stored.resource["meta"]), stored.number, stored.updated)


async def read_addressed(request: Request, context: Context) -> Response:
    """Return the answer to a read of the resource or version that the operation is called on."""
    path = request.path[:-1]
    return await (read if len(path) == 2 else vread)(Request("GET", path), context)


def returned(meta: Meta) -> dict[str, Any]:
    """Return the Parameters resource that carries `meta`; FHIR knows no empty element, so one without it."""
    return parameters([{"name": "return", "valueMeta": meta}] if meta else [])
