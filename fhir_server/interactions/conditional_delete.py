"""conditional delete: `DELETE Type?search`. https://hl7.org/fhir/R4/http.html#cdelete"""

from fhir_server.conditional import criteria_of, matches
from fhir_server.context import Context, Request, Response
from fhir_server.interactions.delete import deleted
from fhir_server.interactions.update import version_to_match
from fhir_server.store import Write, Written
from fhir_server.write_path import commit
from resources.operation_outcome import PreconditionFailed, error

# What one request deletes at most: a slip of the pen should not empty a hospital.
_MOST_DELETIONS = 1_000


async def conditional_delete(request: Request, context: Context) -> Response:
    """Answer 204, also if nothing matches; 412 if more match than may be deleted at once."""
    written = await commit(context, await plan(request, context))
    return deleted(written[0] if len(written) == 1 else Written(None))


async def plan(request: Request, context: Context) -> list[Write]:
    """Return the deletions that the request asks for: one, or several where the settings allow it."""
    ids = await matching_ids(request, context)
    if_match = version_to_match(request)
    return [Write("DELETE", request.path[0], resource_id, if_match=if_match) for resource_id in ids]


async def matching_ids(request: Request, context: Context) -> list[str]:
    """Return the ids of what matches; raise PreconditionFailed if more do than may be deleted at once."""
    resource_type = request.path[0]
    most = _MOST_DELETIONS if context.settings.conditional_delete == "multiple" else 1
    ids = await matches(context, resource_type, criteria_of(request.query), most + 1)
    if len(ids) > most:
        message = f"More than {most} {resource_type} match the condition; nothing is deleted"
        raise PreconditionFailed(error("multiple-matches", message))
    return ids
