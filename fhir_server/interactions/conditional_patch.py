"""conditional patch: `PATCH Type?search`. https://hl7.org/fhir/R4/http.html#patch"""

from dataclasses import replace

from fhir_server.conditional import criteria_of, single_match
from fhir_server.context import Context, Request, Response
from fhir_server.interactions.patch import MOST_ATTEMPTS, overtaken, plan
from fhir_server.interactions.update import updated
from fhir_server.query_string import Pairs
from fhir_server.store import VersionReplaced
from fhir_server.write_path import commit
from resources.operation_outcome import ResourceNotFound, error


async def conditional_patch(request: Request, context: Context) -> Response:
    """Answer as a patch of the one match; 404 without a match, 412 if there are several."""
    criteria = criteria_of(request.query)
    for _ in range(MOST_ATTEMPTS):
        try:
            addressed_request = await addressed(request, criteria, context)
            (written,) = await commit(context, [await plan(addressed_request, context)])
        except VersionReplaced:
            continue
        return updated(written)
    raise overtaken()


async def addressed(request: Request, criteria: Pairs, context: Context) -> Request:
    """Return `request` as a patch of the one resource that meets `criteria`."""
    resource_type = request.path[0]
    match = await single_match(context, resource_type, criteria)
    if match is None:
        raise ResourceNotFound(error("not-found", f"No {resource_type} matches the condition"))
    return replace(request, path=(resource_type, match))
