"""What a reindexing is about: the resource types whose resources lack index values, or those asked for.

https://hl7.org/fhir/R4/searchparameter.html
"""

from collections.abc import Iterable
from datetime import datetime

from fhir_server.search.registration import waiting_types
from fhir_server.store import IndexValues, Reindexings
from fhir_server.store.reindexings import Reindexing, TypeProgress
from resources.custom_parameters import CustomParameter, CustomParameters
from resources.operation_outcome import Conflict, ResourceNotFound, error

_MOST_WAITING = 20


async def new_reindexing(
    job_id: str, types: Iterable[str], values: IndexValues, reindexings: Reindexings, now: datetime
) -> Reindexing:
    """Return the job that indexes all resources of `types`, once it is stored for a worker to take it.

    Raises Conflict if a good number of others did not end yet.
    """
    unfinished = [job for job in await reindexings.newest(_MOST_WAITING) if job.ended is None]
    if len(unfinished) >= _MOST_WAITING:
        raise Conflict(error("too-costly", f"{_MOST_WAITING} reindexings wait already; cancel some of them"))
    progress = [TypeProgress(name, await values.count(name)) for name in sorted(types)]
    job = Reindexing(job_id, now, tuple(progress))
    await reindexings.add(job)
    return job


async def types_to_index(values: IndexValues) -> frozenset[str]:
    """Return the types that have a parameter which waits, or values of an earlier version of the server."""
    outdated = await values.outdated_types()
    return waiting_types(await values.custom_parameters()) | frozenset(outdated)


def parameter_of(
    parameters: CustomParameters, *, url: str | None = None, resource_id: str | None = None
) -> CustomParameter:
    """Return the active custom parameter of that URL or id; raise ResourceNotFound if there is none."""
    for one in parameters.parameters:
        if one.id == resource_id or one.facts["url"] == url:
            return one
    raise ResourceNotFound(
        error("not-found", "There is no such active SearchParameter that adds a parameter")
    )
