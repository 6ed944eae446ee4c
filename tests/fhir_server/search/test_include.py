"""_include and _revinclude. https://hl7.org/fhir/R4/search.html#revinclude"""

from typing import Any

import httpx
import pytest

from fhir_server.search.include import include_values, revinclude_values
from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server
from tests.fhir_server.search.searching import Resource, links, page, refusal, store


def _ref(reference: str) -> dict[str, str]:
    return {"reference": reference}


def _observation(resource_id: str, subject: str, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "code": {"text": "x"},
        "subject": _ref(subject),
        **more,
    }


def _questionnaire(resource_id: str, version: str, **more: Any) -> Resource:
    return {
        "resourceType": "Questionnaire",
        "id": resource_id,
        "status": "active",
        "url": "http://acme.org/q",
        "version": version,
        **more,
    }


def _response(resource_id: str, questionnaire: str) -> Resource:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": resource_id,
        "status": "completed",
        "questionnaire": questionnaire,
    }


def _resources(base_url: str) -> list[Resource]:
    return [
        {"resourceType": "Organization", "id": "top", "name": "Top"},
        {"resourceType": "Organization", "id": "mid", "partOf": _ref("Organization/top")},
        {"resourceType": "Organization", "id": "low", "partOf": _ref("Organization/mid")},
        {"resourceType": "Practitioner", "id": "gp"},
        {
            "resourceType": "Patient",
            "id": "p1",
            "managingOrganization": _ref("Organization/low"),
            "generalPractitioner": [_ref("Practitioner/gp")],
        },
        {
            "resourceType": "Patient",
            "id": "p2",
            "managingOrganization": _ref(f"{base_url}/Organization/mid"),
            "link": [{"other": _ref("Patient/p1"), "type": "seealso"}],
        },
        {"resourceType": "Device", "id": "d1"},
        {"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"}}
        | {"subject": _ref("Patient/p1")},
        _observation("o1", "Patient/p1", encounter=_ref("Encounter/e1"), performer=[_ref("Practitioner/gp")]),
        _observation("o2", "Patient/p2", hasMember=[_ref("Observation/o1")]),
        _observation("o3", "Device/d1"),
        _observation("o4", "Patient/gone"),
        _observation("o5", "http://elsewhere.example/fhir/Patient/p1"),
        _observation("o6", "Patient/p1/_history/1"),
        {
            "resourceType": "MedicationRequest",
            "id": "m1",
            "status": "active",
            "intent": "order",
            "subject": _ref("Patient/p1"),
            "medicationReference": _ref("#med"),
            "contained": [
                {"resourceType": "Medication", "id": "med", "manufacturer": _ref("Organization/top")}
            ],
        },
        _questionnaire("q1", "1.0"),
        _questionnaire("q2", "2.0"),
        _response("r", "http://acme.org/q"),
        _response("r1", "http://acme.org/q|1.0"),
        _response("r9", "http://acme.org/q|9.0"),
        _response("rl", f"{base_url}/Questionnaire/q1"),
        {
            "resourceType": "Provenance",
            "id": "v1",
            "target": [_ref("Observation/o1"), _ref("Patient/p1/_history/1")],
            "recorded": "2020-01-01T00:00:00Z",
            "agent": [{"who": _ref("Practitioner/gp")}],
        },
    ]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client, base_url: str) -> None:
    store(client, _resources(base_url))


def entries(bundle: Resource, mode: str) -> list[str]:
    """Return the entries of a mode, as `Type/id`, with the version where there are several."""
    found = [entry for entry in bundle.get("entry", ()) if entry["search"]["mode"] == mode]
    return [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in found]


