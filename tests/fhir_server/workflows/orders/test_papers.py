"""The paper of a report: one for each final version, for the patient when the report is.

https://hl7.org/fhir/R4/documentreference.html
"""

import base64
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from pypdf import PdfReader

from fhir_server.papers.paper import Table
from fhir_server.papers.rendering import render
from fhir_server.workflows.orders.papers import PAPER_ACTION
from fhir_server.workflows.orders.sheet import sheet
from tests.fhir_server.conftest import FHIR_JSON
from tests.fhir_server.workflows.orders.laboratory import Laboratory, Resource, refer
from tests.fhir_server.workflows.orders.time import pass_time

pytestmark = pytest.mark.anyio


async def _papers(laboratory: Laboratory, report: Resource) -> list[Resource]:
    await pass_time(laboratory.settings, datetime.now(UTC))
    search = f"DocumentReference?related={refer(report)['reference']}&_sort=_lastUpdated"
    return sorted(laboratory.found("SY", search), key=lambda one: str(one["date"]))


def _text(laboratory: Laboratory, paper: Resource) -> str:
    address = paper["content"][0]["attachment"]["url"]
    binary = laboratory.clients["SY"].get(f"/{address}", headers={"accept": FHIR_JSON}).json()
    pages = PdfReader(BytesIO(base64.b64decode(binary["data"]))).pages
    return "\n".join(page.extract_text() for page in pages)


@pytest.mark.workflow("0-38", "4-17")
async def test_a_final_report_has_a_paper(laboratory: Laboratory) -> None:
    """With patient, values, limits and meaning as they are; the patient opens it once it is released."""
    _, _, report = laboratory.reported("H")
    [paper] = await _papers(laboratory, report)
    address = paper["content"][0]["attachment"]["url"]
    text = _text(laboratory, paper)
    for part in ("Ashworth", "4.1", "mmol/L", "from 3.5", "up to 5.1", "H", "final"):
        assert part in text, part
    patient = laboratory.clients["PT"]
    for unseen in (address, f"DocumentReference/{paper['id']}"):
        assert patient.get(f"/{unseen}").status_code == 404, unseen
    assert paper["id"] not in patient.get("/Patient/p/$everything?_count=1000").text
    laboratory.release(report)
    assert len(await _papers(laboratory, report)) == 1
    for seen in (address, f"DocumentReference/{paper['id']}"):
        assert patient.get(f"/{seen}").status_code == 200, seen
    content = patient.get(f"/{address}", headers={"accept": "application/pdf"})
    assert content.content.startswith(b"%PDF")


async def test_a_preliminary_report_has_none(laboratory: Laboratory) -> None:
    """Nobody is to take along what may still change."""
    report = laboratory.made("LB", laboratory.report(laboratory.order(), status="preliminary"))
    assert await _papers(laboratory, report) == []


async def test_a_correction_has_a_paper_of_its_own(laboratory: Laboratory) -> None:
    """The one before is superseded; after a release the new one is for the patient at once."""
    _, _, report = laboratory.reported()
    await _papers(laboratory, report)
    laboratory.release(report)
    laboratory.changed("DR", report, status="amended", conclusion="A little <low>")
    found = {one["status"]: one for one in await _papers(laboratory, report)}
    assert set(found) == {"superseded", "current"}
    assert found["current"]["docStatus"] == "amended"
    assert "A little <low>" in _text(laboratory, found["current"])
    assert laboratory.clients["PT"].get(f"/DocumentReference/{found['current']['id']}").status_code == 200


async def test_of_two_versions_within_a_moment_each_has_its_paper(laboratory: Laboratory) -> None:
    """Also if the clock comes to the first one last: it says what that version said, and is superseded."""
    later = datetime.now(UTC) + timedelta(minutes=1)
    order = laboratory.order()
    result = laboratory.result(order, status="preliminary")
    draft = laboratory.report(order, result, status="preliminary")
    assert laboratory.transaction("LB", result, draft).status_code == 200
    # Of two entries of one key the first counts: that of the second version waits.
    reference = refer(draft)["reference"]
    waits = {"due": later, "action": PAPER_ACTION, "subject": reference, "data": {"version": "2"}}
    entry = {"_id": f"W7/paper/{reference}/2", **waits, "state": "waiting", "attempts": 0, "until": None}
    laboratory.database["agenda"].insert_one(entry)
    first = laboratory.transaction("LB", {**result, "status": "final"}, {**draft, "status": "final"})
    assert first.status_code == 200
    value = {"valueQuantity": {"value": 9.99, "unit": "mmol/L"}}
    second = laboratory.transaction(
        "LB",
        {**result, "status": "corrected", **value},
        {**draft, "status": "corrected", "conclusion": "Another tube"},
    )
    assert second.status_code == 200
    assert len(await _papers(laboratory, draft)) == 1
    await pass_time(laboratory.settings, later)
    found = {one["status"]: _text(laboratory, one) for one in await _papers(laboratory, draft)}
    assert set(found) == {"superseded", "current"}
    assert "4.1" in found["superseded"]
    assert "Another tube" not in found["superseded"]
    assert "9.99" in found["current"]
    assert "Another tube" in found["current"]


async def test_a_report_that_was_wrong_takes_its_paper_along(laboratory: Laboratory) -> None:
    """What is entered in error is no paper to go by."""
    _, _, report = laboratory.reported()
    await _papers(laboratory, report)
    laboratory.changed("LB", report, status="entered-in-error")
    assert [one["status"] for one in await _papers(laboratory, report)] == ["entered-in-error"]


def test_the_same_report_gives_the_same_paper() -> None:
    """Values stand there as they were reported, also those that are texts, codes, or parts."""
    report = {"status": "final", "code": {"text": "Panel"}, "conclusion": "Fine"}
    results: list[Resource] = [
        {"code": {"text": "A"}, "valueQuantity": {"value": Decimal("4.10"), "comparator": "<"}},
        {"code": {"text": "B"}, "valueCodeableConcept": {"coding": [{"display": "Positive"}]}},
        {"code": {"text": "C"}, "component": [{"code": {"text": "D"}, "valueString": "pale"}]},
        {"code": {"text": "E"}, "valueInteger": 0, "referenceRange": [{"text": "none"}]},
    ]
    told = sheet(report, results, {})
    [table] = [one for section in told.sections for one in section.blocks if isinstance(one, Table)]
    assert [row[1] for row in table.rows] == ["<4.10", "Positive", "", "pale", "0"]
    assert render(told) == render(told)
