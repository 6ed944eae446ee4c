"""patch: changes to the current version, whoever else is writing. https://hl7.org/fhir/R4/http.html#patch

A patch is applied to the version that was read, and the result stored only if that is still the current one;
else it is applied to the new one. With `If-Match` there is one version that it may be applied to.
"""

from dataclasses import dataclass, replace
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions import update
from fhir_server.interactions.read import current
from fhir_server.interactions.update import MOST_ATTEMPTS, overtaken, updated, version_to_match
from fhir_server.patches import Patch
from fhir_server.store import VersionReplaced, Write
from fhir_server.write_path import commit
from resources.operation_outcome import PreconditionFailed, ResourceDeleted, error


async def patch(request: Request, context: Context) -> Response:
    """Answer 200 with the new version, 412 if `If-Match` does not hold, 404 or 410 if there is no resource.

    400 or 422 if the patch does not apply, or what it leaves is no valid resource of that type and id.
    """
    for _ in range(MOST_ATTEMPTS):
        try:
            (written,) = await commit(context, [await plan(request, context)])
        except VersionReplaced:
            continue
        return updated(written)
    raise overtaken()


async def plan(request: Request, context: Context) -> Write:
    """Return the write of what the patch makes of the current version."""
    patched = await apply(request, context)
    write = update.plan(replace(request, body=patched.resource))
    return replace(write, number=patched.number, previous_meta=patched.previous_meta)


@dataclass(frozen=True, slots=True)
class Patched:
    """What a patch makes: the resource, the number that its version will have, and `meta` as it was."""

    resource: dict[str, Any]
    number: int
    previous_meta: dict[str, Any]


async def apply(request: Request, context: Context) -> Patched:
    """Return what the patch makes of the current version."""
    resource_type, resource_id = request.path
    version = await current(resource_type, resource_id, context)
    if version.resource is None:
        raise ResourceDeleted(
            error("deleted", f"{resource_type}/{resource_id} is deleted"), version=version.number
        )
    if_match = version_to_match(request)
    if if_match is not None and if_match != version.number:
        message = f"{resource_type}/{resource_id} is not at version {if_match} any more (If-Match)"
        raise PreconditionFailed(error("conflict", message))
    assert isinstance(request.body, Patch)  # noqa: S101 - whoever makes the request of a PATCH sees to it
    patched = request.body.patched(version.resource)
    return Patched(patched, version.number + 1, version.resource["meta"])