TABLE = [
    # one level of references, from the matches
    ("Observation?_id=o1&_include=Observation:patient", "Patient/p1"),
    ("Observation?_id=o1&_include=Observation:subject", "Patient/p1"),
    ("Observation?_id=o1,o2&_include=Observation:subject", "Patient/p1 Patient/p2"),
    (
        "Observation?_id=o1&_include=Observation:encounter&_include=Observation:performer",
        "Encounter/e1 Practitioner/gp",
    ),
    ("Patient?_id=p2&_include=Patient:organization", "Organization/mid"),
    # what is not here is not included, and is no error
    ("Observation?_id=o4,o5&_include=Observation:subject", ""),
    # the third part bounds the type of the target
    ("Observation?_id=o1,o3&_include=Observation:subject", "Device/d1 Patient/p1"),
    ("Observation?_id=o1,o3&_include=Observation:subject:Patient", "Patient/p1"),
    ("Observation?_id=o1,o3&_include=Observation:subject:Device", "Device/d1"),
    # wildcards
    ("Observation?_id=o1&_include=*", "Encounter/e1 Patient/p1 Practitioner/gp"),
    ("Observation?_id=o1&_include=Observation:*", "Encounter/e1 Patient/p1 Practitioner/gp"),
    ("Observation?_id=o1&_include=Observation:*:Patient", "Patient/p1"),
    ("Observation?_id=o1&_include=Encounter:*", ""),
    # only :iterate goes on from what is included
    ("Observation?_id=o1&_include=Observation:patient&_include=Patient:organization", "Patient/p1"),
    (
        "Observation?_id=o1&_include=Observation:patient&_include:iterate=Patient:organization",
        "Organization/low Patient/p1",
    ),
    (
        "Patient?_id=p1&_include=Patient:organization&_include:iterate=Organization:partof",
        "Organization/low Organization/mid Organization/top",
    ),
    ("Organization?_id=low&_include=Organization:partof", "Organization/mid"),
    ("Organization?_id=low&_include:iterate=Organization:partof", "Organization/mid Organization/top"),
    ("Patient?_id=p2&_include:iterate=Patient:link", "Patient/p1"),
    # to what refers to the matches
    ("Patient?_id=p1&_revinclude=Observation:patient", "Observation/o1 Observation/o6"),
    ("Patient?_id=p1&_revinclude=Observation:subject", "Observation/o1 Observation/o6"),
    ("Device?_id=d1&_revinclude=Observation:subject", "Observation/o3"),
    ("Device?_id=d1&_revinclude=Observation:subject:Patient", ""),
    ("Patient?_id=p1&_revinclude=Patient:link&_revinclude=Encounter:patient", "Encounter/e1 Patient/p2"),
    ("Organization?_id=mid&_revinclude=Patient:organization", "Patient/p2"),
    ("Organization?_id=top&_revinclude:iterate=Organization:partof", "Organization/low Organization/mid"),
    ("Encounter?_id=e1&_revinclude=Observation:*", "Observation/o1"),
    ("Practitioner?_id=gp&_revinclude=*", "Observation/o1 Patient/p1 Provenance/v1"),
    # both directions, one after the other
    (
        "Encounter?_id=e1&_include=Encounter:patient&_revinclude:iterate=Observation:patient",
        "Observation/o1 Observation/o6 Patient/p1",
    ),
    (
        "Observation?_id=o2&_include:iterate=Observation:has-member&_include:iterate=Observation:encounter",
        "Encounter/e1 Observation/o1",
    ),
    # canonical references lead to what has the URL, in the version that is named
    ("QuestionnaireResponse?_id=r&_include=QuestionnaireResponse:questionnaire", "Questionnaire/q2"),
    ("QuestionnaireResponse?_id=r1&_include=QuestionnaireResponse:questionnaire", "Questionnaire/q1"),
    ("QuestionnaireResponse?_id=r9&_include=QuestionnaireResponse:questionnaire", ""),
    ("QuestionnaireResponse?_id=rl&_include=QuestionnaireResponse:questionnaire", "Questionnaire/q1"),
    (
        "Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire",
        "QuestionnaireResponse/r QuestionnaireResponse/r1 QuestionnaireResponse/rl",
    ),
    ("Questionnaire?_id=q2&_revinclude=QuestionnaireResponse:questionnaire", "QuestionnaireResponse/r"),
    # references in contained resources are followed like those of the container
    ("MedicationRequest?_id=m1&_include=Medication:manufacturer", "Organization/top"),
    ("MedicationRequest?_id=m1&_include=*", "Organization/top Patient/p1"),
    ("MedicationRequest?_id=m1&_include=MedicationRequest:medication", ""),
    # over several types
    ("?_type=Observation,Encounter&_id=o1,e1&_include=*:patient", None),
    ("?_type=Observation,Encounter&_id=o3,e1&_include=*", "Device/d1 Patient/p1"),
    ("Patient/p1/Encounter?_include=Encounter:patient", "Patient/p1"),
]


