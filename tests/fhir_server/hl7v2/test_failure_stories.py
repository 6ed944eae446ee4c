"""What got lost elsewhere on the way from the wire into the records: here it is all there."""

import base64
from typing import Any

import pytest

from tests.fhir_server.hl7v2.records import LAB, Records, msh


def _pid(number: str, name: str = "Muster^Mara") -> str:
    return f"PID|1||{number}^^^GENHOSP^MR||{name}||19800203|F"


def _pv1(number: str) -> str:
    return "PV1|1|I" + "|" * 17 + f"V{number}^^^VISITS"


def _report(number: str, obx: str) -> tuple[str, ...]:
    header = msh("ORU^R01", application="LAB")
    order = f"OBR|1||F{number}^LABNO|1-8^Test^LN|||20240105080000|||||||||||||||20240105090000+0200|||F"
    return header, _pid(number), order, obx


@pytest.mark.failure_story("charset-ignored")
@pytest.mark.parametrize(
    ("number", "declared", "codec", "family"),
    [
        ("9201", "8859/1", "latin-1", "M\u00fcller"),
        ("9202", "8859/2", "iso8859-2", "Dvo\u0159\u00e1k"),
        ("9203", "UNICODE UTF-8", "utf-8", "M\u00fcller"),
        ("9204", "", "utf-8", "Dvo\u0159\u00e1k"),
        ("9205", "", "latin-1", "M\u00fcller"),
    ],
)
def test_names_are_stored_with_their_accents(
    records: Records, number: str, declared: str, codec: str, family: str
) -> None:
    """What MSH-18 says is heard; where it says nothing UTF-8 and Latin-1 are told apart."""
    segments = [f"{msh('ADT^A28')}||||||{declared}", _pid(number, f"{family}^J\u00f6rg")]
    records.take(("\r".join(segments) + "\r").encode(codec))
    (name,) = records.one("Patient", number)["name"]
    assert (name["family"], name["given"]) == (family, ["J\u00f6rg"])


@pytest.mark.failure_story("segments-missing")
def test_all_segments_of_an_admission_are_stored(records: Records) -> None:
    """Diagnosis, insurance, procedure, allergy and contact; a Z segment between them hides none."""
    records.send(
        msh("ADT^A01"), _pid("9211"), "NK1|1|Muster^Max|SPO", _pv1("9211"), "ZAB|1|x",
        "AL1|1||P^Penicillin", "DG1|1||I10^Hypertension^I10|||A", "ZDG|1",
        "PR1|1||0DTJ4ZZ^Appendectomy^I10P||20240105", "IN1|1|P1^Plan|K9211^^^GENHOSP|Old Insurance",
    )  # fmt: skip
    patient = records.one("Patient", "9211")
    assert patient["contact"][0]["name"]["family"] == "Muster"
    encounter = records.one("Encounter", "V9211")
    for resource_type, element in (
        ("AllergyIntolerance", "patient"),
        ("Condition", "subject"),
        ("Procedure", "subject"),
        ("Coverage", "beneficiary"),
    ):
        found = [
            one
            for one in records.all(resource_type)
            if one[element]["reference"] == f"Patient/{patient['id']}"
        ]
        assert len(found) == 1, resource_type
    assert len(encounter["diagnosis"]) == 1


@pytest.mark.failure_story("line-feed-in-field")
def test_a_line_feed_within_a_result_is_stored(records: Records) -> None:
    """It is text, and what stands behind it in the message is read too."""
    segments = [
        *_report("9221", "OBX|1|TX|8-1^Finding^LN||first\nsecond||||||F"),
        "OBX|2|NM|8-2^Other^LN||7||||||F",
    ]
    records.take(("\r".join(segments) + "\r").encode(), LAB)
    values: dict[str, Any] = {
        one["code"]["coding"][0]["code"]: one.get("valueString", one.get("valueQuantity"))
        for one in records.all("Observation")
        if one["code"]["coding"][0]["code"] in ("8-1", "8-2")
    }
    assert values["8-1"] == "first\nsecond"
    assert str(values["8-2"]["value"]) == "7"


@pytest.mark.failure_story("large-document")
def test_a_large_document_is_stored_whole(records: Records) -> None:
    """A report with a file of 1.6 MB is done before the test gives up."""
    data = base64.b64encode(bytes(range(256)) * 6_250).decode()
    records.send(
        *_report("9231", f"OBX|1|ED|PDF^Report^L||^application^pdf^Base64^{data}||||||F"), channel=LAB
    )
    (report,) = [one for one in records.all("DiagnosticReport") if "presentedForm" in one]
    assert report["presentedForm"][0]["data"] == data


@pytest.mark.failure_story(
    "time-without-zone", "offset-rewritten", "precision-invented", "short-offset", "long-fraction"
)
@pytest.mark.parametrize(
    ("number", "sent", "stored"),
    [
        ("9241", "20240105", "2024-01-05"),
        ("9242", "202401", "2024-01"),
        ("9243", "202401050830", "2024-01-05T08:30:00+01:00"),
        ("9244", "20240105083000-0500", "2024-01-05T08:30:00-05:00"),
        ("9245", "20240105083000+00", "2024-01-05T08:30:00+00:00"),
        ("9246", "20240105083000.1234+0100", "2024-01-05T08:30:00.1234+01:00"),
    ],
)
def test_times_are_stored_as_they_were_sent(records: Records, number: str, sent: str, stored: str) -> None:
    """With the offset that was sent, or the channel's where none was, and as precise."""
    segments = (_pv1(number), f"DG1|1||I10^Test^I10||{sent}|A")
    records.send(msh("ADT^A01"), _pid(number), *segments)
    encounter = records.one("Encounter", f"V{number}")
    reference = encounter["diagnosis"][0]["condition"]["reference"]
    (condition,) = [one for one in records.all("Condition") if f"Condition/{one['id']}" == reference]
    assert condition["onsetDateTime"] == stored
