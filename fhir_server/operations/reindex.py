"""$reindex: index what is stored by search parameters that were added, and tell how far that is.

Three operations of this server: `$reindex` begins, `$reindex-status` tells, `$reindex-cancel` ends it early.
https://hl7.org/fhir/R4/searchparameter.html, https://hl7.org/fhir/R4/operations.html
"""

from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.reindexing.plan import new_reindexing, parameter_of, types_to_index
from fhir_server.store import instant
from fhir_server.store.reindexings import Reindexing, TypeProgress
from resources.custom_parameters import custom_parameters
from resources.definitions import resource_types
from resources.operation_outcome import InvalidContent, ResourceNotFound, error

_DEFINITIONS = "metadata/OperationDefinition"
_MOST_TOLD = 20


async def reindex(request: Request, context: Context) -> Response:
    """Answer 202 with a new reindexing and where its state is told; a worker begins with it at once."""
    is_of_one = len(request.path) > 1
    given = inputs(request, () if is_of_one else REINDEX.parameters, lenient=context.preferences.lenient)
    types = await _types(request.path, given, context)
    job = await new_reindexing(
        context.new_id(), types, context.store.index_values, context.store.reindexings, context.now()
    )
    return Response(202, _told(job, context), location=_address(job))


async def _types(path: tuple[str, ...], given: Inputs, context: Context) -> frozenset[str]:
    names, url = given.texts("type"), given.text("url")
    unknown = set(names) - set(resource_types())
    if unknown or (names and url):
        message = "The parameter type names resource types of FHIR R4, and url one parameter instead of these"
        raise InvalidContent(error("value", message))
    if len(path) > 1:
        return parameter_of(custom_parameters(), resource_id=path[1]).types
    if url:
        return parameter_of(custom_parameters(), url=url).types
    return frozenset(names) or await types_to_index(context.store.index_values)


async def reindex_status(request: Request, context: Context) -> Response:
    """Answer 200 with the state of one reindexing, or of the last ones."""
    given = inputs(request, REINDEX_STATUS.parameters, lenient=context.preferences.lenient)
    job_id = given.text("job")
    if job_id is None:
        jobs = await context.store.reindexings.newest(_MOST_TOLD)
        return Response(200, parameters(_part("reindex", _facts(job, context)) for job in jobs))
    return Response(200, _told(_found(await context.store.reindexings.read(job_id)), context))


async def reindex_cancel(request: Request, context: Context) -> Response:
    """Answer 200 with the state of the reindexing, which has ended now."""
    given = inputs(request, REINDEX_CANCEL.parameters, lenient=context.preferences.lenient)
    job_id = given.text("job")
    if job_id is None:
        raise InvalidContent(error("required", "The parameter job names the reindexing to cancel"))
    return Response(
        200, _told(_found(await context.store.reindexings.cancel(job_id, context.now())), context)
    )


def _found(job: Reindexing | None) -> Reindexing:
    if job is None:
        raise ResourceNotFound(error("not-found", "There is no such reindexing here, or not any more"))
    return job


def _address(job: Reindexing) -> str:
    return f"$reindex-status?job={job.id}"


def _told(job: Reindexing, context: Context) -> dict[str, Any]:
    return parameters(_facts(job, context))


def _facts(job: Reindexing, context: Context) -> list[dict[str, Any]]:
    total = sum(max(one.total, one.done) for one in job.types)
    done = sum(one.done for one in job.types)
    facts: list[dict[str, Any]] = [
        {"name": "job", "valueId": job.id},
        {"name": "url", "valueUrl": f"{context.base_url}/{_address(job)}"},
        {"name": "status", "valueCode": job.status},
        {"name": "created", "valueInstant": instant(job.created)},
    ]
    if job.ended is not None:
        facts.append({"name": "ended", "valueInstant": instant(job.ended)})
    if job.problem is not None:
        facts.append({"name": "problem", "valueString": job.problem})
    facts += [
        {"name": "total", "valueUnsignedInt": total},
        {"name": "done", "valueUnsignedInt": done},
        {"name": "percent", "valueUnsignedInt": _percent(job, done, total)},
    ]
    left = _seconds_left(job, done, total, context.settings.reindex_load_percent)
    if left is not None:
        facts.append({"name": "secondsLeft", "valueUnsignedInt": left})
    return facts + [_part("type", _type_facts(one)) for one in job.types]


def _percent(job: Reindexing, done: int, total: int) -> int:
    if job.status == "completed":
        return 100
    return min(99, 100 * done // total) if total else 0


def _seconds_left(job: Reindexing, done: int, total: int, load_percent: int) -> int | None:
    """Return how long the rest takes if it goes on as before; None if there is none, or nothing to go by."""
    if job.ended is not None or not done:
        return None
    return round(job.seconds / done * (total - done) * 100 / load_percent)


def _type_facts(progress: TypeProgress) -> list[dict[str, Any]]:
    return [
        {"name": "name", "valueCode": progress.resource_type},
        {"name": "total", "valueUnsignedInt": max(progress.total, progress.done)},
        {"name": "done", "valueUnsignedInt": progress.done},
        {"name": "changed", "valueUnsignedInt": progress.changed},
        {"name": "complete", "valueBoolean": progress.is_done},
    ]


def _part(name: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "part": parts}


REINDEX = Operation(
    code="reindex",
    definition=f"{_DEFINITIONS}/reindex",
    handler=reindex,
    types=frozenset({"SearchParameter"}),
    parameters=("type", "url"),
    on_system=True,
    on_instance=True,
    affects_state=True,
)
REINDEX_STATUS = Operation(
    code="reindex-status",
    definition=f"{_DEFINITIONS}/reindex-status",
    handler=reindex_status,
    parameters=("job",),
    on_system=True,
)
REINDEX_CANCEL = Operation(
    code="reindex-cancel",
    definition=f"{_DEFINITIONS}/reindex-cancel",
    handler=reindex_cancel,
    parameters=("job",),
    on_system=True,
    affects_state=True,
)