@pytest.mark.parametrize(("search", "expected"), TABLE, ids=[row[0] for row in TABLE])
@pytest.mark.feature("search.result._include")
@pytest.mark.feature("search.result._revinclude")
def test_include(client: httpx.Client, search: str, expected: str | None) -> None:
    """Each search, and the resources that come beside its matches; None if it is refused."""
    if expected is None:
        assert refusal(client, search)["code"] == "value"
        return
    assert " ".join(sorted(entries(page(client, search), "include"))) == expected


@pytest.mark.parametrize(
    ("search", "matches", "includes"),
    [
        ("Patient?_id=p1,p2&_include=Patient:link", "Patient/p1 Patient/p2", ""),
        (
            "Observation?_id=o1,o2&_include:iterate=Observation:has-member",
            "Observation/o1 Observation/o2",
            "",
        ),
        ("Observation?_id=o1,o6&_include=Observation:patient", "Observation/o1 Observation/o6", "Patient/p1"),
    ],
)
def test_each_resource_comes_once(client: httpx.Client, search: str, matches: str, includes: str) -> None:
    """What matches is a match, also if it is referred to; `total` counts matches alone."""
    bundle = page(client, search)
    assert " ".join(entries(bundle, "match")) == matches
    assert " ".join(entries(bundle, "include")) == includes
    assert bundle["total"] == len(matches.split())
    addresses = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(addresses) == len(set(addresses))


@pytest.mark.feature("search.result._include.versioned")
def test_a_versioned_reference_leads_to_that_version(client: httpx.Client, base_url: str) -> None:
    """https://hl7.org/fhir/R4/references.html#literal: the version that is referred to, current or not."""
    store(client, [{"resourceType": "Patient", "id": "vp", "gender": "male"}])
    store(client, [{"resourceType": "Patient", "id": "vp", "gender": "female"}])
    store(client, [_observation(f"vo{n}", f"Patient/vp/_history/{n}") for n in (1, 2, 3)])
    store(client, [_observation("vo0", "Patient/vp")])

    def genders(ids: str) -> list[tuple[str, str]]:
        bundle = page(client, f"Observation?_id={ids}&_include=Observation:subject")
        found = [entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "include"]
        return sorted((patient["meta"]["versionId"], patient["gender"]) for patient in found)

    assert genders("vo1") == [("1", "male")]
    assert genders("vo2") == [("2", "female")]
    assert genders("vo3") == []
    assert genders("vo0,vo2") == [("2", "female")]
    assert genders("vo0,vo1,vo2") == [("1", "male"), ("2", "female")]
    client.delete("/Patient/vp")
    assert genders("vo0,vo1") == []


@pytest.mark.feature("search.result._include.paging")
def test_each_page_has_what_its_matches_refer_to(client: httpx.Client) -> None:
    """`_include` goes along to the other pages; `_count` counts matches."""
    first = page(client, "Observation?_id=o1,o2,o3&_count=1&_include=Observation:subject")
    assert entries(first, "include") == ["Patient/p1"]
    second = client.get(links(first)["next"]).json()
    assert (entries(second, "match"), entries(second, "include")) == (["Observation/o2"], ["Patient/p2"])
    third = client.get(links(second)["next"]).json()
    assert entries(third, "include") == ["Device/d1"]
    assert entries(client.get(links(third)["previous"]).json(), "include") == ["Patient/p2"]


