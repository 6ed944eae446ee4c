"""What is charged for: visits that ended, and what was done, found, dispensed or delivered.

https://hl7.org/fhir/R4/chargeitem.html
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from fhir_server.workflows.billing.definitions import Coding
from fhir_server.workflows.billing.money import decimal
from fhir_server.workflows.billing.tariff import Service, Tariff
from fhir_server.workflows.made import has_code

Resource = Mapping[str, Any]

DONE: Mapping[str, frozenset[str]] = {
    "Encounter": frozenset({"finished"}),
    "Procedure": frozenset({"completed"}),
    "DiagnosticReport": frozenset({"final", "amended", "corrected", "appended"}),
    "MedicationDispense": frozenset({"completed"}),
    "SupplyDelivery": frozenset({"completed"}),
    "Appointment": frozenset({"booked"}),
}
"""The states in which something is charged for; an Appointment only if it is by video."""

UNDONE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(DONE, frozenset({"entered-in-error"})),
    "Appointment": frozenset({"cancelled", "entered-in-error"}),
}
"""The states in which what was charged is taken back."""

SERVICES = frozenset({"Procedure", "DiagnosticReport", "MedicationDispense", "SupplyDelivery"})
"""The types that `ChargeItem.service` may lead to."""

_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_LONGEST_STAY = 3_660


def is_virtual(appointment: Resource) -> bool:
    """Tell whether an Appointment is a visit by video, which is paid before it begins."""
    told = [appointment.get("appointmentType")]
    told += [*appointment.get("serviceCategory", ()), *appointment.get("serviceType", ())]
    return any(has_code(one, _ACT, "VR") for one in told if one)


def is_done(event: Resource) -> bool:
    """Tell whether a resource is in a state in which it is charged for."""
    if event.get("status") not in DONE[event["resourceType"]]:
        return False
    if event["resourceType"] == "SupplyDelivery":
        return "patient" in event
    if event["resourceType"] == "Procedure" and _is_only_told(event):
        return False
    return event["resourceType"] != "Appointment" or is_virtual(event)


def _is_only_told(procedure: Resource) -> bool:
    """Tell whether a Procedure is what the patient, or somebody of theirs, says was done, or did themselves.

    That is their history, and nothing that the hospital did. R4 has no element that says so by itself.
    https://hl7.org/fhir/R4/procedure-definitions.html#Procedure.asserter
    """
    actors = [one.get("actor") for one in procedure.get("performer", ())]
    return _is_layman(procedure.get("asserter")) or (bool(actors) and all(map(_is_layman, actors)))


def _is_layman(reference: Any) -> bool:
    text = (reference or {}).get("reference") or f"{(reference or {}).get('type', '')}/"
    return any(f"/{kind}/" in f"/{text}" for kind in ("Patient", "RelatedPerson"))


def is_undone(event: Resource) -> bool:
    """Tell whether a resource is in a state in which its charges are taken back."""
    return event.get("status") in UNDONE[event["resourceType"]]


def patient_of(event: Resource) -> Any:
    """Return the Reference to whom something was done for, None if that is nobody."""
    if event["resourceType"] == "Appointment":
        actors = (one.get("actor", {}) for one in event.get("participant", ()))
        return next((one for one in actors if "Patient/" in one.get("reference", "")), None)
    found = event.get("patient" if event["resourceType"] == "SupplyDelivery" else "subject")
    return found if found and "Patient/" in found.get("reference", "") else None


def encounter_of(event: Resource) -> Any:
    """Return the Reference to the visit that something belongs to, None if it belongs to none."""
    if event["resourceType"] == "Encounter":
        return {"reference": f"Encounter/{event['id']}"}
    return event.get("context" if event["resourceType"] == "MedicationDispense" else "encounter")


def concepts(event: Resource, medication: Resource | None) -> list[Any]:
    """Return the concepts that say what was done, the most exact first."""
    kind = event["resourceType"]
    if kind == "Encounter":
        return [event.get("serviceType"), *event.get("type", ()), {"coding": [event.get("class") or {}]}]
    if kind == "Appointment":
        return [*event.get("serviceType", ()), event.get("appointmentType")]
    if kind == "MedicationDispense":
        return [event.get("medicationCodeableConcept"), (medication or {}).get("code")]
    if kind == "SupplyDelivery":
        item = event.get("suppliedItem", {})
        return [item.get("itemCodeableConcept"), (medication or {}).get("code"), event.get("type")]
    return [event.get("code")]


def codings(told: Iterable[Any]) -> list[Coding]:
    """Return the codings of concepts."""
    return [
        (coding.get("system"), coding["code"])
        for concept in told
        for coding in (concept or {}).get("coding", ())
        if "code" in coding
    ]


def item_of(event: Resource) -> Any:
    """Return the Reference to the medicine or thing that was given, None if there is none."""
    if event["resourceType"] == "SupplyDelivery":
        return event.get("suppliedItem", {}).get("itemReference")
    return event.get("medicationReference")


def quantity(event: Resource) -> Decimal:
    """Return how much of it was given, 1 where that is not said; its own definition prices one unit."""
    told = event.get("quantity") if event["resourceType"] == "MedicationDispense" else None
    told = told or event.get("suppliedItem", {}).get("quantity") or {}
    return decimal(told.get("value", 1))


def services(event: Resource, tariff: Tariff) -> list[Service]:
    """Return the services of the table that fit an event, the best first."""
    told = [one[1] for one in codings(concepts(event, None))]
    category = event.get("category")
    told += [one[1] for one in codings(category if isinstance(category, list) else [category])]
    return [
        one
        for one in tariff.services
        if one.event == event["resourceType"] and (not one.codes or not one.codes.isdisjoint(told))
    ]


def days(encounter: Resource, now: datetime) -> list[datetime]:
    """Return the begun days of a stay, each by its first moment of the stay."""
    period = encounter.get("period", {})
    start = moment(period.get("start"), now)
    end = moment(period.get("end"), now)
    if end < start:
        return []
    return [start + timedelta(days=day) for day in range(min((end - start).days, _LONGEST_STAY) + 1)]


def location_at(encounter: Resource, when: datetime) -> Any:
    """Return the Reference to where the patient of a stay was at a time."""
    found = None
    for one in encounter.get("location", ()):
        period = one.get("period", {})
        start = moment(period.get("start"), datetime.min.replace(tzinfo=UTC))
        if start <= when < moment(period.get("end"), datetime.max.replace(tzinfo=UTC)):
            found = one["location"]
    return found


def occurrence(event: Resource) -> dict[str, Any]:
    """Return when something was done, as elements of a ChargeItem."""
    if event["resourceType"] == "Appointment":
        return {"occurrenceDateTime": event["start"]} if "start" in event else {}
    for name in ("period", "performedPeriod", "effectivePeriod", "occurrencePeriod"):
        if name in event:
            return {"occurrencePeriod": event[name]}
    for name in ("performedDateTime", "effectiveDateTime", "whenHandedOver", "occurrenceDateTime", "issued"):
        if name in event:
            return {"occurrenceDateTime": event[name]}
    return {}


def moment(text: Any, default: datetime) -> datetime:
    """Return the first moment of a date or time, `default` if there is none."""
    if not isinstance(text, str):
        return default
    whole = text + "-01-01"[len(text) - 4 :] if len(text) < 10 else text
    found = datetime.fromisoformat(whole)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
