"""delete: the resource is gone, its history stays. https://hl7.org/fhir/R4/http.html#delete"""

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.update import version_to_match
from fhir_server.store import Write, Written
from fhir_server.write_path import commit


async def delete(request: Request, context: Context) -> Response:
    """Answer 204, also if there was nothing to delete; 412 if `If-Match` does not hold."""
    (written,) = await commit(context, [plan(request)])
    return deleted(written)


def plan(request: Request) -> Write:
    """Return the write that the request asks for."""
    resource_type, resource_id = request.path
    return Write("DELETE", resource_type, resource_id, if_match=version_to_match(request))


def deleted(written: Written) -> Response:
    """Return the answer that tells of a deletion, with the version that records it if there is one."""
    version = written.version
    return Response(204, version=version.number if version else None)
