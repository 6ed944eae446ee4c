"""SIU: an appointment is made, moved, changed, cancelled, or nobody came. HL7 v2.5.1 §10.4, §10.6.1 (SCH)"""

from collections.abc import Iterator
from datetime import datetime

from adapters.from_fhir.datatypes import any_code, cwe, ei, names, repeated, xcn
from adapters.from_fhir.header import msh
from adapters.from_fhir.people import person_of, pid
from adapters.from_fhir.tables import code
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import timestamp
from adapters.from_fhir.visits import pl
from hl7.building import Component, FieldValue

_BOOKED = frozenset({"booked", "arrived", "checked-in", "fulfilled"})
_TOLD = frozenset(
    {
        "participant",
        "serviceType",
        "serviceCategory",
        "appointmentType",
        "reasonCode",
        "comment",
        "description",
    }
    | {"minutesDuration", "patientInstruction", "priority", "specialty", "reasonReference"}
)
_ANSWERS = {
    "accepted": "Accepted",
    "declined": "Declined",
    "tentative": "Tentative",
    "needs-action": "Pending",
}


def appointment_event(before: Resource | None, after: Resource | None) -> str | None:
    """Return the event of a change of an Appointment, None if nobody has to know of it."""
    was = None if before is None else before.get("status")
    now = None if after is None else after.get("status")
    if now in _BOOKED and was not in _BOOKED:
        return "S12"
    if was not in _BOOKED:
        return None
    if after is None or now == "entered-in-error":
        return "S17"
    if now in ("cancelled", "noshow"):
        return {"cancelled": "S15", "noshow": "S26"}[now]
    assert before is not None  # noqa: S101 - it was booked
    if (before.get("start"), before.get("end")) != (after.get("start"), after.get("end")):
        return "S13"
    return "S14" if any(before.get(name) != after.get(name) for name in _TOLD) else None


def schedule(telling: Telling) -> Iterator[SegmentFields]:
    """Yield the segments of an appointment."""
    appointment = telling.told.resource
    yield msh(telling)
    yield _sch(telling, appointment)
    if appointment.get("comment"):
        yield ["NTE", 1, "P", appointment["comment"]]
    yield pid(telling, telling.patient)
    action = {"S12": "A", "S15": "D", "S17": "D", "S26": "D"}.get(telling.told.message[-3:], "U")
    yield ["RGS", 1, action]
    start, length = timestamp(appointment.get("start")), _minutes(appointment)
    tail: tuple[FieldValue, ...] = (start, "", "", length, "min" if length else "")
    service = next(iter(appointment.get("serviceType", ())), None)
    if service is not None:
        yield ["AIS", 1, action, cwe(service), *tail]
    counts = {"AIL": 0, "AIP": 0, "AIG": 0}
    for participant in appointment.get("participant", ()):
        found = _resource(telling, participant)
        if found is not None:
            name, who = found
            counts[name] += 1
            answer = _ANSWERS.get(participant.get("status", ""), "")
            yield _of_resource(
                name,
                counts[name],
                action,
                who,
                cwe(next(iter(participant.get("type", ())), None)),
                tail,
                answer,
            )


def _of_resource(
    name: str,
    place: int,
    action: str,
    who: FieldValue,
    role: FieldValue,
    tail: tuple[FieldValue, ...],
    answer: str,
) -> SegmentFields:
    """Return AIL, AIP or AIG; the last has the resource behind its type. HL7 v2.5.1 §10.6.5 to §10.6.7"""
    status: list[FieldValue] = ["", [answer] if answer else ""]
    if name == "AIG":
        return ["AIG", place, action, who, role or ["", "resource"], "", "", "", *tail, *status]
    return [name, place, action, who, role, "", *tail, *status]


def _resource(telling: Telling, participant: Resource) -> tuple[str, FieldValue] | None:
    """Return which segment a participant has, and who or what it is there; None for the patient."""
    reference = participant.get("actor", {})
    found = telling.get(reference)
    kind = found["resourceType"] if found else reference.get("reference", "").partition("/")[0]
    if kind in ("Practitioner", "PractitionerRole"):
        return "AIP", repeated([person_of(telling, reference)])
    if kind == "Location":
        return "AIL", repeated([pl(telling, reference)])
    if kind in ("Patient", "RelatedPerson", ""):
        return None
    value: list[Component] = [
        reference.get("reference", "").rpartition("/")[2],
        (found or {}).get("name") or reference.get("display", ""),
    ]
    return "AIG", value


def _minutes(appointment: Resource) -> str:
    """Return how long it takes, as it says or from its start and end.

    "" if that is not a whole number of minutes.
    """
    if "minutesDuration" in appointment:
        return str(appointment["minutesDuration"])
    try:
        start, end = (datetime.fromisoformat(appointment[name]) for name in ("start", "end"))
    except (KeyError, ValueError):
        return ""
    minutes, rest = divmod((end - start).total_seconds(), 60)
    return "" if rest else str(int(minutes))


def _sch(telling: Telling, appointment: Resource) -> SegmentFields:
    destination = telling.destination
    event = {
        "S12": "new",
        "S13": "moved",
        "S14": "changed",
        "S15": "cancelled",
        "S17": "deleted",
        "S26": "no show",
    }
    why = appointment.get("cancelationReason") if telling.told.message.endswith("S15") else None
    reason = cwe(next(iter(appointment.get("reasonCode", ())), None))
    start, end = timestamp(appointment.get("start")), timestamp(appointment.get("end"))
    length = _minutes(appointment)
    contact = _contact(telling, appointment)
    timing: list[Component] = ["", "", f"M{length}" if length else "", start, end]
    order = next((one for one in appointment.get("basedOn", ()) if one.get("reference")), None)
    return [
        "SCH", ei(appointment["id"], destination), ei(appointment["id"], destination), "", "", "",
        cwe(why) or ["", event[telling.told.message[-3:]]], reason, cwe(appointment.get("appointmentType")),
        length, "min" if length else "", timing, "", "", "", "", contact, "", "", "", contact, "", "", "", "",
        [code("appointment_status", appointment.get("status"))],
        ei(order["reference"].rpartition("/")[2], destination) if order else "",
    ]  # fmt: skip


def _contact(telling: Telling, appointment: Resource) -> FieldValue:
    """Return whom to turn to: the first of the staff, or else the application."""
    for participant in appointment.get("participant", ()):
        found = telling.get(participant.get("actor"))
        if found is not None and found["resourceType"] in ("Practitioner", "PractitionerRole"):
            return repeated([person_of(telling, participant["actor"])])
    return repeated([xcn(None, telling.destination.sending_application, telling.destination)])


__all__ = ["any_code", "appointment_event", "names", "schedule"]
