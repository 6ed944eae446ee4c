"""conditional patch: `PATCH Type?search`. https://hl7.org/fhir/R4/http.html#patch"""

from dataclasses import replace

from fhir_server.conditional import Match, criteria_of, from_match, single_match
from fhir_server.context import Context, Request, Response
from fhir_server.interactions.patch import plan
from fhir_server.interactions.update import MOST_ATTEMPTS, overtaken, updated
from fhir_server.query_string import Pairs
from fhir_server.store import VersionReplaced
from fhir_server.write_path import commit
from resources.operation_outcome import ResourceNotFound, error


async def conditional_patch(request: Request, context: Context) -> Response:
    """Answer as a patch of the one match; 404 without a match, 412 if there are several."""
    criteria = criteria_of(request.query)
    for _ in range(MOST_ATTEMPTS):
        try:
            match = await required_match(request, criteria, context)
            addressed = replace(request, path=(request.path[0], match.id))
            (written,) = await commit(context, [from_match(await plan(addressed, context), match)])
        except VersionReplaced:
            continue
        return updated(written, always_located=True)
    raise overtaken()


async def required_match(request: Request, criteria: Pairs, context: Context) -> Match:
    """Return the one resource that meets `criteria`; raise ResourceNotFound if there is none."""
    resource_type = request.path[0]
    match = await single_match(context, resource_type, criteria)
    if match is None:
        raise ResourceNotFound(error("not-found", f"No {resource_type} matches the condition"))
    return match
