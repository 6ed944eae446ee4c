"""Referential integrity within a transaction: no reference without its target, no deletion under a reference.

Both are checked by what the transaction itself sees. That two transactions do not see each other, one that
deletes and one that refers, is made up for by locks: whoever refers to a resource writes one of the lock
documents that stand for it, whoever deletes it writes all of them, so that the two conflict and one is tried
again. Those who only refer to it rarely meet. See docs/decisions/0010-referential-integrity.md.
https://hl7.org/fhir/R4/http.html#transactional-integrity, https://hl7.org/fhir/R4/http.html#delete
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.search.fields import kept_fields
from fhir_server.store.collections import LOCKS
from fhir_server.store.connection import Database
from fhir_server.store.documents import HISTORY, REFERENCES, Target, Write, Written
from resources.operation_outcome import MOST_ISSUES, Conflict, Issue, UnprocessableContent, error

SHARES = 16
"""The lock documents of a resource. Two of four transactions that refer to the same one meet in 1 of 3 cases
if each takes any of 16; a deletion writes all of them."""

Item = TypeVar("Item")

# Values in one condition; MongoDB takes 16 MB, but plans long before that.
_AT_ONCE = 2_000
_LONGEST_LOOKUP_MS = 10_000


async def lock(
    database: Database, writes: Sequence[Write], share: int, now: datetime, session: AsyncClientSession
) -> None:
    """Write one lock of what `writes` refer to and do not write themselves, and all of what they delete."""
    own = {(write.resource_type, write.id) for write in writes}
    keys = {
        f"{target.resource_type}/{target.id}#{share % SHARES}"
        for write in writes
        for target in write.refers_to or ()
        if target.version is None and (target.resource_type, target.id) not in own
    }
    for write in writes:
        if write.referred_as:
            keys.update(f"{write.resource_type}/{write.id}#{number}" for number in range(SHARES))
    if keys:
        change = {"$set": {"at": now}, "$inc": {"uses": 1}}
        # In order, so that two transactions meet at the first lock that both want, before they did much.
        updates: list[Any] = [UpdateOne({"_id": key}, change, upsert=True) for key in sorted(keys)]
        await database[LOCKS].bulk_write(updates, ordered=True, session=session)


async def check(
    database: Database,
    stored_types: Sequence[str],
    writes: Sequence[Write],
    written: Sequence[Written],
    session: AsyncClientSession,
) -> None:
    """Check what the transaction leaves, when it has written everything.

    Raises UnprocessableContent for references to what is not there, Conflict for deletions of what others
    still refer to.
    """
    wanted = [target for write in writes for target in write.refers_to or ()]
    live = {(write.resource_type, write.id) for write in writes if write.method != "DELETE"}
    current = [target for target in wanted if target.version is None and target.key not in live]
    versions = [target for target in wanted if target.version is not None]
    missing = await _missing_resources(database, current, session)
    missing += await _missing_versions(database, versions, session)
    if missing:
        raise UnprocessableContent(*islice(map(_dangling, missing), MOST_ISSUES + 1))
    deleted = [
        write for write, done in zip(writes, written, strict=True) if write.referred_as and done.version
    ]
    await _refuse_referred(database, stored_types, deleted, session)


def _dangling(target: Target) -> Issue:
    what = target.resource_type if target.version is None else f"version of such a {target.resource_type}"
    return error("not-found", f"There is no {what} as is referred to", target.expression)


async def _missing_resources(
    database: Database, targets: Iterable[Target], session: AsyncClientSession
) -> list[Target]:
    numbers = await _current_versions(database, targets, session)
    return [target for target in targets if target.key not in numbers]


async def _missing_versions(
    database: Database, targets: Sequence[Target], session: AsyncClientSession
) -> list[Target]:
    """Return those of `targets` whose version is neither the current one nor an earlier one."""
    numbers = await _current_versions(database, targets, session)
    earlier = [target for target in targets if numbers.get(target.key) != target.version]
    past: set[str] = set()
    for names in _parts({_past_id(target) for target in earlier}):
        found = database[HISTORY].find(
            {"_id": {"$in": names}, "method": {"$ne": "DELETE"}}, {"_id": 1}, session=session
        )
        past.update([document["_id"] async for document in found])
    return [target for target in earlier if _past_id(target) not in past]


def _past_id(target: Target) -> str:
    return f"{target.resource_type}/{target.id}/_history/{target.version}"


async def _current_versions(
    database: Database, targets: Iterable[Target], session: AsyncClientSession
) -> dict[tuple[str, str], int]:
    """Return the numbers of the current versions of `targets`, of those that are there."""
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for target in targets:
        ids[target.resource_type].add(target.id)
    numbers: dict[tuple[str, str], int] = {}
    for resource_type, wanted in ids.items():
        for some in _parts(wanted):
            found = database[resource_type].find({"_id": {"$in": some}}, {"version": 1}, session=session)
            async for document in found:
                numbers[resource_type, document["_id"]] = document["version"]
    return numbers


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield `items` in parts that one condition may name."""
    remaining = iter(items)
    while part := list(islice(remaining, _AT_ONCE)):
        yield part


async def _refuse_referred(
    database: Database, stored_types: Sequence[str], deleted: Sequence[Write], session: AsyncClientSession
) -> None:
    referring: set[str] = set()
    for some in _parts(deleted):
        for resource_type in stored_types:
            if resource_type not in referring and await _refers(database, resource_type, some, session):
                referring.add(resource_type)
    if referring:
        names = ", ".join(sorted({write.resource_type for write in deleted}))
        others = ", ".join(sorted(referring))
        message = f"{names}: what is to be deleted is still referred to, by resources of the type {others}"
        raise Conflict(error("conflict", message))


async def _refers(
    database: Database, resource_type: str, deleted: Sequence[Write], session: AsyncClientSession
) -> bool:
    """Tell whether a resource of `resource_type` refers to one that is deleted."""
    relative = [f"{write.resource_type}/{write.id}" for write in deleted]
    written = [address for write in deleted for address in write.referred_as]
    # What was stored while the setting was off is found by the index values that references are searched by.
    fields = [field.path for field in kept_fields(resource_type) if field.type == "reference"]
    older = {REFERENCES: {"$exists": False}, "$or": [{path: {"$in": written}} for path in fields]}
    for condition in ({REFERENCES: {"$in": relative}}, older if fields else None):
        if condition is None:
            continue
        found = await database[resource_type].find_one(
            condition, {"_id": 1}, session=session, max_time_ms=_LONGEST_LOOKUP_MS
        )
        if found is not None:
            return True
    return False
