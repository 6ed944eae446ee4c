"""Which messages a change is told by, for a destination, and the bytes of each.

`told` says what there is to tell of a change; `message` makes the message of it. Both are pure: what belongs
to a resource has been looked up before (`adapters.from_fhir.around`).
"""

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

from adapters.destinations import Destination
from adapters.from_fhir import adt, appointments, charges, documents, medications, orders, results
from adapters.from_fhir.encoding import encoded
from adapters.from_fhir.telling import Resource, SegmentFields, Telling, Told

TYPES = frozenset(
    {
        *("Patient", "Encounter", "ServiceRequest", "MedicationRequest", "DiagnosticReport", "Observation"),
        *("DocumentReference", "Appointment", "ChargeItem", "Invoice", "Coverage", "Account"),
    }
)
"""The resource types of which something is told.

What changes of an Observation is told by the reports it is in, of a Coverage or Account by who pays for the
patient.
"""

EVENTS: Mapping[str, str] = {
    "ADT^A28": "a Patient is new",
    "ADT^A31": "a Patient changed, or a Coverage of theirs, or who vouches for their Account, and they have "
    "no Encounter under way",
    "ADT^A29": "a Patient is deleted",
    "ADT^A40": "a Patient went into another one (`link` of type replaced-by)",
    "ADT^A05": "an Encounter is new and planned",
    "ADT^A38": "a planned Encounter is cancelled",
    "ADT^A01": "an Encounter is under way, of class IMP, ACUTE or NONAC",
    "ADT^A04": "an Encounter is under way, of another class",
    "ADT^A02": "the patient of an Encounter is at another active location",
    "ADT^A12": "the patient is back at the location before, and the other one is none of the Encounter "
    "any more",
    "ADT^A06": "the class of an Encounter under way became IMP, ACUTE or NONAC",
    "ADT^A07": "it became another one than these",
    "ADT^A08": "an Encounter changed otherwise; or its Patient did, while it is under way",
    "ADT^A03": "an Encounter is finished",
    "ADT^A13": "a finished Encounter is under way again",
    "ADT^A11": "an Encounter under way, or finished, is cancelled, an error, or deleted",
    "OML^O21": "a ServiceRequest (an order) is active (ORC-1 NW), changed (XO), on hold (HD), active "
    "again (RL), or "
    "revoked (CA); ORM^O01 up to version 2.3.1",
    "RDE^O11": "the same of a MedicationRequest, and stopped (DC); RDE^O01 up to version 2.3.1",
    "ORU^R01": "a DiagnosticReport is partial, preliminary or final, or was changed or taken back after "
    "that; or one "
    "of its Observations was",
    "SIU^S12": "an Appointment is booked",
    "SIU^S13": "it has another time",
    "SIU^S14": "it changed otherwise",
    "SIU^S15": "it is cancelled",
    "SIU^S17": "it is an error, or deleted",
    "SIU^S26": "nobody came",
    "DFT^P03": "a ChargeItem is billable or billed (FT1-6 CG), or is so no more (CD, of the same "
    "FT1-2); with "
    '`charges = "invoices"` an Invoice is issued, or is cancelled after that',
    "MDM^T02": "a DocumentReference is new and current",
    "MDM^T08": "its content, or what is said of it, changed",
    "MDM^T10": "a new one replaces another",
    "MDM^T11": "it is an error, or deleted",
}
"""What is told, and when: docs/hl7v2/outbound.md has it from here."""

_MAKERS: Mapping[str, Callable[[Telling], Iterator[SegmentFields]]] = {
    "ADT": adt.adt,
    "OML": orders.order,
    "ORM": orders.order,
    "ORU": results.report,
    "RDE": medications.prescription,
    "DFT": charges.charges,
    "SIU": appointments.schedule,
    "MDM": documents.document,
}
# Within one transaction the person is told of before the stay, the stay before what is ordered, and that
# before results.
_RANKS = ("A28", "A31", "A40", "A05", "A01", "A04", "A", "O", "R", "S", "T", "P")
_PRESCRIPTION, _PRESCRIPTION_OF_OLD = "RDE^O11", "RDE^O01"
_SOURCE = "urn:hl7v2:"


def messages(before: Resource | None, after: Resource | None) -> tuple[Told, ...]:
    """Return what there is to tell of a change, whoever wants to know; an order is OML^O21 here."""
    resource = after if after is not None else before
    message = None if resource is None else _message(resource["resourceType"], before, after)
    return () if message is None else (Told(message, before, after),)


def _message(resource_type: str, before: Resource | None, after: Resource | None) -> str | None:
    event: str | None
    if resource_type in ("Patient", "Encounter"):
        find = adt.patient_event if resource_type == "Patient" else adt.encounter_event
        event = find(before, after)
        return f"ADT^{event}" if event else None
    if resource_type == "Appointment":
        event = appointments.appointment_event(before, after)
        return f"SIU^{event}" if event else None
    if resource_type == "DocumentReference":
        event = documents.document_event(before, after)
        return f"MDM^{event}" if event else None
    if resource_type in ("ServiceRequest", "MedicationRequest"):
        message = orders.ORDER if resource_type == "ServiceRequest" else _PRESCRIPTION
        return message if orders.control(before, after) else None
    return _of_others(resource_type, before, after)


def _of_others(resource_type: str, before: Resource | None, after: Resource | None) -> str | None:
    if resource_type == "DiagnosticReport":
        return results.RESULT if results.is_told(before, after) else None
    if resource_type == "ChargeItem":
        return charges.CHARGES if charges.charge_is_told(before, after) else None
    if resource_type == "Invoice":
        return charges.CHARGES if charges.invoice_is_told(before, after) else None
    return None


def for_destination(told: Told, destination: Destination) -> Told | None:
    """Return what a destination is told of it: the message of its version.

    None if it does not want to know.
    """
    resource, message = told.resource, told.message
    if message == orders.ORDER:
        message = orders.order_message(destination)
    if message == _PRESCRIPTION and destination.is_before("2.4"):
        message = _PRESCRIPTION_OF_OLD
    if not (destination.wants(message) or destination.wants(told.message)):
        return None
    kind = resource["resourceType"]
    if kind in ("ServiceRequest", "DiagnosticReport") and not orders.has_category(
        resource, destination.categories
    ):
        return None
    if (kind == "ChargeItem" and destination.charges != "items") or (
        kind == "Invoice" and destination.charges != "invoices"
    ):
        return None
    if came_from(told) == (destination.receiving_application or destination.name):
        return None
    return Told(message, told.before, told.after)


def came_from(told: Told) -> str | None:
    """Return the application (MSH-3) that made this change by a message of its own, None if none did.

    A resource keeps where it came from when others change it; only a message that was not there before made
    it.
    """
    sources = [(one or {}).get("meta", {}).get("source", "") for one in (told.before, told.after)]
    if sources[1] == sources[0] or not sources[1].startswith(_SOURCE):
        return None
    return unquote(sources[1].removeprefix(_SOURCE).partition(":")[0])


def rank(told: Told) -> int:
    """Return the place of a message among those of one transaction."""
    event = told.message.partition("^")[2]
    return next(place for place, start in enumerate(_RANKS) if event.startswith(start))


def message(telling: Telling) -> tuple[bytes, bool]:
    """Return a message, and whether characters that its character set lacks were replaced in it.

    Such a character becomes the one without its mark (é: e), or a question mark. Raises HL7Error if it cannot
    be expressed at all.
    """
    return encoded(list(_MAKERS[telling.told.message[:3]](telling)), codec=telling.destination.codec)
