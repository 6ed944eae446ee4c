"""conditional update: `PUT Type?search`. https://hl7.org/fhir/R4/http.html#cond-update"""

from dataclasses import replace

from fhir_server.conditional import Match, absence, criteria_of, from_match, single_match
from fhir_server.context import Context, Request, Response
from fhir_server.interactions.update import MOST_ATTEMPTS, overtaken, plan, updated
from fhir_server.store import AbsenceBroken, VersionReplaced
from fhir_server.write_path import commit
from resources.operation_outcome import InvalidContent, error


async def conditional_update(request: Request, context: Context) -> Response:
    """Answer as an update of the one match; without a match create, under the resource's id if it has one.

    400 if the match has another id than the resource, 412 if there are several matches.
    """
    resource_type = request.path[0]
    criteria = criteria_of(request.query)
    for _ in range(MOST_ATTEMPTS):
        match = await single_match(context, resource_type, criteria)
        write = from_match(plan(addressed(request, match, context.new_id())), match)
        conditions = [await absence(context, resource_type, criteria)] if match is None else []
        try:
            (written,) = await commit(context, [write], conditions)
        except (AbsenceBroken, VersionReplaced):
            continue
        return updated(written, always_located=True)
    raise overtaken()


def addressed(request: Request, match: Match | None, new_id: str) -> Request:
    """Return `request` as an update of `match`, or as the create of what its body says or of `new_id`.

    What is created must not be there under its id already: it does not meet the criteria then, and is
    another.
    """
    body = request.body
    own_id = body.get("id") if isinstance(body, dict) else None
    if match is not None and own_id not in (None, match.id):
        message = "The resource that matches has another id than the one that was sent"
        raise InvalidContent(error("value", message, f"{request.path[0]}.id"))
    resource_id = match.id if match else (own_id if isinstance(own_id, str) else new_id)
    if isinstance(body, dict):
        body = {**body, "id": resource_id}
    if_none_match = "*" if match is None else request.if_none_match
    return replace(request, path=(request.path[0], resource_id), body=body, if_none_match=if_none_match)
