"""create, conditional ones included. https://hl7.org/fhir/R4/http.html#create"""

from fhir_server.conditional import absence, search_pairs, single_match
from fhir_server.context import Context, Request, Response
from fhir_server.store import AbsenceBroken, Version, Write
from fhir_server.write_path import commit, new_resource


async def create(request: Request, context: Context) -> Response:
    """Answer 201 with the new resource; for a conditional create 200 with the one that exists already."""
    resource_type = request.path[0]
    write = new_resource(resource_type, context.new_id(), request.body)
    if request.if_none_exist is not None:
        return await _create_if_none_exists(request.if_none_exist, write, context)
    (written,) = await commit(context, [write])
    return created(written.version)


async def _create_if_none_exists(criteria: str, write: Write, context: Context) -> Response:
    pairs = search_pairs(criteria)
    condition = await absence(context, write.resource_type, pairs)
    while True:
        existing = await single_match(context, write.resource_type, pairs)
        if existing is not None:
            answer = await found_already(write.resource_type, existing.id, context)
            if answer is None:
                continue
            return answer
        try:
            (written,) = await commit(context, [write], [condition])
        except AbsenceBroken:
            continue
        return created(written.version)


async def found_already(resource_type: str, resource_id: str, context: Context) -> Response | None:
    """Return the answer 200 that tells of what is there instead of a new one; None if it is not any more."""
    version = await context.store.read(resource_type, resource_id)
    if version is None or version.resource is None:
        return None
    return Response(200, version.resource, version.number, version.updated, version.location)


def created(version: Version | None) -> Response:
    """Return the answer 201 that tells of a version that was just stored."""
    assert version is not None  # noqa: S101 - a create always stores a version
    return Response(201, version.resource, version.number, version.updated, version.location)
