"""What can be booked: free Slots of active Schedules, at times that nobody of them is taken.

Doctors are chosen in an order that is always the same for the same records: who knows the patient, who is
free first, who has the least to do, and then by name of the resource.
https://profiles.ihe.net/ITI/Scheduling/ITI-115.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.context import Context
from fhir_server.store import instant
from fhir_server.workflows.records import Records
from fhir_server.workflows.scheduling.facts import all_active, is_within, with_persons
from fhir_server.workflows.scheduling.vocabulary import (
    ACTIVE,
    NEEDS_APPROVAL,
    REASON,
    claimed,
    kind,
    overlap,
    reference,
    tagged,
    times,
)
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
_MOST_DAYS_BACK = 365
_STATES = ",".join(sorted(ACTIVE))


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for: from when until when, of what kind, with whom and where."""

    start: datetime
    end: datetime
    patient: str | None = None
    specialties: tuple[str, ...] = ()
    visit_types: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """A Slot that can be booked, with its Schedule, whose it is, and why it comes where it does."""

    slot: Resource
    schedule: Resource
    people: tuple[str, ...]
    reason: str
    rank: tuple[Any, ...]


def all_records(context: Context) -> Records:
    """Return the records, whoever asks: what is taken is not free, though the caller may not see by whom."""
    return Records(context.store.unguarded(), _situation(context))


def seen_records(context: Context) -> Records:
    """Return the records that the caller may see."""
    return Records(context.store, _situation(context))


def _situation(context: Context) -> Situation:
    return Situation(context.now(), context.base_url, context.settings, context.new_id, context.principal)


async def offers(wish: Wish, records: Records, seen: Records) -> list[Offer]:
    """Return all that can be booked, the best first.

    `records` are all that there are. Whom the patient knows is told of `seen`, which the caller may see.
    """
    schedules = {one["id"]: one for one in await _schedules(wish, records)}
    if not schedules:
        return []
    people = {name: tuple(await _people(one, records)) for name, one in schedules.items()}
    slots = await _slots(schedules, wish, records)
    everybody = {one for named in people.values() for one in named}
    taken = await _taken({*everybody, *([wish.patient] if wish.patient else [])}, wish, records)
    known = await _known(wish.patient, seen)
    found = []
    for slot in slots:
        schedule = schedules[reference(slot["schedule"]).partition("/")[2]]
        whose = people[schedule["id"]]
        time = times(slot)
        if time is None or not is_within(schedule.get("planningHorizon", {}), time[0]):
            continue
        asked = [*whose, *([wish.patient] if wish.patient else [])]
        if any(overlap(time, other) for one in asked for other in taken.get(one, ())):
            continue
        if await all_active(whose, time[0], records):
            found.append(_offer(slot, schedule, whose, taken, known))
    return sorted(found, key=lambda one: one.rank)


def _offer(
    slot: Resource,
    schedule: Resource,
    people: tuple[str, ...],
    taken: Mapping[str, list[tuple[datetime, datetime]]],
    known: set[str],
) -> Offer:
    doctors = [one for one in people if kind(one) == "Practitioner"]
    load = sum(len(taken.get(one, ())) for one in doctors)
    knows = any(one in known for one in doctors)
    reason = "; ".join(
        [
            "has seen the patient before" if knows else "is the next who is free",
            f"{load} appointments in the time asked for",
        ]
    )
    rank = (not knows, slot["start"], load, reference(slot["schedule"]), slot["id"])
    return Offer(slot, schedule, people, reason, rank)


