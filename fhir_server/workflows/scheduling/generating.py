"""Schedule/$generate-slots: the Slots of some days, from the hours of those whose Schedule it is.

https://hl7.org/fhir/R4/practitionerrole-definitions.html#PractitionerRole.availableTime
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from datetime import time as daytime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.store import instant
from fhir_server.workflows.made import made
from fhir_server.workflows.scheduling.facts import interval_end, is_active_at, is_within
from fhir_server.workflows.scheduling.looking import all_records
from fhir_server.workflows.scheduling.rules import INACTIVE
from fhir_server.workflows.scheduling.vocabulary import moment, overlap, times
from fhir_server.write_path import commit, new_resource
from resources.operation_outcome import InvalidContent, UnprocessableContent, error

Resource = Mapping[str, Any]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST = 1_000
_MOST_DAYS = 400


async def generate_slots(request: Request, context: Context) -> Response:
    """Create the free Slots between two days, of so many minutes each, where there are none yet.

    Holidays of the hospital, and when somebody is not available, are left out.
    """
    given = inputs(request, GENERATE_SLOTS.parameters, lenient=context.preferences.lenient)
    schedule = (await read(Request("GET", request.path[:2]), context)).resource or {}
    first, last = (_day(given.required(name), name) for name in ("start", "end"))
    minutes = given.count("minutes") or 30
    if not 5 <= minutes <= 720 or not timedelta() <= last - first <= timedelta(days=_MOST_DAYS):
        raise InvalidContent(error("value", "A Slot has 5 to 720 minutes, and end is not before start"))
    if schedule.get("active") is False:
        raise INACTIVE.error("The Schedule is not active", "Schedule.active")
    records = all_records(context)
    actors = [await records.read(one) for one in schedule.get("actor", ())]
    found = [one for one in actors if one is not None and one["resourceType"] in _TIMED]
    zone = ZoneInfo(context.settings.time_zone)
    planned = [
        one
        for one in _planned(found, first, last, timedelta(minutes=minutes), zone, context.settings.holidays)
        if one[0] > context.now() and is_within(schedule.get("planningHorizon", {}), one[0])
    ]
    if len(planned) > _MOST:
        raise UnprocessableContent(
            error("too-costly", f"That is more than {_MOST} Slots; ask for fewer days")
        )
    name = f"Schedule/{schedule['id']}"
    there = await records.search(
        "Slot",
        ("schedule", name),
        ("start", f"ge{(first - timedelta(days=1)).isoformat()}"),
        ("start", f"le{(last + timedelta(days=1)).isoformat()}"),
        limit=10_000,
    )
    taken = [time for one in there if one.get("status") != "entered-in-error" and (time := times(one))]
    writes = [
        new_resource("Slot", context.new_id(), _slot(schedule, time))
        for time in planned
        if not any(overlap(time, other) for other in taken)
    ]
    if writes:
        await commit(context, writes)
    return Response(
        200,
        parameters(
            [
                {"name": "created", "valueInteger": len(writes)},
                {"name": "there-already", "valueInteger": len(planned) - len(writes)},
            ]
        ),
    )


_TIMED = frozenset({"PractitionerRole", "HealthcareService", "Location"})


def _day(text: Any, name: str) -> date:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        raise InvalidContent(error("value", f"{name} is a day such as 2026-01-31")) from None


def _planned(
    actors: list[dict[str, Any]],
    first: date,
    last: date,
    length: timedelta,
    zone: ZoneInfo,
    holidays: str | None,
) -> list[tuple[datetime, datetime]]:
    """Return the times in which everybody who has hours is there."""
    timed = [one for one in actors if one.get("availableTime")]
    free_days = {one.strip() for one in (holidays or "").split(",")}
    found: list[tuple[datetime, datetime]] = []
    day = first
    while timed and day <= last:
        if not {day.isoformat(), f"{day:%m-%d}"} & free_days:
            for start, end in _hours(timed[0], day, zone):
                found += _cut(start, end, length)
        day += timedelta(days=1)
    return [time for time in found if all(_is_there(one, time, zone) for one in actors)]


def _cut(start: datetime, end: datetime, length: timedelta) -> Iterable[tuple[datetime, datetime]]:
    while start + length <= end:
        yield start, start + length
        start += length


def _hours(actor: Resource, day: date, zone: ZoneInfo) -> Iterable[tuple[datetime, datetime]]:
    """Yield from when until when somebody is there on a day of the hospital's time zone."""
    for one in actor.get("availableTime", ()):
        if _DAYS[day.weekday()] not in one.get("daysOfWeek", _DAYS):
            continue
        if one.get("allDay"):
            begins, ends = daytime(), daytime()
        elif "availableStartTime" in one and "availableEndTime" in one:
            begins = daytime.fromisoformat(one["availableStartTime"])
            ends = daytime.fromisoformat(one["availableEndTime"])
        else:
            continue
        until = day if ends > begins else day + timedelta(days=1)
        start, end = datetime.combine(day, begins, zone), datetime.combine(until, ends, zone)
        yield start.astimezone(UTC), end.astimezone(UTC)


def _is_there(actor: Resource, time: tuple[datetime, datetime], zone: ZoneInfo) -> bool:
    if not is_active_at(actor, time[0]):
        return False
    for one in actor.get("notAvailable", ()):
        during = one.get("during", {})
        start = _local(during.get("start"), zone, is_end=False)
        end = _local(during.get("end"), zone, is_end=True)
        if (start is None or start < time[1]) and (end is None or time[0] < end):
            return False
    if not actor.get("availableTime"):
        return True
    days = {moment_.astimezone(zone).date() - timedelta(days=back) for moment_ in time for back in (0, 1)}
    hours = [one for day in days for one in _hours(actor, day, zone)]
    return any(start <= time[0] and time[1] <= end for start, end in hours)


def _local(text: str | None, zone: ZoneInfo, *, is_end: bool) -> datetime | None:
    """Return the moment that the start or end of a Period says; a day is one of the hospital's time zone."""
    if text is None:
        return None
    if len(text) == 10:
        day = date.fromisoformat(text) + timedelta(days=1 if is_end else 0)
        return datetime.combine(day, daytime(), zone).astimezone(UTC)
    return interval_end(text) if is_end else moment(text)


def _slot(schedule: Resource, time: tuple[datetime, datetime]) -> dict[str, Any]:
    return made(
        "Slot",
        schedule={"reference": f"Schedule/{schedule['id']}"},
        status="free",
        start=instant(time[0]),
        end=instant(time[1]),
        serviceCategory=schedule.get("serviceCategory"),
        serviceType=schedule.get("serviceType"),
        specialty=schedule.get("specialty"),
    )


GENERATE_SLOTS = Operation(
    code="generate-slots",
    definition="metadata/OperationDefinition/generate-slots",
    handler=generate_slots,
    types=frozenset({"Schedule"}),
    parameters=("start", "end", "minutes"),
    parameter_types={"start": "date", "end": "date", "minutes": "integer"},
    parameter_docs={
        "start": "The first day.",
        "end": "The last day.",
        "minutes": "How long a Slot is; 30 if nothing is said.",
    },
    on_instance=True,
    affects_state=True,
)
