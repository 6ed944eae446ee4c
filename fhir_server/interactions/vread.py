"""vread: one version of one resource. https://hl7.org/fhir/R4/http.html#vread"""

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import found
from resources.operation_outcome import ResourceNotFound, error


async def vread(request: Request, context: Context) -> Response:
    """Answer 200 with the version, 404 if there is none, 410 if the version is a deletion."""
    resource_type, resource_id, _, version_id = request.path
    # Versions are numbers here; nothing else was ever given out as a version id.
    number = int(version_id) if version_id.isdecimal() and len(version_id) < 10 else 0
    version = await context.store.read_version(resource_type, resource_id, number)
    if version is None:
        raise ResourceNotFound(
            error("not-found", f"There is no such version of {resource_type}/{resource_id}")
        )
    return found(version, request)
