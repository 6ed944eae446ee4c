"""conditional delete: `DELETE Type?search`. https://hl7.org/fhir/R4/http.html#cdelete"""

from fhir_server.conditional import Match, criteria_of, from_match, matches
from fhir_server.context import Context, Request, Response
from fhir_server.interactions.delete import deleted
from fhir_server.interactions.update import MOST_ATTEMPTS, overtaken, version_to_match
from fhir_server.store import VersionReplaced, Write, Written
from fhir_server.write_path import commit
from resources.operation_outcome import PreconditionFailed, error

# What one request deletes at most: a slip of the pen should not empty a hospital.
_MOST_DELETIONS = 1_000


async def conditional_delete(request: Request, context: Context) -> Response:
    """Answer 204, also if nothing matches; 412 if more match than may be deleted at once."""
    for _ in range(MOST_ATTEMPTS):
        try:
            written = await commit(context, await plan(request, context))
        except VersionReplaced:
            continue
        return deleted(written[0] if len(written) == 1 else Written(None))
    raise overtaken()


async def plan(request: Request, context: Context) -> list[Write]:
    """Return the deletions that the request asks for: one, or several where the settings allow it."""
    if_match = version_to_match(request)
    return [
        from_match(Write("DELETE", request.path[0], match.id, if_match=if_match), match)
        for match in await all_matches(request, context)
    ]


async def all_matches(request: Request, context: Context) -> list[Match]:
    """Return what matches; raise PreconditionFailed if that is more than may be deleted at once."""
    resource_type = request.path[0]
    most = _MOST_DELETIONS if context.settings.conditional_delete == "multiple" else 1
    found = await matches(context, resource_type, criteria_of(request.query), most + 1)
    if len(found) > most:
        message = f"More than {most} {resource_type} match the condition; nothing is deleted"
        raise PreconditionFailed(error("multiple-matches", message))
    return found