async def _schedules(wish: Wish, records: Records) -> list[Resource]:
    """Return the active Schedules of those who are asked for, or of all."""
    wanted: list[set[str]] = []
    found: dict[str, Resource] = {}

    async def ask(*pairs: tuple[str, str]) -> set[str]:
        listed = await records.search("Schedule", *pairs)
        found.update({one["id"]: one for one in listed})
        return {one["id"] for one in listed}

    if wish.people:
        wanted.append(await ask(("actor", ",".join(await _with_roles(wish.people, records)))))
    if wish.places:
        wanted.append(await ask(("actor", ",".join(wish.places))))
    if wish.specialties:
        codes = ",".join(wish.specialties)
        ids = await ask(("specialty", codes))
        roles = await records.search("PractitionerRole", ("specialty", codes))
        if roles:
            ids |= await ask(("actor", ",".join(f"PractitionerRole/{one['id']}" for one in roles)))
        wanted.append(ids)
    if wish.visit_types:
        wanted.append(await ask(("service-type", ",".join(wish.visit_types))))
    if not wanted:
        await ask()
        wanted.append(set(found))
    ids = set.intersection(*wanted)
    return [found[one] for one in sorted(ids) if found[one].get("active") is not False]


async def _with_roles(people: Sequence[str], records: Records) -> list[str]:
    persons = [one for one in people if kind(one) == "Practitioner"]
    if not persons:
        return list(people)
    roles = await records.search("PractitionerRole", ("practitioner", ",".join(persons)))
    return [*people, *(f"PractitionerRole/{one['id']}" for one in roles)]


async def _people(schedule: Resource, records: Records) -> list[str]:
    return await with_persons([reference(one) for one in schedule.get("actor", ())], records)


async def _slots(schedules: Iterable[str], wish: Wish, records: Records) -> list[Resource]:
    start = max(wish.start, records.situation.now)
    listed = await records.search(
        "Slot",
        ("schedule", ",".join(f"Schedule/{one}" for one in schedules)),
        ("status", "free"),
        ("start", f"ge{instant(start)}"),
        ("start", f"lt{instant(wish.end)}"),
        sort="start",
    )
    return [one for one in listed if (time := times(one)) is not None and time[1] <= wish.end]


async def _taken(
    people: set[str], wish: Wish, records: Records
) -> dict[str, list[tuple[datetime, datetime]]]:
    asked = sorted(one for one in people if kind(one) != "HealthcareService")
    if not asked:
        return {}
    found = await records.search(
        "Appointment",
        ("actor", ",".join(asked)),
        ("status", _STATES),
        ("date", f"ge{wish.start.date().isoformat()}"),
        ("date", f"lt{instant(wish.end)}"),
        limit=10_000,
    )
    taken: dict[str, list[tuple[datetime, datetime]]] = {}
    for one in found:
        time = times(one)
        if time is not None:
            for actor in claimed(one):
                taken.setdefault(actor, []).append(time)
    return taken


async def _known(patient: str | None, records: Records) -> set[str]:
    """Return the practitioners whom a patient has been with."""
    if patient is None:
        return set()
    before = await records.search("Appointment", ("patient", patient), ("status", "fulfilled"), sort="-date")
    resource = await records.read(patient)
    general = {reference(one) for one in (resource or {}).get("generalPractitioner", ())}
    return general | {actor for one in before for actor in claimed(one) if kind(actor) == "Practitioner"}


def proposal(offer: Offer, wish: Wish) -> dict[str, Any]:
    """Return the Appointment that an offer proposes."""
    slot, schedule = offer.slot, offer.schedule
    time = times(slot)
    minutes = int((time[1] - time[0]).total_seconds()) // 60 if time else None
    waits = "needs-action" if tagged(schedule, NEEDS_APPROVAL) else "accepted"
    listed = [*([wish.patient] if wish.patient else []), *offer.people]
    proposed = {
        "resourceType": "Appointment",
        "extension": [{"url": REASON, "valueString": offer.reason}],
        "status": "proposed",
        "start": slot["start"],
        "end": slot["end"],
        "minutesDuration": minutes or None,
        "slot": [{"reference": f"Slot/{slot['id']}"}],
        "participant": [
            {
                "actor": {"reference": one},
                "required": "required",
                "status": waits if kind(one).startswith("Practitioner") else "accepted",
            }
            for one in listed
            if kind(one) != "HealthcareService"
        ],
    }
    for element in ("serviceCategory", "serviceType", "specialty"):
        proposed[element] = slot.get(element) or schedule.get(element)
    return {name: value for name, value in proposed.items() if value}
