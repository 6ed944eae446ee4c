"""vread: one version of one resource. https://hl7.org/fhir/R4/http.html#vread"""

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import found
from fhir_server.query_parameters import SUBSETTING_PARAMETERS, check_parameters
from resources.operation_outcome import ResourceNotFound, error


async def vread(request: Request, context: Context) -> Response:
    """Answer 200 with the version, 404 if there is none, 410 if the version is a deletion."""
    check_parameters(request, context, SUBSETTING_PARAMETERS)
    resource_type, resource_id, _, version_id = request.path
    version = await context.store.read_version(resource_type, resource_id, version_number(version_id))
    if version is None:
        raise ResourceNotFound(
            error("not-found", f"There is no such version of {resource_type}/{resource_id}")
        )
    return found(version, request)


def version_number(version_id: str) -> int:
    """Return the number of a version; 0, which none has, for what was never given out as a version id."""
    return int(version_id) if version_id.isascii() and version_id.isdecimal() and len(version_id) < 10 else 0
