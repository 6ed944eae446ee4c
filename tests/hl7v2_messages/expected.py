"""What there is at least in the records after a message that was accepted, by the segments that it has."""

from collections import Counter
from collections.abc import Iterator

from hl7.message import Message
from tests.hl7v2_messages.sending import Sent

_VISIT = {"AL1": "AllergyIntolerance", "DG1": "Condition", "PR1": "Procedure", "IN1": "Coverage"}
_MAKES: dict[str, dict[str, str]] = {
    "ADT": {**_VISIT, "OBX": "Observation", "PV1": "Encounter"},
    "BAR": {"DG1": "Condition", "PR1": "Procedure", "IN1": "Coverage"},
    "DFT": {"FT1": "ChargeItem"},
    "MDM": {"TXA": "DocumentReference"},
    "OML": {"OBR": "ServiceRequest", "SPM": "Specimen"},
    "ORM": {"OBR": "ServiceRequest", "RXO": "MedicationRequest"},
    "ORU": {"OBR": "DiagnosticReport", "OBX": "Observation"},
    "OUL": {"OBR": "DiagnosticReport", "OBX": "Observation", "SPM": "Specimen"},
    "RDE": {"RXE": "MedicationRequest"},
    "RDS": {"RXD": "MedicationDispense"},
    "REF": {"RF1": "ServiceRequest", "DG1": "Condition"},
    "SIU": {"SCH": "Appointment", "AIL": "Location", "AIP": "Practitioner"},
    "VXU": {"RXA": "Immunization"},
}
"""By message code: the type of what each segment makes. What several segments name is one resource."""

_OF_A_PERSON = frozenset({"A28", "A31", "A40"})
_ONE_EACH = frozenset({"FT1", "OBR", "RXE", "RXD", "TXA", "SCH", "RF1"})
"""Segments each of which says something of its own."""


def missing(sent: Sent) -> Iterator[str]:
    """Tell what a message has, and the records have not."""
    stored = Counter(one["resourceType"] for one in sent.resources)
    for resource_type, least in _least(sent.message).items():
        if stored[resource_type] < least:
            yield f"{sent.name}: {stored[resource_type]} of {resource_type}, and not {least}"


def _least(message: Message) -> Counter[str]:
    header = message.header
    least = Counter({"Patient": 1, "Provenance": 1})
    if header.trigger_event == "A40":
        least["Patient"] = 2 * len(message.all("MRG"))
    if header.message_code == "BAR":
        least["Account"] = 1
    makes = _MAKES[header.message_code]
    if header.trigger_event in _OF_A_PERSON:
        makes = {"AL1": "AllergyIntolerance"}
    if header.trigger_event == "P02":
        makes = {}
    for name, resource_type in makes.items():
        # A Coverage says who pays; an IN1 without a company is answered with a warning.
        count = sum(1 for one in message.all(name) if name != "IN1" or one[3] or one[4])
        least[resource_type] = max(least[resource_type], count if name in _ONE_EACH else min(count, 1))
    return least
