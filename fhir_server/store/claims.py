"""Claims: what only one resource may have at a time, kept so that the database itself refuses the second.

A thing is claimed by a document of its own; somebody's time by an entry in the document of the day (UTC).
Two transactions that want the same write the same document, so that one of them is tried again, and then
finds it taken. https://www.mongodb.com/docs/manual/core/transactions-production-consideration/#in-progress-transactions-and-write-conflicts
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.connection import Database
from fhir_server.store.ruling import Claim
from resources.operation_outcome import UnprocessableContent, error

CLAIMS = "claims"

# Each day is a document to be written.
_MOST_DAYS = 400
_DAY = timedelta(days=1)


async def settle(
    database: Database, given_up: Sequence[Claim], wanted: Sequence[Claim], session: AsyncClientSession
) -> None:
    """Give up some claims and make others, in this order; raise the refusal of the first that is taken."""
    kept = set(given_up) & set(wanted)
    released = [claim for claim in given_up if claim not in kept]
    taken = [claim for claim in dict.fromkeys(wanted) if claim not in kept]
    if released:
        await _release(database, released, session)
    things = [claim for claim in taken if claim.start is None]
    times = [claim for claim in taken if claim.start is not None]
    if things:
        await _take_things(database, things, session)
    if times:
        await _take_times(database, times, session)


async def _release(database: Database, claims: Sequence[Claim], session: AsyncClientSession) -> None:
    for claim in claims:
        if claim.start is None:
            await database[CLAIMS].delete_many({"_id": claim.key, "owner": claim.owner}, session=session)
            continue
        days = [day for day, _, _ in _days(claim)]
        pulled = {"owner": claim.owner, "from": {"$lt": claim.end}, "to": {"$gt": claim.start}}
        await database[CLAIMS].update_many(
            {"_id": {"$in": days}}, {"$pull": {"taken": pulled}}, session=session
        )


async def _take_things(database: Database, claims: Sequence[Claim], session: AsyncClientSession) -> None:
    wanted: dict[str, Claim] = {}
    for claim in claims:
        if wanted.setdefault(claim.key, claim).owner != claim.owner:
            raise claim.refusal
    found = database[CLAIMS].find({"_id": {"$in": list(wanted)}}, session=session)
    async for document in found:
        if document["owner"] != wanted[document["_id"]].owner:
            raise wanted[document["_id"]].refusal
        del wanted[document["_id"]]
    if wanted:
        documents = [{"_id": key, "owner": claim.owner} for key, claim in wanted.items()]
        await database[CLAIMS].insert_many(documents, session=session)


async def _take_times(database: Database, claims: Sequence[Claim], session: AsyncClientSession) -> None:
    parts: defaultdict[str, list[tuple[datetime, datetime, Claim]]] = defaultdict(list)
    for claim in claims:
        for day, start, end in _days(claim):
            parts[day].append((start, end, claim))
    documents = database[CLAIMS].find({"_id": {"$in": list(parts)}}, session=session)
    taken = {document["_id"]: list(document.get("taken", ())) async for document in documents}
    updates: list[Any] = []
    # In order, so that two transactions meet at the first day that both want.
    for day in sorted(parts):
        there = taken.get(day, [])
        made = []
        for start, end, claim in parts[day]:
            if any(one["from"] < end and one["to"] > start for one in there if one["owner"] != claim.owner):
                raise claim.refusal
            made.append({"from": start, "to": end, "owner": claim.owner})
            there.append(made[-1])
        change = {"$push": {"taken": {"$each": made}}}
        updates.append(UpdateOne({"_id": day}, change, upsert=True))
    await database[CLAIMS].bulk_write(updates, ordered=True, session=session)


def _days(claim: Claim) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield the document of each day that a claim of time is about, and from when until when it is."""
    start, until = _utc(claim.start), _utc(claim.end)
    if until - start > _DAY * _MOST_DAYS:
        raise UnprocessableContent(error("business-rule", f"A time lasts {_MOST_DAYS} days at most"))
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        yield f"{claim.key}/{day.date().isoformat()}", max(start, day), min(until, day + _DAY)
        day += _DAY


def _utc(moment: datetime | None) -> datetime:
    assert moment is not None  # noqa: S101 - claims of time have both
    # The database keeps milliseconds.
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)
