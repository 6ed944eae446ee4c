"""$meta: the profiles, tags and security labels of a resource, a version, a type or the whole system.

https://hl7.org/fhir/R4/resource-operation-meta.html
"""

from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import inputs
from fhir_server.operations.labels import LABELS, Meta, identity, read_addressed, returned
from fhir_server.operations.operation import ANY_TYPE, Operation
from fhir_server.search.indexes import index_specifications
from resources.operation_outcome import TooCostly, error

# Of one kind in one type. Each takes a look into an index, so that these take a second or so.
_MOST_LABELS = 1_000


async def meta(request: Request, context: Context) -> Response:
    """Answer 200 with a Meta: that of the resource, or one of all labels in use."""
    inputs(request, (), lenient=context.preferences.lenient)
    if len(request.path) > 2:
        response = await read_addressed(request, context)
        resource = response.resource or {}
        return Response(200, returned(resource["meta"]), response.version, response.last_modified)
    stored = await context.store.stored_types()
    types = stored if len(request.path) == 1 else [name for name in stored if name == request.path[0]]
    return Response(200, returned(await _in_use(types, context)))


async def _in_use(types: list[str], context: Context) -> Meta:
    """Return the labels of all live resources of `types`, without versions and displays that differ."""
    summary: Meta = {}
    for name in LABELS:
        found: dict[Any, Any] = {}
        for resource_type in types:
            for label in await _labels(resource_type, name, context):
                found.setdefault(identity(label), label)
        if found:
            summary[name] = [found[key] for key in sorted(found, key=repr)]
    return summary


async def _labels(resource_type: str, name: str, context: Context) -> list[Any]:
    """Return the labels of one kind in a type, by steps from each value in the index to the next."""
    path = f"search._{name}"
    # AuditEvents have no such index; their values are sorted instead.
    index = next((one.name for one in index_specifications(resource_type) if one.name == f"_{name}"), None)
    found: dict[Any, Any] = {}
    last = ""
    while True:
        documents = await context.store.find(
            resource_type,
            {path: {"$gt": last}},
            sort=() if index else ((path, 1),),
            projection={path: 1, "resource.resourceType": 1, "resource.id": 1, f"resource.meta.{name}": 1},
            limit=1,
            index=index,
        )
        if not documents:
            return list(found.values())
        [document] = documents
        last = min(value for value in document["search"][f"_{name}"] if value > last)
        for label in document["resource"]["meta"][name]:
            if label is not None:
                found.setdefault(identity(label), label)
        if len(found) > _MOST_LABELS:
            raise TooCostly(
                error("too-costly", f"{resource_type} has more than {_MOST_LABELS} of meta.{name}")
            )


META = Operation(
    code="meta",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-meta",
    handler=meta,
    types=ANY_TYPE,
    on_system=True,
    on_type=True,
    on_instance=True,
    on_version=True,
)
