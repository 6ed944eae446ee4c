"""Results and reports: what they answer, their states, and what follows when they are final.

https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R4/diagnosticreport.html
"""

from collections.abc import Iterator

import httpx
import pytest

from fhir_server.settings import Settings
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.orders.laboratory import CATEGORY, Laboratory, Resource, coded, refer, rules


@pytest.fixture(scope="module")
def strict(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a hospital whose results need an order."""
    changes = {"results_need_order": "on", "database": f"{settings.database}-strict"}
    with (
        running_server(settings.model_copy(update=changes)) as url,
        httpx.Client(base_url=url, headers={"content-type": FHIR_JSON}, timeout=60) as http,
    ):
        yield http


@pytest.mark.workflow("0-14", "2-01")
def test_a_final_report_ends_its_order(laboratory: Laboratory) -> None:
    """The order is completed, and so is its task; values stay as they were sent."""
    order, result, report = laboratory.reported("H")
    assert laboratory.read(order)["status"] == "completed"
    [task] = laboratory.found("LB", f"Task?focus={refer(order)['reference']}")
    assert task["status"] == "completed"
    assert "output" not in task
    laboratory.release(report)
    assert laboratory.read(task, "PT")["output"][0]["valueReference"] == refer(report)
    sent = laboratory.result(order, "H")
    for element in ("valueQuantity", "referenceRange", "interpretation"):
        assert result[element] == sent[element]


@pytest.mark.workflow("0-29")
def test_the_table_of_tests_is_one_search(laboratory: Laboratory) -> None:
    """A report with its order, its specimen and its results."""
    order, result, report = laboratory.reported()
    included = "_include=DiagnosticReport:result&_include=DiagnosticReport:based-on"
    search = f"DiagnosticReport?_id={report['id']}&{included}"
    for role in ("LB", "DR"):
        found = {one["id"] for one in laboratory.found(role, search)}
        assert found == {order["id"], result["id"], report["id"]}


@pytest.mark.workflow("0-14")
def test_results_need_an_order_where_the_hospital_says_so(
    strict: httpx.Client, laboratory: Laboratory
) -> None:
    """Without one they are refused; vital signs, and what patients measure themselves, need none."""
    result = laboratory.result()
    for resource in (result, laboratory.report(None)):
        refused = strict.post(f"/{resource['resourceType']}", json=resource)
        assert (refused.status_code, rules(refused)) == (422, {"W7.no-order"})
    for elements in (
        {"category": [coded(CATEGORY, "vital-signs")]},
        {"performer": [{"reference": "Patient/p"}]},
    ):
        assert strict.post("/Observation", json={**result, **elements}).status_code == 201
    order = laboratory.order()
    given = {key: value for key, value in order.items() if key != "meta"}
    assert strict.put(f"/ServiceRequest/{order['id']}", json=given).status_code == 201
    assert strict.post("/Observation", json=laboratory.result(order)).status_code == 201
    assert laboratory.post("LB", result).status_code == 201


def test_what_belongs_together_is_of_one_patient(laboratory: Laboratory) -> None:
    """Another's order, specimen or result is refused, in a transaction too."""
    mine, others = laboratory.order(), laboratory.order("q")
    wrong = laboratory.result(mine, basedOn=[refer(others)])
    foreign = laboratory.made("LB", laboratory.result(others))
    specimen = laboratory.made(
        "LB", {"resourceType": "Specimen", "subject": others["subject"], "request": [refer(others)]}
    )
    for refused in (
        laboratory.post("LB", wrong),
        laboratory.post("LB", laboratory.result(mine, specimen=refer(specimen))),
        laboratory.post("LB", laboratory.report(mine, foreign)),
        laboratory.post(
            "LB", {**specimen, "subject": mine["subject"], "accessionIdentifier": {"value": "1"}}
        ),
        laboratory.transaction("LB", wrong),
    ):
        assert (refused.status_code, rules(refused)) == (422, {"W7.same-patient"})


@pytest.mark.parametrize("status", ["draft", "revoked"])
def test_new_results_need_an_open_order(laboratory: Laboratory, status: str) -> None:
    """Neither a draft nor what was revoked is answered; what was answered before may still be corrected."""
    order = laboratory.order(status="draft" if status == "draft" else "active")
    earlier = None if status == "draft" else laboratory.made("LB", laboratory.result(order))
    if status == "revoked":
        laboratory.changed("DR", order, status="revoked")
    refused = laboratory.post("LB", laboratory.result(order))
    assert (refused.status_code, rules(refused)) == (422, {"W7.order-open"})
    if earlier is not None:
        laboratory.changed("LB", earlier, status="corrected", valueQuantity={"value": 5})


def test_results_do_not_go_back(laboratory: Laboratory) -> None:
    """From registered to preliminary to final; never from final to preliminary."""
    result = laboratory.made("LB", laboratory.result(status="registered"))
    for status in ("preliminary", "final"):
        laboratory.changed("LB", result, status=status)
    for refused in (
        laboratory.patch("LB", result, "status", "preliminary"),
        laboratory.put("LB", {**laboratory.read(result), "status": "cancelled"}),
        laboratory.transaction("LB", {**laboratory.read(result), "status": "registered"}),
    ):
        assert (refused.status_code, rules(refused)) == (422, {"W7.result-state"})


def test_reports_do_not_go_back(laboratory: Laboratory) -> None:
    """From registered by partial and preliminary to final, and then only corrected."""
    report = laboratory.made("LB", laboratory.report(laboratory.order(), status="registered"))
    for status in ("partial", "preliminary", "final", "amended", "appended", "corrected"):
        laboratory.changed("LB", report, status=status)
    refused = laboratory.patch("LB", report, "status", "final")
    assert (refused.status_code, rules(refused)) == (422, {"W7.report-state"})


def test_vital_signs_are_no_results(laboratory: Laboratory) -> None:
    """A nurse may correct what was written down at the bedside."""
    vital = laboratory.result(category=[coded(CATEGORY, "vital-signs")])
    made = laboratory.made("RN", vital)
    assert "security" not in made["meta"]
    assert laboratory.put("RN", {**made, "status": "preliminary"}).status_code == 200


def test_what_is_final_is_corrected_and_not_changed(laboratory: Laboratory) -> None:
    """Its status says that it was; the earlier version stays."""
    _, result, report = laboratory.reported()
    for refused in (
        laboratory.patch("LB", result, "valueQuantity", {"value": 9}),
        laboratory.put("LB", {**report, "conclusion": "other"}),
        laboratory.transaction("LB", {**result, "note": [{"text": "x"}]}),
    ):
        assert (refused.status_code, rules(refused)) == (422, {"W7.final"})
    laboratory.changed("LB", result, status="corrected", valueQuantity={"value": 9})
    version = laboratory.clients["LB"].get(f"/Observation/{result['id']}/_history/1").json()
    assert version["valueQuantity"]["value"] == 4.10


def test_a_result_stays_one(laboratory: Laboratory) -> None:
    """Nobody makes vital signs, or what a patient measured, of what is to be released first."""
    _, result, _ = laboratory.reported()
    for elements in (
        {"category": [coded(CATEGORY, "vital-signs")]},
        {"performer": [{"reference": "Patient/p"}]},
    ):
        refused = laboratory.put("SY", {**result, "status": "corrected", **elements})
        assert (refused.status_code, rules(refused)) == (422, {"W7.stays-result"})
    early = laboratory.made("LB", laboratory.result(status="registered"))
    moved = laboratory.changed("SY", early, category=[coded(CATEGORY, "vital-signs")])
    assert moved["meta"]["security"]


def test_a_final_report_has_final_results(laboratory: Laboratory) -> None:
    """One that is still preliminary keeps the report from being final; both may become so at once."""
    order = laboratory.order()
    result = laboratory.made("LB", laboratory.result(order, status="preliminary"))
    report = laboratory.report(order, result)
    refused = laboratory.post("LB", report)
    assert (refused.status_code, rules(refused)) == (422, {"W7.unfinished-results"})
    assert laboratory.transaction("LB", report, {**result, "status": "final"}).status_code == 200


def test_who_was_told_of_a_result_is_told_of_its_correction(laboratory: Laboratory) -> None:
    """The doctor always; the patient once the report was released. One transaction tells once."""
    _, result, report = laboratory.reported()
    assert laboratory.told("W7.result-corrected", report) == []
    result = {**result, "status": "corrected", "valueQuantity": {"value": 9}}
    assert laboratory.transaction("LB", result, {**report, "status": "corrected"}).status_code == 200
    assert laboratory.told("W7.result-corrected", report) == ["Practitioner/dr"]
    assert laboratory.told("W7.result-corrected", result) == []
    assert laboratory.told("W7.result-changed", report) == []
    laboratory.release(report)
    laboratory.changed("LB", report, status="amended", conclusion="All is well")
    assert laboratory.told("W7.result-corrected", report) == ["Practitioner/dr"] * 2
    assert laboratory.told("W7.result-changed", report) == ["Patient/p"]


def test_a_lone_result_that_is_corrected_is_told_too(laboratory: Laboratory) -> None:
    """Where no report tells of it."""
    result = laboratory.made("LB", laboratory.result(laboratory.order()))
    laboratory.changed("LB", result, status="corrected", valueQuantity={"value": 9})
    assert laboratory.told("W7.result-corrected", result) == ["Practitioner/dr"]


@pytest.mark.workflow("0-14", "1-02", "1-36")
def test_an_abnormal_result_is_followed_up_once(laboratory: Laboratory) -> None:
    """One task of the doctor for all results of an order; a normal result makes none."""
    order = laboratory.order()
    for meaning in ("N", "H", "L"):
        laboratory.made("LB", laboratory.result(order, meaning))
    [task] = laboratory.found("DR", f"Task?code=follow-up&based-on={refer(order)['reference']}")
    to_do = laboratory.found("DR", "Task?owner=Practitioner/dr&status=requested&_count=1000")
    assert task["id"] in {one["id"] for one in to_do}
    _, normal, _ = laboratory.reported()
    assert laboratory.found("DR", f"Task?focus={refer(normal)['reference']}") == []


@pytest.mark.workflow("4-18")
def test_the_doctor_says_what_a_report_means(laboratory: Laboratory) -> None:
    """As an amendment, in their name; nothing else of the report, and no patient writes to it."""
    _, _, report = laboratory.reported("H")
    who = [{"reference": "Practitioner/dr"}]
    told = {"status": "amended", "conclusion": "Mild", "resultsInterpreter": who}
    for role in ("PT", "RN", "AU"):
        assert laboratory.put(role, {**report, **told}).status_code in (403, 404), role
    amended = laboratory.changed("DR", report, **told)
    assert amended["conclusion"] == "Mild"
    assert laboratory.put("DR", {**amended, "code": {"text": "other"}}).status_code == 403
    laboratory.release(report)
    assert laboratory.read(report, "PT")["conclusion"] == "Mild"
    assert laboratory.put("PT", {**laboratory.read(report), "conclusion": "Fine"}).status_code == 403
    assert laboratory.patch("PT", report, "conclusion", "Fine").status_code == 403


def test_other_roles_write_no_results(laboratory: Laboratory) -> None:
    """Neither a clerk nor the pharmacy nor the patient."""
    order = laboratory.order()
    resources: list[Resource] = [laboratory.result(order), laboratory.report(order)]
    for role in ("PT", "PH", "BC", "AD", "AU"):
        for resource in resources:
            assert laboratory.post(role, resource).status_code == 403, (role, resource["resourceType"])