def test_elements_are_of_the_matches_alone(client: httpx.Client) -> None:
    """ "The _elements parameter does not apply to included resources"; a summary is of both."""
    bundle = page(client, "Observation?_id=o1&_include=Observation:patient&_elements=status")
    observation, patient = (entry["resource"] for entry in bundle["entry"])
    assert "subject" not in observation
    assert "generalPractitioner" in patient
    assert "tag" not in patient["meta"]
    bundle = page(client, "Observation?_id=o1&_include=Observation:patient&_summary=true")
    observation, patient = (entry["resource"] for entry in bundle["entry"])
    assert "generalPractitioner" not in patient
    assert patient["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_a_count_has_no_includes(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#count: the number alone."""
    bundle = page(client, "Observation?_id=o1&_include=Observation:patient&_summary=count")
    assert "entry" not in bundle


@pytest.mark.parametrize(
    ("search", "what"),
    [
        ("Observation?_include=Observation:frobnicate", "has-member"),
        ("Observation?_include=Observation:code", "has-member"),
        ("Observation?_include=Nonsense:subject", "Type:parameter"),
        ("Observation?_include=Observation:subject:Encounter", "Device, Group, Location, Patient"),
        ("Patient?_revinclude=Observation:date", "has-member"),
        ("Patient?_revinclude=Observation:", "Type:parameter"),
        ("Patient?" + "&".join(f"_include=Patient:{n}" for n in range(51)), "50 includes"),
    ],
)
@pytest.mark.feature("search.result._include.errors")
def test_what_does_not_exist_is_refused(client: httpx.Client, search: str, what: str) -> None:
    """An error names what would be understood."""
    assert what in refusal(client, search)["diagnostics"]


@pytest.mark.feature("search.result._include.bounded")
def test_more_than_the_server_grants(client: httpx.Client, settings: Settings) -> None:
    """Past the bound an outcome says that there would be more: nothing is cut in silence."""
    with running_server(settings.model_copy(update={"max_included": 2})) as other:
        found = httpx.get(f"{other}/Practitioner?_id=gp&_revinclude=*").json()
        enough = httpx.get(f"{other}/Patient?_id=p1&_revinclude=Observation:patient").json()
    assert len(entries(found, "include")) == 2
    [outcome] = [entry["resource"] for entry in found["entry"] if entry["search"]["mode"] == "outcome"]
    assert outcome["issue"][0]["severity"] == "warning"
    assert "More than 2" in outcome["issue"][0]["diagnostics"]
    assert len(entries(enough, "include")) == 2
    assert entries(enough, "outcome") == []


def test_a_chain_that_is_longer_than_the_rounds(client: httpx.Client) -> None:
    """`:iterate` follows a circle once, and a long way to its bound, which an outcome tells."""
    ring = [
        {"resourceType": "Location", "id": f"ring{n}", "partOf": _ref(f"Location/ring{(n + 1) % 3}")}
        for n in range(3)
    ]
    line = [
        {"resourceType": "Location", "id": f"line{n}", "partOf": _ref(f"Location/line{n + 1}")}
        for n in range(15)
    ]
    store(client, [*ring, *line])
    bundle = page(client, "Location?_id=ring0&_include:iterate=Location:partof")
    assert sorted(entries(bundle, "include")) == ["Location/ring1", "Location/ring2"]
    bundle = page(client, "Location?_id=line0&_include:iterate=Location:partof")
    assert len(entries(bundle, "include")) == 10
    assert "10 times" in bundle["entry"][-1]["resource"]["issue"][0]["diagnostics"]


def test_what_the_capability_statement_may_promise() -> None:
    """Each value that is listed is one that a search takes."""
    assert {"*", "Observation:*", "Observation:patient"} <= set(include_values("Observation"))
    assert {"Observation:patient", "Provenance:target"} <= set(revinclude_values("Patient"))
    assert "Observation:encounter" not in revinclude_values("Patient")
