"""update, and update as create. https://hl7.org/fhir/R4/http.html#update"""

from fhir_server.context import Context, Request, Response
from fhir_server.negotiation import parse_entity_tag
from fhir_server.store import Write, Written
from fhir_server.write_path import check_id, commit, replacement
from resources.operation_outcome import Conflict, InvalidContent, PreconditionFailed, error


async def update(request: Request, context: Context) -> Response:
    """Answer 200 with the new version, 201 if there was none before, 412 if `If-Match` does not hold."""
    (written,) = await commit(context, [plan(request)])
    return updated(written)


def plan(request: Request, at: str | None = None) -> Write:
    """Return the write that the request asks for; `at` is the FHIRPath of the resource within a bundle."""
    resource_type, resource_id = request.path
    check_id(resource_id)
    if request.if_none_match not in (None, "*"):
        message = "If-None-Match of a change is *: only if there is no such resource yet"
        raise InvalidContent(error("value", message))
    return replacement(
        resource_type,
        resource_id,
        request.body,
        at=at,
        if_match=version_to_match(request),
        must_be_new=request.if_none_match == "*",
    )


MOST_ATTEMPTS = 100
"""How often a change is planned anew; each time another request has changed the resource meanwhile."""


def overtaken() -> Conflict:
    """Return the error that says that others kept changing the resource."""
    return Conflict(error("conflict", "Too many others write the same resource now; try again"))


def version_to_match(request: Request) -> int | None:
    """Return the number in `If-Match`, or None if there is no such header."""
    if request.if_match is None:
        return None
    version_id = parse_entity_tag(request.if_match)
    if not (version_id.isdecimal() and len(version_id) < 10):
        raise PreconditionFailed(error("conflict", "There never was such a version (If-Match)"))
    return int(version_id)


def updated(written: Written, *, always_located: bool = False) -> Response:
    """Return the answer that tells of the version that was just stored.

    If it is `always_located` it says where that is, also if the resource is not new: a client that gave a
    condition does not know.
    """
    version = written.version
    assert version is not None  # noqa: S101 - an update always stores a version
    status = 201 if written.created else 200
    location = version.location if written.created or always_located else None
    return Response(status, version.resource, version.number, version.updated, location)
