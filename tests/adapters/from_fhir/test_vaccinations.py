"""Vaccinations as ORC, RXA, RXR and OBX: what stands in their fields, and what is not known."""

from typing import Any

import pytest

from adapters.from_fhir.telling import Telling, Told
from adapters.from_fhir.vaccinations import forecasts, vaccination
from hl7.building import build
from hl7.message import Message
from hl7.parser import parse
from tests.adapters.from_fhir.invented import DESTINATION, FOUND, NOW, PATIENT, concept

Resource = dict[str, Any]
_GIVEN: Resource = {
    "resourceType": "Immunization",
    "id": "imm-1",
    "status": "completed",
    "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "08", "Hep B"),
    "patient": {"reference": "Patient/pat-1"},
    "occurrenceDateTime": "2026-03-01",
}


def _rows(**more: Any) -> Message:
    telling = Telling(Told("RSP", None, PATIENT), DESTINATION, FOUND, NOW, "")
    rows = list(vaccination(telling, {**_GIVEN, **more}))
    return parse(build([["MSH", "", "", "A"], *rows]))


@pytest.mark.parametrize(
    ("told", "completion", "source"),
    [
        ({}, "CP", "01"),
        ({"primarySource": True}, "CP", "00"),
        ({"isSubpotent": True}, "PA", "01"),
        ({"status": "not-done"}, "NA", ""),
        ({"status": "not-done", "statusReason": {"text": "Refused"}}, "RE", ""),
    ],
)
def test_how_it_went(told: Resource, completion: str, source: str) -> None:
    """RXA-20 tells what was given, in part, refused or not given, RXA-9 who tells of what was given."""
    rxa = _rows(**told).all("RXA")[0]
    assert (rxa.get(20), rxa.get(9)) == (completion, source)


def test_what_is_not_known_is_not_made_up() -> None:
    """An amount is 999, a time that is words stands in a comment; the number is that of this server."""
    message = _rows(occurrenceDateTime=None, occurrenceString="As a child", note=[{"text": "By the school"}])
    rxa, orc = message.all("RXA")[0], message.all("ORC")[0]
    assert (rxa.get(3), rxa.get(6), orc.get(2), orc.get(3), orc.get(3, 2)) == ("", "999", "", "imm-1", "FHIR")
    assert [one.get(5) for one in message.all("OBX")] == ["Given: As a child", "By the school"]
    assert not message.all("RXR")


def test_who_gave_it() -> None:
    """Whoever's part is not said gave it (RXA-10), and who ordered it stands in ORC-12."""
    doctor = {"reference": "Practitioner/doc-1"}
    ordered = {"function": concept("http://terminology.hl7.org/CodeSystem/v2-0443", "OP"), "actor": doctor}
    message = _rows(performer=[{"actor": doctor}])
    assert (message.all("RXA")[0].get(10), message.all("ORC")[0].get(12)) == ("D7", "")
    message = _rows(performer=[ordered])
    assert (message.all("RXA")[0].get(10), message.all("ORC")[0].get(12)) == ("", "D7")


def test_nothing_is_due() -> None:
    """Without a recommendation there is no RXA that stands for one."""
    assert list(forecasts({"resourceType": "ImmunizationRecommendation", "date": "2026-03-01"})) == []
