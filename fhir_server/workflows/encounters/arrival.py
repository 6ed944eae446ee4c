"""Checking in: whoever arrives for an appointment has an encounter from then on.

https://hl7.org/fhir/R4/encounter-definitions.html#Encounter.appointment
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.store import instant
from fhir_server.workflows.consequences import Consequence, Create, Put
from fhir_server.workflows.encounters.terms import ATTENDER, CLASSES, PARTICIPATION
from fhir_server.workflows.made import changed, concept, has_code, key_id, made
from fhir_server.workflows.pattern import Change, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_HERE = ("arrived", "checked-in")
_STAFF = ("Practitioner/", "PractitionerRole/")
_KINDS = "http://terminology.hl7.org/CodeSystem/v2-0276"


def encounter_id(appointment: str) -> str:
    """Return the id of the encounter that checking in for an appointment makes."""
    return key_id("check-in", appointment)


def _is_here(change: Change) -> bool:
    return any(change.became(state) for state in _HERE)


async def gather(change: Change, records: Records) -> list[dict[str, Any]]:
    """Look up the encounters of an appointment for which somebody has arrived."""
    if change.after is None or change.after.get("status") not in _HERE:
        return []
    return await records.search("Encounter", ("appointment", change.reference))


def follows(change: Change, facts: list[dict[str, Any]], situation: Situation) -> Iterable[Consequence]:
    """Make the encounter, or let the one that was planned for the appointment begin."""
    if change.after is None or not _is_here(change):
        return
    for encounter in facts:
        if encounter["status"] == "planned":
            yield Put(changed(encounter, status="arrived", period={"start": instant(situation.now)}))
    patient = _patient(change.after)
    if not facts and patient is not None:
        yield Create(_encounter(change.after, patient, situation))


def _patient(appointment: Resource) -> str | None:
    actors = (reference_of(one.get("actor")) or "" for one in appointment.get("participant", ()))
    return next((actor for actor in actors if "Patient/" in actor), None)


def _encounter(appointment: Resource, patient: str, situation: Situation) -> dict[str, Any]:
    reference = f"Appointment/{appointment['id']}"
    is_urgent = has_code(appointment.get("appointmentType"), _KINDS, "EMERGENCY")
    kind = ("EMER", "emergency") if is_urgent else ("AMB", "ambulatory")
    return made(
        "Encounter",
        id=encounter_id(reference),
        status="arrived",
        **{"class": {"system": CLASSES, "code": kind[0], "display": kind[1]}},
        subject={"reference": patient},
        appointment=[{"reference": reference}],
        basedOn=appointment.get("basedOn"),
        serviceType=next(iter(appointment.get("serviceType", ())), None),
        reasonCode=appointment.get("reasonCode"),
        participant=list(_participants(appointment)) or None,
        period={"start": instant(situation.now)},
    )


def _participants(appointment: Resource) -> Iterable[dict[str, Any]]:
    """Yield those who see the patient: the first is responsible."""
    kind = concept(PARTICIPATION, ATTENDER, "attender")
    for one in appointment.get("participant", ()):
        actor = reference_of(one.get("actor")) or ""
        if actor.startswith(_STAFF) and one.get("status") != "declined":
            yield {"type": [kind], "individual": {"reference": actor}}
            kind = concept(PARTICIPATION, "PPRF", "primary performer")


WATCH: Watch[list[dict[str, Any]]] = Watch(frozenset({"Appointment"}), gather=gather, follows=follows)
