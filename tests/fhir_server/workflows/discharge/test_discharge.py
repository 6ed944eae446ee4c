"""Discharge: the end of a stay, and the summary of it. https://loinc.org/18842-5"""

import asyncio
import base64
import io
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.papers.test_links import link
from tests.fhir_server.workflows.encounters.ward import Ward, concept, moment, rules

Resource = dict[str, Any]

LOINC = "http://loinc.org"
_ROLE = "http://terminology.hl7.org/CodeSystem/practitioner-role"
WORDS = {
    "hospital_course": "Treated with antibiotics.\nNo fever since Monday.",
    "instructions": "Rest for a week",
    "follow_up": "2030-01-31",
}


async def _authenticate(token: str) -> Principal | None:
    """Know a doctor and a nurse."""
    if token not in ("DR", "RN"):
        return None
    return Principal("app", ("user/*.cruds",), token, f"Practitioner/dc-{token.lower()}", frozenset({token}))


@pytest.fixture(scope="module")
def staffed(settings: Settings) -> Iterator[dict[str, httpx.Client]]:
    """A client for doctor and nurse."""
    with running_server(settings, _authenticate) as url, ExitStack() as opened:
        yield {
            role: opened.enter_context(
                httpx.Client(
                    base_url=url,
                    headers={"content-type": FHIR_JSON, "authorization": f"Bearer {role}"},
                    timeout=30,
                )
            )
            for role in ("DR", "RN")
        }


@pytest.fixture
def ward(client: httpx.Client) -> Ward:
    """A ward of the test's own."""
    return Ward(client)


def _stay(ward: Ward) -> tuple[str, str]:
    """Return an encounter with a diagnosis, a procedure and a medicine, and its bed."""
    bed, encounter = ward.bed(), ward.begin("arrived")
    admitted = ward.call(f"{encounter}/$admit", bed=bed, attender=ward.doctor)
    assert admitted.status_code == 200, admitted.text
    about = {"subject": {"reference": ward.patient}, "encounter": {"reference": encounter}}
    ward.put({"resourceType": "Condition", "code": {"text": "Pneumonia <left>"}, **about})
    ward.put({"resourceType": "Procedure", "status": "completed", "code": {"text": "X-ray"}, **about})
    return encounter, bed


def _parts(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["valueReference"]["reference"] for one in answer.json()["parameter"]}


def _order(ward: Ward, encounter: str, **more: Any) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"text": "Blood count"},
        "subject": {"reference": ward.patient},
        "encounter": {"reference": encounter},
        "requester": {"reference": ward.doctor},
        **more,
    }


