"""Chains ask the resources that references lead to. https://hl7.org/fhir/R4/search.html#chaining"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store


def _observation(name: str, subject: str, **more: object) -> Resource:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": code,
        "subject": {"reference": subject},
        **more,
    }


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client, base_url: str) -> None:
    store(client, [*_people(base_url), *_observations(base_url), *_conformance(base_url)])


def _people(base_url: str) -> list[Resource]:
    """Return two patients with those whom they refer to."""
    return [
        {"resourceType": "Organization", "id": "top", "name": "Top Health", "active": True},
        {
            "resourceType": "Organization",
            "id": "ward",
            "name": "Ward Co",
            "partOf": _to("Organization/top"),
        },
        {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Peters"}]},
        {"resourceType": "Practitioner", "id": "md", "name": [{"family": "Young"}]},
        {
            "resourceType": "Patient",
            "id": "peter",
            "name": [{"family": "Peters", "given": ["Ann"]}],
            "gender": "female",
            "birthDate": "1980-04-01",
            "managingOrganization": _to("Organization/ward"),
            "generalPractitioner": [_to("Practitioner/dr"), _to("Practitioner/md")],
        },
        {
            "resourceType": "Patient",
            "id": "young",
            "name": [{"family": "Young"}],
            "gender": "male",
            "managingOrganization": _to(f"{base_url}/Organization/top"),
            "generalPractitioner": [_to("Practitioner/md")],
        },
    ]


def _observations(base_url: str) -> list[Resource]:
    """Return observations about all that an observation may be about."""
    return [
        {"resourceType": "Group", "id": "herd", "type": "animal", "actual": True, "code": {"text": "x"}},
        {"resourceType": "Device", "id": "pump", "identifier": [{"system": "urn:s", "value": "pump-1"}]},
        _observation("o1", "Patient/peter", performer=[_to("Practitioner/md")]),
        _observation("o2", "Patient/young", performer=[_to("Patient/peter"), _to("Organization/top")]),
        _observation("o3", "Group/herd"),
        _observation("o4", "Device/pump"),
        _observation("o5", f"{base_url}/Patient/peter/_history/1"),
    ]


def _conformance(base_url: str) -> list[Resource]:
    """Return what is linked by canonicals, and documents."""
    return [
        {
            "resourceType": "Questionnaire",
            "id": "q",
            "url": "http://acme.example/q",
            "status": "active",
            "title": "Intake form",
        },
        _document("d1", "Patient/peter", "Discharge of Peter"),
        _document("d2", f"{base_url}/Patient/young", "Admission", id="c2"),
        {
            "resourceType": "CodeSystem",
            "id": "main",
            "url": "http://acme.example/cs",
            "name": "Main",
            "status": "active",
            "content": "complete",
        },
        {
            "resourceType": "CodeSystem",
            "id": "supplement",
            "url": "http://acme.example/cs-de",
            "status": "draft",
            "content": "supplement",
            "supplements": "http://acme.example/cs",
        },
        {
            "resourceType": "QuestionnaireResponse",
            "id": "qr",
            "status": "completed",
            "questionnaire": "http://acme.example/q|2",
            "subject": _to("Patient/peter"),
        },
    ]


def _document(name: str, subject: str, title: str, **more: object) -> Resource:
    composition = {
        "resourceType": "Composition",
        **more,
        "status": "final",
        "type": {"text": "summary"},
        "subject": _to(subject),
        "date": "2026-01-31",
        "author": [_to("Practitioner/dr")],
        "title": title,
    }
    return {
        "resourceType": "Bundle",
        "id": name,
        "type": "document",
        "identifier": {"system": "urn:d", "value": name},
        "timestamp": "2026-01-31T12:00:00Z",
        "entry": [{"fullUrl": "urn:uuid:0f2a1b3c-0000-4000-8000-000000000000", "resource": composition}],
    }


def _to(reference: str) -> dict[str, str]:
    return {"reference": reference}


CHAINS: list[Row] = [
    ("chaining", "Observation?subject:Patient.name=peters", "o1 o5"),
    ("chaining", "Observation?patient.name=peters", "o1 o5"),
    ("chaining", "Observation?subject.name=peters", "o1 o5"),
    ("chaining", "Observation?subject:Patient.gender=male", "o2"),
    ("chaining", "Observation?patient.name=nobody", ""),
    ("chaining", "Observation?patient.organization.name=ward", "o1 o5"),
    ("chaining", "Observation?patient:Patient.organization.name=top", "o2"),
    ("chaining", "Observation?patient.organization:Organization.partof.name=top", "o1 o5"),
    ("chaining", "Observation?subject.identifier=pump-1", "o4"),
    ("chaining", "Observation?subject:Device.identifier=urn:s|pump-1", "o4"),
    ("chaining", "Patient?general-practitioner.name=peters", "peter"),
    ("chaining", "Patient?general-practitioner:Practitioner.name=young", "peter young"),
    ("chaining", "Observation?performer.name=young", "o1"),
    ("chaining", "Observation?performer:Practitioner.name=peters", ""),
    ("chaining", "Observation?performer:Patient.name=peters", "o2"),
    ("chaining", "Observation?performer:Patient.general-practitioner:Practitioner.family=peters", "o2"),
    # One reference may lead to what the first value asks for, and another one to what the second does.
    (
        "chaining",
        "Patient?general-practitioner:Practitioner.name=peters&general-practitioner:Practitioner.name=young",
        "peter",
    ),
    ("chaining", "Observation?patient.name=peters,young", "o1 o2 o5"),
    ("chaining", "Observation?patient.birthdate=ge1980", "o1 o5"),
    ("modifiers", "Observation?patient.birthdate:missing=true", "o2"),
    ("modifiers", "Observation?patient.gender:not=male", "o1 o5"),
    ("modifiers", "Observation?patient.family:exact=Peters", "o1 o5"),
    ("modifiers", "Observation?patient.family:exact=peters", ""),
    ("chaining", "Observation?patient._id=peter", "o1 o5"),
    ("chaining", "Observation?code=8867-4&patient.name=young", "o2"),
    ("chaining", "QuestionnaireResponse?questionnaire.title=intake", "qr"),
    ("chaining", "QuestionnaireResponse?questionnaire.title=other", ""),
    # The first resource of a document is asked where it stands.
    ("chaining", "Bundle?composition.title=discharge", "d1"),
    ("chaining", "Bundle?composition:Composition.title=admission", "d2"),
    ("chaining", "Bundle?composition.title:exact=Admission", "d2"),
    ("chaining", "Bundle?composition.title:exact=admission", ""),
    ("chaining", "Bundle?composition.patient.name=peters", "d1"),
    ("chaining", "Bundle?composition.patient=young", "d2"),
    ("chaining", "Bundle?composition._id=c2", "d2"),
    ("chaining", "Bundle?composition.status:not=final", ""),
    ("chaining", "Bundle?composition.date=2026-01&type=document", "d1 d2"),
    ("chaining", "Bundle?message.event=x", ""),
    ("chaining", "CodeSystem?supplements.name=main", "supplement"),
    ("has", "CodeSystem?_has:CodeSystem:supplements:status=draft", "main"),
]


@pytest.mark.feature("search.chain")
@pytest.mark.parametrize("row", CHAINS, ids=row_id)
def test_a_chain_finds_what_refers_to_what_it_asks_for(client: httpx.Client, row: Row) -> None:
    """Typed and untyped, to any depth, each value for itself."""
    check(client, row)


REFUSED = [
    ("Observation?code.name=x", "based-on"),
    ("Observation?patient:Organization.name=x", "patient leads to Patient"),
    ("Observation?patient.frobnicate=x", "Patient has no search parameter 'frobnicate'"),
    ("Observation?patient.birthdate=soon", "birthdate: a date is"),
    ("Observation?patient.gender:exact=male", "gender takes these modifiers"),
    ("Observation?frobnicate.name=x", "Observation has no search parameter 'frobnicate'"),
    ("Observation?patient.=x", "Patient has no search parameter"),
    ("Observation?" + "part-of." * 0 + "encounter." + "part-of." * 8 + "status=x", "8 references"),
]


@pytest.mark.feature("search.chain.errors")
@pytest.mark.parametrize(("search", "said"), REFUSED)
def test_a_chain_that_leads_nowhere_is_refused(client: httpx.Client, search: str, said: str) -> None:
    """What is wrong is named: the link, the parameter at its end, the value, or the length."""
    assert said in refusal(client, search)["diagnostics"]
