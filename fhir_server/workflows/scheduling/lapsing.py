"""What waits too long: a hold, an offer, a request that no doctor answers; and what is over.

https://hl7.org/fhir/R4/appointment.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.context import Context
from fhir_server.store import Version
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.made import changed
from fhir_server.workflows.pattern import Change, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.scheduling.vocabulary import LAPSED, OFFER, cancelled, reference, tagged
from fhir_server.workflows.scheduling.waiting import waits_on
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement


async def lapse(entry: Entry, context: Context, _services: Services) -> None:
    """Cancel what still waits, so that its Slot is free again; an offer goes back into the queue."""
    kind, _, appointment_id = entry.subject.partition("/")
    version = await context.store.read(kind, appointment_id)
    if version is None or version.resource is None or version.resource.get("status") != "pending":
        return
    appointment = version.resource
    queued = await _queued(version, context) if tagged(appointment, OFFER) else None
    ended = cancelled(appointment, LAPSED) if queued is None else waits_on(appointment, queued)
    await commit(context, [replacement(kind, appointment_id, ended, if_match=version.number)])


async def _queued(offer: Version, context: Context) -> Mapping[str, Any] | None:
    """Return an Appointment as it was in the queue before it was offered a time."""
    for number in range(offer.number - 1, 0, -1):
        version = await context.store.read_version(offer.resource_type, offer.id, number)
        if version is not None and version.resource and version.resource.get("status") == "waitlist":
            return version.resource
    return None


async def _gather(change: Change, records: Records) -> list[Mapping[str, Any]]:
    if change.after is None or not change.became("finished"):
        return []
    named = change.after.get("appointment", ())
    return [one for text in named if (one := await records.read(reference(text))) is not None]


def _follows(
    _change: Change, appointments: list[Mapping[str, Any]], _situation: Situation
) -> Iterable[Consequence]:
    for one in appointments:
        if one.get("status") in ("arrived", "checked-in"):
            yield Put(changed(one, status="fulfilled"))


WATCH = Watch(frozenset({"Encounter"}), gather=_gather, follows=_follows)
