"""$expunge: remove records for good, where a duty to erase them goes before the duty to keep them.

R4 has no interaction that does so: a deletion leaves the history. The operation has the shape of the one that
HAPI FHIR servers offer. What it removes cannot be had back, so that the settings must allow it.
https://hl7.org/fhir/R4/http.html#delete, https://hl7.org/fhir/R4/http.html#history
"""

from dataclasses import replace

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import ANY_TYPE, Operation
from fhir_server.settings import Settings
from fhir_server.store import Expunging
from resources.operation_outcome import (
    Conflict,
    InvalidContent,
    NotSupported,
    ResourceNotFound,
    error,
)

_MOST_VERSIONS = 1_000
"""What one call removes at most: a transaction of that many deletions takes well below a second."""

_PARAMETERS = ("expungeDeletedResources", "expungePreviousVersions", "expungeEverything", "limit")


async def expunge(request: Request, context: Context) -> Response:
    """Answer 200 with the number of versions that were removed; if it is `limit`, there may be more."""
    if not _is_enabled(context.settings):
        raise NotSupported(error("not-supported", "$expunge is switched off here (FHIR_EXPUNGE=off)"))
    given = inputs(request, _PARAMETERS, lenient=context.preferences.lenient)
    path = request.path[:-1]
    wanted = _single(path) if len(path) == 4 else _wanted(path, given)
    if wanted.id is not None:
        await _prepare(wanted, context, everything=given.boolean("expungeEverything", default=False))
    removed = await context.store.expunge(wanted)
    count = {"name": "count", "valueInteger": removed}
    return Response(200, {"resourceType": "Parameters", "parameter": [count]})


def _wanted(path: tuple[str, ...], given: Inputs) -> Expunging:
    resource_type, resource_id = (*path, None, None)[:2]
    everything = given.boolean("expungeEverything", default=False)
    if everything and resource_id is None:
        message = "expungeEverything is for one resource; use expungeDeletedResources for those deleted"
        raise InvalidContent(error("not-supported", message))
    deleted = given.boolean("expungeDeletedResources", default=False)
    previous = given.boolean("expungePreviousVersions", default=False)
    if not (everything or deleted or previous):
        message = f"Nothing is to be removed: one of {', '.join(_PARAMETERS[:3])} must be true"
        raise InvalidContent(error("required", message))
    limit = given.count("limit")
    if limit is not None and not 1 <= limit <= _MOST_VERSIONS:
        raise InvalidContent(error("value", f"limit is a whole number from 1 to {_MOST_VERSIONS}"))
    wanted = Expunging(resource_type, resource_id, None, deleted or everything, previous or everything)
    return replace(wanted, limit=limit or _MOST_VERSIONS)


def _single(path: tuple[str, ...]) -> Expunging:
    resource_type, resource_id, _, version_id = path
    if not (version_id.isdecimal() and len(version_id) < 10):
        raise ResourceNotFound(
            error("not-found", f"There is no such version of {resource_type}/{resource_id}")
        )
    return Expunging(resource_type, resource_id, int(version_id))


async def _prepare(wanted: Expunging, context: Context, *, everything: bool) -> None:
    """Check that there is what is to be removed; delete the resource first if it is to go as a whole.

    The deletion is one like any other, so that whatever would refuse it refuses this as well.
    """
    resource_type, resource_id = str(wanted.resource_type), str(wanted.id)
    newest = await context.store.read(resource_type, resource_id)
    if newest is None:
        raise ResourceNotFound(error("not-found", f"There is no {resource_type}/{resource_id}"))
    if wanted.version == newest.number:
        message = "This is the newest version; only the resource as a whole can be removed with it"
        raise Conflict(error("conflict", message))
    if wanted.version is not None:
        if await context.store.read_version(resource_type, resource_id, wanted.version) is None:
            raise _no_such_version(resource_type, resource_id)
    elif everything and newest.resource is not None:
        deletion = Request("DELETE", (resource_type, resource_id))
        await context.match(deletion).handler(deletion, context)


def _no_such_version(resource_type: str, resource_id: str) -> ResourceNotFound:
    return ResourceNotFound(error("not-found", f"There is no such version of {resource_type}/{resource_id}"))


def _is_enabled(settings: Settings) -> bool:
    return settings.expunge == "on"


EXPUNGE = Operation(
    code="expunge",
    definition="metadata/OperationDefinition/expunge",
    handler=expunge,
    types=ANY_TYPE,
    parameters=_PARAMETERS,
    parameter_types=dict.fromkeys(_PARAMETERS, "boolean") | {"limit": "integer"},
    on_system=True,
    on_type=True,
    on_instance=True,
    on_version=True,
    affects_state=True,
    is_enabled=_is_enabled,
)
