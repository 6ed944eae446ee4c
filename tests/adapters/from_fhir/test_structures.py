"""Every message that we send has what its structure requires: by our own tables, and by those of hl7apy."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import ValidationError
from hl7apy.parser import parse_message

from hl7.validation import violations
from tests.adapters.from_fhir.invented import (
    ACCOUNT,
    COVERAGE,
    DESTINATION,
    FOUND,
    PATIENT,
    PAYING,
    appointment,
    charge,
    document,
    encounter,
    observation,
    order,
    prescription,
    report,
    told,
)

Resource = dict[str, Any]
_RESULTS = {
    "Observation/o1": observation("o1", valueQuantity={"value": 13.5, "unit": "g/dL"}),
    "Observation/o2": observation("o2", valueString="two\nlines"),
    "ServiceRequest/sr-1": order(),
}
_MOVED = encounter(beds=(("B1", "completed"), ("B2", "active")))
_OUT = {**encounter(), "class": {"code": "AMB"}}
_MERGED = {
    **PATIENT,
    "id": "pat-2",
    "link": [{"other": {"reference": "Patient/pat-1"}, "type": "replaced-by"}],
}
_SPECIMEN = {
    "resourceType": "Specimen",
    "id": "spm-1",
    "type": {"coding": [{"system": "http://snomed.info/sct", "code": "119297000", "display": "Blood"}]},
    "collection": {"collectedDateTime": "2026-03-01T08:00:00Z"},
}
_CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "code": {"text": "Anaemia"},
    "recordedDate": "2026-02-28",
}
_ALLERGY = {
    "resourceType": "AllergyIntolerance",
    "id": "a1",
    "code": {"text": "Penicillin"},
    "category": ["medication"],
    "reaction": [{"severity": "severe", "manifestation": [{"text": "Rash"}]}],
}

CASES: Sequence[tuple[str, Resource | None, Resource | None]] = [
    ("ADT^A28", None, PATIENT),
    ("ADT^A31", PATIENT, {**PATIENT, "gender": "other"}),
    ("ADT^A29", PATIENT, None),
    ("ADT^A40", {**PATIENT, "id": "pat-2"}, _MERGED),
    ("ADT^A05", None, encounter("planned", beds=(("B1", "reserved"),))),
    ("ADT^A38", encounter("planned"), encounter("cancelled")),
    ("ADT^A01", None, encounter(diagnosis=[{"condition": {"reference": "Condition/c1"}}])),
    ("ADT^A04", {**encounter("planned"), "class": {"code": "AMB"}}, _OUT),
    ("ADT^A02", encounter(), _MOVED),
    ("ADT^A12", _MOVED, encounter()),
    ("ADT^A06", _OUT, encounter()),
    ("ADT^A07", encounter(), _OUT),
    ("ADT^A08", encounter(), encounter(serviceType={"text": "Cardiology"})),
    ("ADT^A03", encounter(), encounter("finished", beds=(("B1", "completed"),))),
    ("ADT^A13", encounter("finished"), encounter()),
    ("ADT^A11", encounter(), encounter("cancelled")),
    (
        "OML^O21",
        None,
        order(specimen=[{"reference": "Specimen/spm-1"}], reasonReference=[{"reference": "Condition/c1"}]),
    ),
    ("OML^O21", order(), order("revoked")),
    ("OML^O21", order(), order(priority="routine")),
    ("RDE^O11", None, prescription()),
    ("RDE^O11", prescription(), prescription("stopped")),
    ("ORU^R01", None, report("o1", "o2", specimen=[{"reference": "Specimen/spm-1"}])),
    ("ORU^R01", report("o1"), report("o1", status="corrected")),
    ("SIU^S12", None, appointment()),
    (
        "SIU^S13",
        appointment(),
        appointment(start="2026-03-05T10:00:00+01:00", end="2026-03-05T10:20:00+01:00"),
    ),
    ("SIU^S14", appointment(), appointment(comment="Bring nothing")),
    ("SIU^S15", appointment(), appointment("cancelled")),
    ("SIU^S17", appointment(), appointment("entered-in-error")),
    ("SIU^S26", appointment(), appointment("noshow")),
    ("DFT^P03", None, charge()),
    ("DFT^P03", charge(), charge("entered-in-error")),
    ("MDM^T02", None, document()),
    ("MDM^T08", document(), document(description="Another")),
    (
        "MDM^T10",
        None,
        document(relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/l0"}}]),
    ),
    ("MDM^T11", document(), document("entered-in-error")),
]
_EVERYTHING = {
    **FOUND,
    **PAYING,
    **_RESULTS,
    "Specimen/spm-1": _SPECIMEN,
    "Condition/c1": _CONDITION,
    "Encounter/enc-1": encounter(),
}
_RELATED: dict[str, list[Resource]] = {
    "allergies": [_ALLERGY],
    "coverages": [COVERAGE],
    "accounts": [ACCOUNT],
}


def sent(before: Resource | None, after: Resource | None, version: str) -> Any:
    """Return the message of a change in a version."""
    destination = replace(DESTINATION, version=version)
    return told(before, after, destination, _EVERYTHING, _RELATED)


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5.1", "2.7"])
@pytest.mark.parametrize(("kind", "before", "after"), CASES)
def test_the_event_is_the_one_that_happened(
    kind: str, before: Resource | None, after: Resource | None, version: str
) -> None:
    """Each change is told by its event, in each version, with all that the structure requires."""
    message = sent(before, after, version)
    old = {"OML^O21": "ORM^O01", "RDE^O11": "RDE^O01"} if version == "2.3.1" else {}
    header = message.header
    assert f"{header.message_code}^{header.trigger_event}" == old.get(kind, kind)
    assert header.version == version
    strict = violations(message, strict=version == "2.5.1")
    assert [str(one) for one in strict] == []


@pytest.mark.parametrize(("kind", "before", "after"), CASES)
def test_hl7apy_finds_nothing_wrong(kind: str, before: Resource | None, after: Resource | None) -> None:
    """An independent reader of version 2.5.1 takes every message, strictly."""
    message = sent(before, after, "2.5.1")
    text = message.data.decode()
    found = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    if kind == "RDE^O11":
        # It puts the TQ1 behind RXE into the group TIMING, which stands before RXE (HL7 v2.5.1 §4.13.6).
        with pytest.raises(ValidationError, match="TIMING_ENCODED"):
            found.validate()
        return
    assert found.validate() is True
