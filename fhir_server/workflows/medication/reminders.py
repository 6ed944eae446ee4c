"""Reminders to take a medicine at home, from the timing of the dosage; they end with the prescription.

https://hl7.org/fhir/R4/dosage.html, https://hl7.org/fhir/R4/datatypes.html#Timing
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.search.intervals import interval
from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence
from fhir_server.workflows.made import has_code
from fhir_server.workflows.notices import NoticeKind, no_notice, notice
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

TAKE = NoticeKind(
    "W6.take-medicine",
    "A reminder",
    "It is time to take what your doctor prescribed. Please sign in to see how.",
    "It is time to take what your doctor prescribed.",
    category="reminder",
)
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
_HOURS = {1: (9,), 2: (9, 20), 3: (9, 14, 20), 4: (9, 13, 17, 20)}
_DAYS = {"d": 1, "wk": 7}
_MOST_DAYS = 31
_MOST = 100


def reminders(reference: str, request: Resource, situation: Situation) -> Iterable[Consequence]:
    """Yield a notice for each time at which a patient at home takes a medicine, for a month at most."""
    patient = request.get("subject", {}).get("reference", "")
    is_at_home = not has_code(request.get("category", []), _CATEGORIES, "inpatient")
    if not is_at_home or not patient.startswith("Patient/"):
        return
    version = request.get("meta", {}).get("versionId", "1")
    for moment in islice(_times(request, situation), _MOST):
        # What was struck while it was on hold is planned anew.
        yield notice(TAKE, reference, patient, moment, occasion=f"{version}/{instant(moment)}")


def without_reminders(reference: str) -> Iterable[Consequence]:
    """Yield what takes back the reminders that are still to come."""
    yield no_notice(reference, TAKE)


def _times(request: Resource, situation: Situation) -> Iterator[datetime]:
    zone = ZoneInfo(situation.settings.time_zone)
    for dosage in request.get("dosageInstruction", ()):
        if dosage.get("asNeededBoolean") or "asNeededCodeableConcept" in dosage:
            continue
        repeat = dosage.get("timing", {}).get("repeat", {})
        hours = _hours(repeat)
        every = _DAYS.get(repeat.get("periodUnit", "d"), 0) * int(repeat.get("period", 1))
        end = _end(request, repeat, situation.now)
        if not hours or every < 1:
            continue
        first = situation.now.astimezone(zone).date()
        for day in range(0, _MOST_DAYS, every):
            for hour in hours:
                moment = datetime.combine(first + timedelta(days=day), hour, zone).astimezone(UTC)
                if situation.now < moment < end:
                    yield moment


def _hours(repeat: Resource) -> tuple[time, ...]:
    if "timeOfDay" in repeat:
        return tuple(time.fromisoformat(one) for one in repeat["timeOfDay"])
    if "frequency" not in repeat:
        return ()
    return tuple(time(hour) for hour in _HOURS.get(repeat["frequency"], ()))


def _end(request: Resource, repeat: Resource, now: datetime) -> datetime:
    """Return when there is nothing more to take: what the dosage says, else what the supply is for."""
    end = repeat.get("boundsPeriod", {}).get("end")
    if end is not None:
        return interval(end)[1]
    supply = request.get("dispenseRequest", {}).get("expectedSupplyDuration", {})
    for duration in (repeat.get("boundsDuration", {}), supply):
        days = {"d": 1, "wk": 7, "mo": 30}.get(duration.get("code", duration.get("unit", "")))
        if days is not None and "value" in duration:
            return now + timedelta(days=float(duration["value"]) * days)
    return now + timedelta(days=_MOST_DAYS)