@pytest.mark.workflow("4-40", "4-43", "0-34", "4-41")
def test_a_stay_ends_with_a_summary(ward: Ward) -> None:
    """The encounter is finished, the bed to be cleaned, and the summary says what the record says."""
    encounter, bed = _stay(ward)
    made = _parts(ward.call(f"{encounter}/$discharge", author=ward.doctor, disposition="home", **WORDS))
    told = ward.get(encounter)
    assert (told["status"], told["location"][0]["status"]) == ("finished", "completed")
    assert told["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "home"
    assert ward.state(bed) == "H"
    summary = ward.get(made["summary"])
    assert summary["status"] == "preliminary"
    said = {one["title"]: one for one in summary["section"]}
    assert list(said) == [
        "Diagnoses",
        "Hospital course",
        "Procedures",
        "Medications",
        "Follow-up",
        "Instructions",
    ]
    assert "Pneumonia &lt;left&gt;" in said["Diagnoses"]["text"]["div"]
    assert "No fever since Monday." in said["Hospital course"]["text"]["div"]
    assert "X-ray" in said["Procedures"]["text"]["div"]
    assert "emptyReason" in said["Medications"]
    plan = ward.get(made["plan"])
    assert (plan["description"], plan["category"][0]["coding"][0]["code"]) == ("Rest for a week", "69730-0")
    follow_up = ward.get(made["follow-up"])
    assert (follow_up["status"], follow_up["requestedPeriod"][0]["start"][:10]) == ("proposed", "2030-01-31")
    document = ward.client.get(f"/{made['summary']}/$document").json()
    kinds = {one["resource"]["resourceType"] for one in document["entry"]}
    assert {"Composition", "Condition", "Procedure", "Encounter", "Patient", "Practitioner"} <= kinds
    again = ward.call(f"{encounter}/$discharge", author=ward.doctor, **WORDS)
    assert again.status_code == 422
    assert rules(again) == {"W13.not-here"}


@pytest.mark.workflow("4-40")
def test_nobody_is_discharged_in_an_operation(ward: Ward) -> None:
    """A procedure in progress holds it up, by operation and by PUT; another kind does not."""
    encounter, _ = _stay(ward)
    about = {"subject": {"reference": ward.patient}, "encounter": {"reference": encounter}}
    surgery = concept("http://snomed.info/sct", "387713003")
    going_on = {"resourceType": "Procedure", "status": "in-progress", "category": surgery, **about}
    procedure = ward.put(going_on)
    refused = ward.call(f"{encounter}/$discharge", author=ward.doctor, **WORDS)
    assert refused.status_code == 422
    assert rules(refused) == {"W13.surgery"}
    period = {**ward.get(encounter)["period"], "end": moment(1)}
    assert rules(ward.set(encounter, status="finished", period=period)) == {"W13.surgery"}
    assert ward.patch(procedure, "/status", "completed").status_code == 200
    counselling = concept("http://snomed.info/sct", "409063005")
    ward.put({**going_on, "category": counselling})
    assert ward.call(f"{encounter}/$discharge", author=ward.doctor, **WORDS).status_code == 200


@pytest.mark.workflow("4-40")
def test_open_orders_are_looked_at(ward: Ward) -> None:
    """They are named, and hold it up until somebody has looked; the summary lists them."""
    encounter, _ = _stay(ward)
    order = ward.put(_order(ward, encounter))
    refused = ward.call(f"{encounter}/$discharge", author=ward.doctor, **WORDS)
    assert refused.status_code == 422
    assert rules(refused) == {"W13.open-orders"}
    assert order in refused.text
    made = _parts(ward.call(f"{encounter}/$discharge", author=ward.doctor, orders_reviewed=True, **WORDS))
    [section] = [one for one in ward.get(made["summary"])["section"] if one["title"] == "Follow-up"]
    assert section["entry"] == [{"reference": order}]
    assert "Blood count" in section["text"]["div"]


@pytest.mark.workflow("4-40")
def test_a_doctor_writes_it(ward: Ward) -> None:
    """Without an author, or with one who is a nurse, nothing is stored."""
    encounter, _ = _stay(ward)
    nobody = ward.call(f"{encounter}/$discharge", **WORDS)
    assert nobody.status_code == 422
    assert rules(nobody) == {"W13.author"}
    nurse = ward.put({"resourceType": "Practitioner"})
    ward.put(
        {
            "resourceType": "PractitionerRole",
            "practitioner": {"reference": nurse},
            "code": [concept(_ROLE, "nurse")],
        }
    )
    refused = ward.call(f"{encounter}/$discharge", author=nurse, **WORDS)
    assert refused.status_code == 422
    assert rules(refused) == {"W13.author"}
    assert ward.get(encounter)["status"] == "in-progress"
    assert ward.search(f"Composition?encounter={encounter}") == []


@pytest.mark.workflow("4-40")
def test_a_summary_is_signed_and_amended(ward: Ward) -> None:
    """It is complete when it is signed, and amended after that, never changed as it is, nor signed back."""
    encounter, _ = _stay(ward)
    made = _parts(ward.call(f"{encounter}/$discharge", author=ward.doctor, **WORDS))
    summary = made["summary"]
    sections = ward.get(summary)["section"]
    gap = ward.set(summary, status="final", section=sections[:-1])
    assert gap.status_code == 422
    assert rules(gap) == {"W13.sections"}
    assert ward.patch(summary, "/status", "final").status_code == 200
    assert rules(ward.patch(summary, "/title", "Other")) == {"W13.amended"}
    assert rules(ward.patch(summary, "/status", "preliminary")) == {"W13.summary-state"}
    amended = ward.set(summary, status="amended", title="Discharge summary, amended")
    assert amended.status_code == 200
    assert rules(ward.patch(summary, "/status", "final")) >= {"W13.summary-state"}
    versions = ward.client.get(f"/{summary}/_history").json()["entry"]
    assert [one["resource"]["status"] for one in versions] == ["amended", "final", "preliminary"]


@pytest.mark.workflow("4-40")
def test_only_a_doctor_signs(ward: Ward, staffed: dict[str, httpx.Client]) -> None:
    """A nurse may prepare the discharge, and not sign it: neither by the operation nor by PUT."""
    for one in ("dc-dr", "dc-rn"):
        person = {"resourceType": "Practitioner", "id": one}
        assert ward.client.put(f"/Practitioner/{one}", json=person).status_code in (200, 201)
    bed, encounter = ward.bed(), ward.begin("arrived", participant=None)
    nurse, doctor = Ward.__new__(Ward), Ward.__new__(Ward)
    nurse.client, doctor.client = staffed["RN"], staffed["DR"]
    admitted = nurse.call(f"{encounter}/$admit", bed=bed, attender="Practitioner/dc-dr")
    assert admitted.status_code == 200, admitted.text
    signed = nurse.call(f"{encounter}/$discharge", author="Practitioner/dc-dr", sign=True, **WORDS)
    assert signed.status_code == 403
    assert rules(signed) == {"W13.sign"}
    made = _parts(nurse.call(f"{encounter}/$discharge", author="Practitioner/dc-dr", **WORDS))
    final = {**ward.get(made["summary"]), "status": "final"}
    assert staffed["RN"].put(f"/{made['summary']}", json=final).status_code == 403
    answer = staffed["DR"].put(f"/{made['summary']}", json=final)
    assert answer.status_code == 200, answer.text
    other = Ward(ward.client).begin()
    foreign = doctor.call(f"{other}/$discharge", **WORDS)
    assert foreign.status_code == 404


def test_a_summary_that_was_wrong_takes_its_papers_along(
    ward: Ward, settings: Settings, base_url: str
) -> None:
    """What is entered in error is no paper to go by, in whichever version; the link to it gives nothing."""
    encounter, _ = _stay(ward)
    made = _parts(ward.call(f"{encounter}/$discharge", author=ward.doctor, sign=True, **WORDS))
    summary = made["summary"]

    def papers() -> list[Resource]:
        return ward.search(f"DocumentReference?related={summary}")

    def until(*states: str) -> None:
        patience = time.monotonic() + 30
        while sorted(one["status"] for one in papers()) != sorted(states):
            assert time.monotonic() < patience
            time.sleep(0.1)

    until("current")
    links = [link(settings, base_url, papers()[0], ward.patient)]
    assert httpx.get(links[0]).status_code == 200
    other = ward.put(
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "content": [{"attachment": {"url": "http://example.org/letter"}}],
            "context": {"related": [{"reference": summary}]},
        }
    )
    assert ward.set(summary, status="amended", title="Amended").status_code == 200
    until("current", "current", "superseded")
    assert ward.set(summary, status="entered-in-error").status_code == 200
    until("current", "entered-in-error", "entered-in-error")
    assert ward.get(other)["status"] == "current"
    links += [link(settings, base_url, one, ward.patient) for one in papers() if "subject" in one]
    assert {httpx.get(one).status_code for one in links} == {404}


