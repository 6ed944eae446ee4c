"""When a lot is about to expire, or has: one Flag for each lot and place, on receipt and each night.

https://hl7.org/fhir/R4/flag.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fhir_server.context import Context
from fhir_server.store import instant
from fhir_server.store.ruling import Entry
from fhir_server.store.stock import Shelf
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.made import changed, concept, key_id, made
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.records import Records
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.workflows.supplies.items import item_of
from fhir_server.workflows.supplies.reordering import ADMINISTRATIVE, flagged
from fhir_server.workflows.supplies.shelves import on_hand
from fhir_server.workflows.supplies.terms import STOCK
from fhir_server.write_path import commit, replacement

Resource = Mapping[str, Any]

NIGHTLY = "W10.nightly"
EXPIRING = NoticeKind(
    "W10.near-expiry",
    "A lot in stock expires soon",
    "A lot that is kept in stock expires soon, or has expired. The flag on it says which one.",
    "A lot in stock expires soon.",
)
# What expired is looked at for as long, as it does not count any more for what runs low.
_LOOKING_BACK = timedelta(days=2)
_MOST_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Expiry:
    """When what is on a shelf expires, and the Flag that tells of it."""

    expires: datetime | None
    flag: Resource | None


def near_expiry_id(shelf_id: str) -> str:
    """Return the id of the Flag that says that what is on a shelf expires soon."""
    return key_id("near-expiry", shelf_id)


async def expiry_of(shelf: Shelf, expires: datetime | None, records: Records) -> Expiry:
    """Return what is known of the expiry of a shelf."""
    return Expiry(expires, await records.read(f"Flag/{near_expiry_id(shelf.id)}"))


def is_near(expires: datetime | None, situation: Situation) -> bool:
    """Tell whether something expires within the days that the settings say, or has."""
    days = timedelta(days=situation.settings.stock_expiry_days)
    return expires is not None and expires <= situation.now + days


def near_expiry(
    shelf: Shelf, found: Expiry, owner: str | None, situation: Situation
) -> Iterable[Consequence]:
    """Put up the Flag of a lot that expires soon, and take it down when nothing of it is left."""
    wanted = shelf.quantity > 0 and is_near(found.expires, situation)
    is_up = found.flag is not None and found.flag["status"] == "active"
    now = situation.now
    if wanted and not is_up:
        flag_id = near_expiry_id(shelf.id)
        code = concept(STOCK, "near-expiry", "Expires soon")
        assert found.expires is not None  # noqa: S101 - see is_near
        period = {"start": instant(now)}
        yield Put(
            made(
                "Flag",
                id=flag_id,
                status="active",
                category=[ADMINISTRATIVE],
                code={**code, "text": f"Expires on {found.expires.date().isoformat()}"},
                subject=flagged(shelf),
                period=period,
            )
        )
        if owner is not None:
            yield notice(EXPIRING, f"Flag/{flag_id}", owner, now, occasion=instant(found.expires))
    elif is_up and not wanted and found.flag is not None:
        period = {**found.flag.get("period", {}), "end": instant(now)}
        yield Put(changed(found.flag, status="inactive", period=period))


async def nightly(_entry: Entry, context: Context, _services: Services) -> None:
    """Tell anew what is on hand of lots that expire soon; what follows from it are the flags."""
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    await retell(context, await _due(situation, Records(context.store, situation)))


async def _due(situation: Situation, records: Records) -> list[Shelf]:
    found: list[Shelf] = []
    for shelf in await records.stock.shelves(only_filled=True):
        lot = None if shelf.lot is None else await records.read(shelf.lot)
        expires = None if lot is None else item_of(lot).expires
        if expires is None or not is_near(expires, situation):
            continue
        expiry = await expiry_of(shelf, expires, records)
        is_new = expiry.flag is None or expiry.flag["status"] != "active"
        if is_new or situation.now - _LOOKING_BACK < expires <= situation.now:
            found.append(shelf)
    return found[:_MOST_AT_ONCE]


async def retell(context: Context, shelves: Iterable[Shelf]) -> None:
    """Store what is on hand on `shelves` anew, for the rules to look at."""
    situation = Situation(context.now(), context.base_url, context.settings, context.new_id)
    records, writes = Records(context.store, situation), []
    for shelf in shelves:
        lot = None if shelf.lot is None else await records.read(shelf.lot)
        told = on_hand(shelf, situation.now, None if lot is None else item_of(lot))
        writes.append(replacement("Observation", shelf.id, told))
    if writes:
        await commit(context, writes)
