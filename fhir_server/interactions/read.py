"""read: the current version of one resource. https://hl7.org/fhir/R4/http.html#read"""

from datetime import timedelta

from fhir_server.context import Context, Request, Response
from fhir_server.negotiation import matches_entity_tag, parse_http_date
from fhir_server.query_parameters import SUBSETTING_PARAMETERS, check_parameters, subsetting_of
from fhir_server.search.subsetting import subset
from fhir_server.store import Version
from resources.operation_outcome import ResourceDeleted, ResourceNotFound, error


async def read(request: Request, context: Context) -> Response:
    """Answer 200 with the resource, 304 if the client has it, 404 if unknown, 410 if deleted."""
    check_parameters(request, context, SUBSETTING_PARAMETERS)
    resource_type, resource_id = request.path
    return found(await current(resource_type, resource_id, context), request)


async def current(resource_type: str, resource_id: str, context: Context) -> Version:
    """Return the newest version, which may be a deletion; raise ResourceNotFound if there never was one."""
    version = await context.store.read(resource_type, resource_id)
    if version is None:
        raise ResourceNotFound(error("not-found", f"There is no {resource_type}/{resource_id}"))
    return version


def found(version: Version, request: Request) -> Response:
    """Return what is wanted of `version` as an answer, or that it is not modified; raise if it is deleted."""
    if version.resource is None:
        raise ResourceDeleted(
            error("deleted", f"{version.resource_type}/{version.id} is deleted"), version=version.number
        )
    if _is_unmodified(version, request):
        return Response(304, version=version.number, last_modified=version.updated)
    resource = subset(version.resource, subsetting_of(request, [version.resource_type]))
    return Response(200, resource, version.number, version.updated)


def _is_unmodified(version: Version, request: Request) -> bool:
    if request.if_none_match is not None:
        return matches_entity_tag(request.if_none_match, version.number)
    if request.if_modified_since is not None:
        since = parse_http_date(request.if_modified_since)
        # HTTP dates have whole seconds; lastUpdated has milliseconds.
        return since is not None and version.updated < since + timedelta(seconds=1)
    return False
