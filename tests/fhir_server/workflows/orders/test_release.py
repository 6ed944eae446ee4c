"""Release: patients find results once a doctor, or the time, has let them; by no way before.

https://hl7.org/fhir/R4/security-labels.html
"""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from fhir_server.workflows.orders import pictures, release
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.situation import Situation
from tests.fhir_server.workflows.orders.laboratory import (
    CATEGORY,
    NOPAT,
    Laboratory,
    Resource,
    coded,
    refer,
    rules,
)
from tests.fhir_server.workflows.orders.time import meanwhile, pass_time

_RELEASED = {"system": "urn:fhir-hospital-server:release", "code": "released"}


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The event loop."""
    return str(request.param)


def _ways(order: Resource, result: Resource, report: Resource) -> list[str]:
    """Return all addresses by which a patient might come to a report."""
    of_report, of_result = f"DiagnosticReport/{report['id']}", f"Observation/{result['id']}"
    return [
        of_report,
        of_result,
        f"{of_report}/_history",
        f"{of_report}/_history/1",
        f"{of_result}/_history/1",
        "DiagnosticReport/_history?_count=1000",
        "_history?_count=1000",
        f"DiagnosticReport?_id={report['id']}",
        "DiagnosticReport?patient=Patient/p&_count=1000",
        f"DiagnosticReport?based-on={order['id']}",
        f"DiagnosticReport?result={of_result}",
        f"DiagnosticReport?_security={NOPAT}",
        f"Observation?_id={result['id']}&_revinclude=DiagnosticReport:result",
        f"ServiceRequest?_id={order['id']}&_revinclude=DiagnosticReport:based-on&_revinclude=Observation:based-on",
        f"Task?focus=ServiceRequest/{order['id']}",
        f"Patient?_id=p&_has:DiagnosticReport:patient:based-on={order['id']}",
        f"ServiceRequest/{order['id']}",
        "Patient/p/$everything?_count=1000",
        "Patient/p/*?_count=1000",
        "Patient/p/DiagnosticReport?_count=1000",
        "Observation/$lastn?patient=Patient/p&category=laboratory&max=100",
    ]


def _content(answer: httpx.Response) -> str:
    """Return what an answer has beside the address that it was asked for."""
    kept = {name: value for name, value in answer.json().items() if name not in ("link", "issue")}
    return json.dumps(kept)


@pytest.mark.workflow("0-38", "4-17")
def test_a_patient_finds_a_report_once_it_is_released(laboratory: Laboratory) -> None:
    """By no way before: not by reading, searching, history, everything, includes or chains; by all after."""
    order, result, report = laboratory.reported("H")
    patient = laboratory.clients["PT"]
    for address in _ways(order, result, report):
        text = _content(patient.get(f"/{address}"))
        assert report["id"] not in text, address
        assert result["id"] not in text, address
    assert laboratory.told("W7.result-available", report) == []
    answer = laboratory.release(report)
    assert answer.status_code == 200
    assert _RELEASED in answer.json()["meta"]["tag"]
    assert "security" not in answer.json()["meta"]
    shown = {address: patient.get(f"/{address}").text for address in _ways(order, result, report)}
    assert report["id"] in shown["DiagnosticReport?patient=Patient/p&_count=1000"]
    assert result["id"] in shown["Patient/p/$everything?_count=1000"]
    assert laboratory.read(result, "PT")["valueQuantity"]["value"] == 4.10
    # The version of before is still not for the patient.
    assert patient.get(f"/DiagnosticReport/{report['id']}/_history/1").status_code == 404
    assert laboratory.told("W7.result-available", report) == ["Patient/p"]


def test_what_patients_are_told_says_nothing_of_the_result(laboratory: Laboratory) -> None:
    """The notice has no value, no name of the test, and no meaning."""
    _, _, report = laboratory.reported("HH")
    laboratory.release(report)
    key = f"^notice/{refer(report)['reference']}/"
    text = json.dumps([one["data"] for one in laboratory.database["agenda"].find({"_id": {"$regex": key}})])
    assert "Patient/p" in text
    assert "2823-3" not in text
    assert "HH" not in text


def test_a_release_is_for_doctors(laboratory: Laboratory) -> None:
    """Neither for the laboratory nor the patient, by the operation or by writing the tag."""
    _, result, report = laboratory.reported()
    for role in ("PT", "LB", "RN", "AD", "AU"):
        assert laboratory.release(report, role).status_code == 403, role
    for resource in (result, report):
        meta = {"tag": [_RELEASED]}
        refused = laboratory.put("LB", {**resource, "meta": meta})
        assert (refused.status_code, rules(refused)) == (403, {"W7.release-role"})
    meta_add = {
        "resourceType": "Parameters",
        "parameter": [{"name": "meta", "valueMeta": {"tag": [_RELEASED]}}],
    }
    answer = laboratory.clients["LB"].post(f"/DiagnosticReport/{report['id']}/$meta-add", json=meta_add)
    assert answer.status_code == 403
    assert laboratory.clients["PT"].get(f"/DiagnosticReport/{report['id']}").status_code == 404


def test_a_doctor_releases_reports_of_their_own_patients(laboratory: Laboratory) -> None:
    """Of a patient whom they do not treat they find none."""
    order = laboratory.order("q")
    report = laboratory.made("LB", laboratory.report(order))
    assert laboratory.release(report).status_code == 404


def test_only_what_is_final_is_released(laboratory: Laboratory) -> None:
    """A preliminary report is refused, and the patient finds nothing."""
    report = laboratory.made("LB", laboratory.report(laboratory.order(), status="preliminary"))
    refused = laboratory.release(report)
    assert (refused.status_code, rules(refused)) == (422, {"W7.release-final"})


def test_nobody_takes_the_label_off(laboratory: Laboratory) -> None:
    """Who sends a result without it, or takes it off by $meta-delete, finds it there again."""
    _, result, _ = laboratory.reported()
    sent = {key: value for key, value in result.items() if key != "meta"}
    assert laboratory.put("LB", sent).status_code == 200
    system, code = NOPAT.split("|")
    meta = {"security": [{"system": system, "code": code}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
    for version in ("", "/_history/1"):
        address = f"/Observation/{result['id']}{version}/$meta-delete"
        assert laboratory.clients["SY"].post(address, json=body).status_code == 403
    assert laboratory.read(result)["meta"]["security"][0]["code"] == code
    assert laboratory.clients["PT"].get(f"/Observation/{result['id']}").status_code == 404


def test_what_is_released_stays_so(laboratory: Laboratory) -> None:
    """A correction without the tag, and a result that is added, are for the patient at once."""
    order, result, report = laboratory.reported()
    laboratory.release(report)
    assert (
        laboratory.release(report).json()["meta"]["versionId"] == laboratory.read(report)["meta"]["versionId"]
    )
    more = laboratory.result(order)
    appended = {key: value for key, value in report.items() if key != "meta"}
    appended |= {"status": "appended", "result": [refer(result), refer(more)]}
    assert laboratory.transaction("LB", more, appended).status_code == 200
    assert laboratory.read(report, "PT")["status"] == "appended"
    assert laboratory.read(more, "PT")["id"] == more["id"]
    wrong = laboratory.changed("LB", report, status="entered-in-error")
    assert laboratory.clients["PT"].get(f"/DiagnosticReport/{wrong['id']}").status_code == 404


def _pictures(patient: str = "p") -> tuple[Resource, Resource, Resource]:
    """Return a picture in a file of its own, and a study, which are not stored yet."""
    subject = {"reference": f"Patient/{patient}"}
    binary = {"resourceType": "Binary", "id": new_id(), "contentType": "image/png", "data": "AAAA"}
    content = {"contentType": "image/png", "url": refer(binary)["reference"]}
    media = {"resourceType": "Media", "id": new_id(), "status": "completed", "content": content}
    study = {"resourceType": "ImagingStudy", "id": new_id(), "status": "available", "subject": subject}
    return binary | {"securityContext": subject}, media | {"subject": subject}, study


def _showing(*shown: Resource) -> Resource:
    """Return the elements of a report that shows something."""
    media = [{"link": refer(one)} for one in shown if one["resourceType"] == "Media"]
    studies = [refer(one) for one in shown if one["resourceType"] == "ImagingStudy"]
    return {name: value for name, value in (("media", media), ("imagingStudy", studies)) if value}


@pytest.mark.parametrize("is_early", [True, False])
def test_pictures_are_seen_with_their_report(laboratory: Laboratory, *, is_early: bool) -> None:
    """Whether they come before the report or after it; the file of a picture as well."""
    shown = _pictures()
    report = laboratory.report(laboratory.order(), **_showing(*shown))
    for one in (*shown, report) if is_early else (report, *shown):
        assert laboratory.put("SY", one).status_code == 201
    patient = laboratory.clients["PT"]
    for one in shown:
        assert patient.get(f"/{refer(one)['reference']}").status_code == 404, one
        found = patient.get(f"/{one['resourceType']}?_id={one['id']}")
        assert one["id"] not in _content(found)
    assert shown[1]["id"] not in patient.get("/Patient/p/$everything?_count=1000").text
    for one in shown[1:]:  # who sends it without the label does not take it off
        assert laboratory.put("SY", one).status_code == 200
        assert patient.get(f"/{refer(one)['reference']}").status_code == 404
    assert laboratory.release(report).status_code == 200
    for one in shown:
        assert patient.get(f"/{refer(one)['reference']}").status_code == 200, one
    assert laboratory.put("SY", shown[2]).status_code == 200
    assert patient.get(f"/{refer(shown[2])['reference']}").status_code == 200


def test_a_picture_is_released_by_doctors() -> None:
    """The rule itself, wherever the access guard would let somebody else write pictures."""
    picture = _pictures()[2]
    after = {**picture, "meta": {"tag": [_RELEASED]}}
    change = Change("ImagingStudy", picture["id"], picture, after)
    now = datetime.now(UTC)
    for role, broken in (("LB", ["W7.release-role"]), ("RN", ["W7.release-role"]), ("DR", [])):
        principal = Principal("app", ("user/*.cruds",), role, "Practitioner/x", frozenset({role}))
        situation = Situation(now, "http://x", Settings(), new_id, principal)
        found = pictures.check(change, pictures.Facts(), situation)
        assert [one.rule.id for one in found] == broken, role
        of_report = pictures.Facts(({"resourceType": "DiagnosticReport", "meta": {"tag": [_RELEASED]}},))
        assert list(pictures.check(change, of_report, situation)) == []


def test_pictures_of_another_patient_are_left_alone(laboratory: Laboratory) -> None:
    """A report neither hides nor releases what is not of its own patient; one of the past hides nothing."""
    foreign, own = _pictures("q")[2], _pictures()[2]
    for one in (foreign, own):
        assert laboratory.put("SY", one).status_code == 201
    laboratory.made("SY", laboratory.report(laboratory.order(), **_showing(foreign)))
    assert "security" not in laboratory.read(foreign)["meta"]
    past = laboratory.report(None, **_showing(own))
    answer = laboratory.clients["SY"].put(
        f"/DiagnosticReport/{past['id']}", json=past, headers={"x-import": "records"}
    )
    assert answer.status_code == 201
    laboratory.changed("LB", past, status="amended", conclusion="x")
    assert laboratory.read(own, "PT")["id"] == own["id"]


def test_vital_signs_need_no_release(laboratory: Laboratory) -> None:
    """What is measured at the bedside the patient sees at once."""
    made = laboratory.made("RN", laboratory.result(category=[coded(CATEGORY, "vital-signs")]))
    assert laboratory.read(made, "PT")["id"] == made["id"]


def test_records_of_the_past_are_as_they_were(laboratory: Laboratory) -> None:
    """What is imported, or was final before, is not kept from a patient who has long seen it."""
    report = laboratory.report(None)
    answer = laboratory.clients["SY"].put(
        f"/DiagnosticReport/{report['id']}", json=report, headers={"x-import": "records"}
    )
    assert answer.status_code == 201
    assert laboratory.read(report, "PT")["status"] == "final"
    laboratory.changed("LB", report, status="amended", conclusion="x")
    assert laboratory.read(report, "PT")["status"] == "amended"


@pytest.mark.anyio
async def test_time_releases_what_nobody_did(laboratory: Laboratory) -> None:
    """After the hours that the hospital sets; an entry for what was released before is struck."""
    _, result, report = laboratory.reported()
    alone = laboratory.made("LB", laboratory.result())
    _, _, early = laboratory.reported()
    laboratory.release(early)
    key = f"W7/release/{refer(early)['reference']}"
    assert laboratory.agenda(key) == {key: "struck"}
    await pass_time(laboratory.settings, datetime.now(UTC) + timedelta(hours=47))
    assert laboratory.clients["PT"].get(f"/DiagnosticReport/{report['id']}").status_code == 404
    await pass_time(laboratory.settings, datetime.now(UTC) + timedelta(hours=49))
    for one in (report, result, alone):
        assert laboratory.read(one, "PT")["id"] == one["id"]
    assert laboratory.told("W7.result-available", report) == ["Patient/p"]
    assert laboratory.told("W7.result-available", alone) == ["Patient/p"]


@pytest.mark.anyio
async def test_a_release_in_time_keeps_what_was_corrected_meanwhile(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with the result as it is then."""
    made = laboratory.made("LB", laboratory.result())
    result = laboratory.changed("LB", made, status="corrected", note=[{"text": "measured twice"}])
    note = [{"text": "measured three times"}]
    correct = {"status": "corrected", "note": note}
    meanwhile(monkeypatch, release, lambda: laboratory.changed("LB", result, **correct))
    now = datetime.now(UTC)
    await pass_time(laboratory.settings, now + timedelta(hours=49))
    await pass_time(laboratory.settings, now + timedelta(hours=50))
    seen = laboratory.read(result, "PT")
    assert (seen["status"], seen["note"]) == ("corrected", note)