@pytest.mark.workflow("4-40", "4-43")
@pytest.mark.anyio
async def test_the_paper_of_a_summary(ward: Ward) -> None:
    """Each signed version has a PDF that says the same; that of the version before is superseded."""
    encounter, _ = _stay(ward)
    made = _parts(ward.call(f"{encounter}/$discharge", author=ward.doctor, sign=True, **WORDS))
    summary = made["summary"]

    def papers() -> list[Resource]:
        return ward.search(f"DocumentReference?related={summary}")

    async with asyncio.timeout(60):
        while not papers():  # noqa: ASYNC110 - the agenda is another thread
            await asyncio.sleep(0.1)
    [paper] = papers()
    assert paper["type"]["coding"][0]["code"] == "18842-5"
    assert paper["subject"]["reference"] == ward.patient
    binary = ward.client.get(
        f"/{paper['content'][0]['attachment']['url']}", headers={"accept": FHIR_JSON}
    ).json()
    pages = PdfReader(io.BytesIO(base64.b64decode(binary["data"]))).pages
    text = "\n".join(page.extract_text() for page in pages)
    for said in ("Discharge summary", "Pneumonia <left>", "Rest for a week", "No fever since Monday."):
        assert said in text
    assert ward.set(summary, status="amended", title="Discharge summary, amended").status_code == 200
    async with asyncio.timeout(60):
        while len(papers()) < 2:  # noqa: ASYNC110 - the agenda is another thread
            await asyncio.sleep(0.1)
    assert sorted(one["status"] for one in papers()) == ["current", "superseded"]
